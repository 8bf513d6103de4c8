//! The life cycle of an account's access token, as a state machine that answers and time advance.
//!
//! ```text
//!              due                       granted
//!   Resting ────────► begin: Refreshing ─────────► Resting, with a fresh token
//!      ▲                      │ failed
//!      │ deadline passed      ▼
//!      └────────────────── BackingOff: 1 s doubling to 1 min (refused: 30 s doubling to 30 min)
//! ```
//!
//! A token is due for renewal some time before it expires, and stays in use until it expires, even if the renewal
//! fails. A token that an upstream refused is dropped at once, but only one per minute: if the next token is refused
//! too, its age is not the reason.
use std::time::{Duration, Instant};

use super::{Fault, Granted, Token};
use crate::config::oauth2::Grant;
use crate::config::secret::Secret;

/// The token of one account, and the state of its renewal.
#[derive(Debug)]
pub struct Lifecycle {
    current: Option<CurrentToken>,
    phase: Phase,
    /// The present refresh token: the configured one until the endpoint replaces it.
    refresh_token: Option<Secret>,
    /// The number of consecutive failures of the same kind.
    failures: u32,
    last_fault: Option<Fault>,
    /// When an upstream last refused a token.
    rejected: Option<Instant>,
    serial: u64,
}

#[derive(Debug)]
struct CurrentToken {
    token: Token,
    expires: Instant,
    /// When to fetch the next token.
    due: Instant,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    BackingOff { until: Instant },
    Refreshing,
    Resting,
}

/// What a request that needs a token has to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Need {
    /// Use this token.
    Token(Token),
    /// There is no token, and there will be none before `wait` has passed.
    None { fault: Fault, wait: Duration },
    /// A token is being fetched, or is about to be.
    Wait,
}

/// The state for operators.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Status {
    /// The remaining lifetime of the token; `None` = there is no token.
    pub expires_in: Option<Duration>,
    /// Why the last refresh failed; `None` = it did not fail.
    pub fault: Option<String>,
}

impl Lifecycle {
    /// The initial state, without a token.
    pub fn new(grant: &Grant) -> Self {
        Self {
            current: None,
            phase: Phase::Resting,
            refresh_token: match grant {
                Grant::ClientCredentials(_) | Grant::ServiceAccount(_) => None,
                Grant::RefreshToken { token, .. } => Some(token.clone()),
            },
            failures: 0,
            last_fault: None,
            rejected: None,
            serial: 0,
        }
    }

    /// What a request has to do now.
    pub fn need(&self, now: Instant) -> Need {
        if let Some(current) = self
            .current
            .as_ref()
            .filter(|current| now < current.expires)
        {
            return Need::Token(current.token.clone());
        }
        match (self.phase, &self.last_fault) {
            (Phase::BackingOff { until }, Some(fault)) if now < until => Need::None {
                fault: fault.clone(),
                wait: until - now,
            },
            _ => Need::Wait,
        }
    }

    /// When the next refresh shall begin; `None` = one is in progress.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let wanted = self.current.as_ref().map_or(now, |current| current.due);
        match self.phase {
            Phase::BackingOff { until } => Some(wanted.max(until)),
            Phase::Refreshing => None,
            Phase::Resting => Some(wanted),
        }
    }

    /// Begins a refresh if one is due and none is in progress. Returns whether one began.
    pub fn begin(&mut self, now: Instant) -> bool {
        let begins = self.due(now).is_some_and(|due| due <= now);
        if begins {
            self.phase = Phase::Refreshing;
        }
        begins
    }

    /// The refresh token for the next refresh.
    pub fn refresh_token(&self) -> Option<&Secret> {
        self.refresh_token.as_ref()
    }

    /// The refresh succeeded. `draw` is the randomness of the jitter.
    pub fn granted(&mut self, granted: Granted, now: Instant, draw: u64) {
        let lifetime = granted.lifetime.unwrap_or(UNSTATED).min(LONGEST);
        let skew = (lifetime / 5).min(SKEW);
        // So hosts of a fleet that started together do not refresh at the same time.
        let early = skew + share(skew / 2, draw);
        self.serial += 1;
        self.current = Some(CurrentToken {
            token: Token {
                secret: granted.token,
                serial: self.serial,
            },
            expires: now + lifetime.saturating_sub((lifetime / 10).min(FLIGHT)),
            due: now + lifetime.saturating_sub(early),
        });
        if granted.refresh_token.is_some() {
            self.refresh_token = granted.refresh_token;
        }
        self.phase = Phase::Resting;
        self.failures = 0;
        self.last_fault = None;
    }

    /// The refresh failed. The present token stays in use.
    pub fn failed(&mut self, fault: Fault, now: Instant, draw: u64) {
        let (first, longest) = match fault {
            Fault::Failed(_) => (FAILED_FIRST, FAILED_LONGEST),
            Fault::Refused(_) => (REFUSED_FIRST, REFUSED_LONGEST),
        };
        let kind = std::mem::discriminant(&fault);
        if self
            .last_fault
            .as_ref()
            .is_some_and(|last| std::mem::discriminant(last) != kind)
        {
            self.failures = 0;
        }
        let doubled = first.saturating_mul(1 << self.failures.min(MOST_DOUBLINGS));
        let wait = doubled.min(longest);
        self.failures = self.failures.saturating_add(1);
        self.last_fault = Some(fault);
        self.phase = Phase::BackingOff {
            until: now + wait + share(wait / 4, draw),
        };
    }

    /// An upstream refused `token`. Returns whether to try another one, because there is one already or it is being
    /// fetched.
    pub fn rejected(&mut self, token: &Token, now: Instant) -> bool {
        let current = self.current.as_ref().map(|current| current.token.serial);
        if current != Some(token.serial) {
            // Another request reported this before; a token with a later number answers it.
            return token.serial <= self.serial;
        }
        let lately = |at: Instant| now.saturating_duration_since(at) < REJECTION_EVERY;
        if self.rejected.is_some_and(lately) {
            return false;
        }
        self.rejected = Some(now);
        self.current = None;
        true
    }

    /// Ends a backoff, because an operator has fixed something.
    pub fn retry(&mut self) {
        if let Phase::BackingOff { .. } = self.phase {
            self.phase = Phase::Resting;
        }
        self.failures = 0;
        self.rejected = None;
    }

    /// The present state.
    pub fn status(&self, now: Instant) -> Status {
        Status {
            expires_in: self
                .current
                .as_ref()
                .map(|current| current.expires.saturating_duration_since(now))
                .filter(|left| !left.is_zero()),
            fault: self
                .last_fault
                .as_ref()
                .map(|fault| fault.detail().to_owned()),
        }
    }
}

/// A random part of `span`.
fn share(span: Duration, draw: u64) -> Duration {
    span.mul_f64((draw >> 11) as f64 / (1u64 << 53) as f64)
}

/// A token is renewed this long before it expires; a short-lived one a fifth of its lifetime before.
const SKEW: Duration = Duration::from_mins(5);
/// A token is not used in its last seconds: the upstream sees it a moment later, and by its own clock.
const FLIGHT: Duration = Duration::from_secs(10);
/// The assumed lifetime of a token if the endpoint states none.
const UNSTATED: Duration = Duration::from_mins(10);
/// The longest lifetime that is used, whatever the endpoint states.
const LONGEST: Duration = Duration::from_hours(24);
/// The first and the longest wait after consecutive failures, by kind.
const FAILED_FIRST: Duration = Duration::from_secs(1);
const FAILED_LONGEST: Duration = Duration::from_mins(1);
const REFUSED_FIRST: Duration = Duration::from_secs(30);
const REFUSED_LONGEST: Duration = Duration::from_mins(30);
/// Enough to get from the shortest wait to the longest.
const MOST_DOUBLINGS: u32 = 10;
/// How often a refusal by an upstream may drop a token that has not expired.
const REJECTION_EVERY: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::oauth2::{Client, ClientAuth};
    use proptest::prelude::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn client() -> Client {
        Client {
            id: Secret::new("id"),
            secret: None,
            auth: ClientAuth::Body,
        }
    }

    fn idle() -> Lifecycle {
        Lifecycle::new(&Grant::ClientCredentials(client()))
    }

    fn refreshable(token: &str) -> Lifecycle {
        Lifecycle::new(&Grant::RefreshToken {
            client: client(),
            token: Secret::new(token),
        })
    }

    fn grant(name: &str, lifetime: u64) -> Granted {
        Granted {
            token: Secret::new(name),
            lifetime: Some(seconds(lifetime)),
            refresh_token: None,
        }
    }

    fn token(machine: &Lifecycle, now: Instant) -> Token {
        match machine.need(now) {
            Need::Token(token) => token,
            other => panic!("{other:?}"),
        }
    }

    /// A state with a token that lives for an hour.
    fn served(now: Instant) -> Lifecycle {
        let mut machine = idle();
        assert!(machine.begin(now));
        machine.granted(grant("one", 3600), now, 0);
        machine
    }

    #[test]
    fn the_first_request_waits_and_only_one_refresh_runs() {
        let now = Instant::now();
        let mut machine = idle();
        assert_eq!(machine.need(now), Need::Wait);
        assert!(machine.begin(now));
        assert!(!machine.begin(now));
        assert_eq!(machine.due(now), None);
        assert_eq!(machine.need(now), Need::Wait);
        machine.granted(grant("one", 3600), now, 0);
        assert_eq!(token(&machine, now).secret, Secret::new("one"));
    }

    #[test]
    fn a_token_is_renewed_before_it_expires_and_serves_meanwhile() {
        let now = Instant::now();
        let mut machine = served(now);
        assert!(!machine.begin(now + seconds(3299)));
        let due = now + seconds(3300);
        assert!(machine.begin(due));
        assert_eq!(token(&machine, due).secret, Secret::new("one"));
        machine.granted(grant("two", 3600), due, u64::MAX);
        assert_eq!(token(&machine, due).secret, Secret::new("two"));
        // The largest jitter: half as early again.
        let next = machine.due(due).expect("a time");
        let early = due + seconds(3600) - next;
        assert!((449..=450).contains(&early.as_secs()), "{early:?}");
    }

    #[test]
    fn a_failed_renewal_leaves_the_token_until_it_expires() {
        let now = Instant::now();
        let mut machine = served(now);
        let mut at = now + seconds(3300);
        let mut waits = Vec::new();
        while at < now + seconds(3590) {
            assert!(machine.begin(at));
            machine.failed(Fault::Failed("no answer".into()), at, 0);
            assert_eq!(token(&machine, at).secret, Secret::new("one"));
            let next = machine.due(at).expect("a time");
            waits.push((next - at).as_secs());
            at = next;
        }
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        machine.begin(at);
        machine.failed(Fault::Failed("no answer".into()), at, 0);
        match machine.need(now + seconds(3591).max(at - now)) {
            Need::None { fault, wait } => {
                assert_eq!(fault.detail(), "no answer");
                assert!(wait <= seconds(60));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_refusal_of_the_endpoint_is_asked_about_less_often() {
        let now = Instant::now();
        let mut machine = idle();
        assert!(machine.begin(now));
        machine.failed(Fault::Refused("invalid_client".into()), now, 0);
        assert_eq!(machine.due(now), Some(now + seconds(30)));
        machine.retry();
        assert!(machine.begin(now));
    }

    #[test]
    fn a_refusal_after_an_outage_is_the_first_of_its_kind() {
        let mut now = Instant::now();
        let mut machine = idle();
        let failed = || Fault::Failed("no answer".into());
        let refused = || Fault::Refused("invalid_client".into());
        let faults = std::iter::repeat_with(failed).take(8);
        let faults = faults.chain([refused(), refused(), failed()]);
        let mut waits = Vec::new();
        for fault in faults {
            assert!(machine.begin(now));
            machine.failed(fault, now, 0);
            let next = machine.due(now).expect("a time");
            waits.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(waits[7..], [60, 30, 60, 1]);
    }

    #[test]
    fn a_refused_token_is_replaced_once_a_minute() {
        let now = Instant::now();
        let mut machine = served(now);
        let first = token(&machine, now);
        assert!(machine.rejected(&first, now));
        assert_eq!(machine.need(now), Need::Wait);
        // Fifty requests with the same token cause one refresh.
        assert!(machine.rejected(&first, now));
        assert!(machine.begin(now));
        machine.granted(grant("two", 3600), now, 0);
        assert!(machine.rejected(&first, now));
        let second = token(&machine, now);
        assert_eq!(second.secret, Secret::new("two"));
        assert!(!machine.rejected(&second, now + seconds(59)));
        assert_eq!(token(&machine, now).secret, Secret::new("two"));
        assert!(machine.rejected(&second, now + seconds(60)));
    }

    #[test]
    fn a_rotated_refresh_token_is_sent_the_next_time() {
        let now = Instant::now();
        let configured = Secret::new("configured");
        let mut machine = refreshable("configured");
        assert_eq!(machine.refresh_token(), Some(&configured));
        assert!(machine.begin(now));
        machine.granted(grant("one", 60), now, 0);
        assert_eq!(machine.refresh_token(), Some(&configured));
        let rotated = Secret::new("rotated");
        let granted = Granted {
            refresh_token: Some(rotated.clone()),
            ..grant("two", 60)
        };
        machine.granted(granted, now, 0);
        machine.failed(Fault::Failed(String::new()), now, 0);
        assert_eq!(machine.refresh_token(), Some(&rotated));
    }

    #[test]
    fn debug_shows_no_token() {
        let now = Instant::now();
        let mut machine = refreshable("canary-r");
        machine.granted(grant("canary-t", 3600), now, 0);
        let shown = format!("{machine:?} {:?}", machine.need(now));
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Fail(bool),
        Grant(u64),
        Reject,
        Sleep(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            any::<bool>().prop_map(Step::Fail),
            (1u64..100_000).prop_map(Step::Grant),
            Just(Step::Reject),
            (0u64..5_000_000).prop_map(Step::Sleep),
        ];
        prop::collection::vec(step, 0..60)
    }

    proptest! {
        /// For every sequence of steps: no token is used after its end, there is always a next step, and there is one
        /// refresh at a time.
        #[test]
        fn it_never_serves_an_expired_token_and_never_stops(steps in steps(), draw in any::<u64>()) {
            let mut now = Instant::now();
            let mut machine = idle();
            let mut expires = now;
            let mut refreshing = false;
            for step in steps {
                match step {
                    Step::Sleep(millis) => now += Duration::from_millis(millis),
                    Step::Grant(lifetime) if refreshing => {
                        machine.granted(grant("t", lifetime), now, draw);
                        expires = now + seconds(lifetime.min(LONGEST.as_secs()));
                        refreshing = false;
                        let due = machine.due(now).expect("a time");
                        prop_assert!(due > now && due < expires);
                    }
                    Step::Fail(refused) if refreshing => {
                        let fault = if refused { Fault::Refused("r".into()) } else { Fault::Failed("f".into()) };
                        machine.failed(fault, now, draw);
                        refreshing = false;
                        prop_assert!(machine.due(now).expect("a time") > now);
                    }
                    Step::Grant(_) | Step::Fail(_) => {}
                    Step::Reject => {
                        if let Need::Token(token) = machine.need(now) {
                            let again = machine.rejected(&token, now);
                            prop_assert_eq!(again, !matches!(machine.need(now), Need::Token(_)));
                        }
                    }
                }
                match machine.need(now) {
                    Need::Token(_) => prop_assert!(now < expires),
                    Need::None { wait, .. } => {
                        prop_assert!(!refreshing && !wait.is_zero());
                        prop_assert!(machine.due(now).is_some());
                    }
                    Need::Wait => {
                        // A refresh is in progress, or may begin now.
                        prop_assert!(refreshing || machine.due(now).is_some_and(|due| due <= now));
                    }
                }
                let begun = machine.begin(now);
                prop_assert!(!(begun && refreshing));
                refreshing |= begun;
            }
        }
    }
}
