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
use http::{HeaderMap, HeaderValue, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::client::HttpSession;
use tokio::time::{Sleep, sleep_until};

use super::app::App;
use super::connect::{ConnectFault, Target};
use crate::exchange::dispatch::{Dispatch, Dispatched, Sequel, Step};
use crate::exchange::refusal::{Refusal, Reply};
use crate::exchange::relaying::{Answer, Ended, Failed, Next, Relaying};
use crate::outcome::{End, Outcome};
use crate::pool::{Fault, classify_transport};
use crate::protocol::json::Pieces;

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
    pub(super) own_headers: &'a HeaderMap,
}

/// The client closed.
struct Gone;

enum Attempt {
    Done(Left),
    Failed(Box<Dispatched>, Box<Failed>),
}

/// What came of reaching an upstream.
enum Reached {
    /// The answer went to the client, as far as it came; without an `Ended` the client left before its end.
    Answered(Box<(Relaying, Option<Ended>)>),
    Failed(Box<Failed>),
}

impl Reached {
    fn failed(fault: Fault) -> Self {
        Self::Failed(Failed::bare(classify_transport(fault, false)))
    }
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
            let dispatched = match self.dispatch.next(Instant::now(), self.app.draw()) {
                Step::Go(dispatched) => dispatched,
                Step::Wait(time) => {
                    let waiting = tokio::time::sleep(time);
                    if wait(&mut self.waited, self.client, waiting).await.is_err() {
                        self.outcome.end = End::ClientGone;
                        return Left::Abort;
                    }
                    continue;
                }
                Step::Refuse(refusal) => return self.refuse(&refusal).await,
            };
            match self.attempt(dispatched).await {
                Attempt::Done(left) => return left,
                Attempt::Failed(dispatched, failed) => {
                    match self
                        .dispatch
                        .failed(dispatched, failed, Instant::now(), self.app.draw())
                    {
                        Sequel::Again => {}
                        Sequel::Answer(answer) => {
                            self.outcome.end = if answer.status < 500 {
                                End::Complete
                            } else {
                                End::UpstreamError
                            };
                            return self.answer(answer).await;
                        }
                        Sequel::Refuse(refusal) => return self.refuse(&refusal).await,
                    }
                }
            }
        }
    }

    /// One attempt, up to its failure or to the end of the answer.
    async fn attempt(&mut self, mut dispatched: Box<Dispatched>) -> Attempt {
        match self.reach(&mut dispatched).await {
            Ok(Reached::Answered(pumped)) => self.conclude(dispatched, pumped).await,
            Ok(Reached::Failed(failed)) => Attempt::Failed(dispatched, failed),
            Err(Gone) => {
                self.dispatch.client_gone(dispatched, Instant::now());
                self.outcome.end = End::ClientGone;
                Attempt::Done(Left::Abort)
            }
        }
    }

    /// Finds a connection that takes the request and answers it.
    async fn reach(&mut self, dispatched: &mut Dispatched) -> Result<Reached, Gone> {
        let (mut tried, mut stale) = (Vec::new(), 0);
        let timeout = dispatched.account().timeouts.connect;
        loop {
            let target =
                self.app
                    .upstreams
                    .target(dispatched.account(), dispatched.endpoint(), &tried);
            let Some(target) = target else {
                let fault = if tried.is_empty() {
                    Fault::Dns
                } else {
                    Fault::Refused
                };
                return Ok(Reached::failed(fault));
            };
            // Boxed: the state of a TLS handshake is large, and a stream that runs for an hour does not need it.
            let connecting = Box::pin(self.app.upstreams.session(&target, timeout));
            let (upstream, reused) = match wait(&mut self.waited, self.client, connecting).await? {
                Ok(session) => session,
                Err(ConnectFault::Refused) if tried.len() < MAX_ADDRESSES => {
                    // Another address of the same name may answer: that is no other attempt yet.
                    tried.push(target.peer._address.clone());
                    continue;
                }
                Err(fault) => return Ok(Reached::failed(transport(fault))),
            };
            match self.exchange(dispatched, &target, upstream).await? {
                // The upstream closed an idle connection just as it was taken: that says nothing about anybody.
                None if reused && stale < MAX_STALE => stale += 1,
                None => return Ok(Reached::failed(Fault::Reset)),
                Some(reached) => return Ok(reached),
            }
        }
    }

    /// One request on one upstream connection. `None` when the connection broke before a byte of an answer came.
    async fn exchange(
        &mut self,
        dispatched: &mut Dispatched,
        target: &Target,
        mut upstream: HttpSession,
    ) -> Result<Option<Reached>, Gone> {
        let timeouts = dispatched.account().timeouts;
        upstream.set_write_timeout(Some(WRITE_TIMEOUT));
        let h2 = matches!(upstream, HttpSession::H2(_));
        let Some(head) = self.dispatch.head(dispatched, h2) else {
            return Ok(Some(Reached::failed(Fault::Connect)));
        };
        let sending = send(
            &mut upstream,
            Box::new(RequestHeader::from(head)),
            dispatched.body(),
        );
        let sent = wait(&mut self.waited, self.client, sending).await?;
        // Also when writing failed: a 413 or a 429 may be waiting to be read.
        let patience = if sent {
            timeouts.first_byte
        } else {
            AFTER_WRITE_ERROR
        };
        let reading = tokio::time::timeout(patience, upstream.read_response_header());
        match wait(&mut self.waited, self.client, reading).await? {
            Ok(Ok(())) => {}
            Err(_) if sent => return Ok(Some(Reached::failed(Fault::FirstByte))),
            Ok(Err(_)) | Err(_) => return Ok(None),
        }
        let Some(head) = upstream.response_header() else {
            return Ok(None);
        };
        let relaying = dispatched.relaying(
            head.status,
            head.headers.clone(),
            Instant::now(),
            SystemTime::now(),
        );
        let mut pump = Pump {
            relay: self,
            dispatched,
            relaying,
            upstream,
            idle: timeouts.idle,
            head_written: false,
        };
        let end = pump.run().await;
        let Pump {
            relaying, upstream, ..
        } = pump;
        if end.read_to_end() {
            self.app.upstreams.release(upstream, target).await;
        }
        Ok(Some(match end {
            PumpEnd::Failed { failed, .. } => Reached::Failed(failed),
            PumpEnd::Ended { ended, .. } => Reached::Answered(Box::new((relaying, Some(ended)))),
            PumpEnd::Gone => Reached::Answered(Box::new((relaying, None))),
        }))
    }

    /// After the last byte of the upstream: what is left to say to the client and to the pool.
    async fn conclude(
        &mut self,
        dispatched: Box<Dispatched>,
        pumped: Box<(Relaying, Option<Ended>)>,
    ) -> Attempt {
        let (mut relaying, ended) = *pumped;
        self.dispatch.note_usage(&mut relaying);
        let now = Instant::now();
        let Some(ended) = ended else {
            self.dispatch.client_gone(dispatched, now);
            self.outcome.end = End::ClientGone;
            return Attempt::Done(Left::Abort);
        };
        self.outcome.end = ended.end;
        let whole = ended.end == End::Complete;
        self.dispatch
            .settle(dispatched, &relaying, &ended, now, self.app.draw());
        if ended.abort {
            return Attempt::Done(Left::Abort);
        }
        let closing = self.client.write_response_body(Bytes::new(), true);
        if timed(&mut self.waited, closing).await.is_err() {
            if whole {
                self.outcome.end = End::ClientGone;
            }
            return Attempt::Done(Left::Abort);
        }
        Attempt::Done(if whole { Left::Intact } else { Left::Close })
    }

    async fn refuse(&mut self, refusal: &Refusal) -> Left {
        self.outcome.end = refusal.end();
        self.outcome.detail = Some(refusal.wire().message);
        let reply = refusal.reply(self.dispatch.dialect(), self.request_id);
        self.reply(reply).await
    }

    /// An answer of Weir's own.
    async fn reply(&mut self, reply: Reply) -> Left {
        let Reply {
            status,
            headers,
            body,
        } = reply;
        self.answer(Answer {
            status,
            headers,
            body,
        })
        .await
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

/// How a pump ended.
enum PumpEnd {
    Ended {
        ended: Ended,
        read_to_end: bool,
    },
    Failed {
        failed: Box<Failed>,
        read_to_end: bool,
    },
    Gone,
}

impl PumpEnd {
    /// Whether the upstream connection may be used again.
    fn read_to_end(&self) -> bool {
        match self {
            Self::Ended { read_to_end, .. } | Self::Failed { read_to_end, .. } => *read_to_end,
            Self::Gone => false,
        }
    }
}

/// The answer of one attempt on its way to the client.
struct Pump<'a, 'b> {
    relay: &'a mut Relay<'b>,
    dispatched: &'a mut Dispatched,
    relaying: Relaying,
    upstream: HttpSession,
    idle: Duration,
    head_written: bool,
}

impl Pump<'_, '_> {
    async fn run(&mut self) -> PumpEnd {
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
                                return PumpEnd::Gone;
                            }
                            last_write = last_read;
                        }
                        Next::Failed(failed) => {
                            return PumpEnd::Failed {
                                failed,
                                read_to_end: false,
                            };
                        }
                        Next::Unreadable => {
                            return self.broke(End::UpstreamError, Fault::Eof).await;
                        }
                    }
                    if self.relaying.is_complete() {
                        // The answer is whole: the client does not wait for the upstream to close it too.
                        timer.as_mut().reset((last_read + LINGER).into());
                    }
                }
                Event::End => return self.end().await,
                Event::Broke => return self.broke(End::UpstreamEof, Fault::Reset).await,
                Event::Cut => return self.broke(End::UpstreamError, Fault::Eof).await,
                Event::Gone => return PumpEnd::Gone,
                Event::Tick => {
                    let now = Instant::now();
                    if self.relaying.is_complete() {
                        return self.end_early().await;
                    }
                    if now.duration_since(last_read) >= self.idle {
                        return self.broke(End::Idle, Fault::Idle).await;
                    }
                    if first_read.is_some_and(|first| now.duration_since(first) >= HOLD_FOR)
                        && matches!(self.relaying.hold_expired(), Next::Forward)
                    {
                        if self.flush().await.is_err() {
                            return PumpEnd::Gone;
                        }
                        last_write = now;
                    }
                    if self.relaying.is_committed() && now.duration_since(last_write) >= PING_EVERY
                    {
                        if self.ping().await.is_err() {
                            return PumpEnd::Gone;
                        }
                        last_write = now;
                    }
                    let next = (last_read + self.idle)
                        .min(last_write + PING_EVERY)
                        .max(now + SHORTEST_TICK);
                    timer.as_mut().reset(next.into());
                }
            }
        }
    }

    /// Waits for whatever comes first. All three waits may be dropped and begun again.
    async fn next(
        &mut self,
        timer: Pin<&mut Sleep>,
        cut: Pin<&mut impl Future<Output = ()>>,
    ) -> Event {
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

    async fn end(&mut self) -> PumpEnd {
        let ended = self.relaying.end(SystemTime::now());
        self.finish(ended, true).await
    }

    /// The answer is complete but the upstream keeps it open: its connection cannot be used again.
    async fn end_early(&mut self) -> PumpEnd {
        let ended = self.relaying.end(SystemTime::now());
        self.finish(ended, false).await
    }

    async fn broke(&mut self, end: End, fault: Fault) -> PumpEnd {
        let ended = self.relaying.broke(end, fault);
        self.finish(ended, false).await
    }

    async fn finish(&mut self, ended: Result<Ended, Box<Failed>>, read_to_end: bool) -> PumpEnd {
        match ended {
            Ok(ended) => {
                if self.flush().await.is_err() {
                    return PumpEnd::Gone;
                }
                PumpEnd::Ended { ended, read_to_end }
            }
            Err(failed) => PumpEnd::Failed {
                failed,
                read_to_end,
            },
        }
    }

    /// Writes what is ready, after the head.
    async fn flush(&mut self) -> Result<(), Gone> {
        let relay = &mut *self.relay;
        if !self.head_written {
            self.head_written = true;
            self.dispatched.committed(Instant::now());
            let (status, headers) = relay.dispatch.client_head(&self.relaying);
            relay.outcome.status = status.as_u16();
            let length = self.relaying.known_length();
            let head = client_head(relay.client, status, headers, relay.own_headers, length);
            let writing = relay.client.write_response_header(head);
            timed(&mut relay.waited, writing).await.map_err(|_| Gone)?;
            relay.outcome.time_to_first_token = Some(relay.arrived.elapsed());
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
        timed(&mut self.relay.waited, writing)
            .await
            .map_err(|_| Gone)
    }
}

/// Waits for `work`, unless the client closes first.
async fn wait<T>(
    waited: &mut Duration,
    client: &mut ServerSession,
    work: impl Future<Output = T>,
) -> Result<T, Gone> {
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
async fn send(upstream: &mut HttpSession, head: Box<RequestHeader>, body: &Pieces) -> bool {
    if upstream.write_request_header(head).await.is_err() {
        return false;
    }
    for piece in body {
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

/// Frames the answer for the client: its length when it is known, else chunks (HTTP/1.1), else the end of the
/// connection (HTTP/1.0). HTTP/2 frames by itself.
fn client_head(
    client: &mut ServerSession,
    status: StatusCode,
    headers: HeaderMap,
    own_headers: &HeaderMap,
    length: Option<usize>,
) -> Box<ResponseHeader> {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = status;
    parts.headers = headers;
    for (name, value) in own_headers {
        parts.headers.insert(name, value.clone());
    }
    let version = client.req_header().version;
    if let Some(length) = length {
        parts.headers.insert(CONTENT_LENGTH, length.into());
    } else if version == http::Version::HTTP_11 {
        parts
            .headers
            .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    } else if version < http::Version::HTTP_11 {
        client.set_keepalive(None);
    }
    Box::new(ResponseHeader::from(parts))
}

/// Writes a whole answer. The number of body bytes, or `None` when the client is gone.
pub(super) async fn write_answer(
    client: &mut ServerSession,
    answer: &Answer,
    own_headers: &HeaderMap,
) -> Option<u64> {
    let bodiless = client.req_header().method == http::Method::HEAD || answer.status == 204;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let length = (answer.status != 204).then_some(answer.body.len());
    let head = client_head(client, status, answer.headers.clone(), own_headers, length);
    client.write_response_header(head).await.ok()?;
    let body = if bodiless {
        Bytes::new()
    } else {
        answer.body.clone()
    };
    let written = body.len() as u64;
    client.write_response_body(body, true).await.ok()?;
    Some(written)
}

fn transport(fault: ConnectFault) -> Fault {
    match fault {
        ConnectFault::Other | ConnectFault::Timeout => Fault::Connect,
        ConnectFault::Refused => Fault::Refused,
        ConnectFault::Tls => Fault::Tls,
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
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_mins(1);

/// How long an answer is waited for from an upstream that would not take the whole request.
const AFTER_WRITE_ERROR: Duration = Duration::from_secs(2);

/// Bytes given to one write under the write timeout.
const WRITE_AT_ONCE: usize = 1 << 20;

/// Pooled connections that may turn out to be closed in one attempt.
const MAX_STALE: u32 = 3;

/// Addresses of one account that are tried in one attempt.
const MAX_ADDRESSES: usize = 4;
