//! Decodes an upstream's bytes into events, even if they do not have the requested form: a whole answer instead of a
//! stream, a stream instead of a whole answer, errors in plain text, JSON with a member twice. Servers and gateways do
//! all of these, and the content is there.
use serde_json::value::RawValue;

use super::coders::{self, Decoder};
use crate::protocol::UpstreamDialect;
use crate::protocol::error::{self, WireError};
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
    /// `stamp` makes ids for calls that have none; `wrapped` are the tools whose arguments may be plain text.
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

    /// The next bytes are another stream.
    pub fn restart(&mut self) {
        self.decoder = self.decoder();
    }

    /// Reads one frame; `data` is its data with [marks](surrogates::marked) in place of lone surrogates.
    pub fn push(
        &mut self,
        frame: &Frame<'_>,
        data: &[u8],
        on: &mut On<'_>,
    ) -> Result<(), Violation> {
        if frame.is_silent() {
            return match unframed(frame) {
                Some(body) => self.unstreamed(&surrogates::replaced(body), on),
                // A comment shows that the upstream is alive.
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

    /// Whether the stop reason has come.
    pub fn has_stopped(&self) -> bool {
        self.decoder.has_stopped()
    }

    /// The bytes have ended. Returns whether the answer was complete; `false` = it was cut off.
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

    /// Reads a whole answer that came instead of a stream.
    fn unstreamed(&mut self, body: &[u8], on: &mut On<'_>) -> Result<(), Violation> {
        if let Some(said) = error::parse_event(self.upstream, body) {
            return on(Event::Error(said.to_wire()));
        }
        if self.upstream == UpstreamDialect::Gemini && body.starts_with(b"[") {
            // Gemini's stream without `alt=sse`.
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
            Err(NoAnswer::Failed(said, spent)) => {
                if let Some(spent) = spent {
                    on(Event::Usage(Box::new(spent)))?;
                }
                on(Event::Error(*said))
            }
        }
    }

    /// Reads a stream that came instead of a whole answer.
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
        // No frame can exceed the length of the body.
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

/// The JSON of a frame without the framing of an event.
fn unframed<'a>(frame: &Frame<'a>) -> Option<&'a [u8]> {
    let raw = without_mark(frame.raw).trim_ascii();
    matches!(raw.first(), Some(b'{' | b'[')).then_some(raw)
}

/// The error in an event with the name `error` and plain text.
fn plain_error(frame: &Frame<'_>) -> Option<WireError> {
    let said = error::plain_event(frame.event, &frame.data)?;
    Some(WireError::new(said.kind, said.message))
}

/// Whether the body of a whole answer is a stream of events.
fn is_stream(body: &[u8]) -> bool {
    let body = without_mark(body).trim_ascii_start();
    [&b"data:"[..], b"event:", b":", b"id:", b"retry:"]
        .iter()
        .any(|field| body.starts_with(field))
}

/// The same JSON with every member once, if a repeated member made it unreadable. The last one counts, as in the
/// vendors' SDKs.
fn once(why: &Violation, data: &[u8]) -> Option<Vec<u8>> {
    if !why.message.contains("duplicate field") {
        return None;
    }
    loose::plain(data)
}

/// Repairs unreadable JSON if possible; also returns the violation.
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
