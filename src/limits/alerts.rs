//! Alerts about budgets that are nearly or fully spent: one for each window and threshold.
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ahash::HashMap;
use serde_json::json;

use super::spend::begins;
use super::{Budget, Limits};
use crate::config::secret::hex;
use crate::outcome::{Limit, Scope, Span};

/// A budget that has reached a threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    scope: Scope,
    name: Arc<str>,
    limit: Limit,
    /// The threshold that was reached, as a share of the budget.
    at: f64,
    used_usd: f64,
    cap_usd: f64,
    /// When the day or the month of the budget began, in seconds since the epoch.
    began: u64,
}

/// Remembers which alerts were given in the windows that are running.
#[derive(Debug, Default)]
pub struct Watch {
    given: HashMap<(Scope, Arc<str>, Limit), GivenAlerts>,
}

/// The alerts that were given about one budget.
#[derive(Debug)]
struct GivenAlerts {
    began: u64,
    cap_usd: f64,
    thresholds: Vec<f64>,
}

impl Watch {
    /// The alerts that are due now. `at` are the thresholds, as shares of a budget.
    pub fn look(&mut self, limits: &Limits, at: &[f64], wall: SystemTime) -> Vec<Alert> {
        let Some((day, month)) = begins(wall, limits.zone()) else {
            return Vec::new();
        };
        let mut due = Vec::new();
        for budget in limits.budgets(wall) {
            let began = match budget.limit.span() {
                Span::Month => month,
                Span::Now | Span::Minute | Span::Day => day,
            };
            self.compare(&budget, at, (began, wall), &mut due);
        }
        due
    }

    fn compare(
        &mut self,
        budget: &Budget,
        at: &[f64],
        (began, wall): (u64, SystemTime),
        due: &mut Vec<Alert>,
    ) {
        let reached = |at: &&f64| budget.used_usd >= budget.cap_usd * **at * (1.0 - NOISE);
        let mut reached = at.iter().filter(reached).peekable();
        if reached.peek().is_none() {
            return;
        }
        let whose = (budget.scope, Arc::clone(&budget.name), budget.limit);
        let given = self.given.entry(whose).or_insert_with(|| GivenAlerts {
            began,
            cap_usd: budget.cap_usd,
            thresholds: Vec::new(),
        });
        // A budget with another cap starts without alerts. A clock that is set back a little begins no new window. A
        // clock that had run ahead (by more than `AHEAD`) does not suppress the alerts of the present window.
        let ahead = UNIX_EPOCH + Duration::from_secs(given.began);
        let ran_ahead = ahead.duration_since(wall).is_ok_and(|by| by > AHEAD);
        if given.began < began || ran_ahead || given.cap_usd.to_bits() != budget.cap_usd.to_bits() {
            *given = GivenAlerts {
                began,
                cap_usd: budget.cap_usd,
                thresholds: Vec::new(),
            };
        }
        for at in reached {
            if given.thresholds.contains(at) {
                continue;
            }
            given.thresholds.push(*at);
            due.push(Alert {
                scope: budget.scope,
                name: Arc::clone(&budget.name),
                limit: budget.limit,
                at: *at,
                used_usd: budget.used_usd,
                cap_usd: budget.cap_usd,
                began: given.began,
            });
        }
    }
}

impl Alert {
    /// The identity of an alert. It is the same on all hosts of a fleet, whose configurations are equal.
    pub fn id(&self) -> String {
        let Self {
            name,
            at,
            cap_usd,
            began,
            ..
        } = self;
        let (scope, limit) = (self.scope.as_str(), self.limit.as_str());
        let text = format!("{scope}\n{name}\n{limit}\n{began}\n{at}\n{cap_usd}");
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let (id, _) = digest.as_ref().split_at(ID_BYTES);
        hex(id)
    }

    /// When the window of the alert began, in seconds since the epoch.
    pub fn began(&self) -> u64 {
        self.began
    }

    /// The JSON text that is posted. `instance` is the name of this host.
    pub fn body(&self, instance: &str) -> String {
        json!({
            "scope": self.scope.as_str(),
            "name": &*self.name,
            "window": self.limit.span().as_str(),
            "at": self.at,
            "used": self.used_usd,
            "limit": self.cap_usd,
            "instance": instance,
            "id": self.id(),
        })
        .to_string()
    }
}

/// Tolerance for floats, as a share of the budget; far less than the price of a token.
const NOISE: f64 = 1e-12;

/// A clock that is set back by less than this was merely corrected; it had not run ahead.
const AHEAD: Duration = Duration::from_hours(1);

/// The length of an alert's id: 128 bits.
const ID_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use jiff::tz::TimeZone;

    use super::*;
    use crate::limits::{AllSubjects, Caps, ExternalSpend, Subject, Totals, Used, Windows};
    use crate::moment::Moment;
    use crate::protocol::hub::usage::Usage;

    const HOUR: Duration = Duration::from_hours(1);

    /// 2026-11-10T12:00:00Z.
    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + HOUR * 498_420
    }

    fn limits(dollars: u64, before: Option<&Limits>) -> Limits {
        let key = Subject {
            name: "team-a".into(),
            caps: Caps::default()
                .with(Limit::UsdPerDay, dollars * 1_000_000_000)
                .with(Limit::UsdPerMonth, dollars * 10_000_000_000),
            group: None,
        };
        let all_subjects = AllSubjects {
            keys: vec![key],
            ..AllSubjects::default()
        };
        Limits::new(&all_subjects, TimeZone::UTC, before)
    }

    fn spend(limits: &Limits, nano_usd: u64, wall: SystemTime) {
        let at = Moment {
            now: Instant::now(),
            wall,
        };
        let admitted = limits.admit(limits.principal(0, None), Used::default(), at);
        let used = Used {
            usage: Usage::default(),
            nano_usd,
        };
        admitted.expect("it fits").settle(&used, at);
    }

    fn given(alerts: &[Alert]) -> Vec<(f64, &'static str)> {
        let given = |alert: &Alert| (alert.at, alert.limit.as_str());
        alerts.iter().map(given).collect()
    }

    #[test]
    fn each_threshold_is_told_once_a_window() {
        let (limits, mut watch) = (limits(10, None), Watch::default());
        let at = [0.8, 1.0];
        let mut look = |wall| watch.look(&limits, &at, wall);
        spend(&limits, 7_999_999_999, noon());
        assert_eq!(given(&look(noon())), []);
        spend(&limits, 1, noon());
        assert_eq!(given(&look(noon())), [(0.8, "usd_per_day")]);
        assert_eq!(given(&look(noon() + HOUR)), []);
        spend(&limits, 5_000_000_000, noon());
        assert_eq!(given(&look(noon())), [(1.0, "usd_per_day")]);
        let tomorrow = noon() + HOUR * 24;
        assert_eq!(given(&look(tomorrow)), []);
        spend(&limits, 9_000_000_000, tomorrow);
        assert_eq!(given(&look(tomorrow)), [(0.8, "usd_per_day")]);
    }

    #[test]
    fn a_clock_that_goes_back_tells_nothing_twice_and_one_that_had_run_ahead_silences_nobody() {
        let (limits, mut watch) = (limits(10, None), Watch::default());
        let midnight = noon() + HOUR * 12;
        spend(&limits, 8_000_000_000, midnight);
        let first = watch.look(&limits, &[0.8], midnight);
        assert_eq!(given(&first), [(0.8, "usd_per_day")]);
        assert_eq!(given(&watch.look(&limits, &[0.8], midnight - HOUR / 2)), []);
        let ahead = midnight + HOUR * 24 * 365;
        spend(&limits, 9_000_000_000, ahead);
        assert_eq!(
            given(&watch.look(&limits, &[0.8], ahead)),
            [(0.8, "usd_per_day")]
        );
        // A receiver that remembers ids recognizes the alert.
        let again = watch.look(&limits, &[0.8], midnight + HOUR);
        assert_eq!(again[0].id(), first[0].id());
        assert_eq!(given(&watch.look(&limits, &[0.8], midnight + HOUR)), []);
    }

    #[test]
    fn both_thresholds_at_once_and_the_month_beside_the_day() {
        let (limits, mut watch) = (limits(10, None), Watch::default());
        let external = ExternalSpend {
            others: Windows {
                day: Totals {
                    nano_usd: 20_000_000_000,
                    ..Totals::default()
                },
                month: Totals {
                    nano_usd: 85_000_000_000,
                    ..Totals::default()
                },
            },
            ..ExternalSpend::default()
        };
        limits.learn(Scope::Key, "team-a", &external, noon(), Instant::now());
        assert_eq!(
            given(&watch.look(&limits, &[0.8, 1.0], noon())),
            [
                (0.8, "usd_per_day"),
                (1.0, "usd_per_day"),
                (0.8, "usd_per_month")
            ]
        );
    }

    #[test]
    fn a_budget_that_was_changed_is_another_one() {
        let (first, mut watch) = (limits(10, None), Watch::default());
        spend(&first, 8_000_000_000, noon());
        let before = watch.look(&first, &[0.8], noon());
        let raised = limits(20, Some(&first));
        assert_eq!(given(&watch.look(&raised, &[0.8], noon())), []);
        spend(&raised, 8_000_000_000, noon());
        let after = watch.look(&raised, &[0.8], noon());
        assert_eq!(given(&after), [(0.8, "usd_per_day")]);
        assert_ne!(before[0].id(), after[0].id());
    }

    #[test]
    fn every_host_says_the_same_of_one_alert_but_its_name() {
        let (one, other) = (limits(10, None), limits(10, None));
        spend(&one, 8_000_000_000, noon());
        spend(&other, 9_000_000_000, noon() + HOUR);
        let look = |limits: &Limits, wall| Watch::default().look(limits, &[0.8], wall);
        let (one, other) = (look(&one, noon()), look(&other, noon() + HOUR));
        assert_eq!(one[0].id(), other[0].id());
        let body: serde_json::Value = serde_json::from_str(&one[0].body("edge-1")).expect("JSON");
        assert_eq!(
            body,
            json!({
                "scope": "key", "name": "team-a", "window": "day", "at": 0.8, "used": 8.0,
                "limit": 10.0, "instance": "edge-1", "id": one[0].id(),
            })
        );
    }
}
