//! What lives longer than a configuration: the state of an account and of an endpoint.
//!
//! The state is kept by name and handed from one configuration to the next, so that a reload forgets nothing. Every
//! lock is held for some nanoseconds, and never while another one is held.
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::exhausted::{AccountLimit, Excluded};
use super::health::Gate;
use super::level::Level;
use super::memo::{AccountMemo, GateMemo};
use super::memory::lock;
use super::passage::Pass;
use super::quota::{Readings, Standing};
use super::state::{AccountState, Passes};
use crate::config::AccountLimits;

/// The live state of an account.
#[derive(Debug)]
pub struct AccountLive {
    name: Arc<str>,
    /// The hash of the name, for rendezvous.
    hash: u64,
    in_flight: AtomicU32,
    drained: AtomicBool,
    /// The generation of the configuration. A refusal of an older configuration's credential says nothing about the
    /// present one.
    generation: AtomicU64,
    /// Whether this belongs to a shadow, where nothing is logged.
    quiet: bool,
    state: Mutex<AccountState>,
}

/// What a request requires of an account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load<'a> {
    pub class: &'a str,
    /// Tokens that are reserved in the account's own limit.
    pub tokens: u64,
    /// Tokens that the provider's windows must have room for.
    pub uncached: u64,
    pub limits: &'a AccountLimits,
    pub level: Level,
}

/// An account that would take the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub standing: Standing,
    pub first_byte: Option<f64>,
    /// Whether no answer has begun for `COLD_AFTER` and no request is in flight.
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

    /// A copy of the present state for a shadow, where nothing is logged.
    pub(super) fn shadow(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            hash: self.hash,
            in_flight: AtomicU32::new(self.in_flight()),
            drained: AtomicBool::new(self.is_drained()),
            generation: AtomicU64::new(self.generation.load(Ordering::Relaxed)),
            quiet: true,
            state: Mutex::new(self.state().clone()),
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The hash of the name, for rendezvous.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// The number of requests in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The part of the state that needs the lock.
    pub(super) fn state(&self) -> MutexGuard<'_, AccountState> {
        lock(&self.state)
    }

    /// Whether nothing is logged about this account.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    pub(super) fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Relaxed)
    }

    /// Starts or ends a drain: a drained account gets no more requests.
    pub(super) fn drain(&self, drained: bool) {
        self.drained.store(drained, Ordering::Relaxed);
    }

    /// A new configuration, whose credential nobody has refused yet.
    pub(super) fn renew(&self, generation: u64) {
        self.state().renew_credential();
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// Whether the credential is still that of this configuration.
    pub(super) fn is_of(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Relaxed) == generation
    }

    /// A request is over. What is left of the reservation that it made at `began` is given back.
    pub(super) fn leave(&self, reserved: u64, began: Instant) {
        if reserved > 0 {
            self.state().settle(reserved, 0, began, began);
        }
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// The state for the next process. A refused credential is not part of it, because the next process reads the
    /// configuration anew.
    pub(super) fn memo(&self, now: Instant) -> AccountMemo {
        let mut memo = lock(&self.state).memo(now);
        memo.name = self.name.to_string();
        memo.drained = self.drained.load(Ordering::Relaxed);
        memo
    }

    /// Takes over the state of another process.
    pub(super) fn recall(&self, memo: &AccountMemo, now: Instant) {
        self.drained.store(memo.drained, Ordering::Relaxed);
        lock(&self.state).recall(memo, now);
    }

    /// Whether the account would take the request.
    pub(super) fn check(&self, load: &Load<'_>, now: Instant) -> Result<Ready, Excluded> {
        self.check_locked(&mut lock(&self.state), load, now)
    }

    /// Takes the request if possible, and counts it everywhere until it is given back.
    pub(super) fn admit(
        &self,
        load: &Load<'_>,
        now: Instant,
        switched: bool,
    ) -> Result<Passes, Excluded> {
        let mut state = lock(&self.state);
        let ready = self.check_locked(&mut state, load, now)?;
        if switched && ready.cold {
            state.ease(now);
        }
        let passes = state
            .pass(load.class, load.level, now)
            .map_err(|closed| Excluded::from_closed(closed, now))?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        state.take(load.tokens, load.level, now);
        Ok(passes)
    }

    /// Undoes an admission as if it had never happened.
    pub(super) fn undo(&self, load: &Load<'_>, passes: Passes, now: Instant) {
        let mut state = lock(&self.state);
        state.give_back(load.class, passes);
        state.untake(load.tokens, load.level, now);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes over what an answer says about windows.
    pub(super) fn observe(&self, class: &str, readings: &Readings, now: Instant) {
        self.state().observe(class, readings, now);
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
        let is_taken = load.level == Level::Spare && state.is_sparing(now);
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
        if let Some((limit, wait)) = state.full(load.limits, load.tokens, now) {
            return Err(Excluded::Limit {
                limit,
                wait: Some(wait),
            });
        }
        let standing = state.standing(load.class, load.uncached, now);
        if standing.spent && load.level == Level::Fresh {
            return Err(Excluded::Spent);
        }
        let idle = state.is_idle(COLD_AFTER, now);
        Ok(Ready {
            standing,
            first_byte: state.first_byte(),
            cold: idle && in_flight == 0,
        })
    }
}

/// The live state of an endpoint, reached directly or through one egress proxy; another egress proxy makes another
/// endpoint.
#[derive(Debug)]
pub struct EndpointLive {
    name: Arc<str>,
    hash: u64,
    in_flight: AtomicU32,
    /// Whether the active health check found the endpoint down; independent of what requests experience.
    checked_down: AtomicBool,
    gate: Mutex<Gate>,
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

    /// A copy of the present state, for a shadow.
    pub(super) fn shadow(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            hash: self.hash,
            in_flight: AtomicU32::new(self.in_flight()),
            checked_down: AtomicBool::new(self.is_checked_down()),
            gate: Mutex::new(self.gate().clone()),
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The hash of the name, for rendezvous.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// The number of requests in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The health that follows from requests.
    pub(super) fn gate(&self) -> MutexGuard<'_, Gate> {
        lock(&self.gate)
    }

    pub(super) fn is_checked_down(&self) -> bool {
        self.checked_down.load(Ordering::Relaxed)
    }

    /// Records what the active health check found.
    pub(super) fn note_check(&self, healthy: bool) {
        self.checked_down.store(!healthy, Ordering::Relaxed);
    }

    /// A request is over.
    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// The state for the next process, unless the gate is open.
    pub(super) fn memo(&self, now: Instant) -> Option<(String, GateMemo)> {
        let memo = lock(&self.gate).memo(now)?;
        Some((self.name.to_string(), memo))
    }

    /// Takes over the state of another process.
    pub(super) fn recall(&self, memo: &GateMemo, now: Instant) {
        *lock(&self.gate) = Gate::recall(memo, now);
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

/// An idle account on which no answer has begun for this long counts as cold when a switch brings traffic to it.
const COLD_AFTER: Duration = Duration::from_mins(1);
