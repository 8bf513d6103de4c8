//! Upstream bytes → client bytes: what is held, when it commits, how it ends.
//!
//! ```text
//!            head 2xx, event stream      Stream: hold frames ── first content event, 64 KiB or 2 s ──► committed: forward
//!  upstream ─ head 2xx, anything else ─► Whole:  hold all     ── end, or more than 1 MiB ────────────► committed: forward
//!            head not 2xx                Fault:  hold all     ── end ──► client's own fault: committed; else the attempt failed
//! ```
//!
//! Until the commit nothing has reached the client and another account may still serve. After it nothing is retried,
//! and an answer that breaks off ends in the dialect's terminal error event, never in silence.
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use smallvec::SmallVec;

use crate::outcome::{End, FailureClass, UsageSource};
use crate::pool::health::{self, Failure};
use crate::protocol::Dialect;
use crate::protocol::error::{self, WireError};
use crate::protocol::hub::usage::Usage;
use crate::protocol::passthrough::{self, Tap, Terminal};

use super::refusal::{Refusal, failure_kind};

/// One answer on its way from an upstream to the client.
#[derive(Debug)]
pub struct Relaying {
    dialect: Dialect,
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
    /// What may go out now; taken by [`Relaying::take`].
    ready: Ready,
    committed: bool,
    usage: Option<Usage>,
    /// The upstream's usage was its last word.
    usage_final: bool,
    service_tier: Option<String>,
}

/// Bytes for the client, in order.
pub type Ready = SmallVec<[Bytes; 4]>;

#[derive(Debug)]
enum Body {
    /// An event stream that the tap reads along.
    Stream(Box<Tap>),
    /// Anything else that succeeded.
    Whole(Collected),
    /// An error: it is read whole before anybody decides.
    Fault(Collected),
    /// Compressed although asked not to: forwarded unread.
    Opaque,
}

/// A body that is held while it is small; of what went by only the end is kept, where usage stands.
#[derive(Debug, Default)]
struct Collected {
    bytes: BytesMut,
    /// Nothing has been dropped from `bytes`.
    whole: bool,
}

/// What to do after a step.
#[derive(Debug)]
pub enum Next {
    /// Nothing may go out yet.
    Hold,
    /// Something is ready: [`Relaying::take`] it. The head goes first if it has not gone.
    Forward,
    /// Before the commit: this attempt failed.
    Failed(Box<Failed>),
}

/// A failed attempt, and what the client would see of it if nothing else is left.
#[derive(Debug)]
pub struct Failed {
    pub failure: Failure,
    /// The upstream's own error, if the client may see it.
    pub answer: Option<Answer>,
}

/// A head and a body for the client.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// How a committed answer ended.
#[derive(Debug)]
pub struct Ended {
    pub end: End,
    /// What the pool is to know about it.
    pub failure: Option<Failure>,
    /// The connection to the client must not be used again.
    pub close: bool,
    /// Nothing tells the client that the answer broke off, except breaking off.
    pub abort: bool,
}

impl Relaying {
    /// From the head of the answer. `secret` is masked in errors.
    pub fn new(dialect: Dialect, wants_stream: bool, status: StatusCode, headers: HeaderMap) -> Self {
        let encoded = headers
            .get(CONTENT_ENCODING)
            .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        let body = if !status.is_success() {
            Body::Fault(Collected::new())
        } else if encoded {
            Body::Opaque
        } else if is_event_stream(&headers) {
            Body::Stream(Box::new(Tap::new(dialect)))
        } else if wants_stream && dialect == Dialect::Gemini && is_json(&headers) {
            // Without `alt=sse` Gemini streams one JSON array.
            Body::Stream(Box::new(Tap::json_array()))
        } else {
            Body::Whole(Collected::new())
        };
        Self {
            dialect,
            status,
            headers,
            body,
            ready: Ready::new(),
            committed: false,
            usage: None,
            usage_final: false,
            service_tier: None,
        }
    }

    /// The status and the headers of the answer, for the client.
    pub fn head(&self) -> (StatusCode, &HeaderMap) {
        (self.status, &self.headers)
    }

    /// Whether the head may go (or has gone) out.
    pub fn is_committed(&self) -> bool {
        self.committed
    }

    /// Whether it is a stream of events, between two of which a ping may be put.
    pub fn is_stream(&self) -> bool {
        matches!(self.body, Body::Stream(_))
    }

    /// Whether the answer is complete although the upstream has not closed it yet.
    pub fn is_complete(&self) -> bool {
        matches!(&self.body, Body::Stream(tap) if tap.terminal().is_some())
    }

    /// What may go out now.
    pub fn take(&mut self) -> Ready {
        std::mem::take(&mut self.ready)
    }

    /// The whole body, when all of it is known before the head goes: its length then frames it.
    pub fn known_length(&self) -> Option<usize> {
        match &self.body {
            Body::Whole(collected) | Body::Fault(collected) if collected.whole => {
                Some(self.ready.iter().map(Bytes::len).sum())
            }
            _ => None,
        }
    }

    /// The next bytes of the answer.
    pub fn push(&mut self, chunk: &Bytes, wall: SystemTime) -> Next {
        match &mut self.body {
            Body::Stream(tap) => {
                let Ok(pieces) = tap.relay(chunk) else {
                    return self.broken(FailureClass::ServerError);
                };
                self.ready.extend(pieces);
                if self.committed {
                    return self.forward();
                }
                if let Some(fault) = tap.error() {
                    let failure = health::classify_event(self.dialect, &fault.into(), wall);
                    return Next::Failed(Box::new(Failed { failure, answer: None }));
                }
                let held: usize = self.ready.iter().map(Bytes::len).sum();
                if tap.committed() || tap.terminal().is_some() || held > MAX_HELD {
                    return self.commit();
                }
                Next::Hold
            }
            Body::Whole(collected) => {
                collected.push(chunk);
                if self.committed {
                    self.ready.push(chunk.clone());
                    return Next::Forward;
                }
                if collected.bytes.len() > MAX_WHOLE {
                    let so_far = collected.spill();
                    self.ready.push(so_far);
                    return self.commit();
                }
                Next::Hold
            }
            Body::Fault(collected) => {
                // An error longer than this is not one: what is kept of it suffices to class it.
                if collected.bytes.len() < MAX_WHOLE {
                    collected.push(chunk);
                }
                Next::Hold
            }
            Body::Opaque => {
                self.ready.push(chunk.clone());
                self.commit()
            }
        }
    }

    /// The first byte of a stream came long enough ago: the head goes out with what there is.
    pub fn hold_expired(&mut self) -> Next {
        match self.body {
            Body::Stream(_) if !self.committed => self.commit(),
            _ => Next::Hold,
        }
    }

    /// The upstream closed the answer. `Ok` when it committed (now or earlier).
    pub fn end(&mut self, wall: SystemTime, secret: Option<&str>) -> Result<Ended, Box<Failed>> {
        match &mut self.body {
            Body::Stream(tap) => {
                let whole = tap.finish();
                self.ready.push(tap.take_held());
                self.note_usage();
                match whole {
                    Terminal::Complete => Ok(self.ended(End::Complete, None)),
                    Terminal::Failed => Ok(self.ended(End::UpstreamError, Some(Failure::of(FailureClass::Truncated)))),
                    Terminal::Open if self.committed => Ok(self.cut_short(End::UpstreamEof, FailureClass::Truncated)),
                    Terminal::Open => Err(Failed::bare(Failure::of(FailureClass::ServerError))),
                }
            }
            Body::Whole(_) => self.end_whole(wall),
            Body::Fault(_) => self.end_fault(wall, secret),
            Body::Opaque => {
                self.committed = true;
                Ok(self.ended(End::Complete, None))
            }
        }
    }

    /// The upstream broke off, or was silent for too long.
    pub fn broke(&mut self, end: End, class: FailureClass) -> Result<Ended, Box<Failed>> {
        if !self.committed {
            return Err(Failed::bare(Failure::of(class)));
        }
        self.note_usage();
        if self.is_complete() {
            return Ok(self.ended(End::Complete, None));
        }
        Ok(self.cut_short(end, FailureClass::Truncated))
    }

    /// A keep-alive for a client that waits; empty where the dialect has none.
    pub fn ping(&self) -> Bytes {
        match &self.body {
            Body::Stream(tap) if self.committed => tap.ping(),
            _ => Bytes::new(),
        }
    }

    /// What was used, as far as the upstream said.
    pub fn usage(&mut self) -> Option<(Usage, UsageSource)> {
        self.note_usage();
        let source = if self.usage_final { UsageSource::Reported } else { UsageSource::Partial };
        self.usage.map(|usage| (usage, source))
    }

    /// The service tier that the upstream says it used, which decides the price.
    pub fn service_tier(&self) -> Option<&str> {
        self.service_tier.as_deref()
    }

    fn forward(&self) -> Next {
        if self.ready.iter().all(Bytes::is_empty) {
            Next::Hold
        } else {
            Next::Forward
        }
    }

    fn commit(&mut self) -> Next {
        self.committed = true;
        Next::Forward
    }

    fn broken(&mut self, class: FailureClass) -> Next {
        if self.committed {
            Next::Hold
        } else {
            Next::Failed(Failed::bare(Failure::of(class)))
        }
    }
}
