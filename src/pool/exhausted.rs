//! Why nobody can take a request, and what to tell the client.
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::passage::Closed;
use crate::outcome::FailureClass;

/// Nobody can take the request now.
#[derive(Clone, Debug)]
pub struct Exhausted {
    pub verdict: Verdict,
    /// The soonest honest time at which a retry can succeed; `None` when time does not help.
    pub soonest: Option<Duration>,
    /// What put out the account that is back the soonest, if a failure did.
    pub cause: Option<FailureClass>,
    /// When only a ramp stands in the way of an account: its next step. Ask again after it, or with [`super::Want::insist`].
    pub easing: Option<Duration>,
    /// Every account considered and why it is out, in declared order, fallback pools last.
    pub excluded: Vec<(Arc<str>, Excluded)>,
}

/// What stands behind an exhaustion; decides the refusal.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verdict {
    /// Every credential was refused: 502 or 503, never 401.
    Auth,
    /// Some account serves the model, none in that dialect: 400.
    Dialect,
    /// Endpoints are failing: 502.
    Down,
    /// Every account is drained: 503.
    Drained,
    /// No account serves the model: 404.
    Model,
    /// The provider is overloaded: 529 or 503.
    Overloaded,
    /// Quotas are spent: 429, and no retry unless the reset is near.
    Quota,
    /// Rate limits: 429.
    Throttled,
    /// Everything has been tried in this request; its last failure is the answer.
    Tried,
}

/// Why an account is out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Excluded {
    /// The account (or this model class of it) is benched.
    Benched {
        class: FailureClass,
        /// How long it is still out.
        wait: Duration,
        /// How long it has been out.
        since: Duration,
    },
    /// It does not speak the dialect, or none in which the request can be said.
    Dialect,
    /// By the operator.
    Drained,
    /// Its ramp is full.
    Easing { wait: Duration },
    /// Every endpoint of it is benched; this one is back the soonest.
    Endpoint {
        class: FailureClass,
        wait: Duration,
        since: Duration,
    },
    /// One of its own limits; concurrency says no time.
    Limit {
        limit: AccountLimit,
        wait: Option<Duration>,
    },
    /// It does not serve the model.
    Model,
    /// It has a probe out, and takes nothing else until that is back or too late.
    Probing { class: FailureClass, wait: Duration },
    /// A window of it is as good as spent. Only a reason to prefer others, never to refuse.
    Spent,
    /// It has been tried for this request.
    Tried,
    /// Its weight is 0 and it was not asked for by name, or another was.
    Unasked,
    /// The active health check says that every endpoint is down.
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
    /// The class of failure that this amounts to.
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
    /// Sums up why everyone is out.
    pub(super) fn new(excluded: &Exclusions, name: impl Fn(usize) -> Option<Arc<str>>) -> Self {
        // A refused credential is no matter of time for a client.
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
                // It is out for this request only: a later one can succeed long before the others are back.
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

    /// How long it will stay so; `None` when time does not help, or nobody knows.
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

    /// The failure behind it, if there is one.
    fn class(&self) -> Option<FailureClass> {
        match *self {
            Self::Benched { class, .. }
            | Self::Endpoint { class, .. }
            | Self::Probing { class, .. } => Some(class),
            _ => None,
        }
    }

    /// Whether its traffic is on the move because of it. What has been out for longer has been replaced by now.
    pub(super) fn is_switch(&self) -> bool {
        match *self {
            Self::Benched { since, .. } | Self::Endpoint { since, .. } => since < SWITCH,
            _ => false,
        }
    }

    /// What it amounts to, were it the only reason.
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

/// What to say when no time helps: the first of these that occurs.
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
/// What to tell a client when every permit is taken: streams end at any time.
const BUSY_WAIT: Duration = Duration::from_secs(1);
