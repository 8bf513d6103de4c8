//! All metrics in one struct; each request is recorded by one method, [`Metrics::record`].
//!
//! It lives as long as the process: a reload adds names and removes no series. `docs/METRICS.md` documents each series,
//! and a test compares it with what is registered here.
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use prometheus::{IntCounter, Registry, TextEncoder};

use super::alerted::Alerted;
use super::families::{self, Families};
use super::handles::Handles;
use super::names::LabelNames;
use super::rejection::Rejection;
use crate::config::Config;
use crate::fleet::Failure;
use crate::limits::{Budget, ProcessSpend};
use crate::outcome::{Affinity, End, FailureClass, Limit, Outcome, Scope, UsageSource};
use crate::pool::State;

pub use super::registrar::Family;

/// All metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    families: Families,
    described: Vec<Family>,
    handles: ArcSwap<Handles>,
    fixed: Fixed,
    /// Held while gauges are replaced and read, so that each of two simultaneous scrapes sees complete values.
    scrape: Mutex<()>,
}

/// Counters whose labels do not depend on the configuration, in the order of each enum. They exist from the start.
#[derive(Debug)]
struct Fixed {
    stream_end: [IntCounter; End::ALL.len()],
    affinity: [IntCounter; Affinity::ALL.len()],
    usage_source: [IntCounter; UsageSource::ALL.len()],
    /// By scope, then by limit.
    limit: [[IntCounter; Limit::ALL.len()]; Scope::ALL.len()],
}

/// An account at the time of a scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountSample<'a> {
    /// Its name in the configuration.
    pub account: &'a str,
    /// [`State::as_str`] of its state.
    pub state: &'a str,
    /// When the account becomes usable again, in Unix seconds; `None` = it is not benched.
    pub cooldown_until: Option<f64>,
    /// The number of requests that it is serving.
    pub in_flight: u64,
    /// Quota windows by name (from a fixed set), with the used share of each, from 0 to 1.
    pub windows: &'a [(&'a str, f64)],
    /// The share of the last hour's prompt tokens that came from a cache, from 0 to 1; `None` = there were no prompt
    /// tokens.
    pub cache_hits: Option<f64>,
}

/// Values that are sampled at the time of a scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live<'a> {
    /// The number of requests in flight.
    pub in_flight: usize,
    /// The number of bytes of their bodies that are held.
    pub buffered: usize,
    /// The number of client connections of all listeners.
    pub client_connections: usize,
    /// Listeners with the expiry of their certificates, in Unix seconds.
    pub certificates: &'a [(String, i64)],
    /// Every account of the configuration.
    pub accounts: &'a [AccountSample<'a>],
    /// The pools, with the number of times that an account of each was tried although it was out.
    pub spared: &'a [(&'a str, u64)],
    /// The id of this run of the process.
    pub run_id: &'a str,
    /// What this process used today and this month.
    pub used: &'a [ProcessSpend],
    /// The state of every configured budget.
    pub budgets: &'a [Budget],
}

impl Metrics {
    /// The `Content-Type` of [`Metrics::render`].
    pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

    /// Registers everything. `revision` is the commit that was built, or a text that says it is unknown.
    pub fn new(version: &str, revision: &str) -> Self {
        let registry = Registry::new();
        let (families, described) = families::register(&registry);
        families
            .weir
            .build
            .with_label_values(&[version, revision])
            .set(1);
        for what in Alerted::ALL {
            families.usage.alerts.with_label_values(&[what.as_str()]);
        }
        let fixed = Fixed {
            stream_end: End::ALL.map(|end| {
                families
                    .requests
                    .stream_end
                    .with_label_values(&[end.as_str()])
            }),
            affinity: Affinity::ALL.map(|result| {
                families
                    .requests
                    .affinity
                    .with_label_values(&[result.as_str()])
            }),
            usage_source: UsageSource::ALL.map(|source| {
                families
                    .usage
                    .usage_source
                    .with_label_values(&[source.as_str()])
            }),
            limit: Scope::ALL.map(|scope| {
                Limit::ALL.map(|limit| {
                    families
                        .requests
                        .limit_rejections
                        .with_label_values(&[scope.as_str(), limit.as_str()])
                })
            }),
        };
        Self {
            handles: ArcSwap::from_pointee(Handles::empty(&families)),
            registry,
            families,
            described,
            fixed,
            scrape: Mutex::new(()),
        }
    }

    /// Adds the names in `config` to the label values.
    pub fn configure(&self, config: &Config) {
        self.know(|names| names.extend(config));
        self.families.fleet.configure(config);
        for account in &config.accounts {
            // The series exists before the first refusal, because a rate does not see a step from a missing series.
            let attempts = &self.families.requests.attempts;
            attempts.with_label_values(&[&*account.name, FailureClass::Auth.as_str()]);
        }
        let _whole = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = &self.families.weir.keys;
        keys.reset();
        for key in &config.keys {
            if let Some(group) = &key.group {
                keys.with_label_values(&[&*key.name, &**group]).set(1);
            }
        }
    }

    fn know(&self, add: impl Fn(&mut LabelNames)) {
        self.handles
            .rcu(|handles| handles.extended(&self.families, &add));
    }

    /// Counts a request for an access token to the token endpoint of `account`, a configured name.
    pub fn token_refresh(&self, account: &str, granted: bool) {
        let outcome = if granted { "ok" } else { "failed" };
        let refreshes = &self.families.accounts.token_refreshes;
        refreshes.with_label_values(&[account, outcome]).inc();
    }

    /// Counts a client that was rejected.
    pub fn client_rejected(&self, why: Rejection) {
        let rejections = &self.families.requests.rejections;
        rejections.with_label_values(&[why.as_str()]).inc();
    }

    /// Counts an alert about a budget that was sent, or will never be.
    pub fn alerted(&self, what: Alerted) {
        let alerts = &self.families.usage.alerts;
        alerts.with_label_values(&[what.as_str()]).inc();
    }

    /// Records that a configuration is in force, at the start or after a reload.
    pub fn reload_applied(&self, hash: &str, generation: u64, now: SystemTime) {
        let weir = &self.families.weir;
        weir.config_generation.set(signed(generation));
        weir.config_successful.set(1);
        let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH);
        weir.config_timestamp
            .set(since_epoch.unwrap_or_default().as_secs_f64());
        let _whole = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        weir.config_hash.reset();
        weir.config_hash.with_label_values(&[hash]).set(1);
    }

    /// Records a reload that changed nothing.
    pub fn reload_unchanged(&self) {
        self.families.weir.config_successful.set(1);
    }

    /// Records a reload with faults; the configuration in force stays.
    pub fn reload_rejected(&self) {
        self.families.weir.config_successful.set(0);
    }

    /// Records a poll of the configured Prometheus: when it began, and whether Prometheus knows this process; or why it
    /// failed.
    pub fn polled(&self, poll: Result<(SystemTime, bool), Failure>) {
        match poll {
            Ok((at, self_scraped)) => self.families.fleet.answered(at, self_scraped),
            Err(failure) => self.families.fleet.failed(failure),
        }
    }

    /// Records a finished request. Call it once per request: everything that is counted per request is counted here.
    pub fn record(&self, outcome: &Outcome) {
        let families = &self.families;
        let handles = self.handles.load();
        handles.request(families, outcome).inc();
        handles.attempts(families, outcome);
        families
            .requests
            .duration
            .observe(outcome.duration.as_secs_f64());
        families
            .requests
            .overhead
            .observe(outcome.overhead.as_secs_f64());
        if let Some(first) = outcome.time_to_first_token {
            families
                .requests
                .time_to_first_token
                .observe(first.as_secs_f64());
        }
        if let Some(usage) = &outcome.usage {
            handles.consumption(families, outcome, usage);
            handles.project(families, outcome, usage);
        }
        if outcome.stream {
            self.fixed.stream_end[outcome.end as usize].inc();
        }
        if let Some(result) = outcome.affinity {
            self.fixed.affinity[result as usize].inc();
        }
        if let Some(source) = outcome.usage_source {
            self.fixed.usage_source[source as usize].inc();
        }
        if outcome.usage_refused {
            handles.refused(families, outcome).inc();
        }
        if let Some(member) = outcome.refused_addition {
            handles.again_without(families, outcome, member).inc();
        }
        // These are rare and have names from fixed sets, so the look-up may be slow.
        if let (Some(client), Some(upstream)) = (outcome.client_dialect, outcome.upstream_dialect)
            && upstream != client
        {
            let pair = format!("{client}:{upstream}");
            for field in &outcome.dropped {
                let family = &families.requests.dropped_fields;
                family.with_label_values(&[pair.as_str(), field]).inc();
            }
            for rule in &outcome.violations {
                let family = &families.requests.violations;
                family.with_label_values(&[pair.as_str(), rule]).inc();
            }
        }
        if let Some((scope, limit)) = outcome.limit {
            self.fixed.limit[scope as usize][limit as usize].inc();
        }
    }

    /// The counter of requests whose traces are lost.
    pub fn traces_dropped(&self) -> IntCounter {
        let dropped = &self.families.weir.dropped;
        dropped.with_label_values(&[families::TRACES])
    }

    /// The counter of lost access log lines.
    pub fn access_log_dropped(&self) -> IntCounter {
        let dropped = &self.families.weir.dropped;
        dropped.with_label_values(&[families::ACCESS_LINES])
    }

    /// The counter of failed writes of the ledger.
    pub fn ledger_failures(&self) -> IntCounter {
        self.families.weir.ledger_failures.clone()
    }

    /// Everything registered, for the documentation.
    pub fn families(&self) -> &[Family] {
        &self.described
    }

    /// The text for a Prometheus scrape.
    pub fn render(&self, live: &Live<'_>) -> String {
        let gathered = {
            let _whole = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
            self.sample(live);
            self.registry.gather()
        };
        let mut text = String::with_capacity(64 * 1024);
        if let Err(error) = TextEncoder::new().encode_utf8(&gathered, &mut text) {
            tracing::error!(%error, "metrics could not be rendered");
        }
        text
    }

    fn sample(&self, live: &Live<'_>) {
        self.families
            .requests
            .inflight
            .set(signed(live.in_flight as u64));
        for (listener, expiry) in live.certificates {
            let certificates = &self.families.requests.certificates;
            certificates.with_label_values(&[listener]).set(*expiry);
        }
        let connections = &self.families.requests.connections;
        let clients = connections.with_label_values(&["client", "open"]);
        clients.set(signed(live.client_connections as u64));
        self.families
            .requests
            .buffered
            .set(signed(live.buffered as u64));
        self.families.fleet.sample(live.run_id, live.used);
        let ratios = &self.families.usage.budget_used;
        ratios.reset();
        for budget in live.budgets {
            let labels = [
                budget.scope.as_str(),
                &*budget.name,
                budget.limit.span().as_str(),
            ];
            ratios.with_label_values(&labels).set(budget.used_ratio());
        }
        let families = &self.families.accounts;
        families.state.reset();
        families.cooldown.reset();
        families.inflight.reset();
        families.window.reset();
        families.cache_hits.reset();
        families.spared.reset();
        for (pool, count) in live.spared {
            families.spared.with_label_values(&[*pool]).inc_by(*count);
        }
        for sample in live.accounts {
            let account = sample.account;
            for state in State::ALL.map(State::as_str) {
                let gauge = families.state.with_label_values(&[account, state]);
                gauge.set(i64::from(state == sample.state));
            }
            let until = sample.cooldown_until.unwrap_or(0.0);
            families.cooldown.with_label_values(&[account]).set(until);
            families
                .inflight
                .with_label_values(&[account])
                .set(signed(sample.in_flight));
            if let Some(share) = sample.cache_hits {
                families.cache_hits.with_label_values(&[account]).set(share);
            }
            for (window, utilization) in sample.windows {
                families
                    .window
                    .with_label_values(&[account, window])
                    .set(*utilization);
            }
        }
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outcome::AttemptRecord;
    use crate::protocol::hub::usage::Usage;
    use crate::telemetry::samples::{answered, refused};

    fn metrics() -> Metrics {
        let metrics = Metrics::new("0.1.0", "abc");
        know(&metrics, "team-a", "claude", "claude-a");
        metrics
    }

    fn know(metrics: &Metrics, key: &str, pool: &str, account: &str) {
        metrics.know(|names| {
            names.add([key, pool, account, "research", "house-model"]);
        });
    }

    #[track_caller]
    fn check(metrics: &Metrics, series: &str, expected: Option<&str>) {
        let text = metrics.render(&Live::default());
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        assert_eq!(value, expected, "{series} in:\n{text}");
    }

    #[test]
    fn an_answered_request_is_counted_everywhere_once() {
        let metrics = metrics();
        metrics.record(&answered());
        for (series, value) in [
            (
                r#"weir_requests_total{client_dialect="anthropic",key="team-a",outcome="ok",pool="claude",upstream_dialect="anthropic"}"#,
                "1",
            ),
            (
                r#"weir_upstream_attempts_total{account="claude-a",outcome="throttled"}"#,
                "1",
            ),
            (
                r#"weir_upstream_attempts_total{account="claude-a",outcome="ok"}"#,
                "1",
            ),
            (
                r#"weir_failovers_total{pool="claude",reason="throttled"}"#,
                "1",
            ),
            (
                r#"weir_tokens_total{account="claude-a",key="team-a",kind="input",model="claude-sonnet-4-5"}"#,
                "10",
            ),
            (
                r#"weir_tokens_total{account="claude-a",key="team-a",kind="cache_write_1h",model="claude-sonnet-4-5"}"#,
                "50",
            ),
            (
                r#"weir_reasoning_tokens_total{account="claude-a",key="team-a",model="claude-sonnet-4-5"}"#,
                "5",
            ),
            (
                r#"weir_cost_usd_total{account="claude-a",key="team-a",model="claude-sonnet-4-5"}"#,
                "0.25",
            ),
            (
                r#"weir_project_requests_total{model="claude-sonnet-4-5",project="research"}"#,
                "1",
            ),
            (
                r#"weir_project_cost_usd_total{model="claude-sonnet-4-5",project="research"}"#,
                "0.25",
            ),
            (r#"weir_usage_source_total{source="reported"}"#, "1"),
            (r#"weir_stream_end_total{reason="complete"}"#, "1"),
            (r#"weir_affinity_total{result="detour"}"#, "1"),
            ("weir_request_duration_seconds_count", "1"),
            ("weir_request_duration_seconds_sum", "12.5"),
            ("weir_time_to_first_token_seconds_count", "1"),
            (r#"weir_overhead_seconds_bucket{le="0.0001"}"#, "1"),
        ] {
            check(&metrics, series, Some(value));
        }
    }

    #[test]
    fn a_refusal_is_counted_without_inventing_labels() {
        let metrics = metrics();
        metrics.record(&refused(401));
        check(
            &metrics,
            r#"weir_requests_total{client_dialect="anthropic",key="none",outcome="unauthenticated",pool="none",upstream_dialect="none"}"#,
            Some("1"),
        );
        let mut limited = refused(529);
        limited.limit = Some((Scope::Global, Limit::Concurrency));
        metrics.record(&limited);
        check(
            &metrics,
            r#"weir_limit_rejections_total{limit="concurrency",scope="global"}"#,
            Some("1"),
        );
        check(
            &metrics,
            r#"weir_stream_end_total{reason="refused"}"#,
            Some("0"),
        );
    }

    #[test]
    fn labels_never_come_from_clients() {
        let metrics = metrics();
        let mut outcome = answered();
        for number in 0..100 {
            outcome.key = Some(format!("key-{number}").into());
            outcome.pool = Some(format!("pool-{number}").into());
            outcome.account = Some(format!("account-{number}").into());
            outcome.model_served = Some(format!("model-{number}\n\"}} 1"));
            outcome.attempts.truncate(1);
            outcome.attempts[0].account = format!("account-{number}").into();
            metrics.record(&outcome);
        }
        check(
            &metrics,
            r#"weir_tokens_total{account="other",key="other",kind="input",model="other"}"#,
            Some("1000"),
        );
        assert!(!metrics.render(&Live::default()).contains("-99"));
    }

    #[test]
    fn models_are_named_as_in_the_configuration_or_the_price_table() {
        let metrics = metrics();
        let mut outcome = answered();
        for (served, label) in [
            (Some("claude-sonnet-4-5-20250929"), "claude-sonnet-4-5"),
            (Some("models/gemini-2.5-pro"), "gemini-2.5-pro"),
            (Some("house-model"), "house-model"),
            (Some("house-model-2"), "other"),
            (None, "gpt-4o"),
        ] {
            outcome.model_served = served.map(str::to_owned);
            outcome.model_asked = Some("gpt-4o".to_owned());
            outcome.cost_usd = None;
            metrics.record(&outcome);
            check(
                &metrics,
                &format!(r#"weir_unpriced_requests_total{{model="{label}"}}"#),
                Some("1"),
            );
        }
    }

    #[test]
    fn series_survive_the_names_that_made_them() {
        let metrics = metrics();
        metrics.record(&answered());
        know(&metrics, "team-b", "gpt", "azure");
        metrics.record(&answered());
        let mut outcome = answered();
        outcome.key = Some("team-b".into());
        metrics.record(&outcome);
        let series = |key: &str| {
            format!(
                r#"weir_cost_usd_total{{account="claude-a",key="{key}",model="claude-sonnet-4-5"}}"#
            )
        };
        check(&metrics, &series("team-a"), Some("0.5"));
        check(&metrics, &series("team-b"), Some("0.25"));
    }

    #[test]
    fn nonsense_from_a_provider_does_no_harm() {
        let metrics = metrics();
        let mut outcome = answered();
        outcome.usage = Some(Usage {
            input: u64::MAX,
            output: u64::MAX,
            ..Usage::default()
        });
        for cost in [f64::NAN, f64::INFINITY, -1.0] {
            outcome.cost_usd = Some(cost);
            metrics.record(&outcome);
        }
        let series = r#"weir_tokens_total{account="claude-a",key="team-a",kind="input",model="claude-sonnet-4-5"}"#;
        check(&metrics, series, Some("3298534883328"));
        let cost =
            r#"weir_cost_usd_total{account="claude-a",key="team-a",model="claude-sonnet-4-5"}"#;
        check(&metrics, cost, None);
    }

    #[test]
    fn a_repeated_failover_counts_each_cause() {
        let metrics = metrics();
        let attempt = |failure| AttemptRecord {
            account: "claude-a".into(),
            failure,
            cause: None,
            after: Duration::ZERO,
            took: Duration::ZERO,
        };
        let mut outcome = answered();
        outcome.attempts = vec![
            attempt(Some(FailureClass::Transport)),
            attempt(Some(FailureClass::Slow)),
            attempt(Some(FailureClass::Quota)),
        ];
        metrics.record(&outcome);
        check(
            &metrics,
            r#"weir_failovers_total{pool="claude",reason="transport"}"#,
            Some("1"),
        );
        check(
            &metrics,
            r#"weir_failovers_total{pool="claude",reason="slow"}"#,
            Some("1"),
        );
        // No attempt followed the last one.
        check(
            &metrics,
            r#"weir_failovers_total{pool="claude",reason="quota"}"#,
            Some("0"),
        );
    }

    #[test]
    fn account_gauges_show_the_accounts_of_the_scrape_only() {
        let metrics = metrics();
        let sample = AccountSample {
            account: "claude-a",
            state: "benched",
            cooldown_until: Some(1_700_000_000.0),
            in_flight: 3,
            windows: &[("5h", 0.75)],
            cache_hits: Some(0.5),
        };
        let text = metrics.render(&Live {
            in_flight: 7,
            buffered: 9,
            client_connections: 11,
            accounts: &[sample],
            ..Live::default()
        });
        for line in [
            r#"weir_account_state{account="claude-a",state="benched"} 1"#,
            r#"weir_account_state{account="claude-a",state="usable"} 0"#,
            r#"weir_account_cooldown_until_seconds{account="claude-a"} 1700000000"#,
            r#"weir_account_inflight_requests{account="claude-a"} 3"#,
            r#"weir_account_window_utilization{account="claude-a",window="5h"} 0.75"#,
            r#"weir_prompt_cache_hit_ratio{account="claude-a"} 0.5"#,
            "weir_inflight_requests 7",
            "weir_buffered_bytes 9",
            "weir_connections{side=\"client\",state=\"open\"} 11",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} in:\n{text}"
            );
        }
        assert!(!metrics.render(&Live::default()).contains("benched"));
    }

    #[test]
    fn keys_are_in_the_groups_of_the_last_configuration() {
        let metrics = metrics();
        let of = |group: &str| {
            let text = format!(
                "version: 1\naccounts: [{{ name: a, provider: ollama }}]\ngroups: [{{ name: g }}, {{ name: h }}]\n\
                 keys:\n  - {{ name: one, key: {{ env: K }}, group: {group} }}\n  - {{ name: two, key: {{ env: L }} }}\n"
            );
            let secret = |name: &str| Some(format!("a secret of some length {name}"));
            let config = crate::config::parse("test", &text, &secret);
            config.unwrap_or_else(|faults| panic!("{faults:?}"))
        };
        metrics.configure(&of("g"));
        check(&metrics, r#"weir_key_info{group="g",key="one"}"#, Some("1"));
        metrics.configure(&of("h"));
        check(&metrics, r#"weir_key_info{group="g",key="one"}"#, None);
        check(&metrics, r#"weir_key_info{group="h",key="one"}"#, Some("1"));
        assert!(!metrics.render(&Live::default()).contains(r#"key="two""#));
    }

    #[test]
    fn reloads_are_told() {
        let metrics = metrics();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        metrics.reload_applied("aa", 1, now);
        metrics.reload_applied("bb", 2, now);
        check(&metrics, "weir_config_generation", Some("2"));
        check(&metrics, r#"weir_config_hash_info{hash="aa"}"#, None);
        check(&metrics, r#"weir_config_hash_info{hash="bb"}"#, Some("1"));
        check(&metrics, "weir_config_last_reload_successful", Some("1"));
        check(
            &metrics,
            "weir_config_last_reload_success_timestamp_seconds",
            Some("1000"),
        );
        metrics.reload_rejected();
        check(&metrics, "weir_config_last_reload_successful", Some("0"));
        metrics.reload_unchanged();
        check(&metrics, "weir_config_last_reload_successful", Some("1"));
        check(
            &metrics,
            r#"weir_build_info{revision="abc",version="0.1.0"}"#,
            Some("1"),
        );
    }

    #[test]
    fn the_process_is_described() {
        let text = metrics().render(&Live::default());
        let value = |name: &str| -> f64 {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.parse().ok())
                .unwrap_or_else(|| panic!("{name} in:\n{text}"))
        };
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
        assert!(
            value("process_open_fds") >= 3.0
                && value("process_open_fds") <= value("process_max_fds")
        );
        assert!(value("process_start_time_seconds") > 1.6e9);
        assert!(value("process_threads") >= 1.0);
        assert!(value("process_cpu_seconds_total") >= 0.0);
    }

    #[test]
    fn names_are_bounded() {
        let metrics = metrics();
        metrics.know(|names| {
            for number in 0..20_000 {
                names.add([&format!("k{number}"), "claude", "claude-a", "research", "m"]);
            }
        });
        let mut outcome = answered();
        outcome.key = Some("k19999".into());
        metrics.record(&outcome);
        check(
            &metrics,
            r#"weir_cost_usd_total{account="claude-a",key="other",model="claude-sonnet-4-5"}"#,
            Some("0.25"),
        );
    }

    #[test]
    fn enums_are_in_the_order_of_their_lists() {
        assert!(
            End::ALL
                .iter()
                .enumerate()
                .all(|(position, end)| *end as usize == position)
        );
        assert!(
            Affinity::ALL
                .iter()
                .enumerate()
                .all(|(position, result)| *result as usize == position)
        );
        assert!(
            UsageSource::ALL
                .iter()
                .enumerate()
                .all(|(position, source)| *source as usize == position)
        );
        assert!(
            Scope::ALL
                .iter()
                .enumerate()
                .all(|(position, scope)| *scope as usize == position)
        );
        assert!(
            Limit::ALL
                .iter()
                .enumerate()
                .all(|(position, limit)| *limit as usize == position)
        );
        assert!(
            FailureClass::ALL
                .iter()
                .enumerate()
                .all(|(position, class)| *class as usize == position)
        );
    }
}
