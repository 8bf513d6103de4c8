//! Picks an account for a call that costs nothing there: counting tokens, which providers limit separately.
//!
//! The account is chosen like any other, so that the tokens are counted by the account that would serve. But the call
//! occupies nothing in its limits and waits for no ramp, and its outcome does not count for or against the account.
use std::sync::Arc;
use std::time::Instant;

use super::Pool;
use super::exhausted::Exclusions;
use super::lease::{Lease, LeaseTarget};
use super::level::Level;
use super::live::Load;
use super::roster::Slot;
use super::strategy::{self, Candidate};
use super::want::{Pick, Want};
use crate::config::{Account, AccountLimits, Select};

impl Pool {
    /// The account that would serve, among those that are not out. `None` = every account is out.
    pub fn pick_unbooked(&self, want: &Want<'_>, now: Instant) -> Option<Pick> {
        self.chain(want).find_map(|pool| {
            let preferred = want.prefers.and_then(|_| {
                let preferred = Want {
                    dialect: want.prefers,
                    ..*want
                };
                self.unbooked_in(pool, &preferred, now)
            });
            preferred.or_else(|| self.unbooked_in(pool, want, now))
        })
    }

    /// An account that would serve if none were out, and its name for the model. `None` = no account serves the
    /// request.
    pub fn serves(&self, want: &Want<'_>) -> Option<(Arc<Account>, Arc<str>)> {
        let first = |pool: usize, want: &Want<'_>| {
            let candidates = self.candidates(pool, want, &mut Exclusions::new());
            let slot = self.slots.get(candidates.first()?.account())?;
            Some((Arc::clone(&slot.account), slot.models.upstream(want.model)))
        };
        let preferred = Want {
            dialect: want.prefers.or(want.dialect),
            ..*want
        };
        self.chain(want)
            .find_map(|pool| first(pool, &preferred).or_else(|| first(pool, want)))
    }

    fn unbooked_in(&self, pool: usize, want: &Want<'_>, now: Instant) -> Option<Pick> {
        let mut candidates = self.candidates(pool, want, &mut Exclusions::new());
        if let Some(plan) = self.plan(pool, want, &mut candidates, now) {
            let mut order = plan.order();
            return order.find_map(|at| self.unbooked(pool, candidates.get(at)?, want, now));
        }
        let select = match self.pools.get(pool)?.select {
            select @ (Select::Failover | Select::LeastBusy) => select,
            // These choose at random here: this call must not shift the turns of real requests.
            Select::Cheapest | Select::Random | Select::RoundRobin | Select::Weighted => {
                Select::Random
            }
        };
        let roster = self.rosters.get(pool)?;
        let mut left: Vec<usize> = (0..candidates.len()).collect();
        while let Some(first) = left.first().and_then(|at| candidates.get(*at)) {
            let tier = first.priority();
            let same = |at: &usize| {
                candidates
                    .get(*at)
                    .is_some_and(|one| one.priority() == tier)
            };
            let usable: Vec<usize> = left.iter().copied().filter(same).collect();
            let place = strategy::choose(select, roster, &candidates, &usable, want.draw)?;
            let chosen = *usable.get(place)?;
            if let Some(pick) = self.unbooked(pool, candidates.get(chosen)?, want, now) {
                return Some(pick);
            }
            left.retain(|at| *at != chosen);
        }
        None
    }

    fn unbooked(
        &self,
        pool: usize,
        candidate: &Candidate,
        want: &Want<'_>,
        now: Instant,
    ) -> Option<Pick> {
        let slot = self.slots.get(candidate.account())?;
        slot.live.check(&load(slot, want), now).ok()?;
        let endpoint = slot.endpoint(want, Level::Insist, now).ok()?;
        let model = slot.models.upstream(want.model);
        let target = LeaseTarget {
            account: Arc::clone(&slot.live),
            endpoint: Arc::clone(slot.endpoints.get(endpoint)?),
            class: want.class(&model).into(),
            is_vendor_call: want.vendor_family.is_some(),
            generation: self.generation,
        };
        Some(Pick {
            lease: Lease::unbooked(target, now),
            account: Arc::clone(&slot.account),
            endpoint,
            model,
            affinity: None,
            pool,
        })
    }
}

fn load<'a>(slot: &'a Slot, want: &'a Want<'_>) -> Load<'a> {
    const NONE: &AccountLimits = &AccountLimits {
        concurrency: None,
        rpm: None,
        tpm: None,
    };
    Load {
        class: want.class(slot.models.upstream_str(want.model)),
        tokens: 0,
        uncached: 0,
        limits: NONE,
        level: Level::Insist,
    }
}
