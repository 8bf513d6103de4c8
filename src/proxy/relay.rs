//! Drives one exchange: attempt, failover, settlement. The pump carries the answer.
//!
//! It knows no dialect: `exchange::relaying` decides what the bytes mean, and `exchange::attempts` decides which
//! account is next. This file only decides what to wait for, and when:
//! ```text
//! attempt ─ connect ─ send ─ head ─ pump ─┬─ complete ─► upstream session back to its pool
//!    ▲        │         │      │     │    ├─ broke off after the commit ─► terminal error event, connection closed
//!    └────────┴─────────┴──────┴─────┘    └─ client gone, at any point ─► upstream dropped at once
//!       failed before the commit
//! ```
use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use http::request::Parts;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;

use super::bridge::Gone;
use super::clocks;
use super::pump::{Pump, PumpEnd};
use super::reached::{AttemptEnd, Left, Reached};
use super::serving::Serving;
use super::state::running::Run;
use super::upstream::accounts::Upstreams;
use super::upstream::http::{Broke, read_head, send};
use super::upstream::socket;
use super::upstream::socket::links::SocketTurn;
use super::upstream::tokens::AccessTokens;
use super::upstream::way::Target;
use crate::config::secret::Secret;
use crate::exchange::attempt::Attempt;
use crate::exchange::attempts::{AfterFailure, Step};
use crate::exchange::relaying::{Ended, Failed, Relaying};
use crate::pool::{Fault, classify_transport};

/// One request being relayed.
pub(super) struct Relay<'a> {
    pub(super) serving: Serving<'a>,
    /// The upstreams of the configuration that the request began with.
    pub(super) upstreams: &'a Upstreams,
    pub(super) tokens: &'a AccessTokens,
    /// The public state of the request while it runs.
    pub(super) run: Option<&'a Run>,
    /// The credential of the last attempt, which must not appear in the log of bodies.
    pub(super) secret: Option<Secret>,
}

/// An answer that comes in several rounds, and whose rest is to be requested from its upstream.
type Paused = Option<Box<Relaying>>;

impl Relay<'_> {
    /// Runs until the client has an answer of any kind.
    pub(super) async fn run(&mut self) -> Left {
        let left = self.serve().await;
        if self.serving.bridge.has_begun() {
            self.serving.outcome.status = StatusCode::OK.as_u16();
        }
        if left != Left::Abort && !self.serving.hear_out().await {
            return Left::Close;
        }
        left
    }

    async fn serve(&mut self) -> Left {
        loop {
            let attempt = match self.serving.attempts.next(self.serving.app.occasion()) {
                Step::Go(attempt) => attempt,
                Step::Wait(time) => {
                    let waiting = tokio::time::sleep(time);
                    if self.serving.wait(waiting).await.is_err() {
                        return self.serving.gone();
                    }
                    continue;
                }
                Step::Answer(answer) => return self.serving.pass_on(answer).await,
                Step::Estimate(estimate) => return self.serving.count(estimate).await,
                Step::Refuse(refusal) => return self.serving.refuse(&refusal).await,
            };
            if let Some(run) = self.run {
                run.learn(|seen| {
                    seen.account = Some(attempt.account().name.clone());
                    seen.attempts += 1;
                });
            }
            match self.attempt(attempt).await {
                AttemptEnd::Done(left) => return left,
                AttemptEnd::Failed(attempt, failed) => {
                    let occasion = self.serving.app.occasion();
                    let client = &self.serving.client.req_header().headers;
                    match self
                        .serving
                        .attempts
                        .failed(attempt, failed, occasion, client)
                    {
                        AfterFailure::Again => {}
                        AfterFailure::Answer(answer) => return self.serving.pass_on(answer).await,
                        AfterFailure::Refuse(refusal) => {
                            return self.serving.refuse(&refusal).await;
                        }
                    }
                }
            }
        }
    }

    /// Finds a connection that takes the request, and answers it.
    async fn reach(&mut self, attempt: &mut Attempt, paused: &mut Paused) -> Result<Reached, Gone> {
        let (app, mut renewed) = (self.serving.app, false);
        let timeout = attempt.account().timeouts.connect;
        if let Some(failed) = self.authorize(attempt).await? {
            return Ok(failed);
        }
        let target = self.upstreams.target(attempt.account(), attempt.endpoint());
        let Some(mut target) = target else {
            return Ok(Reached::failed(Fault::Dns));
        };
        if self.serving.upload.passes() {
            target = target.alone();
        }
        loop {
            // Boxed, because the state of a TLS handshake is large and a stream that runs for an hour does not need it.
            let by_socket = self.by_socket(attempt);
            let connecting = socket::connect(&app.connections, &target, by_socket, timeout);
            let (upstream, reused) = match self.serving.wait(Box::pin(connecting)).await? {
                Ok(session) => session,
                Err(fault) => return Ok(Reached::failed(fault.into())),
            };
            match self.exchange(attempt, &target, upstream, paused).await? {
                // The upstream closed an idle connection just as it was taken. That is no evidence against anyone, and
                // the other idle connections are probably no better.
                Err(Broke::Silent) if reused && self.serving.upload.is_repeatable() => {
                    target = target.alone();
                }
                Err(Broke::Unprocessed)
                    if !target.is_alone() && self.serving.upload.is_repeatable() =>
                {
                    target = target.alone();
                }
                Err(Broke::NotHttp) => return Ok(Reached::failed(Fault::NotHttp)),
                Err(_) => return Ok(Reached::failed(Fault::Reset)),
                // A token may be revoked before it expires: try once more with a new one.
                Ok(Reached::Unauthorized(_))
                    if !renewed
                        && self.serving.upload.is_repeatable()
                        && self.may_renew(attempt) =>
                {
                    renewed = true;
                    if let Some(failed) = self.authorize(attempt).await? {
                        return Ok(failed);
                    }
                }
                Ok(Reached::Again) => {}
                Ok(reached) => return Ok(reached),
            }
        }
    }

    /// What is needed to use an upstream WebSocket, when the client is on a WebSocket and the account supports them.
    fn by_socket(&self, attempt: &Attempt) -> Option<(Arc<SocketTurn>, Parts)> {
        if !attempt.account().websocket {
            return None;
        }
        let turn = SocketTurn::of(self.serving.client.digest())?;
        let client = &self.serving.client.req_header().headers;
        let head = self.serving.attempts.head(attempt, client, false)?;
        // Upstream WebSockets are used for this path only.
        head.uri
            .path()
            .ends_with("/responses")
            .then_some((turn, head))
    }

    /// Gives the attempt its access token, if its account uses one; or returns why there is none.
    async fn authorize(&mut self, attempt: &mut Attempt) -> Result<Option<Reached>, Gone> {
        let token = self.tokens.token(attempt.account());
        Ok(match self.serving.wait(token).await? {
            Ok(token) => {
                attempt.authorize(token);
                None
            }
            Err(failure) => Some(Reached::Failed(Failed::bare(failure))),
        })
    }

    fn may_renew(&self, attempt: &Attempt) -> bool {
        self.tokens.rejected(attempt.account(), attempt.token())
    }

    /// Sends one request on one upstream connection. The inner `Err` is how the connection broke before the head of an
    /// answer came.
    async fn exchange(
        &mut self,
        attempt: &mut Attempt,
        target: &Target,
        mut upstream: HttpSession,
        paused: &mut Paused,
    ) -> Result<Result<Reached, Broke>, Gone> {
        self.secret = attempt.secret();
        let timeouts = attempt.timeouts();
        let h2 = matches!(upstream, HttpSession::H2(_));
        let client = &self.serving.client.req_header().headers;
        let Some(head) = self.serving.attempts.head(attempt, client, h2) else {
            return Ok(Ok(Reached::failed(Fault::Connect)));
        };
        self.serving.attempts.note_sent(attempt);
        let deadline = timeouts.total.map(|total| Instant::now() + total);
        let head = Box::new(RequestHeader::from(head));
        let sent = if self.serving.upload.passes() {
            let patience = timeouts.write;
            match self.serving.upload(&mut upstream, head, patience).await? {
                Ok(sent) => sent,
                Err(answer) => return Ok(Ok(Reached::of_client(answer))),
            }
        } else {
            let sending = send(&mut upstream, head, attempt.body(), timeouts.write);
            self.serving.wait(sending).await?
        };
        if sent.whole {
            attempt.note_sent_whole();
        }
        // The head is read even if writing failed, because a 413 or a 429 may be waiting.
        let read = if let Some(read) = sent.head {
            Ok(read)
        } else {
            let patience = sent.patience(&timeouts);
            let reading = tokio::time::timeout(patience, read_head(&mut upstream));
            self.serving.wait(reading).await?
        };
        match read {
            Ok(Ok(())) => {}
            Err(_) if sent.whole => return Ok(Ok(Reached::failed(Fault::FirstByte))),
            // This is not an idle connection that had closed, and a new connection would be stuck for as long.
            Ok(Err(Broke::Silent)) | Err(_) if sent.stuck => {
                return Ok(Ok(Reached::failed(Fault::Write)));
            }
            Ok(Err(broke)) => return Ok(Err(broke)),
            Err(_) => return Ok(Err(Broke::Silent)),
        }
        let Some(head) = upstream.response_header() else {
            return Ok(Err(Broke::Silent));
        };
        let at = clocks::moment();
        let (status, headers) = (head.status, &head.headers);
        let unauthorized = status == StatusCode::UNAUTHORIZED;
        if !status.is_server_error() {
            target.proved(at.now);
        }
        let relaying = match paused.take_if(|answer| {
            // Otherwise it stays in `paused` and is given up later.
            attempt.continues(answer, (status, headers), at)
        }) {
            Some(answer) => *answer,
            None if paused.is_some() => return Ok(Ok(Reached::failed(Fault::Eof))),
            None => {
                let client = self.serving.attempts.dialect();
                let (attempts, recording) = (&self.serving.attempts, &self.serving.recording);
                let tape = recording.tape(attempts, attempt, status);
                let relaying = attempt.relaying(client, status, headers, at);
                relaying.called(self.serving.request_id, tape)
            }
        };
        if relaying.is_bridgeable() {
            self.serving.bridge.stream_began(at.now);
        } else if self.serving.bridge.has_begun() {
            return Ok(Ok(Reached::failed(Fault::NotAStream)));
        }
        let until = (timeouts.idle, deadline);
        let mut pump = Pump::new(&mut self.serving, attempt, relaying, upstream, until);
        let end = pump.run().await;
        let (answer, upstream) = pump.into_parts();
        // On HTTP/1 the rest of a request that was answered early would be taken for the next request.
        if end.read_to_end() && (h2 || sent.whole) {
            self.serving.app.connections.release(upstream, target).await;
        }
        let answer = Box::new(answer);
        Ok(Ok(self.reached(attempt, answer, end, unauthorized, paused)))
    }

    /// Runs one attempt until it fails or the answer ends, in as many rounds as the upstream needs.
    async fn attempt(&mut self, mut attempt: Box<Attempt>) -> AttemptEnd {
        let mut paused: Paused = None;
        self.serving.recording.begin();
        loop {
            let reached = self.reach(&mut attempt, &mut paused).await;
            match (reached, paused.take()) {
                (Ok(Reached::Answered(pumped)), _) => {
                    return self.serving.conclude(attempt, pumped).await;
                }
                (Ok(Reached::Paused), Some(mut answer)) => {
                    if !self
                        .serving
                        .attempts
                        .go_on(&mut attempt, &mut answer, Instant::now())
                    {
                        return self.give_up(attempt, *answer).await;
                    }
                    paused = Some(answer);
                }
                (Ok(_), Some(answer)) => return self.give_up(attempt, *answer).await,
                (Ok(Reached::Failed(failed) | Reached::Unauthorized(failed)), None) => {
                    return AttemptEnd::Failed(attempt, failed);
                }
                (Ok(Reached::Paused | Reached::Again), None) => {
                    let failed = Failed::bare(classify_transport(Fault::Eof, false));
                    return AttemptEnd::Failed(attempt, failed);
                }
                (Err(Gone), mut answer) => {
                    let (now, attempts) = (Instant::now(), &mut self.serving.attempts);
                    if let Some(answer) = &mut answer {
                        attempts.note(answer, now);
                    }
                    attempts.client_gone(attempt, answer.as_deref(), now);
                    return AttemptEnd::Done(self.serving.gone());
                }
            }
        }
    }

    /// The result of one round.
    fn reached(
        &mut self,
        attempt: &mut Attempt,
        mut answer: Box<Relaying>,
        end: PumpEnd,
        unauthorized: bool,
        paused: &mut Paused,
    ) -> Reached {
        match end {
            PumpEnd::Failed { failed, .. } if answer.holds_rounds() => {
                // It stays in `paused` and is given up later.
                *paused = Some(answer);
                Reached::Failed(failed)
            }
            PumpEnd::Failed { failed, .. } => {
                self.serving.recording.failed(&mut answer);
                let (failure, now) = (failed.failure, Instant::now());
                if self.serving.attempts.ask_less(attempt, &answer, now) {
                    return Reached::Again;
                }
                self.serving
                    .attempts
                    .note_failed(attempt, &mut answer, &failure, now);
                if unauthorized {
                    Reached::Unauthorized(failed)
                } else {
                    Reached::Failed(failed)
                }
            }
            PumpEnd::Ended { .. } if answer.is_paused() => {
                *paused = Some(answer);
                Reached::Paused
            }
            PumpEnd::Ended { ended, .. } => Reached::Answered(Box::new((*answer, Some(ended)))),
            PumpEnd::Gone => Reached::Answered(Box::new((*answer, None))),
        }
    }

    /// The rest of a paused answer cannot be obtained, so the part that exists becomes the answer.
    async fn give_up(&mut self, mut attempt: Box<Attempt>, mut relaying: Relaying) -> AttemptEnd {
        relaying.give_up();
        if !relaying.is_begun() {
            self.serving.settle_early(&mut relaying);
        }
        let flushed = self.serving.flush(&mut attempt, &mut relaying);
        let ended = flushed.await.is_ok().then(Ended::well);
        self.serving
            .conclude(attempt, Box::new((relaying, ended)))
            .await
    }
}
