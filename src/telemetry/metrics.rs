//! Every metric in one struct, recorded per request through one door: [`Metrics::record`].
//!
//! Lives as long as the process: a reload adds names, and takes no series away. What each series means is written in
//! `docs/METRICS.md`, which a test compares with what is registered here.
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use prometheus::{IntCounter, Registry, TextEncoder};

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
    /// Held while gauges are replaced and read, so that two scrapes at once both see all of them.
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

/// What is true only at the time of a scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live<'a> {
    /// Requests that are not over.
    pub in_flight: usize,
    /// Every account of the configuration.
    pub accounts: &'a [AccountSample<'a>],
}

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

    /// The names of `config` become labels, besides all that are labels already.
    pub fn configure(&self, config: &Config) {
        self.handles
            .rcu(|handles| handles.extended(&self.families, config));
    }

    /// A configuration is in force, at the start or by a reload.
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

    /// What was to be loaded is what is in force.
    pub fn reload_unchanged(&self) {
        self.families.weir.config_successful.set(1);
    }

    /// What was to be loaded is faulty; what is in force stays.
    pub fn reload_rejected(&self) {
        self.families.weir.config_successful.set(0);
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

    /// The text that Prometheus scrapes.
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
        let families = &self.families.accounts;
        families.state.reset();
        families.cooldown.reset();
        families.inflight.reset();
        families.window.reset();
        for sample in live.accounts {
            let account = sample.account;
            families
                .state
                .with_label_values(&[account, sample.state])
                .set(1);
            let until = sample.cooldown_until.unwrap_or(0.0);
            families.cooldown.with_label_values(&[account]).set(until);
            families
                .inflight
                .with_label_values(&[account])
                .set(signed(sample.in_flight));
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
