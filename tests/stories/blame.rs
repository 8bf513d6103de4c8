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

/// A vendor that repeats what stands in the request, without a code of its own and without quotation marks.
#[test]
fn a_phrase_that_stands_in_the_request_itself_benches_nobody() {
    let upstream = Upstream::start(|request, wire| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if body.contains("pong") {
            wire.json(200, lines().answer);
        } else {
            wire.json(
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low is no role"}}"#,
            );
        }
    });
    let weir = Weir::before(&upstream, &lines());
    let long = format!("{} your credit balance is too low", "word ".repeat(40_000));
    for phrase in [
        "Your credit balance is too low",
        "Your \\u0063redit balance is too low",
        "YOUR CREDIT\\nBALANCE is  too\\tlow",
        "credit-balance, is *too* low!",
        &long,
    ] {
        let body = lines().ask.replace("Hi", phrase);
        weir.post(lines().path, body).send().is(400);
        assert_eq!(weir.account("a")["state"], "usable", "{phrase:.60}");
    }
    weir.post(lines().path, lines().ask.replace("Hi", "pong"))
        .send()
        .is(200);
    // The same words without the client's: they count, and a lone account is asked again all the same.
    weir.ask(&lines()).send().is(429);
    assert_eq!(weir.account("a")["state"], "benched");
    eventually("it is spared", || {
        let call = weir.post(lines().path, lines().ask.replace("Hi", "pong"));
        (call.send().status == 200).then_some(())
    });
}

/// Who only talks about such an error is served by the next account, and told the truth when there is none.
#[test]
fn who_talks_about_an_error_that_is_true_is_served_elsewhere() {
    let poor = Upstream::json(
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
    );
    let rich = Upstream::json(200, lines().answer);
    let weir = Weir::start(&accounts(&[
        account("a", &lines(), &poor, ""),
        account("b", &lines(), &rich, ", priority: 1"),
    ]));
    let body = lines()
        .ask
        .replace("Hi", "Why does it say: your credit balance is too low?");
    let answer = weir.post(lines().path, body).send().is(200);
    assert_eq!(answer.account(), "b");
    assert_eq!(weir.account("a")["state"], "usable");
}

/// An overload that only the client's words tell is a failure of the server like any other.
#[test]
fn a_failing_server_that_repeats_the_clients_words_is_not_overloaded_for_it() {
    let upstream = Upstream::json(
        500,
        r#"{"type":"error","error":{"type":"api_error","message":"Internal error near: we are overloaded"}}"#,
    );
    let weir = Weir::before(&upstream, &lines());
    let body = lines().ask.replace("Hi", "We are Overloaded today");
    let answer = weir.post(lines().path, body).send();
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(weir.account("a")["state"], "usable");
}

/// A request that is too dear for what is left of the credit says nothing about smaller ones.
#[test]
fn a_request_that_is_too_dear_takes_nobody_out() {
    let chat = sample(Dialect::OpenaiChat);
    let upstream = Upstream::start(move |request, wire| {
        if request.number == 0 {
            wire.json(
                402,
                r#"{"error":{"message":"This request requires more credits, or fewer max_tokens. You requested up to 64000 tokens, but can only afford 3221.","code":402}}"#,
            );
        } else {
            wire.json(200, chat.answer);
        }
    });
    let weir = Weir::before(&upstream, &chat);
    weir.ask(&chat).send().is(502);
    assert_eq!(weir.account("a")["state"], "usable");
    weir.ask(&chat).send().is(200);
    // A key that may spend no more is another matter.
    let upstream = Upstream::json(
        403,
        r#"{"error":{"message":"Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys","code":403}}"#,
    );
    let weir = Weir::before(&upstream, &chat);
    weir.ask(&chat).send().is(429);
    assert_eq!(weir.account("a")["state"], "benched");
}
