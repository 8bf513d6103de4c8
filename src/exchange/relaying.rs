//! Upstream bytes → client bytes: what is held, when it commits, how it ends.
//!
//! Until the commit nothing has reached the client and another account may still serve. After it nothing is retried,
//! and an answer that breaks off ends in the dialect's terminal error event, never in silence.
//!
//! Each phase is a type of its own (`phase.rs`) and works on what the answer carries through all of them (`carried.rs`).
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::batches::Reader;
use super::headers::{self, is_event_stream, is_json};
use super::tape::Tape;
use super::translation::{EVENTS, JSON};
pub use super::verdict::{Answer, Ended, Failed, Next};
use crate::outcome::{End, UsageSource};
use crate::pool::{self, Failure, Fault, Hints};
use crate::protocol::Dialect;
use crate::protocol::hub::usage::Stated;
use crate::protocol::passthrough::{self, Trade};
use crate::protocol::sound::Spoken;
use crate::protocol::written::Written;
pub(super) use asked::{Asked, Kind};
use carried::{Carried, Head};
use cover::{Cover, Sought};
pub(super) use facts::Facts;
use held::ErrorBody;
use intake::Intake;
use misshapen::Look;
use outlet::Outlet;
pub use outlet::Ready;
use phase::Phase;
use tapped::Tapped;
pub(super) use translated::Translated;
use whole::Whole;

mod asked;
mod carried;
mod cover;
mod facts;
mod held;
mod intake;
mod misshapen;
mod outlet;
mod passing;
mod phase;
mod tapped;
mod translated;
mod whole;

/// One answer on its way from an upstream to the client.
#[derive(Debug)]
pub struct Relaying {
    phase: Phase,
    carried: Carried,
    intake: Intake,
    is_begun: bool,
    /// Whether it is of an endpoint beside generation, whose answers hold what they hold.
    aside: bool,
    tells: bool,
    trade: Option<Trade>,
    /// Whether the client is not to see the usage of its stream.
    hides_usage: bool,
    results: Option<Box<Reader>>,
}

impl Relaying {
    /// From the head of the answer to what was asked.
    pub(super) fn new(asked: Asked, status: StatusCode, headers: &HeaderMap) -> Self {
        let Asked {
            client,
            upstream,
            stream,
            kind,
            hides_usage,
            secret,
            regroup,
            results,
        } = asked;
        let (aside, tells, keeps) = (kind.is_aside(), kind.tells(), kind.keeps());
        let trade = kind.trade();
        // A file, a sound or a picture is not searched for the credential.
        let covers = !status.is_success() || !aside || is_json(headers) || is_event_stream(headers);
        let sought = Sought::of(secret.as_ref());
        let mut clean = headers::to_client(headers);
        if let Some(sought) = &sought {
            sought.cover_headers(&mut clean);
        }
        let cover = sought.filter(|_| covers).map(Cover::new);
        let intake = Intake::of(headers, &mut clean, covers);
        let phase = if status.is_success() {
            Phase::of(kind, (upstream, stream, hides_usage), headers)
        } else {
            Phase::Error(ErrorBody::default())
        };
        let mut outlet = Outlet::new(cover);
        if let (Some(unit), Some(array)) = (regroup, phase.stream()) {
            outlet.regroup(unit, client, array);
        }
        if keeps && status.is_success() {
            outlet.keep(stream);
        }
        let head = Head {
            client,
            upstream,
            status,
            headers: clean,
            secret,
            request_id: String::new(),
        };
        Self {
            phase,
            carried: Carried {
                head,
                outlet,
                facts: Facts::new(headers),
            },
            intake,
            is_begun: false,
            aside,
            tells,
            trade,
            hides_usage,
            results: results.filter(|_| status.is_success()),
        }
    }

    /// What came and went so far, where it is kept.
    pub fn take_tape(&mut self) -> Option<Box<Tape>> {
        self.intake.take_tape()
    }

    pub(super) fn take_results(&mut self) -> Option<Box<Reader>> {
        self.results.take()
    }

    /// The same, of the request with this id; what comes and goes is kept on the tape.
    #[must_use]
    pub fn called(mut self, request_id: &str, tape: Option<Box<Tape>>) -> Self {
        self.intake.record(tape);
        request_id.clone_into(&mut self.carried.head.request_id);
        self
    }

    /// The status and the headers of the answer, for the client: the first time, as they go out once.
    pub fn client_head(&mut self) -> Option<(StatusCode, HeaderMap)> {
        if std::mem::replace(&mut self.is_begun, true) {
            return None;
        }
        let head = &mut self.carried.head;
        let headers = match self.phase.translated() {
            Some(translated) => translated.headers(&head.headers),
            None => {
                let mut headers = std::mem::take(&mut head.headers);
                if matches!(self.phase, Phase::Tapped(_)) {
                    headers::unbuffered(&mut headers);
                }
                headers
            }
        };
        Some((head.status, headers))
    }

    /// Whether the head has been handed out.
    pub fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Whether the head may go (or has gone) out.
    pub fn is_committed(&self) -> bool {
        self.carried.outlet.is_committed()
    }

    /// Whether the whole answer has been said although the upstream has not closed it yet.
    pub fn is_complete(&self) -> bool {
        self.phase.is_complete()
    }

    /// Whether the upstream waits to be asked for the rest.
    pub fn is_paused(&self) -> bool {
        self.phase.is_paused()
    }

    /// Whether pings may go to the client before anything of it: what comes are events, or nothing that it sees.
    pub fn is_bridgeable(&self) -> bool {
        self.phase.stream() == Some(false) || self.phase.error().is_some()
    }

    /// How long the upstream may still keep the answer open, once all of it that matters has been said.
    pub fn linger(&self) -> Option<Duration> {
        self.phase.linger()
    }

    /// The length of the whole body, when all of it is ready before the head goes.
    pub fn known_length(&self) -> Option<usize> {
        let known = match &self.phase {
            Phase::Translated(translated) => !translated.is_stream(),
            Phase::Whole(whole) => whole.is_empty(),
            _ => false,
        };
        known.then(|| self.carried.outlet.held())
    }

    /// The next bytes of the answer.
    pub fn push(&mut self, chunk: &Bytes, wall: SystemTime) -> Next {
        let pushed = match self.intake.read(chunk) {
            Ok(plain) if plain.is_empty() => Next::Hold,
            Ok(plain) => self.push_plain(&plain, wall),
            // The status of an error says enough.
            Err(_) if self.phase.error().is_some() => Next::Hold,
            Err(_) => self.carried.unreadable(Fault::Undecodable),
        };
        match pushed {
            Next::Failed(failed) => Next::Failed(self.veiled(failed)),
            next => next,
        }
    }

    fn push_plain(&mut self, chunk: &Bytes, wall: SystemTime) -> Next {
        if let Some(results) = &mut self.results {
            results.push(chunk);
        }
        match &mut self.phase {
            Phase::Passing(passing) => passing.push(chunk, &mut self.carried),
            Phase::Counted(count) => count.push(chunk),
            Phase::Error(error) => error.push(chunk),
            Phase::Misshapen(misshapen) => match misshapen.push(chunk) {
                Look::Other => Next::Hold,
                Look::TooLong => {
                    let fault = misshapen.fault();
                    Next::Failed(Failed::bare(pool::classify_transport(fault, false)))
                }
                Look::AsAsked => {
                    let held = self.as_asked();
                    self.push_plain(&held, wall)
                }
            },
            Phase::Tapped(tapped) => tapped.push(chunk, &mut self.carried, wall),
            Phase::Translated(translated) => translated.push(chunk, &mut self.carried, wall),
            Phase::Whole(whole) => whole.push(chunk, &mut self.carried),
        }
    }

    /// What seemed misshapen goes on as what was asked for. What was held of it.
    fn as_asked(&mut self) -> Bytes {
        let Phase::Misshapen(misshapen) = &mut self.phase else {
            return Bytes::new();
        };
        let stream = misshapen.wants_stream();
        let (held, then) = misshapen.take();
        let head = &mut self.carried.head;
        self.phase = match then {
            Some(translated) => Phase::Translated(translated),
            None if stream => Phase::Tapped(Box::new(Tapped::new(head.upstream, self.hides_usage))),
            None => Phase::Whole(Whole::default()),
        };
        let media = if stream { EVENTS } else { JSON };
        let media = HeaderValue::from_static(media);
        head.headers.insert(CONTENT_TYPE, media);
        held
    }

    /// The first byte of a stream came long enough ago: the head goes out with what there is.
    pub fn hold_expired(&mut self) -> Next {
        match &mut self.phase {
            Phase::Tapped(_) if !self.carried.outlet.is_committed() => self.carried.outlet.commit(),
            Phase::Translated(translated) => translated.hold_expired(&mut self.carried),
            _ => Next::Hold,
        }
    }

    /// The upstream closed the answer in good order. `Err` when nothing has reached the client and nothing shall.
    pub fn end(&mut self, wall: SystemTime) -> Result<Ended, Box<Failed>> {
        let ended = self.end_phase(wall).map_err(|failed| self.veiled(failed));
        self.carried.outlet.end(!self.is_paused());
        ended
    }

    fn end_phase(&mut self, wall: SystemTime) -> Result<Ended, Box<Failed>> {
        match &mut self.phase {
            Phase::Passing(_) => Ok(self.carried.well()),
            Phase::Counted(count) => {
                count.end(&mut self.carried)?;
                self.phase = Phase::Whole(Whole::default());
                Ok(Ended::well())
            }
            Phase::Error(error) => Err(error.end(&self.carried.head, self.intake.decoder(), wall)),
            Phase::Misshapen(_) => self.end_misshapen(wall),
            Phase::Tapped(tapped) => tapped.end(&mut self.carried, wall),
            Phase::Translated(translated) => translated.end(&mut self.carried, wall),
            Phase::Whole(whole) if self.aside => {
                Ok(whole.end_aside(&mut self.carried, self.tells, self.trade))
            }
            Phase::Whole(whole) => whole.end(&mut self.carried, wall),
        }
    }

    /// It is told again in the right shape, if it can be; else it is an error of the upstream's, or none that has words.
    fn end_misshapen(&mut self, wall: SystemTime) -> Result<Ended, Box<Failed>> {
        let Phase::Misshapen(misshapen) = &mut self.phase else {
            return Ok(Ended::well());
        };
        let head = &self.carried.head;
        let (fault, stream) = (misshapen.fault(), misshapen.wants_stream());
        let said = stream.then(|| passthrough::read_answer(head.upstream, misshapen.held()).error);
        let said = said.flatten();
        if said.is_none()
            && let Some(reshaped) = misshapen.reshaped(head.upstream)
        {
            self.as_asked();
            self.intake.was_told_again(&reshaped);
            if let Next::Failed(failed) = self.push_plain(&reshaped, wall) {
                return Err(failed);
            }
            return self.end_phase(wall);
        }
        let unfit = pool::classify_transport(fault, false);
        let failure = said.map_or(unfit, |error| {
            let hints = Hints::of(head.upstream, &error);
            pool::classify(error.kind, &hints, &head.headers, wall)
        });
        Err(Failed::bare(Failure {
            cause: failure.cause.or(unfit.cause),
            ..failure
        }))
    }

    /// The upstream broke off, was silent for too long, or cannot be read.
    pub fn broke(&mut self, end: End, fault: Fault) -> Result<Ended, Box<Failed>> {
        self.intake.broke(end);
        self.carried.outlet.end(!self.is_paused());
        if !self.is_committed() {
            return Err(Failed::bare(pool::classify_transport(fault, false)));
        }
        Ok(match &mut self.phase {
            Phase::Translated(translated) => translated.broke(end, fault, &mut self.carried),
            Phase::Tapped(tapped) => tapped.broke(end, fault, &mut self.carried),
            _ => Ended {
                abort: true,
                ..Ended::broken(end, fault)
            },
        })
    }

    fn veiled(&self, failed: Box<Failed>) -> Box<Failed> {
        cover::veil(failed, self.carried.head.secret.as_ref())
    }

    /// Whether a body with this head goes on with an answer that paused.
    pub(super) fn goes_on_with(&self, headers: &HeaderMap) -> bool {
        let translated = self.phase.translated();
        translated.is_some_and(|translated| translated.is_stream() == is_event_stream(headers))
    }

    /// What the rest of a paused answer is asked for with: the turn so far.
    pub(super) fn resume(&mut self) -> Option<Vec<u8>> {
        self.intake.goes_in_rounds();
        self.phase.translated_mut().map(Translated::resume)
    }

    /// Whether an answer that failed has a beginning, for which the upstream has already been paid.
    pub fn holds_rounds(&self) -> bool {
        let translated = self.phase.translated();
        translated.is_some_and(Translated::holds_rounds)
    }

    /// There is no rest to be had: the client gets what there is.
    pub fn give_up(&mut self) {
        self.intake.goes_in_rounds();
        if let Some(translated) = self.phase.translated_mut() {
            let outlet = &mut self.carried.outlet;
            outlet.extend(translated.give_up());
            outlet.commit();
            outlet.end(true);
        }
    }

    /// What may go out now. Nothing, when all of it is text that waits for the rest of its unit.
    pub fn take(&mut self) -> Ready {
        let ready = self.carried.outlet.take();
        self.intake.goes_out(&ready);
        ready
    }

    /// A keep-alive for a client that waits; empty where none can be put.
    pub fn ping(&mut self) -> Bytes {
        let ping = if self.is_committed() {
            self.phase.ping()
        } else {
            Bytes::new()
        };
        self.carried.outlet.ping(ping)
    }

    /// What was used, as far as the upstream said.
    pub fn usage(&mut self) -> Option<(Stated, UsageSource)> {
        self.phase.teach(&mut self.carried.facts);
        self.carried.facts.used()
    }

    /// What the model wrote, as far as it came.
    pub fn written(&self) -> Written {
        let upstream = self.carried.head.upstream;
        let written = self.phase.written(upstream, self.is_committed());
        written.unwrap_or_else(|| self.carried.facts.written())
    }

    /// What was spoken so far.
    pub(super) fn spoken(&self) -> Option<&Spoken> {
        self.phase.spoken()
    }

    /// What is known of it beside its bytes.
    pub(super) fn facts(&self) -> &Facts {
        &self.carried.facts
    }

    /// The id of the response, where a later request may continue it.
    pub fn response_id(&self) -> Option<&str> {
        match self.carried.head.upstream {
            Dialect::OpenaiResponses => self.carried.facts.response_id(),
            _ => None,
        }
    }

    /// The whole response, where it was to be kept and has gone out.
    pub(super) fn response(&self) -> Option<&Bytes> {
        self.carried.outlet.response()
    }

    /// What translation left out of request and answer, and the rules that the answer broke.
    pub fn losses(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        self.phase
            .translated()
            .map_or_else(Default::default, Translated::losses)
    }

    /// Whether the upstream refused because it was asked what its stream uses.
    pub(super) fn refuses_stream_options(&self) -> bool {
        let error = self.phase.error();
        error.is_some_and(ErrorBody::refuses_stream_options)
    }

    /// Whether the upstream refused because of the cache markers in the request.
    pub(super) fn refuses_markers(&self) -> bool {
        self.phase.error().is_some_and(ErrorBody::refuses_markers)
    }
}
