//! What an answer carries through all of its phases: its head, what is ready to go out, and what is known of it.
use http::{HeaderMap, StatusCode};

use super::facts::Facts;
use super::outlet::Outlet;
use crate::config::secret::Secret;
use crate::exchange::verdict::{Failed, Next};
use crate::pool::{self, Fault};
use crate::protocol::Dialect;

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
    /// What the upstream sends cannot be read: before the commit the attempt has failed.
    pub(super) fn unreadable(&self) -> Next {
        if self.outlet.is_committed() {
            Next::Unreadable
        } else {
            Next::Failed(Failed::bare(pool::classify_transport(Fault::Eof, false)))
        }
    }
}
