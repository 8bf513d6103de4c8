//! The client's side of one request: what is sent to it, waiting on its behalf, and the settlement with its key.
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::client::HttpSession;

use super::bridge::{Bridge, Gone};
use super::charge::Charge;
use super::client::answer::{client_head, write_answer};
use super::client::body::{self, BodyFault};
use super::client::shown;
use super::counting;
use super::reached::{AttemptEnd, Left};
use super::recording::request::Recording;
use super::state::app::App;
use super::state::background;
use super::uploading::Uploading;
use super::upstream::http::Sent;
use crate::exchange::attempt::Attempt;
use crate::exchange::attempts::Attempts;
use crate::exchange::estimate::Estimate;
use crate::exchange::refusal::Refusal;
use crate::exchange::relaying::{Answer, Ended, Ready, Relaying};
use crate::outcome::{End, Outcome};
use crate::protocol::error::WireError;
use crate::protocol::passthrough::Tap;

/// One request being served, as its client sees it.
pub(super) struct Serving<'a> {
    pub(super) app: &'a App,
    pub(super) client: &'a mut ServerSession,
    pub(super) attempts: &'a mut Attempts,
    pub(super) outcome: &'a mut Outcome,
    /// When the request arrived.
    pub(super) arrived: Instant,
    /// Time spent waiting for the client or an upstream.
    pub(super) waited: Duration,
    pub(super) request_id: &'a str,
    /// Headers of Weir's own on every answer: the request id, CORS, limits.
    pub(super) own_headers: &'a HeaderMap,
    /// Keeps the client's connection alive before there is anything of an answer.
    pub(super) bridge: Bridge<'a>,
    /// What the request occupies of its key's limits.
    pub(super) charge: &'a mut Option<Charge>,
    /// What was sent to the client, kept for the log if `log.bodies` is on.
    pub(super) sent: Option<Vec<u8>>,
    /// The recording of the request, where exchanges are recorded.
    pub(super) recording: Recording,
    /// The body that is passed from the client to the upstream as it arrives.
    pub(super) upload: Uploading,
}

impl Serving<'_> {
    /// The client left, so nobody waits for an answer any more.
    pub(super) fn gone(&mut self) -> Left {
        self.recording.left();
        self.outcome.end = End::ClientGone;
        Left::Abort
    }

    /// Writes the head, if it has not been sent, and what is ready. Returns whether there was anything.
    pub(super) async fn flush(
        &mut self,
        attempt: &mut Attempt,
        relaying: &mut Relaying,
    ) -> Result<bool, Gone> {
        let mut written = false;
        if let Some((status, headers)) = self.attempts.client_head(relaying) {
            written = true;
            attempt.committed(Instant::now());
            self.outcome.status = status.as_u16();
            let length = relaying.known_length();
            if !self.bridge.has_begun() {
                let head = client_head(self.client, status, headers, self.own_headers, length);
                let writing = self.client.write_response_header(head);
                timed(&mut self.waited, writing).await.map_err(|_| Gone)?;
            }
            self.bridge.end();
            self.outcome.time_to_first_token = Some(self.arrived.elapsed());
        }
        let ready = relaying.take();
        if written || relaying.is_complete() {
            self.attempts
                .note_response(attempt, relaying, Instant::now());
        }
        for bytes in together(ready) {
            self.outcome.bytes_out += bytes.len() as u64;
            if let Some(sent) = &mut self.sent {
                shown::keep(sent, &bytes);
            }
            let writing = self.client.write_response_body(bytes, false);
            timed(&mut self.waited, writing).await.map_err(|_| Gone)?;
            written = true;
        }
        Ok(written)
    }

    /// After the last byte of the upstream: sends the rest to the client, and reports to the pool.
    pub(super) async fn conclude(
        &mut self,
        attempt: Box<Attempt>,
        pumped: Box<(Relaying, Option<Ended>)>,
    ) -> AttemptEnd {
        let (mut relaying, ended) = *pumped;
        self.recording.told(&mut relaying, ended.is_some());
        let now = Instant::now();
        self.attempts.note(&mut relaying, now);
        self.settle_charge();
        let results = self.attempts.take_results();
        if !results.is_empty() {
            background::book_results(self.app, results, &self.outcome.path);
        }
        let Some(ended) = ended else {
            self.attempts.client_gone(attempt, Some(&relaying), now);
            return AttemptEnd::Done(self.gone());
        };
        self.outcome.end = ended.end;
        let whole = ended.end == End::Complete;
        let client = &self.client.req_header().headers;
        self.attempts
            .settle(attempt, &relaying, &ended, self.app.occasion(), client);
        self.learn(&relaying);
        if ended.abort {
            return AttemptEnd::Done(Left::Abort);
        }
        let closing = self.client.write_response_body(Bytes::new(), true);
        // A client that has the complete answer may leave before it is closed; that does not change how the answer
        // ended.
        if timed(&mut self.waited, closing).await.is_err() {
            return AttemptEnd::Done(Left::Abort);
        }
        AttemptEnd::Done(if whole { Left::Intact } else { Left::Close })
    }

    /// Gives the permit back before the client can know that its answer is complete, because its next request may come
    /// at once.
    pub(super) fn settle_charge(&mut self) {
        if let Some(charge) = self.charge.take() {
            self.attempts.close_bill();
            let who = self.attempts.attribution();
            charge.settle(&self.attempts.used(), who);
        }
    }

    /// The same as [`Serving::settle_charge`], before the last bytes of an answer are sent.
    pub(super) fn settle_early(&mut self, relaying: &mut Relaying) {
        self.attempts.note_usage(relaying, Instant::now());
        self.settle_charge();
    }

    /// Answers with Weir's own count.
    pub(super) async fn count(&mut self, estimate: Box<Estimate>) -> Left {
        self.recording.beside();
        let counted = if estimate.is_heavy() {
            let work = counting::counted(Arc::clone(&self.app.counting), Arc::new(*estimate));
            // This counts as Weir's own time, not as waiting.
            let waited = self.waited;
            let counted = self.wait(work).await;
            self.waited = waited;
            let Ok(counted) = counted else {
                return self.gone();
            };
            counted
        } else {
            estimate.run()
        };
        match counted {
            Ok(answer) => self.pass_on(answer).await,
            Err(refusal) => self.refuse(&refusal).await,
        }
    }

    /// Learns from the answer that has just been settled, if it is suitable.
    fn learn(&self, relaying: &Relaying) {
        if let Some(sample) = self.attempts.sample(relaying, self.app.draw()) {
            counting::learn(sample);
        }
    }

    pub(super) async fn refuse(&mut self, refusal: &Refusal) -> Left {
        self.recording.refused();
        self.outcome.end = refusal.end();
        self.outcome.detail = Some(refusal.wire().message);
        if self.bridge.has_begun() {
            let said = refusal.in_stream(self.attempts.dialect(), self.request_id);
            return self.end_in_error(&said).await;
        }
        let answer = refusal.answer(self.attempts.dialect(), self.request_id);
        self.answer(answer).await
    }

    /// Passes on the upstream's own error, because it concerns the client.
    pub(super) async fn pass_on(&mut self, answer: Answer) -> Left {
        self.recording.told_failure(&answer);
        self.outcome.end = if answer.status < 500 {
            End::Complete
        } else {
            End::UpstreamError
        };
        if self.bridge.has_begun() {
            let said = answer.in_stream(self.attempts.dialect(), self.request_id);
            return self.end_in_error(&said).await;
        }
        self.answer(answer).await
    }

    /// The head has been sent, so the failure becomes the last event of the stream.
    async fn end_in_error(&mut self, said: &WireError) -> Left {
        let event = Tap::new(self.attempts.dialect()).terminal_error(said);
        if let Some(sent) = &mut self.sent {
            shown::keep(sent, &event);
        }
        self.settle_charge();
        self.outcome.bytes_out += event.len() as u64;
        let written = self.client.write_response_body(event, true);
        if timed(&mut self.waited, written).await.is_ok() {
            Left::Close
        } else {
            self.gone()
        }
    }

    /// Waits for `work`, unless the client closes first, and sends pings meanwhile.
    pub(super) async fn wait<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Gone> {
        if self.upload.is_awaited() {
            // Bytes that the client sends must not be taken for its leaving.
            return Ok(timed(&mut self.waited, work).await);
        }
        let began = Instant::now();
        let mut work = std::pin::pin!(work);
        let result = loop {
            tokio::select! {
                biased;
                result = &mut work => break Ok(result),
                _ = self.client.read_body_or_idle(true) => break Err(Gone),
                () = self.bridge.due() => {}
            }
            if self.bridge.ping(self.client).await.is_err() {
                break Err(Gone);
            }
        };
        self.waited += began.elapsed();
        result
    }

    /// Sends a request with this head and the body that comes from the client. `Err` = the client sent it in a wrong
    /// way, and gets this answer.
    pub(super) async fn upload(
        &mut self,
        upstream: &mut HttpSession,
        head: Box<RequestHeader>,
        patience: Duration,
    ) -> Result<Result<Sent, Answer>, Gone> {
        let passing = self.upload.pass(self.client, upstream, head, patience);
        let passed = timed(&mut self.waited, passing).await;
        self.outcome.bytes_in = self.upload.taken();
        match passed {
            Ok(sent) => Ok(Ok(sent)),
            Err(BodyFault::Gone) => Err(Gone),
            Err(BodyFault::Refused(refusal)) => {
                Ok(Err(refusal.answer(self.attempts.dialect(), self.request_id)))
            }
        }
    }

    /// Lets a client that is still sending reach its answer. Returns whether its connection can be used again.
    pub(super) async fn hear_out(&mut self) -> bool {
        let is_awaited = self.upload.is_awaited();
        if is_awaited {
            body::discard(self.client).await;
        }
        !is_awaited
    }

    async fn answer(&mut self, answer: Answer) -> Left {
        if let Some(sent) = &mut self.sent {
            shown::keep(sent, &answer.body);
        }
        self.outcome.status = answer.status;
        self.settle_charge();
        let written = write_answer(self.client, &answer, self.own_headers);
        if let Some(bytes) = timed(&mut self.waited, written).await {
            self.outcome.bytes_out += bytes;
            Left::Intact
        } else {
            self.gone()
        }
    }
}

/// Joins small pieces, because each would be a write, and often a chunk, of its own.
fn together(ready: Ready) -> Ready {
    let whole: usize = ready.iter().map(Bytes::len).sum();
    if ready.len() < 2 || whole > 2 * AT_ONCE {
        return ready;
    }
    let mut joined = BytesMut::with_capacity(whole);
    for bytes in &ready {
        joined.extend_from_slice(bytes);
    }
    Ready::from_iter([joined.freeze()])
}

pub(super) async fn timed<T>(waited: &mut Duration, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let result = work.await;
    *waited += began.elapsed();
    result
}

/// After this many bytes, what has arrived is sent although more may be available.
pub(super) const AT_ONCE: usize = 64 << 10;
