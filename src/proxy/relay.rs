//! Drives one exchange: attempt, failover, settlement. The pump carries the answer.
//!
//! Dialect-blind: what the bytes mean is `exchange::relaying`'s business, which account is next is
//! `exchange::dispatch`'s. Here is only when to wait for whom:
//!
//! ```text
//! attempt ─ connect ─ send ─ head ─ pump ─┬─ complete ─► upstream session back to its pool
//!    ▲        │         │      │     │    ├─ broke off after the commit ─► terminal error event, connection closed
//!    └────────┴─────────┴──────┴─────┘    └─ client gone, at any point ─► upstream dropped at once
//!       failed before the commit
//! ```
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::client::HttpSession;

use super::bridge::{Bridge, Gone};
use super::charge::Charge;
use super::client::answer::write_answer;
use super::client::shown;
use super::counting;
use super::pump::Pump;
use super::reached::{Attempt, Left, Reached};
use super::rounds::Paused;
use super::state::app::App;
use super::state::running::Run;
use super::upstream::accounts::Upstreams;
use super::upstream::http::{Broke, read_head, send};
use super::upstream::tokens::AccessTokens;
use super::upstream::way::Target;
use crate::config::secret::Secret;
use crate::exchange::dispatch::{Dispatch, Sequel, Step};
use crate::exchange::dispatched::Dispatched;
use crate::exchange::estimate::Estimate;
use crate::exchange::refusal::Refusal;
use crate::exchange::relaying::{Answer, Ended, Failed, Relaying};
use crate::outcome::{End, Outcome};
use crate::pool::Fault;
use crate::protocol::error::WireError;
use crate::protocol::passthrough::Tap;

/// One request being relayed.
pub(super) struct Relay<'a> {
    pub(super) app: &'a App,
    /// Those of the configuration that the request began with.
    pub(super) upstreams: &'a Upstreams,
    pub(super) tokens: &'a AccessTokens,
    pub(super) client: &'a mut ServerSession,
    pub(super) dispatch: &'a mut Dispatch,
    pub(super) outcome: &'a mut Outcome,
    /// When the request arrived.
    pub(super) arrived: Instant,
    /// Time spent waiting for the client or an upstream.
    pub(super) waited: Duration,
    pub(super) request_id: &'a str,
    /// Headers of Weir's own on every answer: the request id, CORS, limits.
    pub(super) own_headers: &'a HeaderMap,
    /// What is shown of the request while it runs.
    pub run: Option<&'a Run>,
    /// What keeps the client's connection alive before there is anything of an answer.
    pub(super) bridge: Bridge<'a>,
    /// What the request holds of its key's limits.
    pub(super) charge: &'a mut Option<Charge>,
    /// What went to the client, kept for the log when `log.bodies` asks for it.
    pub(super) sent: Option<Vec<u8>>,
    /// The credential of the last attempt, which that log may not show.
    pub(super) secret: Option<Secret>,
}

impl Relay<'_> {
    /// Until the client has its answer, whichever it is.
    pub(super) async fn run(&mut self) -> Left {
        let left = self.serve().await;
        if self.bridge.has_begun() {
            self.outcome.status = StatusCode::OK.as_u16();
        }
        left
    }

    async fn serve(&mut self) -> Left {
        loop {
            let dispatched = match self.dispatch.next(self.app.moment()) {
                Step::Go(dispatched) => dispatched,
                Step::Wait(time) => {
                    let waiting = tokio::time::sleep(time);
                    if self.wait(waiting).await.is_err() {
                        self.outcome.end = End::ClientGone;
                        return Left::Abort;
                    }
                    continue;
                }
                Step::Answer(answer) => return self.pass_on(answer).await,
                Step::Estimate(estimate) => return self.count(estimate).await,
                Step::Refuse(refusal) => return self.refuse(&refusal).await,
            };
            if let Some(run) = self.run {
                run.learn(|seen| {
                    seen.account = Some(dispatched.account().name.clone());
                    seen.attempts += 1;
                });
            }
            match self.attempt(dispatched).await {
                Attempt::Done(left) => return left,
                Attempt::Failed(dispatched, failed) => {
                    match self.dispatch.failed(dispatched, failed, self.app.moment()) {
                        Sequel::Again => {}
                        Sequel::Answer(answer) => return self.pass_on(answer).await,
                        Sequel::Refuse(refusal) => return self.refuse(&refusal).await,
                    }
                }
            }
        }
    }

    /// Finds a connection that takes the request and answers it.
    pub(super) async fn reach(
        &mut self,
        dispatched: &mut Dispatched,
        paused: &mut Paused,
    ) -> Result<Reached, Gone> {
        let mut renewed = false;
        let timeout = dispatched.account().timeouts.connect;
        if let Some(failed) = self.authorize(dispatched).await? {
            return Ok(failed);
        }
        let target = self
            .upstreams
            .target(dispatched.account(), dispatched.endpoint());
        let Some(mut target) = target else {
            return Ok(Reached::failed(Fault::Dns));
        };
        loop {
            // Boxed: the state of a TLS handshake is large, and a stream that runs for an hour does not need it.
            let connecting = Box::pin(self.app.connections.session(&target, timeout));
            let (upstream, reused) = match self.wait(connecting).await? {
                Ok(session) => session,
                Err(fault) => return Ok(Reached::failed(fault.into())),
            };
            match self.exchange(dispatched, &target, upstream, paused).await? {
                // The upstream closed an idle connection just as it was taken: that says nothing about anybody, and
                // the other idle ones will be no better.
                Err(Broke::Silent) if reused => target = target.alone(),
                Err(Broke::Unprocessed) if !target.is_alone() => target = target.alone(),
                Err(Broke::NotHttp) => return Ok(Reached::failed(Fault::NotHttp)),
                Err(_) => return Ok(Reached::failed(Fault::Reset)),
                // A token may be withdrawn before it expires: once more with another.
                Ok(Reached::Unauthorized(_)) if !renewed && self.may_renew(dispatched) => {
                    renewed = true;
                    if let Some(failed) = self.authorize(dispatched).await? {
                        return Ok(failed);
                    }
                }
                Ok(Reached::Again) => {}
                Ok(reached) => return Ok(reached),
            }
        }
    }

    /// Gives the attempt its access token, if its account has one; or says why there is none.
    async fn authorize(&mut self, dispatched: &mut Dispatched) -> Result<Option<Reached>, Gone> {
        let token = self.tokens.token(dispatched.account());
        Ok(match self.wait(token).await? {
            Ok(token) => {
                dispatched.authorize(token);
                None
            }
            Err(failure) => Some(Reached::Failed(Failed::bare(failure))),
        })
    }

    fn may_renew(&self, dispatched: &Dispatched) -> bool {
        self.tokens
            .rejected(dispatched.account(), dispatched.token())
    }

    /// One request on one upstream connection, or how the connection broke before there was the head of an answer.
    async fn exchange(
        &mut self,
        dispatched: &mut Dispatched,
        target: &Target,
        mut upstream: HttpSession,
        paused: &mut Paused,
    ) -> Result<Result<Reached, Broke>, Gone> {
        self.secret = dispatched.secret();
        let timeouts = dispatched.timeouts();
        upstream.set_write_timeout(Some(WRITE_TIMEOUT));
        let h2 = matches!(upstream, HttpSession::H2(_));
        let client = &self.client.req_header().headers;
        let Some(head) = self.dispatch.head(dispatched, client, h2) else {
            return Ok(Ok(Reached::failed(Fault::Connect)));
        };
        self.dispatch.note_sent(dispatched);
        let deadline = timeouts.total.map(|total| Instant::now() + total);
        let sending = send(
            &mut upstream,
            Box::new(RequestHeader::from(head)),
            dispatched.body(),
        );
        let sent = self.wait(sending).await?;
        if sent {
            dispatched.note_sent_whole();
        }
        // Also when writing failed: a 413 or a 429 may be waiting to be read.
        let patience = if sent {
            let most = timeouts.total.unwrap_or(timeouts.first_byte);
            timeouts.first_byte.min(most)
        } else {
            AFTER_WRITE_ERROR
        };
        let reading = tokio::time::timeout(patience, read_head(&mut upstream));
        match self.wait(reading).await? {
            Ok(Ok(())) => {}
            Err(_) if sent => return Ok(Ok(Reached::failed(Fault::FirstByte))),
            Ok(Err(broke)) => return Ok(Err(broke)),
            Err(_) => return Ok(Err(Broke::Silent)),
        }
        let Some(head) = upstream.response_header() else {
            return Ok(Err(Broke::Silent));
        };
        let (now, wall) = (Instant::now(), SystemTime::now());
        let (status, headers) = (head.status, &head.headers);
        let unauthorized = status == StatusCode::UNAUTHORIZED;
        if !status.is_server_error() {
            target.proved(now);
        }
        let relaying = match paused.take_if(|answer| {
            // Else it stays there, to be given up.
            dispatched.continues(answer, (status, headers), now, wall)
        }) {
            Some(answer) => *answer,
            None if paused.is_some() => return Ok(Ok(Reached::failed(Fault::Eof))),
            None => {
                let client = self.dispatch.dialect();
                let relaying = dispatched.relaying(client, status, headers, now, wall);
                relaying.called(self.request_id)
            }
        };
        if relaying.is_bridgeable() {
            self.bridge.stream_began(now);
        } else if self.bridge.has_begun() {
            return Ok(Ok(Reached::failed(Fault::NotAStream)));
        }
        let until = (timeouts.idle, deadline);
        let mut pump = Pump::new(self, dispatched, relaying, upstream, until);
        let end = pump.run().await;
        let (answer, upstream) = pump.into_parts();
        if end.read_to_end() {
            self.app.connections.release(upstream, target).await;
        }
        let answer = Box::new(answer);
        Ok(Ok(self.reached(
            dispatched,
            answer,
            end,
            unauthorized,
            paused,
        )))
    }

    /// After the last byte of the upstream: what is left to say to the client and to the pool.
    pub(super) async fn conclude(
        &mut self,
        dispatched: Box<Dispatched>,
        pumped: Box<(Relaying, Option<Ended>)>,
    ) -> Attempt {
        let (mut relaying, ended) = *pumped;
        self.dispatch.note(&mut relaying);
        let now = Instant::now();
        self.settle_charge();
        let Some(ended) = ended else {
            self.dispatch.client_gone(dispatched, now);
            self.outcome.end = End::ClientGone;
            return Attempt::Done(Left::Abort);
        };
        self.outcome.end = ended.end;
        let whole = ended.end == End::Complete;
        self.dispatch
            .settle(dispatched, &relaying, &ended, self.app.moment());
        self.learn();
        if ended.abort {
            return Attempt::Done(Left::Abort);
        }
        let closing = self.client.write_response_body(Bytes::new(), true);
        // A client that has all of its answer may leave before it is closed: that changes nothing about its end.
        if timed(&mut self.waited, closing).await.is_err() {
            return Attempt::Done(Left::Abort);
        }
        Attempt::Done(if whole { Left::Intact } else { Left::Close })
    }

    /// Gives the permit back before the client can know that its answer is complete: its next request may come at once.
    pub(super) fn settle_charge(&mut self) {
        if let Some(charge) = self.charge.take() {
            self.dispatch.close_bill();
            let who = self.dispatch.attribution();
            charge.settle(&self.dispatch.used(), who);
        }
    }

    /// As [`Relay::settle_charge`], before the last bytes of an answer go out.
    pub(super) fn settle_early(&mut self, relaying: &mut Relaying) {
        self.dispatch.note_usage(relaying);
        self.settle_charge();
    }

    /// Answers with Weir's own count.
    async fn count(&mut self, estimate: Box<Estimate>) -> Left {
        let counted = if estimate.is_heavy() {
            let work = counting::counted(Arc::clone(&self.app.counting), Arc::new(*estimate));
            // This is Weir's own time, and so it is reported.
            let waited = self.waited;
            let counted = self.wait(work).await;
            self.waited = waited;
            let Ok(counted) = counted else {
                self.outcome.end = End::ClientGone;
                return Left::Abort;
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

    /// Learns from the answer that has just been settled, if it is one to learn from.
    fn learn(&self) {
        if let Some(sample) = self.dispatch.sample(self.app.draw()) {
            counting::learn(sample);
        }
    }

    pub(super) async fn refuse(&mut self, refusal: &Refusal) -> Left {
        self.outcome.end = refusal.end();
        self.outcome.detail = Some(refusal.wire().message);
        if self.bridge.has_begun() {
            let said = refusal.in_stream(self.dispatch.dialect(), self.request_id);
            return self.end_in_error(&said).await;
        }
        let answer = refusal.answer(self.dispatch.dialect(), self.request_id);
        self.answer(answer).await
    }

    /// The upstream's own error, which is the client's business.
    pub(super) async fn pass_on(&mut self, answer: Answer) -> Left {
        self.outcome.end = if answer.status < 500 {
            End::Complete
        } else {
            End::UpstreamError
        };
        if self.bridge.has_begun() {
            let said = answer.in_stream(self.dispatch.dialect(), self.request_id);
            return self.end_in_error(&said).await;
        }
        self.answer(answer).await
    }

    /// The head is out, so that the failure is the last event of the stream.
    async fn end_in_error(&mut self, said: &WireError) -> Left {
        let event = Tap::new(self.dispatch.dialect()).terminal_error(said);
        if let Some(sent) = &mut self.sent {
            shown::keep(sent, &event);
        }
        self.settle_charge();
        self.outcome.bytes_out += event.len() as u64;
        let written = self.client.write_response_body(event, true);
        if timed(&mut self.waited, written).await.is_ok() {
            Left::Close
        } else {
            self.outcome.end = End::ClientGone;
            Left::Abort
        }
    }

    /// Waits for `work`, unless the client closes first, and tells it now and then that it is waited for.
    pub(super) async fn wait<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Gone> {
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
            self.outcome.end = End::ClientGone;
            Left::Abort
        }
    }
}

pub(super) async fn timed<T>(waited: &mut Duration, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let result = work.await;
    *waited += began.elapsed();
    result
}

/// How long one write may take, to either side.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_mins(1);

/// How long an answer is waited for from an upstream that would not take the whole request.
const AFTER_WRITE_ERROR: Duration = Duration::from_secs(2);
