//! What is known of who served a request: for the client that debugs, for the record of the request.
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue};

use super::dispatch::Dispatch;
use super::dispatched::Dispatched;
use super::relaying::Relaying;
use crate::config::Account;
use crate::limits::ledger::Attribution;
use crate::limits::{Used, nano_usd};
use crate::outcome::{Affinity, Attempt, Outcome, UsageSource};
use crate::pool::{Failure, Next};
use crate::protocol::Dialect;
use crate::protocol::hub::usage::Usage;

/// What is known of the account that answered, or failed last.
#[derive(Debug, Default)]
pub(super) struct Served {
    pub(super) account: Option<Arc<Account>>,
    pub(super) pool: Option<usize>,
    pub(super) model: Option<Arc<str>>,
    pub(super) affinity: Option<Affinity>,
    pub(super) usage: Option<(Usage, UsageSource)>,
    /// What answers took that were thrown away, because the model spoilt them: the provider bills them all the same.
    pub(super) spoilt: Option<Usage>,
    /// What that costs.
    pub(super) spoilt_usd: Option<f64>,
    pub(super) service_tier: Option<String>,
    pub(super) dialect: Option<Dialect>,
    pub(super) dropped: Vec<&'static str>,
    pub(super) violations: Vec<&'static str>,
}

impl Dispatch {
    /// What the answer says of itself, so far.
    pub fn note(&mut self, relaying: &mut Relaying) {
        self.note_losses(relaying);
        self.note_usage(relaying);
    }

    /// What was used so far.
    pub fn note_usage(&mut self, relaying: &mut Relaying) {
        // Counting tokens uses none.
        if self.counts() {
            return;
        }
        self.served.usage = relaying.usage().or_else(|| self.estimated(relaying));
        self.served.service_tier = relaying.service_tier().map(str::to_owned);
    }

    /// What is to be remembered of an attempt that failed.
    pub fn note_failed(
        &mut self,
        dispatched: &mut Dispatched,
        relaying: &mut Relaying,
        failure: &Failure,
        now: Instant,
    ) {
        self.note_losses(relaying);
        if failure.next() != Next::InPlaceOnce {
            return;
        }
        let Some((usage, _)) = relaying.usage() else {
            return;
        };
        let served = &mut self.served;
        served.service_tier = relaying.service_tier().map(str::to_owned);
        served.spoilt = Some(served.spoilt.unwrap_or_default().and(usage));
        let usd = self.cost(&usage);
        self.served.spoilt_usd = sum(self.served.spoilt_usd, usd);
        dispatched.pick.lease.settle(usage.total(), now);
    }

    /// What translation lost and what the upstream broke, also when this attempt failed.
    fn note_losses(&mut self, relaying: &Relaying) {
        let (dropped, violations) = relaying.losses();
        // An answer that was no translation knows nothing of what the request lost.
        if !dropped.is_empty() {
            self.served.dropped = dropped;
        }
        self.served.violations.extend(violations);
    }

    /// For a stream whose upstream says nothing of usage: Chat does so only when the client asks it to.
    fn estimated(&self, relaying: &Relaying) -> Option<(Usage, UsageSource)> {
        let usage = Usage {
            input: self.admitted.estimated_tokens(),
            output: relaying.estimated_output(),
            ..Usage::default()
        };
        (usage.output > 0).then_some((usage, UsageSource::Estimated))
    }

    pub(super) fn note_attempt(
        &mut self,
        dispatched: &Dispatched,
        failure: Option<&Failure>,
        now: Instant,
    ) {
        self.attempts.push(Attempt {
            account: dispatched.pick.account.name.clone(),
            failure: failure.map(|failure| failure.class),
            cause: failure.and_then(|failure| failure.cause),
            took: now.saturating_duration_since(dispatched.began),
        });
    }

    /// Tells a debugging client how it was decided.
    pub(super) fn add_decision(&self, headers: &mut HeaderMap) {
        if !self.admitted.key.debug {
            return;
        }
        let mut add = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        };
        if let Some(account) = &self.served.account {
            add("x-weir-account", account.name.to_string());
        }
        add(
            "x-weir-route",
            self.admitted
                .route
                .map_or_else(|| "default".to_owned(), |route| route.to_string()),
        );
        let rewrites = self.admitted.rewrites.names(&self.gateway.config);
        if !rewrites.is_empty() {
            add("x-weir-rewrites", rewrites.join(", "));
        }
        add("x-weir-attempts", self.sent.to_string());
    }

    /// Takes what is known over into the record of the request.
    pub fn describe(&mut self, outcome: &mut Outcome) {
        let pools = &self.gateway.config.pools;
        let served = &mut self.served;
        outcome.attempts = std::mem::take(&mut self.attempts);
        outcome.affinity = served.affinity;
        if let Some(pool) = served.pool.and_then(|pool| pools.get(pool)) {
            outcome.pool = Some(pool.name.clone());
        }
        if let Some(account) = &served.account {
            outcome.account = Some(account.name.clone());
            outcome.upstream_dialect = served.dialect;
            outcome.project = outcome.project.take().or_else(|| account.project.clone());
        }
        outcome.dropped = std::mem::take(&mut served.dropped);
        outcome.violations = std::mem::take(&mut served.violations);
        outcome.model_served = served.model.as_ref().map(ToString::to_string);
        if let Some((usage, source)) = self.usage() {
            outcome.usage = Some(usage);
            outcome.usage_source = Some(source);
            outcome.cost_usd = self.usd();
        }
    }

    /// For whom and by whom it was used, for the ledger.
    pub fn attribution(&self) -> Attribution {
        let (key, account) = (&self.admitted.key, self.served.account.as_ref());
        let own = account.and_then(|account| account.project.as_ref());
        Attribution {
            key: Arc::clone(&key.name),
            group: key.group.clone(),
            project: self.admitted.project.as_ref().or(own).cloned(),
            model: self.served.model.clone(),
            account: account.map(|account| Arc::clone(&account.name)),
        }
    }

    /// What is known to have been used, for limits.
    pub fn used(&self) -> Used {
        Used {
            usage: self.usage().map_or_else(Usage::default, |(usage, _)| usage),
            nano_usd: self.usd().map_or(0, nano_usd),
        }
    }

    /// What the answer took, and what was spoilt before it.
    fn usage(&self) -> Option<(Usage, UsageSource)> {
        match (self.served.usage, self.served.spoilt) {
            (Some((usage, source)), Some(spoilt)) => Some((usage.and(spoilt), source)),
            (None, Some(spoilt)) => Some((spoilt, UsageSource::Reported)),
            (usage, None) => usage,
        }
    }

    /// What that costs.
    fn usd(&self) -> Option<f64> {
        let usage = self.served.usage;
        let usd = usage.and_then(|(usage, _)| self.cost(&usage));
        sum(usd, self.served.spoilt_usd)
    }

    fn cost(&self, usage: &Usage) -> Option<f64> {
        let served = &self.served;
        let tier = served.service_tier.as_deref();
        let price = |model: &str| self.gateway.prices.cost(model, usage, tier);
        // A deployment's own name has no price; the name that the client knows may have one.
        let upstream = served.model.as_deref().and_then(price);
        upstream.or_else(|| price(&self.admitted.model))
    }
}

/// Both, as far as they are known.
fn sum(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}
