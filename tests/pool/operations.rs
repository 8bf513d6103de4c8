//! Sequences of operations, random but repeatable: whatever happens, the pool keeps its promises.
use std::collections::HashMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use weir::config::{Account, AccountLimits, Select};
use weir::outcome::FailureClass as Class;
use weir::pool::affinity::mix;
use weir::pool::{Failure, Fault, Pick, Pool, Scope, State, Want, classify_transport};

use crate::support::*;

#[derive(Clone, Debug)]
enum Operation {
    Advance {
        millis: u64,
    },
    Drain {
        account: usize,
    },
    Drop {
        held: usize,
    },
    Enable {
        account: usize,
    },
    Fail {
        held: usize,
        how: usize,
        seconds: u64,
    },
    Pick {
        session: Option<u64>,
        draw: u64,
        insist: bool,
    },
    Reload {
        without: usize,
    },
    Reset {
        account: usize,
    },
    Succeed {
        held: usize,
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    let account = 0..NAMES.len();
    prop_oneof![
        8 => (prop::option::of(0..40u64), any::<u64>(), any::<bool>()).prop_map(|(session, draw, insist)| Operation::Pick { session, draw, insist }),
        4 => any::<usize>().prop_map(|held| Operation::Succeed { held }),
        4 => (any::<usize>(), 0..9usize, 1..1200u64).prop_map(|(held, how, seconds)| Operation::Fail { held, how, seconds }),
        1 => any::<usize>().prop_map(|held| Operation::Drop { held }),
        4 => (0..20_000u64).prop_map(|millis| Operation::Advance { millis }),
        1 => (600_000..4_000_000u64).prop_map(|millis| Operation::Advance { millis }),
        1 => account.clone().prop_map(|account| Operation::Drain { account }),
        1 => account.clone().prop_map(|account| Operation::Enable { account }),
        1 => account.clone().prop_map(|account| Operation::Reset { account }),
        1 => (0..2 * NAMES.len()).prop_map(|without| Operation::Reload { without }),
    ]
}

fn how_it_fails(how: usize, seconds: u64) -> Failure {
    match how {
        0 => throttled(seconds),
        1 => failure(Class::ThrottledBlind, Scope::Account, None),
        2 => failure(Class::Overloaded, Scope::Endpoint, None),
        3 => failure(Class::ServerError, Scope::Endpoint, None),
        4 => classify_transport(Fault::Refused, false),
        5 => classify_transport(Fault::Reset, true),
        6 => failure(Class::Auth, Scope::Account, None),
        7 => failure(Class::Quota, Scope::AccountModel, Some(seconds)),
        _ => failure(Class::ClientFault, Scope::Nothing, None),
    }
}

/// Without the account of that number, if there is one.
fn configuration(select: Select, without: usize) -> Parts {
    let list = NAMES.iter().enumerate().filter(|(at, _)| *at != without);
    let list = list.map(|(at, name)| Account {
        weight: u32::try_from(at).unwrap() % 3 + 1,
        priority: i32::from(at == 4),
        // Two accounts share an endpoint.
        endpoints: vec![endpoint(
            [
                "https://shared",
                "https://shared",
                "https://c",
                "https://d",
                "https://e",
            ][at],
        )],
        limits: AccountLimits {
            concurrency: (at == 3).then_some(2),
            ..AccountLimits::default()
        },
        ..account(name)
    });
    config(list.collect(), select)
}

struct World {
    pool: Pool,
    select: Select,
    now: Instant,
    held: Vec<Pick>,
    /// The deadline of every account as last seen.
    deadlines: HashMap<String, Instant>,
    /// Accounts that were asked though they were out: what comes of it may end the bench.
    spared: Vec<String>,
}

impl World {
    fn new(select: Select) -> Self {
        Self {
            pool: configuration(select, usize::MAX).pool(None),
            select,
            now: Instant::now(),
            held: Vec::new(),
            deadlines: HashMap::new(),
            spared: Vec::new(),
        }
    }

    fn take(&mut self, held: usize) -> Option<Pick> {
        let count = self.held.len();
        let pick = (count > 0).then(|| self.held.swap_remove(held % count))?;
        if self.spared.iter().any(|name| **name == *pick.account.name) {
            self.deadlines.clear();
        }
        Some(pick)
    }

    fn play(&mut self, operation: &Operation) {
        match *operation {
            Operation::Advance { millis } => self.now += Duration::from_millis(millis),
            Operation::Drain { account } => {
                self.pool.drain(NAMES[account]);
            }
            Operation::Drop { held } => drop(self.take(held)),
            Operation::Enable { account } => {
                self.pool.enable(NAMES[account]);
                self.deadlines.remove(NAMES[account]);
            }
            Operation::Fail { held, how, seconds } => {
                if let Some(mut pick) = self.take(held) {
                    pick.lease
                        .failed(&how_it_fails(how, seconds), self.now, seconds);
                }
            }
            Operation::Pick {
                session: number,
                draw,
                insist,
            } => self.pick(number, draw, insist),
            Operation::Reload { without } => {
                let parts = configuration(self.select, without);
                self.pool = parts.pool(Some(&self.pool));
                self.deadlines.clear();
            }
            Operation::Reset { account } => {
                self.pool.reset(NAMES[account]);
                // It resets the shared endpoint too.
                self.deadlines.clear();
            }
            Operation::Succeed { held } => {
                if let Some(mut pick) = self.take(held) {
                    pick.lease.committed(self.now);
                    pick.lease.completed(self.now);
                }
            }
        }
    }

    fn pick(&mut self, number: Option<u64>, draw: u64, insist: bool) {
        let want = Want {
            session: number.map(session),
            draw,
            insist,
            ..want()
        };
        let before = self.pool.snapshot(self.now);
        let total = |pool: &Pool| pool.spared().map(|(_, count)| count).sum::<u64>();
        let spared = total(&self.pool);
        match self.pool.pick(&want, self.now) {
            Ok(pick) => {
                let status = before
                    .iter()
                    .find(|status| status.name == pick.account.name)
                    .unwrap();
                let spares = total(&self.pool) > spared;
                assert_ne!(status.state, State::Drained, "picked {status:?}");
                assert!(
                    spares || status.state != State::Benched,
                    "picked {status:?}"
                );
                assert!(
                    spares
                        || status
                            .models
                            .iter()
                            .all(|model| model.state != State::Benched),
                    "picked {status:?}"
                );
                if spares {
                    // Only when nobody is left, and never against hard evidence.
                    let free = |status: &weir::pool::AccountStatus| {
                        status.state == State::Usable
                            && status.models.is_empty()
                            && &*status.name != NAMES[3]
                    };
                    assert!(!before.iter().any(free), "spared with {before:?}");
                    assert!(!matches!(status.reason, Some(Class::Auth | Class::Quota)));
                    self.spared.push(status.name.to_string());
                }
                if let Some(most) = pick.account.limits.concurrency {
                    assert!(status.in_flight < most);
                }
                self.held.push(pick);
            }
            Err(out) => {
                assert_eq!(out.excluded.len(), before.len());
                for status in &before {
                    let full = &*status.name == NAMES[3] && status.in_flight >= 2;
                    let free =
                        status.state == State::Usable || (status.state == State::Easing && insist);
                    assert!(
                        full || !free || !status.models.is_empty(),
                        "refused with {status:?}: {out:?}"
                    );
                }
                if let Some(soonest) = out.soonest {
                    assert!(!soonest.is_zero());
                }
            }
        }
    }

    fn check(&mut self) {
        let snapshot = self.pool.snapshot(self.now);
        for status in &snapshot {
            let held = self
                .held
                .iter()
                .filter(|pick| pick.account.name == status.name)
                .count();
            // An account that a reload removed and another brought back counts anew.
            assert!(status.in_flight as usize <= held, "{status:?}");
            let Some(until) = status.until.map(|until| self.now + until) else {
                continue;
            };
            if let Some(before) = self.deadlines.insert(status.name.to_string(), until) {
                assert!(
                    until >= before || before <= self.now,
                    "{status:?} was out for longer"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_operations_keeps_the_promises(
        select in prop::sample::select(vec![Select::Failover, Select::LeastBusy, Select::Random, Select::RoundRobin, Select::Weighted]),
        operations in prop::collection::vec(operation(), 1..120),
    ) {
        let mut world = World::new(select);
        for operation in &operations {
            world.play(operation);
            world.check();
        }
        world.held.clear();
        for status in world.pool.snapshot(world.now) {
            prop_assert_eq!(status.in_flight, 0);
        }
        // Time and the operator heal everything.
        for name in NAMES {
            world.pool.enable(name);
        }
        world.now += Duration::from_hours(10);
        let healed = serve(&world.pool, &want(), world.now).is_ok();
        prop_assert!(healed);
    }

    #[test]
    fn shares_follow_weights_whatever_they_are(weights in prop::collection::vec(1..20u32, 1..8)) {
        let list = weights.iter().enumerate().map(|(at, weight)| Account { weight: *weight, ..account(&format!("a{at}")) });
        let (pool, now) = build(list.collect(), Select::Weighted);
        let total: u32 = weights.iter().sum();
        let mut counts = vec![0u32; weights.len()];
        for round in 1..=3u32 {
            for _ in 0..total {
                let mut pick = pool.pick(&want(), now).unwrap();
                pick.lease.completed(now);
                counts[pick.account.index] += 1;
            }
            for (count, weight) in counts.iter().zip(&weights) {
                prop_assert_eq!(*count, weight * round);
            }
        }
    }

    #[test]
    fn losing_any_account_moves_only_its_own_sessions(lost in 0..6usize, seed in any::<u64>()) {
        let names = ["a", "b", "c", "d", "e", "f"];
        let (whole, now) = build(accounts(&names), Select::Weighted);
        let left: Vec<_> = names.iter().enumerate().filter(|(at, _)| *at != lost).map(|(_, name)| *name).collect();
        let (less, _) = build(accounts(&left), Select::Weighted);
        for number in 0..50 {
            let want = in_session(mix(seed ^ number));
            let before = name(whole.pick(&want, now));
            if *before != *names[lost] {
                prop_assert_eq!(before, name(less.pick(&want, now)));
            }
        }
    }
}

#[test]
fn parallel_picks_never_pass_a_limit_and_end_at_zero() {
    let mut list = accounts(&["a", "b"]);
    for account in &mut list {
        account.limits = AccountLimits {
            rpm: Some(50),
            concurrency: Some(8),
            tpm: None,
        };
    }
    let (pool, now) = build(list, Select::Weighted);
    let served: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..16u64)
            .map(|worker| {
                let pool = &pool;
                scope.spawn(move || {
                    let mut served = 0;
                    for number in 0..200 {
                        let want = Want {
                            draw: mix(worker << 32 | number),
                            ..want()
                        };
                        if let Ok(mut pick) = pool.pick(&want, now) {
                            assert!(
                                pool.snapshot(now)
                                    .iter()
                                    .all(|status| status.in_flight <= 8)
                            );
                            pick.lease.committed(now);
                            served += 1;
                        }
                    }
                    served
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .sum()
    });
    assert_eq!(served, 100);
    assert!(
        pool.snapshot(now)
            .iter()
            .all(|status| status.in_flight == 0)
    );
}

#[test]
fn a_probe_is_alone_however_many_ask_at_once() {
    let (pool, now) = build(accounts(&["a"]), Select::Weighted);
    for round in 1..50u32 {
        let then = now + SECOND * 100 * round;
        let mut broken = pool.pick(&want(), then).unwrap();
        broken
            .lease
            .failed(&classify_transport(Fault::Refused, false), then, 0);
        drop(broken);
        let back = then + SECOND * 61;
        let mut picks: Vec<Pick> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| pool.pick(&want(), back).ok()))
                .collect();
            workers
                .into_iter()
                .filter_map(|worker| worker.join().unwrap())
                .collect()
        });
        assert_eq!(picks.len(), 1);
        assert_eq!(pool.snapshot(back)[0].in_flight, 1);
        picks[0].lease.committed(back);
        drop(picks);
        assert_eq!(pool.snapshot(back)[0].in_flight, 0);
    }
}

#[test]
fn a_reload_keeps_state_by_name_and_forgets_what_is_gone() {
    let (pool, now) = build(accounts(&["a", "b"]), Select::Failover);
    let mut held = pool.pick(&want(), now).unwrap();
    fail(&pool, "a", &throttled(600), now);
    assert!(pool.drain("b"));
    assert!(!pool.drain("nobody"));
    let next = config(accounts(&["b", "a", "c"]), Select::Failover).pool(Some(&pool));
    let states: Vec<_> = next
        .snapshot(now)
        .iter()
        .map(|status| (status.state, status.in_flight))
        .collect();
    assert_eq!(
        states,
        [(State::Drained, 0), (State::Benched, 1), (State::Usable, 0)]
    );
    held.lease.committed(now);
    drop(held);
    assert!(
        next.snapshot(now)
            .iter()
            .all(|status| status.in_flight == 0)
    );
    assert!(next.reset("a"));
    let without = config(accounts(&["c"]), Select::Failover).pool(Some(&next));
    let back = config(accounts(&["b"]), Select::Failover).pool(Some(&without));
    assert_eq!(back.snapshot(now)[0].state, State::Usable);
}

#[test]
fn a_reload_tries_a_refused_credential_again_and_a_late_refusal_of_the_old_one_is_ignored() {
    let (pool, now) = build(accounts(&["a"]), Select::Failover);
    let auth = failure(Class::Auth, Scope::Account, None);
    let mut late = pool.pick(&want(), now).unwrap();
    fail(&pool, "a", &auth, now);
    assert!(pool.pick(&want(), now).is_err());
    let next = config(accounts(&["a"]), Select::Failover).pool(Some(&pool));
    assert!(next.pick(&want(), now).is_ok());
    late.lease.failed(&auth, now, 0);
    assert!(next.pick(&want(), now).is_ok());
    fail(&next, "a", &auth, now);
    assert!(!next.is_usable(now));
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
