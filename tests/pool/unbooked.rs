//! Picks that occupy nothing: the account that would serve, whatever its limits, and nothing learnt from it.
use std::time::SystemTime;

use weir::config::{AccountLimits, Select};
use weir::outcome::FailureClass;
use weir::pool::{Fault, Want, classify_transport};

use crate::support::*;

#[test]
fn it_is_the_account_that_would_serve() {
    let (pool, now) = build(accounts(&["a", "b", "c", "d"]), Select::Weighted);
    for number in 0..50 {
        let want = in_session(number);
        let served = serve(&pool, &want, now).expect("an account");
        let pick = pool.pick_unbooked(&want, now).expect("an account");
        assert_eq!(pick.account.name, served);
    }
}

#[test]
fn it_takes_no_place_and_needs_none() {
    let mut list = accounts(&["a"]);
    list[0].limits = AccountLimits {
        concurrency: Some(1),
        rpm: Some(1),
        tpm: Some(1),
    };
    let (pool, now) = build(list, Select::Weighted);
    let free: Vec<_> = (0..10)
        .map(|_| pool.pick_unbooked(&want(), now).expect("an account"))
        .collect();
    let booked = pool.pick(&want(), now).expect("the only place is free");
    assert!(pool.pick(&want(), now).is_err());
    assert!(pool.pick_unbooked(&want(), now).is_some());
    drop((free, booked));
    assert_eq!(pool.snapshot(now)[0].in_flight, 0);
}

#[test]
fn what_comes_of_it_says_nothing() {
    let (pool, now) = build(accounts(&["a"]), Select::Weighted);
    for _ in 0..10 {
        let mut pick = pool.pick_unbooked(&want(), now).expect("an account");
        let failure = classify_transport(Fault::Refused, false);
        assert_eq!(failure.class, FailureClass::Transport);
        pick.lease.failed(&failure, now, 0);
        let mut headers = http::HeaderMap::new();
        headers.insert("x-ratelimit-remaining-requests", 0.into());
        headers.insert(
            "x-ratelimit-reset-requests",
            "60s".parse().expect("a value"),
        );
        pick.lease.observe(&headers, at(now, SystemTime::now()));
    }
    assert!(pool.pick(&want(), now).is_ok());
    assert!(pool.snapshot(now)[0].windows.is_empty());
}

#[test]
fn it_shifts_no_turns_and_goes_round_those_that_are_out() {
    let turns = |between: bool| {
        let (pool, now) = build(accounts(&["a", "b", "c"]), Select::RoundRobin);
        let turn = |_| {
            if between {
                pool.pick_unbooked(&want(), now).expect("an account");
            }
            serve(&pool, &want(), now).expect("an account")
        };
        (0..9).map(turn).collect::<Vec<_>>()
    };
    assert_eq!(turns(true), turns(false));
    let (pool, now) = build(accounts(&["a", "b"]), Select::Weighted);
    pool.drain("a");
    for draw in 0..20 {
        let want = Want { draw, ..want() };
        let pick = pool.pick_unbooked(&want, now).expect("an account");
        assert_eq!(&*pick.account.name, "b");
    }
    pool.drain("b");
    assert!(pool.pick_unbooked(&want(), now).is_none());
    let (account, model) = pool.serves(&want()).expect("an account");
    assert_eq!((&*account.name, &*model), ("a", "claude-sonnet-4-5"));
    let unknown = Want {
        dialect: Some(weir::protocol::UpstreamDialect::Gemini),
        ..want()
    };
    assert!(pool.serves(&unknown).is_none());
}
