//! What was used today and this month, in a time zone of the operator's choice.
//!
//! The calendar is consulted only when a day ends; in between, seconds are compared. A clock that is set back a little
//! ends no day twice: what was counted stays counted until its day is over. When a clock that ran ahead is set right,
//! the day and the month that were left too early continue, and what was used meanwhile counts there. So no budget is
//! forgotten, and no budget stays spent until a day that is years away.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::outcome::{Span, Unit};
use crate::protocol::hub::units::Units;
use crate::protocol::hub::usage::Usage;

/// Requests, tokens by kind and money.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Requests that have ended.
    pub requests: u64,
    /// Tokens, by kind.
    pub usage: Usage,
    /// Billionths of a US dollar, so that sums of small amounts stay exact.
    pub nano_usd: u64,
}

impl Totals {
    /// The money in US dollars.
    pub fn usd(&self) -> f64 {
        self.nano_usd as f64 / Unit::NanoUsd.scale()
    }

    /// The amount that a limit of this unit counts.
    pub const fn of(&self, unit: Unit) -> u64 {
        unit.of(self.requests, &self.usage, self.nano_usd)
    }

    /// Adds further use.
    pub fn add(&mut self, used: &Self) {
        let (sum, more) = (&mut self.usage, &used.usage);
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.requests, used.requests);
        add(&mut sum.input, more.input);
        add(&mut sum.cache_read, more.cache_read);
        add(&mut sum.cache_write_5m, more.cache_write_5m);
        add(&mut sum.cache_write_1h, more.cache_write_1h);
        add(&mut sum.output, more.output);
        add(&mut sum.reasoning, more.reasoning);
        add(&mut self.nano_usd, used.nano_usd);
        // Most requests use nothing but tokens.
        if !more.units.is_none() {
            sum.units = sum.units.and(more.units);
        }
    }

    /// The larger value of each figure.
    #[must_use]
    pub fn larger(&self, other: &Self) -> Self {
        self.combined(other, u64::max)
    }

    /// The difference of each figure: what is in this one and not in `part`.
    #[must_use]
    pub fn without(&self, part: &Self) -> Self {
        self.combined(part, u64::saturating_sub)
    }

    /// Requests, input tokens, tokens read from the cache, tokens written to the cache for 5 minutes and for an hour,
    /// output tokens, reasoning tokens, billionths of a dollar.
    pub const fn figures(&self) -> [u64; 8] {
        let usage = &self.usage;
        [
            self.requests,
            usage.input,
            usage.cache_read,
            usage.cache_write_5m,
            usage.cache_write_1h,
            usage.output,
            usage.reasoning,
            self.nano_usd,
        ]
    }

    /// Totals of these figures (as [`Self::figures`]) and units.
    pub const fn of_figures(figures: [u64; 8], units: [u64; Units::KINDS.len()]) -> Self {
        let [
            requests,
            input,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            nano_usd,
        ] = figures;
        Self {
            requests,
            usage: Usage {
                input,
                cache_read,
                cache_write_5m,
                cache_write_1h,
                output,
                reasoning,
                units: Units::of_figures(units),
            },
            nano_usd,
        }
    }

    fn combined(&self, other: &Self, of: impl Fn(u64, u64) -> u64) -> Self {
        let (a, b) = (&self.usage, &other.usage);
        Self {
            requests: of(self.requests, other.requests),
            usage: Usage {
                input: of(a.input, b.input),
                cache_read: of(a.cache_read, b.cache_read),
                cache_write_5m: of(a.cache_write_5m, b.cache_write_5m),
                cache_write_1h: of(a.cache_write_1h, b.cache_write_1h),
                output: of(a.output, b.output),
                reasoning: of(a.reasoning, b.reasoning),
                units: a.units.combined(&b.units, &of),
            },
            nano_usd: of(self.nano_usd, other.nano_usd),
        }
    }
}

/// The totals of the current day and month.
#[derive(Clone, Debug, Default)]
pub struct Spend {
    /// Use since midnight of the time zone.
    pub day: Totals,
    /// Use since the first of the month.
    pub month: Totals,
    /// When day and month end; `None` before the first use.
    ends: Option<Ends>,
    /// The day and month before these, kept in case the clock has run ahead.
    left: Option<Box<Left>>,
}

/// Times in seconds since the epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Ends {
    /// When the day began.
    began: u64,
    day: u64,
    month: u64,
}

/// A day and a month that have ended.
#[derive(Clone, Debug)]
struct Left {
    day: Totals,
    month: Totals,
    ends: Ends,
    /// Whether the clock had passed their end by a day or more.
    far: bool,
}

impl Spend {
    /// The known totals of the day and the month that contain `at`.
    pub fn known(totals: &Windows, at: SystemTime, zone: &TimeZone) -> Self {
        Self {
            day: totals.day,
            month: totals.month,
            ends: ends_after(at, zone),
            left: None,
        }
    }

    /// Begins a new day or month, if the present one has ended. Returns to the right day if the clock had run ahead.
    pub fn roll(&mut self, wall: SystemTime, zone: &TimeZone) {
        let now = seconds(wall);
        let Some(ends) = self.ends else {
            self.ends = ends_after(wall, zone);
            return;
        };
        if now < ends.day {
            self.heal(now, ends, zone);
            return;
        }
        let far = now >= ends.day.saturating_add(DAY);
        let keeps = |left: &Left| left.far && now < left.ends.day.saturating_add(KEPT);
        if far || !self.left.as_deref().is_some_and(keeps) {
            self.left = Some(Box::new(Left {
                day: self.day,
                month: self.month,
                ends,
                far,
            }));
        }
        self.day = Totals::default();
        if now >= ends.month {
            self.month = Totals::default();
        }
        self.ends = ends_after(wall, zone);
    }

    /// Returns to the day and month that were left too early. After a small step back over midnight nothing is done:
    /// the new day goes on.
    fn heal(&mut self, now: u64, ends: Ends, zone: &TimeZone) {
        if now.saturating_add(STEP) >= ends.began {
            return;
        }
        let left = self.left.take_if(|left| left.ends.began <= now);
        if left.is_none() && now.saturating_add(DAY) >= ends.began {
            return;
        }
        let at = UNIX_EPOCH + Duration::from_secs(now);
        let Some(today) = ends_after(at, zone) else {
            return;
        };
        if let Some(left) = left {
            if left.ends.day == today.day {
                self.day.add(&left.day);
            }
            if left.ends.month == today.month && ends.month != today.month {
                self.month.add(&left.month);
            }
        }
        self.ends = Some(today);
    }

    /// Adds what one request used, or what is known from before a restart.
    pub fn add(&mut self, day: &Totals, month: &Totals) {
        self.day.add(day);
        self.month.add(month);
    }

    /// Adds the use of a request of the previous day, which became known only now.
    pub fn add_late(&mut self, late: &Totals) {
        if *late == Totals::default() {
            return;
        }
        let left = self.left.as_deref_mut();
        let month = left.map(|left| {
            left.day.add(late);
            left.month.add(late);
            left.ends.month
        });
        if month.is_none_or(|month| self.ends.is_some_and(|ends| ends.month == month)) {
            self.month.add(late);
        }
    }

    /// The totals of the month for a limit per month, otherwise those of the day.
    pub const fn of(&self, span: Span) -> &Totals {
        of_span(span, &self.day, &self.month)
    }

    /// When the day began and when it ends, in seconds since the epoch; `None` before the first use.
    pub fn day_span(&self) -> Option<(u64, u64)> {
        self.ends.map(|ends| (ends.began, ends.day))
    }

    /// Time until the day or the month ends; zero for shorter spans.
    pub fn until_end(&self, span: Span, wall: SystemTime) -> Duration {
        let end = self.ends.map(|ends| match span {
            Span::Now | Span::Minute => 0,
            Span::Day => ends.day,
            Span::Month => ends.month,
        });
        until(end, wall)
    }
}

/// When the day and the month that contain `wall` began, in seconds since the epoch.
pub fn begins(wall: SystemTime, zone: &TimeZone) -> Option<(u64, u64)> {
    let today = date(wall, zone)?;
    Some((second(today, zone)?, second(today.first_of_month(), zone)?))
}

fn ends_after(wall: SystemTime, zone: &TimeZone) -> Option<Ends> {
    let today = date(wall, zone)?;
    Some(Ends {
        began: second(today, zone)?,
        day: second(today.tomorrow().ok()?, zone)?,
        month: second(today.last_of_month().tomorrow().ok()?, zone)?,
    })
}

fn date(wall: SystemTime, zone: &TimeZone) -> Option<Date> {
    let now = Timestamp::try_from(wall).ok()?;
    Some(now.to_zoned(zone.clone()).date())
}

/// The first second of a day, since the epoch.
fn second(date: Date, zone: &TimeZone) -> Option<u64> {
    let begin = date.to_zoned(zone.clone()).ok()?.timestamp().as_second();
    u64::try_from(begin).ok()
}

fn until(end: Option<u64>, wall: SystemTime) -> Duration {
    Duration::from_secs(end.unwrap_or(0).saturating_sub(seconds(wall)))
}

/// Seconds since the epoch.
pub(super) fn seconds(wall: SystemTime) -> u64 {
    wall.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Seconds of a day. A day on which the clocks change has an hour more or less, which does not matter here.
const DAY: u64 = 86_400;
/// A clock that is set back by less than this was merely corrected; it had not run ahead.
const STEP: u64 = 3600;
/// If a clock that ran ahead passes another midnight, the day that it left too early is kept only until this many
/// seconds after its end.
const KEPT: u64 = 100 * DAY;

/// The totals of the current day and of the current month.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Windows {
    /// Use since midnight of the time zone.
    pub day: Totals,
    /// Use since the first of the month.
    pub month: Totals,
}

impl Windows {
    /// The totals of the month for a limit per month, otherwise those of the day.
    pub const fn of(&self, span: Span) -> &Totals {
        of_span(span, &self.day, &self.month)
    }
}

const fn of_span<'t>(span: Span, day: &'t Totals, month: &'t Totals) -> &'t Totals {
    match span {
        Span::Month => month,
        Span::Now | Span::Minute | Span::Day => day,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::nano_usd;

    fn at(text: &str) -> SystemTime {
        SystemTime::from(text.parse::<Timestamp>().unwrap())
    }

    fn one(usd: f64) -> Totals {
        Totals {
            requests: 1,
            nano_usd: nano_usd(usd),
            ..Totals::default()
        }
    }

    /// Spends a dollar at each time, and checks what the day and the month contain after the last one.
    fn check(zone: &TimeZone, times: &[&str], day: f64, month: f64) {
        let mut spend = Spend::default();
        for time in times {
            spend.roll(at(time), zone);
            spend.add(&one(1.0), &one(1.0));
        }
        assert_eq!(
            (spend.day.usd(), spend.month.usd()),
            (day, month),
            "{times:?}"
        );
    }

    #[test]
    fn a_day_and_a_month_begin_anew_in_their_zone() {
        let utc = TimeZone::UTC;
        check(
            &utc,
            &["2026-11-10T00:00:00Z", "2026-11-10T23:59:59Z"],
            2.0,
            2.0,
        );
        check(
            &utc,
            &["2026-11-10T23:59:59Z", "2026-11-11T00:00:00Z"],
            1.0,
            2.0,
        );
        check(
            &utc,
            &["2026-11-30T23:59:59Z", "2026-12-01T00:00:00Z"],
            1.0,
            1.0,
        );
        check(
            &utc,
            &["2026-11-10T12:00:00Z", "2027-11-10T12:00:00Z"],
            1.0,
            1.0,
        );
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        check(
            &berlin,
            &["2026-11-10T22:59:59Z", "2026-11-10T23:00:00Z"],
            1.0,
            2.0,
        );
        check(
            &berlin,
            &["2026-07-10T21:59:59Z", "2026-07-10T22:00:00Z"],
            1.0,
            2.0,
        );
    }

    #[test]
    fn a_clock_that_is_set_back_forgets_nothing() {
        check(
            &TimeZone::UTC,
            &[
                "2026-11-10T12:00:00Z",
                "2026-11-09T12:00:00Z",
                "2026-11-10T13:00:00Z",
            ],
            3.0,
            3.0,
        );
    }

    #[test]
    fn a_clock_that_had_run_ahead_leads_back_to_the_day_and_the_month_that_it_left() {
        let utc = TimeZone::UTC;
        let noon = "2026-11-10T12:00:00Z";
        // What was spent while the clock ran ahead counts.
        check(&utc, &[noon, "2027-02-01T00:00:00Z", noon], 3.0, 3.0);
        check(&utc, &[noon, "2126-11-10T12:00:00Z", noon], 3.0, 3.0);
        check(&utc, &[noon, "2026-11-10T22:00:00Z", noon], 3.0, 3.0);
        // Within the month, and to a later day of it.
        check(&utc, &[noon, "2026-11-20T00:00:00Z", noon], 3.0, 3.0);
        let later = "2026-11-12T12:00:00Z";
        check(&utc, &[noon, "2027-02-01T00:00:00Z", later], 2.0, 3.0);
        // The clock ran ahead for days.
        let ahead = [
            "2027-01-31T23:00:00Z",
            "2027-02-01T00:00:00Z",
            "2027-02-02T01:00:00Z",
        ];
        check(&utc, &[noon, ahead[0], ahead[1], ahead[2], noon], 3.0, 4.0);
        // The day that was returned to ends at its usual time.
        let next = "2026-11-11T00:00:00Z";
        check(&utc, &[noon, "2027-02-01T00:00:00Z", noon, next], 1.0, 4.0);
        check(
            &utc,
            &[noon, "2027-02-01T00:00:00Z", noon, "2026-12-01T00:00:00Z"],
            1.0,
            1.0,
        );
    }

    #[test]
    fn a_clock_that_was_wrong_from_the_start_is_not_waited_for() {
        let utc = TimeZone::UTC;
        let wrong = "2099-01-01T00:00:00Z";
        check(&utc, &[wrong, "2026-11-10T12:00:00Z"], 2.0, 2.0);
        check(
            &utc,
            &[wrong, "2026-11-10T12:00:00Z", "2026-11-11T12:00:00Z"],
            1.0,
            3.0,
        );
        let mut spend = Spend::default();
        spend.roll(at(wrong), &utc);
        let wall = at("2026-11-10T12:00:00Z");
        spend.roll(wall, &utc);
        assert_eq!(spend.until_end(Span::Day, wall), Duration::from_hours(12));
    }

    #[test]
    fn a_step_over_midnight_and_back_begins_the_day_once() {
        let (before, after) = ("2026-11-30T23:59:59Z", "2026-12-01T00:00:01Z");
        check(&TimeZone::UTC, &[before, after, before, after], 3.0, 3.0);
        // A weekend without a request does not look like a clock that ran ahead.
        let (friday, monday) = ("2026-11-13T18:00:00Z", "2026-11-16T08:00:00Z");
        check(
            &TimeZone::UTC,
            &[friday, monday, "2026-11-15T23:30:00Z"],
            2.0,
            3.0,
        );
    }

    #[test]
    fn the_time_until_the_end_is_exact() {
        let mut spend = Spend::default();
        let wall = at("2026-11-10T12:00:00Z");
        spend.roll(wall, &TimeZone::UTC);
        assert_eq!(spend.until_end(Span::Day, wall), Duration::from_hours(12));
        assert_eq!(
            spend.until_end(Span::Month, wall),
            Duration::from_hours(20 * 24 + 12)
        );
    }

    #[test]
    fn money_is_exact_and_never_negative() {
        let mut totals = Totals::default();
        for _ in 0..1_000_000 {
            totals.add(&one(0.000_001_5));
        }
        assert_eq!(totals.nano_usd, 1_500_000_000);
        assert_eq!((nano_usd(-1.0), nano_usd(f64::NAN)), (0, 0));
    }
}
