//! The results of one attempt: an answer, a failure, an end.
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use crate::outcome::End;
use crate::pool::{self, Failure, Fault};
use crate::protocol::Dialect;
use crate::protocol::error::{self, WireError};

/// A failed attempt, and what the client sees of it if nothing else is left.
#[derive(Debug)]
pub struct Failed {
    pub failure: Failure,
    /// The upstream's own error, if the client may see it.
    pub answer: Option<Answer>,
}

/// A complete answer for the client: Weir's own, or an upstream's error that concerns the client.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// A JSON answer.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self {
            status,
            headers,
            body: body.into(),
        }
    }

    /// The error in this answer, for a client whose stream has begun.
    pub fn in_stream(&self, client: Dialect, request_id: &str) -> WireError {
        let said = error::parse(client, self.status, &self.body).to_wire();
        in_stream(said, client, request_id)
    }
}

/// An error as the last event of a stream. In a dialect without a place for the request id, the message names it.
pub(super) fn in_stream(said: WireError, client: Dialect, request_id: &str) -> WireError {
    let mut said = said.request_id(request_id);
    if client != Dialect::Anthropic && !request_id.is_empty() {
        said.message = format!("{} (request id: {request_id})", said.message);
    }
    said
}

/// What to do after a step.
#[derive(Debug)]
pub enum Next {
    /// The attempt failed before the commit.
    Failed(Box<Failed>),
    /// Bytes are ready: take them with [`Relaying::take`](super::relaying::Relaying::take). The head is sent first, if
    /// it has not been sent.
    Forward,
    /// Nothing may be sent yet.
    Hold,
    /// The upstream's stream cannot be read further, after the commit.
    /// [`Relaying::broke`](super::relaying::Relaying::broke) ends it.
    Unreadable,
}

/// How a committed answer ended.
#[derive(Debug)]
pub struct Ended {
    pub end: End,
    /// The failure to report to the pool, if any.
    pub failure: Option<Failure>,
    /// Whether breaking off the connection is the only way to tell the client that the answer is incomplete.
    pub abort: bool,
}

impl Failed {
    /// A failure without an answer for the client.
    pub fn bare(failure: Failure) -> Box<Self> {
        Box::new(Self {
            failure,
            answer: None,
        })
    }
}

impl Failed {
    /// The client sent its request in a wrong way and gets this answer; nobody else is at fault.
    pub fn of_client(answer: Answer) -> Box<Self> {
        Box::new(Self {
            failure: Failure::client_gone(),
            answer: Some(answer),
        })
    }
}

impl Ended {
    /// The answer ended too early, and the client has been told. When Weir itself stops, this does not count against
    /// the upstream.
    pub const fn broken(end: End, fault: Fault) -> Self {
        let failure = match end {
            End::Drained => None,
            _ => Some(pool::classify_transport(fault, true)),
        };
        Self {
            end,
            failure,
            abort: false,
        }
    }

    /// The answer ended completely.
    pub const fn well() -> Self {
        Self {
            end: End::Complete,
            failure: None,
            abort: false,
        }
    }
}
