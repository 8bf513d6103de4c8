//! What lives longer than a configuration: the state of an account and of an endpoint.
//!
//! Kept by name and handed from one configuration to the next, so that a reload forgets nothing. Every lock is held for
//! some nanoseconds and never while another is.
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::health::{Closed, Gate, Pass};
use super::memory::lock;
use super::quota::{Readings, Standing, Windows};
use super::select::{AccountLimit, Excluded};
use crate::config::AccountLimits;
use crate::limits::window::Minute;

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
    pub(super) state: Mutex<AccountState>,
}

/// The part of it that needs a lock.
#[derive(Debug, Default)]
pub(super) struct AccountState {
    pub(super) credential: Gate,
    pub(super) limits: Gate,
    /// One gate per model class that was ever out, bounded.
    pub(super) models: Vec<(Box<str>, Gate)>,
    pub(super) windows: Windows,
    pub(super) requests: Minute,
    pub(super) tokens: Minute,
    /// Requests on their way without a head yet, and what they were estimated to need.
    pub(super) waiting: (u32, u64),
    /// Smoothed seconds to the first byte.
    pub(super) first_byte: Option<f64>,
    pub(super) last_head: Option<Instant>,
}

/// What a request wants of an account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load<'a> {
    pub class: &'a str,
    pub tokens: u64,
    pub limits: &'a AccountLimits,
    pub level: Level,
}

/// How choosy to be: the next level is tried when nothing is left on this one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Level {
    /// No account whose window is as good as spent.
    Fresh,
    /// Any that may serve.
    Usable,
    /// Even past a full ramp.
    Insist,
}

/// An account that would take the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub standing: Standing,
    pub first_byte: Option<f64>,
    /// No head in the last minute: its share of traffic went elsewhere.
    pub cold: bool,
}

/// How a request came through the gates of an account.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passes {
    pub credential: Pass,
    pub limits: Pass,
    pub model: Pass,
}

impl AccountLive {
    pub(super) fn new(name: Arc<str>, hash: u64) -> Self {
        Self {
            name,
            hash,
            in_flight: AtomicU32::new(0),
            drained: AtomicBool::new(false),
            generation: AtomicU64::new(0),
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
        let insist = load.level == Level::Insist;
        let passes = state
            .pass(load.class, insist, now)
            .map_err(|closed| Excluded::from_closed(closed, now))?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        state.requests.add(now, 1);
        state.tokens.add(now, load.tokens);
        state.waiting.0 = state.waiting.0.saturating_add(1);
        state.waiting.1 = state.waiting.1.saturating_add(load.tokens);
        Ok(passes)
    }

    /// Takes an admission back as if it had never been.
    pub(super) fn undo(&self, load: &Load<'_>, passes: Passes, now: Instant) {
        let mut state = lock(&self.state);
        state.give_back(load.class, passes);
        state.requests.take_back(now, now, 1);
        state.tokens.take_back(now, now, load.tokens);
        state.waiting.0 = state.waiting.0.saturating_sub(1);
        state.waiting.1 = state.waiting.1.saturating_sub(load.tokens);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn observe(&self, readings: &Readings, now: Instant) {
        lock(&self.state).windows.update(readings, now);
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
            .check_gates(load.class, load.level == Level::Insist, now)
            .map_err(|closed| Excluded::from_closed(closed, now))?;
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        if load
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
        let standing = state
            .windows
            .standing(load.class, now, load.tokens, state.waiting);
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

impl AccountState {
    /// The gate of a model class; made when it is first needed.
    pub(super) fn model_gate(&mut self, class: &str, now: Instant) -> &mut Gate {
        if let Some(place) = self.models.iter().position(|(known, _)| &**known == class) {
            return &mut self.models[place].1;
        }
        if self.models.len() >= MODEL_GATES {
            let place = self.forgettable(now);
            self.models.swap_remove(place);
        }
        self.models.push((class.into(), Gate::default()));
        let last = self.models.len() - 1;
        &mut self.models[last].1
    }

    /// A good head: everything here works.
    pub(super) fn head(&mut self, class: &str, began: Instant) {
        self.credential.head(began);
        self.limits.head(began);
        if let Some((_, gate)) = self.models.iter_mut().find(|(known, _)| &**known == class) {
            gate.head(began);
        }
    }

    pub(super) fn measure(&mut self, first_byte: Duration, now: Instant) {
        let seconds = first_byte.as_secs_f64();
        self.first_byte = Some(
            self.first_byte
                .map_or(seconds, |known| known + (seconds - known) * EWMA_SHARE),
        );
        self.last_head = Some(now);
    }

    pub(super) fn give_back(&mut self, class: &str, passes: Passes) {
        self.credential.give_back(passes.credential);
        self.limits.give_back(passes.limits);
        if let Some((_, gate)) = self.models.iter_mut().find(|(known, _)| &**known == class) {
            gate.give_back(passes.model);
        }
    }

    fn gates<'a>(&'a self, class: &'a str) -> impl Iterator<Item = &'a Gate> {
        let model = self.models.iter().find(|(known, _)| &**known == class);
        [&self.credential, &self.limits]
            .into_iter()
            .chain(model.map(|(_, gate)| gate))
    }

    /// The gate that is closed the longest decides, so that a stated wait is honest.
    fn check_gates(&self, class: &str, insist: bool, now: Instant) -> Result<(), Closed> {
        let closed = self
            .gates(class)
            .filter_map(|gate| gate.check(now).err())
            .filter(|closed| !(insist && matches!(closed, Closed::Easing { .. })))
            .max_by_key(Closed::until);
        closed.map_or(Ok(()), Err)
    }

    /// After `check_gates` under the same lock, so no gate refuses here any more.
    fn pass(&mut self, class: &str, insist: bool, now: Instant) -> Result<Passes, Closed> {
        let through = |gate: &mut Gate| {
            if insist {
                gate.insist(now)
            } else {
                gate.admit(now)
            }
        };
        let model = self.models.iter_mut().find(|(known, _)| &**known == class);
        Ok(Passes {
            credential: through(&mut self.credential)?,
            limits: through(&mut self.limits)?,
            model: model.map_or(Ok(Pass::Free), |(_, gate)| through(gate))?,
        })
    }

    fn forgettable(&self, now: Instant) -> usize {
        let deadlines = self
            .models
            .iter()
            .map(|(_, gate)| gate.until(now))
            .enumerate();
        deadlines
            .min_by_key(|(_, until)| *until)
            .map_or(0, |(place, _)| place)
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

    pub(super) fn check(&self, insist: bool, now: Instant) -> Result<(), Excluded> {
        if self.checked_down.load(Ordering::Relaxed) {
            return Err(Excluded::Unhealthy);
        }
        match lock(&self.gate).check(now) {
            Err(Closed::Easing { .. }) if insist => Ok(()),
            checked => checked.map_err(|closed| Excluded::from_endpoint(closed, now)),
        }
    }

    pub(super) fn admit(&self, insist: bool, now: Instant) -> Result<Pass, Excluded> {
        let mut gate = lock(&self.gate);
        let pass = if insist {
            gate.insist(now)
        } else {
            gate.admit(now)
        };
        let pass = pass.map_err(|closed| Excluded::from_endpoint(closed, now))?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Ok(pass)
    }
}

/// The class of a model: what shares a limit at the provider. Anthropic counts per family; others per model.
pub fn model_class(model: &str) -> &str {
    let family = || FAMILIES.into_iter().find(|family| model.contains(family));
    if model.contains("claude") {
        family().unwrap_or(model)
    } else {
        model
    }
}

const FAMILIES: [&str; 3] = ["opus", "sonnet", "haiku"];
/// Model classes of one account whose state is kept; beyond it the one that is out the shortest is forgotten.
const MODEL_GATES: usize = 32;
/// An account without a head for that long counts as cold when a switch brings traffic to it.
const COLD_AFTER: Duration = Duration::from_mins(1);
/// The share of a new measurement in the smoothed one.
const EWMA_SHARE: f64 = 0.2;
