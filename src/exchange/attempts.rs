//! Admitted → Attempt: picks an account and makes the request for it; after a failure, picks the next one or ends.
//!
//! How often: at most `retry.max_attempts`, within `retry.deadline`, and retries add at most `retry.budget` to the
//! traffic. Where: `pool` decides. The body is the same for every attempt except for the model's name, which is
//! replaced in place; its bytes, which may be several MiB, are shared and never copied.
use std::sync::Arc;
use std::time::Instant;

use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::Gateway;
use super::admit::Admitted;
use super::attempt::Attempt;
use super::attempt_maker::AttemptMaker;
use super::batches::Results;
use super::counting::{self, Counting};
use super::estimate::Sample;
use super::headers;
use super::inexpressible::InexpressibleDialects;
use super::occasion::Occasion;
use super::order::Order;
use super::refusal::Refusal;
use super::relaying::{Answer, Ended, Failed, Relaying};
use super::search::{self, Left, Search};
use super::serving_record::ServingRecord;
pub use super::step::{AfterFailure, Step};
use super::tape::{Budget, Tape};
use super::vendor_call::{Upload, VendorCall};
use crate::limits::Used;
use crate::limits::ledger::Attribution;
use crate::outcome::{End, Outcome, Trace};
use crate::pool::{Failure, Pool, Want};
use crate::protocol::hub::error::RequestFault;
use crate::protocol::{Dialect, UpstreamDialect};

/// The attempts of one request, until one serves it or none is left.
#[derive(Debug)]
pub struct Attempts {
    order: Order,
    search: Search,
    maker: AttemptMaker,
    counting: Counting,
    served: ServingRecord,
    /// What the results of a batch state, by model.
    results: Vec<Results>,
}

impl Attempts {
    /// The attempts of a request with this query.
    pub fn new(
        gateway: Arc<Gateway>,
        admitted: Admitted,
        query: Option<&str>,
        now: Instant,
    ) -> Self {
        gateway.pool.retry_budget().request(now);
        Self {
            search: Search::new(admitted.pool),
            order: Order::new(gateway, admitted, query, now),
            maker: AttemptMaker::default(),
            counting: Counting::default(),
            served: ServingRecord::default(),
            results: Vec::new(),
        }
    }

    /// Attaches the request to this trace.
    #[must_use]
    pub fn in_trace(mut self, trace: Option<Trace>) -> Self {
        self.order.trace = trace;
        self
    }

    /// The dialect of the client.
    pub fn dialect(&self) -> Dialect {
        self.order.dialect()
    }

    /// Whether the client wants its answer as a stream.
    pub fn wants_stream(&self) -> bool {
        self.order.admitted.stream
    }

    /// The pool of accounts.
    pub fn pool(&self) -> &Pool {
        &self.order.gateway.pool
    }

    /// The request that is served.
    pub(super) fn admitted(&self) -> &Admitted {
        &self.order.admitted
    }

    /// The dialects that so far could not express the request.
    pub(super) fn inexpressible(&self) -> &InexpressibleDialects {
        self.maker.inexpressible()
    }

    /// The dialect of the present account.
    pub(super) fn upstream_dialect(&self) -> Option<UpstreamDialect> {
        self.served.dialect()
    }

    /// What the next attempt requires of an account.
    pub(super) fn want(&self, draw: u64) -> Want<'_> {
        let inexpressible = self.maker.inexpressible().list();
        self.search.want(&self.order, inexpressible, draw)
    }

    /// The next attempt. Accounts that speak the client's dialect are preferred to others of the same pool.
    pub fn next(&mut self, occasion: Occasion) -> Step {
        if self.order.is_count() {
            let want = self.search.want(&self.order, &[], occasion.draw);
            return self
                .counting
                .next(&self.order, want, &mut self.served, occasion);
        }
        loop {
            let left = match self
                .pool()
                .pick(&self.want(occasion.draw), occasion.moment.now)
            {
                // From here on, an account that cannot express the request is excluded.
                Ok(pick) => {
                    let served = &mut self.served;
                    match self.maker.attempt(&self.order, served, pick, occasion) {
                        Some(attempt) => return Step::Go(attempt),
                        None => continue,
                    }
                }
                Err(exhausted) => self.search.exhausted(&self.order, &exhausted),
            };
            return match left {
                Left::Again => continue,
                Left::Wait(time) => Step::Wait(time),
                Left::Answer(answer) => Step::Answer(self.decided(answer)),
                Left::Refuse(refusal) => Step::Refuse(refusal),
                Left::Inexpressible(refusal) => Step::Refuse(match self.maker.take_fault() {
                    Some(RequestFault { param, message, .. }) => {
                        Refusal::Untranslatable { param, message }
                    }
                    None => refusal,
                }),
            };
        }
    }

    /// The request of an attempt is sent to its upstream. Repetitions of one attempt count once.
    pub fn note_sent(&mut self, attempt: &mut Attempt) {
        if attempt.note_sent() {
            self.served.note_sent();
        }
    }

    /// An attempt failed before anything reached the client.
    pub fn failed(
        &mut self,
        mut attempt: Box<Attempt>,
        mut failed: Box<Failed>,
        occasion: Occasion,
        client: &HeaderMap,
    ) -> AfterFailure {
        let (now, draw) = (occasion.moment.now, occasion.draw);
        if self.order.is_count() {
            return self.count_failed(&attempt, *failed, now);
        }
        let failure = self.judged(failed.failure, client);
        failed.failure = failure;
        self.note_attempt(&attempt, Some(&failure), now);
        let blamed = self.blamed(&failure);
        attempt.lease_mut().failed(&blamed, now, draw);
        let missed = self.order.missed(&failed);
        let (order, pick) = (&self.order, attempt.pick());
        let movable = if missed.is_empty() {
            self.search.failed(order, pick, &failure)
        } else {
            self.search.missing(order, pick, &failure, missed)
        };
        // The lease is given back before the search for another account.
        drop(attempt);
        if movable && self.may_retry(now) {
            self.search.go_on_after(failed);
            return AfterFailure::Again;
        }
        match failed.answer {
            Some(answer) => AfterFailure::Answer(self.decided(answer)),
            None => AfterFailure::Refuse(Refusal::UpstreamFailed {
                class: failure.class,
                retry_after: failure.retry_after,
            }),
        }
    }

    /// An account did not count the tokens. A fault of the prompt is reported to the client; anything else leads to
    /// another account or to an estimate.
    fn count_failed(&mut self, attempt: &Attempt, failed: Failed, now: Instant) -> AfterFailure {
        let failure = failed.failure;
        self.note_attempt(attempt, Some(&failure), now);
        if let Some(answer) = self.counting.failed(&self.order, attempt, failed, now) {
            return AfterFailure::Answer(self.decided(answer));
        }
        self.search.count_failed(attempt.pick(), &failure);
        if !self.counting.has_given_up() && !self.may_retry(now) {
            self.counting.give_up();
        }
        AfterFailure::Again
    }

    /// What a failure means, once the client's own words, including these headers, are taken into account.
    fn judged(&self, failure: Failure, client: &HeaderMap) -> Failure {
        failure.unless_said(|phrase| self.order.says(client, phrase))
    }

    /// What a failure says about the account.
    fn blamed(&self, failure: &Failure) -> Failure {
        match self.order.vendor_call() {
            Some(_) => VendorCall::blame(failure),
            None => *failure,
        }
    }

    fn decided(&self, mut answer: Answer) -> Answer {
        headers::hide_limits(&mut answer.headers);
        self.served.add_decision(&self.order, &mut answer.headers);
        answer
    }

    fn may_retry(&self, now: Instant) -> bool {
        search::may_retry(&self.order, self.served.attempts(), now)
    }

    fn note_attempt(&mut self, attempt: &Attempt, failure: Option<&Failure>, now: Instant) {
        let record = attempt.record(self.order.began, failure, now);
        self.served.note_attempt(record);
    }

    /// The client closed the connection during this attempt; `answer` is what had come by then.
    pub fn client_gone(
        &mut self,
        mut attempt: Box<Attempt>,
        answer: Option<&Relaying>,
        now: Instant,
    ) {
        // A response that continues without its client can be fetched later from the account that generates it.
        if let Some(answer) = answer {
            self.note_response(&attempt, answer, now);
        }
        self.note_attempt(&attempt, Some(&Failure::client_gone()), now);
        if attempt.is_sent_whole() {
            self.served.note_left(&self.order);
        }
        self.settle_tokens(&mut attempt, now);
        // The lease is dropped without a verdict, because this says nothing about the account.
    }

    /// A committed answer has ended.
    pub fn settle(
        &mut self,
        mut attempt: Box<Attempt>,
        relaying: &Relaying,
        ended: &Ended,
        occasion: Occasion,
        client: &HeaderMap,
    ) {
        let (now, draw) = (occasion.moment.now, occasion.draw);
        let failure = ended.failure.map(|failure| self.judged(failure, client));
        match &failure {
            Some(failure) => {
                let blamed = self.blamed(failure);
                attempt.lease_mut().failed(&blamed, now, draw);
            }
            // Weir itself ended the answer, which says nothing about the account.
            None if ended.end == End::Drained => {}
            None => attempt.lease_mut().completed(now),
        }
        self.note_attempt(&attempt, failure.as_ref(), now);
        self.settle_tokens(&mut attempt, now);
        self.note_response(&attempt, relaying, now);
    }

    fn settle_tokens(&self, attempt: &mut Attempt, now: Instant) {
        if let Some(tokens) = self.served.tokens() {
            attempt.lease_mut().settle(tokens, now);
        }
    }

    /// Remembers which account can continue the response, before the client can know its id.
    pub fn note_response(&mut self, attempt: &Attempt, relaying: &Relaying, now: Instant) {
        let response = relaying.response();
        let kept = response.and_then(|response| self.order.keep(response));
        let (pool, lease) = (self.pool(), &attempt.pick().lease);
        if let Some(id) = kept.as_deref().or_else(|| relaying.response_id()) {
            pool.bind_response(id, lease, now);
        }
        for name in self.search.missed() {
            pool.bind_object(name, lease, now);
        }
        self.served
            .note_made(&self.order, lease, relaying.facts(), now);
    }

    /// A sample to learn from, out of the answer that has just been settled: only some answers, and only where
    /// estimates are needed. `draw` is a random number.
    pub fn sample(&self, relaying: &Relaying, draw: u64) -> Option<Sample> {
        self.served.sample(&self.order, relaying, draw)
    }

    /// The upstream refused something that Weir had added: it is asked again without it, which does not count as
    /// another attempt.
    pub fn ask_less(&mut self, attempt: &mut Attempt, relaying: &Relaying, now: Instant) -> bool {
        let refused = attempt.ask_less(&self.order, relaying, now);
        refused
            .inspect(|name| self.served.note_refused(name))
            .is_some()
    }

    /// Makes the request for the rest of a paused answer. `false` = there is no rest.
    pub fn go_on(&mut self, attempt: &mut Attempt, relaying: &mut Relaying, now: Instant) -> bool {
        let record = attempt.record(self.order.began, None, now);
        let goes_on = attempt.go_on(relaying, now);
        if goes_on {
            self.served.note_attempt(record);
        }
        goes_on
    }

    /// The head of this attempt's request; `h2` needs an absolute URI. `None` when the request cannot be written.
    /// `client` are the client's headers.
    pub fn head(&self, attempt: &Attempt, client: &HeaderMap, h2: bool) -> Option<Parts> {
        let trace = self.order.trace;
        let trace = trace.map(|trace| trace.header(self.served.attempts()));
        attempt.head(&self.order, client, trace, h2)
    }

    /// The recording of this attempt, whose answer has this status, within the budget; `None` when it is not an
    /// exchange of a conversation.
    pub fn tape(
        &self,
        attempt: &Attempt,
        status: StatusCode,
        budget: &Arc<Budget>,
    ) -> Option<Box<Tape>> {
        let request = attempt.taped(&self.order)?;
        Some(Box::new(Tape::new(request, status.as_u16(), budget)))
    }

    /// The body that is passed on as it arrives from the client.
    pub fn upload(&self) -> Option<Upload> {
        self.order.upload()
    }

    /// The head of the answer for the client; `None` after the first call.
    pub fn client_head(&self, relaying: &mut Relaying) -> Option<(StatusCode, HeaderMap)> {
        let (status, mut headers) = relaying.client_head()?;
        headers::hide_limits(&mut headers);
        self.served.add_decision(&self.order, &mut headers);
        if self.order.is_count() {
            counting::mark(&mut headers, counting::PROVIDER);
        }
        Some((status, headers))
    }

    /// Records what the answer has stated so far.
    pub fn note(&mut self, relaying: &mut Relaying, now: Instant) {
        self.served.note_losses(relaying);
        self.note_usage(relaying, now);
        if let Some(reader) = relaying.take_results() {
            self.results.extend(reader.finish());
        }
    }

    /// What is booked independently of this request: the results of a batch that passed through.
    pub fn take_results(&mut self) -> Vec<Results> {
        std::mem::take(&mut self.results)
    }

    /// Records the use so far.
    pub fn note_usage(&mut self, relaying: &mut Relaying, now: Instant) {
        self.served.note_usage(&self.order, relaying, now);
    }

    /// Records an attempt that failed.
    pub fn note_failed(
        &mut self,
        attempt: &mut Attempt,
        relaying: &mut Relaying,
        failure: &Failure,
        now: Instant,
    ) {
        let discarded = self.served.note_failed(&self.order, relaying, failure);
        if let Some(tokens) = discarded {
            attempt.lease_mut().settle(tokens, now);
        }
    }

    /// The use is booked now and does not change any more.
    pub fn close_bill(&mut self) {
        self.served.close_bill();
    }

    /// To whom the use is attributed, for the ledger.
    pub fn attribution(&self) -> Attribution {
        self.served.attribution(&self.order)
    }

    /// The known use, for limits.
    pub fn used(&self) -> Used {
        self.served.used(&self.order)
    }

    /// Copies what is known into the record of the request.
    pub fn describe(&mut self, outcome: &mut Outcome) {
        self.served.describe(&self.order, outcome);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Method;
    use std::time::SystemTime;

    use super::*;
    use crate::config;
    use crate::exchange::Gateway;
    use crate::exchange::admit::{self, Arrived};
    use crate::exchange::operation::{Operation, operation};
    use crate::moment::Moment;

    /// The body that goes upstream for a request of an Anthropic client.
    fn sent(accounts: &[&str], body: &str) -> Vec<u8> {
        let accounts: Vec<String> = accounts
            .iter()
            .map(|dialect| {
                format!(
                    "  - {{ name: {dialect}, provider: simulated, dialect: {dialect}, base_url: \"http://127.0.0.1:9/v1\" }}\n"
                )
            })
            .collect();
        let accounts = accounts.concat();
        let text = format!("version: 1\nanonymous: true\naccounts:\n{accounts}");
        let config = config::parse("test", &text, &|_| None).expect("a configuration");
        let gateway = Arc::new(Gateway::build(config, None));
        let headers = HeaderMap::new();
        let wall = SystemTime::now();
        let Operation::Model(call) = operation(&Method::POST, "/v1/messages", &headers) else {
            panic!("not a model call");
        };
        let key = admit::authenticate(&gateway, &headers, None, wall).expect("anybody");
        let body = Bytes::copy_from_slice(body.as_bytes());
        let arrived = Arrived {
            call,
            headers: &headers,
            query: None,
            body,
        };
        let admitted = admit::admit(&gateway, key, arrived, wall).expect("a request");
        let now = Instant::now();
        let mut attempts = Attempts::new(gateway, admitted, None, now);
        match attempts.next(Occasion {
            moment: Moment { now, wall },
            draw: 1,
        }) {
            Step::Go(attempt) => attempt.body().to_bytes().to_vec(),
            other => panic!("{other:?}"),
        }
    }

    fn conversation(signature: &str) -> String {
        format!(
            r#"{{"model":"claude-sonnet-5",  "max_tokens":9,"messages":[{{"role":"user","content":"a"}},{{"role":"assistant","content":[{{"type":"thinking","thinking":"hm","signature":"{signature}"}},{{"type":"text","text":"b"}}]}},{{"role":"user","content":"c"}}]}}"#
        )
    }

    #[test]
    fn the_clients_own_dialect_gets_the_clients_bytes() {
        let body = conversation("EqQBCkYIARgC");
        assert_eq!(sent(&["anthropic"], &body), body.as_bytes());
        assert_eq!(sent(&["openai-chat", "anthropic"], &body), body.as_bytes());
    }

    #[test]
    fn state_that_weir_wrapped_never_reaches_a_vendor() {
        let body = conversation("weir1.AQECAwQF");
        let sent = String::from_utf8(sent(&["anthropic", "openai-chat"], &body)).expect("text");
        assert!(!sent.contains("weir1."), "{sent}");
        assert!(sent.contains(r#""text":"b""#), "{sent}");
    }
}
