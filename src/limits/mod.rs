//! Limits per key, per group and for everyone: requests, tokens, requests at once, money.
//!
//! ```text
//! Limits::admit(key, estimate) ──► Permit ── settle(used) ──► drop        or Refusal { whose, which, when }
//! ```
//!
//! A request is admitted by all of its limits or by none, under all of their locks at once, so that nothing is raced
//! past and a refused request counts nowhere. Tokens and money are reserved by estimate and settled with what was
//! really used; a [`Permit`] that is dropped unsettled gives the reservation back. Pure: both clocks are arguments.
pub mod ledger;
pub mod refusal;
pub mod remote;
pub mod spend;
pub mod window;

mod configured;
mod counter;
mod shadow;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use ahash::HashMap;
use jiff::tz::TimeZone;
use smallvec::SmallVec;

use crate::protocol::hub::usage::Usage;
use counter::{Counter, Reserved};
pub use refusal::{Limit, Refusal, Scope, Standing};
pub use remote::{Elsewhere, Own, Windows};
pub use spend::{Totals, nano_usd};

/// What is limited, and how far. `None` = not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Caps {
    /// Requests in any 60 s.
    pub rpm: Option<u32>,
    /// Tokens in any 60 s.
    pub tpm: Option<u64>,
    /// Requests at once.
    pub concurrency: Option<u32>,
    /// From [`nano_usd`].
    pub nano_usd_per_day: Option<u64>,
    /// From [`nano_usd`].
    pub nano_usd_per_month: Option<u64>,
}

/// A key or a group with its caps.
#[derive(Clone, Debug)]
pub struct Subject {
    pub name: Arc<str>,
    pub caps: Caps,
    /// For a key: the position of its group.
    pub group: Option<usize>,
}

/// What a request is expected to use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Estimate {
    pub tokens: u64,
    /// 0 = unknown.
    pub nano_usd: u64,
}

/// What a request has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    pub usage: Usage,
    pub nano_usd: u64,
}

/// The limits of one configuration, with counters that outlive it.
#[derive(Debug)]
pub struct Limits {
    keys: Subjects,
    groups: Subjects,
    global: Limited,
    zone: TimeZone,
}

/// Keys or groups, by position and by name.
#[derive(Debug)]
struct Subjects {
    list: Vec<Limited>,
    by_name: HashMap<Arc<str>, usize>,
}

#[derive(Debug)]
struct Limited {
    subject: Subject,
    scope: Scope,
    counter: Arc<Mutex<Counter>>,
}

/// The right to be served, until it is dropped: after the last byte, on whatever path.
#[derive(Debug)]
pub struct Permit {
    counters: SmallVec<[Arc<Mutex<Counter>>; 3]>,
    reserved: Reserved,
    zone: TimeZone,
}

/// What a key or a group has used and what is left, for `GET /v1/usage`.
#[derive(Clone, Debug)]
pub struct Report {
    pub scope: Scope,
    pub name: Arc<str>,
    pub day: Totals,
    pub month: Totals,
    pub standings: Vec<Standing>,
}

impl Limits {
    /// The limits of a configuration; days and months begin in `zone`. Takes over the counters of the one `before` by
    /// name.
    pub fn new(
        keys: &[Subject],
        groups: &[Subject],
        global: Caps,
        zone: TimeZone,
        before: Option<&Self>,
    ) -> Self {
        let everyone = Subject {
            name: Arc::from(""),
            caps: global,
            group: None,
        };
        let limited = |scope: Scope, subject: &Subject| Limited {
            subject: subject.clone(),
            scope,
            counter: before
                .and_then(|before| before.counter(scope, &subject.name))
                .unwrap_or_default(),
        };
        Self {
            keys: keys.iter().map(|key| limited(Scope::Key, key)).collect(),
            groups: groups
                .iter()
                .map(|group| limited(Scope::Group, group))
                .collect(),
            global: limited(Scope::Global, &everyone),
            zone,
        }
    }

    /// Admits a request of the key at this position, if all its limits allow it.
    pub fn admit(
        &self,
        key: usize,
        estimate: Estimate,
        now: Instant,
        wall: SystemTime,
    ) -> Result<Permit, Refusal> {
        let reserved = Reserved {
            at: Some(now),
            tokens: estimate.tokens,
            nano_usd: estimate.nano_usd,
        };
        let subjects: SmallVec<[&Limited; 3]> = self.of(key).collect();
        // Everyone locks in this order (key, group, all), so nobody waits in a circle.
        let mut counters: SmallVec<[MutexGuard<'_, Counter>; 3]> = subjects
            .iter()
            .map(|limited| lock(&limited.counter))
            .collect();
        for (limited, counter) in subjects.iter().zip(counters.iter_mut()) {
            let caps = &limited.subject.caps;
            if let Some((limit, retry_after)) =
                counter.in_the_way(caps, &reserved, now, wall, &self.zone)
            {
                let left = counter
                    .standings(caps, now, wall, &self.zone)
                    .find(|standing| standing.limit == limit)
                    .map_or(0.0, |standing| standing.remaining);
                return Err(limited.refusal(limit, left, &reserved, retry_after));
            }
        }
        for counter in &mut counters {
            counter.charge(&reserved, now);
        }
        drop(counters);
        Ok(Permit {
            counters: subjects
                .iter()
                .map(|limited| Arc::clone(&limited.counter))
                .collect(),
            reserved,
            zone: self.zone.clone(),
        })
    }

    /// What the key at this position and its group have used and have left; everyone's is nobody's business.
    pub fn report(&self, key: usize, now: Instant, wall: SystemTime) -> Vec<Report> {
        let shown = self
            .of(key)
            .filter(|limited| limited.scope != Scope::Global);
        shown
            .map(|limited| {
                let mut counter = lock(&limited.counter);
                let Windows { day, month } = counter.windows(wall, &self.zone);
                Report {
                    scope: limited.scope,
                    name: Arc::clone(&limited.subject.name),
                    day,
                    month,
                    standings: counter
                        .standings(&limited.subject.caps, now, wall, &self.zone)
                        .collect(),
                }
            })
            .collect()
    }

    /// Of all limits of that kind on this key, the one with the least left: what rate-limit headers state.
    pub fn tightest(
        &self,
        key: usize,
        limit: Limit,
        now: Instant,
        wall: SystemTime,
    ) -> Option<Standing> {
        self.of(key)
            .filter(|limited| limited.subject.caps.has(limit))
            .filter_map(|limited| {
                let mut counter = lock(&limited.counter);
                counter
                    .standings(&limited.subject.caps, now, wall, &self.zone)
                    .find(|standing| standing.limit == limit)
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
            lock(counter).restore(day, month, wall, &self.zone);
        }
        counter.is_some()
    }

    /// Whether tokens or money of this key are limited, so that a request of it needs an estimate.
    pub fn need_estimate(&self, key: usize) -> bool {
        let estimated = [Limit::Tokens, Limit::UsdPerDay, Limit::UsdPerMonth];
        self.of(key).any(|limited| {
            estimated
                .iter()
                .any(|limit| limited.subject.caps.has(*limit))
        })
    }

    /// Where days and months begin.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The key, its group, everyone: those that exist.
    fn of(&self, key: usize) -> impl Iterator<Item = &Limited> {
        let key = self.keys.list.get(key);
        let group = key.and_then(|key| self.groups.list.get(key.subject.group?));
        // A global lock that limits nothing would only be waited for.
        let global = (self.global.subject.caps != Caps::default()).then_some(&self.global);
        [key, group, global].into_iter().flatten()
    }

    fn counter(&self, scope: Scope, name: &str) -> Option<Arc<Mutex<Counter>>> {
        let found = match scope {
            Scope::Key => self.keys.named(name),
            Scope::Group => self.groups.named(name),
            Scope::Global => Some(&self.global),
        };
        found.map(|limited| Arc::clone(&limited.counter))
    }
}

impl Subjects {
    fn named(&self, name: &str) -> Option<&Limited> {
        self.list.get(*self.by_name.get(name)?)
    }
}

impl FromIterator<Limited> for Subjects {
    fn from_iter<I: IntoIterator<Item = Limited>>(subjects: I) -> Self {
        let list: Vec<Limited> = subjects.into_iter().collect();
        let named = list.iter().enumerate();
        let by_name = named.map(|(index, limited)| (Arc::clone(&limited.subject.name), index));
        Self {
            by_name: by_name.collect(),
            list,
        }
    }
}

impl Caps {
    /// Whether it limits this at all.
    const fn has(&self, limit: Limit) -> bool {
        match limit {
            Limit::Concurrency => self.concurrency.is_some(),
            Limit::Requests => self.rpm.is_some(),
            Limit::Tokens => self.tpm.is_some(),
            Limit::UsdPerDay => self.nano_usd_per_day.is_some(),
            Limit::UsdPerMonth => self.nano_usd_per_month.is_some(),
        }
    }
}

impl Limited {
    /// `left` is what is left of the limit beside what is reserved.
    fn refusal(
        &self,
        limit: Limit,
        left: f64,
        wanted: &Reserved,
        retry_after: Option<Duration>,
    ) -> Refusal {
        let caps = &self.subject.caps;
        let usd = |nano: Option<u64>| nano.map(|nano| nano as f64 / 1e9);
        let cap = match limit {
            Limit::Concurrency => caps.concurrency.map(f64::from),
            Limit::Requests => caps.rpm.map(f64::from),
            Limit::Tokens => caps.tpm.map(|most| most as f64),
            Limit::UsdPerDay => usd(caps.nano_usd_per_day),
            Limit::UsdPerMonth => usd(caps.nano_usd_per_month),
        };
        Refusal {
            scope: self.scope,
            name: Arc::clone(&self.subject.name),
            limit,
            cap: cap.unwrap_or_default(),
            left,
            // If it fits once what is in flight turns out cheaper than reserved, that need not take until tomorrow.
            retry_after: retry_after
                .filter(|_| !limit.is_budget() || left <= 0.0 || nano_usd(left) < wanted.nano_usd),
        }
    }
}

impl Permit {
    /// What the request really used; what was reserved is replaced. To be called once; later calls add.
    pub fn settle(&mut self, used: &Used, now: Instant, wall: SystemTime) {
        let reserved = std::mem::take(&mut self.reserved);
        for counter in &self.counters {
            lock(counter).settle(&reserved, used, now, wall, &self.zone);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        for counter in &self.counters {
            let mut counter = lock(counter);
            counter.release(&self.reserved);
            counter.leave();
        }
    }
}

/// Locks, whether or not a thread died holding it: no update here can be seen half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
