//! Soft evidence leaves no request without anybody to ask; hard evidence does.
use weir::config::Select;
use weir::outcome::FailureClass as Class;
use weir::pool::{Fault, Scope, State, Verdict, classify_transport};

use crate::support::*;

fn refused() -> weir::pool::Failure {
    classify_transport(Fault::Refused, false)
}

#[test]
fn a_lone_account_that_refused_is_asked_once_a_second() {
    let (pool, now) = build(accounts(&["a"]), Select::Weighted);
    fail(&pool, "a", &refused(), now);
    assert!(pool.pick(&want(), now).is_err(), "it has just refused");
    let then = now + SECOND;
    let spared = pool.pick(&want(), then).expect("spared");
    assert!(pool.pick(&want(), then).is_err(), "one at a time");
    assert!(!pool.is_usable(then), "it does not count as usable");
    drop(spared);
    assert!(pool.pick(&want(), then).is_err(), "once a second");
    let mut again = pool.pick(&want(), then + SECOND).expect("spared");
    again.lease.failed(&refused(), then + SECOND, 0);
    drop(again);
    assert_eq!(pool.spared().collect::<Vec<_>>(), [("default", 2)]);
    // The bench is no longer for that.
    assert_eq!(
        pool.snapshot(now + SECOND)[0].until,
        Some(SECOND * 4),
        "what was asked in spite of the bench does not prolong it"
    );
}

#[test]
fn a_spared_success_ends_the_bench() {
    for failure in [
        refused(),
        failure(Class::Overloaded, Scope::Endpoint, None),
        failure(Class::ThrottledBlind, Scope::Account, None),
        failure(Class::ThrottledBlind, Scope::AccountModel, None),
    ] {
        let (pool, mut now) = build(accounts(&["a"]), Select::Weighted);
        // Longer than a second: the fourth in a row is.
        for _ in 0..4 {
            fail(&pool, "a", &failure, now);
            now += pool.snapshot(now)[0].until.unwrap_or_default();
            let part = &pool.snapshot(now)[0].models;
            now += part.first().and_then(|part| part.until).unwrap_or_default();
        }
        fail(&pool, "a", &failure, now);
        serve(&pool, &want(), now + SECOND).expect("spared");
        assert_eq!(pool.snapshot(now + SECOND)[0].state, State::Usable);
        serve(&pool, &want(), now + SECOND).expect("usable");
    }
}

#[test]
fn hard_evidence_takes_out_whatever_happens() {
    for failure in [
        throttled(60),
        failure(Class::Auth, Scope::Account, None),
        failure(Class::Quota, Scope::Account, None),
        failure(Class::Overloaded, Scope::Endpoint, Some(5)),
    ] {
        let (pool, now) = build(accounts(&["a"]), Select::Weighted);
        fail(&pool, "a", &failure, now);
        for seconds in 0..4 {
            let picked = pool.pick(&want(), now + SECOND * seconds);
            assert!(picked.is_err(), "{failure:?}");
        }
    }
    // Nor does later soft evidence soften it.
    let (pool, now) = build(accounts(&["a"]), Select::Weighted);
    let mut late = pool.pick(&want(), now).expect("usable");
    fail(&pool, "a", &throttled(60), now);
    let blind = failure(Class::ThrottledBlind, Scope::Account, None);
    late.lease.failed(&blind, now, 0);
    drop(late);
    assert!(pool.pick(&want(), now + SECOND * 3).is_err());
}

#[test]
fn nobody_is_spared_while_another_can_serve_or_has_been_asked() {
    let (pool, now) = build(accounts(&["a", "b"]), Select::Failover);
    fail(&pool, "a", &refused(), now);
    for seconds in 1..4 {
        let name = serve(&pool, &want(), now + SECOND * seconds).expect("b");
        assert_eq!(&*name, "b");
    }
    // Out are both: the one that is back soonest is asked.
    fail(&pool, "b", &throttled(60), now);
    let name = serve(&pool, &want(), now + SECOND * 4).expect("a");
    assert_eq!(&*name, "a");
    fail(&pool, "a", &refused(), now + SECOND * 5);
    let tried = [weir::pool::Tried {
        account: 0,
        endpoint: Some(0),
    }];
    let want = weir::pool::Want {
        tried: &tried,
        ..want()
    };
    let refused = pool
        .pick(&want, now + SECOND * 7)
        .expect_err("it was tried");
    assert_ne!(refused.verdict, Verdict::Model);
}

#[test]
fn overload_in_the_middle_of_an_answer_counts_like_a_cut() {
    let (pool, now) = build(accounts(&["a"]), Select::Weighted);
    let overloaded = failure(Class::Overloaded, Scope::Endpoint, None);
    for _ in 0..5 {
        let mut pick = pool.pick(&want(), now).expect("usable");
        pick.lease.committed(now);
        pick.lease.failed(&overloaded, now, 0);
    }
    let mut pick = pool.pick(&want(), now).expect("still usable");
    pick.lease.committed(now);
    pick.lease.failed(&overloaded, now, 0);
    drop(pick);
    assert_eq!(pool.snapshot(now)[0].state, State::Benched);
}
