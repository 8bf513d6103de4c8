//! What would happen to a request: the same choice as for a real request, without occupying anything.
use std::sync::Arc;
use std::time::Instant;

use super::Pool;
use super::exhausted::{Excluded, Exclusions};
use super::level::Level;
use super::want::Want;

/// An account as a request would find it.
#[derive(Clone, Debug)]
pub struct Considered {
    /// Position in [`crate::config::Config::pools`].
    pub pool: usize,
    pub account: Arc<str>,
    pub priority: i32,
    /// The weight as the strategy would use it; it shrinks as one of the account's windows comes near its end.
    pub weight: f64,
    /// Why the account would not serve. [`Excluded::Spent`] only puts it behind the others.
    pub out: Option<Excluded>,
}

/// What an account currently uses of its own limits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Used {
    pub in_flight: u32,
    /// Requests in the last minute.
    pub requests: u64,
    /// Tokens in the last minute.
    pub tokens: u64,
}

impl Pool {
    /// The use of the account at this position of [`crate::config::Config::accounts`].
    pub fn used(&self, account: usize, now: Instant) -> Option<Used> {
        let slot = self.slots.get(account)?;
        let (requests, tokens) = slot.live.state().minute(now);
        Some(Used {
            in_flight: slot.in_flight(),
            requests,
            tokens,
        })
    }

    /// Every account of the wanted pool and its fallbacks, in the order in which the request would try them. In each
    /// pool, accounts that are excluded come last. Without a session, accounts of one priority share the traffic by
    /// weight.
    pub fn explain(&self, want: &Want<'_>, now: Instant) -> Vec<Considered> {
        let mut all = Vec::new();
        for pool in self.chain(want) {
            let mut excluded = Exclusions::new();
            let mut candidates = self.candidates(pool, want, &mut excluded);
            let plan = self.plan(pool, want, &mut candidates, now);
            let order: Vec<usize> = match &plan {
                Some(plan) => plan.order().collect(),
                None => (0..candidates.len()).collect(),
            };
            let mut considered: Vec<(usize, Considered)> = Vec::new();
            for at in order {
                let Some(candidate) = candidates.get_mut(at) else {
                    continue;
                };
                let fresh = self.check(candidate, want, Level::Fresh, now).err();
                let usable = self.check(candidate, want, Level::Usable, now).err();
                considered.extend(self.considered(
                    pool,
                    candidate.account(),
                    candidate.effective(),
                    usable.or(fresh),
                ));
            }
            for (account, why) in excluded {
                considered.extend(self.considered(pool, account, 0.0, Some(why)));
            }
            considered.sort_by_key(|(account, considered)| match considered.out {
                None => (0, !self.is_preferred(*account, want), 0),
                Some(Excluded::Spent) => (0, !self.is_preferred(*account, want), 1),
                Some(_) => (1, false, 0),
            });
            all.extend(considered.into_iter().map(|(_, considered)| considered));
        }
        all
    }

    fn is_preferred(&self, account: usize, want: &Want<'_>) -> bool {
        want.prefers.is_none_or(|dialect| {
            let slot = self.slots.get(account);
            slot.is_some_and(|slot| slot.account.dialects.contains(&dialect))
        })
    }

    /// Adds the account's position.
    fn considered(
        &self,
        pool: usize,
        account: usize,
        weight: f64,
        out: Option<Excluded>,
    ) -> Option<(usize, Considered)> {
        let known = &self.slots.get(account)?.account;
        let considered = Considered {
            pool,
            account: Arc::clone(&known.name),
            priority: known.priority,
            weight,
            out,
        };
        Some((account, considered))
    }
}
