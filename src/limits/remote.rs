//! What a key, group, project or everyone used outside this process: before it began, and on other hosts.
//!
//! There are two sources for what this host used before: a ledger on its disk, and a Prometheus. They are not added:
//! for each figure the larger value counts, so nothing is counted twice, and nothing that either of them knows is lost.
use std::sync::Arc;
use std::time::SystemTime;

use jiff::tz::TimeZone;

use super::spend::{Spend, Totals, Windows};
use crate::outcome::{Scope, Span, Unit};

/// What a Prometheus knows about use outside this process.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ExternalSpend {
    /// The use by processes that ran on this host before.
    pub earlier: Windows,
    /// The use by other hosts.
    pub others: Windows,
    /// Tokens that either of them used, as far as this became known within the last minute.
    pub tokens: u64,
}

/// What this process used, as it is reported to other processes.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessSpend {
    /// Whose use it is.
    pub scope: Scope,
    /// The name of the key, group or project; empty for everyone.
    pub name: Arc<str>,
    /// What this process used today and this month.
    pub windows: Windows,
    /// What this process has used since it began. Figures only grow, so one that is 0 has always been 0.
    pub ever: Totals,
}

/// What is known about use outside this process.
#[derive(Clone, Debug, Default)]
pub(super) struct Remote {
    restored: Spend,
    earlier: Spend,
    others: Spend,
    /// Whether any use outside this process was ever reported. If not, nothing needs to be added up.
    is_told: bool,
}

impl Remote {
    /// Adds what this host is known to have used before a restart.
    pub fn restore(&mut self, day: &Totals, month: &Totals, wall: SystemTime, zone: &TimeZone) {
        self.is_told = true;
        self.restored.roll(wall, zone);
        self.restored.add(day, month);
    }

    /// Takes over what the previous process used today and this month. A ledger may have reported part of it already,
    /// so the larger value of each figure counts.
    pub fn take_over(&mut self, day: &Totals, month: &Totals, wall: SystemTime, zone: &TimeZone) {
        self.is_told = true;
        self.restored.roll(wall, zone);
        self.restored.day = self.restored.day.larger(day);
        self.restored.month = self.restored.month.larger(month);
    }

    /// Replaces what was known about other processes by what was known at `at`.
    pub fn learn(&mut self, external: &ExternalSpend, at: SystemTime, zone: &TimeZone) {
        self.is_told = true;
        self.earlier = Spend::known(&external.earlier, at, zone);
        self.others = Spend::known(&external.others, at, zone);
    }

    /// Begins a new day or month, if one has begun.
    pub fn roll(&mut self, wall: SystemTime, zone: &TimeZone) {
        for spend in [&mut self.restored, &mut self.earlier, &mut self.others] {
            spend.roll(wall, zone);
        }
    }

    /// What was used outside this process, in one unit.
    pub fn spent(&mut self, span: Span, unit: Unit, wall: SystemTime, zone: &TimeZone) -> u64 {
        if !self.is_told {
            return 0;
        }
        self.roll(wall, zone);
        let [restored, earlier, others] =
            [&self.restored, &self.earlier, &self.others].map(|spend| spend.of(span));
        sum(restored, earlier, others).of(unit)
    }

    /// What this host used before this process.
    pub fn here(&self) -> Windows {
        Windows {
            day: self.restored.day.larger(&self.earlier.day),
            month: self.restored.month.larger(&self.earlier.month),
        }
    }

    /// What was used today outside this process.
    pub fn day(&self) -> Totals {
        sum(&self.restored.day, &self.earlier.day, &self.others.day)
    }

    /// What was used this month outside this process.
    pub fn month(&self) -> Totals {
        sum(
            &self.restored.month,
            &self.earlier.month,
            &self.others.month,
        )
    }
}

fn sum(restored: &Totals, earlier: &Totals, others: &Totals) -> Totals {
    let mut sum = restored.larger(earlier);
    sum.add(others);
    sum
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::{
        AllSubjects, Caps, Limit, Limits, Refusal, Report, Subject, Used, nano_usd,
    };
    use super::*;
    use crate::moment::Moment;
    use crate::protocol::hub::usage::Usage;

    const HOUR: Duration = Duration::from_hours(1);

    /// 2026-11-10T12:00:00Z.
    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + HOUR * 498_420
    }

    fn moment(wall: SystemTime) -> Moment {
        Moment {
            now: Instant::now(),
            wall,
        }
    }

    fn limits(caps: Caps) -> Limits {
        let key = Subject {
            name: "team-a".into(),
            caps,
            group: None,
        };
        let all_subjects = AllSubjects {
            keys: vec![key],
            ..AllSubjects::default()
        };
        Limits::new(&all_subjects, TimeZone::UTC, None)
    }

    fn usd(amount: f64) -> Totals {
        Totals {
            nano_usd: nano_usd(amount),
            ..Totals::default()
        }
    }

    fn windows(day: f64, month: f64) -> Windows {
        Windows {
            day: usd(day),
            month: usd(month),
        }
    }

    fn learn(limits: &Limits, external: &ExternalSpend, at: SystemTime) {
        assert!(limits.learn(Scope::Key, "team-a", external, at, Instant::now()));
    }

    fn spend(limits: &Limits, amount: f64, at: SystemTime) -> Result<(), Refusal> {
        let at = moment(at);
        let mut permit = limits.admit(limits.principal(0, None), Used::default(), at)?;
        let used = Used {
            usage: Usage::default(),
            nano_usd: nano_usd(amount),
        };
        permit.settle(&used, at);
        Ok(())
    }

    #[track_caller]
    fn check(limits: &Limits, at: SystemTime, day: f64, month: f64) {
        let reports = limits.report(limits.principal(0, None), moment(at));
        let [
            Report {
                day: d, month: m, ..
            },
        ] = &reports[..]
        else {
            panic!("one report: {reports:?}");
        };
        assert_eq!((d.nano_usd, m.nano_usd), (nano_usd(day), nano_usd(month)));
    }

    #[test]
    fn a_budget_is_of_all_hosts_together_and_the_local_part_is_exact() {
        let limits = limits(Caps::default().with(Limit::UsdPerDay, nano_usd(10.0)));
        let external = ExternalSpend {
            earlier: windows(1.0, 2.0),
            others: windows(7.0, 20.0),
            tokens: 0,
        };
        learn(&limits, &external, noon());
        check(&limits, noon(), 8.0, 22.0);
        spend(&limits, 1.5, noon()).expect("it fits");
        learn(&limits, &external, noon());
        check(&limits, noon(), 9.5, 23.5);
        spend(&limits, 0.5, noon()).expect("it fits");
        let refusal = spend(&limits, 0.0, noon()).expect_err("spent");
        assert_eq!(refusal.limit, Limit::UsdPerDay);
        assert_eq!(refusal.retry_after, Some(HOUR * 12));
        let own: Vec<ProcessSpend> = limits.process_spend(noon()).collect();
        let [own] = &own[..] else { panic!("one") };
        assert_eq!(own.windows.day.nano_usd, nano_usd(2.0));
    }

    #[test]
    fn what_a_ledger_and_prometheus_both_know_counts_once() {
        let limits = limits(Caps::default());
        limits.restore(Scope::Key, "team-a", &usd(5.0), &usd(6.0), noon());
        check(&limits, noon(), 5.0, 6.0);
        let external = ExternalSpend {
            earlier: windows(4.0, 9.0),
            others: windows(1.0, 1.0),
            tokens: 0,
        };
        learn(&limits, &external, noon());
        check(&limits, noon(), 6.0, 10.0);
    }

    #[test]
    fn what_was_known_of_yesterday_says_nothing_of_today() {
        let limits = limits(Caps::default());
        let external = ExternalSpend {
            others: windows(7.0, 20.0),
            ..ExternalSpend::default()
        };
        learn(&limits, &external, noon());
        check(&limits, noon() + HOUR * 12, 0.0, 20.0);
        // The answer was requested before midnight and arrives after it.
        learn(&limits, &external, noon() + HOUR * 11);
        check(&limits, noon() + HOUR * 12, 0.0, 20.0);
        check(&limits, noon() + HOUR * 24 * 21, 0.0, 0.0);
    }

    #[test]
    fn tokens_of_others_fill_the_minute() {
        let limits = limits(Caps::default().with(Limit::Tokens, 100));
        let external = ExternalSpend {
            tokens: 100,
            ..ExternalSpend::default()
        };
        learn(&limits, &external, noon());
        let refusal = spend(&limits, 0.0, noon()).expect_err("used");
        assert_eq!(refusal.limit, Limit::Tokens);
    }

    #[test]
    fn a_name_that_nobody_has_is_said_to_be_unknown() {
        let limits = limits(Caps::default());
        let unknown = limits.learn(
            Scope::Group,
            "research",
            &ExternalSpend::default(),
            noon(),
            Instant::now(),
        );
        assert!(!unknown);
        assert_eq!(limits.process_spend(noon()).count(), 0);
    }
}
