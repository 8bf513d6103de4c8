//! What comes of one attempt: an answer, a failure, an end.
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

/// A whole answer for the client: Weir's own, or an upstream's error that is the client's business.
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

    /// The error that it is, for a client whose stream has begun.
    pub fn in_stream(&self, client: Dialect, request_id: &str) -> WireError {
        let said = error::parse(client, self.status, &self.body).to_wire();
        in_stream(said, client, request_id)
    }
}

/// An error as the last event of a stream. Where the dialect has no place for the id of the request, the message names it.
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
    /// Before the commit: this attempt failed.
    Failed(Box<Failed>),
    /// Something is ready: [`Relaying::take`](super::relaying::Relaying::take) it. The head goes first if it has not gone.
    Forward,
    /// Nothing may go out yet.
    Hold,
    /// After the commit: the upstream's stream cannot be read further. [`Relaying::broke`](super::relaying::Relaying::broke) ends it.
    Unreadable,
}

/// How a committed answer ended.
#[derive(Debug)]
pub struct Ended {
    pub end: End,
    /// What the pool is to know about it.
    pub failure: Option<Failure>,
    /// Nothing tells the client that the answer broke off, except breaking off.
    pub abort: bool,
}

impl Failed {
    /// Without anything that the client could be shown.
    pub fn bare(failure: Failure) -> Box<Self> {
        Box::new(Self {
            failure,
            answer: None,
        })
    }
}

impl Failed {
    /// The client did not send its request as it must: it gets to read this, and nobody is blamed.
    pub fn of_client(answer: Answer) -> Box<Self> {
        Box::new(Self {
            failure: Failure::client_gone(),
            answer: Some(answer),
        })
    }
}

impl Ended {
    /// Before all was said, of which the client has been told. That Weir stops is not held against the upstream.
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

    /// With all that was to be said.
    pub const fn well() -> Self {
        Self {
            end: End::Complete,
            failure: None,
            abort: false,
        }
    }
}
