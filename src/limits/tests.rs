//! Limits under load, over time and across reloads.
use std::time::Duration;

use super::*;
use crate::protocol::hub::usage::Usage;

const SECOND: Duration = Duration::from_secs(1);

/// 2026-11-10T12:00:00Z.
fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + SECOND * 1_794_312_000
}

fn at(now: Instant) -> Moment {
    Moment { now, wall: wall() }
}

fn subject(name: &str, caps: Caps, group: Option<usize>) -> Subject {
    Subject {
        name: name.into(),
        caps,
        group,
    }
}

fn principal(key: usize) -> Principal {
    Principal { key, project: None }
}

fn alone(caps: Caps) -> Limits {
    let all_subjects = AllSubjects {
        keys: vec![subject("team-a", caps, None)],
        ..AllSubjects::default()
    };
    Limits::new(&all_subjects, TimeZone::UTC, None)
}

fn used(tokens: u64, usd: f64) -> Used {
    Used {
        usage: Usage {
            output: tokens,
            ..Usage::default()
        },
        nano_usd: nano_usd(usd),
    }
}

fn expect(admitted: Result<Permit, Refusal>, limit: Limit, seconds: Option<u64>) -> String {
    let refusal = admitted.expect_err("a limit in the way");
    assert_eq!(
        (refusal.limit, refusal.retry_after),
        (limit, seconds.map(Duration::from_secs))
    );
    refusal.to_string()
}

#[test]
fn of_two_hundred_parallel_clients_exactly_as_many_pass_as_may() {
    let limits = alone(Caps::default().with(Limit::Requests, 100));
    let now = Instant::now();
    let admitted: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..200)
            .map(|_| {
                scope.spawn(|| {
                    (0..5)
                        .filter(|_| limits.admit(principal(0), Used::default(), at(now)).is_ok())
                        .count()
                })
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum()
    });
    assert_eq!(admitted, 100);
}

#[test]
fn in_no_minute_more_requests_pass_than_may() {
    let limits = alone(Caps::default().with(Limit::Requests, 10));
    let start = Instant::now();
    let times: Vec<Duration> = (0..3000u32)
        .map(|tick| Duration::from_millis(100) * tick)
        .filter(|time| {
            limits
                .admit(principal(0), Used::default(), at(start + *time))
                .is_ok()
        })
        .collect();
    assert!(times.len() >= 40);
    for (first, later) in times.iter().zip(times.iter().skip(10)) {
        assert!(later.saturating_sub(*first) >= SECOND * 60);
    }
}

#[test]
fn a_refusal_says_whose_which_and_when() {
    let now = Instant::now();
    let limits = alone(Caps::default().with(Limit::Requests, 1));
    drop(
        limits
            .admit(principal(0), Used::default(), at(now))
            .unwrap(),
    );
    let said = expect(
        limits.admit(principal(0), Used::default(), at(now + SECOND)),
        Limit::Requests,
        Some(60),
    );
    assert_eq!(
        said,
        "key `team-a` has used its 1 requests per minute; try again in 60 s"
    );

    let limits = alone(Caps::default().with(Limit::Concurrency, 1));
    let held = limits
        .admit(principal(0), Used::default(), at(now))
        .unwrap();
    let said = expect(
        limits.admit(principal(0), Used::default(), at(now)),
        Limit::Concurrency,
        None,
    );
    assert_eq!(
        said,
        "key `team-a` has its 1 concurrent requests in flight; try again when one of them has ended"
    );
    drop(held);
    assert!(limits.admit(principal(0), Used::default(), at(now)).is_ok());
}

#[test]
fn tokens_are_reserved_and_then_settled() {
    let now = Instant::now();
    let limits = alone(Caps::default().with(Limit::Tokens, 1000));
    let ask = |tokens| limits.admit(principal(0), used(tokens, 0.0), at(now));
    let mut first = ask(800).unwrap();
    expect(ask(300), Limit::Tokens, Some(61));
    first.settle(&used(200, 0.0), at(now));
    drop(first);
    let mut second = ask(700).unwrap();
    second.settle(&used(5000, 0.0), at(now));
    expect(ask(0), Limit::Tokens, Some(61));
}

#[test]
fn what_is_never_settled_is_given_back() {
    let now = Instant::now();
    let limits = alone(
        Caps::default()
            .with(Limit::Tokens, 1000)
            .with(Limit::UsdPerDay, nano_usd(1.0)),
    );
    let estimate = used(1000, 1.0);
    for _ in 0..5 {
        drop(limits.admit(principal(0), estimate, at(now)).unwrap());
    }
    assert_eq!(
        limits.report(principal(0), at(now))[0].day,
        Totals::default()
    );
}

#[test]
fn budgets_hold_until_the_day_or_month_ends_and_count_what_is_in_flight() {
    let now = Instant::now();
    let caps = Caps::default()
        .with(Limit::UsdPerDay, nano_usd(10.0))
        .with(Limit::UsdPerMonth, nano_usd(12.0));
    let limits = alone(caps);
    let ask = |usd: f64, wall| limits.admit(principal(0), used(0, usd), Moment { now, wall });
    let mut first = ask(6.0, wall()).unwrap();
    let said = expect(ask(6.0, wall()), Limit::UsdPerDay, None);
    assert_eq!(
        said,
        "key `team-a` has the rest of its budget of 10 USD per day reserved for requests in flight; try again when one of them has ended"
    );
    first.settle(&used(1, 8.0), at(now));
    drop(first);
    let said = expect(ask(2.5, wall()), Limit::UsdPerDay, Some(12 * 3600));
    assert_eq!(
        said,
        "key `team-a` has 2.00 USD left of its budget of 10 USD per day, too little for this request; try again in 12 h"
    );
    let mut rest = ask(2.0, wall()).unwrap();
    rest.settle(&used(1, 2.0), at(now));
    drop(rest);
    let said = expect(ask(0.0, wall()), Limit::UsdPerDay, Some(12 * 3600));
    assert_eq!(
        said,
        "key `team-a` has spent its budget of 10 USD per day; try again in 12 h"
    );
    let tomorrow = wall() + Duration::from_hours(12);
    let mut second = ask(0.5, tomorrow).unwrap();
    let late = Moment {
        now,
        wall: tomorrow,
    };
    second.settle(&used(1, 2.0), late);
    drop(second);
    expect(ask(0.0, tomorrow), Limit::UsdPerMonth, Some(20 * 86_400));
    assert!(ask(0.0, tomorrow + Duration::from_hours(20 * 24)).is_ok());
}

#[test]
fn a_first_request_larger_than_the_whole_budget_is_refused() {
    let now = Instant::now();
    let limits = alone(Caps::default().with(Limit::UsdPerDay, nano_usd(0.5)));
    let ask = |usd: f64| {
        let estimate = used(0, usd);
        limits.admit(principal(0), estimate, at(now))
    };
    let said = expect(ask(0.61), Limit::UsdPerDay, Some(12 * 3600));
    assert_eq!(
        said,
        "key `team-a` has a budget of 0.5 USD per day, and this request alone may cost 0.61 USD; ask for a shorter answer or a cheaper model"
    );
    drop(ask(0.5).expect("exactly the budget"));
    let mut half = ask(0.5).expect("the same again");
    half.settle(&used(1, 0.25), at(now));
    let budgets: Vec<Budget> = limits.budgets(wall()).collect();
    let [budget] = &budgets[..] else {
        panic!("one budget: {budgets:?}");
    };
    assert_eq!(
        (budget.scope, &*budget.name, budget.used_ratio()),
        (Scope::Key, "team-a", 0.5)
    );
    let unlimited = alone(Caps::default());
    assert_eq!(unlimited.budgets(wall()).count(), 0);
    assert!(!unlimited.need_estimate(principal(0)) && limits.need_estimate(principal(0)));
}

#[test]
fn a_request_refused_by_one_limit_counts_for_none() {
    let now = Instant::now();
    let keys = [
        subject("a", Caps::default().with(Limit::Requests, 10), Some(0)),
        subject("b", Caps::default(), Some(0)),
    ];
    let groups = [subject(
        "research",
        Caps::default().with(Limit::Requests, 3),
        None,
    )];
    let all_subjects = AllSubjects {
        keys: keys.to_vec(),
        groups: groups.to_vec(),
        projects: Vec::new(),
        global: Caps::default().with(Limit::Requests, 100),
    };
    let limits = Limits::new(&all_subjects, TimeZone::UTC, None);
    for key in [0, 1, 1] {
        drop(
            limits
                .admit(principal(key), Used::default(), at(now))
                .unwrap(),
        );
    }
    for _ in 0..20 {
        let refusal = limits
            .admit(principal(0), Used::default(), at(now))
            .unwrap_err();
        assert_eq!((refusal.scope, &*refusal.name), (Scope::Group, "research"));
    }
    let report = limits.report(principal(0), at(now));
    assert_eq!(
        (report[0].standings[0].used, report[1].standings[0].used),
        (1.0, 3.0)
    );
    let tightest = limits
        .tightest(principal(0), Limit::Requests, at(now))
        .unwrap();
    assert_eq!((tightest.cap, tightest.remaining), (3.0, 0.0));
    assert_eq!(limits.tightest(principal(0), Limit::Tokens, at(now)), None);
}

#[test]
fn a_project_limits_requests_of_every_key_that_are_for_it() {
    let now = Instant::now();
    let two = Caps::default().with(Limit::Requests, 2);
    let all_subjects = AllSubjects {
        keys: vec![
            subject("a", Caps::default(), None),
            subject("b", Caps::default(), None),
        ],
        projects: vec![subject("moon", two, None)],
        ..AllSubjects::default()
    };
    let limits = Limits::new(&all_subjects, TimeZone::UTC, None);
    for key in [0, 1] {
        let moon = limits.principal(key, Some("moon"));
        drop(limits.admit(moon, Used::default(), at(now)).unwrap());
    }
    let moon = limits.principal(0, Some("moon"));
    let refusal = limits.admit(moon, Used::default(), at(now));
    let refusal = refusal.expect_err("used");
    assert_eq!((refusal.scope, &*refusal.name), (Scope::Project, "moon"));
    assert!(
        refusal
            .to_string()
            .starts_with("project `moon` has used its 2 requests")
    );
    for other in [limits.principal(0, None), limits.principal(0, Some("mars"))] {
        drop(limits.admit(other, Used::default(), at(now)).unwrap());
    }
    let next = Limits::new(&all_subjects, TimeZone::UTC, Some(&limits));
    assert!(next.admit(moon, Used::default(), at(now)).is_err());
    let scopes: Vec<Scope> = next
        .report(moon, at(now))
        .iter()
        .map(|report| report.scope)
        .collect();
    assert_eq!(scopes, [Scope::Key, Scope::Project]);
}

#[test]
fn counters_survive_a_reload_by_name() {
    let now = Instant::now();
    let caps = Caps::default().with(Limit::Requests, 1);
    let limits = alone(caps);
    let mut held = limits
        .admit(principal(0), Used::default(), at(now))
        .unwrap();
    let keys = [
        subject("other", caps, None),
        subject("team-a", caps.with(Limit::Concurrency, 1), None),
    ];
    let all_subjects = AllSubjects {
        keys: keys.to_vec(),
        ..AllSubjects::default()
    };
    let next = Limits::new(&all_subjects, TimeZone::UTC, Some(&limits));
    expect(
        next.admit(principal(1), Used::default(), at(now)),
        Limit::Concurrency,
        None,
    );
    held.settle(&used(7, 1.0), at(now));
    drop(held);
    expect(
        next.admit(principal(1), Used::default(), at(now)),
        Limit::Requests,
        Some(61),
    );
    assert!(next.admit(principal(0), Used::default(), at(now)).is_ok());
    assert_eq!(
        next.report(principal(1), at(now))[0].day.nano_usd,
        nano_usd(1.0)
    );
}

#[test]
fn what_is_known_from_before_a_restart_counts() {
    let now = Instant::now();
    let limits = alone(Caps::default().with(Limit::UsdPerMonth, nano_usd(100.0)));
    let known = Totals {
        nano_usd: nano_usd(100.0),
        ..Totals::default()
    };
    assert!(limits.restore(Scope::Key, "team-a", &Totals::default(), &known, wall()));
    assert!(!limits.restore(Scope::Key, "nobody", &known, &known, wall()));
    let days = 20 * 86_400 + 12 * 3600;
    expect(
        limits.admit(principal(0), Used::default(), at(now)),
        Limit::UsdPerMonth,
        Some(days),
    );
}

/// Two processes with the same keys; the second one has followed the first.
fn followed(caps: Caps, before: impl FnOnce(&Limits)) -> (Limits, HandoverLog, Limits) {
    let (old, new) = (alone(caps), alone(caps));
    before(&old);
    let (handover_log, first) = HandoverLog::begin(&old, at(Instant::now()));
    let text = serde_json::to_string(&first).expect("plain data");
    let first: Vec<Handed> = serde_json::from_str(&text).expect("the same");
    new.recall(&first, true, at(Instant::now()));
    (old, handover_log, new)
}

fn spent(limits: &Limits) -> f64 {
    limits.report(principal(0), at(Instant::now()))[0].day.usd()
}

#[test]
fn a_process_that_follows_knows_what_was_used_and_what_still_is() {
    let caps = Caps::default()
        .with(Limit::Concurrency, 2)
        .with(Limit::UsdPerDay, nano_usd(10.0));
    let now = Instant::now();
    let admit = |limits: &Limits| limits.admit(principal(0), Used::default(), at(now));
    let mut running = None;
    let (old, mut handover_log, new) = followed(caps, |old| {
        let mut permit = admit(old).expect("it fits");
        permit.settle(&used(10, 3.0), at(now));
        drop(permit);
        running = Some((admit(old).expect("it fits"), admit(old).expect("it fits")));
    });
    assert!((spent(&new) - 3.0).abs() < 1e-9);
    expect(admit(&new), Limit::Concurrency, None);

    let (mut one, two) = running.take().expect("two are in flight");
    one.settle(&used(10, 4.0), at(now));
    drop(one);
    new.recall(&handover_log.go_on(&old, at(now)), false, at(now));
    assert!((spent(&new) - 7.0).abs() < 1e-9);
    let here = admit(&new).expect("one place is free");
    expect(admit(&new), Limit::Concurrency, None);
    drop((here, two));
    new.recall(&handover_log.go_on(&old, at(now)), false, at(now));
    assert!(admit(&new).is_ok());
    assert_eq!(
        handover_log.go_on(&old, at(now)),
        [],
        "nothing is told twice"
    );
    assert!((spent(&new) - 7.0).abs() < 1e-9);
}

#[test]
fn what_a_ledger_knows_already_is_not_added_again() {
    let (_, _, new) = followed(Caps::default(), |old| {
        let mut permit = old
            .admit(principal(0), Used::default(), at(Instant::now()))
            .expect("it fits");
        permit.settle(&used(0, 5.0), at(Instant::now()));
    });
    let known = Totals {
        nano_usd: nano_usd(4.0),
        ..Totals::default()
    };
    let again = alone(Caps::default());
    again.restore(Scope::Key, "team-a", &known, &known, wall());
    let (_, first) = HandoverLog::begin(&new, at(Instant::now()));
    again.recall(&first, true, at(Instant::now()));
    assert!(
        (spent(&again) - 5.0).abs() < 1e-9,
        "and a third process knows it, too"
    );
}

#[test]
fn a_process_that_vanishes_keeps_no_place() {
    let caps = Caps::default().with(Limit::Concurrency, 1);
    let now = Instant::now();
    let mut running = None;
    let (_old, _, new) = followed(caps, |old| {
        running = old.admit(principal(0), Used::default(), at(now)).ok();
    });
    assert!(new.admit(principal(0), Used::default(), at(now)).is_err());
    new.alone();
    assert!(new.admit(principal(0), Used::default(), at(now)).is_ok());
}
