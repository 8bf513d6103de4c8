//! What one key, one group or everyone has used, and whether one more request fits.
use std::time::{Duration, Instant, SystemTime};

use jiff::tz::TimeZone;

use super::refusal::{Limit, Standing};
use super::remote::{Elsewhere, Remote, Windows};
use super::spend::{Spend, Totals};
use super::window::Minute;
use super::{Caps, Used};

/// The counters behind one set of caps. Callers hold the lock.
#[derive(Clone, Debug, Default)]
pub(super) struct Counter {
    requests: Minute,
    tokens: Minute,
    /// By this process alone.
    spend: Spend,
    remote: Remote,
    /// By this process since it began.
    ever: Totals,
    in_flight: u32,
    /// Money reserved by requests that are not settled yet.
    reserved_nano_usd: u64,
}

/// What a request is expected to use, and what is reserved for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reserved {
    pub at: Option<Instant>,
    pub tokens: u64,
    pub nano_usd: u64,
}

impl Counter {
    /// The limit in the way of one more request, and when it is out of it; `None` = it fits.
    pub fn in_the_way(
        &mut self,
        caps: &Caps,
        reserve: &Reserved,
        now: Instant,
        wall: SystemTime,
        zone: &TimeZone,
    ) -> Option<(Limit, Option<Duration>)> {
        if caps.concurrency.is_some_and(|most| self.in_flight >= most) {
            return Some((Limit::Concurrency, None));
        }
        if let Some(most) = caps.rpm {
            let wait = self.requests.wait(now, most.into(), 1);
            if !wait.is_zero() {
                return Some((Limit::Requests, Some(wait)));
            }
        }
        if let Some(most) = caps.tpm {
            let wait = self.tokens.wait(now, most, reserve.tokens.max(1));
            if !wait.is_zero() {
                return Some((Limit::Tokens, Some(wait)));
            }
        }
        let spent = self.windows(wall, zone);
        let fits = |most: Option<u64>, spent: &Totals| {
            let committed = spent.nano_usd.saturating_add(self.reserved_nano_usd);
            // What is spent to the last cent is spent; else a request that alone exceeds the rest waits for others.
            most.is_none_or(|most| {
                committed < most
                    && (committed == 0 || committed.saturating_add(reserve.nano_usd) <= most)
            })
        };
        if !fits(caps.nano_usd_per_day, &spent.day) {
            return Some((Limit::UsdPerDay, Some(self.spend.until_day_ends(wall))));
        }
        if !fits(caps.nano_usd_per_month, &spent.month) {
            return Some((Limit::UsdPerMonth, Some(self.spend.until_month_ends(wall))));
        }
        None
    }

    /// Takes a request in.
    pub fn charge(&mut self, reserve: &Reserved, now: Instant) {
        self.in_flight += 1;
        self.requests.add(now, 1);
        self.tokens.add(now, reserve.tokens);
        self.reserved_nano_usd = self.reserved_nano_usd.saturating_add(reserve.nano_usd);
    }

    /// Replaces what was reserved by what was used.
    pub fn settle(
        &mut self,
        reserved: &Reserved,
        used: &Used,
        now: Instant,
        wall: SystemTime,
        zone: &TimeZone,
    ) {
        let tokens = used.usage.total();
        if tokens >= reserved.tokens {
            self.tokens.add(now, tokens - reserved.tokens);
        } else if let Some(at) = reserved.at {
            self.tokens.take_back(at, now, reserved.tokens - tokens);
        }
        self.reserved_nano_usd = self.reserved_nano_usd.saturating_sub(reserved.nano_usd);
        self.spend.roll(wall, zone);
        let totals = Totals {
            requests: 1,
            usage: used.usage,
            nano_usd: used.nano_usd,
        };
        self.spend.add(&totals, &totals);
        self.ever.add(&totals);
    }

    /// Gives back what was reserved for a request that was never settled.
    pub fn release(&mut self, reserved: &Reserved) {
        if let Some(at) = reserved.at {
            self.tokens.take_back(at, at, reserved.tokens);
        }
        self.reserved_nano_usd = self.reserved_nano_usd.saturating_sub(reserved.nano_usd);
    }

    /// The request is over.
    pub fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The totals of today and of this month, wherever they were used.
    pub fn windows(&mut self, wall: SystemTime, zone: &TimeZone) -> Windows {
        self.remote.roll(wall, zone);
        let mut windows = self.own(wall, zone);
        windows.day.add(&self.remote.day());
        windows.month.add(&self.remote.month());
        windows
    }

    /// The part of [`Self::windows`] that this process used.
    pub fn own(&mut self, wall: SystemTime, zone: &TimeZone) -> Windows {
        self.spend.roll(wall, zone);
        Windows {
            day: self.spend.day,
            month: self.spend.month,
        }
    }

    /// What this process used since it began.
    pub fn ever(&self) -> &Totals {
        &self.ever
    }

    /// Adds what is known from before a restart.
    pub fn restore(&mut self, day: &Totals, month: &Totals, wall: SystemTime, zone: &TimeZone) {
        self.remote.restore(day, month, wall, zone);
    }

    /// Takes over what was used elsewhere, as it was known `at` that time. Tokens count from when they are known.
    pub fn learn(&mut self, elsewhere: &Elsewhere, at: SystemTime, now: Instant, zone: &TimeZone) {
        self.remote.learn(elsewhere, at, zone);
        self.tokens.add(now, elsewhere.tokens);
    }

    /// How every cap stands.
    pub fn standings(
        &mut self,
        caps: &Caps,
        now: Instant,
        wall: SystemTime,
        zone: &TimeZone,
    ) -> impl Iterator<Item = Standing> {
        let spent = self.windows(wall, zone);
        let standing = |limit: Limit, cap: Option<f64>, used: f64, resets_in: Duration| {
            cap.map(|cap| Standing {
                limit,
                cap,
                used,
                remaining: (cap - used).max(0.0),
                resets_in,
            })
        };
        let usd = |nano: u64| nano as f64 / 1e9;
        let requests = self.requests.sum(now) as f64;
        let tokens = self.tokens.sum(now) as f64;
        [
            standing(
                Limit::Requests,
                caps.rpm.map(f64::from),
                requests,
                self.requests.until_empty(now),
            ),
            standing(
                Limit::Tokens,
                caps.tpm.map(|most| most as f64),
                tokens,
                self.tokens.until_empty(now),
            ),
            standing(
                Limit::Concurrency,
                caps.concurrency.map(f64::from),
                self.in_flight.into(),
                Duration::ZERO,
            ),
            standing(
                Limit::UsdPerDay,
                caps.nano_usd_per_day.map(usd),
                spent.day.usd(),
                self.spend.until_day_ends(wall),
            ),
            standing(
                Limit::UsdPerMonth,
                caps.nano_usd_per_month.map(usd),
                spent.month.usd(),
                self.spend.until_month_ends(wall),
            ),
        ]
        .into_iter()
        .flatten()
    }
}
