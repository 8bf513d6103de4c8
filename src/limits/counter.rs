//! What one key, group, project or everyone has used, and whether one more request fits.
use std::time::{Duration, Instant, SystemTime};

use jiff::tz::TimeZone;

use super::handed::Handed;
use super::refusal::Standing;
use super::remote::{ExternalSpend, Remote};
use super::spend::{Spend, Totals, Windows};
use super::subject::Used;
use super::tally::{Collected, UnderWay};
use super::window::Minute;
use crate::moment::Moment;
use crate::outcome::{Caps, Limit, Span, Unit};

/// The counters behind one set of caps. Callers hold the lock.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    /// Use in the last minute by [`Unit`]: requests and tokens. Money has no limit per minute.
    minutes: [Minute; 2],
    /// The use by this process alone, today and this month.
    spend: Spend,
    remote: Remote,
    /// The use by this process since it began.
    ever: Totals,
    in_flight: u32,
    /// Reserved amounts of requests that are not settled yet, by [`Unit`].
    reserved: [u64; Unit::ALL.len()],
    /// Requests that were admitted without the lock, and their reserved amounts.
    tallied: UnderWay,
    /// Requests in flight and reserved amounts of the previous process, until that process has ended.
    leaving: (u32, [u64; Unit::ALL.len()]),
    /// The time zone whose midnight begins a day.
    zone: TimeZone,
}

/// What is reserved for a request, and since when. Empty once the request is settled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reserved {
    /// `None` = the request is settled.
    since: Option<Instant>,
    /// By [`Unit`].
    amounts: [u64; Unit::ALL.len()],
    /// Whether the request costs neither tokens nor money, so that only limits of requests apply.
    is_free: bool,
}

impl Reserved {
    /// A reservation of `estimate` that counts from `at` on.
    pub fn new(estimate: Used, at: Instant) -> Self {
        let totals = estimate.totals();
        Self {
            since: Some(at),
            amounts: Unit::ALL.map(|unit| totals.of(unit)),
            is_free: false,
        }
    }

    /// The reservation of a request that costs neither tokens nor money.
    pub fn free(at: Instant) -> Self {
        Self {
            is_free: true,
            ..Self::new(Used::default(), at)
        }
    }

    /// The reserved amount in this unit.
    pub const fn of(&self, unit: Unit) -> u64 {
        self.amounts[unit as usize]
    }
}

impl Counter {
    /// A counter without any use; days begin at midnight in `zone`.
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

    /// The limit that the request would exceed, and how long until it would fit, if that is known. `None` = it fits.
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
            if wanted.is_free && unit != Unit::Requests {
                continue;
            }
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
                // A fully spent budget admits nothing more. A request that alone exceeds the rest is refused even when
                // nothing is spent yet; otherwise the first request of every day could cost any amount.
                span @ (Span::Day | Span::Month) => {
                    let spent = self.spent(span, unit, at.wall);
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

    /// Counts a request that was admitted, with its reservation.
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

    /// Replaces the reservation by the real use.
    pub fn settle(&mut self, reserved: &Reserved, used: &Used, at: Moment) {
        let totals = used.totals();
        for unit in Unit::ALL {
            let (amount, reserve) = (totals.of(unit), reserved.of(unit));
            self.give_back(unit, reserve);
            let Some(minute) = self.minutes.get_mut(unit as usize) else {
                continue;
            };
            match reserved.since {
                // Requests are counted when they are admitted, not when they end.
                _ if unit == Unit::Requests => {}
                Some(since) if amount < reserve => {
                    minute.take_back(since, at.now, reserve - amount);
                }
                _ => minute.add(at.now, amount.saturating_sub(reserve)),
            }
        }
        self.add(&totals, at.wall);
    }

    /// Gives back the reservation of a request that was never settled. The request itself still counts.
    pub fn release(&mut self, reserved: &Reserved) {
        let Some(at) = reserved.since else {
            return;
        };
        for unit in Unit::ALL {
            let reserve = reserved.of(unit);
            self.give_back(unit, reserve);
            let minute = self.minutes.get_mut(unit as usize);
            if let Some(minute) = minute.filter(|_| unit != Unit::Requests) {
                minute.take_back(at, at, reserve);
            }
        }
    }

    /// Reserves this many billionths of a dollar, independent of any request.
    pub fn hold(&mut self, nano_usd: u64) {
        let reserved = &mut self.reserved[Unit::NanoUsd as usize];
        *reserved = reserved.saturating_add(nano_usd);
    }

    /// Gives back what [`Self::hold`] reserved.
    pub fn let_go(&mut self, nano_usd: u64) {
        self.give_back(Unit::NanoUsd, nano_usd);
    }

    fn give_back(&mut self, unit: Unit, amount: u64) {
        let reserved = &mut self.reserved[unit as usize];
        *reserved = reserved.saturating_sub(amount);
    }

    /// Ends a request.
    pub fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The totals of today and of this month, of this and all other processes.
    pub fn windows(&mut self, wall: SystemTime) -> Windows {
        self.remote.roll(wall, &self.zone);
        let mut windows = self.own(wall);
        windows.day.add(&self.remote.day());
        windows.month.add(&self.remote.month());
        windows
    }

    /// One figure of [`Self::windows`].
    fn spent(&mut self, span: Span, unit: Unit, wall: SystemTime) -> u64 {
        self.spend.roll(wall, &self.zone);
        let own = self.spend.of(span).of(unit);
        own.saturating_add(self.remote.spent(span, unit, wall, &self.zone))
    }

    /// The part of [`Self::windows`] that this process used.
    pub fn own(&mut self, wall: SystemTime) -> Windows {
        self.spend.roll(wall, &self.zone);
        Windows {
            day: self.spend.day,
            month: self.spend.month,
        }
    }

    /// What this process has used since it began.
    pub const fn ever(&self) -> &Totals {
        &self.ever
    }

    /// Adds the use that is known from before a restart.
    pub fn restore(&mut self, day: &Totals, month: &Totals, wall: SystemTime) {
        self.remote.restore(day, month, wall, &self.zone);
    }

    /// The state for a following process, and the use since this process began.
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

    /// Takes over the state of the previous process. With `first` the memo is complete; later memos contain additions
    /// only.
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

    /// Removes what was in flight in the previous process, because that process has ended.
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

    /// Takes over what was counted without the lock. Call it before any other method.
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

    /// Sets the time zone in which days begin from now on.
    pub fn set_zone(&mut self, zone: &TimeZone) {
        self.zone = zone.clone();
    }

    /// Adds the use of one request to the day, to the month and to what was used since this process began.
    pub fn add(&mut self, totals: &Totals, wall: SystemTime) {
        self.spend.roll(wall, &self.zone);
        self.spend.add(totals, totals);
        self.ever.add(totals);
    }

    /// An independent copy. Requests in flight at the time of the copy remain in flight in it for ever.
    pub fn copy(&self) -> Self {
        Self {
            in_flight: self.in_flight_here(),
            reserved: self.reserved_here(),
            tallied: UnderWay::default(),
            ..self.clone()
        }
    }

    /// Takes over the use of other processes, as it was known at `at`. The minute window counts their tokens from `now`
    /// on.
    pub fn learn(&mut self, external: &ExternalSpend, at: SystemTime, now: Instant) {
        self.remote.learn(external, at, &self.zone);
        self.minutes[Unit::Tokens as usize].add(now, external.tokens);
    }

    /// The state of every configured limit.
    pub fn standings(&mut self, caps: &Caps, at: Moment) -> impl Iterator<Item = Standing> + use<> {
        let standing = |limit| self.standing(limit, caps, at);
        Limit::ALL.map(standing).into_iter().flatten()
    }

    /// The state of one limit; `None` = the limit is not configured.
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
