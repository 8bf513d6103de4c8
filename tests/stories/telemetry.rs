//! Metrics and the access log: every request once, whatever became of it.
use std::io::Write;

use crate::rig::{ALL, KEY, Lines, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

#[test]
fn a_request_leaves_one_line_that_tells_everything() {
    let upstream = Upstream::json(200, lines().answer);
    let entry = account("a", &lines(), &upstream, ", project: research");
    let weir = Weir::start(&accounts(&[entry]));
    weir.ask(&lines())
        .header("x-request-id", "id-1")
        .send()
        .is(200);
    let line = weir.line(|line| line["request_id"] == "id-1");
    for (field, value) in [
        ("key", "team"),
        ("project", "research"),
        ("client_ip", "127.0.0.1"),
        ("method", "POST"),
        ("path", "/v1/messages"),
        ("client_dialect", "anthropic"),
        ("upstream_dialect", "anthropic"),
        ("model", "claude-sonnet-4-5"),
        ("model_served", "claude-sonnet-4-5"),
        ("pool", "default"),
        ("account", "a"),
        ("outcome", "ok"),
        ("end", "complete"),
        ("usage_source", "reported"),
    ] {
        assert_eq!(line[field], value, "{field}: {line}");
    }
    assert_eq!(
        (&line["status"], &line["stream"]),
        (&200.into(), &false.into())
    );
    assert_eq!(line["tokens"]["input"], 10);
    assert_eq!(line["tokens"]["cache_read"], 3);
    assert_eq!(line["tokens"]["output"], 5);
    assert!(
        line["cost_usd"].as_f64().is_some_and(|cost| cost > 0.0),
        "{line}"
    );
    assert_eq!(line["bytes_in"], lines().ask.len());
    assert_eq!(line["bytes_out"], lines().answer.len());
    assert!(line["attempts"][0]["class"].is_null(), "{line}");
    let text = line.to_string();
    assert!(
        !text.contains(KEY) && !text.contains("secret-of") && !text.contains("Hello"),
        "{text}"
    );
}

#[test]
fn tokens_and_cost_are_counted_in_every_dialect() {
    for lines in ALL.map(sample) {
        let upstream = Upstream::json(200, lines.answer);
        let weir = Weir::before(&upstream, &lines);
        weir.ask(&lines).send().is(200);
        let dialect = lines.dialect.as_str();
        let labels = [
            ("key", "team"),
            ("client_dialect", dialect),
            ("upstream_dialect", dialect),
            ("outcome", "ok"),
        ];
        weir.until_metric("weir_requests_total", &labels, 1.0);
        for (kind, count) in [("input", 10.0), ("cache_read", 3.0), ("output", 5.0)] {
            weir.until_metric(
                "weir_tokens_total",
                &[("account", "a"), ("kind", kind)],
                count,
            );
        }
        assert!(weir.metric("weir_cost_usd_total", &[("account", "a")]) > 0.0);
        weir.until_metric("weir_request_duration_seconds_count", &[], 1.0);
        weir.until_metric("weir_time_to_first_token_seconds_count", &[], 1.0);
        weir.until_metric("weir_overhead_seconds_count", &[], 1.0);
    }
}

#[test]
fn every_request_settles_exactly_once() {
    let upstream = Upstream::start(|request, wire| match request.headers.get("x-play") {
        Some("stream") => wire.events(&lines().events()),
        Some("fault") => wire.json(500, "{}"),
        Some("theirs") => wire.json(400, "{}"),
        Some("cut") => wire.events(lines().opening),
        _ => wire.json(200, lines().answer),
    });
    let weir = Weir::before(&upstream, &lines());
    let play = |how| weir.ask(&lines()).header("x-play", how);
    let sent = [
        play("plain").send().status,
        weir.ask_stream(&lines())
            .header("x-play", "stream")
            .send()
            .status,
        weir.ask_stream(&lines())
            .header("x-play", "cut")
            .send()
            .status,
        play("theirs").send().status,
        weir.post(lines().path, "{").send().status,
        weir.get("/nothing").send().status,
        weir.get("/v1/models").send().status,
        weir.get("/v1/models").key("wrong").send().status,
        play("fault").send().status,
    ];
    assert_eq!(sent, [200, 200, 200, 400, 400, 404, 200, 401, 502]);
    // A client that leaves in the middle of its own body.
    let mut stream = weir
        .call("POST", lines().path)
        .header("content-length", "500")
        .start();
    stream.write_all(b"{\"model\":").expect("weir reads");
    drop(stream);
    weir.line(|line| line["status"] == 499);
    weir.until_metric("weir_requests_total", &[], 10.0);
    for (outcome, count) in [
        ("ok", 3.0),
        ("client_error", 1.0),
        ("client_gone", 1.0),
        ("refused", 2.0),
        ("unauthenticated", 1.0),
        ("upstream_error", 2.0),
    ] {
        weir.until_metric("weir_requests_total", &[("outcome", outcome)], count);
    }
    weir.until_metric("weir_stream_end_total", &[], 2.0);
    weir.until_metric("weir_inflight_requests", &[], 0.0);
    assert_eq!(weir.lines().len(), 10, "{:#?}", weir.lines());
}

#[test]
fn a_connection_without_a_request_is_none() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = Weir::before(&upstream, &lines());
    drop(std::net::TcpStream::connect(weir.addr()).expect("weir listens"));
    weir.ask(&lines()).send().is(200);
    weir.line(|line| line["status"] == 200);
    assert_eq!(weir.lines().len(), 1);
}

#[test]
fn labels_come_from_the_configuration_alone() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = Weir::before(&upstream, &lines());
    for model in ["made-up-1", "made-up-2"] {
        let body = lines().ask.replace("claude-sonnet-4-5", model);
        let call = weir
            .post(lines().path, body)
            .header("x-weir-project", "made-up-3");
        call.send().is(200);
    }
    weir.until_metric("weir_unpriced_requests_total", &[("model", "other")], 2.0);
    let text = weir.admin("GET", "/metrics").send().text().to_owned();
    assert!(!text.contains("made-up"), "{text}");
}

#[test]
fn behind_a_trusted_proxy_the_client_is_the_one_it_names() {
    let upstream = Upstream::json(200, lines().answer);
    let entry = account("a", &lines(), &upstream, "");
    let weir = Weir::start(&format!(
        "server: {{ trusted_proxies: [127.0.0.0/8] }}\n{}",
        accounts(&[entry])
    ));
    weir.ask(&lines())
        .header("x-forwarded-for", "10.9.9.9, 192.0.2.7, 127.0.0.5")
        .send()
        .is(200);
    weir.line(|line| line["client_ip"] == "192.0.2.7");
}

#[test]
fn above_the_limit_of_requests_at_once_it_says_overloaded_and_when_to_come_back() {
    let upstream = Upstream::start(|_, wire| {
        wire.closes_within(std::time::Duration::from_secs(25));
    });
    let entries = [
        account("a", &lines(), &upstream, ""),
        account("c", &sample(Dialect::OpenaiChat), &upstream, ""),
    ];
    let weir = Weir::start(&format!(
        "server: {{ max_concurrent_requests: 1 }}\n{}",
        accounts(&entries)
    ));
    let waiting = weir.ask(&lines()).start();
    upstream.until(1);
    let answer = weir.ask(&lines()).send().is(529);
    assert_eq!(lines().error(&answer.json()).0, "overloaded_error");
    assert!(answer.header("retry-after").is_some());
    let answer = weir.ask(&sample(Dialect::OpenaiChat)).send().is(503);
    assert!(answer.header("retry-after").is_some());
    weir.is_well();
    let labels = [("scope", "global"), ("limit", "concurrency")];
    weir.until_metric("weir_limit_rejections_total", &labels, 2.0);
    drop(waiting);
    weir.until_metric("weir_inflight_requests", &[], 0.0);
}

#[test]
fn a_full_disk_under_the_access_log_costs_lines_and_nothing_else() {
    let upstream = Upstream::json(200, lines().answer);
    let entry = account("a", &lines(), &upstream, "");
    let weir = Weir::start(&format!(
        "log: {{ access: /dev/full }}\n{}",
        accounts(&[entry])
    ));
    for _ in 0..3 {
        weir.ask(&lines()).send().is(200);
    }
    crate::rig::eventually("the loss is counted", || {
        (weir.metric("weir_log_dropped_total", &[("target", "access")]) >= 3.0).then_some(())
    });
    weir.ask(&lines()).send().is(200);
    weir.is_well();
}
