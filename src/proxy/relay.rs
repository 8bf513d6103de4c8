//! Drives one exchange: attempt, hold, commit, pump, ping, end.
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
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::client::HttpSession;
use tokio::time::{Sleep, sleep_until};

use super::app::App;
use super::connect::{ConnectFault, Target};
use crate::exchange::dispatch::{Dispatch, Dispatched, Verdict};
use crate::exchange::refusal::Reply;
use crate::exchange::relaying::{Answer, Ended, Failed, Next, Relaying};
use crate::outcome::{End, FailureClass, Outcome};
use crate::pool::health::{Failure, TransportFault};

/// How the client's connection is to be left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Left {
    /// The answer is complete.
    Intact,
    /// The answer is complete in itself, but the connection shall not be used again.
    Close,
    /// The answer broke off, or the client is gone.
    Abort,
}

/// One request being relayed.
pub(super) struct Relay<'a> {
    pub(super) app: &'a App,
    pub(super) client: &'a mut ServerSession,
    pub(super) dispatch: &'a mut Dispatch,
    pub(super) outcome: &'a mut Outcome,
    /// When the request arrived.
    pub(super) arrived: Instant,
    /// Time spent waiting for the client or an upstream.
    pub(super) waited: Duration,
    pub(super) request_id: &'a str,
    /// Headers of Weir's own on every answer: the request id, CORS, limits.
    pub(super) own_headers: &'a http::HeaderMap,
}

/// The client closed.
struct Gone;

enum Attempt {
    Done(Left),
    Failed(Box<Failed>),
}

/// What a wait brought.
enum Event {
    Chunk(Bytes),
    Cut,
    End,
    Gone,
    Broke,
    Tick,
}

impl Relay<'_> {
    /// Until the client has its answer, whichever it is.
    pub(super) async fn run(&mut self) -> Left {
        loop {
            let now = Instant::now();
            let mut dispatched = match self.dispatch.next(now, self.app.draw()) {
                Ok(dispatched) => dispatched,
                Err(refusal) => {
                    self.outcome.end = refusal.end();
                    self.outcome.detail = Some(refusal.wire().message);
                    let reply = refusal.reply(self.dispatch.dialect(), self.request_id);
                    return self.reply(reply).await;
                }
            };
            let attempt = match self.attempt(&mut dispatched).await {
                Ok(attempt) => attempt,
                Err(Gone) => {
                    self.dispatch.client_gone(dispatched, Instant::now());
                    self.outcome.end = End::ClientGone;
                    return Left::Abort;
                }
            };
            match attempt {
                Attempt::Done(left) => return left,
                Attempt::Failed(failed) => {
                    let (now, wall) = (Instant::now(), SystemTime::now());
                    match self.dispatch.failed(dispatched, failed, now, wall, self.app.draw()) {
                        Verdict::Again => {}
                        Verdict::Answer(answer) => {
                            self.outcome.end = if answer.status < 500 { End::Complete } else { End::UpstreamError };
                            return self.answer(answer).await;
                        }
                        Verdict::Refuse(refusal) => {
                            self.outcome.end = refusal.end();
                            self.outcome.detail = Some(refusal.wire().message);
                            let reply = refusal.reply(self.dispatch.dialect(), self.request_id);
                            return self.reply(reply).await;
                        }
                    }
                }
            }
        }
    }

    async fn attempt(&mut self, dispatched: &mut Dispatched) -> Result<Attempt, Gone> {
        let mut tried = Vec::new();
        let mut stale = 0;
        loop {
            let account = dispatched.account().clone();
            let now = Instant::now();
            let usable = |origin: &str| self.dispatch.pool().endpoint_usable(origin, now);
            let Some(target) = self.app.upstreams.target(&account, &tried, usable) else {
                let fault = if tried.is_empty() { TransportFault::Dns } else { TransportFault::Refused };
                return Ok(Attempt::Failed(Failed::bare(Failure::transport(fault))));
            };
            dispatched.at_endpoint(target.endpoint);
            let connecting = self.app.upstreams.session(&target, account.timeouts.connect);
            let (upstream, reused) = match wait(&mut self.waited, self.client, connecting).await? {
                Ok(session) => session,
                Err(fault) if fault == ConnectFault::Refused && tried.len() + 1 < MAX_ADDRESSES => {
                    // Another address of the same account may answer: that is no other attempt yet.
                    self.dispatch.pool().endpoint_refused(dispatched.origin(), now);
                    tried.push(target.peer._address.clone());
                    continue;
                }
                Err(fault) => return Ok(Attempt::Failed(Failed::bare(Failure::transport(transport(fault))))),
            };
            match self.exchange(dispatched, &target, upstream).await? {
                // The upstream closed an idle connection just as we took it: that says nothing about anybody.
                Exchanged::Stale if reused && stale < MAX_STALE => stale += 1,
                Exchanged::Stale => {
                    return Ok(Attempt::Failed(Failed::bare(Failure::transport(TransportFault::Reset))));
                }
                Exchanged::Attempt(attempt) => return Ok(attempt),
            }
        }
    }

    /// One request on one upstream connection.
    async fn exchange(
        &mut self,
        dispatched: &mut Dispatched,
        target: &Target,
        mut upstream: HttpSession,
    ) -> Result<Exchanged, Gone> {
        let timeouts = dispatched.account().timeouts;
        upstream.set_write_timeout(Some(WRITE_TIMEOUT));
        let head = upstream_head(dispatched, matches!(upstream, HttpSession::H2(_)));
        let Some(head) = head else {
            return Ok(Exchanged::Attempt(Attempt::Failed(Failed::bare(Failure::transport(TransportFault::Tls)))));
        };
        let sending = send(&mut upstream, head, dispatched.body());
        let sent = wait(&mut self.waited, self.client, sending).await?;
        // Also when writing failed: a 413 or a 429 may be waiting to be read.
        let patience = if sent { timeouts.first_byte } else { AFTER_WRITE_ERROR };
        let reading = tokio::time::timeout(patience, upstream.read_response_header());
        match wait(&mut self.waited, self.client, reading).await? {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Ok(Exchanged::Stale),
            Err(_) if !sent => return Ok(Exchanged::Stale),
            Err(_) => return Ok(Exchanged::Attempt(Attempt::Failed(Failed::bare(Failure::slow())))),
        }
        let Some(head) = upstream.response_header() else {
            return Ok(Exchanged::Stale);
        };
        let (status, headers) = (head.status, head.headers.clone());
        let relaying = dispatched.relaying(status, headers);
        let mut pump = Pump {
            relay: self,
            relaying,
            upstream,
            idle: timeouts.idle,
            head_written: false,
        };
        let pumped = pump.run().await;
        let Pump { mut relaying, upstream, .. } = pump;
        match pumped {
            Pumped::Ended { ended, read_to_end } => {
                let left = self.settle(dispatched, &mut relaying, ended).await;
                if read_to_end {
                    self.app.upstreams.release(upstream, target).await;
                }
                Ok(Exchanged::Attempt(Attempt::Done(left)))
            }
            Pumped::Failed { failed, read_to_end } => {
                if read_to_end {
                    self.app.upstreams.release(upstream, target).await;
                }
                Ok(Exchanged::Attempt(Attempt::Failed(failed)))
            }
            Pumped::Gone => {
                self.dispatch.note_usage(&mut relaying);
                Err(Gone)
            }
        }
    }

    /// After the last byte of the upstream: what is left to say to the client and to the pool.
    async fn settle(&mut self, dispatched: &mut Dispatched, relaying: &mut Relaying, ended: Ended) -> Left {
        self.outcome.end = ended.end;
        self.dispatch.note_usage(relaying);
        self.dispatch.settle(dispatched, relaying, &ended, Instant::now(), SystemTime::now(), self.app.draw());
        if ended.abort {
            return Left::Abort;
        }
        let closing = self.client.write_response_body(Bytes::new(), true);
        if timed(&mut self.waited, closing).await.is_err() {
            self.outcome.end = if ended.end == End::Complete { End::Complete } else { ended.end };
            return Left::Abort;
        }
        if ended.close { Left::Close } else { Left::Intact }
    }

    /// An answer of Weir's own.
    async fn reply(&mut self, reply: Reply) -> Left {
        let Reply { status, headers, body } = reply;
        self.answer(Answer { status, headers, body }).await
    }

    async fn answer(&mut self, answer: Answer) -> Left {
        self.outcome.status = answer.status;
        let written = write_answer(self.client, &answer, self.own_headers);
        match timed(&mut self.waited, written).await {
            Some(bytes) => {
                self.outcome.bytes_out += bytes;
                Left::Intact
            }
            None => {
                self.outcome.end = End::ClientGone;
                Left::Abort
            }
        }
    }
}

enum Exchanged {
    Attempt(Attempt),
    /// Not a byte of an answer came.
    Stale,
}

enum Pumped {
    Ended { ended: Ended, read_to_end: bool },
    Failed { failed: Box<Failed>, read_to_end: bool },
    Gone,
}

/// The answer of one attempt on its way to the client.
struct Pump<'a, 'b> {
    relay: &'a mut Relay<'b>,
    relaying: Relaying,
    upstream: HttpSession,
    idle: Duration,
    head_written: bool,
}

impl Pump<'_, '_> {
    async fn run(&mut self) -> Pumped {
        let mut last_read = Instant::now();
        let mut last_write = last_read;
        let mut first_read = None;
        let timer = sleep_until((last_read + self.idle.min(HOLD_FOR)).into());
        let cut = self.relay.app.until_cut();
        tokio::pin!(timer, cut);
        loop {
            match self.next(timer.as_mut(), cut.as_mut()).await {
                Event::Chunk(chunk) => {
                    last_read = Instant::now();
                    if first_read.is_none() {
                        first_read = Some(last_read);
                        timer.as_mut().reset((last_read + HOLD_FOR).into());
                    }
                    match self.relaying.push(&chunk, SystemTime::now()) {
                        Next::Hold => {}
                        Next::Forward => {
                            if self.flush().await.is_err() {
                                return Pumped::Gone;
                            }
                            last_write = last_read;
                        }
                        Next::Failed(failed) => return Pumped::Failed { failed, read_to_end: false },
                        Next::Unreadable => return self.broke(End::UpstreamError, FailureClass::ServerError).await,
                    }
                    if self.relaying.is_complete() {
                        // The answer is whole: the client does not wait for the upstream to close it too.
                        timer.as_mut().reset((last_read + LINGER).into());
                    }
                }
                Event::End => return self.end().await,
                Event::Broke => return self.broke(End::UpstreamEof, FailureClass::Transport).await,
                Event::Cut => return self.broke(End::UpstreamError, FailureClass::ClientGone).await,
                Event::Gone => return Pumped::Gone,
                Event::Tick => {
                    let now = Instant::now();
                    if self.relaying.is_complete() {
                        return self.end_early().await;
                    }
                    if now.duration_since(last_read) >= self.idle {
                        return self.broke(End::Idle, FailureClass::Slow).await;
                    }
                    if first_read.is_some_and(|first| now.duration_since(first) >= HOLD_FOR)
                        && matches!(self.relaying.hold_expired(), Next::Forward)
                    {
                        if self.flush().await.is_err() {
                            return Pumped::Gone;
                        }
                        last_write = now;
                    }
                    if self.relaying.is_committed() && now.duration_since(last_write) >= PING_EVERY {
                        if self.ping().await.is_err() {
                            return Pumped::Gone;
                        }
                        last_write = now;
                    }
                    let next = (last_read + self.idle).min(last_write + PING_EVERY).max(now + SHORTEST_TICK);
                    timer.as_mut().reset(next.into());
                }
            }
        }
    }

    /// Waits for whatever comes first. All three waits may be dropped and begun again.
    async fn next(&mut self, timer: Pin<&mut Sleep>, cut: Pin<&mut impl Future<Output = ()>>) -> Event {
        let began = Instant::now();
        let event = tokio::select! {
            biased;
            read = self.upstream.read_response_body() => match read {
                Ok(Some(chunk)) => Event::Chunk(chunk),
                Ok(None) => Event::End,
                Err(_) => Event::Broke,
            },
            _ = self.relay.client.read_body_or_idle(true) => Event::Gone,
            () = cut => Event::Cut,
            () = timer => Event::Tick,
        };
        self.relay.waited += began.elapsed();
        event
    }

    async fn end(&mut self) -> Pumped {
        let ended = self.relaying.end(SystemTime::now());
        self.finish(ended, true).await
    }

    /// The answer is complete but the upstream keeps it open: its connection cannot be used again.
    async fn end_early(&mut self) -> Pumped {
        let ended = self.relaying.end(SystemTime::now());
        self.finish(ended, false).await
    }

    async fn broke(&mut self, end: End, class: FailureClass) -> Pumped {
        let ended = self.relaying.broke(end, class);
        self.finish(ended, false).await
    }

    async fn finish(&mut self, ended: Result<Ended, Box<Failed>>, read_to_end: bool) -> Pumped {
        match ended {
            Ok(ended) => {
                if self.flush().await.is_err() {
                    return Pumped::Gone;
                }
                Pumped::Ended { ended, read_to_end }
            }
            Err(failed) => Pumped::Failed { failed, read_to_end },
        }
    }

    /// Writes what is ready, after the head.
    async fn flush(&mut self) -> Result<(), Gone> {
        let relay = &mut *self.relay;
        if !self.head_written {
            let head = relay.dispatch.client_head(&self.relaying, relay.own_headers);
            relay.outcome.status = head.status.as_u16();
            let head = client_head(relay.client, head, self.relaying.known_length()).ok_or(Gone)?;
            let writing = relay.client.write_response_header(head);
            timed(&mut relay.waited, writing).await.map_err(|_| Gone)?;
            self.head_written = true;
            if self.relaying.carries_content() {
                relay.outcome.time_to_first_token = Some(relay.arrived.elapsed());
            }
        }
        for bytes in self.relaying.take() {
            relay.outcome.bytes_out += bytes.len() as u64;
            let writing = relay.client.write_response_body(bytes, false);
            timed(&mut relay.waited, writing).await.map_err(|_| Gone)?;
        }
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Gone> {
        let ping = self.relaying.ping();
        let writing = self.relay.client.write_response_body(ping, false);
        timed(&mut self.relay.waited, writing).await.map_err(|_| Gone)
    }
}

/// Waits for `work`, unless the client closes first.
async fn wait<T>(waited: &mut Duration, client: &mut ServerSession, work: impl Future<Output = T>) -> Result<T, Gone> {
    let began = Instant::now();
    let result = tokio::select! {
        biased;
        result = work => Ok(result),
        _ = client.read_body_or_idle(true) => Err(Gone),
    };
    *waited += began.elapsed();
    result
}

async fn timed<T>(waited: &mut Duration, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let result = work.await;
    *waited += began.elapsed();
    result
}

/// Sends head and body. `false` when the upstream would not take them all.
async fn send(upstream: &mut HttpSession, head: Box<RequestHeader>, body: &crate::protocol::json::Pieces) -> bool {
    if upstream.write_request_header(head).await.is_err() {
        return false;
    }
    for piece in body.iter() {
        let mut rest = piece.clone();
        while !rest.is_empty() {
            // In pieces, each under the write timeout: a slow but moving upstream is not a stuck one.
            let next = rest.split_to(rest.len().min(WRITE_AT_ONCE));
            if upstream.write_request_body(next, false).await.is_err() {
                return false;
            }
        }
    }
    upstream.finish_request_body().await.is_ok()
}

/// HTTP/2 wants an absolute URI and no `Host`, HTTP/1.1 the opposite.
fn upstream_head(dispatched: &Dispatched, h2: bool) -> Option<Box<RequestHeader>> {
    let (mut head, ()) = dispatched.head(h2)?.into_parts();
    if !h2 {
        head.version = http::Version::HTTP_11;
    }
    Some(Box::new(RequestHeader::from(head)))
}

/// Frames the answer for the client: its length when it is known, else chunks (HTTP/1.1), else the end of the
/// connection (HTTP/1.0). HTTP/2 frames by itself.
fn client_head(
    client: &mut ServerSession,
    mut head: http::response::Parts,
    length: Option<usize>,
) -> Option<Box<ResponseHeader>> {
    let version = client.req_header().version;
    if let Some(length) = length {
        head.headers.insert(CONTENT_LENGTH, length.into());
    } else if version == http::Version::HTTP_11 {
        head.headers.insert(TRANSFER_ENCODING, http::HeaderValue::from_static("chunked"));
    } else if version < http::Version::HTTP_11 {
        client.set_keepalive(None);
    }
    head.version = http::Version::HTTP_11;
    Some(Box::new(ResponseHeader::from(head)))
}

/// Writes a whole answer. The number of body bytes, or `None` when the client is gone.
pub(super) async fn write_answer(
    client: &mut ServerSession,
    answer: &Answer,
    own_headers: &http::HeaderMap,
) -> Option<u64> {
    let head = client.req_header().method == http::Method::HEAD;
    let (mut parts, ()) = http::Response::builder().status(answer.status).body(()).ok()?.into_parts();
    parts.headers = answer.headers.clone();
    for (name, value) in own_headers {
        parts.headers.insert(name.clone(), value.clone());
    }
    let written = client_head(client, parts, Some(answer.body.len()))?;
    client.write_response_header(written).await.ok()?;
    if !head {
        client.write_response_body(answer.body.clone(), true).await.ok()?;
    }
    Some(if head { 0 } else { answer.body.len() as u64 })
}

fn transport(fault: ConnectFault) -> TransportFault {
    match fault {
        ConnectFault::Other => TransportFault::Connect,
        ConnectFault::Refused => TransportFault::Refused,
        ConnectFault::Timeout => TransportFault::Timeout,
        ConnectFault::Tls => TransportFault::Tls,
    }
}

/// What is held of a stream goes out this long after its first byte, committed or not.
const HOLD_FOR: Duration = Duration::from_secs(2);

/// A client that waits hears something at least this often. Claude Code gives up after 300 s, its banner comes at 20 s.
const PING_EVERY: Duration = Duration::from_secs(15);

/// The pump never wakes more often than this without bytes.
const SHORTEST_TICK: Duration = Duration::from_millis(50);

/// How long an upstream may keep a complete answer open.
const LINGER: Duration = Duration::from_secs(1);

/// How long one write may take, to either side.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long an answer is waited for from an upstream that would not take the whole request.
const AFTER_WRITE_ERROR: Duration = Duration::from_secs(2);

/// Bytes given to one write under the write timeout.
const WRITE_AT_ONCE: usize = 1 << 20;

/// Pooled connections that may turn out to be closed in one attempt.
const MAX_STALE: u32 = 3;

/// Addresses of one account that are tried in one attempt.
const MAX_ADDRESSES: usize = 4;
