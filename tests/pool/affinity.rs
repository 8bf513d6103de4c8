//! Sessions stay where their cache is.
use std::time::Duration;

use weir::config::{Account, Select};
use weir::outcome::Affinity;
use weir::pool::{Pool, Want};

use crate::support::*;

const MINUTE: Duration = Duration::from_mins(1);

/// Serves one request of a session; the account and what affinity did.
fn step(pool: &Pool, number: u64, now: std::time::Instant) -> (String, Affinity) {
    let mut pick = pool.pick(&in_session(number), now).unwrap();
    pick.lease.committed(now);
    pick.lease.completed(now);
    (pick.account.name.to_string(), pick.affinity.unwrap())
}

fn home(pool: &Pool, number: u64, now: std::time::Instant) -> String {
    pool.pick(&in_session(number), now)
        .unwrap()
        .account
        .name
        .to_string()
}

#[test]
fn every_host_and_every_restart_agree() {
    let (one, now) = build(accounts(&["a", "b", "c", "d"]), Select::Weighted);
    let (other, _) = build(accounts(&["d", "b", "a", "c"]), Select::LeastBusy);
    for number in 0..500 {
        assert_eq!(home(&one, number, now), home(&other, number, now));
    }
}

#[test]
fn sessions_are_shared_out_by_weight() {
    let mut list = accounts(&["a", "b", "c"]);
    list[0].weight = 3;
    let (pool, now) = build(list, Select::Weighted);
    let on_a = (0..5000)
        .filter(|number| home(&pool, *number, now) == "a")
        .count();
    assert!((2900..3100).contains(&on_a), "{on_a}");
}

#[test]
fn losing_an_account_moves_only_its_own_sessions() {
    let (whole, now) = build(accounts(&["a", "b", "c", "d"]), Select::Weighted);
    let (less, _) = build(accounts(&["a", "b", "d"]), Select::Weighted);
    for number in 0..2000 {
        let before = home(&whole, number, now);
        if before != "c" {
            assert_eq!(home(&less, number, now), before);
        }
    }
}

#[test]
fn a_heavier_account_only_gains_sessions() {
    let (before, now) = build(accounts(&["a", "b", "c"]), Select::Weighted);
    let heavy = |account: Account| Account {
        weight: if &*account.name == "b" { 4 } else { 1 },
        ..account
    };
    let (after, _) = build(
        accounts(&["a", "b", "c"]).into_iter().map(heavy).collect(),
        Select::Weighted,
    );
    for number in 0..2000 {
        let moved = home(&after, number, now);
        assert!(moved == "b" || moved == home(&before, number, now));
    }
}

#[test]
fn the_first_request_is_new_and_the_next_a_hit() {
    let (pool, now) = build(accounts(&["a", "b"]), Select::Weighted);
    assert_eq!(step(&pool, 1, now).1, Affinity::New);
    assert_eq!(step(&pool, 1, now).1, Affinity::Hit);
    assert_eq!(step(&pool, 2, now).1, Affinity::New);
    assert!(pool.pick(&want(), now).unwrap().affinity.is_none());
}

#[test]
fn a_short_absence_is_a_detour_and_the_session_returns() {
    let (pool, now) = build(accounts(&["a", "b", "c"]), Select::Weighted);
    let (favourite, _) = step(&pool, 1, now);
    fail(&pool, &favourite, &throttled(120), now);
    let (other, result) = step(&pool, 1, now);
    assert_eq!(result, Affinity::Detour);
    assert_ne!(other, favourite);
    assert_eq!(step(&pool, 1, now + MINUTE), (other, Affinity::Detour));
    assert_eq!(step(&pool, 1, now + MINUTE * 2), (favourite, Affinity::Hit));
}

#[test]
fn an_absence_longer_than_the_cache_lives_rebinds() {
    let (pool, now) = build(accounts(&["a", "b", "c"]), Select::Weighted);
    let (favourite, _) = step(&pool, 1, now);
    fail(&pool, &favourite, &throttled(420), now);
    let (other, _) = step(&pool, 1, now);
    for minute in 1..5 {
        assert_eq!(
            step(&pool, 1, now + MINUTE * minute),
            (other.clone(), Affinity::Detour)
        );
    }
    assert_eq!(
        step(&pool, 1, now + MINUTE * 5),
        (other.clone(), Affinity::Rebind)
    );
    for minute in 6..30 {
        assert_eq!(
            step(&pool, 1, now + MINUTE * minute),
            (other.clone(), Affinity::Hit)
        );
    }
    // Both caches are dead after a pause, so the session returns for nothing.
    assert_eq!(
        step(&pool, 1, now + MINUTE * 40),
        (favourite, Affinity::Hit)
    );
}

#[test]
fn a_rebound_session_detours_from_its_new_home() {
    let (pool, now) = build(accounts(&["a", "b", "c"]), Select::Weighted);
    let (favourite, _) = step(&pool, 1, now);
    fail(&pool, &favourite, &throttled(3600), now);
    let (other, _) = step(&pool, 1, now);
    for minute in 1..7 {
        step(&pool, 1, now + MINUTE * minute);
    }
    fail(&pool, &other, &throttled(60), now + MINUTE * 7);
    let (third, result) = step(&pool, 1, now + MINUTE * 7);
    assert_eq!(result, Affinity::Detour);
    assert!(third != other && third != favourite);
}

#[test]
fn affinity_never_blocks_failover() {
    let (pool, now) = build(accounts(&["a", "b"]), Select::Weighted);
    let (favourite, _) = step(&pool, 1, now);
    let pick = pool.pick(&in_session(1), now).unwrap();
    let tried = [pick.tried(&throttled(1))];
    drop(pick);
    let pick = pool
        .pick(
            &Want {
                tried: &tried,
                ..in_session(1)
            },
            now,
        )
        .unwrap();
    assert_ne!(&*pick.account.name, favourite);
}

#[test]
fn a_response_is_continued_where_it_was_made() {
    let (pool, now) = build(accounts(&["a", "b", "c"]), Select::Weighted);
    let favourite = home(&pool, 1, now);
    let elsewhere = ["a", "b", "c"]
        .into_iter()
        .find(|name| *name != favourite)
        .unwrap();
    let made = pool
        .pick(
            &Want {
                account: Some(elsewhere),
                ..want()
            },
            now,
        )
        .unwrap();
    pool.bind_response("resp_1", &made.lease, now);
    let next = Want {
        previous_response: Some("resp_1"),
        ..in_session(1)
    };
    let pick = pool.pick(&next, now).unwrap();
    assert_eq!(
        (&*pick.account.name, pick.affinity),
        (elsewhere, Some(Affinity::Hit))
    );
    fail(&pool, elsewhere, &throttled(60), now);
    let mut pick = pool.pick(&next, now).unwrap();
    pick.lease.committed(now);
    assert_eq!(
        (&*pick.account.name, pick.affinity),
        (&*favourite, Some(Affinity::Detour))
    );
    let unknown = Want {
        previous_response: Some("resp_2"),
        ..in_session(1)
    };
    assert_eq!(&*pool.pick(&unknown, now).unwrap().account.name, favourite);
}

#[test]
fn a_detour_survives_a_reload() {
    let list = || accounts(&["a", "b", "c"]);
    let (pool, now) = build(list(), Select::Weighted);
    let (favourite, _) = step(&pool, 1, now);
    fail(&pool, &favourite, &throttled(600), now);
    let (other, _) = step(&pool, 1, now);
    let pool = config(list(), Select::Weighted).pool(Some(&pool));
    assert_eq!(step(&pool, 1, now + MINUTE), (other, Affinity::Detour));
}

#[test]
fn a_spent_window_sends_sessions_on_a_detour_and_a_tight_one_does_not() {
    let served = |rest: &str| {
        let (pool, now) = build(accounts(&["a", "b"]), Select::Weighted);
        let mut pick = pool.pick(&in_session(1), now).unwrap();
        let favourite = pick.account.name.to_string();
        let mut headers = http::HeaderMap::new();
        headers.insert(
            "anthropic-ratelimit-input-tokens-limit",
            "400000".parse().unwrap(),
        );
        headers.insert(
            "anthropic-ratelimit-input-tokens-remaining",
            rest.parse().unwrap(),
        );
        pick.lease
            .observe(&headers, at(now, std::time::SystemTime::UNIX_EPOCH));
        pick.lease.completed(now);
        let big = Want {
            tokens: 150_000,
            ..in_session(1)
        };
        *pool.pick(&big, now).unwrap().account.name == *favourite
    };
    assert!(served("70000"));
    assert!(!served("0"));
}
