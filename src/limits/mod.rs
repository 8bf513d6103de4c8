//! Limits per key, per group, per project and for everyone: requests, tokens, requests at once, money.
//!
//! ```text
//! Limits::admit(principal, estimate) ──► Permit ── settle(used) ──► drop        or Refusal { scope, limit, retry_after }
//! ```
//!
//! A request is admitted by all of its limits or by none, under all of their locks at once, so that no race can exceed
//! a limit, and a refused request counts nowhere. Tokens and money are reserved by estimate and settled with the real
//! use. A [`Permit`] that is dropped unsettled gives the reservation back. Pure: both clocks are arguments.
pub mod alerts;
pub mod ledger;
pub mod refusal;
pub mod remote;
pub mod spend;
pub mod window;

mod book;
mod configured;
mod counter;
mod handed;
mod permit;
mod report;
mod subject;
mod subjects;
mod tally;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use jiff::tz::TimeZone;
use smallvec::SmallVec;

use crate::config::Config;
use crate::moment::Moment;
use crate::outcome::Unit;
use book::{Book, Locked};
use counter::Reserved;
use permit::Part;
use subjects::{Limited, Subjects};

pub use crate::outcome::{Caps, nano_usd};
pub use handed::{Handed, HandoverLog};
pub use permit::{BudgetHold, Permit};
pub use refusal::{Limit, Refusal, Scope, Standing};
pub use remote::{ExternalSpend, ProcessSpend};
pub use report::{Budget, Report};
pub use spend::{Totals, Windows};
pub use subject::{AllSubjects, Principal, Subject, Used};

/// The limits of one configuration. Their counters outlive it.
#[derive(Debug)]
pub struct Limits {
    keys: Subjects,
    groups: Subjects,
    projects: Subjects,
    global: Limited,
    zone: TimeZone,
}

impl Limits {
    /// The limits of `config`, with the counters of the limits `before`. A key is at its position in `config.keys`. If
    /// callers without a key are allowed, one subject for all of them follows the keys; it has no limits of its own but
    /// is counted.
    pub fn of_config(config: &Config, before: Option<&Self>) -> Self {
        let all_subjects = AllSubjects {
            keys: configured::keys(config),
            groups: configured::groups(config),
            projects: configured::projects(config),
            global: config.limits,
        };
        Self::new(&all_subjects, config.timezone.clone(), before)
    }

    /// The limits of a configuration; days and months begin in `zone`. Takes over the counters of the limits `before`
    /// by name.
    pub fn new(all_subjects: &AllSubjects, zone: TimeZone, before: Option<&Self>) -> Self {
        let everyone = Subject {
            name: Arc::from(""),
            caps: all_subjects.global,
            group: None,
        };
        let is_moved = before.is_some_and(|before| before.zone != zone);
        let limited = |scope: Scope, subject: &Subject| {
            let counter = before.and_then(|before| before.counter(scope, &subject.name));
            if is_moved && let Some(counter) = &counter {
                counter.lock().set_zone(&zone);
            }
            Limited::new(scope, subject.clone(), counter, &zone)
        };
        let all = |scope: Scope, subjects: &[Subject]| {
            subjects
                .iter()
                .map(|subject| limited(scope, subject))
                .collect()
        };
        Self {
            keys: all(Scope::Key, &all_subjects.keys),
            groups: all(Scope::Group, &all_subjects.groups),
            projects: all(Scope::Project, &all_subjects.projects),
            global: limited(Scope::Global, &everyone),
            zone,
        }
    }

    /// Admits a request of `principal`, if all of its limits allow it.
    pub fn admit(
        &self,
        principal: Principal,
        estimate: Used,
        at: Moment,
    ) -> Result<Permit, Refusal> {
        self.admit_with(Reserved::new(estimate, at.now), principal, at)
    }

    /// The same for a request that costs neither tokens nor money: only limits of requests apply to it.
    pub fn admit_free(&self, principal: Principal, at: Moment) -> Result<Permit, Refusal> {
        self.admit_with(Reserved::free(at.now), principal, at)
    }

    fn admit_with(
        &self,
        reserved: Reserved,
        principal: Principal,
        at: Moment,
    ) -> Result<Permit, Refusal> {
        // A subject without limits is counted without a lock, because its figures are not needed here.
        let subjects = self.of(principal);
        let subjects: SmallVec<[&Limited; 4]> =
            subjects.filter(|limited| limited.is_capped()).collect();
        // Every request locks in this order (key, group, project, all), so there is no deadlock.
        let mut counters: SmallVec<[Locked<'_>; 4]> =
            subjects.iter().map(|limited| limited.lock()).collect();
        for (limited, counter) in subjects.iter().zip(counters.iter_mut()) {
            let caps = limited.caps();
            if let Some((limit, retry_after)) = counter.in_the_way(caps, &reserved, at) {
                let left = counter
                    .standing(limit, caps, at)
                    .map_or(0.0, |standing| standing.remaining);
                return Err(limited.refusal(limit, left, &reserved, retry_after));
            }
        }
        for counter in &mut counters {
            counter.charge(&reserved, at.now);
        }
        drop(counters);
        let parts = self.of(principal).map(|limited| {
            if limited.is_capped() {
                return Part::Limited(Arc::clone(limited.book()));
            }
            let share = limited.book().share();
            share.enter(&reserved);
            Part::Tallied(share)
        });
        Ok(Permit::new(parts.collect(), reserved))
    }

    /// Books use that belongs to no admitted request, because it became known only now.
    pub fn book(&self, principal: Principal, used: &Used, at: Moment) {
        for limited in self.of(principal) {
            let mut counter = limited.lock();
            counter.settle(&Reserved::default(), used, at);
        }
    }

    /// Reserves this many billionths of a dollar until the result is dropped: they will be used at an unknown time.
    pub fn hold(&self, principal: Principal, nano_usd: u64) -> BudgetHold {
        let books = self.of(principal).map(|limited| Arc::clone(limited.book()));
        BudgetHold::new(books.collect(), nano_usd)
    }

    /// What the key, its group and the project have used and have left. The figures of everyone are not shown to a
    /// client.
    pub fn report(&self, principal: Principal, at: Moment) -> Vec<Report> {
        let shown = self
            .of(principal)
            .filter(|limited| limited.scope() != Scope::Global);
        shown.map(|limited| Report::of(limited, at)).collect()
    }

    /// What every key, every group, every project and everyone have used and have left, for operators.
    pub fn reports(&self, at: Moment) -> Vec<Report> {
        self.all().map(|limited| Report::of(limited, at)).collect()
    }

    /// The limit of this kind with the least left, among those that `principal` is under: what rate-limit headers state.
    pub fn tightest(&self, principal: Principal, limit: Limit, at: Moment) -> Option<Standing> {
        self.of(principal)
            .filter(|limited| limited.caps().of(limit).is_some())
            .filter_map(|limited| {
                let mut counter = limited.lock();
                counter.standing(limit, limited.caps(), at)
            })
            .min_by(|a, b| a.remaining.total_cmp(&b.remaining))
    }

    /// Adds what a subject is known to have used before a restart. `false` = there is no subject of that name.
    pub fn restore(
        &self,
        scope: Scope,
        name: &str,
        day: &Totals,
        month: &Totals,
        wall: SystemTime,
    ) -> bool {
        let counter = self.counter(scope, name);
        if let Some(counter) = &counter {
            counter.lock().restore(day, month, wall);
        }
        counter.is_some()
    }

    /// Takes over the use of other processes, as it was known at `at`. `false` = there is no subject of that name.
    pub fn learn(
        &self,
        scope: Scope,
        name: &str,
        external: &ExternalSpend,
        at: SystemTime,
        now: Instant,
    ) -> bool {
        let counter = self.counter(scope, name);
        if let Some(counter) = &counter {
            counter.lock().learn(external, at, now);
        }
        counter.is_some()
    }

    /// The state of every subject for a following process, and its use since this process began.
    fn memos(&self, at: Moment) -> impl Iterator<Item = (Scope, Handed, Totals)> {
        self.all().map(move |limited| {
            let (handed, ever) = limited.lock().memo(at);
            let scope = limited.scope();
            let handed = Handed {
                scope: scope.as_str().to_owned(),
                name: Arc::clone(limited.name()),
                ..handed
            };
            (scope, handed, ever)
        })
    }

    /// Takes over the state of the previous process. With `first` the memos are complete; later ones contain additions
    /// only. Names that are not configured are skipped.
    pub fn recall(&self, memos: &[Handed], first: bool, at: Moment) {
        for memo in memos {
            let counter = memo
                .scope()
                .and_then(|scope| self.counter(scope, &memo.name));
            if let Some(counter) = counter {
                counter.lock().recall(memo, first, at);
            }
        }
    }

    /// The previous process has ended.
    pub fn alone(&self) {
        self.all().for_each(|limited| limited.lock().alone());
    }

    fn all(&self) -> impl Iterator<Item = &Limited> {
        let all = self.keys.iter().chain(self.groups.iter());
        all.chain(self.projects.iter())
            .chain(std::iter::once(&self.global))
    }

    /// What this process used, for every subject with any use.
    pub fn process_spend(&self, wall: SystemTime) -> impl Iterator<Item = ProcessSpend> {
        self.all().filter_map(move |limited| {
            let mut counter = limited.lock();
            let ever = *counter.ever();
            (ever != Totals::default()).then(|| ProcessSpend {
                scope: limited.scope(),
                name: Arc::clone(limited.name()),
                windows: counter.own(wall),
                ever,
            })
        })
    }

    /// Every budget in USD.
    pub fn budgets(&self, wall: SystemTime) -> impl Iterator<Item = Budget> {
        let limited = self.all().filter(|limited| limited.caps().has_budget());
        limited.flat_map(move |limited| Budget::all_of(limited, wall))
    }

    /// The used share of the fullest budget in USD of this key, its group and its project; `None` = they have no
    /// budget.
    pub fn fullest_budget(&self, principal: Principal, wall: SystemTime) -> Option<f64> {
        let own =
            |limited: &&Limited| limited.scope() != Scope::Global && limited.caps().has_budget();
        let shares = self.of(principal).filter(own).flat_map(|limited| {
            let windows = limited.lock().windows(wall);
            let budgets = Limit::ALL
                .into_iter()
                .filter(|limit| limit.unit() == Unit::NanoUsd);
            budgets.filter_map(move |limit| {
                let most = limited.caps().of(limit)?;
                let used = windows.of(limit.span()).of(Unit::NanoUsd);
                Some(used as f64 / most.max(1) as f64)
            })
        });
        shares.reduce(f64::max)
    }

    /// A copy of the present state. What the copy admits counts nowhere else.
    #[must_use]
    pub fn shadow(&self) -> Self {
        Self {
            keys: self.keys.shadow(),
            groups: self.groups.shadow(),
            projects: self.projects.shadow(),
            global: self.global.shadow(),
            zone: self.zone.clone(),
        }
    }

    /// The state of every limit that `principal` is under, with the scope and the name of its subject; for operators.
    pub fn standings(&self, principal: Principal, at: Moment) -> Vec<(Scope, Arc<str>, Standing)> {
        let mut all = Vec::new();
        for limited in self.of(principal) {
            let standings = limited.lock().standings(limited.caps(), at);
            let name = limited.name();
            all.extend(standings.map(|standing| (limited.scope(), Arc::clone(name), standing)));
        }
        all
    }

    /// Whether tokens or money of `principal` are limited, so that a request needs an estimate.
    pub fn need_estimate(&self, principal: Principal) -> bool {
        self.of(principal)
            .any(|limited| limited.caps().need_estimate())
    }

    /// The time zone in which days and months begin.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The subjects of a request with the key at this position and the project of this name.
    pub fn principal(&self, key: usize, project: Option<&str>) -> Principal {
        let project = project.and_then(|project| self.projects.position(project));
        Principal { key, project }
    }

    /// The key, its group, its project and everyone, as far as they exist.
    fn of(&self, principal: Principal) -> impl Iterator<Item = &Limited> {
        let key = self.keys.get(principal.key);
        let group = key.and_then(|key| self.groups.get(key.group()?));
        let project = principal
            .project
            .and_then(|project| self.projects.get(project));
        // Without a global limit nobody needs to wait for the global lock.
        let global = (!self.global.caps().is_empty()).then_some(&self.global);
        [key, group, project, global].into_iter().flatten()
    }

    fn counter(&self, scope: Scope, name: &str) -> Option<Arc<Book>> {
        let found = match scope {
            Scope::Key => self.keys.named(name),
            Scope::Group => self.groups.named(name),
            Scope::Project => self.projects.named(name),
            Scope::Global => Some(&self.global),
        };
        found.map(|limited| Arc::clone(limited.book()))
    }
}

#[cfg(test)]
mod tests;
