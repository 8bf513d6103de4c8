//! Carries one answer to the client: pumps, holds, pings, ends.
//!
//! It waits for the upstream, the client and the clock at the same time. `exchange::relaying` decides what the bytes
//! mean and when they may be sent.
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use pingora::protocols::http::client::HttpSession;
use tokio::time::{Sleep, sleep_until};

use super::bridge::{Gone, PING_EVERY};
use super::serving::{AT_ONCE, Serving, timed};
use super::upstream::http::is_enough;
use crate::exchange::attempt::Attempt;
use crate::exchange::relaying::{Ended, Failed, Next, Relaying};
use crate::outcome::End;
use crate::pool::Fault;
use crate::protocol::written::Written;

/// The event that ended a wait.
pub(super) enum Event {
    Chunk(Bytes),
    Cut,
    End,
    Gone,
    Broke,
    /// It is time to send a ping to a client that has no answer yet.
    Silent,
    Tick,
}

/// How a pump ended.
pub(super) enum PumpEnd {
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

impl Event {
    /// `cut`: the upstream answered before it had received the whole request.
    fn of(read: pingora::Result<Option<Bytes>>, cut: bool) -> Self {
        match read {
            Ok(Some(chunk)) => Self::Chunk(chunk),
            Ok(None) => Self::End,
            Err(error) if cut && is_enough(&error) => Self::End,
            Err(_) => Self::Broke,
        }
    }
}

impl PumpEnd {
    /// Whether the upstream connection may be used again.
    pub(super) fn read_to_end(&self) -> bool {
        match self {
            Self::Ended { read_to_end, .. } | Self::Failed { read_to_end, .. } => *read_to_end,
            Self::Gone => false,
        }
    }
}

/// The answer of one attempt, on its way to the client.
pub(super) struct Pump<'a, 'b> {
    serving: &'a mut Serving<'b>,
    attempt: &'a mut Attempt,
    relaying: Relaying,
    upstream: HttpSession,
    idle: Duration,
    /// When the answer must be complete.
    deadline: Option<Instant>,
    /// An event that was read ahead and has not been handled: how the upstream ended.
    ahead: Option<Event>,
}

impl<'a, 'b> Pump<'a, 'b> {
    /// A pump for the answer that comes from `upstream`, with the longest silence and the deadline for the complete
    /// answer.
    pub(super) fn new(
        serving: &'a mut Serving<'b>,
        attempt: &'a mut Attempt,
        relaying: Relaying,
        upstream: HttpSession,
        (idle, deadline): (Duration, Option<Instant>),
    ) -> Self {
        Self {
            serving,
            attempt,
            relaying,
            upstream,
            idle,
            deadline,
            ahead: None,
        }
    }

    /// The answer, and the upstream session that it came from.
    pub(super) fn into_parts(self) -> (Relaying, HttpSession) {
        (self.relaying, self.upstream)
    }
}

impl Pump<'_, '_> {
    pub(super) async fn run(&mut self) -> PumpEnd {
        let mut last_read = Instant::now();
        let mut last_write = last_read;
        let mut first_read = None;
        let mut lingers_until: Option<Instant> = None;
        let mut said = Written::default();
        let deadline = self.deadline;
        let soonest = move |at: Instant| deadline.map_or(at, |deadline| at.min(deadline));
        let timer = sleep_until(soonest(last_read + self.idle.min(HOLD_FOR)).into());
        let cut = self.serving.app.until_cut();
        tokio::pin!(timer, cut);
        loop {
            match self.next(timer.as_mut(), cut.as_mut()).await {
                Event::Chunk(chunk) => {
                    last_read = Instant::now();
                    // An upstream that never pauses must keep the deadline, too.
                    if deadline.is_some_and(|deadline| last_read >= deadline) {
                        return self.broke(End::Timeout, Fault::Idle).await;
                    }
                    if first_read.is_none() {
                        first_read = Some(last_read);
                        let next = soonest(last_read + self.idle.min(HOLD_FOR));
                        timer.as_mut().reset(next.into());
                    }
                    match self.take_in(&chunk).await {
                        Next::Hold => {}
                        Next::Forward => {
                            // A client that reads the last event may send its next request at once.
                            if self.relaying.is_complete() && !self.relaying.is_paused() {
                                self.serving.settle_early(&mut self.relaying);
                            }
                            match self.flush().await {
                                Ok(true) => last_write = last_read,
                                Ok(false) => {}
                                Err(Gone) => return PumpEnd::Gone,
                            }
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
                    // The answer is complete, so the client need not wait until the upstream closes, whatever it still
                    // sends. But if the upstream goes on to answer, the wait starts again, because every event may
                    // contain a reason to end.
                    lingers_until = self.relaying.linger().map(|linger| {
                        let written = self.relaying.written();
                        let goes_on = std::mem::replace(&mut said, written) != written;
                        let until = last_read + linger;
                        lingers_until
                            .filter(|_| !goes_on)
                            .map_or(until, |before| before.min(until))
                    });
                    if let Some(until) = lingers_until {
                        if until <= last_read {
                            return self.end_early().await;
                        }
                        timer.as_mut().reset(until.into());
                    }
                }
                Event::End => return self.end().await,
                Event::Broke => return self.broke(End::UpstreamEof, Fault::Reset).await,
                Event::Cut => return self.broke(End::Drained, Fault::Eof).await,
                // The client has the complete answer; only the upstream has not closed it yet.
                Event::Gone if self.relaying.linger().is_some() => return self.end_early().await,
                Event::Gone => return PumpEnd::Gone,
                Event::Silent => {
                    if self.serving.bridge.ping(self.serving.client).await.is_err() {
                        return PumpEnd::Gone;
                    }
                }
                Event::Tick => {
                    let now = Instant::now();
                    if lingers_until.is_some_and(|until| now >= until) {
                        return self.end_early().await;
                    }
                    if deadline.is_some_and(|deadline| now >= deadline) {
                        return self.broke(End::Timeout, Fault::Idle).await;
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
                    let next = soonest(last_read + self.idle)
                        .min(last_write + PING_EVERY)
                        .min(lingers_until.unwrap_or(now + PING_EVERY))
                        .max(now + SHORTEST_TICK);
                    timer.as_mut().reset(next.into());
                }
            }
        }
    }

    /// Waits for the first event. All waits may be dropped and started again.
    async fn next(
        &mut self,
        timer: Pin<&mut Sleep>,
        cut: Pin<&mut impl Future<Output = ()>>,
    ) -> Event {
        if let Some(event) = self.ahead.take() {
            return event;
        }
        let began = Instant::now();
        let bridged = !self.relaying.is_begun() && self.relaying.is_bridgeable();
        let cut_off = !self.attempt.is_sent_whole();
        let receiving = self.serving.upload.is_awaited();
        let event = tokio::select! {
            biased;
            read = self.upstream.read_response_body() => Event::of(read, cut_off),
            _ = self.serving.client.read_body_or_idle(true), if !receiving => Event::Gone,
            () = cut => Event::Cut,
            () = timer => Event::Tick,
            () = self.serving.bridge.due(), if bridged => Event::Silent,
        };
        self.serving.waited += began.elapsed();
        event
    }

    /// Handles a chunk. Once there is something for the client, everything else that has arrived by now is handled as
    /// well, so that it goes out in one write.
    async fn take_in(&mut self, chunk: &Bytes) -> Next {
        let wall = SystemTime::now();
        let mut next = self.relaying.push(chunk, wall);
        let mut taken = chunk.len();
        let cut_off = !self.attempt.is_sent_whole();
        while matches!(next, Next::Forward) && taken < AT_ONCE {
            let event = tokio::select! {
                biased;
                read = self.upstream.read_response_body() => Event::of(read, cut_off),
                () = std::future::ready(()) => break,
            };
            let Event::Chunk(chunk) = event else {
                self.ahead = Some(event);
                break;
            };
            taken += chunk.len();
            match self.relaying.push(&chunk, wall) {
                Next::Forward | Next::Hold => {}
                other => next = other,
            }
        }
        next
    }

    async fn end(&mut self) -> PumpEnd {
        let ended = self.relaying.end(SystemTime::now());
        self.finish(ended, true).await
    }

    /// The answer is complete but the upstream keeps it open, so the upstream connection cannot be used again.
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
                if !self.relaying.is_paused() {
                    self.serving.settle_early(&mut self.relaying);
                }
                // A whole answer that paused has nothing to send yet.
                if self.relaying.is_committed() && self.flush().await.is_err() {
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

    async fn flush(&mut self) -> Result<bool, Gone> {
        self.serving.flush(self.attempt, &mut self.relaying).await
    }

    async fn ping(&mut self) -> Result<(), Gone> {
        let ping = self.relaying.ping();
        let writing = self.serving.client.write_response_body(ping, false);
        timed(&mut self.serving.waited, writing)
            .await
            .map_err(|_| Gone)
    }
}

/// Held bytes of a stream are sent this long after its first byte, even if it has not committed.
const HOLD_FOR: Duration = Duration::from_secs(2);

/// The shortest time between two wake-ups without bytes.
const SHORTEST_TICK: Duration = Duration::from_millis(50);
