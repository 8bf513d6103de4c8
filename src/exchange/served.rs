//! What is known of who served a request: for the client that debugs, for the record of the request.
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue};

use super::bill::{self, Bill, Evidence};
use super::dispatch::Dispatch;
use super::dispatched::Dispatched;
use super::later::{self, Claim, Response};
use super::operation::Endpoint;
use super::relaying::Relaying;
use crate::config::Account;
use crate::limits::ledger::Attribution;
use crate::limits::{Used, nano_usd};
use crate::outcome::{Affinity, Attempt, Outcome, UsageSource};
use crate::pool::{Failure, Next};
use crate::protocol::Dialect;
use crate::protocol::hub::usage::{Extras, Stated, Usage};
use crate::protocol::written::Written;

/// What is known of the account that answered, or failed last.
#[derive(Debug, Default)]
pub(super) struct Served {
    pub account: Option<Arc<Account>>,
    pub pool: Option<usize>,
    pub model: Option<Arc<str>>,
    pub affinity: Option<Affinity>,
    pub bill: Bill,
    pub dialect: Option<Dialect>,
    pub dropped: Vec<&'static str>,
    pub violations: Vec<&'static str>,
    /// The right to book the response that this request fetches.
    pub claim: Option<Claim>,
    /// Whether the response that this request asked for is waited for.
    pub waits: bool,
    /// What Weir had added to the request, and the upstream refused.
    pub refused: Option<&'static str>,
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
        // What is made in the background is booked when it is done.
        if relaying.pending() == Some(true) && (self.is_aside() || !self.gateway.later.is_full()) {
            // The right to book it is free for the client's next look, which may come at once.
            self.served.claim = None;
            return;
        }
        let stated = relaying.usage();
        // What is no text is not estimated.
        let none = |(stated, _): (Stated, UsageSource)| stated.is_nothing();
        if self.is_aside() && stated.is_none_or(none) {
            if let (Some(claim), Some(false)) = (&mut self.served.claim, relaying.pending()) {
                // It failed, and costs nothing.
                claim.done();
            }
            return;
        }
        let evidence = Evidence {
            stated,
            written: relaying.written(),
            service_tier: relaying.service_tier(),
        };
        let Served { bill, model, .. } = &mut self.served;
        let (gateway, admitted) = (&self.gateway, &self.admitted);
        bill.note(evidence, |written| {
            bill::estimate(gateway, admitted, model.as_deref(), written)
        });
        if let Some(claim) = &mut self.served.claim {
            claim.done();
        }
    }

    fn is_aside(&self) -> bool {
        self.admitted.call.endpoint == Endpoint::Side
    }

    /// The client left: if its request had been sent whole, its prompt is paid for.
    pub(super) fn note_left(&mut self, dispatched: &Dispatched) {
        if self.counts() || self.is_aside() || !dispatched.is_sent_whole() {
            return;
        }
        let Served { bill, model, .. } = &mut self.served;
        let (gateway, admitted) = (&self.gateway, &self.admitted);
        bill.leave(|written| bill::estimate(gateway, admitted, model.as_deref(), written));
    }

    /// What was used is booked now: it stays as it is.
    pub fn close_bill(&mut self) {
        self.served.bill.close();
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
        let Some((stated, _)) = relaying.usage() else {
            return;
        };
        let usd = self.cost(&stated.usage, relaying.service_tier(), &stated.extras);
        self.served.bill.spoil(stated, usd);
        dispatched.pick.lease.settle(stated.usage.total(), now);
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
            after: dispatched.began.saturating_duration_since(self.began),
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
        outcome.refused_addition = served.refused;
        outcome.usage_refused = self.served.bill.refused();
        if let Some((usage, source)) = self.served.bill.usage() {
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

    /// The response is made in the background: it is waited for.
    pub(super) fn note_pending(&mut self, relaying: &Relaying, now: Instant) {
        let (Some(id), Some(true)) = (relaying.response_id(), relaying.pending()) else {
            return;
        };
        // Once: it may be done, and booked, by the time that this request is over.
        if self.is_aside() || std::mem::replace(&mut self.served.waits, true) {
            return;
        }
        let (gateway, admitted) = (&self.gateway, &self.admitted);
        let model = self.served.model.as_deref();
        let (limits, whom) = (&gateway.limits, admitted.whom(&gateway.limits));
        let response = Response {
            id: id.to_owned(),
            who: self.attribution(),
            project: admitted.project.clone(),
            asked: admitted.model.clone(),
            estimate: bill::estimate(gateway, admitted, model, &Written::default()),
            held: limits.hold(whom, super::limits::estimate(gateway, admitted).nano_usd),
            since: now,
            tries: 0,
            next: now + later::FIRST,
        };
        gateway.later.wait_for(response);
    }

    /// What is known to have been used, for limits.
    pub fn used(&self) -> Used {
        let usage = self.served.bill.usage();
        Used {
            usage: usage.map_or_else(Usage::default, |(usage, _)| usage),
            nano_usd: self.usd().map_or(0, nano_usd),
        }
    }

    /// What that costs, to the billionth of a dollar: everybody books the same.
    fn usd(&self) -> Option<f64> {
        let price =
            |usage: &Usage, tier: Option<&str>, extras: &Extras| self.cost(usage, tier, extras);
        let usd = self.served.bill.usd(price)?;
        Some(nano_usd(usd) as f64 / 1e9)
    }

    fn cost(&self, usage: &Usage, tier: Option<&str>, extras: &Extras) -> Option<f64> {
        let prices = &self.gateway.prices;
        let price = |model: &str| prices.bill(model, usage, tier, extras);
        // A deployment's own name has no price; the name that the client knows may have one.
        let upstream = self.served.model.as_deref().and_then(price);
        upstream.or_else(|| price(&self.admitted.model))
    }
}
