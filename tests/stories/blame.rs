//! Nobody is blamed for what another did, and nobody is left without anyone to ask for what was only chance.
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::rig::{Answer, Lines, Upstream, Weir, account, accounts, eventually, sample};
use crate::translation::only;
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
    // In two parts of one message, which the vendor joins.
    let parts =
        r#"[{"type":"text","text":"Your credit"},{"type":"text","text":"balance is too low"}]"#;
    let body = lines().ask.replace("\"Hi\"", parts);
    assert!(body.contains(parts), "{body}");
    weir.post(lines().path, body).send().is(400);
    assert_eq!(weir.account("a")["state"], "usable");
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

/// The same where the client's words stand beside the body: in a header, in the query, in the path, in a file that passes.
#[test]
fn a_phrase_that_stands_beside_the_body_benches_nobody() {
    let upstream = Upstream::json(
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low: what is that?"}}"#,
    );
    let weir = Weir::before(&upstream, &lines());
    let words = "your%20credit%20balance%20is%20too%20low";
    let beta = "Your-Credit-Balance-is-too-low";
    let file = "your credit balance is too low\n".repeat(100_000);
    for call in [
        weir.ask(&lines()).header("anthropic-beta", beta),
        weir.post(&format!("{}?beta={words}", lines().path), lines().ask),
        weir.get(&format!("/v1/files/{words}")),
        weir.get(&format!("/v1/files?after_id={words}")),
        weir.call("POST", "/v1/files")
            .header("content-type", "application/octet-stream")
            .body(&file),
    ] {
        call.header("anthropic-version", "2023-06-01")
            .send()
            .is(400);
        let account = weir.account("a");
        assert_eq!(account["state"], "usable", "{account}");
    }
    assert_eq!(upstream.count(), 5);
}

/// A credential that may not do this is not dead, in whichever words its vendor says so; one that is refused is.
#[test]
fn a_restricted_credential_is_not_a_dead_one() {
    for (status, message, state) in [
        (
            401,
            "You have insufficient permissions for this operation. Missing scopes: model.request.",
            "usable",
        ),
        (
            401,
            "This API key does not have the required scope: api.responses.write",
            "usable",
        ),
        (
            401,
            "OAuth token does not meet scope requirement user:inference",
            "usable",
        ),
        (
            401,
            "Request had insufficient authentication scopes.",
            "usable",
        ),
        (
            401,
            "The principal lacks the required data action to perform this operation",
            "usable",
        ),
        (
            403,
            "OAuth token does not meet scope requirement user:profile",
            "usable",
        ),
        (
            400,
            "This was blocked by a policy. The owner of the account has been notified.",
            "usable",
        ),
        (
            401,
            "Invalid API key: it does not have permission to call this",
            "benched",
        ),
        (401, "No such credential", "benched"),
        (403, "Your account has been suspended", "benched"),
    ] {
        let body = format!(
            r#"{{"type":"error","error":{{"type":"invalid_request_error","message":"{message}"}}}}"#
        );
        let upstream = Upstream::start(move |_, wire| wire.json(status, &body));
        let weir = Weir::before(&upstream, &lines());
        weir.ask(&lines()).send();
        assert_eq!(weir.account("a")["state"], state, "{message}");
    }
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
    let dear = weir.ask(&chat).send().is(402);
    assert!(
        dear.text().contains("can only afford 3221"),
        "{}",
        dear.text()
    );
    assert_eq!(dear.header("x-should-retry"), Some("false"));
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

/// Whatever the client speaks, and wherever the upstream says it, a request that is too dear reads as one.
#[test]
fn a_request_that_is_too_dear_says_so_to_every_client() {
    const DEAR: &str = r#"{"error":{"message":"This request requires more credits, or fewer max_tokens. You requested up to 64000 tokens, but can only afford 3221.","code":402}}"#;
    for (client, kind) in [
        (Dialect::Anthropic, "billing_error"),
        (Dialect::OpenaiResponses, "invalid_request_error"),
        (Dialect::Gemini, "FAILED_PRECONDITION"),
    ] {
        let client = sample(client);
        for status in [402, 200] {
            let upstream = Upstream::json(status, DEAR);
            let chat = sample(Dialect::OpenaiChat);
            let weir = Weir::start(&accounts(&[only("a", &chat, &upstream, "")]));
            let answer = weir.ask(&client).send().is(402);
            assert_eq!(client.error(&answer.json()).0, kind, "{}", answer.text());
            assert!(
                answer.text().contains("fewer max_tokens"),
                "{}",
                answer.text()
            );
            assert_eq!(answer.header("x-should-retry"), Some("false"));
            assert_eq!(weir.account("a")["state"], "usable");
        }
    }
    // As the first event of a stream, and where another account can afford it.
    let chat = sample(Dialect::OpenaiChat);
    let poor = Upstream::start(|_, wire| wire.events(&[&format!("data: {DEAR}\n\n")]));
    let weir = Weir::start(&accounts(&[account("a", &chat, &poor, "")]));
    weir.ask_stream(&chat).send().is(402);
    let rich = Upstream::json(200, chat.answer);
    let weir = Weir::start(&accounts(&[
        account("a", &chat, &poor, ""),
        account("b", &chat, &rich, ", priority: 1"),
    ]));
    assert_eq!(weir.ask(&chat).send().is(200).account(), "b");
    assert_eq!(weir.account("a")["state"], "usable");
}

/// A plain 402 is a spent account: no gateway's fault.
#[test]
fn a_spent_account_that_stands_alone_is_no_bad_gateway() {
    let chat = sample(Dialect::OpenaiChat);
    for (dialect, status) in [(Dialect::OpenaiChat, 429), (Dialect::Anthropic, 429)] {
        let upstream = Upstream::json(
            402,
            r#"{"error":{"message":"Insufficient credits. Add more using https://openrouter.ai/settings/credits","code":402}}"#,
        );
        let weir = Weir::start(&accounts(&[only("a", &chat, &upstream, "")]));
        let answer = weir.ask(&sample(dialect)).send().is(status);
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        assert_eq!(weir.account("a")["reason"], "quota");
    }
}

/// What an aggregator repeats of the vendor's headers says how long it lasts.
#[test]
fn a_reset_within_the_body_of_an_error_is_heard() {
    let chat = sample(Dialect::OpenaiChat);
    let upstream = Upstream::start(|_, wire| {
        let at = std::time::SystemTime::now() + Duration::from_hours(2);
        let at = at
            .duration_since(std::time::UNIX_EPOCH)
            .expect("a clock")
            .as_millis();
        wire.json(
            429,
            format!(r#"{{"error":{{"message":"Rate limit exceeded: free-models-per-day","code":429,"metadata":{{"headers":{{"X-RateLimit-Limit":"50","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"{at}"}},"provider_name":null}}}}}}"#),
        );
    });
    let weir = Weir::before(&upstream, &chat);
    let answer = weir.ask(&chat).send().is(429);
    let after: u64 = answer
        .header("retry-after")
        .expect("a wait")
        .parse()
        .expect("seconds");
    assert!((7100..=7200).contains(&after), "{after}");
    assert_eq!(weir.account("a")["reason"], "throttled");
}

/// Words that state a wait bench for it, unless the client wrote them: a vendor may repeat those.
#[test]
fn a_wait_that_the_client_itself_wrote_benches_nobody_for_it() {
    let lines = lines();
    let words = "Please try again in 9h0m3s.";
    let date = "You will regain access on 2199-01-01 at 00:00 UTC";
    for (kind, said) in [
        ("rate_limit_error", words.to_owned()),
        ("overloaded_error", words.to_owned()),
        (
            "rate_limit_error",
            format!("You have reached your specified API usage limits. {date}."),
        ),
    ] {
        let body = format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{said}"}}}}"#);
        let body: &'static str = body.leak();
        let retry_after = |ask: &str| {
            let upstream = Upstream::json(if kind == "overloaded_error" { 529 } else { 429 }, body);
            let weir = Weir::before(&upstream, &lines);
            let ask = lines.ask.replace("Hi", ask);
            let answer = weir.post(lines.path, ask).send();
            assert!(answer.status >= 429, "{}", answer.text());
            let after = answer.header("retry-after");
            after.map_or(0, |after| after.parse::<u64>().expect("seconds"))
        };
        // Told by the vendor alone it is believed.
        assert!(retry_after("Hi") >= 32_403, "{said}");
        for ask in [
            "The log says: please TRY AGAIN in 9h 0m 3s!".to_owned(),
            format!("x {}", said.replace(' ', "\\u0020")),
        ] {
            let echoes_all = ask.contains("u0020") || !said.contains(date);
            if echoes_all {
                assert!(retry_after(&ask) < 3600, "{said}: {ask}");
            }
        }
    }
}
