//! Which account gets the next attempt.
//!
//! Candidates are the accounts of a pool that may serve at all (model, dialect, not tried, weight). With a session they
//! are ranked by priority and rendezvous, and the first one that takes the request wins. Without a session the pool's
//! strategy chooses within the best priority that has a usable account. Nothing here waits.
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use super::Pool;
use super::affinity;
use super::exceptions::{Plan, Wish};
use super::exhausted::{Excluded, Exclusions, Exhausted};
use super::lease::{Booking, Lease, LeaseTarget};
use super::level::Level;
use super::live::{EndpointLive, Load};
use super::roster::Slot;
use super::spare;
use super::strategy::{self, Candidate};
use super::want::{Pick, Tried, Want};
use crate::config::Select;
use crate::outcome::Affinity;
use crate::protocol::UpstreamDialect;

impl Pool {
    /// Chooses an account and occupies it. Follows fallback pools when every account of the wanted pool is excluded.
    pub fn pick(&self, want: &Want<'_>, now: Instant) -> Result<Pick, Exhausted> {
        let mut excluded = Exclusions::new();
        for pool in self.chain(want) {
            if want.prefers.is_some() {
                let before = excluded.len();
                let preferred = Want {
                    dialect: want.prefers,
                    ..*want
                };
                if let Some(pick) = self.pick_in(pool, &preferred, now, &mut excluded) {
                    return Ok(pick);
                }
                let mut added = excluded.iter().skip(before);
                if added.any(|(_, why)| matches!(why, Excluded::Easing { .. })) {
                    // A short wait for one of these accounts is better than an account that is not preferred.
                    continue;
                }
                // The search below considers these accounts again and records their reasons again.
                excluded.truncate(before);
            }
            if let Some(pick) = self.pick_in(pool, want, now, &mut excluded) {
                return Ok(pick);
            }
        }
        // The caller waits for a full ramp instead.
        let eases = |(_, why): &(usize, Excluded)| matches!(why, Excluded::Easing { .. });
        if !excluded.iter().any(eases)
            && let Some(pick) = spare::pick(self, want, &self.spared, now)
        {
            return Ok(pick);
        }
        Err(Exhausted::new(&excluded, |account| {
            Some(Arc::clone(&self.slots.get(account)?.account.name))
        }))
    }

    /// The wanted pool and its fallbacks, as far as the client key may use them.
    pub(super) fn chain<'a>(&'a self, want: &'a Want<'_>) -> impl Iterator<Item = usize> + 'a {
        let pools = &self.pools;
        let next = |pool: &usize| pools.get(*pool).and_then(|pool| pool.fallback);
        std::iter::successors(Some(want.pool), next)
            .take(pools.len())
            .take_while(|pool| {
                *pool == want.pool || want.pools.is_none_or(|allowed| allowed.contains(pool))
            })
    }

    fn pick_in(
        &self,
        pool: usize,
        want: &Want<'_>,
        now: Instant,
        excluded: &mut Exclusions,
    ) -> Option<Pick> {
        let mut candidates = self.candidates(pool, want, excluded);
        if candidates.is_empty() {
            return None;
        }
        let plan = self.plan(pool, want, &mut candidates, now);
        let levels = [Level::Fresh, Level::Usable, Level::Insist];
        for level in levels.into_iter().take(if want.insist { 3 } else { 2 }) {
            let picked = match &plan {
                Some(plan) => self.first_in_order(plan, &mut candidates, want, level, now),
                None => self.by_strategy(pool, &mut candidates, want, level, now),
            };
            if let Some((chosen, pick)) = picked {
                let affinity =
                    plan.and_then(|plan| self.settle_affinity(&plan, &candidates, chosen, now));
                let affinity = affinity.map(|result| {
                    if pool == want.pool {
                        result
                    } else {
                        Affinity::Detour
                    }
                });
                return Some(Pick {
                    affinity,
                    pool,
                    ..pick
                });
            }
        }
        excluded.extend(
            candidates
                .iter()
                .map(|candidate| (candidate.account(), candidate.out())),
        );
        None
    }

    /// The accounts of a pool that may serve the request by configuration; live state is not considered.
    pub(super) fn candidates(
        &self,
        pool: usize,
        want: &Want<'_>,
        excluded: &mut Exclusions,
    ) -> SmallVec<[Candidate; 8]> {
        let mut candidates = SmallVec::new();
        let by_price = self
            .pools
            .get(pool)
            .is_some_and(|pool| pool.select == Select::Cheapest);
        let members = self
            .rosters
            .get(pool)
            .map_or(&[][..], |roster| &roster.members);
        for (place, member) in members.iter().enumerate() {
            let Some(slot) = self.slots.get(*member) else {
                continue;
            };
            let why_not = match want.account {
                Some(name) if *slot.account.name != *name => Some(Excluded::Unasked),
                None if slot.account.weight == 0 => Some(Excluded::Unasked),
                _ if !want.model.is_empty() && !slot.models.serves(want.model) => {
                    Some(Excluded::Model)
                }
                _ if want
                    .dialect
                    .is_some_and(|dialect| !slot.account.dialects.contains(&dialect))
                    || cannot_express(slot, want) =>
                {
                    Some(Excluded::Dialect)
                }
                _ => None,
            };
            if let Some(why) = why_not {
                excluded.push((*member, why));
            } else {
                let mut candidate = Candidate::new(place, *member, slot);
                if by_price {
                    candidate.price(want.cost(slot.models.upstream_str(want.model)));
                }
                candidates.push(candidate);
            }
        }
        candidates
    }

    fn first_in_order(
        &self,
        plan: &Plan,
        candidates: &mut [Candidate],
        want: &Want<'_>,
        level: Level,
        now: Instant,
    ) -> Option<(usize, Pick)> {
        let mut switched = false;
        for at in plan.order() {
            let Some(candidate) = candidates.get_mut(at) else {
                continue;
            };
            match self.admit(candidate.account(), want, level, switched, now) {
                Ok(pick) => return Some((at, pick)),
                Err(why) => {
                    switched |= why.is_switch();
                    candidate.refuse(why);
                }
            }
        }
        None
    }

    fn by_strategy(
        &self,
        pool: usize,
        candidates: &mut [Candidate],
        want: &Want<'_>,
        level: Level,
        now: Instant,
    ) -> Option<(usize, Pick)> {
        let roster = self.rosters.get(pool)?;
        let select = self.pools.get(pool)?.select;
        let mut draw = want.draw;
        let mut switched = false;
        let mut from = 0;
        while from < candidates.len() {
            let tier = candidates.get(from)?.priority();
            let to = from
                + candidates
                    .iter()
                    .skip(from)
                    .take_while(|candidate| candidate.priority() == tier)
                    .count();
            let mut usable: SmallVec<[usize; 8]> = SmallVec::new();
            for at in from..to {
                let Some(candidate) = candidates.get_mut(at) else {
                    continue;
                };
                match self.check(candidate, want, level, now) {
                    Ok(()) => usable.push(at),
                    Err(why) => {
                        switched |= why.is_switch();
                        candidate.refuse(why);
                    }
                }
            }
            while let Some(place) = strategy::choose(select, roster, candidates, &usable, draw) {
                let at = usable.remove(place);
                let candidate = candidates.get_mut(at)?;
                match self.admit(candidate.account(), want, level, switched, now) {
                    Ok(pick) => return Some((at, pick)),
                    Err(why) => candidate.refuse(why),
                }
                draw = affinity::mix(draw);
            }
            from = to;
        }
        None
    }

    /// Whether a candidate would take the request. Records what the strategies compare.
    pub(super) fn check(
        &self,
        candidate: &mut Candidate,
        want: &Want<'_>,
        level: Level,
        now: Instant,
    ) -> Result<(), Excluded> {
        let slot = self.slots.get(candidate.account()).ok_or(Excluded::Model)?;
        let ready = slot.live.check(&load(slot, want, level), now)?;
        slot.endpoint(want, level, now)?;
        candidate.note(&ready, slot);
        Ok(())
    }

    pub(super) fn admit(
        &self,
        account: usize,
        want: &Want<'_>,
        level: Level,
        switched: bool,
        now: Instant,
    ) -> Result<Pick, Excluded> {
        let slot = self.slots.get(account).ok_or(Excluded::Model)?;
        let endpoint = slot.endpoint(want, level, now);
        // A reason that concerns the account comes before one that concerns the endpoint, because it lasts longer.
        let endpoint = match endpoint {
            Ok(endpoint) => endpoint,
            Err(why) => {
                return Err(slot
                    .live
                    .check(&load(slot, want, level), now)
                    .err()
                    .unwrap_or(why));
            }
        };
        let model = slot.models.upstream(want.model);
        let load = load(slot, want, level);
        let passes = slot.live.admit(&load, now, switched)?;
        let live = slot.endpoints.get(endpoint).ok_or(Excluded::Model)?;
        let endpoint_pass = live
            .admit(level, now)
            .inspect_err(|_| slot.live.undo(&load, passes, now))?;
        let target = LeaseTarget {
            account: Arc::clone(&slot.live),
            endpoint: Arc::clone(live),
            class: want.class(&model).into(),
            is_vendor_call: want.vendor_family.is_some(),
            generation: self.generation,
        };
        let booking = Booking {
            passes,
            endpoint_pass,
            reserved: want.tokens,
            repeats: self.has_failed_at(live, want),
            spared: level == Level::Spare,
        };
        let lease = Lease::booked(target, booking, now);
        Ok(Pick {
            lease,
            account: Arc::clone(&slot.account),
            endpoint,
            model,
            affinity: None,
            pool: want.pool,
        })
    }

    /// Whether this request has failed at an endpoint before, under any account.
    fn has_failed_at(&self, endpoint: &Arc<EndpointLive>, want: &Want<'_>) -> bool {
        let same = |tried: &Tried| self.endpoint(tried.account, tried.endpoint?);
        let mut failed = want.tried.iter().filter_map(same);
        failed.any(|failed| Arc::ptr_eq(failed, endpoint))
    }

    /// Ranks the candidates for a session or a bound response; `None` when the strategy alone decides.
    pub(super) fn plan(
        &self,
        pool: usize,
        want: &Want<'_>,
        candidates: &mut [Candidate],
        now: Instant,
    ) -> Option<Plan> {
        let select = self.pools.get(pool)?.select;
        let bound = want
            .previous_response
            .and_then(|id| self.responses.account(id, now));
        if let Some(session) = want.session
            && select != Select::Failover
        {
            for candidate in candidates.iter_mut() {
                candidate.near(session, select == Select::RoundRobin);
            }
            candidates.sort_by(Candidate::before);
        }
        let bound = bound.and_then(|hash| {
            candidates
                .iter()
                .position(|candidate| candidate.hash() == hash)
        });
        if bound.is_none() && want.session.is_none() {
            return None;
        }
        let sticks = select != Select::Failover;
        let wish = Wish {
            pool: self.rosters.get(pool)?.hash,
            session: want.session,
            bound,
            ranked: sticks,
        };
        Some(self.exceptions.plan(wish, candidates, now))
    }

    fn settle_affinity(
        &self,
        plan: &Plan,
        candidates: &[Candidate],
        chosen: usize,
        now: Instant,
    ) -> Option<Affinity> {
        let account = candidates.get(chosen)?.hash();
        Some(self.exceptions.settle(plan, chosen, account, now))
    }
}

/// Whether no dialect of the account can express the request.
fn cannot_express(slot: &Slot, want: &Want<'_>) -> bool {
    if want.inexpressible.is_empty() {
        return false;
    }
    let model = slot.models.upstream_str(want.model);
    let excluded = |dialect: UpstreamDialect| {
        want.inexpressible
            .iter()
            .any(|known| known.covers(dialect, model))
    };
    slot.account
        .dialects
        .iter()
        .all(|dialect| excluded(*dialect))
}

fn load<'a>(slot: &'a Slot, want: &'a Want<'_>, level: Level) -> Load<'a> {
    Load {
        class: want.class(slot.models.upstream_str(want.model)),
        tokens: want.tokens,
        // Most tokens of a session come from its prompt cache, and providers do not count those. A move to another
        // account because of them would lose the very cache that affinity keeps.
        uncached: if want.session.is_some() {
            0
        } else {
            want.tokens
        },
        limits: &slot.account.limits,
        level,
    }
}
