//! Nobody is blamed for what another did, and nobody is left without anyone to ask for what was only chance.
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::rig::{Answer, Lines, Upstream, Weir, account, accounts, eventually, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

#[test]
fn a_clients_words_in_an_error_bench_nobody() {
    let upstream = Upstream::start(|request, wire| {
        match request.number {
        0 => wire.json(
            404,
            r#"{"error":{"message":"The model `Your credit balance is too low` does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
        ),
        1 => wire.json(
            401,
            r#"{"error":{"message":"You have insufficient permissions for this operation. Missing scopes: model.request.","type":"invalid_request_error","param":null,"code":null}}"#,
        ),
        _ => wire.json(200, sample(Dialect::OpenaiChat).answer),
    }
    });
    let chat = sample(Dialect::OpenaiChat);
    let weir = Weir::before(&upstream, &chat);
    weir.ask(&chat).send().is(404);
    assert_eq!(weir.account("a")["state"], "usable");
    weir.ask(&chat).send();
    assert_eq!(weir.account("a")["state"], "usable");
    weir.ask(&chat).send().is(200);
}

#[test]
fn a_lone_upstream_that_comes_back_is_found_within_two_seconds() {
    static DOWN: AtomicBool = AtomicBool::new(true);
    let upstream = Upstream::start(|_, wire| {
        if DOWN.load(Ordering::Relaxed) {
            wire.json(
                500,
                r#"{"type":"error","error":{"type":"api_error","message":"x"}}"#,
            );
        } else {
            wire.json(200, lines().answer);
        }
    });
    let weir = Weir::before(&upstream, &lines());
    // Three in a row bench for five seconds, and a failed probe after that for ten.
    eventually("the account is benched", || {
        weir.ask(&lines()).send();
        (weir.account("a")["state"] == "benched").then_some(())
    });
    weir.admin("GET", "/readyz").send().is(503);
    DOWN.store(false, Ordering::Relaxed);
    let since = Instant::now();
    let found = eventually("it is asked again", || {
        let answer = weir.ask(&lines()).send();
        (answer.status == 200).then(|| since.elapsed())
    });
    assert!(found < Duration::from_secs(3), "{found:?}");
    assert_eq!(weir.account("a")["state"], "usable");
    weir.admin("GET", "/readyz").send().is(200);
    assert!(weir.metric("weir_pool_spared_total", &[("pool", "default")]) >= 1.0);
}

#[test]
fn a_spare_key_at_the_same_host_is_asked_after_an_overload() {
    let upstream = Upstream::start(|request, wire| match request.number {
        0 => wire.json(
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        ),
        _ => wire.json(200, lines().answer),
    });
    let weir = Weir::start(&accounts(&[
        account("a", &lines(), &upstream, ""),
        account("b", &lines(), &upstream, ", priority: 1"),
    ]));
    let answer: Answer = weir.ask(&lines()).send().is(200);
    assert_eq!(answer.account(), "b");
    assert_eq!(upstream.count(), 2);
}
