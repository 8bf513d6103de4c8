//! What an answer carries through all of its phases: its head, the bytes that are ready, and what is known of it.
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::facts::Facts;
use super::outlet::Outlet;
use crate::config::secret::Secret;
use crate::exchange::verdict::{Answer, Ended, Failed, Next};
use crate::pool::{self, Failure, Fault};
use crate::protocol::error::{self, ErrorKind, ParsedError};
use crate::protocol::{Dialect, UpstreamDialect};

/// The head of an answer, and the client that it is for.
#[derive(Debug)]
pub(super) struct Head {
    /// The client's dialect.
    pub client: Dialect,
    /// The upstream's dialect.
    pub upstream: UpstreamDialect,
    pub status: StatusCode,
    /// The upstream's headers, without those that the client must not see.
    pub headers: HeaderMap,
    /// The account's credential, which no error may show.
    pub secret: Option<Secret>,
    /// The id of the request, which the final error of a broken answer names.
    pub request_id: String,
}

/// What one phase passes on to the next.
#[derive(Debug)]
pub(super) struct Carried {
    pub head: Head,
    pub outlet: Outlet,
    pub facts: Facts,
}

impl Carried {
    /// All of it has passed.
    pub(super) fn well(&mut self) -> Ended {
        self.outlet.commit();
        Ended::well()
    }

    /// The upstream sent something unreadable. Before the commit this means that the attempt failed.
    pub(super) fn unreadable(&self, fault: Fault) -> Next {
        if self.outlet.is_committed() {
            Next::Unreadable
        } else {
            Next::Failed(Failed::bare(pool::classify_transport(fault, false)))
        }
    }
}

/// Whether the client gets the upstream's own message, because the client can correct what it is about.
pub(super) fn is_theirs(failure: Failure, kind: ErrorKind) -> bool {
    kind == ErrorKind::TooDear || failure.class.is_the_clients()
}

/// Adds a header that tells SDKs not to retry what would be refused again.
pub(super) fn forbidding(mut headers: HeaderMap, kind: ErrorKind) -> HeaderMap {
    if kind.forbids_retry() {
        let name = HeaderName::from_static("x-should-retry");
        headers.insert(name, HeaderValue::from_static("false"));
    }
    headers
}

/// An error within an answer of status 200, as the HTTP error that it stands for.
pub(super) fn as_answer(failure: Failure, said: &ParsedError, head: &Head) -> Option<Answer> {
    if !is_theirs(failure, said.kind) {
        return None;
    }
    let wire = said.to_wire();
    let mut headers = forbidding(head.headers.clone(), wire.kind);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Some(Answer {
        status: error::status(head.client, wire.kind),
        headers,
        body: error::encode(head.client, &wire),
    })
}
