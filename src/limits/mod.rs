//! Limits per key, per group and for everyone: requests, tokens, requests at once, money.
//!
//! ```text
//! Limits::admit(key, estimate) ──► Permit ── settle(used) ──► drop        or Refusal { whose, which, when }
//! ```
//!
//! A request is admitted by all of its limits or by none, under all of their locks at once, so that nothing is raced
//! past and a refused request counts nowhere. Tokens and money are reserved by estimate and settled with what was
//! really used; a [`Permit`] that is dropped unsettled gives the reservation back. Pure: both clocks are arguments.
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
mod subjects;
mod tally;
mod whom;

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
pub use handed::{Handed, Telling};
pub use permit::{Held, Permit};
pub use refusal::{Limit, Refusal, Scope, Standing};
pub use remote::{Elsewhere, Own};
pub use report::{Budget, Report};
pub use spend::{Totals, Windows};
pub use whom::{Everybody, Subject, Used, Whom};

/// The limits of one configuration, with counters that outlive it.
#[derive(Debug)]
pub struct Limits {
    keys: Subjects,
    groups: Subjects,
    projects: Subjects,
    global: Limited,
    zone: TimeZone,
}

impl Limits {
    /// The limits of `config`, with the counters of the one `before`. A key is at its position in `config.keys`; after
    /// them all are the callers without a key, who have no limits of their own but are counted.
    pub fn of_config(config: &Config, before: Option<&Self>) -> Self {
        let everybody = Everybody {
            keys: configured::keys(config),
            groups: configured::groups(config),
            projects: configured::projects(config),
            global: config.limits,
        };
        Self::new(&everybody, config.timezone.clone(), before)
    }

    /// The limits of a configuration; days and months begin in `zone`. Takes over the counters of the one `before` by
    /// name.
    pub fn new(everybody: &Everybody, zone: TimeZone, before: Option<&Self>) -> Self {
        let everyone = Subject {
            name: Arc::from(""),
            caps: everybody.global,
            group: None,
        };
        let limited = |scope: Scope, subject: &Subject| {
            let counter = before.and_then(|before| before.counter(scope, &subject.name));
            Limited::new(scope, subject.clone(), counter, &zone)
        };
        let all = |scope: Scope, subjects: &[Subject]| {
            subjects
                .iter()
                .map(|subject| limited(scope, subject))
                .collect()
        };
        Self {
            keys: all(Scope::Key, &everybody.keys),
            groups: all(Scope::Group, &everybody.groups),
            projects: all(Scope::Project, &everybody.projects),
            global: limited(Scope::Global, &everyone),
            zone,
        }
    }

    /// Admits a request of the key at this position, if all its limits allow it.
    pub fn admit(&self, whom: Whom, estimate: Used, at: Moment) -> Result<Permit, Refusal> {
        let reserved = Reserved::new(estimate, at.now);
        // Who has no limits is counted without a lock: nothing has to be known of them.
        let subjects = self.of(whom);
        let subjects: SmallVec<[&Limited; 4]> =
            subjects.filter(|limited| limited.is_capped()).collect();
        // Everyone locks in this order (key, group, project, all), so nobody waits in a circle.
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
        let parts = self.of(whom).map(|limited| {
            if limited.is_capped() {
                return Part::Limited(Arc::clone(limited.book()));
            }
            let share = limited.book().share();
            share.enter(&reserved);
            Part::Tallied(share)
        });
        Ok(Permit::new(parts.collect(), reserved))
    }

    /// Books what was used by no request that was admitted: it is known only now.
    pub fn book(&self, whom: Whom, used: &Used, at: Moment) {
        for limited in self.of(whom) {
            let mut counter = limited.lock();
            counter.settle(&Reserved::default(), used, at);
        }
    }

    /// Reserves so many billionths of a dollar until it is dropped: they will be used, nobody knows when.
    pub fn hold(&self, whom: Whom, nano_usd: u64) -> Held {
        let books = self.of(whom).map(|limited| Arc::clone(limited.book()));
        Held::new(books.collect(), nano_usd)
    }

    /// What the key at this position and its group have used and have left; everyone's is nobody's business.
    pub fn report(&self, whom: Whom, at: Moment) -> Vec<Report> {
        let shown = self
            .of(whom)
            .filter(|limited| limited.scope() != Scope::Global);
        shown.map(|limited| Report::of(limited, at)).collect()
    }

    /// What every key, every group, every project and everyone have used and have left, for operators.
    pub fn reports(&self, at: Moment) -> Vec<Report> {
        self.all().map(|limited| Report::of(limited, at)).collect()
    }

    /// Of all limits of that kind on this key, the one with the least left: what rate-limit headers state.
    pub fn tightest(&self, whom: Whom, limit: Limit, at: Moment) -> Option<Standing> {
        self.of(whom)
            .filter(|limited| limited.caps().of(limit).is_some())
            .filter_map(|limited| {
                let mut counter = limited.lock();
                counter.standing(limit, limited.caps(), at)
            })
            .min_by(|a, b| a.remaining.total_cmp(&b.remaining))
    }

    /// Adds what a key or group is known to have used before a restart. `false` = there is none of that name.
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

    /// Takes over what was used elsewhere, as it was known `at` that time. `false` = there is none of that name.
    pub fn learn(
        &self,
        scope: Scope,
        name: &str,
        elsewhere: &Elsewhere,
        at: SystemTime,
        now: Instant,
    ) -> bool {
        let counter = self.counter(scope, name);
        if let Some(counter) = &counter {
            counter.lock().learn(elsewhere, at, now);
        }
        counter.is_some()
    }

    /// What a process that follows has to know of everyone, and what each used since this process began.
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

    /// Takes over what the process before says; `first` tells everything, what follows is added. A name that is not
    /// configured is passed over.
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

    /// The process before has ended.
    pub fn alone(&self) {
        self.all().for_each(|limited| limited.lock().alone());
    }

    fn all(&self) -> impl Iterator<Item = &Limited> {
        let all = self.keys.iter().chain(self.groups.iter());
        all.chain(self.projects.iter())
            .chain(std::iter::once(&self.global))
    }

    /// What this process used, of all that it ever used anything for.
    pub fn own(&self, wall: SystemTime) -> impl Iterator<Item = Own> {
        self.all().filter_map(move |limited| {
            let mut counter = limited.lock();
            let ever = *counter.ever();
            (ever != Totals::default()).then(|| Own {
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

    /// The share that is used of the fullest budget in USD of this key, its group and its project; `None` = they have none.
    pub fn fullest_budget(&self, whom: Whom, wall: SystemTime) -> Option<f64> {
        let own =
            |limited: &&Limited| limited.scope() != Scope::Global && limited.caps().has_budget();
        let shares = self.of(whom).filter(own).flat_map(|limited| {
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

    /// A copy as everything stands now. Whatever is admitted by it counts nowhere else.
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

    /// How every limit stands that a request of the key at this position is under, and whose it is: for the operator.
    pub fn standings(&self, whom: Whom, at: Moment) -> Vec<(Scope, Arc<str>, Standing)> {
        let mut all = Vec::new();
        for limited in self.of(whom) {
            let standings = limited.lock().standings(limited.caps(), at);
            let name = limited.name();
            all.extend(standings.map(|standing| (limited.scope(), Arc::clone(name), standing)));
        }
        all
    }

    /// Whether tokens or money of this key are limited, so that a request of it needs an estimate.
    pub fn need_estimate(&self, whom: Whom) -> bool {
        self.of(whom).any(|limited| limited.caps().need_estimate())
    }

    /// Where days and months begin.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Whose limits a request of the key at this position and of the project of this name is under.
    pub fn whom(&self, key: usize, project: Option<&str>) -> Whom {
        let project = project.and_then(|project| self.projects.position(project));
        Whom { key, project }
    }

    /// The key, its group, its project, everyone: those that exist.
    fn of(&self, whom: Whom) -> impl Iterator<Item = &Limited> {
        let key = self.keys.get(whom.key);
        let group = key.and_then(|key| self.groups.get(key.group()?));
        let project = whom.project.and_then(|project| self.projects.get(project));
        // A global lock that limits nothing would only be waited for.
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
