//! Admitted → Dispatched: an account, and the request as it goes there; after a failure the next one, or the end.
//!
//! How often: at most `retry.max_attempts`, inside `retry.deadline`, and retries add at most `retry.budget` to the
//! traffic. Where: `pool` decides. The body is the same for every attempt but for the model's name, which is edited in
//! place; several MiB of it are shared, never copied.
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

use super::admit::Admitted;
use super::operation::ModelCall;
use super::refusal::Refusal;
use super::relaying::{Answer, Ended, Failed, Relaying};
use super::served::Served;
use super::{Gateway, headers, target};
use crate::config::Account;
use crate::outcome::{Attempt, FailureClass};
use crate::pool::{Exhausted, Next, Pick, Pool, Tried, Verdict, Want};
use crate::protocol::Dialect;
use crate::protocol::json::{self, Pieces};

/// An admitted request on its way through accounts.
#[derive(Debug)]
pub struct Dispatch {
    pub(super) gateway: Arc<Gateway>,
    pub(super) admitted: Admitted,
    /// The client's headers, less what stays here, as every account gets them.
    headers: HeaderMap,
    query: Option<String>,
    pub(super) began: Instant,
    /// Where to look; moves to the fallback on failures that only it can mend.
    pool: usize,
    tried: Vec<Tried>,
    pub(super) attempts: Vec<Attempt>,
    /// The last failed attempt, which speaks when nothing else is left.
    last: Option<Box<Failed>>,
    moved: Moved,
    /// Time spent waiting for a ramp.
    eased: Duration,
    pub(super) served: Served,
}

/// What may happen only once in a request, and has.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    by_slowness: bool,
    in_place: bool,
}

/// One attempt, about to be made.
#[derive(Debug)]
pub struct Dispatched {
    pub(super) pick: Pick,
    call: ModelCall,
    stream: bool,
    body: Pieces,
    pub(super) began: Instant,
}

/// What to do next for a request.
#[derive(Debug)]
pub enum Step {
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
    /// For a request with these headers and this query.
    pub fn new(
        gateway: Arc<Gateway>,
        admitted: Admitted,
        client: &HeaderMap,
        query: Option<&str>,
        now: Instant,
    ) -> Self {
        gateway.pool.retry_budget().request(now);
        Self {
            headers: headers::from_client(client),
            query: query.map(str::to_owned),
            began: now,
            pool: admitted.pool,
            tried: Vec::new(),
            attempts: Vec::new(),
            last: None,
            moved: Moved::default(),
            eased: Duration::ZERO,
            served: Served::default(),
            gateway,
            admitted,
        }
    }

    /// The dialect of the client.
    pub fn dialect(&self) -> Dialect {
        self.admitted.call.dialect
    }

    /// The accounts.
    pub fn pool(&self) -> &Pool {
        &self.gateway.pool
    }

    /// The next attempt.
    pub fn next(&mut self, now: Instant, draw: u64) -> Step {
        let want = Want {
            pool: self.pool,
            pools: self.admitted.key.pools.as_deref(),
            model: self.admitted.wanted_model(),
            dialect: Some(self.dialect()),
            account: None,
            session: self.admitted.session,
            previous_response: self.admitted.previous_response.as_deref(),
            tried: &self.tried,
            tokens: self.admitted.estimated_tokens(),
            draw,
            insist: self.eased >= LONGEST_EASE,
        };
        match self.gateway.pool.pick(&want, now) {
            Ok(pick) => Step::Go(Box::new(self.dispatched(pick, now))),
            Err(exhausted) => self.exhausted(&exhausted),
        }
    }

    fn dispatched(&mut self, pick: Pick, now: Instant) -> Dispatched {
        self.served.account = Some(pick.account.clone());
        self.served.pool = Some(pick.pool);
        self.served.model = Some(pick.model.clone());
        self.served.affinity = pick.affinity;
        let renamed =
            self.admitted.call.path_model.is_none() && *pick.model != *self.admitted.model;
        let body = if renamed {
            json::rename(&self.admitted.body, &self.admitted.members, &pick.model)
        } else {
            Pieces::from(self.admitted.body.clone())
        };
        Dispatched {
            call: self.admitted.call.clone(),
            stream: self.admitted.stream,
            body,
            began: now,
            pick,
        }
    }

    fn exhausted(&mut self, exhausted: &Exhausted) -> Step {
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
            // No other provider: once more where it was, after the backoff.
            self.moved.in_place = true;
            self.tried.pop();
            return Step::Wait(wait);
        }
        Step::Refuse(self.refusal(exhausted))
    }

    fn refusal(&self, exhausted: &Exhausted) -> Refusal {
        let retry_after = exhausted.soonest;
        let class = match exhausted.verdict {
            Verdict::Model => {
                return Refusal::ModelUnknown {
                    model: self.admitted.model.clone(),
                };
            }
            Verdict::Dialect => {
                let client = self.dialect();
                return Refusal::NeedsTranslation {
                    client,
                    model: self.admitted.model.clone(),
                };
            }
            Verdict::Tried | Verdict::Down => match &self.last {
                Some(failed) => failed.failure.class,
                None => FailureClass::ServerError,
            },
            verdict => class_of(verdict),
        };
        Refusal::Exhausted { class, retry_after }
    }

    /// The head of this attempt's request; `h2` wants an absolute URI. `None` when no such request can be written.
    pub fn head(&self, dispatched: &Dispatched, h2: bool) -> Option<Parts> {
        let account = &dispatched.pick.account;
        let endpoint = account.endpoints.get(dispatched.pick.endpoint)?;
        let query = self.query.as_deref();
        let path = target::call(
            &dispatched.call,
            endpoint,
            &dispatched.pick.model,
            query,
            account,
        );
        let headers = headers::for_account(&self.headers, account);
        target::head(
            &Method::POST,
            &path,
            endpoint,
            headers,
            Some(dispatched.body.len()),
            h2,
        )
    }

    /// The head of the answer for the client.
    pub fn client_head(&self, relaying: &Relaying) -> (StatusCode, HeaderMap) {
        let (status, upstream) = relaying.head();
        let mut headers = headers::to_client(upstream);
        self.add_decision(&mut headers);
        (status, headers)
    }

    /// An attempt failed before anything reached the client.
    pub fn failed(
        &mut self,
        mut dispatched: Box<Dispatched>,
        failed: Box<Failed>,
        now: Instant,
        draw: u64,
    ) -> Sequel {
        let failure = failed.failure;
        self.note_attempt(&dispatched, Some(failure.class), now);
        dispatched.pick.lease.failed(&failure, now, draw);
        self.tried.push(dispatched.pick.tried(&failure));
        let next = failure.next();
        let pool = dispatched.pick.pool;
        drop(dispatched);
        let movable = match next {
            Next::Stop => false,
            Next::Fallback => match self
                .gateway
                .config
                .pools
                .get(pool)
                .and_then(|pool| pool.fallback)
            {
                Some(fallback) => {
                    self.pool = fallback;
                    true
                }
                None => false,
            },
            Next::ElsewhereOnce => !std::mem::replace(&mut self.moved.by_slowness, true),
            Next::Elsewhere | Next::ElsewhereOrInPlace => true,
        };
        if movable && self.may_retry(now) {
            self.last = Some(failed);
            return Sequel::Again;
        }
        match failed.answer {
            Some(mut answer) => {
                self.add_decision(&mut answer.headers);
                Sequel::Answer(answer)
            }
            None => Sequel::Refuse(Refusal::UpstreamFailed {
                class: failure.class,
                retry_after: failure.retry_after,
            }),
        }
    }

    fn may_retry(&self, now: Instant) -> bool {
        let retry = &self.gateway.config.retry;
        let attempts = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX);
        attempts < retry.max_attempts
            && now.saturating_duration_since(self.began) < retry.deadline
            && self.gateway.pool.retry_budget().retry(retry.budget, now)
    }

    /// The last failure's own answer, if it left one and nobody else could serve.
    pub fn last_answer(&mut self) -> Option<Answer> {
        let mut answer = self.last.take()?.answer?;
        self.add_decision(&mut answer.headers);
        Some(answer)
    }

    /// The client closed during this attempt.
    pub fn client_gone(&mut self, mut dispatched: Box<Dispatched>, now: Instant) {
        self.note_attempt(&dispatched, Some(FailureClass::ClientGone), now);
        self.settle_tokens(&mut dispatched, now);
        // The lease goes without a verdict: this says nothing about the account.
    }

    /// A committed answer ended.
    pub fn settle(
        &mut self,
        mut dispatched: Box<Dispatched>,
        relaying: &Relaying,
        ended: &Ended,
        now: Instant,
        draw: u64,
    ) {
        match &ended.failure {
            Some(failure) => dispatched.pick.lease.failed(failure, now, draw),
            None => dispatched.pick.lease.completed(now),
        }
        self.note_attempt(
            &dispatched,
            ended.failure.as_ref().map(|failure| failure.class),
            now,
        );
        self.settle_tokens(&mut dispatched, now);
        if let Some(id) = relaying.response_id() {
            self.gateway
                .pool
                .bind_response(id, &dispatched.pick.lease, now);
        }
    }

    fn settle_tokens(&self, dispatched: &mut Dispatched, now: Instant) {
        if let Some((usage, _)) = &self.served.usage {
            dispatched.pick.lease.settle(usage.total(), now);
        }
    }
}

impl Dispatched {
    /// The account to be tried.
    pub fn account(&self) -> &Arc<Account> {
        &self.pick.account
    }

    /// Which of its endpoints.
    pub fn endpoint(&self) -> usize {
        self.pick.endpoint
    }

    /// The body to be sent.
    pub fn body(&self) -> &Pieces {
        &self.body
    }

    /// A response head is here.
    pub fn relaying(
        &self,
        status: StatusCode,
        headers: HeaderMap,
        now: Instant,
        wall: SystemTime,
    ) -> Relaying {
        self.pick.lease.observe(&headers, now, wall);
        let secret = self.pick.account.key.clone();
        Relaying::new(self.call.dialect, self.stream, status, headers, secret)
    }

    /// The answer is good and begins.
    pub fn committed(&mut self, now: Instant) {
        self.pick.lease.committed(now);
    }
}

/// The class of failure that an exhaustion amounts to.
pub const fn class_of(verdict: Verdict) -> FailureClass {
    match verdict {
        Verdict::Auth => FailureClass::Auth,
        Verdict::Overloaded => FailureClass::Overloaded,
        Verdict::Quota => FailureClass::Quota,
        Verdict::Throttled => FailureClass::Throttled,
        Verdict::Drained => FailureClass::Transport,
        Verdict::Dialect | Verdict::Down | Verdict::Model | Verdict::Tried => {
            FailureClass::ServerError
        }
    }
}

/// How long a request waits for a ramp in all before it insists.
const LONGEST_EASE: Duration = Duration::from_secs(2);

/// The shortest wait for a ramp.
const SHORTEST_EASE: Duration = Duration::from_millis(10);

/// How long a request waits for an overloaded provider without an alternative; a longer backoff is told to the client.
const LONGEST_BACKOFF: Duration = Duration::from_millis(2500);
