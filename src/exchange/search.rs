//! Where a request is tried next: tracks what was tried, what may happen only once, and how long it has waited.
use std::time::{Duration, Instant};

use super::limits;
use super::order::Order;
use super::refusal::Refusal;
use super::vendor_call::VendorCall;
use super::verdict::{Answer, Failed};
use crate::outcome::FailureClass;
use crate::pool::{Exhausted, Failure, Inexpressible, Next, Pick, Tried, Verdict, Want};

/// The search for an account that serves one request.
#[derive(Debug)]
pub(super) struct Search {
    /// The pool to search; moves to the fallback after failures that only it can avoid.
    pool: usize,
    tried: Vec<Tried>,
    /// The last failed attempt, whose error is the answer when nothing else is left.
    last: Option<Box<Failed>>,
    moved: Moved,
    /// Time spent waiting for a ramp.
    eased: Duration,
    /// Names in the request that the accounts asked so far do not know.
    missed: Vec<String>,
}

/// What may happen only once per request, and has happened.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    by_slowness: bool,
    in_place: bool,
    /// After the backoff no other account was left there, so the same account is asked again.
    again: bool,
    /// The model produced an unusable answer.
    by_misanswer: bool,
    /// How often another account was asked because of unknown names.
    in_search: u8,
}

/// What to do when no account can be asked now.
#[derive(Debug)]
pub(super) enum Left {
    /// Search again at once.
    Again,
    /// Answer with the last account's own error.
    Answer(Answer),
    Refuse(Refusal),
    /// No account speaks a dialect that can express the request.
    Inexpressible(Refusal),
    /// Search again after this time.
    Wait(Duration),
}

impl Search {
    /// A search that begins in this pool.
    pub(super) fn new(pool: usize) -> Self {
        Self {
            pool,
            tried: Vec::new(),
            last: None,
            moved: Moved::default(),
            eased: Duration::ZERO,
            missed: Vec::new(),
        }
    }

    /// What the next attempt requires of an account. `inexpressible` are the dialects that cannot express the request.
    pub(super) fn want<'a>(
        &'a self,
        order: &'a Order,
        inexpressible: &'a [Inexpressible],
        draw: u64,
    ) -> Want<'a> {
        let admitted = &order.admitted;
        Want {
            pool: self.pool,
            pools: admitted.key.pools.as_deref(),
            model: admitted.wanted_model(),
            vendor_family: order.vendor_call().map(VendorCall::family),
            dialect: admitted
                .call
                .is_bound()
                .then_some(order.dialect().upstream()),
            inexpressible,
            prefers: Some(order.dialect().upstream()),
            account: admitted.account.as_deref(),
            session: admitted.session,
            previous_response: admitted.previous_response.as_deref(),
            tried: &self.tried,
            prices: Some(&order.gateway.prices),
            tokens: limits::of_account(&order.gateway, admitted),
            draw,
            insist: self.eased >= LONGEST_EASE,
        }
    }

    /// What to do when the pool has no account now.
    pub(super) fn exhausted(&mut self, order: &Order, exhausted: &Exhausted) -> Left {
        if let Some(wait) = exhausted.easing
            && self.eased < LONGEST_EASE
        {
            let wait = wait.clamp(SHORTEST_EASE, LONGEST_EASE);
            self.eased += wait;
            return Left::Wait(wait);
        }
        let overloaded = self
            .last
            .as_ref()
            .is_some_and(|failed| failed.failure.class == FailureClass::Overloaded);
        if overloaded
            && !self.moved.in_place
            && let Some(wait) = exhausted.soonest.filter(|wait| *wait <= LONGEST_BACKOFF)
        {
            // There is no other provider: after the backoff another account there is tried, or the same one once more.
            self.moved.in_place = true;
            return Left::Wait(wait);
        }
        if overloaded && self.moved.in_place && !std::mem::replace(&mut self.moved.again, true) {
            self.tried.pop();
            return Left::Again;
        }
        if matches!(exhausted.verdict, Verdict::Tried | Verdict::Down)
            && let Some(answer) = self.last.as_mut().and_then(|failed| failed.answer.take())
        {
            return Left::Answer(answer);
        }
        let refusal = self.refusal(order, exhausted);
        if exhausted.verdict == Verdict::Dialect {
            Left::Inexpressible(refusal)
        } else {
            Left::Refuse(refusal)
        }
    }

    fn refusal(&self, order: &Order, exhausted: &Exhausted) -> Refusal {
        let mut retry_after = exhausted.soonest;
        let last = self.last.as_ref().map(|failed| &failed.failure);
        let class = match exhausted.verdict {
            Verdict::Model => {
                return Refusal::ModelUnknown {
                    model: order.admitted.model.clone(),
                };
            }
            Verdict::Dialect if order.admitted.call.is_bound() => {
                return Refusal::VendorUnserved {
                    dialect: order.dialect(),
                };
            }
            Verdict::Tried | Verdict::Down => match last {
                Some(failure) => {
                    // A wait that the upstream stated is not shortened.
                    retry_after = retry_after.max(failure.retry_after);
                    failure.class
                }
                None => exhausted.cause.unwrap_or(FailureClass::ServerError),
            },
            Verdict::Drained => return Refusal::Drained,
            Verdict::Overloaded => {
                retry_after = retry_after.max(last.and_then(|failure| failure.retry_after));
                FailureClass::Overloaded
            }
            verdict => verdict.class(),
        };
        Refusal::Exhausted { class, retry_after }
    }

    /// The names in the request that had to be searched for.
    pub(super) fn missed(&self) -> &[String] {
        &self.missed
    }

    /// `pick` does not know names in the request. Returns whether to ask another account, which may know them; the
    /// request has had no effect yet.
    pub(super) fn missing(
        &mut self,
        order: &Order,
        pick: &Pick,
        failure: &Failure,
        names: Vec<String>,
    ) -> bool {
        self.tried.push(pick.tried(failure));
        self.missed = names;
        self.moved.in_search += 1;
        self.moved.in_search <= MOST_IN_SEARCH && order.upload().is_none()
    }

    /// An attempt at `pick` failed. Returns whether another attempt may succeed.
    pub(super) fn failed(&mut self, order: &Order, pick: &Pick, failure: &Failure) -> bool {
        let next = failure.next();
        if next != Next::InPlaceOnce {
            self.tried.push(pick.tried(failure));
        }
        let movable = match next {
            Next::Stop => false,
            Next::Fallback => match fallback(order, pick.pool) {
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
        // A request that creates something is not sent twice: the first may have succeeded, and the next account would
        // not know.
        movable && order.vendor_call().is_none_or(VendorCall::is_repeatable)
    }

    /// A failed count: the account is not asked again.
    pub(super) fn count_failed(&mut self, pick: &Pick, failure: &Failure) {
        self.tried.push(pick.tried(failure));
    }

    /// The search continues after this failure, whose error is the answer when nothing else is left.
    pub(super) fn go_on_after(&mut self, failed: Box<Failed>) {
        self.last = Some(failed);
    }
}

/// The fallback of a pool, if the key may use it.
fn fallback(order: &Order, pool: usize) -> Option<usize> {
    let fallback = order.gateway.config.pools.get(pool)?.fallback?;
    let allowed = order.admitted.key.pools.as_ref();
    allowed
        .is_none_or(|allowed| allowed.contains(&fallback))
        .then_some(fallback)
}

/// Whether the request may be sent again after this many attempts. This takes from the retry budget.
pub(super) fn may_retry(order: &Order, attempts: usize, now: Instant) -> bool {
    let retry = &order.gateway.config.retry;
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    attempts < retry.max_attempts
        && now.saturating_duration_since(order.began) < retry.deadline
        && order.gateway.pool.retry_budget().retry(retry.budget, now)
}

/// The most accounts that are asked because of unknown names, besides the first.
const MOST_IN_SEARCH: u8 = 2;

/// How long a request waits for ramps in total before it insists.
const LONGEST_EASE: Duration = Duration::from_secs(2);

/// The shortest wait for a ramp.
const SHORTEST_EASE: Duration = Duration::from_millis(10);

/// How long a request waits for an overloaded provider without an alternative; a longer backoff is stated to the
/// client.
const LONGEST_BACKOFF: Duration = Duration::from_millis(2500);
