//! Metrics for the fleet: what this process used, and how well it can read the use of others.
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec};

use super::registrar::Registrar;
use crate::config::Config;
use crate::fleet::{self, Failure, Family, Window};
use crate::limits::{ProcessSpend, Totals};

/// The metrics by which processes learn each other's use.
#[derive(Debug)]
pub(super) struct Fleet {
    cost: GaugeVec,
    reasoning: GaugeVec,
    requests: GaugeVec,
    tokens: GaugeVec,
    units: GaugeVec,
    run: IntGaugeVec,
    /// These have no labels but are vectors nevertheless, because they exist only if a Prometheus is configured.
    up: IntGaugeVec,
    self_scraped: IntGaugeVec,
    last_success: GaugeVec,
    polls: IntCounterVec,
}

impl Fleet {
    pub(super) fn register(to: &mut Registrar<'_>) -> Self {
        Self {
            cost: to.float_gauges(
                Family::Cost.name(),
                "USD",
                "List price of what this process served in the current day or month.",
                SUBJECT,
            ),
            reasoning: to.float_gauges(
                Family::Reasoning.name(),
                "tokens",
                "The share of the output tokens that was reasoning.",
                SUBJECT,
            ),
            requests: to.float_gauges(
                Family::Requests.name(),
                "requests",
                "Requests that this process served in the current day or month.",
                SUBJECT,
            ),
            tokens: to.float_gauges(
                Family::Tokens.name(),
                "tokens",
                "Tokens of what this process served in the current day or month, each in exactly one kind.",
                &["scope", "name", "window", "kind", "run_id"],
            ),
            units: to.float_gauges(
                Family::Units.name(),
                "units",
                "What this process served in the current day or month that is sold by something else than tokens, by kind.",
                &["scope", "name", "window", "kind", "run_id"],
            ),
            run: to.gauges(
                fleet::RUN_INFO,
                "1",
                "1 for the id that this process has and no other, also not after a restart.",
                &["run_id"],
            ),
            up: to.gauges(
                "weir_prometheus_up",
                "boolean",
                "Whether the Prometheus of the configuration answered the last poll.",
                &[],
            ),
            self_scraped: to.gauges(
                "weir_prometheus_self_scraped",
                "boolean",
                "Whether that Prometheus knows this process, under `prometheus.instance_label` if that is set.",
                &[],
            ),
            last_success: to.float_gauges(
                "weir_prometheus_last_success_timestamp_seconds",
                "unix seconds",
                "When the last poll began that was answered.",
                &[],
            ),
            polls: to.counters(
                "weir_prometheus_polls_total",
                "polls",
                "Polls of the Prometheus of the configuration, by what came of them.",
                &["outcome"],
            ),
        }
    }

    /// Removes the metrics about a Prometheus if the configuration names none.
    pub(super) fn configure(&self, config: &Config) {
        if config.prometheus.is_none() {
            self.up.reset();
            self.self_scraped.reset();
            self.last_success.reset();
            return;
        }
        self.up.with_label_values::<&str>(&[]);
        self.self_scraped.with_label_values::<&str>(&[]);
        self.last_success.with_label_values::<&str>(&[]);
        for outcome in std::iter::once(OK).chain(Failure::ALL.map(Failure::as_str)) {
            self.polls.with_label_values(&[outcome]);
        }
    }

    /// Records a poll that began `at` this time and was answered.
    pub(super) fn answered(&self, at: SystemTime, self_scraped: bool) {
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.polls.with_label_values(&[OK]).inc();
        self.up.with_label_values::<&str>(&[]).set(1);
        self.self_scraped
            .with_label_values::<&str>(&[])
            .set(self_scraped.into());
        self.last_success
            .with_label_values::<&str>(&[])
            .set(at.as_secs_f64());
    }

    /// Records a poll that was not answered.
    pub(super) fn failed(&self, failure: Failure) {
        self.polls.with_label_values(&[failure.as_str()]).inc();
        self.up.with_label_values::<&str>(&[]).set(0);
    }

    /// Sets what this process used.
    pub(super) fn sample(&self, run_id: &str, used: &[ProcessSpend]) {
        for family in [
            &self.cost,
            &self.reasoning,
            &self.requests,
            &self.tokens,
            &self.units,
        ] {
            family.reset();
        }
        if !run_id.is_empty() {
            self.run.with_label_values(&[run_id]).set(1);
        }
        for own in used {
            for window in Window::ALL {
                let totals = match window {
                    Window::Day => &own.windows.day,
                    Window::Month => &own.windows.month,
                };
                self.sample_window((run_id, window.as_str()), own, totals);
            }
        }
    }

    /// Sets the metrics of one window. A number that was ever greater than 0 is exported even when it is 0 now;
    /// otherwise its last value of yesterday would persist.
    fn sample_window(&self, (run_id, window): (&str, &str), own: &ProcessSpend, totals: &Totals) {
        let subject = [own.scope.as_str(), &own.name, window];
        let [scope, name, window] = subject;
        let gauge = |family: &GaugeVec, ever: u64, value: f64| {
            if ever > 0 {
                let gauge = family.with_label_values(&[scope, name, window, run_id]);
                gauge.set(value);
            }
        };
        gauge(&self.cost, own.ever.nano_usd, totals.usd());
        gauge(&self.requests, own.ever.requests, totals.requests as f64);
        let (ever, usage) = (&own.ever.usage, &totals.usage);
        gauge(&self.reasoning, ever.reasoning, usage.reasoning as f64);
        for (kind, ever, value) in [
            ("input", ever.input, usage.input),
            ("output", ever.output, usage.output),
            ("cache_read", ever.cache_read, usage.cache_read),
            ("cache_write_5m", ever.cache_write_5m, usage.cache_write_5m),
            ("cache_write_1h", ever.cache_write_1h, usage.cache_write_1h),
        ] {
            if ever > 0 {
                let labels = [scope, name, window, kind, run_id];
                self.tokens.with_label_values(&labels).set(value as f64);
            }
        }
        let units = ever.units.named().zip(usage.units.figures());
        for ((kind, ever), value) in units {
            if ever > 0 {
                let labels = [scope, name, window, kind, run_id];
                self.units.with_label_values(&labels).set(value as f64);
            }
        }
    }
}

/// The labels of a number: its subject, its window, and the process that exports it.
const SUBJECT: &[&str] = &["scope", "name", "window", "run_id"];

/// The outcome of a poll that was answered.
const OK: &str = "ok";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Scope, Windows};
    use crate::protocol::hub::usage::Usage;
    use crate::telemetry::metrics::{Live, Metrics};

    fn totals(requests: u64, output: u64, nano_usd: u64) -> Totals {
        Totals {
            requests,
            usage: Usage {
                output,
                ..Usage::default()
            },
            nano_usd,
        }
    }

    /// Checks what is exported for a key that used `ever` in total, and `day` and `month` today and this month.
    fn check(ever: Totals, day: Totals, month: Totals, expected: &[&str]) {
        let metrics = Metrics::new("version", "revision");
        let own = ProcessSpend {
            scope: Scope::Key,
            name: "team-a".into(),
            windows: Windows { day, month },
            ever,
        };
        let text = metrics.render(&Live {
            run_id: "abc",
            used: &[own],
            ..Live::default()
        });
        let lines = text.lines().filter(|line| line.starts_with("weir_window_"));
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn money_is_told_to_the_billionth() {
        let used = totals(1, 0, 123_456_789_012_345);
        check(
            used,
            used,
            used,
            &[
                r#"weir_window_cost_usd{name="team-a",run_id="abc",scope="key",window="day"} 123456.789012345"#,
                r#"weir_window_cost_usd{name="team-a",run_id="abc",scope="key",window="month"} 123456.789012345"#,
                r#"weir_window_requests{name="team-a",run_id="abc",scope="key",window="day"} 1"#,
                r#"weir_window_requests{name="team-a",run_id="abc",scope="key",window="month"} 1"#,
            ],
        );
    }

    #[test]
    fn what_was_used_yesterday_is_0_today_and_not_absent() {
        check(
            totals(3, 5, 0),
            Totals::default(),
            totals(2, 5, 0),
            &[
                r#"weir_window_requests{name="team-a",run_id="abc",scope="key",window="day"} 0"#,
                r#"weir_window_requests{name="team-a",run_id="abc",scope="key",window="month"} 2"#,
                r#"weir_window_tokens{kind="output",name="team-a",run_id="abc",scope="key",window="day"} 0"#,
                r#"weir_window_tokens{kind="output",name="team-a",run_id="abc",scope="key",window="month"} 5"#,
            ],
        );
    }
}
