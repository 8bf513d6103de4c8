//! Traces: what a collector is told, and what upstreams are told of it.

use serde_json::Value;

use crate::rig::{Lines, TOKEN, Upstream, Weir, account, accounts, eventually, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// What this collector was told, span by span.
fn spans(collector: &Upstream) -> Vec<Value> {
    let told = collector.requests().into_iter().flat_map(|request| {
        assert_eq!(request.target, "/v1/traces");
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        let spans = &body["resourceSpans"][0]["scopeSpans"][0]["spans"];
        spans.as_array().cloned().unwrap_or_default()
    });
    told.collect()
}

fn attribute(span: &Value, name: &str) -> Value {
    let all = span["attributes"].as_array().expect("attributes");
    let found = all.iter().find(|attribute| attribute["key"] == name);
    found.map_or(Value::Null, |attribute| {
        attribute["value"]["stringValue"].clone()
    })
}

#[test]
fn a_failover_is_one_trace_and_each_upstream_learns_its_part() {
    let collector = Upstream::json(200, "{}");
    let failing = Upstream::json(500, "{}");
    let good = Upstream::json(200, lines().answer);
    let weir = Weir::start(&format!(
        "trace: {{ otlp: \"{}\" }}\n{}",
        collector.url(),
        accounts(&[
            account("a", &lines(), &failing, ", priority: 0"),
            account("b", &lines(), &good, ", priority: 1"),
        ])
    ));
    let ask = weir.ask(&lines()).header("traceparent", PARENT);
    assert_eq!(ask.send().is(200).account(), "b");
    let spans = eventually("the collector is told", || {
        let spans = spans(&collector);
        (spans.len() == 3).then_some(spans)
    });
    let [request, first, second] = &spans[..] else {
        panic!("three: {spans:?}")
    };
    assert_eq!(request["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(request["parentSpanId"], "b7ad6b7169203331");
    assert_eq!(attribute(request, "weir.key"), "team");
    for (span, upstream, account) in [(first, &failing, "a"), (second, &good, "b")] {
        assert_eq!(span["traceId"], request["traceId"]);
        assert_eq!(span["parentSpanId"], request["spanId"]);
        assert_eq!(attribute(span, "weir.account"), account);
        let told = upstream
            .only()
            .headers
            .get("traceparent")
            .map(str::to_owned);
        let id = span["spanId"].as_str().expect("an id");
        assert_eq!(
            told,
            Some(format!("00-0af7651916cd43dd8448eb211c80319c-{id}-01"))
        );
    }
    assert_eq!(attribute(first, "error.type"), "server_error");
    assert_eq!(second["endTimeUnixNano"], request["endTimeUnixNano"]);
    let whole = spans.iter().map(Value::to_string).collect::<String>();
    assert!(
        !whole.contains("secret-of") && !whole.contains("max_tokens"),
        "{whole}"
    );
}

#[test]
fn what_is_not_sampled_is_told_onwards_and_not_exported() {
    let collector = Upstream::json(200, "{}");
    let upstream = Upstream::json(200, lines().answer);
    let weir = Weir::start(&format!(
        "trace: {{ otlp: \"{}/v1/traces\", share: 0 }}\n{}",
        collector.url(),
        accounts(&[account("a", &lines(), &upstream, "")])
    ));
    weir.ask(&lines()).send().is(200);
    let unsampled = PARENT.replace("-01", "-00");
    weir.ask(&lines())
        .header("traceparent", &unsampled)
        .send()
        .is(200);
    // The last is exported, so that the others would have been.
    weir.ask(&lines())
        .header("traceparent", PARENT)
        .send()
        .is(200);
    eventually("the collector is told", || {
        (spans(&collector).len() == 2).then_some(())
    });
    let told: Vec<String> = upstream
        .requests()
        .iter()
        .filter_map(|request| request.headers.get("traceparent").map(str::to_owned))
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].ends_with("-00") && told[1].ends_with("-00") && told[2].ends_with("-01"),
        "{told:?}"
    );
}

#[test]
fn a_collector_that_refuses_harms_nobody_and_is_counted() {
    let collector = Upstream::json(400, "{}");
    let upstream = Upstream::json(200, lines().answer);
    let weir = Weir::start(&format!(
        "trace: {{ otlp: \"{}\" }}\n{}",
        collector.url(),
        accounts(&[account("a", &lines(), &upstream, "")])
    ));
    for _ in 0..3 {
        weir.ask(&lines()).send().is(200);
    }
    weir.until_metric("weir_log_dropped_total", &[("target", "traces")], 3.0);
    weir.tell("/admin/reload");
    weir.admin("GET", "/status/requests")
        .key(TOKEN)
        .send()
        .is(200);
}

#[test]
fn a_drain_exports_what_waits() {
    let collector = Upstream::json(200, "{}");
    let upstream = Upstream::json(200, lines().answer);
    let mut weir = Weir::start(&format!(
        "trace: {{ otlp: \"{}\" }}\n{}",
        collector.url(),
        accounts(&[account("a", &lines(), &upstream, "")])
    ));
    weir.ask(&lines()).send().is(200);
    weir.drain();
    weir.join().expect("it served");
    assert_eq!(spans(&collector).len(), 2);
}
