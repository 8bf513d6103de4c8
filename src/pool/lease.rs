//! The permit for one attempt at one account: what it occupies is given back when it is dropped, whatever happened.
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;

use super::evidence::Strike;
use super::failure::{Failure, Scope};
use super::live::{AccountLive, EndpointLive};
use super::passage::Pass;
use super::quota;
use super::state::Passes;
use crate::moment::Moment;
use crate::outcome::{Cause, Effect, FailureClass};

/// One attempt at one account and endpoint. Only [`super::Pool::pick`] makes one.
///
/// Tell it what happens: [`Lease::observe`] on every response head, [`Lease::committed`] when a good answer begins,
/// [`Lease::completed`] when it ended as it should, [`Lease::failed`] otherwise. Dropped without a verdict (the client
/// left), it counts for nothing.
#[derive(Debug)]
pub struct Lease {
    account: Arc<AccountLive>,
    endpoint: Arc<EndpointLive>,
    /// What shares a limit with the request: the class of its model, or the kind of endpoint.
    class: Arc<str>,
    /// Whether an endpoint beside generation is asked, of which nothing follows for answers.
    aside: bool,
    generation: u64,
    began: Instant,
    passes: Passes,
    endpoint_pass: Pass,
    reserved: u64,
    waits: bool,
    /// Whether this request has failed at this endpoint before.
    repeats: bool,
    /// Whether it occupies anything, and may tell what it learns.
    booked: bool,
    /// Whether it was let through although the account is out, and its head is not in.
    spared: bool,
}

/// Whom a lease is of.
#[derive(Debug)]
pub(super) struct Whose {
    pub account: Arc<AccountLive>,
    pub endpoint: Arc<EndpointLive>,
    /// What shares a limit with the request.
    pub class: Arc<str>,
    /// Whether an endpoint beside generation is asked.
    pub aside: bool,
    /// Of the configuration.
    pub generation: u64,
}

/// What a lease occupies.
#[derive(Debug)]
pub(super) struct Booking {
    pub passes: Passes,
    pub endpoint_pass: Pass,
    /// Tokens, until the real use is known.
    pub reserved: u64,
    /// Whether the request has failed at this endpoint before.
    pub repeats: bool,
    /// Whether it was let through although the account is out.
    pub spared: bool,
}

impl Lease {
    /// Of an account that has taken the request.
    pub(super) fn booked(whose: Whose, booking: Booking, now: Instant) -> Self {
        let mut lease = Self::unbooked(whose, now);
        lease.passes = booking.passes;
        lease.endpoint_pass = booking.endpoint_pass;
        lease.reserved = booking.reserved;
        lease.waits = true;
        lease.repeats = booking.repeats;
        lease.booked = true;
        lease.spared = booking.spared;
        lease
    }

    /// Of an account where the call takes no place.
    pub(super) fn unbooked(whose: Whose, now: Instant) -> Self {
        Self {
            account: whose.account,
            endpoint: whose.endpoint,
            class: whose.class,
            aside: whose.aside,
            generation: whose.generation,
            began: now,
            passes: Passes::default(),
            endpoint_pass: Pass::default(),
            reserved: 0,
            waits: false,
            repeats: false,
            booked: false,
            spared: false,
        }
    }

    /// Of the account's name, for rendezvous.
    pub(super) fn hash(&self) -> u64 {
        self.account.hash()
    }

    /// A response head came, good or bad: what it says about the account's windows.
    pub fn observe(&self, headers: &HeaderMap, at: Moment) {
        if !self.booked {
            return;
        }
        if let Some(readings) = quota::read(headers, at.wall) {
            self.account.observe(&self.class, &readings, at.now);
        }
    }

    /// A good answer begins: its head is in and content follows. Ends ramps and streaks, measures the time it took.
    pub fn committed(&mut self, now: Instant) {
        if !self.waits {
            return;
        }
        self.is_well();
        if !self.aside {
            let took = now.saturating_duration_since(self.began);
            self.account.state().measure(took, now);
        }
        self.arrive();
    }

    /// The answer ended with its terminal marker.
    pub fn completed(&mut self, now: Instant) {
        if !self.booked {
            return;
        }
        self.committed(now);
        if !self.aside {
            self.endpoint.gate().complete();
        }
    }

    /// The attempt failed. Benches what the failure puts out, at once. `draw` is the randomness of the jitter.
    pub fn failed(&mut self, failure: &Failure, now: Instant, draw: u64) {
        if !self.booked {
            return;
        }
        self.tell(failure, now);
        match failure.class.effect() {
            // What is known already must not last longer for having been asked about.
            _ if self.spared && failure.is_soft() && failure.scope != Scope::Nothing => {}
            _ if failure.scope == Scope::Credential => self.bench_credential(failure, now),
            Effect::Nothing => {}
            Effect::Well => self.is_well(),
            // The model spoilt its answer.
            Effect::Strike if failure.is_the_models() => self.is_well(),
            // Smaller requests are not too dear.
            Effect::Bench if failure.is_too_dear() => self.is_well(),
            Effect::Bench => {
                self.endpoint_is_well();
                self.bench_account(failure, now, draw);
            }
            // It had begun to answer: one cut, not the end of every request to the endpoint.
            Effect::BackOff if !self.waits && failure.retry_after.is_none() => {
                self.strike(failure, now, draw);
            }
            Effect::BackOff => {
                let mut gate = self.endpoint.gate();
                gate.back_off(failure.evidence(), self.began, now, draw);
                if let Some(wait) = failure.retry_after {
                    gate.bench(failure.evidence(), wait.min(OVERLOADED_LONGEST), now);
                }
            }
            Effect::Strike => self.strike(failure, now, draw),
        }
        self.arrive();
    }

    /// Operators see the last failure of each account, and hear of each kind once a minute.
    fn tell(&self, failure: &Failure, now: Instant) {
        if failure.scope == Scope::Nothing {
            return;
        }
        let evidence = failure.evidence();
        let is_due = self.account.state().note_failure(evidence, now);
        if self.account.is_quiet() {
            return;
        }
        let (account, endpoint) = (&**self.account.name(), &**self.endpoint.name());
        let class = evidence.class.as_str();
        let cause = evidence.cause.map(Cause::as_str);
        let hint = evidence.hint();
        if is_due {
            tracing::warn!(account, endpoint, class, cause, "an attempt failed: {hint}");
        } else {
            tracing::debug!(account, endpoint, class, cause, "an attempt failed: {hint}");
        }
    }

    /// A good head came back, whatever followed.
    fn is_well(&self) {
        self.endpoint_is_well();
        let mut state = self.account.state();
        if self.aside {
            state.head_aside(&self.class, self.began);
            return;
        }
        if self.spared {
            state.relieve(&self.class, self.began);
        }
        state.head(&self.class, self.began);
    }

    fn endpoint_is_well(&self) {
        if self.aside {
            return;
        }
        let mut gate = self.endpoint.gate();
        if self.spared {
            gate.relieve(self.began);
        }
        gate.head(self.began);
    }

    fn strike(&self, failure: &Failure, now: Instant, draw: u64) {
        let strike = Strike {
            evidence: failure.evidence(),
            at_once: failure.at_once,
            repeats: self.repeats,
        };
        self.endpoint.gate().strike(strike, self.began, now, draw);
    }

    /// The request's real use is known: corrects what was reserved for it in the account's own token limit.
    pub fn settle(&mut self, tokens: u64, now: Instant) {
        if !self.booked {
            return;
        }
        let mut state = self.account.state();
        state.settle(self.reserved, tokens, self.began, now);
        drop(state);
        self.leave_queue();
        self.reserved = 0;
    }

    /// The name of the account.
    pub fn account(&self) -> &Arc<str> {
        self.account.name()
    }

    /// The name of the endpoint: its origin, and the egress if there is one.
    pub fn endpoint(&self) -> &Arc<str> {
        self.endpoint.name()
    }

    /// When the attempt began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// The account could not even be asked.
    fn bench_credential(&self, failure: &Failure, now: Instant) {
        if self.account.is_of(self.generation) {
            let wait = failure.retry_after.unwrap_or(AUTH_BENCH);
            let mut state = self.account.state();
            state.bench_credential(failure.evidence(), wait, now);
        }
    }

    fn bench_account(&self, failure: &Failure, now: Instant, draw: u64) {
        let current = self.account.is_of(self.generation);
        let mut state = self.account.state();
        if failure.class == FailureClass::Auth {
            if current && failure.scope == Scope::AccountModel {
                let gate = state.limit(Some(&*self.class), now);
                gate.bench_softly(failure.evidence(), AUTH_ASIDE, now);
            } else if current && failure.scope == Scope::Account {
                if failure.is_soft() {
                    state.doubt_credential(failure.evidence(), AUTH_BENCH, now);
                } else {
                    state.bench_credential(failure.evidence(), AUTH_BENCH, now);
                }
            }
            return;
        }
        // It was refused for its limits, so its credential is fine.
        if !self.aside {
            state.credential_works(self.began);
        }
        let of_class = failure.scope == Scope::AccountModel;
        let gate = state.limit(of_class.then_some(&*self.class), now);
        match (failure.class, failure.retry_after) {
            (FailureClass::ThrottledBlind, _) | (FailureClass::Throttled, None) => {
                gate.back_off(failure.evidence(), self.began, now, draw);
            }
            // A phrase alone may be wrong: whoever has nobody else asks all the same, now and then.
            (_, None) if failure.is_soft() => {
                gate.bench_softly(failure.evidence(), QUOTA_UNSTATED, now);
            }
            (_, stated) => gate.bench(failure.evidence(), stated.unwrap_or(QUOTA_UNSTATED), now),
        }
    }

    /// A verdict is in: ramps and probes are free for others.
    fn arrive(&mut self) {
        self.leave_queue();
        let passes = std::mem::take(&mut self.passes);
        {
            let mut state = self.account.state();
            state.give_back(&self.class, passes);
            if std::mem::take(&mut self.spared) {
                state.end_spare();
            }
        }
        let pass = std::mem::take(&mut self.endpoint_pass);
        self.endpoint.gate().give_back(pass);
    }

    fn leave_queue(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.account.state().leave_queue(self.reserved);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.booked {
            return;
        }
        self.arrive();
        self.account.leave(self.reserved, self.began);
        self.endpoint.leave();
    }
}

/// A refused credential is tried again after that, in case it was mended without a reload.
const AUTH_BENCH: Duration = Duration::from_mins(30);
/// A kind of endpoint that does not take the credential, which other kinds may.
const AUTH_ASIDE: Duration = Duration::from_mins(5);
/// A spent quota that says no end.
const QUOTA_UNSTATED: Duration = Duration::from_hours(1);
/// However long an overloaded provider asks for: the wait shuts out every account behind it.
const OVERLOADED_LONGEST: Duration = Duration::from_secs(10);
