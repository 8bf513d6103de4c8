//! The state of an account that needs its lock: gates, windows, counters.
use std::time::{Duration, Instant};

use super::evidence::Failures;
use super::health::Gate;
use super::level::Level;
use super::passage::{Closed, Pass};
use super::quota::{Readings, Standing, WindowStatus, Windows};
use super::turn::Turn;
use crate::limits::window::Minute;

/// The part of an account's live state that needs a lock.
#[derive(Clone, Debug, Default)]
pub(super) struct AccountState {
    pub(super) credential: Gate,
    pub(super) limits: Gate,
    /// One per model class that was ever out or of which windows were reported; bounded.
    pub(super) models: Vec<ModelState>,
    /// Those that concern every model.
    pub(super) windows: Windows,
    pub(super) requests: Minute,
    pub(super) tokens: Minute,
    /// Requests on their way without a head yet, and what they were estimated to need.
    pub(super) waiting: (u32, u64),
    /// Smoothed seconds to the first byte.
    pub(super) first_byte: Option<f64>,
    pub(super) last_head: Option<Instant>,
    pub(super) spare: Turn,
    pub(super) failures: Failures,
}

/// What concerns one model class of an account.
#[derive(Clone, Debug)]
pub(super) struct ModelState {
    pub class: Box<str>,
    pub gate: Gate,
    pub windows: Windows,
}

/// How a request came through the gates of an account.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passes {
    pub credential: Pass,
    pub limits: Pass,
    pub model: Pass,
}

impl AccountState {
    /// The state of a model class; made when it is first needed.
    pub(super) fn model(&mut self, class: &str, now: Instant) -> &mut ModelState {
        let known = self.models.iter().position(|model| *model.class == *class);
        let place = known.unwrap_or_else(|| {
            if self.models.len() >= MODELS {
                let outs = self.models.iter().map(|model| model.gate.until(now));
                let least = outs.enumerate().min_by_key(|(_, until)| *until);
                self.models.swap_remove(least.map_or(0, |(place, _)| place));
            }
            self.models.push(ModelState {
                class: class.into(),
                gate: Gate::default(),
                windows: Windows::default(),
            });
            self.models.len() - 1
        });
        &mut self.models[place]
    }

    /// Takes over what an answer to a request for this class says.
    pub(super) fn observe(&mut self, class: &str, readings: &Readings, now: Instant) {
        self.windows.update(readings, true, now);
        if readings.has_buckets() {
            self.model(class, now).windows.update(readings, false, now);
        }
    }

    /// What all windows say about one more request for this class.
    pub(super) fn standing(&self, class: &str, tokens: u64, now: Instant) -> Standing {
        let whole = self.windows.standing(class, now, tokens, self.waiting);
        match self.models.iter().find(|model| *model.class == *class) {
            Some(model) => whole.and(model.windows.standing(class, now, tokens, self.waiting)),
            None => whole,
        }
    }

    /// The windows that are known; of one kind the model class that is nearest to its end.
    pub(super) fn window_status(&self, now: Instant) -> Vec<WindowStatus> {
        let mut all: Vec<WindowStatus> = self.windows.status(now).collect();
        for status in self
            .models
            .iter()
            .flat_map(|model| model.windows.status(now))
        {
            match all.iter_mut().find(|known| known.window == status.window) {
                Some(known) if known.utilization < status.utilization => *known = status,
                Some(_) => {}
                None => all.push(status),
            }
        }
        all
    }

    /// A good head: everything here works.
    pub(super) fn head(&mut self, class: &str, began: Instant) {
        self.credential.head(began);
        self.limits.head(began);
        if let Some(model) = self.known_model(class) {
            model.gate.head(began);
        }
    }

    /// A good head of an endpoint beside generation: only that kind is known to work.
    pub(super) fn head_aside(&mut self, class: &str, began: Instant) {
        if let Some(model) = self.known_model(class) {
            model.gate.head(began);
        }
    }

    /// A spared request went well.
    pub(super) fn relieve(&mut self, class: &str, began: Instant) {
        self.limits.relieve(began);
        if let Some(model) = self.known_model(class) {
            model.gate.relieve(began);
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
        if let Some(model) = self.known_model(class) {
            model.gate.give_back(passes.model);
        }
    }

    fn gates<'a>(&'a self, class: &'a str) -> impl Iterator<Item = &'a Gate> {
        let model = self.models.iter().find(|model| *model.class == *class);
        [&self.credential, &self.limits]
            .into_iter()
            .chain(model.map(|model| &model.gate))
    }

    /// The gate that is closed the longest decides, so that a stated wait is honest.
    pub(super) fn check_gates(
        &self,
        class: &str,
        level: Level,
        now: Instant,
    ) -> Result<(), Closed> {
        let closed = self
            .gates(class)
            .filter_map(|gate| level.look(gate, now).err())
            .max_by_key(Closed::until);
        closed.map_or(Ok(()), Err)
    }

    /// After `check_gates` under the same lock, so no gate refuses here any more.
    pub(super) fn pass(
        &mut self,
        class: &str,
        level: Level,
        now: Instant,
    ) -> Result<Passes, Closed> {
        let through = |gate: &mut Gate| level.pass(gate, now);
        Ok(Passes {
            credential: through(&mut self.credential)?,
            limits: through(&mut self.limits)?,
            model: match self.known_model(class) {
                Some(model) => through(&mut model.gate)?,
                None => Pass::Free,
            },
        })
    }

    fn known_model(&mut self, class: &str) -> Option<&mut ModelState> {
        self.models.iter_mut().find(|model| *model.class == *class)
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
const MODELS: usize = 32;
/// The share of a new measurement in the smoothed one.
const EWMA_SHARE: f64 = 0.2;
