//! The strategies: each chooses one of several usable candidates.
use std::cmp::Ordering;

use super::affinity::{self, Session};
use super::exhausted::Excluded;
use super::live::Ready;
use super::memory::lock;
use super::roster::{Roster, Slot};
use crate::config::Select;

/// An account that may serve a request, with what the strategies compare.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Position in the roster.
    place: usize,
    /// Position in the configuration.
    account: usize,
    hash: u64,
    weight: u32,
    priority: i32,
    /// The distance from the session; 0 without one.
    distance: f64,
    /// The weight, reduced as one of the account's windows comes near its end.
    effective: f64,
    /// The probable cost of the request there in USD; 0 where the pool does not choose by price.
    cost: f64,
    in_flight: u32,
    first_byte: Option<f64>,
    /// Why the account did not take the request, once it was tried.
    out: Excluded,
}

impl Candidate {
    pub(super) fn new(place: usize, account: usize, slot: &Slot) -> Self {
        let config = &slot.account;
        Self {
            place,
            account,
            hash: slot.live.hash(),
            weight: config.weight,
            priority: config.priority,
            distance: 0.0,
            effective: f64::from(config.weight.max(1)),
            cost: 0.0,
            in_flight: 0,
            first_byte: None,
            out: Excluded::Unasked,
        }
    }

    /// Position in the configuration.
    pub(super) fn account(&self) -> usize {
        self.account
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn priority(&self) -> i32 {
        self.priority
    }

    /// Why the candidate did not take the request.
    pub(super) fn out(&self) -> Excluded {
        self.out
    }

    /// Records that the candidate did not take the request.
    pub(super) fn refuse(&mut self, why: Excluded) {
        self.out = why;
    }

    /// Sets the probable cost of the request there, in USD.
    pub(super) fn price(&mut self, cost: f64) {
        self.cost = cost;
    }

    /// Sets the distance to a session: by the candidate's weight, or `equally` for all.
    pub(super) fn near(&mut self, session: Session, equally: bool) {
        let weight = if equally {
            1.0
        } else {
            f64::from(self.weight.max(1))
        };
        self.distance = affinity::distance(session, self.hash, weight);
    }

    /// The order in which a session tries two candidates.
    pub(super) fn before(&self, other: &Self) -> Ordering {
        let priority = self.priority.cmp(&other.priority);
        priority
            .then(self.cost.total_cmp(&other.cost))
            .then(self.distance.total_cmp(&other.distance))
    }

    /// The weight as the strategies use it.
    pub(super) fn effective(&self) -> f64 {
        self.effective
    }

    pub(super) fn note(&mut self, ready: &Ready, slot: &Slot) {
        self.effective = f64::from(self.weight.max(1)) * ready.standing.factor;
        self.in_flight = slot.in_flight();
        self.first_byte = ready.first_byte;
    }

    /// How busy the candidate would be with one more request, per weight.
    fn load(&self) -> f64 {
        (f64::from(self.in_flight) + 1.0) / self.effective
    }
}

/// The candidate to take among `usable` (positions in `candidates`, all of one priority). Returns a position in
/// `usable`.
pub(super) fn choose(
    select: Select,
    roster: &Roster,
    candidates: &[Candidate],
    usable: &[usize],
    draw: u64,
) -> Option<usize> {
    let candidate = |place: usize| usable.get(place).and_then(|at| candidates.get(*at));
    let places = || (0..usable.len()).filter_map(|place| Some((place, candidate(place)?)));
    match select {
        Select::Cheapest => {
            let least = places()
                .map(|(_, candidate)| candidate.cost)
                .min_by(f64::total_cmp)?;
            let cheapest = places().filter(|(_, candidate)| candidate.cost <= least);
            smooth(
                roster,
                cheapest.map(|(place, candidate)| {
                    (place, candidate.place, scaled(candidate.effective))
                }),
            )
        }
        Select::Failover => (!usable.is_empty()).then_some(0),
        Select::LeastBusy => places()
            .min_by(|(_, a), (_, b)| {
                let speed = |candidate: &Candidate| candidate.first_byte.unwrap_or(0.0);
                a.load()
                    .total_cmp(&b.load())
                    .then(speed(a).total_cmp(&speed(b)))
            })
            .map(|(place, _)| place),
        Select::Random => {
            let total: f64 = places().map(|(_, candidate)| candidate.effective).sum();
            let mut left = affinity::unit(draw) * total;
            let hit = places().find(|(_, candidate)| {
                left -= candidate.effective;
                left < 0.0
            });
            hit.or_else(|| places().next_back()).map(|(place, _)| place)
        }
        Select::RoundRobin => smooth(
            roster,
            places().map(|(place, candidate)| (place, candidate.place, 1)),
        ),
        Select::Weighted => smooth(
            roster,
            places()
                .map(|(place, candidate)| (place, candidate.place, scaled(candidate.effective))),
        ),
    }
}

/// Smooth weighted round robin: every candidate gains its weight; the one with the most credit is taken and pays the
/// sum of all weights.
fn smooth(roster: &Roster, candidates: impl Iterator<Item = (usize, usize, i64)>) -> Option<usize> {
    let mut credits = lock(&roster.credits);
    let mut total = 0;
    let mut best: Option<(usize, usize, i64)> = None;
    for (place, member, weight) in candidates {
        let Some(credit) = credits.get_mut(member) else {
            continue;
        };
        *credit += weight;
        total += weight;
        if best.is_none_or(|(_, _, most)| *credit > most) {
            best = Some((place, member, *credit));
        }
    }
    let (place, member, _) = best?;
    if let Some(credit) = credits.get_mut(member) {
        *credit -= total;
    }
    Some(place)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a weight of 32 bits, scaled, fits 64 by far"
)]
fn scaled(weight: f64) -> i64 {
    ((weight * SCALE) as i64).max(1)
}

/// Steps per unit of weight, so that windows can reduce a weight in small steps.
const SCALE: f64 = 256.0;
