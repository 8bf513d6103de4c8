//! What one key, one group or everyone has used, and whether one more request fits.
use std::time::{Duration, Instant, SystemTime};

use jiff::tz::TimeZone;

use super::handed::Handed;
use super::refusal::Standing;
use super::remote::{Elsewhere, Remote};
use super::spend::{Spend, Totals, Windows};
use super::tally::{Collected, UnderWay};
use super::whom::Used;
use super::window::Minute;
use crate::moment::Moment;
use crate::outcome::{Caps, Limit, Span, Unit};

/// The counters behind one set of caps. Callers hold the lock.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    /// By [`Unit`]: requests and tokens. Money is limited by the day and longer only.
    minutes: [Minute; 2],
    /// By this process alone.
    spend: Spend,
    remote: Remote,
    /// By this process since it began.
    ever: Totals,
    in_flight: u32,
    /// By [`Unit`]: what is reserved by requests that are not settled yet.
    reserved: [u64; Unit::ALL.len()],
    /// The same of requests that were let in without a look at the counter.
    tallied: UnderWay,
    /// The same of a process that this one follows and that has not ended yet.
    leaving: (u32, [u64; Unit::ALL.len()]),
    /// Where days begin.
    zone: TimeZone,
}

/// What is reserved for a request, and since when; nothing once it is settled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reserved(Option<(Instant, Used)>);

impl Reserved {
    /// So much, from `at` on.
    pub fn new(estimate: Used, at: Instant) -> Self {
        Self(Some((at, estimate)))
    }

    /// How much of that.
    pub fn of(&self, unit: Unit) -> u64 {
        self.0.map_or(0, |(_, estimate)| estimate.of(unit))
    }
}

impl Counter {
    /// Nothing is used yet; days begin in `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Self {
            minutes: Default::default(),
            spend: Spend::default(),
            remote: Remote::default(),
            ever: Totals::default(),
            in_flight: 0,
            reserved: [0; Unit::ALL.len()],
            tallied: UnderWay::default(),
            leaving: (0, [0; Unit::ALL.len()]),
            zone,
        }
    }

    /// The limit in the way of one more request, and when it is out of it; `None` = it fits.
    pub fn in_the_way(
        &mut self,
        caps: &Caps,
        wanted: &Reserved,
        at: Moment,
    ) -> Option<(Limit, Option<Duration>)> {
        for limit in Limit::ALL {
            let (Some(most), unit) = (caps.of(limit), limit.unit()) else {
                continue;
            };
            let amount = wanted.of(unit);
            let wait = match limit.span() {
                Span::Now if self.at_once() >= most => None,
                Span::Now => continue,
                Span::Minute => {
                    let minute = self.minutes.get_mut(unit as usize);
                    let wait = minute.map(|minute| minute.wait(at.now, most, amount.max(1)));
                    match wait {
                        Some(wait) if !wait.is_zero() => Some(wait),
                        _ => continue,
                    }
                }
                // What is spent to the last cent is spent. A request that alone exceeds the rest is refused even when
                // nothing is spent yet: else the first of every day could be as dear as it likes.
                span @ (Span::Day | Span::Month) => {
                    let spent = self.windows(at.wall).of(span).of(unit);
                    let reserved = [
                        self.reserved[unit as usize],
                        self.tallied.reserved[unit as usize],
                        self.leaving.1[unit as usize],
                    ];
                    let committed = reserved.into_iter().fold(spent, u64::saturating_add);
                    if committed < most && committed.saturating_add(amount) <= most {
                        continue;
                    }
                    Some(self.spend.until_end(span, at.wall))
                }
            };
            return Some((limit, wait));
        }
        None
    }

    /// Takes a request in.
    pub fn charge(&mut self, reserve: &Reserved, now: Instant) {
        self.in_flight += 1;
        for unit in Unit::ALL {
            let amount = reserve.of(unit);
            if let Some(minute) = self.minutes.get_mut(unit as usize) {
                minute.add(now, amount);
            }
            let reserved = &mut self.reserved[unit as usize];
            *reserved = reserved.saturating_add(amount);
        }
    }

    /// Replaces what was reserved by what was used.
    pub fn settle(&mut self, reserved: &Reserved, used: &Used, at: Moment) {
        let totals = used.totals();
        for unit in Unit::ALL {
            let (amount, reserve) = (totals.of(unit), reserved.of(unit));
            self.give_back(unit, reserve);
            let Some(minute) = self.minutes.get_mut(unit as usize) else {
                continue;
            };
            match reserved.0 {
                // Requests are counted when they come, not when they end.
                _ if unit == Unit::Requests => {}
                Some((since, _)) if amount < reserve => {
                    minute.take_back(since, at.now, reserve - amount);
                }
                _ => minute.add(at.now, amount.saturating_sub(reserve)),
            }
        }
        self.add(&totals, at.wall);
    }

    /// Gives back what was reserved for a request that was never settled. That it came still counts.
    pub fn release(&mut self, reserved: &Reserved) {
        let Some((at, _)) = reserved.0 else { return };
        for unit in Unit::ALL {
            let reserve = reserved.of(unit);
            self.give_back(unit, reserve);
            let minute = self.minutes.get_mut(unit as usize);
            if let Some(minute) = minute.filter(|_| unit != Unit::Requests) {
                minute.take_back(at, at, reserve);
            }
        }
    }

    /// Reserves so many billionths of a dollar beside the requests.
    pub fn hold(&mut self, nano_usd: u64) {
        let reserved = &mut self.reserved[Unit::NanoUsd as usize];
        *reserved = reserved.saturating_add(nano_usd);
    }

    /// Gives back what was reserved by [`Self::hold`].
    pub fn let_go(&mut self, nano_usd: u64) {
        self.give_back(Unit::NanoUsd, nano_usd);
    }

    fn give_back(&mut self, unit: Unit, amount: u64) {
        let reserved = &mut self.reserved[unit as usize];
        *reserved = reserved.saturating_sub(amount);
    }

    /// The request is over.
    pub fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The totals of today and of this month, wherever they were used.
    pub fn windows(&mut self, wall: SystemTime) -> Windows {
        self.remote.roll(wall, &self.zone);
        let mut windows = self.own(wall);
        windows.day.add(&self.remote.day());
        windows.month.add(&self.remote.month());
        windows
    }

    /// The part of [`Self::windows`] that this process used.
    pub fn own(&mut self, wall: SystemTime) -> Windows {
        self.spend.roll(wall, &self.zone);
        Windows {
            day: self.spend.day,
            month: self.spend.month,
        }
    }

    /// What this process used since it began.
    pub const fn ever(&self) -> &Totals {
        &self.ever
    }

    /// Adds what is known from before a restart.
    pub fn restore(&mut self, day: &Totals, month: &Totals, wall: SystemTime) {
        self.remote.restore(day, month, wall, &self.zone);
    }

    /// What a process that follows has to know, and what was used since this one began.
    pub fn memo(&mut self, at: Moment) -> (Handed, Totals) {
        let own = self.own(at.wall);
        self.remote.roll(at.wall, &self.zone);
        let mut windows = self.remote.here();
        windows.day.add(&own.day);
        windows.month.add(&own.month);
        let [requests, tokens] = &mut self.minutes;
        let handed = Handed {
            day: windows.day.figures(),
            month: windows.month.figures(),
            day_units: windows.day.usage.units.figures(),
            month_units: windows.month.usage.units.figures(),
            minute: (requests.sum(at.now), tokens.sum(at.now)),
            in_flight: self.in_flight_here(),
            reserved: self.reserved_here(),
            ..Handed::default()
        };
        (handed, self.ever)
    }

    /// Takes over what the process before knows; `first` tells everything, what follows is added.
    pub fn recall(&mut self, memo: &Handed, first: bool, at: Moment) {
        let day = Totals::of_figures(memo.day, memo.day_units);
        let month = Totals::of_figures(memo.month, memo.month_units);
        if first {
            self.remote.take_over(&day, &month, at.wall, &self.zone);
            self.minutes[Unit::Requests as usize].add(at.now, memo.minute.0);
            self.minutes[Unit::Tokens as usize].add(at.now, memo.minute.1);
        } else {
            self.remote.restore(&day, &month, at.wall, &self.zone);
        }
        self.leaving = (memo.in_flight, memo.reserved);
    }

    /// The process before has ended: nothing is in flight there any more.
    pub fn alone(&mut self) {
        self.leaving = (0, [0; Unit::ALL.len()]);
    }

    fn at_once(&self) -> u64 {
        u64::from(self.in_flight_here()) + u64::from(self.leaving.0)
    }

    fn in_flight_here(&self) -> u32 {
        let tallied = u32::try_from(self.tallied.requests).unwrap_or(u32::MAX);
        self.in_flight.saturating_add(tallied)
    }

    fn reserved_here(&self) -> [u64; Unit::ALL.len()] {
        let mut sums = self.reserved;
        for (sum, tallied) in sums.iter_mut().zip(self.tallied.reserved) {
            *sum = sum.saturating_add(tallied);
        }
        sums
    }

    /// Takes over what was counted without the lock. To be called before anything else is asked or done.
    pub fn collect(&mut self, collected: &Collected) {
        self.spend.add(&collected.today, &collected.today);
        self.spend.add_late(&collected.before);
        self.ever.add(&collected.today);
        self.ever.add(&collected.before);
        self.tallied = collected.under_way;
    }

    /// When the day began and when it ends, in seconds since the epoch.
    pub fn day(&self) -> Option<(u64, u64)> {
        self.spend.day_span()
    }

    /// Where days begin from now on.
    pub fn set_zone(&mut self, zone: &TimeZone) {
        self.zone = zone.clone();
    }

    /// As [`Self::settle`], of a request that was let in without a look at the counter.
    pub fn add(&mut self, totals: &Totals, wall: SystemTime) {
        self.spend.roll(wall, &self.zone);
        self.spend.add(totals, totals);
        self.ever.add(totals);
    }

    /// A copy that goes its own way: what is under way elsewhere is under way in it for ever.
    pub fn copy(&self) -> Self {
        Self {
            in_flight: self.in_flight_here(),
            reserved: self.reserved_here(),
            tallied: UnderWay::default(),
            ..self.clone()
        }
    }

    /// Takes over what was used elsewhere, as it was known `at` that time. Tokens count from when they are known.
    pub fn learn(&mut self, elsewhere: &Elsewhere, at: SystemTime, now: Instant) {
        self.remote.learn(elsewhere, at, &self.zone);
        self.minutes[Unit::Tokens as usize].add(now, elsewhere.tokens);
    }

    /// How every cap stands.
    pub fn standings(&mut self, caps: &Caps, at: Moment) -> impl Iterator<Item = Standing> + use<> {
        let standing = |limit| self.standing(limit, caps, at);
        Limit::ALL.map(standing).into_iter().flatten()
    }

    /// How one limit stands; `None` = there is none.
    pub fn standing(&mut self, limit: Limit, caps: &Caps, at: Moment) -> Option<Standing> {
        let most = caps.of(limit)?;
        let (unit, span) = (limit.unit(), limit.span());
        let (used, resets_in) = match span {
            Span::Now => (self.at_once(), Duration::ZERO),
            Span::Minute => {
                let minute = self.minutes.get_mut(unit as usize)?;
                (minute.sum(at.now), minute.until_empty(at.now))
            }
            Span::Day | Span::Month => {
                let windows = self.windows(at.wall);
                let resets_in = self.spend.until_end(span, at.wall);
                (windows.of(span).of(unit), resets_in)
            }
        };
        Some(Standing {
            limit,
            cap: most as f64 / unit.scale(),
            used: used as f64 / unit.scale(),
            remaining: most.saturating_sub(used) as f64 / unit.scale(),
            resets_in,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_of_a_minute_has_a_window_of_its_own() {
        for limit in Limit::ALL {
            let has_one = (limit.unit() as usize) < Counter::new(TimeZone::UTC).minutes.len();
            assert!(has_one || limit.span() != Span::Minute, "{limit:?}");
        }
    }
}
