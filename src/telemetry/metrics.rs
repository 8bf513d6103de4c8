//! Every metric in one struct, recorded per request through one door: [`Metrics::record`].
//!
//! Lives as long as the process: a reload adds names, and takes no series away. What each series means is written in
//! `docs/METRICS.md`, which a test compares with what is registered here.
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use prometheus::{IntCounter, IntGauge, Registry, TextEncoder};

use super::families::{self, Families};
use super::handles::Handles;
use crate::config::Config;
use crate::outcome::{Affinity, End, Limit, Outcome, UsageSource};

pub use super::registrar::Family;

/// All metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    families: Families,
    described: Vec<Family>,
    handles: ArcSwap<Handles>,
    fixed: Fixed,
    /// Held while account gauges are replaced and read, so that two scrapes at once both see all of them.
    scrape: Mutex<()>,
}

/// Counters whose labels do not depend on the configuration, in the order of each enum. There from the start.
#[derive(Debug)]
struct Fixed {
    stream_end: [IntCounter; End::ALL.len()],
    affinity: [IntCounter; Affinity::ALL.len()],
    usage_source: [IntCounter; UsageSource::ALL.len()],
    limit: [IntCounter; Limit::ALL.len()],
}

/// An account as it is at the time of a scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountSample<'a> {
    /// Its name in the configuration.
    pub account: &'a str,
    /// The word for its state, from a fixed set.
    pub state: &'a str,
    /// Unix seconds; `None` = not benched.
    pub cooldown_until: Option<f64>,
    /// Requests that it is serving.
    pub in_flight: u64,
    /// Quota windows by name (from a fixed set), and the share of each that is used.
    pub windows: &'a [(&'a str, f64)],
}

/// Counts a request as in flight until it is dropped.
#[derive(Debug)]
pub struct InFlight(IntGauge);

impl Metrics {
    /// The `Content-Type` of [`Metrics::render`].
    pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

    /// Registers everything. `revision` is the commit that was built, or something that says that it is unknown.
    pub fn new(version: &str, revision: &str) -> Self {
        let registry = Registry::new();
        let (families, described) = families::register(&registry);
        families
            .weir
            .build
            .with_label_values(&[version, revision])
            .set(1);
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
            limit: Limit::ALL.map(|limit| {
                families
                    .requests
                    .limit_rejections
                    .with_label_values(&[limit.scope(), limit.as_str()])
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

    /// A configuration was applied, at the start or by a reload: its names become labels.
    pub fn config_applied(&self, config: &Config, generation: u64, now: SystemTime) {
        self.handles
            .rcu(|handles| handles.extended(&self.families, config));
        let weir = &self.families.weir;
        weir.config_generation
            .set(i64::try_from(generation).unwrap_or(i64::MAX));
        weir.config_successful.set(1);
        let since_epoch = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        weir.config_timestamp.set(since_epoch.as_secs_f64());
        let _whole = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        weir.config_hash.reset();
        weir.config_hash
            .with_label_values(&[config.hash.as_str()])
            .set(1);
    }

    /// A configuration was refused; the one before it stays.
    pub fn config_refused(&self) {
        self.families.weir.config_successful.set(0);
    }

    /// A request began; keep the value until it is over.
    pub fn begin(&self) -> InFlight {
        self.families.requests.inflight.inc();
        InFlight(self.families.requests.inflight.clone())
    }

    /// A request is over. To be called once per request: everything that is counted per request is counted here.
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
        if let Some(limit) = outcome.limit {
            self.fixed.limit[limit as usize].inc();
        }
    }

    /// Where an access log counts the lines that it loses.
    pub fn access_log_dropped(&self) -> IntCounter {
        self.families.weir.access_log_dropped.clone()
    }

    /// Everything registered, for the documentation.
    pub fn families(&self) -> &[Family] {
        &self.described
    }

    /// The text that Prometheus scrapes, with the accounts as they are now.
    pub fn render(&self, accounts: &[AccountSample<'_>]) -> String {
        let gathered = {
            let _whole = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
            self.sample(accounts);
            self.registry.gather()
        };
        let mut text = String::with_capacity(64 * 1024);
        if let Err(error) = TextEncoder::new().encode_utf8(&gathered, &mut text) {
            tracing::error!(%error, "metrics could not be rendered");
        }
        text
    }

    fn sample(&self, accounts: &[AccountSample<'_>]) {
        let families = &self.families.accounts;
        families.state.reset();
        families.cooldown.reset();
        families.inflight.reset();
        families.window.reset();
        for sample in accounts {
            let account = sample.account;
            families
                .state
                .with_label_values(&[account, sample.state])
                .set(1);
            families
                .cooldown
                .with_label_values(&[account])
                .set(sample.cooldown_until.unwrap_or(0.0));
            families
                .inflight
                .with_label_values(&[account])
                .set(i64::try_from(sample.in_flight).unwrap_or(i64::MAX));
            for (window, utilization) in sample.windows {
                families
                    .window
                    .with_label_values(&[account, window])
                    .set(*utilization);
            }
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
