//! What operators see of accounts, and the actions that they can take on them.
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Pool;
use super::health::Gate;
use super::passage::View;
use super::quota::WindowStatus;
use super::roster::Slot;
use crate::outcome::{Cause, FailureClass};

/// An account as it is now.
#[derive(Clone, Debug)]
pub struct AccountStatus {
    pub name: Arc<str>,
    pub state: State,
    /// Why the account is not usable. `None` while it is usable or easing in, and when only the active health check or
    /// a drain puts it out.
    pub reason: Option<FailureClass>,
    /// The cause behind the reason, where more is known than the class.
    pub cause: Option<Cause>,
    /// How long the account has not been usable without a break.
    pub since: Option<Duration>,
    /// Time until the account is no longer benched.
    pub until: Option<Duration>,
    pub in_flight: u32,
    /// The most requests at once: `limits.concurrency`.
    pub cap: Option<u32>,
    /// What the account's own limits per minute have counted in the last minute, one entry per configured limit.
    pub minutes: Vec<MinuteStatus>,
    /// Smoothed time to the first byte.
    pub first_byte: Option<Duration>,
    pub windows: Vec<WindowStatus>,
    /// The last failed attempt that counts against the account or its endpoint.
    pub last_failure: Option<LastFailure>,
    /// Model classes that are not fully usable.
    pub models: Vec<Part>,
    pub endpoints: Vec<Part>,
}

/// The last failure of an account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LastFailure {
    pub class: FailureClass,
    /// The cause, where more is known than the class.
    pub cause: Option<Cause>,
    /// How long ago it was.
    pub ago: Duration,
}

/// A limit per minute of an account's own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MinuteStatus {
    /// `rpm` or `tpm`, as in the configuration.
    pub name: &'static str,
    /// Requests or tokens in the last 60 seconds.
    pub used: u64,
    /// The limit: requests or tokens per minute.
    pub cap: u64,
}

/// A part of an account: a model class or an endpoint.
#[derive(Clone, Debug)]
pub struct Part {
    pub name: Arc<str>,
    pub state: State,
    pub reason: Option<FailureClass>,
    /// The cause behind the reason, where more is known than the class.
    pub cause: Option<Cause>,
    /// How long it has not been usable without a break.
    pub since: Option<Duration>,
    pub until: Option<Duration>,
    /// Requests in flight; always 0 for a model class, where they are not counted.
    pub in_flight: u32,
}

/// The state of an account, a model class or an endpoint.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum State {
    /// Takes requests.
    Usable,
    /// Takes requests, gradually more of them.
    Easing,
    /// Takes one request at a time until one succeeds.
    HalfOpen,
    /// Takes no requests until a deadline.
    Benched,
    /// Takes no requests until the operator enables it again.
    Drained,
}

impl State {
    /// Every state, for registering metrics.
    pub const ALL: [Self; 5] = [
        Self::Usable,
        Self::Easing,
        Self::HalfOpen,
        Self::Benched,
        Self::Drained,
    ];

    /// The name in metrics and status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::Easing => "easing",
            Self::HalfOpen => "half_open",
            Self::Benched => "benched",
            Self::Drained => "drained",
        }
    }
}

impl Pool {
    /// Every account of the configuration as it is now, in declared order.
    pub fn snapshot(&self, now: Instant) -> Vec<AccountStatus> {
        self.slots.iter().map(|slot| status(slot, now)).collect()
    }

    /// Whether any account takes requests now, be it on a ramp or as a probe.
    pub fn is_usable(&self, now: Instant) -> bool {
        self.slots
            .iter()
            .any(|slot| !matches!(status(slot, now).state, State::Benched | State::Drained))
    }

    /// Drains an account: it gets no more requests; those in flight finish. `false` = there is no account of that name.
    pub fn drain(&self, name: &str) -> bool {
        self.with(name, |slot| {
            slot.live.drain(true);
        })
    }

    /// Ends a drain and lets a refused credential be tried again. `false` = there is no account of that name.
    pub fn enable(&self, name: &str) -> bool {
        self.with(name, |slot| {
            slot.live.drain(false);
            slot.live.state().renew_credential();
        })
    }

    /// Forgets every bench, streak and window of an account and its endpoints. `false` = there is no account of that
    /// name.
    pub fn reset(&self, name: &str) -> bool {
        self.with(name, |slot| {
            slot.live.state().forget();
            for endpoint in &slot.endpoints {
                *endpoint.gate() = Gate::default();
            }
        })
    }

    fn with(&self, name: &str, act: impl FnOnce(&Slot)) -> bool {
        let slot = self.slots.iter().find(|slot| *slot.account.name == *name);
        slot.map(act).is_some()
    }
}

fn status(slot: &Slot, now: Instant) -> AccountStatus {
    let endpoints: Vec<Part> = slot
        .endpoints
        .iter()
        .map(|endpoint| {
            let mut part = part(endpoint.name(), &endpoint.gate(), now);
            part.in_flight = endpoint.in_flight();
            if endpoint.is_checked_down() {
                part.state = State::Benched;
            }
            part
        })
        .collect();
    let mut state = slot.live.state();
    let (requests, tokens) = state.minute(now);
    let limits = &slot.account.limits;
    let minutes = [
        ("rpm", limits.rpm.map(u64::from), requests),
        ("tpm", limits.tpm, tokens),
    ];
    let minutes = minutes
        .into_iter()
        .filter_map(|(name, cap, used)| {
            Some(MinuteStatus {
                name,
                used,
                cap: cap?,
            })
        })
        .collect();
    let own = state.whole().map(|gate| part(slot.live.name(), gate, now));
    // The account is as good as its best endpoint, and no better than its own worst gate.
    let worst_own = own.into_iter().max_by_key(|part| (part.state, part.until));
    let best_endpoint = endpoints
        .iter()
        .min_by_key(|part| (part.state, part.until))
        .cloned();
    let decisive = worst_own
        .into_iter()
        .chain(best_endpoint)
        .max_by_key(|part| (part.state, part.until));
    let drained = slot.live.is_drained();
    AccountStatus {
        name: Arc::clone(&slot.account.name),
        state: if drained {
            State::Drained
        } else {
            decisive.as_ref().map_or(State::Usable, |part| part.state)
        },
        reason: decisive.as_ref().and_then(|part| part.reason),
        cause: decisive.as_ref().and_then(|part| part.cause),
        since: decisive.as_ref().and_then(|part| part.since),
        until: decisive.as_ref().and_then(|part| part.until),
        in_flight: slot.in_flight(),
        last_failure: state.last_failure().map(|(evidence, at)| LastFailure {
            class: evidence.class,
            cause: evidence.cause,
            ago: now.saturating_duration_since(at),
        }),
        cap: limits.concurrency,
        minutes,
        first_byte: state
            .first_byte()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        windows: state.window_status(now),
        models: state
            .classes()
            .map(|(class, gate)| part(&Arc::from(class), gate, now))
            .filter(|part| part.state != State::Usable)
            .collect(),
        endpoints,
    }
}

fn part(name: &Arc<str>, gate: &Gate, now: Instant) -> Part {
    let (state, reason) = match gate.view(now) {
        View::Benched { class, .. } => (State::Benched, Some(class)),
        View::Easing => (State::Easing, None),
        View::HalfOpen { class } => (State::HalfOpen, Some(class)),
        View::Open => (State::Usable, None),
    };
    let trouble = gate.trouble().filter(|_| state != State::Usable);
    Part {
        name: Arc::clone(name),
        state,
        reason,
        cause: trouble.and_then(|(evidence, _)| evidence.cause),
        since: trouble.map(|(_, since)| now.saturating_duration_since(since)),
        in_flight: 0,
        until: gate
            .until(now)
            .map(|until| until.saturating_duration_since(now)),
    }
}
