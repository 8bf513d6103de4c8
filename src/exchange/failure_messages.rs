//! What a client is told when upstreams fail: the wording, by the class of the failure.
use std::time::Duration;

use crate::outcome::FailureClass;

/// The message that no account can serve the request, and why.
pub(super) fn exhausted(class: FailureClass, retry_after: Option<Duration>) -> String {
    if class == FailureClass::ClientFault {
        return REPEATED.to_owned();
    }
    let what = class.exhausted();
    match retry_after {
        Some(after) => format!("{what}; try again in {} s", whole_seconds(after)),
        None => format!("{what}; try again later"),
    }
}

/// The message that the last upstream failed, and how.
pub(super) const fn upstream_failed(class: FailureClass) -> &'static str {
    match class {
        FailureClass::ClientFault => REPEATED,
        class => class.failed(),
    }
}

/// The message for an error whose words are the client's own: it says nothing except that the request was refused.
const REPEATED: &str = "the upstream refused the request with words of an account's trouble that stand in the request itself";

/// `Retry-After` has whole seconds. Rounding down would call the client back too early.
pub(super) fn whole_seconds(after: Duration) -> u64 {
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    seconds.max(1)
}
