//! Who serves next, and what is said when nobody can.
use std::collections::HashMap;
use std::time::{Duration, Instant};

use weir::config::{Account, AccountLimits, Select};
use weir::outcome::FailureClass;
use weir::pool::{AccountLimit, Excluded, Scope, Tried, Verdict, Want};
use weir::protocol::UpstreamDialect;

use crate::support::*;

fn weighted(weights: &[(&str, u32)]) -> Vec<Account> {
    let account = |(name, weight): &(&str, u32)| Account {
        weight: *weight,
        ..account(name)
    };
    weights.iter().map(account).collect()
}

fn shares(accounts: Vec<Account>, select: Select, requests: u64) -> HashMap<String, u64> {
    let (pool, now) = build(accounts, select);
    let mut shares = HashMap::new();
    for number in 0..requests {
        let want = Want {
            draw: weir::pool::affinity::mix(number),
            ..want()
        };
        *shares
            .entry(serve(&pool, &want, now).unwrap().to_string())
            .or_default() += 1;
    }
    shares
}

#[test]
fn weighted_is_smooth_and_exact() {
    let (pool, now) = build(weighted(&[("a", 5), ("b", 1), ("c", 1)]), Select::Weighted);
    let served: Vec<_> = (0..7)
        .map(|_| serve(&pool, &want(), now).unwrap().to_string())
        .collect();
    assert_eq!(served.join(""), "aabacaa");
}

#[test]
fn round_robin_ignores_weights() {
    let shares = shares(weighted(&[("a", 5), ("b", 1)]), Select::RoundRobin, 100);
    assert_eq!((shares["a"], shares["b"]), (50, 50));
}

#[test]
fn random_follows_weights() {
    let shares = shares(weighted(&[("a", 3), ("b", 1)]), Select::Random, 10_000);
    assert!((7300..7700).contains(&shares["a"]), "{shares:?}");
}

#[test]
fn failover_takes_the_first_usable_as_declared() {
    let (pool, now) = build(accounts(&["a", "b", "c"]), Select::Failover);
    assert_eq!(&*serve(&pool, &want(), now).unwrap(), "a");
    fail(&pool, "a", &throttled(60), now);
    assert_eq!(&*serve(&pool, &want(), now).unwrap(), "b");
    assert_eq!(&*serve(&pool, &want(), now + SECOND * 60).unwrap(), "a");
}

#[test]
fn failover_with_sessions_keeps_the_declared_order() {
    let (pool, now) = build(accounts(&["a", "b", "c"]), Select::Failover);
    for number in 0..20 {
        assert_eq!(&*serve(&pool, &in_session(number), now).unwrap(), "a");
    }
}

#[test]
fn least_busy_weighs_requests_in_flight() {
    let (pool, now) = build(weighted(&[("a", 3), ("b", 1)]), Select::LeastBusy);
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut pick = pool.pick(&want(), now).unwrap();
        pick.lease.committed(now);
        held.push(pick);
    }
    let on_a = held
        .iter()
        .filter(|pick| &*pick.account.name == "a")
        .count();
    assert_eq!(on_a, 6);
}

#[test]
fn least_busy_prefers_the_faster_of_equals() {
    let (pool, now) = build(accounts(&["slow", "fast"]), Select::LeastBusy);
    for (name, seconds) in [("slow", 3), ("fast", 1)] {
        let want = Want {
            account: Some(name),
            ..want()
        };
        pool.pick(&want, now)
            .unwrap()
            .lease
            .committed(now + SECOND * seconds);
    }
    assert_eq!(&*name(pool.pick(&want(), now + SECOND * 4)), "fast");
}

#[test]
fn a_lower_priority_serves_only_when_the_higher_is_out() {
    let mut list = accounts(&["spare", "main"]);
    list[0].priority = 1;
    let (pool, now) = build(list, Select::Weighted);
    for number in 0..10 {
        assert_eq!(&*serve(&pool, &want(), now).unwrap(), "main");
        assert_eq!(&*serve(&pool, &in_session(number), now).unwrap(), "main");
    }
    fail(&pool, "main", &throttled(60), now);
    assert_eq!(&*serve(&pool, &want(), now).unwrap(), "spare");
}

#[test]
fn weight_zero_serves_only_when_asked_by_name() {
    let (pool, now) = build(weighted(&[("a", 1), ("hidden", 0)]), Select::Weighted);
    for number in 0..20 {
        assert_eq!(&*serve(&pool, &in_session(number), now).unwrap(), "a");
    }
    let asked = Want {
        account: Some("hidden"),
        ..want()
    };
    assert_eq!(&*serve(&pool, &asked, now).unwrap(), "hidden");
}

#[test]
fn models_are_filtered_and_renamed() {
    let mut list = accounts(&["gpt", "claude"]);
    list[0].models = models(&[("gpt-*", None)]);
    list[1].models = models(&[
        ("claude-sonnet-4-5", Some("sonnet-upstream")),
        ("*haiku*", None),
        ("o[0-9]-mini", None),
        ("*-x", None),
    ]);
    let (pool, now) = build(list, Select::Weighted);
    let served = |model| {
        let pick = pool.pick(&Want { model, ..want() }, now)?;
        Ok::<_, weir::pool::Exhausted>(format!("{}:{}", pick.account.name, pick.model))
    };
    assert_eq!(served("gpt-4o").unwrap(), "gpt:gpt-4o");
    assert_eq!(
        served("claude-sonnet-4-5").unwrap(),
        "claude:sonnet-upstream"
    );
    assert_eq!(
        served("claude-haiku-4-5").unwrap(),
        "claude:claude-haiku-4-5"
    );
    assert_eq!(served("o3-mini").unwrap(), "claude:o3-mini");
    assert_eq!(served("grok-x").unwrap(), "claude:grok-x");
    let out = served("llama").unwrap_err();
    assert_eq!((out.verdict, out.soonest), (Verdict::Model, None));
}

#[test]
fn a_dialect_that_nobody_speaks_is_said_so() {
    let (pool, now) = build(accounts(&["a"]), Select::Weighted);
    let want = Want {
        dialect: Some(UpstreamDialect::Gemini),
        ..want()
    };
    assert_eq!(pool.pick(&want, now).unwrap_err().verdict, Verdict::Dialect);
}

#[test]
fn a_preferred_dialect_comes_first_within_each_pool_and_never_before_the_fallback() {
    let mut list = accounts(&["foreign", "own", "spare"]);
    list[0].dialects = vec![UpstreamDialect::OpenaiChat];
    let mut parts = config(list, Select::Failover);
    parts.pools = vec![
        pool("default", vec![0, 1], Select::Failover),
        pool("spare", vec![2], Select::Failover),
    ];
    parts.pools[0].fallback = Some(1);
    let (pool, now) = (parts.pool(None), Instant::now());
    for traces in [want(), in_session(7)] {
        let want = Want {
            dialect: None,
            prefers: Some(UpstreamDialect::Anthropic),
            ..traces
        };
        let told = |tried: &[usize]| {
            let tried: Vec<Tried> = tried
                .iter()
                .map(|account| Tried {
                    account: *account,
                    endpoint: None,
                })
                .collect();
            let want = Want {
                tried: &tried,
                ..want
            };
            let first = pool
                .explain(&want, now)
                .into_iter()
                .find(|account| account.out.is_none());
            let served = serve(&pool, &want, now);
            assert_eq!(
                served.as_ref().ok(),
                first.map(|account| account.account).as_ref()
            );
            served.map(|name| name.to_string())
        };
        assert_eq!(told(&[]).unwrap(), "own");
        assert_eq!(told(&[1]).unwrap(), "foreign");
        assert_eq!(told(&[0, 1]).unwrap(), "spare");
        let out = told(&[0, 1, 2]).unwrap_err();
        assert_eq!((out.verdict, out.excluded.len()), (Verdict::Tried, 3));
    }
}

#[test]
fn what_was_tried_is_not_tried_again() {
    let (pool, now) = build(accounts(&["a", "b"]), Select::Weighted);
    let tried = [Tried {
        account: 0,
        endpoint: None,
    }];
    for _ in 0..4 {
        assert_eq!(
            &*serve(
                &pool,
                &Want {
                    tried: &tried,
                    ..want()
                },
                now
            )
            .unwrap(),
            "b"
        );
    }
    let tried = [
        tried[0],
        Tried {
            account: 1,
            endpoint: Some(0),
        },
    ];
    let out = pool
        .pick(
            &Want {
                tried: &tried,
                ..want()
            },
            now,
        )
        .unwrap_err();
    assert_eq!(out.verdict, Verdict::Tried);
}

#[test]
fn another_endpoint_of_the_same_account_may_be_tried() {
    let mut list = accounts(&["fleet"]);
    list[0].endpoints = vec![endpoint("http://one"), endpoint("http://two")];
    let (pool, now) = build(list, Select::Weighted);
    let first = pool.pick(&want(), now).unwrap();
    let refused = weir::pool::classify_transport(weir::pool::Fault::Refused, false);
    let tried = [first.tried(&refused)];
    let second = pool
        .pick(
            &Want {
                tried: &tried,
                ..want()
            },
            now,
        )
        .unwrap();
    assert_ne!(first.endpoint, second.endpoint);
    let tried = [tried[0], second.tried(&refused)];
    assert!(
        pool.pick(
            &Want {
                tried: &tried,
                ..want()
            },
            now
        )
        .is_err()
    );
}

#[test]
fn sessions_keep_their_endpoint_and_an_unhealthy_one_is_left() {
    let mut list = accounts(&["fleet"]);
    list[0].endpoints = (0..4).map(|n| endpoint(&format!("http://{n}"))).collect();
    let (pool, now) = build(list, Select::Weighted);
    let home: Vec<_> = (0..100)
        .map(|n| pool.pick(&in_session(n), now).unwrap().endpoint)
        .collect();
    assert!((0..4).all(|at| home.iter().filter(|home| **home == at).count() > 10));
    pool.set_endpoint_health(0, 2, false);
    assert!(!pool.endpoint_usable(0, 2, now));
    for (number, home) in (0..).zip(&home) {
        let endpoint = pool.pick(&in_session(number), now).unwrap().endpoint;
        assert!(if *home == 2 {
            endpoint != 2
        } else {
            endpoint == *home
        });
    }
}

#[test]
fn the_refusal_tells_the_soonest_time_of_all() {
    let (pool, now) = build(accounts(&["a", "b", "c"]), Select::Weighted);
    fail(&pool, "a", &throttled(600), now);
    fail(&pool, "b", &throttled(30), now);
    fail(
        &pool,
        "c",
        &failure(FailureClass::Quota, Scope::Account, None),
        now,
    );
    let out = pool.pick(&want(), now + SECOND * 10).unwrap_err();
    assert_eq!(
        (out.verdict, out.soonest),
        (Verdict::Throttled, Some(SECOND * 20))
    );
    assert_eq!(out.excluded.len(), 3);
    let (who, why) = &out.excluded[0];
    assert_eq!(&**who, "a");
    assert_eq!(
        *why,
        Excluded::Benched {
            class: FailureClass::Throttled,
            wait: SECOND * 590,
            since: SECOND * 10
        }
    );
}

#[test]
fn each_reason_gives_its_own_verdict() {
    for (class, scope, verdict, soonest) in [
        (FailureClass::Auth, Scope::Account, Verdict::Auth, None),
        (
            FailureClass::Quota,
            Scope::Account,
            Verdict::Quota,
            Some(3600),
        ),
        (
            FailureClass::ThrottledBlind,
            Scope::Account,
            Verdict::Throttled,
            Some(1),
        ),
        (
            FailureClass::Overloaded,
            Scope::Endpoint,
            Verdict::Overloaded,
            Some(1),
        ),
    ] {
        let (pool, now) = build(accounts(&["a"]), Select::Weighted);
        fail(&pool, "a", &failure(class, scope, None), now);
        let out = pool.pick(&want(), now).unwrap_err();
        assert_eq!(
            (out.verdict, out.soonest),
            (verdict, soonest.map(Duration::from_secs)),
            "{class:?}"
        );
    }
}

#[test]
fn an_overloaded_provider_is_left_for_another_and_no_account_pays() {
    let mut list = accounts(&["a1", "a2", "other"]);
    for account in &mut list[..2] {
        account.endpoints = vec![endpoint("https://api.anthropic.com")];
    }
    let (pool, now) = build(list, Select::Failover);
    fail(
        &pool,
        "a1",
        &failure(FailureClass::Overloaded, Scope::Endpoint, None),
        now,
    );
    assert_eq!(&*serve(&pool, &want(), now).unwrap(), "other");
    assert_eq!(&*serve(&pool, &want(), now + SECOND).unwrap(), "a1");
}

#[test]
fn limits_of_the_account_are_held_exactly() {
    let mut list = accounts(&["a"]);
    list[0].limits = AccountLimits {
        concurrency: Some(2),
        rpm: Some(5),
        tpm: Some(1000),
    };
    let (pool, now) = build(list, Select::Weighted);
    let one = pool.pick(&want(), now).unwrap();
    let two = pool.pick(&want(), now).unwrap();
    let out = pool.pick(&want(), now).unwrap_err();
    assert_eq!(
        out.excluded[0].1,
        Excluded::Limit {
            limit: AccountLimit::Concurrency,
            wait: None
        }
    );
    drop((one, two));
    for _ in 0..3 {
        serve(&pool, &want(), now).unwrap();
    }
    let out = pool.pick(&want(), now).unwrap_err();
    assert_eq!(
        out.excluded[0].1,
        Excluded::Limit {
            limit: AccountLimit::Requests,
            wait: Some(SECOND * 61)
        }
    );
    assert_eq!(out.verdict, Verdict::Throttled);
    let later = now + SECOND * 61;
    let mut big = pool
        .pick(
            &Want {
                tokens: 900,
                ..want()
            },
            later,
        )
        .unwrap();
    let out = pool
        .pick(
            &Want {
                tokens: 200,
                ..want()
            },
            later,
        )
        .unwrap_err();
    assert!(matches!(
        out.excluded[0].1,
        Excluded::Limit {
            limit: AccountLimit::Tokens,
            ..
        }
    ));
    big.lease.settle(300, later);
    drop(big);
    assert!(
        pool.pick(
            &Want {
                tokens: 700,
                ..want()
            },
            later
        )
        .is_ok()
    );
}

#[test]
fn a_fallback_pool_serves_when_everything_is_out_and_only_if_allowed() {
    let mut config = config(accounts(&["a", "b"]), Select::Weighted);
    config.pools = vec![
        pool("one", vec![0], Select::Weighted),
        pool("two", vec![1], Select::Weighted),
    ];
    config.pools[0].fallback = Some(1);
    let pool = config.pool(None);
    let now = std::time::Instant::now();
    assert_eq!(pool.pick(&want(), now).unwrap().pool, 0);
    fail(&pool, "a", &throttled(60), now);
    let pick = pool.pick(&want(), now).unwrap();
    assert_eq!((&*pick.account.name, pick.pool), ("b", 1));
    let only_one = Want {
        pools: Some(&[0]),
        ..want()
    };
    assert_eq!(
        pool.pick(&only_one, now).unwrap_err().verdict,
        Verdict::Throttled
    );
}

#[test]
fn after_a_switch_the_next_account_is_eased_in() {
    let (pool, now) = build(accounts(&["a", "b"]), Select::Failover);
    fail(&pool, "a", &throttled(60), now);
    let mut first = pool.pick(&want(), now).unwrap();
    let out = pool.pick(&want(), now).unwrap_err();
    assert_eq!(
        (out.verdict, out.easing),
        (Verdict::Throttled, Some(Duration::from_millis(250)))
    );
    assert!(
        pool.pick(
            &Want {
                insist: true,
                ..want()
            },
            now
        )
        .is_ok()
    );
    first.lease.committed(now);
    assert!(pool.pick(&want(), now).is_ok());
    assert!(pool.pick(&want(), now).is_ok());
}

#[test]
fn a_ramp_of_a_preferred_account_is_waited_for() {
    let mut list = accounts(&["a", "b", "foreign"]);
    list[2].dialects = vec![UpstreamDialect::OpenaiChat];
    let (pool, now) = build(list, Select::Failover);
    let want = Want {
        dialect: None,
        prefers: Some(UpstreamDialect::Anthropic),
        ..want()
    };
    fail(&pool, "a", &throttled(60), now);
    let _first = pool.pick(&want, now).unwrap();
    let out = pool.pick(&want, now).unwrap_err();
    assert_eq!(out.easing, Some(Duration::from_millis(250)));
    let insisting = Want {
        insist: true,
        ..want
    };
    assert_eq!(&*pool.pick(&insisting, now).unwrap().account.name, "b");
}

#[test]
fn explain_tells_the_order_and_every_reason_and_occupies_nothing() {
    let mut list = accounts(&["a", "b", "c", "gpt"]);
    list[3].models = models(&[("gpt-*", None)]);
    let (pool, now) = build(list, Select::Weighted);
    fail(&pool, "b", &throttled(60), now);
    for number in 0..20 {
        let want = in_session(number);
        let told = pool.explain(&want, now);
        assert_eq!(told.len(), 4);
        assert_eq!(told[0].account, serve(&pool, &want, now).unwrap());
        assert!(told[1].out.is_none());
        let out: Vec<_> = told[2..]
            .iter()
            .map(|account| account.out.unwrap())
            .collect();
        assert!(
            matches!(out[..], [Excluded::Benched { .. }, Excluded::Model]),
            "{out:?}"
        );
    }
    assert!(
        pool.snapshot(now)
            .iter()
            .all(|status| status.in_flight == 0)
    );
}

#[test]
fn an_account_that_was_only_tried_may_serve_a_retry_at_once() {
    let (pool, now) = build(accounts(&["a", "b"]), Select::Failover);
    fail(&pool, "b", &throttled(60), now);
    let tried = [Tried {
        account: 0,
        endpoint: Some(0),
    }];
    let out = pool
        .pick(
            &Want {
                tried: &tried,
                ..want()
            },
            now,
        )
        .unwrap_err();
    assert_eq!((out.verdict, out.soonest), (Verdict::Tried, Some(SECOND)));
}

#[test]
fn windows_of_one_model_class_do_not_speak_for_another() {
    let (pool, now) = build(accounts(&["a", "b"]), Select::Failover);
    let headers = |rest: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert("anthropic-ratelimit-tokens-limit", "1000".parse().unwrap());
        headers.insert(
            "anthropic-ratelimit-tokens-remaining",
            rest.parse().unwrap(),
        );
        headers
    };
    for (model, rest) in [("claude-opus-4-5", "0"), ("claude-haiku-4-5", "900")] {
        let mut pick = pool
            .pick(
                &Want {
                    model,
                    account: Some("a"),
                    ..want()
                },
                now,
            )
            .unwrap();
        pick.lease
            .observe(&headers(rest), at(now, std::time::SystemTime::UNIX_EPOCH));
        pick.lease.completed(now);
    }
    let served = |model| name(pool.pick(&Want { model, ..want() }, now));
    assert_eq!(
        (&*served("claude-opus-4-1"), &*served("claude-haiku-4-5")),
        ("b", "a")
    );
    let windows = &pool.snapshot(now)[0].windows;
    assert_eq!((windows.len(), windows[0].window), (1, "tokens"));
    assert!(windows[0].utilization > 0.99);
}

#[test]
fn the_cheapest_is_taken_and_a_session_stays_with_it() {
    use weir::config::{Glob, Price};
    use weir::pricing::PriceTable;
    let price = |model: &str, usd: f64| Price {
        model: Glob::new(model).expect("a pattern"),
        input: usd,
        output: usd,
        cache_read: None,
        cache_write_5m: None,
        cache_write_1h: None,
        is_known: true,
        terms: weir::config::PriceTerms::default(),
    };
    let prices = PriceTable::new(&[price("dear", 9.0), price("cheap", 1.0)]);
    let serves = |name: &str, model: &str| {
        let mut account = account(name);
        account.models = weir::config::Models {
            entries: vec![weir::config::ModelEntry {
                glob: Glob::new("*").expect("a pattern"),
                upstream: Some(model.into()),
            }],
        };
        account
    };
    let list = vec![
        serves("a", "dear"),
        serves("b", "cheap"),
        serves("c", "cheap"),
        serves("d", "without a price"),
    ];
    let (pool, now) = build(list, Select::Cheapest);
    let priced = |want| Want {
        prices: Some(&prices),
        ..want
    };
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(serve(&pool, &priced(want()), now).expect("usable"));
    }
    taken.sort();
    assert_eq!(
        taken.iter().map(|name| &**name).collect::<Vec<_>>(),
        ["b", "b", "c", "c"]
    );
    for number in 0..8 {
        let first = serve(&pool, &priced(in_session(number)), now).expect("usable");
        assert!(matches!(&*first, "b" | "c"), "{first}");
        let longer = Want {
            tokens: 900_000,
            ..priced(in_session(number))
        };
        assert_eq!(serve(&pool, &longer, now).expect("usable"), first);
    }
}
