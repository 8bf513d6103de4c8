//! What is known of the account that served a request, for a client that debugs and for the record of the request.
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue};

use super::awaited;
use super::background::Claim;
use super::batches::{Batch, Reader};
use super::bill::{self, Bill, Evidence};
use super::charge;
use super::estimate::Sample;
use super::limits;
use super::order::Order;
use super::product_usage;
use super::relaying::{Facts, Relaying};
use crate::config::{Account, name};
use crate::limits::ledger::Attribution;
use crate::limits::{Used, nano_usd};
use crate::outcome::{Affinity, AttemptRecord, Outcome, UsageSource};
use crate::pool::{Failure, Lease, Next, Pick};
use crate::protocol::UpstreamDialect;
use crate::protocol::hub::usage::{Extras, Stated, Usage};
use crate::protocol::sound::Spoken;
use crate::tokens::Direction;

/// What is known of the account that answered, or that failed last.
#[derive(Debug, Default)]
pub(super) struct ServingRecord {
    account: Option<Arc<Account>>,
    pool: Option<usize>,
    model: Option<Arc<str>>,
    affinity: Option<Affinity>,
    bill: Bill,
    dialect: Option<UpstreamDialect>,
    dropped: Vec<&'static str>,
    violations: Vec<&'static str>,
    /// All attempts that ended.
    attempts: Vec<AttemptRecord>,
    /// The number of requests that were sent to upstreams.
    sent: u32,
    /// The claim on the response that this request fetches.
    claim: Option<Claim>,
    /// Whether the response that this request asked for is outstanding.
    waits: bool,
    /// The member that Weir had added to the request and that the upstream refused.
    refused: Option<&'static str>,
}

impl ServingRecord {
    /// This account is to serve the request.
    pub(super) fn begin(&mut self, order: &Order, pick: &Pick) {
        self.note_pick(pick);
        self.affinity = pick.affinity;
        self.claim_response(order);
        self.dropped.clear();
    }

    /// This account is being asked.
    pub(super) fn note_pick(&mut self, pick: &Pick) {
        self.account = Some(Arc::clone(&pick.account));
        self.pool = Some(pick.pool);
        self.note_model(&pick.model);
    }

    /// The upstream's name of the model.
    pub(super) fn note_model(&mut self, model: &Arc<str>) {
        self.model = Some(Arc::clone(model)).filter(|model| !model.is_empty());
    }

    /// Records the upstream's dialect.
    pub(super) fn note_dialect(&mut self, upstream: UpstreamDialect) {
        self.dialect = Some(upstream);
    }

    /// The dialect of the request to the upstream.
    pub(super) fn dialect(&self) -> Option<UpstreamDialect> {
        self.dialect
    }

    /// These members of the request are dropped.
    pub(super) fn note_dropped(&mut self, dropped: Vec<&'static str>) {
        self.dropped = dropped;
    }

    /// A request was sent to an upstream.
    pub(super) fn note_sent(&mut self) {
        self.sent += 1;
    }

    /// The upstream refused this member, which Weir had added.
    pub(super) fn note_refused(&mut self, member: &'static str) {
        self.refused = Some(member);
    }

    /// Whether the response that the request fetches is to be booked.
    pub(super) fn books(&self) -> bool {
        self.claim.is_some()
    }

    /// An attempt ended.
    pub(super) fn note_attempt(&mut self, attempt: AttemptRecord) {
        self.attempts.push(attempt);
    }

    /// How many attempts have ended.
    pub(super) fn attempts(&self) -> usize {
        self.attempts.len()
    }

    /// The tokens that the answer used.
    pub(super) fn tokens(&self) -> Option<u64> {
        self.bill.answer().map(|(usage, _)| usage.total())
    }

    /// A response that was generated in the background may be finished now, and this request has to book it, by its
    /// model.
    fn claim_response(&mut self, order: &Order) {
        let Some(vendor_call) = order.vendor_call() else {
            return;
        };
        if self.claim.is_none()
            && let Some(id) = vendor_call.fetched()
        {
            let background = &order.gateway.background;
            self.claim = background.claim(id, &order.admitted.key.name);
        }
        if let Some(response) = self.claim.as_ref().and_then(Claim::response) {
            self.model.clone_from(&response.who.model);
        }
    }

    /// The reader of the batch results that this request fetches, if it does.
    pub(super) fn results(&self, order: &Order) -> Option<Box<Reader>> {
        let (id, form) = order.vendor_call()?.results()?;
        let batches = order.gateway.background.batches();
        let batch = batches.named(&id).unwrap_or_else(|| {
            // It is not known which key created the batch, so the key that fetches it is charged.
            let project = order.admitted.project.as_ref();
            Arc::new(Batch::new(&id, &self.attribution(order), project))
        });
        let gateway = Arc::clone(&order.gateway);
        Some(Box::new(Reader::new(gateway, batch, form)))
    }

    /// Remembers where an object in the answer lives, and which key a batch or a file belongs to.
    pub(super) fn note_made(&self, order: &Order, lease: &Lease, facts: &Facts, now: Instant) {
        let pool = &order.gateway.pool;
        if let Some(name) = facts.object() {
            pool.bind_object(name, lease, now);
        }
        if order.gateway.config.accounts.len() > 1 {
            for name in facts.state() {
                pool.bind_object(name, lease, now);
            }
        }
        let Some(vendor_call) = order.vendor_call() else {
            return;
        };
        let (background, project) = (&order.gateway.background, order.admitted.project.as_ref());
        if let Some(name) = facts.object() {
            if vendor_call.makes_batch() {
                let batch = background
                    .batches()
                    .keep(name, &self.attribution(order), project);
                if let Some(batch) = batch {
                    background.note_batch(&batch);
                }
            } else if vendor_call.makes_file() {
                background.note_place(name, &self.attribution(order));
            }
        }
        for (batch, file) in facts.files() {
            pool.bind_object(file, lease, now);
            if let Some(file) = background.batches().results_in(batch, file) {
                background.note_batch(&file);
            }
        }
    }

    /// Records the use so far.
    pub(super) fn note_usage(&mut self, order: &Order, relaying: &mut Relaying, now: Instant) {
        // Counting tokens uses none.
        if order.is_count() {
            return;
        }
        let mut stated = relaying.usage();
        // A response in the background is booked when it is finished, even if it comes as a stream that ends before.
        let pending = relaying.facts().pending();
        let only_looks = order
            .vendor_call()
            .is_some_and(|vendor_call| !vendor_call.makes_video());
        if pending == Some(true) && (only_looks || self.is_waited_for(order, relaying, now)) {
            // The claim is given back for the client's next request, which may come at once.
            self.claim = None;
            return;
        }
        // What failed costs nothing, whatever it was asked for.
        if order.is_vendor_call() && (pending != Some(false) || stated.is_some()) {
            let (gateway, admitted) = (&order.gateway, &order.admitted);
            let speech =
                product_usage::speech(gateway, admitted, self.model.as_deref(), relaying.spoken());
            stated = product_usage::booked(admitted, stated, speech, || {
                limits::input(gateway, admitted)
            });
        }
        // What is not text is not estimated.
        let none = |(stated, _): (Stated, UsageSource)| stated.is_nothing();
        if order.is_vendor_call() && stated.is_none_or(none) {
            if let (Some(claim), Some(false)) = (&mut self.claim, pending) {
                let written = relaying.written();
                let tokens = &order.gateway.tokens;
                let response = claim.response();
                if let Some(unstated) = response.and_then(|it| it.unstated(tokens, &written)) {
                    self.bill.note_estimate(unstated);
                }
                claim.done();
            }
            return;
        }
        let evidence = Evidence {
            stated,
            written: &|| relaying.written(),
            service_tier: relaying.facts().service_tier(),
        };
        let Self { bill, model, .. } = self;
        let (gateway, admitted) = (&order.gateway, &order.admitted);
        bill.note(evidence, |written| {
            bill::estimate(gateway, admitted, model.as_deref(), written)
        });
        if let Some(claim) = &mut self.claim {
            claim.done();
        }
    }

    /// The client left: if its request had been sent completely, its prompt is charged.
    pub(super) fn note_left(&mut self, order: &Order) {
        if order.is_count() || self.waits {
            return;
        }
        let Self { bill, model, .. } = self;
        let (gateway, admitted) = (&order.gateway, &order.admitted);
        if order.is_vendor_call() {
            let input = || limits::input(gateway, admitted);
            let speech = product_usage::speech(
                gateway,
                admitted,
                model.as_deref(),
                Some(&Spoken::default()),
            );
            if let Some((asked, _)) = product_usage::booked(admitted, None, speech, input) {
                bill.note_estimate(asked);
            }
            return;
        }
        bill.leave(|written| bill::estimate(gateway, admitted, model.as_deref(), written));
    }

    /// The use is booked now and does not change any more.
    pub(super) fn close_bill(&mut self) {
        self.bill.close();
    }

    /// Records an attempt that failed. Returns the tokens that it used, if its answer was discarded.
    pub(super) fn note_failed(
        &mut self,
        order: &Order,
        relaying: &mut Relaying,
        failure: &Failure,
    ) -> Option<u64> {
        self.note_losses(relaying);
        if failure.next() != Next::InPlaceOnce {
            return None;
        }
        let (stated, _) = relaying.usage()?;
        let usd = self.cost(
            order,
            &stated.usage,
            relaying.facts().service_tier(),
            &stated.extras,
        );
        self.bill.discard(stated, usd);
        Some(stated.usage.total())
    }

    /// Records what the translation dropped and which rules the upstream violated, also for a failed attempt.
    pub(super) fn note_losses(&mut self, relaying: &Relaying) {
        let (dropped, violations) = relaying.losses();
        // An answer that was not translated knows nothing of what the request lost.
        if !dropped.is_empty() {
            self.dropped = dropped;
        }
        self.violations.extend(violations);
    }

    /// Adds headers that tell a debugging client how the request was routed.
    pub(super) fn add_decision(&self, order: &Order, headers: &mut HeaderMap) {
        if !order.admitted.key.debug {
            return;
        }
        let mut add = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        };
        if let Some(account) = &self.account {
            add(
                "x-weir-account",
                name::for_header(&account.name).into_owned(),
            );
        }
        add(
            "x-weir-route",
            order
                .admitted
                .route
                .map_or_else(|| "default".to_owned(), |route| route.to_string()),
        );
        let rewrites = order.admitted.rewrites.names(&order.gateway.config);
        if !rewrites.is_empty() {
            add("x-weir-rewrites", rewrites.join(", "));
        }
        add("x-weir-attempts", self.sent.to_string());
    }

    /// Copies what is known into the record of the request.
    pub(super) fn describe(&mut self, order: &Order, outcome: &mut Outcome) {
        let pools = &order.gateway.config.pools;
        let served = self;
        outcome.attempts = std::mem::take(&mut served.attempts);
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
        outcome.usage_refused = served.bill.refused();
        if let Some((usage, source)) = served.bill.usage() {
            outcome.usage = Some(usage);
            outcome.usage_source = Some(source);
            outcome.cost_usd = served.usd(order);
        }
    }

    /// To whom the use is attributed, for the ledger.
    pub(super) fn attribution(&self, order: &Order) -> Attribution {
        let (key, account) = (&order.admitted.key, self.account.as_ref());
        let own = account.and_then(|account| account.project.as_ref());
        Attribution {
            key: Arc::clone(&key.name),
            group: key.group.clone(),
            project: order.admitted.project.as_ref().or(own).cloned(),
            model: self.model.clone(),
            account: account.map(|account| Arc::clone(&account.name)),
        }
    }

    /// The response is generated in the background: it is outstanding from now on, unless there are too many.
    fn is_waited_for(&mut self, order: &Order, relaying: &Relaying, now: Instant) -> bool {
        let video = relaying.facts().video();
        let own = video.map(|video| video.id.as_str());
        let Some(id) = own.or(relaying.response_id()) else {
            return false;
        };
        if self.waits {
            return true;
        }
        // Whoever makes a video out of another one names no model.
        if let Some(model) = video.and_then(|video| video.model.as_deref()) {
            self.model.get_or_insert_with(|| model.into());
        }
        let response = awaited::response(order, self.attribution(order), id, video, now);
        self.waits = order.gateway.background.wait_for(response);
        self.waits
    }

    /// A sample from the answer that has just been settled, if it is suitable for learning. `draw` is a random number.
    pub(super) fn sample(&self, order: &Order, relaying: &Relaying, draw: u64) -> Option<Sample> {
        let (gateway, admitted) = (&order.gateway, &order.admitted);
        let bill = &self.bill;
        let Some((usage, UsageSource::Reported)) = bill.answer() else {
            return None;
        };
        let model = self.model.as_ref()?;
        let tokens = &gateway.tokens;
        if tokens.wants(Direction::Answer, model, draw) {
            let written = relaying.written();
            if let Some(actual) = bill.lesson(&written) {
                tokens.learn(Direction::Answer, model, written.text(), 0, actual);
            }
        }
        // A part of the prompt is stored at the vendor.
        let kept = ["previous_response_id", "conversation", "cachedContent"];
        if kept
            .iter()
            .any(|name| admitted.members.has(&admitted.body, name))
        {
            return None;
        }
        limits::learn(gateway, admitted, usage.prompt(), draw);
        let sampling = tokens.sample(model, &admitted.model, draw)?;
        Some(Sample::new(
            sampling,
            admitted.prompt().deferred(),
            Arc::clone(model),
            usage.prompt(),
        ))
    }

    /// The known use, for limits.
    pub(super) fn used(&self, order: &Order) -> Used {
        let usage = self.bill.usage();
        Used {
            usage: usage.map_or_else(Usage::default, |(usage, _)| usage),
            nano_usd: self.usd(order).map_or(0, nano_usd),
        }
    }

    /// The cost of the use in US dollars, rounded to a billionth, so that every book has the same figure.
    fn usd(&self, order: &Order) -> Option<f64> {
        let price = |usage: &Usage, tier: Option<&str>, extras: &Extras| {
            self.cost(order, usage, tier, extras)
        };
        let usd = self.bill.usd(price)?;
        Some(nano_usd(usd) as f64 / 1e9)
    }

    fn cost(
        &self,
        order: &Order,
        usage: &Usage,
        tier: Option<&str>,
        extras: &Extras,
    ) -> Option<f64> {
        let prices = &order.gateway.prices;
        let price = |model: &str| charge::usd(prices, model, usage, tier, extras);
        // A deployment's own name has no price; the name that the client uses may have one.
        let upstream = self.model.as_deref().and_then(price);
        upstream.or_else(|| price(&order.admitted.model))
    }
}
