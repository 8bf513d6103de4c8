//! Admitted → Dispatched: an account, and the request as it goes there; after a failure the next one, or the end.
//!
//! How often: at most `retry.max_attempts`, inside `retry.deadline`, and retries add at most `retry.budget` to the
//! traffic. Where: `pool` decides. The body is the same for every attempt but for the model's name, which is edited in
//! place; several MiB of it are shared, never copied.
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Gateway;
use super::admit::Admitted;
use super::counting::Counting;
use super::dispatched::Dispatched;
use super::echo;
use super::estimate::{Estimate, Sample};
use super::moment::Moment;
use super::refusal::Refusal;
use super::relaying::{Answer, Ended, Failed, Relaying};
use super::served::Served;
use super::side::Side;
use super::things;
use super::unsaid::Unsaid;
use super::{headers, limits};
use crate::outcome::{Attempt, End, FailureClass, Trace, UsageSource};
use crate::pool::{Exhausted, Failure, Next, Pool, Tried, Verdict, Want};
use crate::protocol::Dialect;
use crate::protocol::hub::error::RequestFault;
use crate::tokens::Direction;

/// An admitted request on its way through accounts.
#[derive(Debug)]
pub struct Dispatch {
    pub(super) gateway: Arc<Gateway>,
    pub(super) admitted: Admitted,
    pub(super) query: Option<String>,
    pub(super) unsaid: Unsaid,
    /// Whether the body holds state that Weir wrapped, once that was looked for.
    pub(super) enveloped: Option<bool>,
    pub(super) began: Instant,
    /// What upstreams are told of the trace that it belongs to.
    pub(super) trace: Option<Trace>,
    /// Where to look; moves to the fallback on failures that only it can mend.
    pub(super) pool: usize,
    pub(super) tried: Vec<Tried>,
    pub(super) attempts: Vec<Attempt>,
    /// The last failed attempt, which speaks when nothing else is left.
    last: Option<Box<Failed>>,
    moved: Moved,
    /// Requests that went to upstreams.
    pub(super) sent: u32,
    /// Time spent waiting for a ramp.
    eased: Duration,
    pub(super) served: Served,
    pub(super) counting: Counting,
}

/// What may happen only once in a request, and has.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    by_slowness: bool,
    in_place: bool,
    /// After the backoff nobody else was left there, so the same account is asked again.
    again: bool,
    /// The model made an answer that is none.
    by_misanswer: bool,
}

/// What to do next for a request.
#[derive(Debug)]
pub enum Step {
    /// No account is needed, or none will do better than the last one's own error.
    Answer(Answer),
    /// Nobody else counts: run it, away from the event loop if it is heavy, and answer with what it says.
    Estimate(Box<Estimate>),
    /// Make this attempt.
    Go(Box<Dispatched>),
    /// Nobody can serve.
    Refuse(Refusal),
    /// Ask again after this short time: an account is being eased in, or an overloaded provider gets one more try.
    Wait(Duration),
}

/// What a failed attempt leads to.
#[derive(Debug)]
pub enum Sequel {
    Again,
    /// The upstream's own error is the client's business.
    Answer(Answer),
    Refuse(Refusal),
}

impl Dispatch {
    /// For a request with this query.
    pub fn new(
        gateway: Arc<Gateway>,
        mut admitted: Admitted,
        query: Option<&str>,
        now: Instant,
    ) -> Self {
        gateway.pool.retry_budget().request(now);
        if admitted.previous_response.is_none() {
            let names = things::named(&admitted.call, &admitted.body);
            admitted.previous_response = gateway.pool.held(names, now);
        }
        Self {
            query: query.map(str::to_owned),
            unsaid: Unsaid::default(),
            enveloped: None,
            began: now,
            trace: None,
            pool: admitted.pool,
            tried: Vec::new(),
            attempts: Vec::new(),
            last: None,
            moved: Moved::default(),
            sent: 0,
            eased: Duration::ZERO,
            served: Served::default(),
            counting: Counting::default(),
            gateway,
            admitted,
        }
    }

    /// Belongs to this trace.
    #[must_use]
    pub fn in_trace(mut self, trace: Option<Trace>) -> Self {
        self.trace = trace;
        self
    }

    /// The dialect of the client.
    pub fn dialect(&self) -> Dialect {
        self.admitted.call.dialect
    }

    /// Whether the client wants its answer as a stream.
    pub fn wants_stream(&self) -> bool {
        self.admitted.stream
    }

    /// The accounts.
    pub fn pool(&self) -> &Pool {
        &self.gateway.pool
    }

    /// The next attempt. Accounts that speak the client's dialect are preferred to others of the same pool.
    pub fn next(&mut self, moment: Moment) -> Step {
        if self.counts() {
            return self.next_count(moment);
        }
        loop {
            match self.gateway.pool.pick(&self.want(moment.draw), moment.now) {
                // Who cannot be told the request is left out from then on.
                Ok(pick) => {
                    if let Some(step) = self.go(pick, moment) {
                        return step;
                    }
                }
                Err(exhausted) => return self.exhausted(&exhausted, moment),
            }
        }
    }

    /// What the next attempt needs of an account.
    pub(super) fn want(&self, draw: u64) -> Want<'_> {
        Want {
            pool: self.pool,
            pools: self.admitted.key.pools.as_deref(),
            model: self.admitted.wanted_model(),
            aside: self.admitted.call.side.as_deref().map(Side::family),
            dialect: self.admitted.call.is_bound().then_some(self.dialect()),
            without: self.unsaid.mutes(),
            prefers: Some(self.dialect()),
            account: self.admitted.account.as_deref(),
            session: self.admitted.session,
            previous_response: self.admitted.previous_response.as_deref(),
            tried: &self.tried,
            prices: Some(&self.gateway.prices),
            tokens: self.admitted.estimated_tokens(),
            draw,
            insist: self.eased >= LONGEST_EASE,
        }
    }

    fn exhausted(&mut self, exhausted: &Exhausted, moment: Moment) -> Step {
        if let Some(wait) = exhausted.easing
            && self.eased < LONGEST_EASE
        {
            let wait = wait.clamp(SHORTEST_EASE, LONGEST_EASE);
            self.eased += wait;
            return Step::Wait(wait);
        }
        let overloaded = self
            .last
            .as_ref()
            .is_some_and(|failed| failed.failure.class == FailureClass::Overloaded);
        if overloaded
            && !self.moved.in_place
            && let Some(wait) = exhausted.soonest.filter(|wait| *wait <= LONGEST_BACKOFF)
        {
            // No other provider: after the backoff another account there, or once more the same.
            self.moved.in_place = true;
            return Step::Wait(wait);
        }
        if overloaded && self.moved.in_place && !std::mem::replace(&mut self.moved.again, true) {
            self.tried.pop();
            return self.next(moment);
        }
        if matches!(exhausted.verdict, Verdict::Tried | Verdict::Down)
            && let Some(answer) = self.last.as_mut().and_then(|failed| failed.answer.take())
        {
            return Step::Answer(self.decided(answer));
        }
        if exhausted.verdict == Verdict::Dialect
            && let Some(RequestFault { param, message, .. }) = self.unsaid.take_fault()
        {
            return Step::Refuse(Refusal::Untranslatable { param, message });
        }
        Step::Refuse(self.refusal(exhausted))
    }

    fn refusal(&self, exhausted: &Exhausted) -> Refusal {
        let mut retry_after = exhausted.soonest;
        let class = match exhausted.verdict {
            Verdict::Model => {
                return Refusal::ModelUnknown {
                    model: self.admitted.model.clone(),
                };
            }
            Verdict::Dialect if self.admitted.call.is_bound() => {
                return Refusal::VendorUnserved {
                    dialect: self.dialect(),
                };
            }
            Verdict::Tried | Verdict::Down => match &self.last {
                Some(failed) => {
                    // What the upstream asked for is not shortened.
                    retry_after = retry_after.max(failed.failure.retry_after);
                    failed.failure.class
                }
                None => exhausted.cause.unwrap_or(FailureClass::ServerError),
            },
            Verdict::Drained => return Refusal::Drained,
            Verdict::Overloaded => {
                let last = self.last.as_ref().map(|failed| &failed.failure);
                retry_after = retry_after.max(last.and_then(|failure| failure.retry_after));
                FailureClass::Overloaded
            }
            verdict => verdict.class(),
        };
        Refusal::Exhausted { class, retry_after }
    }

    /// The request of an attempt goes to its upstream. However often it takes, it is one.
    pub fn note_sent(&mut self, dispatched: &mut Dispatched) {
        if !std::mem::replace(&mut dispatched.sent, true) {
            self.sent += 1;
        }
    }

    /// An attempt failed before anything reached the client.
    pub fn failed(
        &mut self,
        mut dispatched: Box<Dispatched>,
        mut failed: Box<Failed>,
        moment: Moment,
    ) -> Sequel {
        let Moment { now, draw, .. } = moment;
        if self.counts() {
            return self.count_failed(&dispatched, *failed, now);
        }
        let failure = self.judged(failed.failure);
        failed.failure = failure;
        self.note_attempt(&dispatched, Some(&failure), now);
        let blamed = self.blamed(&failure);
        dispatched.pick.lease.failed(&blamed, now, draw);
        let next = failure.next();
        if next != Next::InPlaceOnce {
            self.tried.push(dispatched.pick.tried(&failure));
        }
        let pool = dispatched.pick.pool;
        drop(dispatched);
        let movable = match next {
            Next::Stop => false,
            Next::Fallback => match self.fallback(pool) {
                Some(fallback) => {
                    self.pool = fallback;
                    true
                }
                None => false,
            },
            Next::InPlaceOnce => !std::mem::replace(&mut self.moved.by_misanswer, true),
            Next::ElsewhereOnce => !std::mem::replace(&mut self.moved.by_slowness, true),
            Next::Elsewhere | Next::ElsewhereOrInPlace => true,
        };
        // What makes something is not sent twice: it may have been made, and the next account would not know it.
        let side = self.admitted.call.side.as_deref();
        let repeatable = side.is_none_or(Side::is_repeatable);
        if movable && repeatable && self.may_retry(now) {
            self.last = Some(failed);
            return Sequel::Again;
        }
        match failed.answer {
            Some(answer) => Sequel::Answer(self.decided(answer)),
            None => Sequel::Refuse(Refusal::UpstreamFailed {
                class: failure.class,
                retry_after: failure.retry_after,
            }),
        }
    }

    /// What a failure is, now that it is known what the client wrote.
    fn judged(&self, failure: Failure) -> Failure {
        let admitted = &self.admitted;
        failure.unless_said(|phrase| {
            echo::says(&admitted.body, phrase) || echo::says(admitted.model.as_bytes(), phrase)
        })
    }

    /// What a failure says about the account.
    fn blamed(&self, failure: &Failure) -> Failure {
        match self.admitted.call.side {
            Some(_) => Side::blame(failure),
            None => *failure,
        }
    }

    /// The fallback of a pool, if the key may use it.
    fn fallback(&self, pool: usize) -> Option<usize> {
        let fallback = self.gateway.config.pools.get(pool)?.fallback?;
        let allowed = self.admitted.key.pools.as_ref();
        allowed
            .is_none_or(|allowed| allowed.contains(&fallback))
            .then_some(fallback)
    }

    pub(super) fn decided(&self, mut answer: Answer) -> Answer {
        headers::hide_limits(&mut answer.headers);
        self.add_decision(&mut answer.headers);
        answer
    }

    pub(super) fn may_retry(&self, now: Instant) -> bool {
        let retry = &self.gateway.config.retry;
        let attempts = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX);
        attempts < retry.max_attempts
            && now.saturating_duration_since(self.began) < retry.deadline
            && self.gateway.pool.retry_budget().retry(retry.budget, now)
    }

    /// The client closed during this attempt.
    pub fn client_gone(&mut self, mut dispatched: Box<Dispatched>, now: Instant) {
        self.note_attempt(&dispatched, Some(&Failure::client_gone()), now);
        self.note_left(&dispatched);
        self.settle_tokens(&mut dispatched, now);
        // The lease goes without a verdict: this says nothing about the account.
    }

    /// A committed answer ended.
    pub fn settle(
        &mut self,
        mut dispatched: Box<Dispatched>,
        relaying: &Relaying,
        ended: &Ended,
        moment: Moment,
    ) {
        let Moment { now, draw, .. } = moment;
        let failure = ended.failure.map(|failure| self.judged(failure));
        match &failure {
            Some(failure) => {
                let blamed = self.blamed(failure);
                dispatched.pick.lease.failed(&blamed, now, draw);
            }
            // Weir stopped: that says nothing about the account.
            None if ended.end == End::Drained => {}
            None => dispatched.pick.lease.completed(now),
        }
        self.note_attempt(&dispatched, failure.as_ref(), now);
        self.settle_tokens(&mut dispatched, now);
        self.note_response(&dispatched, relaying, now);
    }

    /// Remembers where the response can be continued: before its client can know its id.
    pub fn note_response(&mut self, dispatched: &Dispatched, relaying: &Relaying, now: Instant) {
        self.note_pending(relaying, now);
        let kept = self.keep(relaying);
        let (pool, lease) = (&self.gateway.pool, &dispatched.pick.lease);
        if let Some(id) = kept.as_deref().or_else(|| relaying.response_id()) {
            pool.bind_response(id, lease, now);
        }
        if let Some(name) = relaying.thing() {
            pool.bind_thing(name, lease, now);
        }
    }

    /// Keeps a translated answer, if it is to be kept; its id.
    fn keep(&mut self, relaying: &Relaying) -> Option<String> {
        let bounds = self.gateway.config.responses?;
        let response = relaying.response()?;
        let question = self.admitted.question.take()?;
        let (store, key) = (&self.gateway.store, &self.admitted.key.name);
        store.keep(bounds, key, question, response)
    }

    /// What can be learnt from the answer that has just been settled: something now and then, and only where estimates
    /// are asked for. `draw` is randomness.
    pub fn sample(&self, draw: u64) -> Option<Sample> {
        let bill = &self.served.bill;
        let Some((usage, UsageSource::Reported)) = bill.answer() else {
            return None;
        };
        let admitted = &self.admitted;
        let model = self.served.model.as_ref()?;
        if let Some((written, actual)) = bill.lesson() {
            let tokens = &self.gateway.tokens;
            tokens.learn(Direction::Answer, model, written.text(), 0, actual);
        }
        // A part of the prompt lies at the vendor.
        let kept = ["previous_response_id", "conversation", "cachedContent"];
        if kept
            .iter()
            .any(|name| admitted.members.has(&admitted.body, name))
        {
            return None;
        }
        limits::learn(&self.gateway, admitted, usage.prompt(), draw);
        let sampling = self.gateway.tokens.sample(model, &admitted.model, draw)?;
        Some(Sample::new(
            sampling,
            admitted.prompt().later(),
            Arc::clone(model),
            usage.prompt(),
        ))
    }

    fn settle_tokens(&self, dispatched: &mut Dispatched, now: Instant) {
        if let Some((usage, _)) = &self.served.bill.answer() {
            dispatched.pick.lease.settle(usage.total(), now);
        }
    }
}

/// How long a request waits for a ramp in all before it insists.
const LONGEST_EASE: Duration = Duration::from_secs(2);

/// The shortest wait for a ramp.
const SHORTEST_EASE: Duration = Duration::from_millis(10);

/// How long a request waits for an overloaded provider without an alternative; a longer backoff is told to the client.
const LONGEST_BACKOFF: Duration = Duration::from_millis(2500);
