//! Every metric that Weir exports, with its type, labels, unit and help: the only place to add one.
use prometheus::{
    CounterVec, Gauge, GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Registry,
};

use super::fleet::Fleet;
use super::process::{self, Process};
use super::registrar::{Family, Registrar};

/// The metrics, ready for recording.
#[derive(Debug)]
pub(super) struct Families {
    pub requests: Requests,
    pub usage: Consumption,
    pub accounts: Accounts,
    pub fleet: Fleet,
    pub weir: Weir,
}

/// Registers everything in `registry`, and returns what was registered.
pub(super) fn register(registry: &Registry) -> (Families, Vec<Family>) {
    let mut to = Registrar::new(registry);
    let families = Families {
        requests: Requests::register(&mut to),
        usage: Consumption::register(&mut to),
        accounts: Accounts::register(&mut to),
        fleet: Fleet::register(&mut to),
        weir: Weir::register(&mut to),
    };
    to.foreign(Process::new(), process::families());
    (families, to.families)
}

/// Metrics of requests.
#[derive(Debug)]
pub(super) struct Requests {
    pub total: IntCounterVec,
    pub duration: Histogram,
    pub time_to_first_token: Histogram,
    pub overhead: Histogram,
    pub inflight: IntGauge,
    pub buffered: IntGauge,
    pub certificates: IntGaugeVec,
    pub connections: IntGaugeVec,
    pub rejections: IntCounterVec,
    pub attempts: IntCounterVec,
    pub failovers: IntCounterVec,
    pub stream_end: IntCounterVec,
    pub affinity: IntCounterVec,
    pub limit_rejections: IntCounterVec,
    pub dropped_fields: IntCounterVec,
    pub violations: IntCounterVec,
}

impl Requests {
    fn register(to: &mut Registrar<'_>) -> Self {
        Self {
            total: to.counters(
                "weir_requests_total",
                "requests",
                "Requests that are over, by what came of them.",
                &[
                    "key",
                    "pool",
                    "client_dialect",
                    "upstream_dialect",
                    "outcome",
                ],
            ),
            duration: to.histogram(
                "weir_request_duration_seconds",
                "From the arrival of a request to the end of its answer.",
                DURATION_BUCKETS,
            ),
            time_to_first_token: to.histogram(
                "weir_time_to_first_token_seconds",
                "From the arrival of a request to the first content byte of its answer.",
                FIRST_TOKEN_BUCKETS,
            ),
            overhead: to.histogram(
                "weir_overhead_seconds",
                "Time spent in Weir itself, waiting for neither client nor upstream.",
                OVERHEAD_BUCKETS,
            ),
            inflight: to.gauge(
                "weir_inflight_requests",
                "requests",
                "Requests that are not over.",
            ),
            certificates: to.gauges(
                "weir_tls_certificate_expiry_timestamp_seconds",
                "unix seconds",
                "When the certificate of a listener expires.",
                &["listener"],
            ),
            buffered: to.gauge(
                "weir_buffered_bytes",
                "bytes",
                "Bytes of request bodies that are held in memory.",
            ),
            connections: to.gauges(
                "weir_connections",
                "connections",
                "Connections that are open.",
                &["side", "state"],
            ),
            rejections: to.counters(
                "weir_client_rejections_total",
                "rejections",
                "Connections and requests of clients that were turned away for what they cost.",
                &["reason"],
            ),
            attempts: to.counters(
                "weir_upstream_attempts_total",
                "attempts",
                "Tries at an account: ok, or the class of the failure.",
                &["account", "outcome"],
            ),
            failovers: to.counters(
                "weir_failovers_total",
                "attempts",
                "Further attempts of a request, by the failure that caused them.",
                &["pool", "reason"],
            ),
            stream_end: to.counters(
                "weir_stream_end_total",
                "requests",
                "Streaming requests by how they ended.",
                &["reason"],
            ),
            affinity: to.counters(
                "weir_affinity_total",
                "requests",
                "Requests of a session by what affinity did for them.",
                &["result"],
            ),
            limit_rejections: to.counters(
                "weir_limit_rejections_total",
                "requests",
                "Requests that a limit of Weir's own refused.",
                &["scope", "limit"],
            ),
            dropped_fields: to.counters(
                "weir_dropped_fields_total",
                "requests",
                "Fields that a translation left out and whose absence may be noticed.",
                &["pair", "field"],
            ),
            violations: to.counters(
                "weir_translation_violations_total",
                "answers",
                "Rules of its own dialect that an upstream's answer broke.",
                &["pair", "rule"],
            ),
        }
    }
}

/// Metrics of usage and cost.
#[derive(Debug)]
pub(super) struct Consumption {
    pub tokens: IntCounterVec,
    pub reasoning: IntCounterVec,
    pub units: IntCounterVec,
    pub cost: CounterVec,
    pub project_requests: IntCounterVec,
    pub project_tokens: IntCounterVec,
    pub project_cost: CounterVec,
    pub budget_used: GaugeVec,
    pub alerts: IntCounterVec,
    pub unpriced: IntCounterVec,
    pub unpriced_tokens: IntCounterVec,
    pub usage_source: IntCounterVec,
    pub usage_refused: IntCounterVec,
    pub additions_refused: IntCounterVec,
}

impl Consumption {
    fn register(to: &mut Registrar<'_>) -> Self {
        Self {
            tokens: to.counters(
                "weir_tokens_total",
                "tokens",
                "Tokens, each in exactly one kind.",
                &["key", "account", "model", "kind"],
            ),
            reasoning: to.counters(
                "weir_reasoning_tokens_total",
                "tokens",
                "The share of the output tokens that was reasoning.",
                &["key", "account", "model"],
            ),
            units: to.counters(
                "weir_units_total",
                "units",
                "What is sold by something else than tokens: images, milliseconds of sound, characters, searches, milliseconds of video.",
                &["key", "account", "model", "kind"],
            ),
            cost: to.float_counters(
                "weir_cost_usd_total",
                "USD",
                "List price of the tokens and units used.",
                &["key", "account", "model"],
            ),
            project_requests: to.counters(
                "weir_project_requests_total",
                "requests",
                "Requests for a project that used tokens or units.",
                &["project", "model"],
            ),
            project_tokens: to.counters(
                "weir_project_tokens_total",
                "tokens",
                "Tokens used for a project, of every kind together.",
                &["project", "model"],
            ),
            project_cost: to.float_counters(
                "weir_project_cost_usd_total",
                "USD",
                "List price of the tokens and units used for a project.",
                &["project", "model"],
            ),
            budget_used: to.float_gauges(
                "weir_budget_used_ratio",
                "ratio",
                "The share of a budget in USD that is used.",
                &["scope", "name", "window"],
            ),
            alerts: to.counters(
                "weir_alerts_total",
                "alerts",
                "Alerts of budgets by what became of them.",
                &["outcome"],
            ),
            unpriced: to.counters(
                "weir_unpriced_requests_total",
                "requests",
                "Requests that used tokens or units of a model without a known price.",
                &["model"],
            ),
            unpriced_tokens: to.counters(
                "weir_unpriced_tokens_total",
                "tokens",
                "Tokens of every kind that were used of a model without a known price.",
                &["model"],
            ),
            usage_source: to.counters(
                "weir_usage_source_total",
                "requests",
                "Requests by where their token figures come from.",
                &["source"],
            ),
            usage_refused: to.counters(
                "weir_usage_refused_total",
                "answers",
                "Answers that stated figures which cannot be, and which were not believed.",
                &["account"],
            ),
            additions_refused: to.counters(
                "weir_additions_refused_total",
                "requests",
                "Requests that were sent again without a member that Weir had added and the upstream refused.",
                &["account", "member"],
            ),
        }
    }
}

/// Metrics of accounts, sampled at the time of a scrape.
#[derive(Debug)]
pub(super) struct Accounts {
    pub state: IntGaugeVec,
    pub cooldown: GaugeVec,
    pub inflight: IntGaugeVec,
    pub window: GaugeVec,
    pub cache_hits: GaugeVec,
    pub spared: IntCounterVec,
    pub token_refreshes: IntCounterVec,
}

impl Accounts {
    fn register(to: &mut Registrar<'_>) -> Self {
        Self {
            state: to.gauges(
                "weir_account_state",
                "1",
                "1 for the state that an account is in, 0 for its other states.",
                &["account", "state"],
            ),
            cooldown: to.float_gauges(
                "weir_account_cooldown_until_seconds",
                "unix seconds",
                "When an account that is benched may be tried again; 0 while it is not benched.",
                &["account"],
            ),
            inflight: to.gauges(
                "weir_account_inflight_requests",
                "requests",
                "Requests that an account is serving.",
                &["account"],
            ),
            cache_hits: to.float_gauges(
                "weir_prompt_cache_hit_ratio",
                "ratio",
                "Share of the prompt tokens of an account's last hour that came from a cache.",
                &["account"],
            ),
            window: to.float_gauges(
                "weir_account_window_utilization",
                "ratio",
                "Share of a quota window that is used, as the provider states it.",
                &["account", "window"],
            ),
            spared: to.counters(
                "weir_pool_spared_total",
                "requests",
                "Requests sent to an account that was out for failing, because nobody else in the pool was left.",
                &["pool"],
            ),
            token_refreshes: to.counters(
                "weir_token_refreshes_total",
                "refreshes",
                "Access tokens asked for at the token endpoint of an account: ok or failed.",
                &["account", "outcome"],
            ),
        }
    }
}

/// Values of `target`.
pub(super) const ACCESS_LINES: &str = "access";
pub(super) const TRACES: &str = "traces";

/// Metrics of Weir itself.
#[derive(Debug)]
pub(super) struct Weir {
    /// By what was dropped: [`ACCESS_LINES`], [`TRACES`].
    pub dropped: IntCounterVec,
    pub ledger_failures: IntCounter,
    pub config_generation: IntGauge,
    pub config_successful: IntGauge,
    pub config_timestamp: Gauge,
    pub config_hash: IntGaugeVec,
    pub keys: IntGaugeVec,
    pub build: IntGaugeVec,
}

impl Weir {
    fn register(to: &mut Registrar<'_>) -> Self {
        Self {
            dropped: to.counters(
                "weir_log_dropped_total",
                "requests",
                "Requests of which the access log lost the line, or the collector the traces, because they were too slow.",
                &["target"],
            ),
            ledger_failures: to.counter(
                "weir_ledger_failures_total",
                "writes",
                "Writes to the ledger that failed. What they held is kept in memory and tried again.",
            ),
            config_generation: to.gauge(
                "weir_config_generation",
                "loads",
                "Configurations applied since the start, the first included.",
            ),
            config_successful: to.gauge(
                "weir_config_last_reload_successful",
                "boolean",
                "Whether the last attempt to load the configuration was successful.",
            ),
            config_timestamp: to.float_gauge(
                "weir_config_last_reload_success_timestamp_seconds",
                "unix seconds",
                "When the configuration was last applied.",
            ),
            config_hash: to.gauges(
                "weir_config_hash_info",
                "1",
                "1 for the SHA-256 of the configuration that is applied.",
                &["hash"],
            ),
            keys: to.gauges(
                "weir_key_info",
                "1",
                "1 for each key of the configuration that is in a group.",
                &["key", "group"],
            ),
            build: to.gauges(
                "weir_build_info",
                "1",
                "1 for the build that is running.",
                &["version", "revision"],
            ),
        }
    }
}

/// In seconds. Refusals take microseconds, agents' answers minutes, the longest streams an hour.
const DURATION_BUCKETS: &[f64] = &[
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0,
    1800.0, 3600.0,
];

/// In seconds, up to the timeout of the most patient client.
const FIRST_TOKEN_BUCKETS: &[f64] = &[
    0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0,
    300.0,
];

/// In seconds: tens of microseconds for a small request, milliseconds for a body of several MiB.
const OVERHEAD_BUCKETS: &[f64] = &[
    0.000_025, 0.000_05, 0.000_075, 0.000_1, 0.000_15, 0.000_2, 0.000_3, 0.000_5, 0.000_75, 0.001,
    0.0015, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
];
