//! Finds counters by names without hashing labels: tables that are built from the configuration and filled on first
//! use.
//!
//! The values of a label come only from the configuration; any other value becomes `other`. A position is assigned once
//! and kept over reloads. So a name that left the configuration keeps its series, and requests that began before the
//! reload still find it.
use std::sync::OnceLock;

use prometheus::{Counter, IntCounter};

use super::families::Families;
use super::names::LabelNames;
use super::verdict::Verdict;
use crate::outcome::{AttemptRecord, FailureClass, Outcome};
use crate::protocol::hub::units::Units;
use crate::protocol::hub::usage::Usage;
use crate::protocol::{Dialect, UpstreamDialect};

/// The counters of every combination of names.
#[derive(Debug)]
pub(super) struct Handles {
    names: LabelNames,
    /// Key → pool → client and upstream dialect → verdict.
    requests: Lazy<Lazy<Lazy<Lazy<IntCounter>>>>,
    /// Account → outcome: success, or a class of failure.
    attempts: Lazy<Lazy<IntCounter>>,
    /// Pool → class of failure.
    failovers: Lazy<Lazy<IntCounter>>,
    /// Key → account → model.
    consumption: Lazy<Lazy<Lazy<Consumed>>>,
    /// Project → model.
    projects: Lazy<Lazy<Spent>>,
    /// Model.
    unpriced: Lazy<(IntCounter, IntCounter)>,
}

/// The counters of one key, account and model; a kind of token that never occurs has no series.
#[derive(Debug, Default)]
struct Consumed {
    tokens: [OnceLock<IntCounter>; KINDS.len()],
    reasoning: OnceLock<IntCounter>,
    units: [OnceLock<IntCounter>; Units::KINDS.len()],
    cost: OnceLock<Counter>,
}

/// The counters of one project and model.
#[derive(Debug)]
struct Spent {
    requests: IntCounter,
    tokens: IntCounter,
    cost: Counter,
}

impl Handles {
    /// Tables without a configuration: only the models of the price table are known names.
    pub(super) fn empty(families: &Families) -> Self {
        Self::build(families, LabelNames::new())
    }

    /// Tables with the names that `add` adds to all names known before.
    pub(super) fn extended(&self, families: &Families, add: impl Fn(&mut LabelNames)) -> Self {
        let mut names = self.names.clone();
        add(&mut names);
        Self::build(families, names)
    }

    fn build(families: &Families, names: LabelNames) -> Self {
        let handles = Self {
            requests: Lazy::new(names.keys().len()),
            attempts: Lazy::new(names.accounts().len()),
            failovers: Lazy::new(names.pools().len()),
            consumption: Lazy::new(names.keys().len()),
            projects: Lazy::new(names.projects().len()),
            unpriced: Lazy::new(names.models().len()),
            names,
        };
        // These are few, and exist from the start, so that `increase()` sees an account's first failure.
        for account in handles.names.accounts().configured() {
            handles.attempt(families, account, None);
            for class in FailureClass::ALL {
                handles.attempt(families, account, Some(class));
            }
        }
        for pool in handles.names.pools().configured() {
            for class in FailureClass::ALL {
                handles.failover(families, pool, class);
            }
        }
        handles
    }

    /// The series of `weir_requests_total` for `outcome`.
    pub(super) fn request(&self, families: &Families, outcome: &Outcome) -> &IntCounter {
        let names = &self.names;
        let (key, pool) = (
            names.keys().find(outcome.key.as_deref()),
            names.pools().find(outcome.pool.as_deref()),
        );
        let (client, upstream) = (
            dialect(outcome.client_dialect.map(Dialect::upstream)),
            dialect(outcome.upstream_dialect),
        );
        let verdict = Verdict::of(outcome);
        self.requests
            .at(key, || Lazy::new(names.pools().len()))
            .at(pool, || Lazy::new(DIALECTS * DIALECTS))
            .at(client * DIALECTS + upstream, || {
                Lazy::new(Verdict::ALL.len())
            })
            .at(verdict.index(), || {
                families.requests.total.with_label_values(&[
                    names.keys().name(key),
                    names.pools().name(pool),
                    outcome.client_dialect.map_or("none", Dialect::as_str),
                    outcome
                        .upstream_dialect
                        .map_or("none", UpstreamDialect::as_str),
                    verdict.as_str(),
                ])
            })
    }

    /// The series of this account's answers with impossible usage. It is rarely needed, so the look-up may be slow.
    pub(super) fn refused(&self, families: &Families, outcome: &Outcome) -> IntCounter {
        let account = self.names.accounts().find(outcome.account.as_deref());
        let name = self.names.accounts().name(account);
        families.usage.usage_refused.with_label_values(&[name])
    }

    /// The series of this account's requests that were repeated without an addition of Weir's: about once per day and
    /// model.
    pub(super) fn again_without(
        &self,
        families: &Families,
        outcome: &Outcome,
        member: &str,
    ) -> IntCounter {
        let account = self.names.accounts().find(outcome.account.as_deref());
        let name = self.names.accounts().name(account);
        let family = &families.usage.additions_refused;
        family.with_label_values(&[name, member])
    }

    /// Counts every attempt, and every attempt after the first as a failover caused by the failure before it.
    pub(super) fn attempts(&self, families: &Families, outcome: &Outcome) {
        let pool = self.names.pools().find(outcome.pool.as_deref());
        let mut cause = None;
        for AttemptRecord {
            account, failure, ..
        } in &outcome.attempts
        {
            self.attempt(
                families,
                self.names.accounts().find(Some(account)),
                *failure,
            )
            .inc();
            if let Some(cause) = cause {
                self.failover(families, pool, cause).inc();
            }
            cause = *failure;
        }
    }

    /// Counts tokens and cost.
    pub(super) fn consumption(&self, families: &Families, outcome: &Outcome, usage: &Usage) {
        let names = &self.names;
        let asked = outcome
            .model_served
            .as_deref()
            .or(outcome.model_asked.as_deref());
        let model = names.model(asked);
        if outcome.cost_usd.is_none() && usage.is_something() {
            let counters = || {
                let (usage, label) = (&families.usage, [names.models().name(model)]);
                let requests = usage.unpriced.with_label_values(&label);
                (requests, usage.unpriced_tokens.with_label_values(&label))
            };
            let (requests, tokens) = self.unpriced.at(model, counters);
            requests.inc();
            tokens.inc_by(usage.total().min(MAX_TOKENS));
        }
        let (key, account) = (
            names.keys().find(outcome.key.as_deref()),
            names.accounts().find(outcome.account.as_deref()),
        );
        let consumed = self
            .consumption
            .at(key, || Lazy::new(names.accounts().len()))
            .at(account, || Lazy::new(names.models().len()))
            .at(model, Consumed::default);
        let labels = || {
            [
                names.keys().name(key),
                names.accounts().name(account),
                names.models().name(model),
            ]
        };
        let buckets = [
            usage.input,
            usage.output,
            usage.cache_read,
            usage.cache_write_5m,
            usage.cache_write_1h,
        ];
        for ((count, kind), counter) in buckets.into_iter().zip(KINDS).zip(&consumed.tokens) {
            if count > 0 {
                let [key, account, model] = labels();
                let make = || {
                    families
                        .usage
                        .tokens
                        .with_label_values(&[key, account, model, kind])
                };
                counter.get_or_init(make).inc_by(count.min(MAX_TOKENS));
            }
        }
        for ((kind, count), counter) in usage.units.named().zip(&consumed.units) {
            if count > 0 {
                let [key, account, model] = labels();
                let labels = [key, account, model, kind];
                let make = || families.usage.units.with_label_values(&labels);
                counter.get_or_init(make).inc_by(count.min(MAX_TOKENS));
            }
        }
        if usage.reasoning > 0 {
            let make = || families.usage.reasoning.with_label_values(&labels());
            consumed
                .reasoning
                .get_or_init(make)
                .inc_by(usage.reasoning.min(MAX_TOKENS));
        }
        if let Some(cost) = outcome.cost_usd
            && cost.is_finite()
            && cost > 0.0
        {
            consumed
                .cost
                .get_or_init(|| families.usage.cost.with_label_values(&labels()))
                .inc_by(cost);
        }
    }

    /// Counts the use of a project. A request without a project has no such series.
    pub(super) fn project(&self, families: &Families, outcome: &Outcome, usage: &Usage) {
        let names = &self.names;
        let Some(project) = outcome.project.as_deref() else {
            return;
        };
        let asked = outcome.model_served.as_deref();
        let model = names.model(asked.or(outcome.model_asked.as_deref()));
        let project = names.projects().find(Some(project));
        let spent = self
            .projects
            .at(project, || Lazy::new(names.models().len()))
            .at(model, || {
                let labels = [names.projects().name(project), names.models().name(model)];
                let families = &families.usage;
                Spent {
                    requests: families.project_requests.with_label_values(&labels),
                    tokens: families.project_tokens.with_label_values(&labels),
                    cost: families.project_cost.with_label_values(&labels),
                }
            });
        spent.requests.inc();
        spent.tokens.inc_by(usage.total().min(MAX_TOKENS));
        let cost = outcome
            .cost_usd
            .filter(|cost| cost.is_finite() && *cost > 0.0);
        spent.cost.inc_by(cost.unwrap_or_default());
    }

    fn attempt(
        &self,
        families: &Families,
        account: usize,
        failure: Option<FailureClass>,
    ) -> &IntCounter {
        let position = failure.map_or(0, |class| 1 + class as usize);
        self.attempts
            .at(account, || Lazy::new(1 + FailureClass::ALL.len()))
            .at(position, || {
                let outcome = failure.map_or(SUCCESS, FailureClass::as_str);
                families
                    .requests
                    .attempts
                    .with_label_values(&[self.names.accounts().name(account), outcome])
            })
    }

    fn failover(&self, families: &Families, pool: usize, reason: FailureClass) -> &IntCounter {
        self.failovers
            .at(pool, || Lazy::new(FailureClass::ALL.len()))
            .at(reason as usize, || {
                families
                    .requests
                    .failovers
                    .with_label_values(&[self.names.pools().name(pool), reason.as_str()])
            })
    }
}

/// A list of values that are created when they are first needed, and then stay. Reading takes no lock.
#[derive(Debug)]
struct Lazy<T>(Box<[OnceLock<T>]>);

impl<T> Lazy<T> {
    /// A list of `len` positions; `len` must be at least 1.
    fn new(len: usize) -> Self {
        Self(std::iter::repeat_with(OnceLock::new).take(len).collect())
    }

    fn at(&self, position: usize, make: impl FnOnce() -> T) -> &T {
        let cell = self.0.get(position).or(self.0.first());
        cell.expect("invariant: no row is empty").get_or_init(make)
    }
}

fn dialect(dialect: Option<UpstreamDialect>) -> usize {
    dialect.map_or(DIALECTS - 1, UpstreamDialect::index)
}

/// The number of dialects, plus one for none.
const DIALECTS: usize = UpstreamDialect::ALL.len() + 1;

/// The outcome of an attempt that did not fail.
const SUCCESS: &str = "ok";

/// The kinds of `weir_tokens_total`. Exclusive: a token is counted in one of them.
const KINDS: [&str; 5] = [
    "input",
    "output",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
];

/// Most tokens that are counted for one request: nonsense from a provider must not make a counter wrap.
const MAX_TOKENS: u64 = 1 << 40;
