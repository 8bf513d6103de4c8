//! What a client is told when upstreams fail: the kind of the error and its wording, by the class of the failure.
use std::time::Duration;

use crate::outcome::FailureClass;
use crate::protocol::error::ErrorKind;

/// What the client sees at last, per class of failure.
pub const fn failure_kind(class: FailureClass) -> ErrorKind {
    match class {
        FailureClass::ClientFault => ErrorKind::InvalidRequest,
        FailureClass::ContextLength => ErrorKind::ContextLength,
        FailureClass::Quota => ErrorKind::Quota,
        FailureClass::Throttled | FailureClass::ThrottledBlind => ErrorKind::RateLimit,
        FailureClass::Overloaded => ErrorKind::Overloaded,
        FailureClass::Slow => ErrorKind::Timeout,
        FailureClass::Auth
        | FailureClass::ClientGone
        | FailureClass::ServerError
        | FailureClass::Transport
        | FailureClass::Truncated => ErrorKind::BadGateway,
    }
}

/// That nobody can serve, because of this.
pub(super) fn exhausted(class: FailureClass, retry_after: Option<Duration>) -> String {
    let what = match class {
        FailureClass::Quota => "the quota of every upstream account that could serve this is spent",
        FailureClass::Throttled | FailureClass::ThrottledBlind => {
            "every upstream account that could serve this is rate limited"
        }
        FailureClass::Overloaded => "every upstream that could serve this is overloaded",
        FailureClass::Slow => "no upstream that could serve this answered in time",
        FailureClass::Transport => "no upstream that could serve this can be reached",
        FailureClass::ClientFault => return REPEATED.to_owned(),
        _ => "no upstream account that could serve this is available",
    };
    match retry_after {
        Some(after) => format!("{what}; try again in {} s", whole_seconds(after)),
        None => format!("{what}; try again later"),
    }
}

/// That the last upstream failed, and how.
pub(super) const fn upstream_failed(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Slow => "the upstream did not answer in time; try again",
        FailureClass::Transport => "the upstream could not be reached; try again",
        FailureClass::Truncated => "the upstream's answer broke off; try again",
        FailureClass::Overloaded => "the upstream is overloaded; try again shortly",
        FailureClass::Throttled | FailureClass::ThrottledBlind => {
            "the upstream is rate limited; try again shortly"
        }
        FailureClass::Quota => "the upstream's quota is spent",
        FailureClass::ClientFault => REPEATED,
        _ => "the upstream failed; try again",
    }
}

/// Nothing follows from an error whose words are the client's own, but that the request was refused.
const REPEATED: &str = "the upstream refused the request with words of an account's trouble that stand in the request itself";

/// `Retry-After` is in whole seconds; rounding down would call the client back too early.
pub(super) fn whole_seconds(after: Duration) -> u64 {
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    seconds.max(1)
}
