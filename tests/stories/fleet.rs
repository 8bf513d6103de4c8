//! Several endpoints behind one account.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::rig::{Lines, Refusing, Upstream, Weir, eventually, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::OpenaiChat)
}

/// A server that says of itself whether it is healthy, and serves when it is.
fn server(healthy: &Arc<AtomicBool>) -> Upstream {
    let healthy = healthy.clone();
    Upstream::start(move |request, wire| match request.target.as_str() {
        "/health" if healthy.load(Ordering::SeqCst) => wire.answer(200, &[], "ok"),
        "/health" => wire.answer(503, &[], "no"),
        _ => {
            assert!(
                healthy.load(Ordering::SeqCst),
                "no request goes to a sick server"
            );
            wire.json(200, lines().answer);
        }
    })
}

fn calls(upstream: &Upstream) -> usize {
    let requests = upstream.requests();
    requests
        .iter()
        .filter(|request| request.target != "/health")
        .count()
}

#[test]
fn a_health_check_moves_traffic_away_from_a_sick_endpoint_and_back() {
    let healthy = Arc::new(AtomicBool::new(true));
    let always = Arc::new(AtomicBool::new(true));
    let (first, second) = (server(&healthy), server(&always));
    let weir = Weir::start(&format!(
        "accounts:\n  - name: fleet\n    provider: vllm\n    endpoints: [{{ url: \"{}/v1\" }}, {{ url: \"{}/v1\" }}]\n    \
         health_check: {{ path: /health, interval: 100ms }}\n",
        first.url(),
        second.url()
    ));
    let ask = |count: usize| (0..count).for_each(|_| drop(weir.ask(&lines()).send().is(200)));
    ask(20);
    let (at_first, at_second) = (calls(&first), calls(&second));
    assert!(at_first > 0 && at_second > 0, "{at_first} and {at_second}");
    healthy.store(false, Ordering::SeqCst);
    let state = |expected: &str| {
        eventually(&format!("the first endpoint is {expected}"), || {
            let account = weir.account("fleet");
            (account["endpoints"][0]["state"] == expected).then_some(account)
        })
    };
    let account = state("benched");
    assert_eq!(account["state"], "usable", "{account}");
    ask(10);
    assert_eq!((calls(&first), calls(&second)), (at_first, at_second + 10));
    healthy.store(true, Ordering::SeqCst);
    state("usable");
    ask(20);
    assert!(calls(&first) > at_first, "{}", calls(&first));
}

#[test]
fn an_endpoint_that_is_gone_is_left_for_the_other_of_the_same_account() {
    let gone = Refusing::start();
    let good = Upstream::json(200, lines().answer);
    let weir = Weir::start(&format!(
        "accounts:\n  - name: fleet\n    provider: vllm\n    endpoints: [{{ url: \"{}/v1\" }}, {{ url: \"{}/v1\" }}]\n",
        gone.url(),
        good.url()
    ));
    let refused = || weir.metric("weir_upstream_attempts_total", &[("outcome", "transport")]);
    // Which of the two is asked first is drawn, so the dead one's turn may come late.
    eventually("the dead one is asked", || {
        weir.ask(&lines()).send().is(200);
        (refused() > 0.0).then_some(())
    });
    let asked = good.count();
    for _ in 0..20 {
        weir.ask(&lines()).send().is(200);
    }
    // It was asked once and then left alone.
    assert_eq!(good.count(), asked + 20);
    assert!((refused() - 1.0).abs() < 1e-9, "{}", refused());
}
