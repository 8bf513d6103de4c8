//! Why no account can take a request, and what to tell the client.
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::passage::Closed;
use crate::outcome::FailureClass;

/// No account can take the request now.
#[derive(Clone, Debug)]
pub struct Exhausted {
    pub verdict: Verdict,
    /// The shortest wait after which a retry can succeed. `None` = waiting does not help.
    pub soonest: Option<Duration>,
    /// The failure that put out the account that will be back soonest, if a failure did.
    pub cause: Option<FailureClass>,
    /// The wait until the next step of a ramp, when a full ramp keeps out at least one account. The caller asks again
    /// after it, or with [`super::Want::insist`].
    pub easing: Option<Duration>,
    /// Every account that was considered and why it is excluded, pool by pool, fallback pools last.
    pub excluded: Vec<(Arc<str>, Excluded)>,
}

/// The reason for an exhaustion; it decides the refusal.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verdict {
    /// Every credential was refused: 502 or 503, never 401.
    Auth,
    /// Some account serves the model, but none in a suitable dialect: 400.
    Dialect,
    /// Endpoints are failing: 502.
    Down,
    /// Every account is drained: 503.
    Drained,
    /// No account serves the model: 404.
    Model,
    /// The provider is overloaded: 529 or 503.
    Overloaded,
    /// Quotas are spent: 429, and the client is told not to retry unless the reset is near.
    Quota,
    /// Rate limits: 429.
    Throttled,
    /// Some account has been tried for this request, and no other one can take it; the last failure is the answer.
    Tried,
}

/// Why an account is excluded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Excluded {
    /// The account (or this model class of it) is benched.
    Benched {
        class: FailureClass,
        /// How long the bench still lasts.
        wait: Duration,
        /// How long ago the bench began.
        since: Duration,
    },
    /// The account does not speak the required dialect, or speaks only dialects that cannot express the request.
    Dialect,
    /// The operator drained the account.
    Drained,
    /// The account's ramp is full.
    Easing { wait: Duration },
    /// Every endpoint of the account is benched; these are the figures of the endpoint that will be back soonest.
    Endpoint {
        class: FailureClass,
        wait: Duration,
        since: Duration,
    },
    /// One of the account's own limits is reached. For concurrency no wait is known.
    Limit {
        limit: AccountLimit,
        wait: Option<Duration>,
    },
    /// The account does not serve the model.
    Model,
    /// A probe of the account is in flight. It takes nothing else until the probe returns or is given up.
    Probing { class: FailureClass, wait: Duration },
    /// A window of the account is almost spent. This is a reason to prefer others, never to refuse the request.
    Spent,
    /// The account has been tried for this request.
    Tried,
    /// The account has weight 0 and the request did not ask for it by name, or the request asked for another account.
    Unasked,
    /// The active health check says that every endpoint of the account is down.
    Unhealthy,
}

/// A limit in `accounts[].limits`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum AccountLimit {
    Concurrency,
    Requests,
    Tokens,
}

impl Verdict {
    /// The class of failure that corresponds to this verdict.
    pub const fn class(self) -> FailureClass {
        match self {
            Self::Auth => FailureClass::Auth,
            Self::Overloaded => FailureClass::Overloaded,
            Self::Quota => FailureClass::Quota,
            Self::Throttled => FailureClass::Throttled,
            Self::Drained => FailureClass::Transport,
            Self::Dialect | Self::Down | Self::Model | Self::Tried => FailureClass::ServerError,
        }
    }
}

impl Exhausted {
    /// Summarizes why every account is excluded.
    pub(super) fn new(excluded: &Exclusions, name: impl Fn(usize) -> Option<Arc<str>>) -> Self {
        // Waiting does not help a client against a refused credential.
        let timed = excluded
            .iter()
            .filter(|(_, why)| why.verdict() != Verdict::Auth)
            .filter_map(|(_, why)| Some((why.wait()?, why.verdict())))
            .min_by_key(|(wait, _)| *wait);
        let has = |verdict: Verdict| excluded.iter().any(|(_, why)| why.verdict() == verdict);
        let untimed = UNTIMED.into_iter().find(|verdict| has(*verdict));
        let easing = excluded.iter().filter_map(|(_, why)| match why {
            Excluded::Easing { wait } => Some(*wait),
            _ => None,
        });
        Self {
            verdict: match timed {
                // The account is excluded for this request only; a later request can succeed long before the other
                // accounts are back.
                _ if has(Verdict::Tried) => Verdict::Tried,
                Some((_, verdict)) => verdict,
                None => untimed.unwrap_or(Verdict::Model),
            },
            soonest: timed.map(|(wait, _)| {
                if has(Verdict::Tried) {
                    wait.min(BUSY_WAIT)
                } else {
                    wait
                }
            }),
            cause: excluded
                .iter()
                .filter_map(|(_, why)| Some((why.wait()?, why.class()?)))
                .min_by_key(|(wait, _)| *wait)
                .map(|(_, class)| class),
            easing: easing.min(),
            excluded: excluded
                .iter()
                .filter_map(|(account, why)| Some((name(*account)?, *why)))
                .collect(),
        }
    }
}

impl Excluded {
    pub(super) fn from_closed(closed: Closed, now: Instant) -> Self {
        let wait = closed.until().saturating_duration_since(now);
        match closed {
            Closed::Benched { class, since, .. } => Self::Benched {
                class,
                wait,
                since: now.saturating_duration_since(since),
            },
            Closed::Easing { .. } => Self::Easing { wait },
            Closed::Probing { class, .. } => Self::Probing { class, wait },
        }
    }

    pub(super) fn from_endpoint(closed: Closed, now: Instant) -> Self {
        match Self::from_closed(closed, now) {
            Self::Benched { class, wait, since } => Self::Endpoint { class, wait, since },
            other => other,
        }
    }

    /// How long the exclusion will last. `None` = time does not help, or the end is not known.
    pub fn wait(&self) -> Option<Duration> {
        match *self {
            Self::Benched { wait, .. }
            | Self::Easing { wait }
            | Self::Endpoint { wait, .. }
            | Self::Probing { wait, .. } => Some(wait),
            Self::Limit { limit, wait } => {
                wait.or((limit == AccountLimit::Concurrency).then_some(BUSY_WAIT))
            }
            Self::Dialect
            | Self::Drained
            | Self::Model
            | Self::Spent
            | Self::Tried
            | Self::Unasked
            | Self::Unhealthy => None,
        }
    }

    /// The failure behind the exclusion, if there is one.
    fn class(&self) -> Option<FailureClass> {
        match *self {
            Self::Benched { class, .. }
            | Self::Endpoint { class, .. }
            | Self::Probing { class, .. } => Some(class),
            _ => None,
        }
    }

    /// Whether the account's traffic is moving to other accounts right now. Traffic of an account that has been out for
    /// longer has settled elsewhere.
    pub(super) fn is_switch(&self) -> bool {
        match *self {
            Self::Benched { since, .. } | Self::Endpoint { since, .. } => since < SWITCH,
            _ => false,
        }
    }

    /// The verdict if this were the only reason.
    fn verdict(&self) -> Verdict {
        match *self {
            Self::Benched { class, .. }
            | Self::Endpoint { class, .. }
            | Self::Probing { class, .. } => match class {
                FailureClass::Auth => Verdict::Auth,
                FailureClass::Overloaded => Verdict::Overloaded,
                FailureClass::Quota => Verdict::Quota,
                FailureClass::Throttled | FailureClass::ThrottledBlind => Verdict::Throttled,
                _ => Verdict::Down,
            },
            Self::Easing { .. } | Self::Limit { .. } | Self::Spent => Verdict::Throttled,
            Self::Dialect => Verdict::Dialect,
            Self::Drained => Verdict::Drained,
            Self::Model | Self::Unasked => Verdict::Model,
            Self::Tried => Verdict::Tried,
            Self::Unhealthy => Verdict::Down,
        }
    }
}

/// Accounts by position, and why each is out.
pub(super) type Exclusions = SmallVec<[(usize, Excluded); 8]>;

/// The order of precedence of verdicts when waiting does not help: the first one that occurs is taken.
const UNTIMED: [Verdict; 9] = [
    Verdict::Tried,
    Verdict::Auth,
    Verdict::Down,
    Verdict::Drained,
    Verdict::Throttled,
    Verdict::Quota,
    Verdict::Overloaded,
    Verdict::Dialect,
    Verdict::Model,
];
/// How long the traffic of an account that went out takes to settle elsewhere.
const SWITCH: Duration = Duration::from_mins(1);
/// The wait that a client is told when every permit is taken. Streams end at any time, so no better figure exists.
const BUSY_WAIT: Duration = Duration::from_secs(1);
