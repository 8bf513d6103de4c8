//! Turns upstream bytes into client bytes: what is held, when the answer commits, how it ends.
//!
//! Before the commit nothing has reached the client, and another account may still serve the request. After it nothing
//! is retried, and an answer that breaks off ends in the dialect's terminal error event, never in silence.
//!
//! Each phase is a type of its own (`phase.rs`) and works on the values that the answer carries through all phases
//! (`carried.rs`).
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
use crate::protocol::passthrough::{self, Product};
use crate::protocol::sound::Spoken;
use crate::protocol::written::Written;
use buffered::ErrorBody;
use carried::{Carried, Head};
use cover::{Cover, Sought};
pub(super) use facts::Facts;
use intake::Intake;
use misshapen::Look;
use outlet::Outlet;
pub use outlet::Ready;
use phase::Phase;
pub(super) use request::{Kind, RelayedRequest};
use tapped::Tapped;
pub(super) use translated::Translated;
use whole::Whole;

mod buffered;
mod carried;
mod cover;
mod facts;
mod intake;
mod misshapen;
mod outlet;
mod passing;
mod phase;
mod request;
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
    /// Whether the answer is of an endpoint other than generation; its content is not interpreted.
    is_vendor_call: bool,
    tells: bool,
    product: Option<Product>,
    /// Whether the usage of the stream is hidden from the client.
    hides_usage: bool,
    results: Option<Box<Reader>>,
}

impl Relaying {
    /// Begins with the head of the answer to this request.
    pub(super) fn new(request: RelayedRequest, status: StatusCode, headers: &HeaderMap) -> Self {
        let RelayedRequest {
            client,
            upstream,
            stream,
            kind,
            hides_usage,
            secret,
            regroup,
            results,
        } = request;
        let (is_vendor_call, tells, keeps) = (kind.is_vendor_call(), kind.tells(), kind.keeps());
        let product = kind.product();
        // Files, sound and pictures are not searched for the credential.
        let covers =
            !status.is_success() || !is_vendor_call || is_json(headers) || is_event_stream(headers);
        let sought = Sought::of(secret.as_ref());
        let mut clean = headers::to_client(headers);
        if let Some(sought) = &sought {
            sought.cover_headers(&mut clean);
        }
        let cover = sought.filter(|_| covers).map(Cover::new);
        let intake = Intake::of(headers, &mut clean, covers);
        let phase = if status.is_success() {
            Phase::of(kind, (client, stream, hides_usage), headers)
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
            is_vendor_call,
            tells,
            product,
            hides_usage,
            results: results.filter(|_| status.is_success()),
        }
    }

    /// The tape of what came and went, where it is recorded.
    pub fn take_tape(&mut self) -> Option<Box<Tape>> {
        self.intake.take_tape()
    }

    pub(super) fn take_results(&mut self) -> Option<Box<Reader>> {
        self.results.take()
    }

    /// Adds the request's id, and the tape on which the answer is recorded.
    #[must_use]
    pub fn called(mut self, request_id: &str, tape: Option<Box<Tape>>) -> Self {
        self.intake.record(tape);
        request_id.clone_into(&mut self.carried.head.request_id);
        self
    }

    /// The status and the headers of the answer for the client; `None` after the first call.
    pub fn client_head(&mut self) -> Option<(StatusCode, HeaderMap)> {
        if std::mem::replace(&mut self.is_begun, true) {
            return None;
        }
        let head = &mut self.carried.head;
        let headers = if let Some(translated) = self.phase.translated() {
            translated.headers(&head.headers)
        } else {
            let mut headers = std::mem::take(&mut head.headers);
            if matches!(self.phase, Phase::Tapped(_)) {
                headers::unbuffered(&mut headers);
            }
            headers
        };
        Some((head.status, headers))
    }

    /// Whether the head has been handed out.
    pub fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Whether the head may be sent or has been sent.
    pub fn is_committed(&self) -> bool {
        self.carried.outlet.is_committed()
    }

    /// Whether the answer is complete although the upstream has not closed it yet.
    pub fn is_complete(&self) -> bool {
        self.phase.is_complete()
    }

    /// Whether the upstream has paused its answer and waits for a request for the rest.
    pub fn is_paused(&self) -> bool {
        self.phase.is_paused()
    }

    /// Whether pings may be sent before the answer: it is an event stream, or an error that the client does not see.
    pub fn is_bridgeable(&self) -> bool {
        self.phase.stream() == Some(false) || self.phase.error().is_some()
    }

    /// How long the upstream may keep the answer open once everything that matters has come.
    pub fn linger(&self) -> Option<Duration> {
        self.phase.linger()
    }

    /// The length of the body, if all of it is ready before the head is sent.
    pub fn known_length(&self) -> Option<usize> {
        let known = match &self.phase {
            Phase::Translated(translated) => !translated.is_stream(),
            Phase::Whole(whole) => whole.is_empty(),
            _ => false,
        };
        known.then(|| self.carried.outlet.held())
    }

    /// Handles the next bytes of the answer.
    pub fn push(&mut self, chunk: &Bytes, wall: SystemTime) -> Next {
        let pushed = match self.intake.read(chunk) {
            Ok(plain) if plain.is_empty() => Next::Hold,
            Ok(plain) => self.push_plain(&plain, wall),
            // For an error the status says enough.
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

    /// The answer has the requested shape after all: continues in the phase for it. Returns what was held.
    fn as_asked(&mut self) -> Bytes {
        let Phase::Misshapen(misshapen) = &mut self.phase else {
            return Bytes::new();
        };
        let stream = misshapen.wants_stream();
        let (held, then) = misshapen.take();
        let head = &mut self.carried.head;
        self.phase = match then {
            Some(translated) => Phase::Translated(translated),
            None if stream => Phase::Tapped(Box::new(Tapped::new(head.client, self.hides_usage))),
            None => Phase::Whole(Whole::default()),
        };
        let media = if stream { EVENTS } else { JSON };
        let media = HeaderValue::from_static(media);
        head.headers.insert(CONTENT_TYPE, media);
        held
    }

    /// The first byte of a stream came long enough ago: commits with what there is.
    pub fn hold_expired(&mut self) -> Next {
        match &mut self.phase {
            Phase::Tapped(_) if !self.carried.outlet.is_committed() => self.carried.outlet.commit(),
            Phase::Translated(translated) => translated.hold_expired(&mut self.carried),
            _ => Next::Hold,
        }
    }

    /// The upstream ended the answer properly. `Err` = nothing has reached the client, and nothing will.
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
            Phase::Whole(whole) if self.is_vendor_call => {
                Ok(whole.end_vendor_call(&mut self.carried, self.tells, self.product))
            }
            Phase::Whole(whole) => whole.end(&mut self.carried, wall),
        }
    }

    /// Converts a misshapen answer into the requested shape. If that is not possible, the attempt failed.
    fn end_misshapen(&mut self, wall: SystemTime) -> Result<Ended, Box<Failed>> {
        let Phase::Misshapen(misshapen) = &mut self.phase else {
            return Ok(Ended::well());
        };
        let head = &self.carried.head;
        let (fault, stream) = (misshapen.fault(), misshapen.wants_stream());
        let dialect = head.upstream.of_clients();
        let said = dialect.filter(|_| stream);
        let said = said.and_then(|it| passthrough::read_answer(it, misshapen.held()).error);
        if said.is_none()
            && let Some(reshaped) = dialect.and_then(|it| misshapen.reshaped(it))
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

    /// The upstream broke off, was silent for too long, or sent something unreadable.
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

    /// Whether a body with these headers can continue the paused answer.
    pub(super) fn goes_on_with(&self, headers: &HeaderMap) -> bool {
        let translated = self.phase.translated();
        translated.is_some_and(|translated| translated.is_stream() == is_event_stream(headers))
    }

    /// The assistant's turn so far, with which the rest of a paused answer is requested.
    pub(super) fn resume(&mut self) -> Option<Vec<u8>> {
        self.intake.goes_in_rounds();
        self.phase.translated_mut().map(Translated::resume)
    }

    /// Whether an answer that failed has a beginning that the upstream has already charged for.
    pub fn holds_rounds(&self) -> bool {
        let translated = self.phase.translated();
        translated.is_some_and(Translated::holds_rounds)
    }

    /// The rest cannot be obtained, so the client gets what there is.
    pub fn give_up(&mut self) {
        self.intake.goes_in_rounds();
        if let Some(translated) = self.phase.translated_mut() {
            let outlet = &mut self.carried.outlet;
            outlet.extend(translated.give_up());
            outlet.commit();
            outlet.end(true);
        }
    }

    /// The bytes that may be sent now; empty when all of them are text that waits for the rest of its unit.
    pub fn take(&mut self) -> Ready {
        let ready = self.carried.outlet.take();
        self.intake.goes_out(&ready);
        ready
    }

    /// A ping for a waiting client; empty where none can be inserted.
    pub fn ping(&mut self) -> Bytes {
        let ping = if self.is_committed() {
            self.phase.ping()
        } else {
            Bytes::new()
        };
        self.carried.outlet.ping(ping)
    }

    /// The use, as far as the upstream has stated it.
    pub fn usage(&mut self) -> Option<(Stated, UsageSource)> {
        self.phase.teach(&mut self.carried.facts);
        self.carried.facts.used()
    }

    /// What the model has written so far.
    pub fn written(&self) -> Written {
        let written = self.phase.written(&self.carried.head, self.is_committed());
        written.unwrap_or_else(|| self.carried.facts.written())
    }

    /// What was spoken so far.
    pub(super) fn spoken(&self) -> Option<&Spoken> {
        self.phase.spoken()
    }

    /// What is known of the answer beside its bytes.
    pub(super) fn facts(&self) -> &Facts {
        &self.carried.facts
    }

    /// The id of the response, if a later request may continue it.
    pub fn response_id(&self) -> Option<&str> {
        let Carried { head, facts, .. } = &self.carried;
        let id = facts.response_id();
        id.filter(|_| head.upstream == Dialect::OpenaiResponses)
    }

    /// The complete response, if it was to be stored and has been sent.
    pub(super) fn response(&self) -> Option<&Bytes> {
        self.carried.outlet.response()
    }

    /// What the translation of request and answer dropped, and the protocol rules that the answer violated.
    pub fn losses(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        self.phase
            .translated()
            .map_or_else(Default::default, Translated::losses)
    }

    /// Whether the upstream refused because the request asks for the usage of its stream.
    pub(super) fn refuses_stream_options(&self) -> bool {
        let error = self.phase.error();
        error.is_some_and(ErrorBody::refuses_stream_options)
    }

    /// Whether the upstream refused because of the cache markers in the request.
    pub(super) fn refuses_markers(&self) -> bool {
        self.phase.error().is_some_and(ErrorBody::refuses_markers)
    }
}
