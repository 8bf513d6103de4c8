//! Every class of failure: what is benched, where the request goes, what the client sees at last.
use std::time::Duration;

use crate::rig::{Answer, KEY, Lines, Process, Upstream, Weir, Wire, account, accounts, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

/// Two accounts at different vendors; `a` is preferred.
fn pair(first: &Upstream, second: &Upstream) -> Weir {
    Weir::start(&accounts(&[
        account("a", &lines(), first, ""),
        account("b", &lines(), second, ", priority: 1"),
    ]))
}

/// `a` fails like this, `b` serves: the client notices nothing, and `a` is out for that reason.
#[track_caller]
fn moves_on(
    class: &str,
    fail: impl Fn(&mut Wire) + Send + Sync + 'static,
) -> (Weir, [Upstream; 2]) {
    let bad = Upstream::start(move |_, wire| fail(wire));
    let good = Upstream::json(200, lines().answer);
    let weir = pair(&bad, &good);
    let answer = weir.ask(&lines()).send().is(200);
    assert_eq!((answer.text(), answer.account()), (lines().answer, "b"));
    assert_eq!(answer.header("x-weir-attempts"), Some("2"));
    assert_eq!(bad.only().body, good.only().body);
    let attempt = [("account", "a"), ("outcome", class)];
    weir.until_metric("weir_upstream_attempts_total", &attempt, 1.0);
    weir.until_metric("weir_failovers_total", &[("reason", class)], 1.0);
    let line = weir.line(|line| line["status"] == 200);
    assert_eq!(line["attempts"][0]["class"], class, "{line}");
    assert_eq!(line["attempts"][1]["account"], "b", "{line}");
    (weir, [bad, good])
}

/// There is only `a`, and it fails like this.
#[track_caller]
fn ends(fail: impl Fn(&mut Wire) + Send + Sync + 'static) -> (Weir, Answer) {
    let bad = Upstream::start(move |_, wire| fail(wire));
    let weir = Weir::before(&bad, &lines());
    let answer = weir.ask(&lines()).send();
    (weir, answer)
}

#[track_caller]
fn is_benched(weir: &Weir, reason: &str) {
    let account = weir.account("a");
    assert_eq!(
        (&account["state"], &account["reason"]),
        (&"benched".into(), &reason.into()),
        "{account}"
    );
}

fn error(kind: &str) -> String {
    format!(
        r#"{{ "type":"error","error":{{"type":"{kind}","message":"as  it\u0020came, secret-of-a"}} }}"#
    )
}

#[test]
fn what_the_client_did_wrong_is_told_unchanged_and_goes_nowhere_else() {
    // But for the account's key, in as many bytes.
    let told = error("invalid_request_error").replace("secret-of-a", "***********");
    for status in [400, 404, 405, 409, 413, 415, 422] {
        let bad = Upstream::start(move |_, wire| wire.json(status, error("invalid_request_error")));
        let good = Upstream::json(200, lines().answer);
        let weir = pair(&bad, &good);
        let answer = weir.ask(&lines()).send().is(status);
        assert_eq!(answer.text(), told);
        assert_eq!((bad.count(), good.count()), (1, 0));
        assert_eq!(weir.account("a")["state"], "usable");
        weir.until_metric("weir_requests_total", &[("outcome", "client_error")], 1.0);
    }
}

#[test]
fn a_prompt_that_is_too_long_goes_only_to_a_declared_fallback() {
    const TOO_LONG: &str = r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#;
    let (small, large) = (
        Upstream::json(400, TOO_LONG),
        Upstream::json(200, lines().answer),
    );
    let entries = [
        account("a", &lines(), &small, ""),
        account("b", &lines(), &small, ""),
        account("long", &lines(), &large, ""),
    ];
    let pools = |fallback: &str| {
        format!(
            "{}pools:\n  - {{ name: default, accounts: [a, b]{fallback} }}\n  - {{ name: large, accounts: [long] }}\n",
            accounts(&entries)
        )
    };
    let keys = format!(
        "{}keys:\n  - {{ name: all, key: {KEY}, debug: true }}\n  - {{ name: bound, key: k-2, pools: [default] }}\n",
        pools(", fallback: large")
    );
    let weir = Weir::start(&keys);
    assert_eq!(weir.ask(&lines()).send().is(200).account(), "long");
    assert_eq!((small.count(), large.count()), (1, 1));
    // A key that may not use the fallback does not come there.
    assert_eq!(
        weir.ask(&lines()).key("k-2").send().is(400).text(),
        TOO_LONG
    );
    assert_eq!((small.count(), large.count()), (2, 1));
    let weir = Weir::start(&pools(""));
    assert_eq!(weir.ask(&lines()).send().is(400).text(), TOO_LONG);
    assert_eq!((small.count(), large.count()), (3, 1));
    assert_eq!(weir.account("a")["state"], "usable");
}

#[test]
fn a_refused_credential_benches_the_account_and_is_no_401_to_the_client() {
    for status in [401, 403] {
        let refuse = move |wire: &mut Wire| wire.json(status, error("authentication_error"));
        let (weir, _) = moves_on("auth", refuse);
        is_benched(&weir, "auth");
        let (_weir, answer) = ends(refuse);
        let (kind, message) = lines().error(&answer.is(502).json());
        assert_eq!(kind, "api_error");
        assert!(!message.contains("secret"), "{message}");
    }
}

#[test]
fn a_spent_quota_benches_until_the_stated_reset() {
    moves_on("quota", |wire| wire.json(402, error("billing_error")));
    let rejected = |wire: &mut Wire| {
        let reset = (jiff::Timestamp::now().as_second() + 5000).to_string();
        let headers = [
            ("anthropic-ratelimit-unified-status", "rejected"),
            ("anthropic-ratelimit-unified-reset", &reset),
        ];
        wire.answer(429, &headers, error("rate_limit_error"));
    };
    let (weir, _) = moves_on("quota", rejected);
    is_benched(&weir, "quota");
    let (_weir, answer) = ends(rejected);
    let answer = answer.is(429);
    assert_eq!(lines().error(&answer.json()).0, "rate_limit_error");
    assert_eq!(answer.header("x-should-retry"), Some("false"));
}

#[test]
fn a_stated_rate_limit_is_kept_to_the_second() {
    let throttle =
        |wire: &mut Wire| wire.answer(429, &[("retry-after", "700")], error("rate_limit_error"));
    let (weir, _upstreams) = moves_on("throttled", throttle);
    is_benched(&weir, "throttled");
    let until: jiff::Timestamp = weir.account("a")["until"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time");
    let wait = until.as_second() - jiff::Timestamp::now().as_second();
    assert!((600..=701).contains(&wait), "{wait}");
    // The next request does not even ask it.
    assert_eq!(
        weir.ask(&lines()).send().is(200).header("x-weir-attempts"),
        Some("1")
    );
}

#[test]
fn when_all_are_limited_the_soonest_reset_is_told_at_once() {
    let slow = Upstream::start(|_, wire| {
        wire.answer(429, &[("retry-after", "900")], error("rate_limit_error"));
    });
    let soon = Upstream::start(|_, wire| {
        wire.answer(429, &[("retry-after", "30")], error("rate_limit_error"));
    });
    let weir = pair(&slow, &soon);
    for _ in 0..2 {
        let answer = weir.ask(&lines()).send().is(429);
        assert_eq!(lines().error(&answer.json()).0, "rate_limit_error");
        let after: u64 = answer
            .header("retry-after")
            .expect("a hint")
            .parse()
            .expect("seconds");
        assert!((10..=30).contains(&after), "{after}");
    }
    assert_eq!((slow.count(), soon.count()), (1, 1));
    weir.until_metric("weir_requests_total", &[("outcome", "limited")], 2.0);
}

#[test]
fn a_rate_limit_without_a_hint_benches_for_a_moment() {
    let blind = |wire: &mut Wire| wire.json(429, error("rate_limit_error"));
    let (weir, _) = moves_on("throttled_blind", blind);
    weir.line(|line| line["attempts"][0]["class"] == "throttled_blind");
    let (_weir, answer) = ends(blind);
    answer.is(429);
}

#[test]
fn an_overloaded_provider_is_left_for_another() {
    moves_on("overloaded", |wire| {
        wire.json(529, error("overloaded_error"));
    });
    moves_on("overloaded", |wire| {
        wire.answer(503, &[("retry-after", "1")], error("api_error"));
    });
}

#[test]
fn an_overloaded_provider_without_an_alternative_gets_one_more_try() {
    let upstream = Upstream::start(|request, wire| match request.number {
        0 => wire.json(529, error("overloaded_error")),
        _ => wire.json(200, lines().answer),
    });
    let weir = Weir::before(&upstream, &lines());
    assert_eq!(weir.ask(&lines()).send().is(200).text(), lines().answer);
    assert_eq!(upstream.count(), 2);
    let (_weir, answer) = ends(|wire| wire.json(529, error("overloaded_error")));
    let answer = answer.is(529);
    assert_eq!(lines().error(&answer.json()).0, "overloaded_error");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

#[test]
fn an_error_as_the_first_event_goes_elsewhere_unseen() {
    let overloaded = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    for before in [&[][..], &lines().opening[..1]] {
        let events = [before, &[overloaded]].concat();
        let bad = Upstream::start(move |_, wire| wire.events(&events));
        let good = Upstream::start(|_, wire| wire.events(&lines().events()));
        let weir = pair(&bad, &good);
        let answer = weir.ask_stream(&lines()).send().is(200);
        assert_eq!(answer.text(), lines().events().concat());
        assert_eq!(answer.account(), "b");
        weir.until_metric("weir_failovers_total", &[("reason", "overloaded")], 1.0);
    }
}

#[test]
fn a_broken_server_is_left_for_another() {
    moves_on("server_error", |wire| wire.json(500, error("api_error")));
    moves_on("server_error", |wire| {
        wire.answer(
            502,
            &[("content-type", "text/html")],
            "<html>Bad gateway</html>",
        );
    });
    moves_on("server_error", |wire| {
        wire.answer(
            200,
            &[("content-type", "text/html")],
            "<html>Welcome</html>",
        );
    });
    moves_on("server_error", |wire| wire.json(200, error("api_error")));
}

#[test]
fn a_broken_server_without_an_alternative_is_a_502_that_hides_the_credential() {
    let (_weir, answer) = ends(|wire| wire.json(500, error("api_error")));
    let answer = answer.is(502);
    assert_eq!(lines().error(&answer.json()).0, "api_error");
    assert!(!answer.text().contains("secret-of-a"), "{}", answer.text());
    let (_weir, answer) = ends(|wire| {
        wire.answer(
            200,
            &[("content-type", "text/html")],
            "<html>secret-of-a</html>",
        );
    });
    let answer = answer.is(502);
    assert_eq!(lines().error(&answer.json()).0, "api_error");
    assert!(!answer.text().contains("html"), "{}", answer.text());
}

#[test]
fn three_failures_in_a_row_bench_the_endpoint() {
    let bad = Upstream::start(|_, wire| wire.json(500, error("api_error")));
    let good = Upstream::json(200, lines().answer);
    let weir = pair(&bad, &good);
    for _ in 0..5 {
        weir.ask(&lines()).send().is(200);
    }
    assert_eq!((bad.count(), good.count()), (3, 5));
}

#[test]
fn a_refused_connection_counts_at_once() {
    let nobody = {
        let dead = Upstream::json(200, "{}");
        dead.url()
    };
    let good = Upstream::json(200, lines().answer);
    let weir = Weir::start(&accounts(&[
        format!("{{ name: a, provider: anthropic, base_url: \"{nobody}\", key: x }}"),
        account("b", &lines(), &good, ", priority: 1"),
    ]));
    // What was never sent is no attempt of the header.
    for _ in 0..2 {
        let answer = weir.ask(&lines()).send().is(200);
        assert_eq!(
            (answer.account(), answer.header("x-weir-attempts")),
            ("b", Some("1"))
        );
    }
    weir.until_metric(
        "weir_upstream_attempts_total",
        &[("account", "a"), ("outcome", "transport")],
        1.0,
    );
}

#[test]
fn a_reset_before_the_head_goes_elsewhere() {
    moves_on("transport", Wire::reset);
    moves_on("transport", Wire::close);
    let (_weir, answer) = ends(Wire::reset);
    assert_eq!(lines().error(&answer.is(502).json()).0, "api_error");
}

#[test]
fn a_head_that_does_not_come_is_waited_for_once() {
    let silent = Upstream::start(|_, wire| {
        wire.closes_within(Duration::from_secs(20));
    });
    let good = Upstream::json(200, lines().answer);
    let slow = ", timeouts: { first_byte: 300ms }";
    let weir = Weir::start(&accounts(&[
        account("a", &lines(), &silent, slow),
        account("b", &lines(), &good, ", priority: 1"),
    ]));
    assert_eq!(weir.ask(&lines()).send().is(200).account(), "b");
    weir.until_metric("weir_failovers_total", &[("reason", "slow")], 1.0);
    let weir = Weir::start(&accounts(&[
        account("a", &lines(), &silent, slow),
        account("b", &lines(), &silent, slow),
        account("c", &lines(), &silent, slow),
    ]));
    let answer = weir.ask(&lines()).send().is(504);
    assert_eq!(lines().error(&answer.json()).0, "timeout_error");
    assert_eq!(
        silent.count(),
        3,
        "one for the first proxy, two for the second"
    );
}

#[test]
fn a_plain_answer_that_breaks_off_goes_elsewhere() {
    moves_on("transport", |wire| {
        wire.raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"type\":");
        wire.close();
    });
}

#[test]
fn a_slow_account_without_an_alternative_says_so() {
    let silent = Upstream::start(|_, wire| {
        wire.closes_within(Duration::from_secs(20));
    });
    let slow = ", timeouts: { first_byte: 300ms }";
    let weir = Weir::start(&accounts(&[account("a", &lines(), &silent, slow)]));
    let answer = weir.ask(&lines()).send().is(504);
    assert!(answer.text().contains("in time"), "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    let line = weir.line(|line| line["status"] == 504);
    assert_eq!(
        (&line["outcome"], &line["end"]),
        (&"timeout".into(), &"timeout".into()),
        "{line}"
    );
}

#[test]
fn the_wait_that_a_failing_server_asks_for_is_passed_on_unshortened() {
    for status in [500, 502, 503, 504, 520, 524] {
        let bad = Upstream::start(move |_, wire| {
            wire.answer(status, &[("retry-after", "120")], "<html>");
        });
        let weir = Weir::before(&bad, &lines());
        let answer = weir.ask(&lines()).send();
        let told = answer.header("retry-after").map(str::parse::<u64>);
        assert!(
            matches!(told, Some(Ok(119..=121))),
            "{status}: {told:?}, {}",
            answer.text()
        );
    }
}

#[test]
fn whatever_fails_for_a_client_is_in_the_log_with_its_cause() {
    let broken = Upstream::json(500, r#"{"error":{"message":"oops"}}"#);
    let process = Process::start(&accounts(&[account("a", &lines(), &broken, "")]));
    let answer = process.call("POST", lines().path).body(lines().ask).send();
    assert!(answer.status >= 500, "{}", answer.status);
    let line = process.says("a request failed");
    let id = answer.header("x-request-id").expect("an id");
    for part in [id, "a: server_error"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    // What was the client's own fault is not.
    process.call("POST", lines().path).body("{}").send().is(400);
    assert_eq!(process.log().matches("a request failed").count(), 1);
}
