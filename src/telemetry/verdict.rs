//! One word per request for dashboards and alerts: its result, and who needs to act.
use crate::outcome::{End, Outcome};

/// The `outcome` of `weir_requests_total` and of the access log.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verdict {
    /// The upstream's own 4xx was passed to the client: the request is at fault.
    ClientError,
    /// The client closed the connection before the end.
    ClientGone,
    /// Weir itself is stopping, or every account is drained.
    Drained,
    /// A 429 from any side, or a limit of Weir's own.
    Limited,
    /// The client got a whole answer.
    Ok,
    /// Weir refused the request: the route, model or endpoint does not exist, it is not permitted, or the request is
    /// unreadable.
    Refused,
    /// An upstream took longer than Weir's timeouts allow.
    Timeout,
    /// 401: no key, an unknown one, or an expired one.
    Unauthenticated,
    /// An upstream failed, or none was left to try.
    UpstreamError,
}

impl Verdict {
    /// Every verdict, in the order of [`Verdict::index`].
    pub const ALL: [Self; 9] = [
        Self::ClientError,
        Self::ClientGone,
        Self::Drained,
        Self::Limited,
        Self::Ok,
        Self::Refused,
        Self::Timeout,
        Self::Unauthenticated,
        Self::UpstreamError,
    ];

    /// The verdict for an outcome.
    pub const fn of(outcome: &Outcome) -> Self {
        match (outcome.end, outcome.status) {
            (End::ClientGone, _) => Self::ClientGone,
            (End::Drained, _) => Self::Drained,
            (End::Refused, _) if outcome.limit.is_some() => Self::Limited,
            (_, 429) => Self::Limited,
            (End::Idle | End::Timeout, _) => Self::Timeout,
            (End::UpstreamEof | End::UpstreamError, _) | (_, 500..) => Self::UpstreamError,
            (End::Refused, 401) => Self::Unauthenticated,
            (End::Refused, _) => Self::Refused,
            (End::Complete, 400..) => Self::ClientError,
            (End::Complete, _) => Self::Ok,
        }
    }

    /// The name in metrics, logs and docs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientError => "client_error",
            Self::ClientGone => "client_gone",
            Self::Drained => "drained",
            Self::Limited => "limited",
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Unauthenticated => "unauthenticated",
            Self::UpstreamError => "upstream_error",
        }
    }

    /// The position in [`Verdict::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Limit, Scope};
    use crate::telemetry::samples::{answered, refused};

    #[track_caller]
    fn check(end: End, status: u16, expected: Verdict) {
        let outcome = Outcome {
            status,
            end,
            ..answered()
        };
        assert_eq!(Verdict::of(&outcome), expected, "{end:?} {status}");
    }

    #[test]
    fn one_word_per_request() {
        check(End::Complete, 200, Verdict::Ok);
        check(End::Complete, 400, Verdict::ClientError);
        check(End::Complete, 413, Verdict::ClientError);
        check(End::Complete, 429, Verdict::Limited);
        check(End::Complete, 500, Verdict::UpstreamError);
        check(End::UpstreamError, 429, Verdict::Limited);
        check(End::UpstreamError, 529, Verdict::UpstreamError);
        check(End::UpstreamError, 200, Verdict::UpstreamError);
        check(End::UpstreamEof, 200, Verdict::UpstreamError);
        check(End::Idle, 200, Verdict::Timeout);
        check(End::Timeout, 504, Verdict::Timeout);
        check(End::Drained, 200, Verdict::Drained);
        check(End::Drained, 503, Verdict::Drained);
        check(End::ClientGone, 499, Verdict::ClientGone);
        check(End::ClientGone, 200, Verdict::ClientGone);
        check(End::Refused, 401, Verdict::Unauthenticated);
        check(End::Refused, 403, Verdict::Refused);
        check(End::Refused, 404, Verdict::Refused);
        check(End::Refused, 429, Verdict::Limited);
        check(End::Refused, 502, Verdict::UpstreamError);
    }

    #[test]
    fn a_limit_of_weir_is_no_upstream_error() {
        let mut outcome = refused(529);
        outcome.limit = Some((Scope::Global, Limit::Concurrency));
        assert_eq!(Verdict::of(&outcome), Verdict::Limited);
    }

    #[test]
    fn positions_are_those_of_the_list() {
        assert!(
            Verdict::ALL
                .iter()
                .enumerate()
                .all(|(position, verdict)| verdict.index() == position)
        );
    }
}
