//! The permit for one attempt at one account. What it occupies is given back when it is dropped, whatever happened.
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
/// Report what happens: [`Lease::observe`] on every response head, [`Lease::committed`] when a good answer begins,
/// [`Lease::completed`] when it ended properly, [`Lease::failed`] otherwise. A lease that is dropped without a verdict
/// (the client left) counts neither for nor against the account.
#[derive(Debug)]
pub struct Lease {
    account: Arc<AccountLive>,
    endpoint: Arc<EndpointLive>,
    /// The name of the shared limit that the request falls under: the class of its model, or the kind of endpoint.
    class: Arc<str>,
    /// Whether the request is for an endpoint other than generation. Its outcome says nothing about generation.
    is_vendor_call: bool,
    generation: u64,
    began: Instant,
    passes: Passes,
    endpoint_pass: Pass,
    reserved: u64,
    waits: bool,
    /// Whether this request has failed at this endpoint before.
    repeats: bool,
    /// Whether the lease occupies anything, and reports what it learns.
    booked: bool,
    /// Whether the request was let through although the account is out, and still has no verdict.
    spared: bool,
}

/// What a lease is a permit for.
#[derive(Debug)]
pub(super) struct LeaseTarget {
    pub account: Arc<AccountLive>,
    pub endpoint: Arc<EndpointLive>,
    /// The name of the shared limit that the request falls under.
    pub class: Arc<str>,
    /// Whether the request is for an endpoint other than generation.
    pub is_vendor_call: bool,
    /// The generation of the configuration.
    pub generation: u64,
}

/// What a lease occupies.
#[derive(Debug)]
pub(super) struct Booking {
    pub passes: Passes,
    pub endpoint_pass: Pass,
    /// Reserved tokens, until the real use is known.
    pub reserved: u64,
    /// Whether the request has failed at this endpoint before.
    pub repeats: bool,
    /// Whether the request was let through although the account is out.
    pub spared: bool,
}

impl Lease {
    /// A lease on an account that has taken the request.
    pub(super) fn booked(target: LeaseTarget, booking: Booking, now: Instant) -> Self {
        let mut lease = Self::unbooked(target, now);
        lease.passes = booking.passes;
        lease.endpoint_pass = booking.endpoint_pass;
        lease.reserved = booking.reserved;
        lease.waits = true;
        lease.repeats = booking.repeats;
        lease.booked = true;
        lease.spared = booking.spared;
        lease
    }

    /// A lease for a call that occupies nothing at the account.
    pub(super) fn unbooked(target: LeaseTarget, now: Instant) -> Self {
        Self {
            account: target.account,
            endpoint: target.endpoint,
            class: target.class,
            is_vendor_call: target.is_vendor_call,
            generation: target.generation,
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

    /// The hash of the account's name, for rendezvous.
    pub(super) fn hash(&self) -> u64 {
        self.account.hash()
    }

    /// A response head came, good or bad: records what it says about the account's windows.
    pub fn observe(&self, headers: &HeaderMap, at: Moment) {
        if !self.booked {
            return;
        }
        if let Some(readings) = quota::read(headers, at.wall) {
            self.account.observe(&self.class, &readings, at.now);
        }
    }

    /// A good answer begins: its head came and content follows. Ends ramps and streaks, and measures the time to this
    /// point.
    pub fn committed(&mut self, now: Instant) {
        if !self.waits {
            return;
        }
        self.is_well();
        if !self.is_vendor_call {
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
        if !self.is_vendor_call {
            self.endpoint.gate().complete();
        }
    }

    /// The attempt failed: benches at once what the failure puts out. `draw` is the randomness of the jitter.
    pub fn failed(&mut self, failure: &Failure, now: Instant, draw: u64) {
        if !self.booked {
            return;
        }
        self.tell(failure, now);
        match failure.class.effect() {
            // A known bench must not become longer because a spared request tested it.
            _ if self.spared && failure.is_soft() && failure.scope != Scope::Nothing => {}
            _ if failure.scope == Scope::Credential => self.bench_credential(failure, now),
            Effect::Nothing => {}
            Effect::Well => self.is_well(),
            // The model failed by chance; the server is well.
            Effect::Strike if failure.is_the_models() => self.is_well(),
            // This request costs more than what is left; smaller requests may still pass.
            Effect::Bench if failure.is_too_dear() => self.is_well(),
            Effect::Bench => {
                self.endpoint_is_well();
                self.bench_account(failure, now, draw);
            }
            // The answer had begun: this counts as one cut and does not shut out every request to the endpoint.
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

    /// Operators see the last failure of each account. A warning about each kind of failure is logged at most once a
    /// minute.
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
        if self.is_vendor_call {
            state.vendor_head(&self.class, self.began);
            return;
        }
        if self.spared {
            state.relieve(&self.class, self.began);
        }
        state.head(&self.class, self.began);
    }

    fn endpoint_is_well(&self) {
        if self.is_vendor_call {
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

    /// The real use of tokens is known: corrects the reservation in the account's own token limit.
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

    /// The name of the endpoint: its origin, and the egress proxy if there is one.
    pub fn endpoint(&self) -> &Arc<str> {
        self.endpoint.name()
    }

    /// When the attempt began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// The account could not be called at all, because it has no credential.
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
        // The account refused because of its limits, so its credential is valid.
        if !self.is_vendor_call {
            state.credential_works(self.began);
        }
        let of_class = failure.scope == Scope::AccountModel;
        let gate = state.limit(of_class.then_some(&*self.class), now);
        match (failure.class, failure.retry_after) {
            (FailureClass::ThrottledBlind, _) | (FailureClass::Throttled, None) => {
                gate.back_off(failure.evidence(), self.began, now, draw);
            }
            // A phrase alone may be wrong, so the bench is soft: a pool without any other account still tries this one
            // now and then.
            (_, None) if failure.is_soft() => {
                gate.bench_softly(failure.evidence(), QUOTA_UNSTATED, now);
            }
            (_, stated) => gate.bench(failure.evidence(), stated.unwrap_or(QUOTA_UNSTATED), now),
        }
    }

    /// A verdict came: ramps and probes are free for other requests.
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

/// After this time a refused credential is tried again, in case it was repaired without a reload.
const AUTH_BENCH: Duration = Duration::from_mins(30);
/// The bench of one kind of endpoint that refused the credential; other kinds may accept it.
const AUTH_ASIDE: Duration = Duration::from_mins(5);
/// The bench of a spent quota without a stated end.
const QUOTA_UNSTATED: Duration = Duration::from_hours(1);
/// The longest bench that an overloaded provider can ask for: the wait shuts out every account behind it.
const OVERLOADED_LONGEST: Duration = Duration::from_secs(10);
