//! How often and how far a request moves, and what it takes along.
use std::time::Duration;

use crate::rig::{Lines, Upstream, Weir, account, accounts, eventually, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

const FAULT: &str = r#"{"type":"error","error":{"type":"api_error","message":"no"}}"#;

/// This many accounts that all fail.
fn failing(count: usize, retry: &str) -> (Vec<Upstream>, Weir) {
    let upstreams: Vec<_> = (0..count).map(|_| Upstream::json(500, FAULT)).collect();
    let entries = upstreams.iter().enumerate();
    let entries: Vec<_> = entries
        .map(|(at, upstream)| account(&format!("a{at}"), &lines(), upstream, ""))
        .collect();
    let weir = Weir::start(&format!("{}retry: {retry}\n", accounts(&entries)));
    (upstreams, weir)
}

fn tried(upstreams: &[Upstream]) -> usize {
    upstreams.iter().map(Upstream::count).sum()
}

#[test]
fn a_body_of_megabytes_reaches_the_second_account_unchanged() {
    let bad = Upstream::json(500, FAULT);
    // This one answers before it has read anything, and resets.
    let rude = Upstream::start(|_, wire| wire.reset());
    let good = Upstream::json(200, lines().answer);
    let weir = Weir::start(&accounts(&[
        account("a", &lines(), &bad, ""),
        account("b", &lines(), &rude, ", priority: 1"),
        account("c", &lines(), &good, ", priority: 2"),
    ]));
    let body = lines()
        .ask
        .replace("Hi", &"0123456789abcdef".repeat(400_000));
    let answer = weir.post(lines().path, &body).send().is(200);
    assert_eq!(answer.account(), "c");
    let sent = good.only();
    assert!(
        sent.body == body.as_bytes(),
        "{} bytes of {}",
        sent.body.len(),
        body.len()
    );
    assert!(bad.only().body == body.as_bytes());
}

#[test]
fn at_most_max_attempts_are_made() {
    for count in [1, 2, 4] {
        let (upstreams, weir) = failing(5, &format!("{{ max_attempts: {count} }}"));
        weir.ask(&lines()).send().is(502);
        assert_eq!(tried(&upstreams), count);
        let line = weir.line(|line| line["status"] == 502);
        assert_eq!(
            line["attempts"].as_array().map(Vec::len),
            Some(count),
            "{line}"
        );
    }
}

#[test]
fn no_attempt_begins_after_the_deadline() {
    let slow = Upstream::start(|_, wire| {
        std::thread::sleep(Duration::from_millis(300));
        wire.json(500, FAULT);
    });
    let entries = ["a", "b", "c"].map(|name| account(name, &lines(), &slow, ""));
    let weir = Weir::start(&format!(
        "{}retry: {{ deadline: 200ms }}\n",
        accounts(&entries)
    ));
    weir.ask(&lines()).send().is(502);
    assert_eq!(slow.count(), 1);
}

#[test]
fn a_budget_of_zero_forbids_retries() {
    let (upstreams, weir) = failing(3, "{ budget: 0 }");
    weir.ask(&lines()).send().is(502);
    assert_eq!(tried(&upstreams), 1);
}

#[test]
fn retries_add_only_their_share_to_the_traffic() {
    // A hundred accounts, so that benches do not end the failing early.
    let (upstreams, weir) = failing(100, "{ max_attempts: 2, budget: 0.1 }");
    for _ in 0..40 {
        weir.ask(&lines()).send();
    }
    // Ten retries in ten seconds are always allowed; the rest is a tenth of the traffic.
    let retries = tried(&upstreams) - 40;
    assert!((8..=14).contains(&retries), "{retries}");
}

#[test]
fn a_connection_that_the_upstream_closed_meanwhile_is_no_attempt() {
    let upstream = Upstream::start(|request, wire| {
        wire.json(200, lines().answer);
        if request.number == 0 {
            wire.close();
        }
    });
    let weir = Weir::before(&upstream, &lines());
    weir.ask(&lines()).send().is(200);
    weir.until_metric("weir_inflight_requests", &[], 0.0);
    let answer = weir.ask(&lines()).send().is(200);
    assert_eq!(answer.header("x-weir-attempts"), Some("1"));
    let ok = [("account", "a"), ("outcome", "ok")];
    weir.until_metric("weir_upstream_attempts_total", &ok, 2.0);
    assert!((weir.metric("weir_upstream_attempts_total", &[]) - 2.0).abs() < 1e-9);
}

#[test]
fn a_connection_that_breaks_on_reuse_is_no_attempt() {
    // It takes the second request on the first connection and hangs up without a word.
    let upstream = Upstream::start(|request, wire| match request.number {
        1 => wire.reset(),
        _ => wire.json(200, lines().answer),
    });
    let weir = Weir::before(&upstream, &lines());
    weir.ask(&lines()).send().is(200);
    // By then the connection is back in its pool.
    weir.until_metric("weir_inflight_requests", &[], 0.0);
    let answer = weir.ask(&lines()).send().is(200);
    assert_eq!(answer.header("x-weir-attempts"), Some("1"));
    assert_eq!((upstream.count(), upstream.connections()), (3, 2));
    assert_eq!(weir.account("a")["state"], "usable");
}

#[test]
fn connections_to_an_upstream_are_used_again() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = Weir::before(&upstream, &lines());
    for _ in 0..5 {
        weir.ask(&lines()).send().is(200);
        weir.until_metric("weir_inflight_requests", &[], 0.0);
    }
    assert_eq!((upstream.count(), upstream.connections()), (5, 1));
}

#[test]
fn a_client_that_leaves_ends_the_upstream_request_within_a_second() {
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let upstream = Upstream::start(move |_, wire| {
        wire.stream();
        lines().opening.iter().for_each(|event| wire.chunk(event));
        let since = std::time::Instant::now();
        assert!(wire.closes_within(Duration::from_secs(20)), "weir hangs up");
        tell.lock()
            .expect("no panic")
            .send(since.elapsed())
            .expect("the test waits");
    });
    let weir = Weir::before(&upstream, &lines());
    let mut open = weir.ask_stream(&lines()).open();
    open.event().expect("the stream begins");
    drop(open);
    let took = told
        .recv_timeout(Duration::from_secs(25))
        .expect("it was closed");
    assert!(took < Duration::from_secs(3), "{took:?}");
    // Settled once, and what was used so far is counted.
    weir.until_metric("weir_stream_end_total", &[("reason", "client_gone")], 1.0);
    weir.until_metric("weir_tokens_total", &[("kind", "input")], 10.0);
    weir.until_metric("weir_usage_source_total", &[("source", "partial")], 1.0);
    let line = weir.line(|line| line["end"] == "client_gone");
    assert_eq!(line["tokens"]["cache_read"], 3, "{line}");
    assert_eq!(weir.account("a")["state"], "usable");
    assert!((weir.metric("weir_requests_total", &[]) - 1.0).abs() < 1e-9);
}

#[test]
fn a_client_that_leaves_before_the_head_ends_the_upstream_request_too() {
    let upstream = Upstream::start(|_, wire| {
        assert!(wire.closes_within(Duration::from_secs(20)), "weir hangs up");
    });
    let weir = Weir::before(&upstream, &lines());
    let stream = weir.ask(&lines()).start();
    upstream.until(1);
    drop(stream);
    let line = weir.line(|line| line["end"] == "client_gone");
    assert_eq!(line["status"], 499, "{line}");
    eventually("nothing is in flight", || {
        (weir.metric("weir_inflight_requests", &[]) < 0.5).then_some(())
    });
    assert_eq!(weir.account("a")["state"], "usable");
}
