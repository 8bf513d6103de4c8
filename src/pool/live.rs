//! What lives longer than a configuration: the state of an account and of an endpoint.
//!
//! Kept by name and handed from one configuration to the next, so that a reload forgets nothing. Every lock is held for
//! some nanoseconds and never while another is.
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::exhausted::{AccountLimit, Excluded};
use super::health::Gate;
use super::level::Level;
use super::memory::lock;
use super::passage::Pass;
use super::quota::{Readings, Standing};
use super::state::{AccountState, Passes};
use crate::config::AccountLimits;

/// The live state of an account.
#[derive(Debug)]
pub struct AccountLive {
    pub(super) name: Arc<str>,
    /// Of the name, for rendezvous.
    pub(super) hash: u64,
    pub(super) in_flight: AtomicU32,
    pub(super) drained: AtomicBool,
    /// The generation of the configuration: a refusal of an older one's credential says nothing about this one's.
    pub(super) generation: AtomicU64,
    /// Of a shadow: nobody is told of what happens to it.
    pub(super) quiet: bool,
    pub(super) state: Mutex<AccountState>,
}

/// What a request wants of an account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load<'a> {
    pub class: &'a str,
    /// Reserved in the account's own limit.
    pub tokens: u64,
    /// Looked for in the provider's windows.
    pub uncached: u64,
    pub limits: &'a AccountLimits,
    pub level: Level,
}

/// An account that would take the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub standing: Standing,
    pub first_byte: Option<f64>,
    /// No head in the last minute: its share of traffic went elsewhere.
    pub cold: bool,
}

impl AccountLive {
    pub(super) fn new(name: Arc<str>, hash: u64) -> Self {
        Self {
            name,
            hash,
            in_flight: AtomicU32::new(0),
            drained: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            quiet: false,
            state: Mutex::default(),
        }
    }

    /// Whether it would take the request.
    pub(super) fn check(&self, load: &Load<'_>, now: Instant) -> Result<Ready, Excluded> {
        self.check_locked(&mut lock(&self.state), load, now)
    }

    /// Takes the request, if it may: counts it everywhere until it is given back.
    pub(super) fn admit(
        &self,
        load: &Load<'_>,
        now: Instant,
        switched: bool,
    ) -> Result<Passes, Excluded> {
        let mut state = lock(&self.state);
        let ready = self.check_locked(&mut state, load, now)?;
        if switched && ready.cold {
            state.limits.ease(now);
        }
        let passes = state
            .pass(load.class, load.level, now)
            .map_err(|closed| Excluded::from_closed(closed, now))?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        state.requests.add(now, 1);
        state.tokens.add(now, load.tokens);
        state.waiting.0 = state.waiting.0.saturating_add(1);
        state.waiting.1 = state.waiting.1.saturating_add(load.tokens);
        if load.level == Level::Spare {
            state.spare.take(now);
        }
        Ok(passes)
    }

    /// Takes an admission back as if it had never been.
    pub(super) fn undo(&self, load: &Load<'_>, passes: Passes, now: Instant) {
        let mut state = lock(&self.state);
        state.give_back(load.class, passes);
        if load.level == Level::Spare {
            state.spare.give_back();
        }
        state.requests.take_back(now, now, 1);
        state.tokens.take_back(now, now, load.tokens);
        state.waiting.0 = state.waiting.0.saturating_sub(1);
        state.waiting.1 = state.waiting.1.saturating_sub(load.tokens);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes over what an answer says about windows.
    pub(super) fn observe(&self, class: &str, readings: &Readings, now: Instant) {
        lock(&self.state).observe(class, readings, now);
    }

    fn check_locked(
        &self,
        state: &mut AccountState,
        load: &Load<'_>,
        now: Instant,
    ) -> Result<Ready, Excluded> {
        if self.drained.load(Ordering::Relaxed) {
            return Err(Excluded::Drained);
        }
        state
            .check_gates(load.class, load.level, now)
            .map_err(|closed| Excluded::from_closed(closed, now))?;
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        let is_taken = load.level == Level::Spare && !state.spare.is_free(now);
        if is_taken
            || load
                .limits
                .concurrency
                .is_some_and(|limit| in_flight >= limit)
        {
            return Err(Excluded::Limit {
                limit: AccountLimit::Concurrency,
                wait: None,
            });
        }
        let windows = [
            (
                AccountLimit::Requests,
                load.limits.rpm.map(u64::from),
                &mut state.requests,
                1,
            ),
            (
                AccountLimit::Tokens,
                load.limits.tpm,
                &mut state.tokens,
                load.tokens.max(1),
            ),
        ];
        for (limit, most, window, amount) in windows {
            let wait = most.map_or(Duration::ZERO, |most| window.wait(now, most, amount));
            if !wait.is_zero() {
                return Err(Excluded::Limit {
                    limit,
                    wait: Some(wait),
                });
            }
        }
        let standing = state.standing(load.class, load.uncached, now);
        if standing.spent && load.level == Level::Fresh {
            return Err(Excluded::Spent);
        }
        let idle = state
            .last_head
            .is_none_or(|at| now.saturating_duration_since(at) > COLD_AFTER);
        Ok(Ready {
            standing,
            first_byte: state.first_byte,
            cold: idle && in_flight == 0,
        })
    }
}

/// The live state of an endpoint, on one way out: another egress proxy is another way.
#[derive(Debug)]
pub struct EndpointLive {
    pub(super) name: Arc<str>,
    pub(super) hash: u64,
    pub(super) in_flight: AtomicU32,
    /// What the active health check says; independent of what requests experience.
    pub(super) checked_down: AtomicBool,
    pub(super) gate: Mutex<Gate>,
}

impl EndpointLive {
    pub(super) fn new(name: Arc<str>, hash: u64) -> Self {
        Self {
            name,
            hash,
            in_flight: AtomicU32::new(0),
            checked_down: AtomicBool::new(false),
            gate: Mutex::default(),
        }
    }

    pub(super) fn check(&self, level: Level, now: Instant) -> Result<(), Excluded> {
        if self.checked_down.load(Ordering::Relaxed) {
            return Err(Excluded::Unhealthy);
        }
        let gate = lock(&self.gate);
        level
            .look(&gate, now)
            .map_err(|closed| Excluded::from_endpoint(closed, now))
    }

    pub(super) fn admit(&self, level: Level, now: Instant) -> Result<Pass, Excluded> {
        let pass = level.pass(&mut lock(&self.gate), now);
        let pass = pass.map_err(|closed| Excluded::from_endpoint(closed, now))?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Ok(pass)
    }
}

/// An account without a head for that long counts as cold when a switch brings traffic to it.
const COLD_AFTER: Duration = Duration::from_mins(1);
