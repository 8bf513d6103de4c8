//! One exchange between a client of one dialect and an upstream of another.
//!
//! ```text
//!  request   bytes ─ decode ─► hub::Request ─ encode ─► bytes                     decode once, encode per attempt
//!  answer    bytes ─ decode ─► hub::Response ─ restore ─ cut ─ encode ─► bytes
//!  stream    bytes ─ frames ─ decode ─► hub::Event ─ restore ─ stops ─ encode ─► bytes
//! ```
//!
//! A stream passes without delay: everything that can be written after a read is written in the same read. It ends in
//! exactly one way ([`Terminal`]), and always with the terminal event of the client's dialect.
use std::borrow::Cow;

use bytes::BytesMut;

use super::error::{self, ErrorKind, ParsedError, WireError};
use super::hub::context::{Context, Origin, Stamp};
use super::hub::error::{Dropped, Losses, RequestFault, Violation};
use super::hub::event::Event;
use super::hub::grammar::Grammar;
use super::hub::history;
use super::hub::names::Names;
use super::hub::opaque;
use super::hub::request::Request;
use super::hub::response::{NoAnswer, Response, Spent, Stop};
use super::hub::target::{Encoded, Target, ToolIds};
use super::json::surrogates;
use super::sse::{Frame, Frames};
use super::written::Written;
use super::{Dialect, UpstreamDialect};
use coders::Encoder;
use halves::Halves;
use ids::Ids;
use pauses::Pauses;
use reader::Reader;
#[cfg(test)]
pub(crate) use requests::decodes;
pub use requests::{decode, decode_gemini, decode_scanned, estimate};
use restore::Restore;
pub use seen::Terminal;
use seen::{Seen, for_client};
use stops::Stops;

mod coders;
pub mod count;
mod freeform;
mod halves;
mod ids;
mod pauses;
mod reader;
mod requests;
mod restore;
mod seen;
mod stops;

/// An upstream's error, for a client of another dialect.
pub fn error(client: Dialect, said: &ParsedError) -> WireError {
    let said = WireError::new(said.kind, said.message.as_str())
        .indication(said.indication)
        .retry_after(said.retry_after);
    for_client(client, said)
}

/// Translates the answer to one request.
#[derive(Debug)]
pub struct Translator {
    client: Dialect,
    upstream: UpstreamDialect,
    context: Context,
    /// The state of pauses; `None` = an answer that the upstream pauses is not continued.
    pauses: Option<Box<Pauses>>,
    restore: Restore,
    stops: Stops,
    frames: Frames,
    reader: Reader,
    encoder: Encoder,
    seen: Seen,
    halves: Halves,
    grammar: Grammar,
    violations: Vec<Violation>,
    losses: Losses,
}

impl Translator {
    /// Translates `request` for one candidate upstream, and creates the translator for its answer.
    pub fn new(
        request: &Request,
        upstream: UpstreamDialect,
        target: &Target<'_>,
        stamp: Stamp,
    ) -> Result<(Self, Encoded), RequestFault> {
        let ids = Ids::of(request);
        let numbered;
        let request = if target.quirks.tool_ids == ToolIds::Numbered {
            let mut copy = request.clone();
            history::number(&mut copy.turns);
            numbered = copy;
            &numbered
        } else {
            request
        };
        let wraps_freeform = upstream == Dialect::Anthropic
            || upstream == Dialect::Gemini
            || !target.takes_freeform();
        let in_their_words = |fault: RequestFault| fault.named_for(request.client);
        let names = Names::of(request, wraps_freeform).map_err(in_their_words)?;
        let encoded = coders::ask(upstream, request, target).map_err(in_their_words)?;
        let context = Context {
            model: request.model.clone(),
            reply: request.reply.clone(),
            stamp,
            origin: Origin {
                vendor: target.quirks.vendor,
                model: target.model.to_owned(),
                account: opaque::account_mark(target.account),
            },
            prompt_estimate: super::hub::estimate::prompt(request),
        };
        let translator = Self {
            client: request.client,
            upstream,
            reader: Reader::new(upstream, target.quirks.clone(), stamp, names.wrapped()),
            encoder: Encoder::new(request.client, context.clone()),
            context,
            pauses: None,
            restore: Restore::new(names, ids),
            stops: Stops::new(encoded.stops.clone()),
            frames: Frames::new(),
            seen: Seen::default(),
            halves: Halves::default(),
            grammar: Grammar::default(),
            violations: Vec::new(),
            losses: encoded.dropped.clone(),
        };
        Ok((translator, encoded))
    }

    /// The time and the randomness of the answer.
    pub const fn stamp(&self) -> Stamp {
        self.context.stamp
    }

    /// Whether answers that the upstream pauses are continued.
    pub const fn pauses(&self) -> bool {
        self.pauses.is_some()
    }

    /// Translates a whole answer; the result is empty if the upstream paused. `Err` is the error for the client
    /// instead: the upstream's error with a 200, or an unusable answer.
    pub fn response(&mut self, body: &[u8]) -> Result<Vec<u8>, WireError> {
        let body = &*surrogates::replaced(body);
        if let Some(said) = error::parse_event(self.upstream, body) {
            return Err(error(self.client, &said));
        }
        let mut response: Response = self.reader.whole(body).map_err(|why| match why {
            NoAnswer::Failed(said, spent) => {
                self.seen.spent = spent;
                for_client(self.client, *said)
            }
            NoAnswer::Violation(violation) => self.violated(violation),
        })?;
        self.seen.note_whole(&response);
        if let Some(pauses) = &mut self.pauses {
            self.seen.spent = response.spent;
            let Some(whole) = pauses.whole(body, response) else {
                self.seen.spent = pauses.spent();
                self.seen.terminal = Some(Terminal::Paused);
                return Ok(Vec::new());
            };
            response = whole;
        }
        self.answer(response)
    }

    fn answer(&mut self, mut response: Response) -> Result<Vec<u8>, WireError> {
        self.restore.restore(&mut response);
        self.stops.cut(&mut response);
        self.seen.spent = response.spent;
        let response = response
            .with_sound_calls()
            .map_err(|violation| self.violated(violation))?;
        self.seen.committed = true;
        self.seen.spent = response.spent;
        self.seen.model.clone_from(&response.model);
        self.seen.terminal = Some(Terminal::Complete);
        Ok(coders::tell(
            self.client,
            &response,
            &self.context,
            &mut self.losses,
        ))
    }

    /// Translates the next bytes of a stream, however they are divided. After [`Translator::terminal`] nothing is read
    /// or written.
    pub fn push(&mut self, chunk: &[u8], out: &mut BytesMut) {
        let mut frames = std::mem::take(&mut self.frames);
        let cut = frames.push(chunk, |frame| self.frame(&frame, out));
        self.frames = frames;
        if cut.is_err() {
            self.fail(
                Violation::new(
                    "event_too_long",
                    "an event of the upstream's stream is too long",
                ),
                out,
            );
        }
    }

    /// The upstream's bytes have ended.
    pub fn finish(&mut self, out: &mut BytesMut) {
        let mut frames = std::mem::take(&mut self.frames);
        // Some servers omit the last line end.
        frames.finish(|frame| self.frame(&frame, out));
        if self.seen.terminal.is_some() {
            return;
        }
        match self.pump(out, |reader, on| reader.finish(on)) {
            Ok(true) => {}
            Ok(false) => {
                self.seen.terminal = Some(Terminal::Truncated);
                let said = WireError::new(
                    ErrorKind::BadGateway,
                    "the upstream's stream ended before its answer did",
                );
                self.say(said.code("stream_incomplete"), out);
            }
            Err(violation) => self.fail(violation, out),
        }
    }

    /// Ends the stream with an error of Weir's, for example because the upstream is silent.
    pub fn terminal_error(&mut self, said: &WireError, out: &mut BytesMut) {
        if self.seen.terminal.is_none() {
            self.seen.terminal = Some(Terminal::Failed(said.clone()));
            self.say(said.clone(), out);
        }
    }

    /// Writes a keep-alive for the client while the upstream is silent. Nothing is written before the head of the
    /// answer.
    pub fn ping(&mut self, out: &mut BytesMut) {
        if self.seen.terminal.is_none() {
            // A ping never breaks a rule of the encoder.
            let _ = self.encoder.on(Event::Ping, out);
        }
    }

    /// Whether content has come: from here on the answer cannot be retried.
    pub const fn committed(&self) -> bool {
        self.seen.committed
    }

    /// Whether the model has stopped, so that only usage and the terminal marker are missing. Some servers delay these;
    /// after a few seconds the caller may call [`Translator::finish`] instead.
    pub fn stopped(&self) -> bool {
        self.seen.stopped || self.reader.has_stopped()
    }

    /// How the answer ended, if it has.
    pub const fn terminal(&self) -> Option<&Terminal> {
        self.seen.terminal.as_ref()
    }

    /// The usage that the upstream has stated so far. It is final once the answer is complete.
    pub const fn spent(&self) -> Option<Spent> {
        self.seen.spent
    }

    /// Whether the usage is more than what the upstream stated at the beginning of the stream.
    pub const fn is_settled(&self) -> bool {
        self.seen.is_settled()
    }

    /// The upstream's name of the model.
    pub fn model(&self) -> Option<&str> {
        self.seen.model.as_deref()
    }

    /// What was left out of the request and of the answer.
    pub fn dropped(&self) -> Vec<Dropped> {
        let mut losses = self.losses.clone();
        let answer = self.encoder.losses();
        for dropped in answer.as_slice() {
            losses.add(dropped.clone());
        }
        losses.as_slice().to_vec()
    }

    /// The rules that the upstream broke.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// What the model wrote so far.
    pub const fn written(&self) -> Written {
        self.seen.written
    }

    /// From now on, answers that the upstream pauses are continued: [`Terminal::Paused`].
    pub fn may_pause(&mut self) {
        self.pauses = Some(Box::default());
    }

    /// After [`Terminal::Paused`]: the content of the assistant's turn so far, as a JSON array for the upstream. The
    /// next bytes must be the answer to the request with that turn.
    pub fn resume(&mut self) -> Vec<u8> {
        let Some(pauses) = &mut self.pauses else {
            return Vec::new();
        };
        self.seen.terminal = None;
        self.seen.stopped = false;
        self.frames = Frames::new();
        self.reader.restart();
        pauses.resume()
    }

    /// After [`Terminal::Paused`] of a stream: ends the client's answer with the content so far.
    pub fn give_up(&mut self, out: &mut BytesMut) {
        self.pauses = None;
        self.seen.terminal = None;
        for event in [Event::Stop(Stop::Pause), Event::End] {
            if let Err(violation) = self.pump(out, |_, on| on(event)) {
                self.fail(violation, out);
            }
        }
    }

    /// Whether there are earlier rounds of a whole answer that [`Translator::give_up_whole`] can return.
    pub fn holds_rounds(&self) -> bool {
        let pauses = self.pauses.as_ref();
        pauses.is_some_and(|pauses| pauses.holds_rounds())
    }

    /// The same for a whole answer.
    pub fn give_up_whole(&mut self) -> Vec<u8> {
        match self.pauses.take().and_then(|pauses| pauses.give_up()) {
            // The answer had stopped for a pause, so its calls were complete.
            Some(answer) => self.answer(answer).unwrap_or_default(),
            None => Vec::new(),
        }
    }

    fn frame(&mut self, frame: &Frame<'_>, out: &mut BytesMut) {
        if self.seen.terminal.is_some() {
            return;
        }
        if !frame.is_silent()
            && let Some(pauses) = &mut self.pauses
        {
            pauses.record(&frame.data);
        }
        let data = surrogates::marked(&frame.data);
        if matches!(data, Cow::Owned(_)) {
            self.halves.meet();
        }
        let result = self.pump(out, |reader, on| reader.push(frame, &data, on));
        if let Err(violation) = result {
            self.fail(violation, out);
        }
    }

    /// Runs the decoder's events through all stages into the encoder.
    fn pump<T>(
        &mut self,
        out: &mut BytesMut,
        run: impl FnOnce(
            &mut Reader,
            &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
        ) -> Result<T, Violation>,
    ) -> Result<T, Violation> {
        let Self {
            client,
            reader,
            pauses,
            restore,
            stops,
            encoder,
            seen,
            halves,
            grammar,
            violations,
            ..
        } = self;
        let mut on = |event: Event<'_>| {
            restore.on(event, |event| {
                stops.on(event, |event| {
                    grammar.on(event, |event| {
                        let event = seen.note(event, *client);
                        encoder.on(event, out)
                    })
                })
            })
        };
        let mut ended = false;
        let result = run(reader, &mut |event| {
            ended |= matches!(event, Event::End);
            halves.on(event, |event| match (event, &mut *pauses) {
                (Event::Repair(violation), _) => {
                    if !violations.iter().any(|known| known.rule == violation.rule) {
                        violations.push(violation);
                    }
                    Ok(())
                }
                (event, Some(pauses)) => pauses.on(event, &mut on),
                (event, None) => on(event),
            })
        });
        let Some(pauses) = pauses else {
            return result;
        };
        if ended && pauses.is_paused() {
            seen.terminal = Some(Terminal::Paused);
        }
        result
    }

    fn fail(&mut self, violation: Violation, out: &mut BytesMut) {
        if self.seen.terminal.is_none() {
            let said = self.violated(violation);
            self.seen.terminal = Some(Terminal::Failed(said.clone()));
            self.say(said, out);
        }
    }

    fn violated(&mut self, violation: Violation) -> WireError {
        let said = WireError::new(ErrorKind::BadGateway, violation.message.as_str());
        self.violations.push(violation);
        said
    }

    fn say(&mut self, said: WireError, out: &mut BytesMut) {
        // An error never breaks a rule of the encoder.
        let _ = self.encoder.on(Event::Error(said), out);
    }
}
