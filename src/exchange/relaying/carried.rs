//! What an answer carries through all of its phases: its head, what is ready to go out, and what is known of it.
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::facts::Facts;
use super::outlet::Outlet;
use crate::config::secret::Secret;
use crate::exchange::verdict::{Answer, Ended, Failed, Next};
use crate::pool::{self, Failure, Fault};
use crate::protocol::Dialect;
use crate::protocol::error::{self, ErrorKind, ParsedError};

/// The head of an answer, and who waits for it.
#[derive(Debug)]
pub(super) struct Head {
    /// What the client speaks.
    pub client: Dialect,
    /// What the upstream speaks.
    pub upstream: Dialect,
    pub status: StatusCode,
    /// The upstream's, less what the client is not to see.
    pub headers: HeaderMap,
    /// The account's credential, which no error may show.
    pub secret: Option<Secret>,
    /// The id of the request, which the last words of a broken answer name.
    pub request_id: String,
}

/// What one phase hands to the next.
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

    /// What the upstream sends cannot be read: before the commit the attempt has failed.
    pub(super) fn unreadable(&self, fault: Fault) -> Next {
        if self.outlet.is_committed() {
            Next::Unreadable
        } else {
            Next::Failed(Failed::bare(pool::classify_transport(fault, false)))
        }
    }
}

/// Whether the client gets to read the upstream's own words: it can mend what they are about.
pub(super) fn is_theirs(failure: Failure, kind: ErrorKind) -> bool {
    kind == ErrorKind::TooDear || failure.class.is_the_clients()
}

/// These headers, which tell SDKs not to repeat what would be refused again.
pub(super) fn forbidding(mut headers: HeaderMap, kind: ErrorKind) -> HeaderMap {
    if kind.forbids_retry() {
        let name = HeaderName::from_static("x-should-retry");
        headers.insert(name, HeaderValue::from_static("false"));
    }
    headers
}

/// An error in an answer whose status says that all is well, as the HTTP error that it stands for.
pub(super) fn as_answer(failure: Failure, said: &ParsedError, head: &Head) -> Option<Answer> {
    if !is_theirs(failure, said.kind) {
        return None;
    }
    let wire = said.to_wire();
    let mut headers = forbidding(head.headers.clone(), wire.kind);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Some(Answer {
        status: error::status(head.upstream, wire.kind),
        headers,
        body: error::encode(head.upstream, &wire),
    })
}
