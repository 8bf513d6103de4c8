//! From an upstream's bytes to events, also where they do not come as they were asked for: whole instead of a stream, a stream
//! instead of whole, errors in plain text, JSON that says one thing twice. Servers and gateways do all of it, and the content is there.
use serde_json::Value;
use serde_json::value::RawValue;

use super::coders::{self, Decoder};
use crate::protocol::UpstreamDialect;
use crate::protocol::error::{self, ErrorKind, WireError};
use crate::protocol::hub::collect::Collector;
use crate::protocol::hub::context::Stamp;
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::Event;
use crate::protocol::hub::replay;
use crate::protocol::hub::response::NoAnswer;
use crate::protocol::hub::response::Response;
use crate::protocol::hub::target::Quirks;
use crate::protocol::json::{loose, surrogates};
use crate::protocol::sse::{Frame, Frames};

type On<'o> = dyn FnMut(Event<'_>) -> Result<(), Violation> + 'o;

/// Reads one answer.
#[derive(Debug)]
pub struct Reader {
    upstream: UpstreamDialect,
    quirks: Quirks,
    stamp: Stamp,
    /// The tools whose arguments may be plain text instead of an object.
    wrapped: Vec<String>,
    decoder: Decoder,
}

impl Reader {
    /// `stamp` makes ids for calls that come without; `wrapped` are the tools whose arguments may be plain text.
    pub fn new(
        upstream: UpstreamDialect,
        quirks: Quirks,
        stamp: Stamp,
        wrapped: Vec<String>,
    ) -> Self {
        Self {
            decoder: Decoder::new(upstream, &quirks, stamp, wrapped.clone()),
            upstream,
            quirks,
            stamp,
            wrapped,
        }
    }

    /// What comes next is another stream.
    pub fn restart(&mut self) {
        self.decoder = self.decoder();
    }

    /// Reads one frame, of which `data` is the data with [marks](surrogates::marked) for halves of characters.
    pub fn push(
        &mut self,
        frame: &Frame<'_>,
        data: &[u8],
        on: &mut On<'_>,
    ) -> Result<(), Violation> {
        if frame.is_silent() {
            return match unframed(frame) {
                Some(body) => self.unstreamed(&surrogates::replaced(body), on),
                // A comment: the upstream is alive.
                None => on(Event::Ping),
            };
        }
        if let Some(said) = plain_error(frame) {
            return on(Event::Error(said));
        }
        match self.decoder.push(data, on) {
            Err(why) => match mended(&why, data) {
                Some((repair, data)) => {
                    on(Event::Repair(repair))?;
                    self.decoder.push(&data, on)
                }
                None => Err(why),
            },
            fine => fine,
        }
    }

    /// Whether it was said why the answer ends.
    pub fn has_stopped(&self) -> bool {
        self.decoder.has_stopped()
    }

    /// The end of the bytes. Whether the answer had come to its end; `false` = it was cut.
    pub fn finish(&mut self, on: &mut On<'_>) -> Result<bool, Violation> {
        self.decoder.finish(on)
    }

    /// Reads a whole answer.
    pub fn whole(&self, body: &[u8]) -> Result<Response, NoAnswer> {
        if is_stream(body) {
            return self.collect(body);
        }
        let read = |body: &[u8]| coders::read(self.upstream, body, &self.quirks, self.stamp);
        match read(body) {
            Err(NoAnswer::Violation(why)) => match mended(&why, body) {
                Some((_, body)) => read(&body),
                None => Err(why.into()),
            },
            read => read,
        }
    }

    /// A whole answer where a stream was asked for.
    fn unstreamed(&mut self, body: &[u8], on: &mut On<'_>) -> Result<(), Violation> {
        if let Some(said) = error::parse_event(self.upstream, body) {
            return on(Event::Error(said.to_wire()));
        }
        if self.upstream == UpstreamDialect::Gemini && body.starts_with(b"[") {
            // Its stream without `alt=sse`.
            let elements: Vec<&RawValue> =
                serde_json::from_slice(body).map_err(Violation::unreadable)?;
            return elements
                .into_iter()
                .try_for_each(|element| self.decoder.push(element.get().as_bytes(), on));
        }
        match self.whole(body) {
            Ok(response) => {
                let response = response.with_sound_calls()?;
                let what = "a request for a stream was answered in one piece";
                on(repair("answer_not_streamed", what))?;
                replay::response(&response, on)
            }
            Err(NoAnswer::Violation(violation)) => Err(violation),
            Err(NoAnswer::Failed(said, _)) => on(Event::Error(*said)),
        }
    }

    /// A stream where a whole answer was asked for.
    fn collect(&self, body: &[u8]) -> Result<Response, NoAnswer> {
        let mut decoder = self.decoder();
        let mut collector = Collector::default();
        let mut result = Ok(());
        let mut on = |frame: Frame<'_>| {
            if result.is_err() || frame.is_silent() {
                return;
            }
            result = match plain_error(&frame) {
                Some(said) => collector.on(Event::Error(said)),
                None => decoder.push(&frame.data, &mut |event| collector.on(event)),
            };
        };
        let mut frames = Frames::with_limit(body.len());
        // No frame is longer than all of them.
        let _ = frames.push(body, &mut on);
        frames.finish(&mut on);
        result?;
        if !decoder.finish(&mut |event| collector.on(event))? && !collector.has_failed() {
            return Err(Violation::unreadable("it is a stream that breaks off").into());
        }
        collector.finish()
    }

    fn decoder(&self) -> Decoder {
        Decoder::new(
            self.upstream,
            &self.quirks,
            self.stamp,
            self.wrapped.clone(),
        )
    }
}

/// The JSON of a frame that is no event.
fn unframed<'a>(frame: &Frame<'a>) -> Option<&'a [u8]> {
    let raw = without_mark(frame.raw).trim_ascii();
    matches!(raw.first(), Some(b'{' | b'[')).then_some(raw)
}

/// What an event that is called an error says in plain text.
fn plain_error(frame: &Frame<'_>) -> Option<WireError> {
    let said = frame.data.trim_ascii();
    if frame.event != Some(b"error") || matches!(said.first(), None | Some(b'{' | b'[' | b'"')) {
        return None;
    }
    let text = String::from_utf8_lossy(said);
    let text: String = text.chars().take(MOST_SAID).collect();
    Some(WireError::new(ErrorKind::Api, text))
}

/// Whether a whole answer is a stream of events after all.
fn is_stream(body: &[u8]) -> bool {
    let body = without_mark(body).trim_ascii_start();
    [&b"data:"[..], b"event:", b":", b"id:", b"retry:"]
        .iter()
        .any(|field| body.starts_with(field))
}

/// The same JSON with every member once, if one that is said twice keeps it from being read. The last one counts, as it does for the
/// vendors' SDKs.
fn once(why: &Violation, data: &[u8]) -> Option<Vec<u8>> {
    if !why.message.contains("duplicate field") {
        return None;
    }
    let value: Value = serde_json::from_slice(data).ok()?;
    serde_json::to_vec(&value).ok()
}

/// What can be put right of what cannot be read, and how it is called.
fn mended(why: &Violation, data: &[u8]) -> Option<(Violation, Vec<u8>)> {
    if let Some(once) = once(why, data) {
        let what = "an object has a member twice";
        return Some((Violation::new("repeated_member", what), once));
    }
    let what = "JSON with control characters, bytes that are no UTF-8 or numbers that are none";
    let strict = loose::strict(data).filter(|_| why.rule == "unreadable")?;
    Some((Violation::new("loose_json", what), strict))
}

fn without_mark(raw: &[u8]) -> &[u8] {
    raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw)
}

fn repair(rule: &'static str, what: &str) -> Event<'static> {
    Event::Repair(Violation::new(rule, what))
}

/// Most characters of an error in plain text.
const MOST_SAID: usize = 1_000;
