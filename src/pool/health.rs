//! The health of one thing that can be out: an account's credential, its limits, one model class of it, or an endpoint.
//!
//! A [`Gate`] is a state machine that is moved by verdicts and by time. It is pure and does not know what it guards.
//!
//! ```text
//!            stated, or blind and overloaded: at once
//!            others: three in a row                      deadline passed,
//!   Open ───────────────────────────────────► Benched ───── class probes ───► HalfOpen ── head ──► Open
//!    │  ▲                                      ▲  │  ▲                           │
//!    │  └────────── head ─────────── Easing ◄──┼──┘  └──────── failure ──────────┘
//!    └──── a switch brings traffic ───▲ │      │  deadline passed, class eases in
//!                                       └──────┘ failure
//! ```
//!
//! A new deadline never shortens an old one: `max(old, new)`. A success clears streaks, never a deadline. A failure of
//! a request that began before the current bench carries no news, so fifty requests that fail together do not double a
//! wait fifty times.
use std::time::{Duration, Instant};

use super::backoff::{
    BLIND_LONGEST, EASE_LONGEST, EASE_STEP, HARD_FIRST, HARD_LONGEST, OVERLOADED_LONGEST,
    SOFT_FIRST, backoff, ramp,
};
use super::evidence::{Evidence, Strike};
use super::hints::LONGEST;
use super::memo::GateMemo;
use super::passage::{Closed, Pass, View};
use crate::outcome::FailureClass;

/// The gate of one thing that can be out.
#[derive(Clone, Debug)]
pub struct Gate {
    phase: Phase,
    /// The evidence that imposed the latest deadline.
    evidence: Evidence,
    /// Since when the gate has been closed or recovering without a break.
    since: Option<Instant>,
    /// When the latest bench was imposed. Verdicts on requests that began before it are stale.
    imposed: Option<Instant>,
    /// The latest deadline imposed by hard evidence: a stated reset, a refused credential, a spent quota.
    stated: Option<Instant>,
    /// Benches in a row without a stated end (throttling, overload): the exponent of their backoff.
    soft: u32,
    /// Benches in a row after repeated failures: the exponent of their backoff.
    hard: u32,
    /// Failures in a row, counted in halves (2 per failure); a good head clears them.
    strikes: u32,
    /// Answers in a row that broke off or ended in overload, in halves; only a complete answer clears them.
    cuts: u32,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Open,
    Benched { until: Instant, then: Recovery },
    HalfOpen { probe: Option<Instant> },
    Easing { since: Instant, waiting: u32 },
}

/// What follows a bench.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Recovery {
    /// A ramp of admissions, because it will most likely serve.
    Ease,
    /// One request at a time until a good head, because it may well fail again.
    Probe,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            phase: Phase::Open,
            evidence: FailureClass::ServerError.into(),
            since: None,
            imposed: None,
            stated: None,
            soft: 0,
            hard: 0,
            strikes: 0,
            cuts: 0,
        }
    }
}

impl Gate {
    /// Whether [`Gate::admit`] would let a request through.
    pub fn check(&self, now: Instant) -> Result<(), Closed> {
        match self.phase {
            Phase::Benched { until, .. } if now < until => Err(Closed::Benched {
                class: self.evidence.class,
                until,
                since: self.imposed.unwrap_or(now),
            }),
            Phase::HalfOpen { probe: Some(sent) } if now < sent + PROBE_PATIENCE => {
                Err(Closed::Probing {
                    class: self.evidence.class,
                    until: sent + PROBE_PATIENCE,
                })
            }
            Phase::Easing { since, waiting } if waiting >= ramp(since, now) => {
                Err(Closed::Easing {
                    until: since + EASE_STEP * ramp(since, now),
                })
            }
            _ => Ok(()),
        }
    }

    /// Lets a request through, if it may pass now.
    pub fn admit(&mut self, now: Instant) -> Result<Pass, Closed> {
        self.check(now)?;
        Ok(self.pass(now))
    }

    /// Lets a request through, also past a full ramp.
    pub fn insist(&mut self, now: Instant) -> Result<Pass, Closed> {
        match self.check(now) {
            Ok(()) | Err(Closed::Easing { .. }) => Ok(self.pass(now)),
            Err(closed) => Err(closed),
        }
    }

    /// Whether only soft evidence keeps the gate closed, and has done so for at least `SPARE_REST`.
    pub fn spares(&self, now: Instant) -> bool {
        let rested = |imposed| now.saturating_duration_since(imposed) >= SPARE_REST;
        self.stated.is_none_or(|until| until <= now) && self.imposed.is_none_or(rested)
    }

    /// Lets a request through although soft evidence speaks against it. The bench goes on.
    pub fn spare(&mut self, now: Instant) -> Result<Pass, Closed> {
        match self.check(now) {
            Err(Closed::Benched { .. }) if self.spares(now) => Ok(Pass::Free),
            _ => self.insist(now),
        }
    }

    /// A request that was let through in spite of a bench went well: the soft evidence is disproved.
    pub fn relieve(&mut self, began: Instant) {
        if self.stated.is_none_or(|until| until <= began) && !self.is_stale(began) {
            self.phase = Phase::Open;
        }
    }

    /// Starts a ramp if the gate is open, because a switch is about to bring traffic to something that was idle.
    pub fn ease(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Open) {
            self.phase = Phase::Easing {
                since: now,
                waiting: 0,
            };
        }
    }

    /// A request is over or has its head: a ramp has room for one more, and the next request may be the probe.
    pub fn give_back(&mut self, pass: Pass) {
        match (&mut self.phase, pass) {
            (Phase::Easing { since, waiting }, Pass::Eased(ramp)) if *since == ramp => {
                *waiting = waiting.saturating_sub(1);
            }
            (Phase::HalfOpen { probe }, Pass::Probe(sent)) if *probe == Some(sent) => *probe = None,
            _ => {}
        }
    }

    /// A good head came back for a request that began at `began`.
    pub fn head(&mut self, began: Instant) {
        if self.is_stale(began) {
            return;
        }
        self.soft = 0;
        self.hard = 0;
        self.strikes = 0;
        match self.phase {
            Phase::HalfOpen { .. } => self.phase = Phase::Open,
            Phase::Easing { since, .. } if began >= since => self.phase = Phase::Open,
            _ => {}
        }
    }

    /// A complete answer came back.
    pub fn complete(&mut self) {
        self.cuts = 0;
    }

    /// Benches for a stated time.
    pub fn bench(&mut self, evidence: impl Into<Evidence>, span: Duration, now: Instant) {
        let until = self.bench_softly(evidence, span, now);
        self.stated = self.stated.max(Some(until));
    }

    /// Benches for a time on soft evidence. Returns the deadline.
    pub fn bench_softly(
        &mut self,
        evidence: impl Into<Evidence>,
        span: Duration,
        now: Instant,
    ) -> Instant {
        let evidence = evidence.into();
        let then = match evidence.class {
            FailureClass::Auth => Recovery::Probe,
            _ => Recovery::Ease,
        };
        let until = now + span.min(LONGEST);
        self.bench_until(evidence, (until, then), now);
        self.imposed = Some(now);
        until
    }

    /// Benches for a time that doubles with every failure in a row; for a class without a stated end.
    pub fn back_off(
        &mut self,
        evidence: impl Into<Evidence>,
        began: Instant,
        now: Instant,
        draw: u64,
    ) {
        let evidence = evidence.into();
        let stale = self.is_stale(began);
        if !stale {
            self.soft = self.soft.saturating_add(1);
        }
        let longest = match evidence.class {
            FailureClass::Overloaded => OVERLOADED_LONGEST,
            _ => BLIND_LONGEST,
        };
        let span = backoff(SOFT_FIRST, longest, self.soft.max(1), draw);
        self.bench_until(evidence, (now + span, Recovery::Ease), now);
        if !stale {
            self.imposed = Some(now);
        }
    }

    /// Counts a failure. Benches after three in a row, and at once if the failure was that of a probe.
    pub fn strike(&mut self, strike: Strike, began: Instant, now: Instant, draw: u64) {
        if self.is_stale(began) {
            return;
        }
        let probed = matches!(self.phase, Phase::HalfOpen { .. });
        match strike.evidence.class {
            _ if strike.repeats && !probed && !strike.at_once => return,
            // Each of these answers began with a good head, so a good head does not disprove them.
            FailureClass::Overloaded | FailureClass::Truncated => self.cuts += 1,
            _ => self.strikes += 2,
        }
        if probed || strike.at_once || self.strikes + self.cuts >= STRIKES_OUT {
            self.strikes = 0;
            self.cuts = 0;
            self.hard = self.hard.saturating_add(1);
            let span = backoff(HARD_FIRST, HARD_LONGEST, self.hard, draw);
            self.bench_until(strike.evidence, (now + span, Recovery::Probe), now);
            self.imposed = Some(now);
        }
    }

    /// The state as operators see it.
    pub fn view(&self, now: Instant) -> View {
        let class = self.evidence.class;
        match self.phase {
            Phase::Benched { until, .. } if now < until => View::Benched { class, until },
            Phase::Benched {
                then: Recovery::Probe,
                ..
            }
            | Phase::HalfOpen { .. } => View::HalfOpen { class },
            Phase::Benched { .. } | Phase::Easing { .. } => View::Easing,
            Phase::Open => View::Open,
        }
    }

    /// The evidence that closed the gate and since when, while the gate is not open.
    pub fn trouble(&self) -> Option<(Evidence, Instant)> {
        match self.phase {
            Phase::Open => None,
            _ => Some((self.evidence, self.since?)),
        }
    }

    /// The deadline, if one is in force.
    pub fn until(&self, now: Instant) -> Option<Instant> {
        match self.phase {
            Phase::Benched { until, .. } if now < until => Some(until),
            _ => None,
        }
    }

    /// The state for the next process. `None` = the gate is open.
    pub fn memo(&self, now: Instant) -> Option<GateMemo> {
        let (until, then) = match self.phase {
            Phase::Open => return None,
            Phase::Benched { until, then } => (until, then),
            Phase::HalfOpen { .. } => (now, Recovery::Probe),
            Phase::Easing { .. } => (now, Recovery::Ease),
        };
        let left = |until: Instant| until.saturating_duration_since(now);
        let (class, cause) = self.evidence.words();
        Some(GateMemo {
            class,
            cause,
            left: left(until),
            stated: self.stated.map_or(Duration::ZERO, left),
            since: now.saturating_duration_since(self.since.unwrap_or(now)),
            probe: then == Recovery::Probe,
            soft: self.soft,
            hard: self.hard,
        })
    }

    /// A gate as another process left it.
    pub fn recall(memo: &GateMemo, now: Instant) -> Self {
        let (left, stated) = (memo.left.min(LONGEST), memo.stated.min(LONGEST));
        let then = if memo.probe {
            Recovery::Probe
        } else {
            Recovery::Ease
        };
        Self {
            phase: Phase::Benched {
                until: now + left,
                then,
            },
            evidence: Evidence::of_words(&memo.class, memo.cause.as_deref()),
            since: now.checked_sub(memo.since).or(Some(now)),
            imposed: Some(now),
            stated: (stated > Duration::ZERO).then(|| now + stated),
            soft: memo.soft,
            hard: memo.hard,
            strikes: 0,
            cuts: 0,
        }
    }

    fn pass(&mut self, now: Instant) -> Pass {
        if let Phase::Benched { then, .. } = self.phase {
            self.phase = match then {
                Recovery::Ease => Phase::Easing {
                    since: now,
                    waiting: 0,
                },
                Recovery::Probe => Phase::HalfOpen { probe: None },
            };
        }
        match &mut self.phase {
            Phase::Easing { since, .. } if now.saturating_duration_since(*since) > EASE_LONGEST => {
                self.phase = Phase::Open;
                Pass::Free
            }
            Phase::Easing { since, waiting } => {
                *waiting = waiting.saturating_add(1);
                Pass::Eased(*since)
            }
            Phase::HalfOpen { probe } => {
                *probe = Some(now);
                Pass::Probe(now)
            }
            Phase::Open | Phase::Benched { .. } => Pass::Free,
        }
    }

    fn bench_until(
        &mut self,
        latest: Evidence,
        (new, new_then): (Instant, Recovery),
        now: Instant,
    ) {
        let (mut until, mut then) = (new, new_then);
        let mut evidence = latest;
        if matches!(self.phase, Phase::Open) {
            self.since = None;
        }
        self.since.get_or_insert(now);
        if let Phase::Benched {
            until: old,
            then: old_then,
        } = self.phase
        {
            until = old.max(new);
            evidence = if new > old { latest } else { self.evidence };
            then = if old_then == Recovery::Probe {
                old_then
            } else {
                then
            };
        }
        self.evidence = evidence;
        self.phase = Phase::Benched { until, then };
    }

    fn is_stale(&self, began: Instant) -> bool {
        self.imposed.is_some_and(|imposed| began < imposed)
    }
}

/// A probe without a head keeps others out this long: a plain answer's head comes only when it is fully generated.
const PROBE_PATIENCE: Duration = Duration::from_secs(10);
/// The shortest time between two requests that a bench lets through, and between the bench and the first of them.
pub(super) const SPARE_REST: Duration = Duration::from_secs(1);
/// Three failures in a row, counted in halves.
const STRIKES_OUT: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const STRIKE: Strike = Strike {
        evidence: Evidence {
            class: FailureClass::ServerError,
            cause: None,
        },
        at_once: false,
        repeats: false,
    };

    fn benched_for(gate: &Gate, now: Instant) -> Option<Duration> {
        gate.until(now).map(|until| until - now)
    }

    /// The gate as another process reads it, whose clock stands at `there`.
    fn handed(gate: &Gate, now: Instant, there: Instant) -> Gate {
        let memo = gate.memo(now).expect("it is not open");
        let text = serde_json::to_string(&memo).expect("plain data");
        Gate::recall(&serde_json::from_str(&text).expect("the same"), there)
    }

    #[test]
    fn another_process_knows_what_is_out_how_long_and_why() {
        let (now, there) = (Instant::now(), Instant::now() + SECOND * 1000);
        assert_eq!(Gate::default().memo(now), None);
        let mut gate = Gate::default();
        gate.bench(FailureClass::Quota, SECOND * 600, now);
        let other = handed(&gate, now + SECOND * 100, there);
        assert_eq!(benched_for(&other, there), Some(SECOND * 500));
        assert!(!other.spares(there + SECOND * 10), "the upstream said so");
        let (evidence, since) = other.trouble().expect("it is out");
        assert_eq!(evidence.class, FailureClass::Quota);
        assert_eq!(there - since, SECOND * 100);

        let mut gate = Gate::default();
        for _ in 0..3 {
            gate.strike(STRIKE, now, now, 0);
        }
        let left = benched_for(&gate, now).expect("three in a row");
        let mut other = handed(&gate, now + left, there);
        assert!(
            matches!(other.admit(there), Ok(Pass::Probe(_))),
            "one at a time"
        );
        assert!(other.admit(there).is_err());
    }

    #[test]
    fn what_a_later_version_says_is_read_as_far_as_it_goes() {
        let now = Instant::now();
        let text =
            r#"{"class":"moody","cause":"stars","left":{"secs":99999999999,"nanos":0},"more":1}"#;
        let gate = Gate::recall(&serde_json::from_str(text).expect("a memo"), now);
        assert_eq!(benched_for(&gate, now), Some(LONGEST));
    }

    #[test]
    fn a_shorter_deadline_never_replaces_a_longer_one() {
        let now = Instant::now();
        let mut gate = Gate::default();
        gate.bench(FailureClass::Quota, SECOND * 7999, now);
        gate.bench(FailureClass::Throttled, SECOND * 5, now);
        assert_eq!(benched_for(&gate, now), Some(SECOND * 7999));
        assert_eq!(
            gate.view(now),
            View::Benched {
                class: FailureClass::Quota,
                until: now + SECOND * 7999
            }
        );
        gate.bench(FailureClass::Throttled, SECOND * 9000, now);
        assert_eq!(benched_for(&gate, now), Some(SECOND * 9000));
    }

    #[test]
    fn a_success_clears_the_streak_but_not_a_stated_reset() {
        let now = Instant::now();
        let mut gate = Gate::default();
        gate.bench(FailureClass::Throttled, SECOND * 60, now);
        gate.head(now + SECOND);
        assert!(gate.check(now + SECOND * 59).is_err());
        assert!(gate.check(now + SECOND * 60).is_ok());
    }

    #[test]
    fn blind_throttling_doubles_from_one_to_thirty_seconds() {
        let mut now = Instant::now();
        let mut gate = Gate::default();
        for expected in [1, 2, 4, 8, 16, 30, 30] {
            gate.back_off(FailureClass::ThrottledBlind, now, now, 0);
            assert_eq!(benched_for(&gate, now), Some(SECOND * expected));
            now += SECOND * expected;
            gate.admit(now).unwrap();
        }
        gate.head(now);
        gate.back_off(FailureClass::ThrottledBlind, now, now, 0);
        assert_eq!(benched_for(&gate, now), Some(SECOND));
    }

    #[test]
    fn overload_doubles_from_one_to_ten_seconds() {
        let mut now = Instant::now();
        let mut gate = Gate::default();
        for expected in [1, 2, 4, 8, 10, 10] {
            gate.back_off(FailureClass::Overloaded, now, now, 0);
            assert_eq!(benched_for(&gate, now), Some(SECOND * expected));
            now += SECOND * expected;
        }
    }

    #[test]
    fn requests_that_fail_together_double_nothing() {
        let now = Instant::now();
        let mut gate = Gate::default();
        for _ in 0..50 {
            gate.back_off(FailureClass::Overloaded, now, now + SECOND, 0);
        }
        assert_eq!(benched_for(&gate, now + SECOND), Some(SECOND));
    }

    #[test]
    fn three_failures_in_a_row_bench_and_a_good_head_between_forgives() {
        let now = Instant::now();
        let mut gate = Gate::default();
        gate.strike(STRIKE, now, now, 0);
        gate.strike(STRIKE, now, now, 0);
        gate.head(now);
        gate.strike(STRIKE, now, now, 0);
        gate.strike(STRIKE, now, now, 0);
        assert_eq!(benched_for(&gate, now), None);
        gate.strike(STRIKE, now, now, 0);
        assert_eq!(benched_for(&gate, now), Some(SECOND * 5));
    }

    #[test]
    fn truncation_counts_half_and_a_good_head_does_not_forgive_it() {
        let now = Instant::now();
        let cut = Strike {
            evidence: FailureClass::Truncated.into(),
            at_once: false,
            ..STRIKE
        };
        let mut gate = Gate::default();
        for _ in 0..5 {
            gate.head(now);
            gate.strike(cut, now, now, 0);
        }
        assert_eq!(benched_for(&gate, now), None);
        gate.strike(cut, now, now, 0);
        assert_eq!(benched_for(&gate, now), Some(SECOND * 5));
    }

    #[test]
    fn a_refused_connection_counts_at_once() {
        let now = Instant::now();
        let mut gate = Gate::default();
        gate.strike(
            Strike {
                evidence: FailureClass::Transport.into(),
                at_once: true,
                ..STRIKE
            },
            now,
            now,
            0,
        );
        assert_eq!(benched_for(&gate, now), Some(SECOND * 5));
    }

    #[test]
    fn after_failures_one_probe_at_a_time_decides() {
        let start = Instant::now();
        let mut gate = Gate::default();
        gate.strike(
            Strike {
                at_once: true,
                ..STRIKE
            },
            start,
            start,
            0,
        );
        let back = start + SECOND * 5;
        let probe = gate.admit(back).unwrap();
        assert_eq!(probe, Pass::Probe(back));
        assert!(matches!(
            gate.admit(back + SECOND),
            Err(Closed::Probing { .. })
        ));
        gate.give_back(probe);
        gate.admit(back + SECOND).unwrap();
        gate.strike(STRIKE, back + SECOND, back + SECOND * 2, 0);
        assert_eq!(benched_for(&gate, back + SECOND * 2), Some(SECOND * 10));
        let again = back + SECOND * 12;
        gate.admit(again).unwrap();
        gate.head(again);
        assert_eq!(gate.view(again), View::Open);
        assert_eq!(gate.admit(again), Ok(Pass::Free));
    }

    #[test]
    fn a_probe_that_stays_silent_makes_room_for_the_next() {
        let start = Instant::now();
        let mut gate = Gate::default();
        gate.bench(FailureClass::Auth, SECOND, start);
        gate.admit(start + SECOND).unwrap();
        assert!(gate.check(start + SECOND * 10).is_err());
        assert_eq!(
            gate.admit(start + SECOND * 11),
            Ok(Pass::Probe(start + SECOND * 11))
        );
    }

    #[test]
    fn a_recovered_gate_is_eased_in_until_heads_come_back() {
        let start = Instant::now();
        let mut gate = Gate::default();
        gate.bench(FailureClass::Throttled, SECOND, start);
        let back = start + SECOND;
        let first = gate.admit(back).unwrap();
        assert_eq!(
            gate.admit(back),
            Err(Closed::Easing {
                until: back + EASE_STEP
            })
        );
        gate.admit(back + EASE_STEP).unwrap();
        assert!(gate.check(back + EASE_STEP).is_err());
        gate.give_back(first);
        gate.admit(back + EASE_STEP).unwrap();
        assert!(gate.check(back + EASE_STEP).is_err());
        assert!(gate.insist(back + EASE_STEP).is_ok());
        gate.head(back);
        assert_eq!(gate.admit(back + EASE_STEP), Ok(Pass::Free));
    }
}
