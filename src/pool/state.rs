//! The state of an account that needs its lock: gates, windows, counters.
use std::time::{Duration, Instant};

use super::evidence::{Evidence, Failures};
use super::exhausted::AccountLimit;
use super::health::Gate;
use super::level::Level;
use super::memo::AccountMemo;
use super::passage::{Closed, Pass};
use super::quota::{Readings, Standing, WindowStatus, Windows};
use super::spare_slot::SpareSlot;
use crate::config::AccountLimits;
use crate::limits::window::Minute;

/// The part of an account's live state that needs a lock.
#[derive(Clone, Debug, Default)]
pub(super) struct AccountState {
    credential: Gate,
    limits: Gate,
    /// One entry per model class that was ever out or for which windows were reported; at most `MODELS`.
    models: Vec<ModelState>,
    /// The windows that concern every model.
    windows: Windows,
    requests: Minute,
    tokens: Minute,
    /// The number of requests in flight that have no head yet, and their estimated tokens.
    waiting: (u32, u64),
    /// Smoothed time to the first byte, in seconds.
    first_byte: Option<f64>,
    last_head: Option<Instant>,
    spare: SpareSlot,
    failures: Failures,
}

/// What concerns one model class of an account.
#[derive(Clone, Debug)]
struct ModelState {
    class: Box<str>,
    gate: Gate,
    windows: Windows,
}

/// How a request came through the gates of an account.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passes {
    pub credential: Pass,
    pub limits: Pass,
    pub model: Pass,
}

impl AccountState {
    /// Counts a request with its estimated tokens. It counts as waiting until its head comes.
    pub(super) fn take(&mut self, tokens: u64, level: Level, now: Instant) {
        self.requests.add(now, 1);
        self.tokens.add(now, tokens);
        self.waiting.0 = self.waiting.0.saturating_add(1);
        self.waiting.1 = self.waiting.1.saturating_add(tokens);
        if level == Level::Spare {
            self.spare.take(now);
        }
    }

    /// Undoes [`Self::take`], as if the request had never been taken.
    pub(super) fn untake(&mut self, tokens: u64, level: Level, now: Instant) {
        if level == Level::Spare {
            self.spare.give_back();
        }
        self.requests.take_back(now, now, 1);
        self.tokens.take_back(now, now, tokens);
        self.leave_queue(tokens);
    }

    /// A request with this estimate no longer waits for its head.
    pub(super) fn leave_queue(&mut self, tokens: u64) {
        self.waiting.0 = self.waiting.0.saturating_sub(1);
        self.waiting.1 = self.waiting.1.saturating_sub(tokens);
    }

    /// The spared request has its verdict, so another one may be spared.
    pub(super) fn end_spare(&mut self) {
        self.spare.give_back();
    }

    /// Whether a spared request is in flight, or was sent less than `SPARE_REST` ago.
    pub(super) fn is_sparing(&mut self, now: Instant) -> bool {
        !self.spare.is_free(now)
    }

    /// A request that began at `began` and was counted with `reserved` tokens has used `used` tokens.
    pub(super) fn settle(&mut self, reserved: u64, used: u64, began: Instant, now: Instant) {
        if used >= reserved {
            self.tokens.add(now, used - reserved);
        } else {
            self.tokens.take_back(began, now, reserved - used);
        }
    }

    /// The limit of the account's own that keeps a request out, and for how long.
    pub(super) fn full(
        &mut self,
        limits: &AccountLimits,
        tokens: u64,
        now: Instant,
    ) -> Option<(AccountLimit, Duration)> {
        let windows = [
            (
                AccountLimit::Requests,
                limits.rpm.map(u64::from),
                &mut self.requests,
                1,
            ),
            (
                AccountLimit::Tokens,
                limits.tpm,
                &mut self.tokens,
                tokens.max(1),
            ),
        ];
        windows
            .into_iter()
            .find_map(|(limit, most, window, amount)| {
                let wait = window.wait(now, most?, amount);
                (!wait.is_zero()).then_some((limit, wait))
            })
    }

    /// Requests and tokens of the last minute.
    pub(super) fn minute(&mut self, now: Instant) -> (u64, u64) {
        (self.requests.sum(now), self.tokens.sum(now))
    }

    /// Smoothed time to the first byte in seconds, if any was measured.
    pub(super) fn first_byte(&self) -> Option<f64> {
        self.first_byte
    }

    /// Whether no answer has begun for this long.
    pub(super) fn is_idle(&self, for_: Duration, now: Instant) -> bool {
        self.last_head
            .is_none_or(|at| now.saturating_duration_since(at) > for_)
    }

    /// Traffic of another account comes to this one: it is let in gradually.
    pub(super) fn ease(&mut self, now: Instant) {
        self.limits.ease(now);
    }

    /// Records a failure for the operators. Returns whether a warning is due.
    pub(super) fn note_failure(&mut self, evidence: Evidence, now: Instant) -> bool {
        self.failures.note(evidence, now)
    }

    /// The last failure, and when it was.
    pub(super) fn last_failure(&self) -> Option<(Evidence, Instant)> {
        self.failures.last()
    }

    /// The credential was refused, or there was none.
    pub(super) fn bench_credential(&mut self, evidence: Evidence, wait: Duration, now: Instant) {
        self.credential.bench(evidence, wait, now);
    }

    /// Only words say that the credential was refused, so the bench is soft.
    pub(super) fn doubt_credential(&mut self, evidence: Evidence, wait: Duration, now: Instant) {
        self.credential.bench_softly(evidence, wait, now);
    }

    /// A request that began at `began` was accepted with the credential.
    pub(super) fn credential_works(&mut self, began: Instant) {
        self.credential.head(began);
    }

    /// The credential is a new one, or an operator wants the old one to be tried again.
    pub(super) fn renew_credential(&mut self) {
        self.credential = Gate::default();
    }

    /// Forgets every bench, streak and window.
    pub(super) fn forget(&mut self) {
        self.credential = Gate::default();
        self.limits = Gate::default();
        self.models.clear();
        self.windows = Windows::default();
    }

    /// The gate for limits: that of a model class, or the one for all models.
    pub(super) fn limit(&mut self, class: Option<&str>, now: Instant) -> &mut Gate {
        match class {
            Some(class) => &mut self.model(class, now).gate,
            None => &mut self.limits,
        }
    }

    /// The gates that concern every model.
    pub(super) fn whole(&self) -> [&Gate; 2] {
        [&self.credential, &self.limits]
    }

    /// The known model classes with their gates.
    pub(super) fn classes(&self) -> impl Iterator<Item = (&str, &Gate)> {
        let models = self.models.iter();
        models.map(|model| (&*model.class, &model.gate))
    }

    /// The state of a model class; it is created on first use.
    fn model(&mut self, class: &str, now: Instant) -> &mut ModelState {
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

    /// The known windows. For each kind of window, the model class with the highest utilization is shown.
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

    /// The state for the next process, without the name.
    pub(super) fn memo(&mut self, now: Instant) -> AccountMemo {
        let models = self.models.iter().map(|model| {
            let windows = model.windows.memo(now);
            (model.class.to_string(), model.gate.memo(now), windows)
        });
        AccountMemo {
            limits: self.limits.memo(now),
            models: models.collect(),
            windows: self.windows.memo(now),
            minute: (self.requests.sum(now), self.tokens.sum(now)),
            first_byte: self.first_byte,
            ..AccountMemo::default()
        }
    }

    /// Takes over the state of another process. What that process counted in its last minute counts for a minute from
    /// now.
    pub(super) fn recall(&mut self, memo: &AccountMemo, now: Instant) {
        if let Some(limits) = &memo.limits {
            self.limits = Gate::recall(limits, now);
        }
        self.windows = Windows::recall(&memo.windows, now);
        for (class, gate, windows) in memo.models.iter().take(MODELS) {
            let model = self.model(class, now);
            model.windows = Windows::recall(windows, now);
            if let Some(gate) = gate {
                model.gate = Gate::recall(gate, now);
            }
        }
        self.requests.add(now, memo.minute.0);
        self.tokens.add(now, memo.minute.1);
        self.first_byte = memo.first_byte.or(self.first_byte);
    }

    /// A good head came: every part that the request passed works.
    pub(super) fn head(&mut self, class: &str, began: Instant) {
        self.credential.head(began);
        self.limits.head(began);
        if let Some(model) = self.known_model(class) {
            model.gate.head(began);
        }
    }

    /// A good head came from an endpoint other than generation: only that kind is known to work.
    pub(super) fn vendor_head(&mut self, class: &str, began: Instant) {
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

    /// Checks all gates. The one that is closed longest decides, so that a stated wait is honest.
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

    /// Passes all gates. Call it after `check_gates` under the same lock, so that no gate refuses here.
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

/// The class of a model: models of one class share a limit at the provider. Anthropic counts per family, others per
/// model.
pub fn model_class(model: &str) -> &str {
    let family = || FAMILIES.into_iter().find(|family| model.contains(family));
    if model.contains("claude") {
        family().unwrap_or(model)
    } else {
        model
    }
}

const FAMILIES: [&str; 3] = ["opus", "sonnet", "haiku"];
/// The most model classes of one account whose state is kept. Beyond it, the class that is out for the shortest time is
/// forgotten.
const MODELS: usize = 32;
/// The weight of a new measurement in the smoothed value.
const EWMA_SHARE: f64 = 0.2;
