//! A webhook that is told of budgets, and models that name themselves because they have no price.
use std::path::Path;

use serde_json::Value;

use crate::rig::upstream::Request;
use crate::rig::{KEY, Lines, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

fn lines() -> Lines {
    sample(Dialect::Anthropic)
}

/// An answer costs 13 dollars or more, of 100 a day.
fn yaml(upstream: &Upstream, hook: &str, more: &str) -> String {
    format!(
        "keys: [{{ name: team, key: \"{KEY}\", limits: {{ usd_per_day: 100 }} }}]\n\
         prices: [{{ model: \"*\", input: 1000000, output: 1 }}]\n\
         alerts: {{ webhook: {{ url: \"{hook}/hook?a=b\", secret: \"of-the-webhook\" }}, at: [0.1, 0.2] }}\n{more}{}",
        accounts(&[account("a", &lines(), upstream, "")])
    )
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).expect("JSON")
}

/// Checks the signature as a receiver does.
#[track_caller]
fn is_signed(request: &Request) {
    let signature = request
        .headers
        .get("x-weir-signature")
        .expect("a signature");
    let (time, tag) = signature.split_once(",v1=").expect("two parts");
    let time = time.strip_prefix("t=").expect("a time");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"of-the-webhook");
    let signed = [time.as_bytes(), b".", &request.body].concat();
    let expected = ring::hmac::sign(&key, &signed);
    let expected: String = expected
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(tag, expected);
}

#[test]
fn a_webhook_is_told_once_a_threshold_and_asked_again_until_it_takes_it() {
    let upstream = Upstream::json(200, lines().answer);
    let hook = Upstream::start(|request, wire| match request.number {
        // A page of some proxy in between, longer than what is read of an answer.
        0 => wire.answer(503, &[], "<p>".repeat(64 << 10)),
        _ => wire.answer(204, &[], ""),
    });
    let weir = Weir::start(&yaml(&upstream, &hook.url(), ""));
    weir.ask(&lines()).send().is(200);
    hook.until(2);
    weir.until_metric("weir_alerts_total", &[("outcome", "sent")], 1.0);
    weir.ask(&lines()).send().is(200);
    hook.until(3);
    weir.until_metric("weir_alerts_total", &[("outcome", "sent")], 2.0);
    let requests = hook.requests();
    let [first, again, second] = &requests[..] else {
        panic!("{requests:?}")
    };
    for request in [first, again, second] {
        assert_eq!((&*request.method, &*request.target), ("POST", "/hook?a=b"));
        is_signed(request);
    }
    let told = body(first);
    assert_eq!(told, body(again));
    let whose = [&told["scope"], &told["name"], &told["window"]];
    assert_eq!(whose, ["key", "team", "day"]);
    assert_eq!((&told["at"], &told["limit"]), (&0.1.into(), &100.0.into()));
    assert_eq!(body(second)["at"], 0.2);
    assert_ne!(body(second)["id"], told["id"]);
    // The third answer reaches nothing new.
    weir.ask(&lines()).send().is(200);
    weir.is_well();
    assert_eq!(hook.count(), 3);
}

#[test]
fn a_webhook_that_never_answers_holds_nobody_up_and_one_that_refuses_is_left_alone() {
    let upstream = Upstream::json(200, lines().answer);
    let hook = Upstream::start(|_, wire| wire.answer(410, &[], ""));
    let weir = Weir::start(&yaml(&upstream, &hook.url(), ""));
    weir.ask(&lines()).send().is(200);
    weir.until_metric("weir_alerts_total", &[("outcome", "failed")], 1.0);
    // Nothing listens there, and requests are served all the same.
    let away = yaml(&upstream, "http://127.0.0.1:9", "");
    weir.rewrite(&away);
    weir.tell("/admin/reload").is(200);
    weir.ask(&lines()).send().is(200);
    weir.ask(&lines()).send().is(200);
    assert_eq!(hook.count(), 1);
    let text = weir.admin("GET", "/status/config").send().is(200);
    assert!(!text.text().contains("of-the-webhook"));
}

#[test]
fn with_a_ledger_a_restart_tells_nothing_twice() {
    let directory = tempfile::tempdir().expect("a directory");
    let ledger = |path: &Path| {
        format!(
            "ledger: {{ path: \"{}\" }}\n",
            path.join("ledger").display()
        )
    };
    let more = ledger(directory.path());
    let upstream = Upstream::json(200, lines().answer);
    let hook = Upstream::start(|_, wire| wire.answer(200, &[], "ok"));
    let text = yaml(&upstream, &hook.url(), &more);
    let weir = Weir::start(&text);
    weir.ask(&lines()).send().is(200);
    weir.until_metric("weir_alerts_total", &[("outcome", "sent")], 1.0);
    drop(weir);
    let weir = Weir::start(&text);
    let left: Value = weir.get("/v1/usage").send().is(200).json();
    assert!(left["key"]["today"]["usd"].as_f64() > Some(10.0), "{left}");
    weir.ask(&lines()).send().is(200);
    // What is due is told in its order: the first threshold would have come before the second.
    weir.until_metric("weir_alerts_total", &[("outcome", "sent")], 1.0);
    let told: Vec<Value> = hook
        .requests()
        .iter()
        .map(|request| body(request)["at"].clone())
        .collect();
    assert_eq!(told, [0.1, 0.2]);
}

#[test]
fn a_model_without_a_price_names_itself() {
    let upstream = Upstream::json(200, lines().answer);
    let weir = Weir::before(&upstream, &lines());
    for model in ["made-up-1", "made-up-2", "made-up-1"] {
        let ask = lines().ask.replace("claude-sonnet-4-5", model);
        weir.post(lines().path, ask).send().is(200);
    }
    weir.until_metric("weir_unpriced_requests_total", &[("model", "other")], 3.0);
    let status = weir.status("/status");
    let unpriced = status["unpriced"].as_array().expect("a list");
    let named: Vec<(&Value, &Value)> = unpriced
        .iter()
        .map(|entry| (&entry["model"], &entry["requests"]))
        .collect();
    assert_eq!(
        named,
        [
            (&"made-up-1".into(), &2.into()),
            (&"made-up-2".into(), &1.into())
        ]
    );
    let tokens: u64 = unpriced
        .iter()
        .filter_map(|entry| entry["total_tokens"].as_u64())
        .sum();
    weir.until_metric(
        "weir_unpriced_tokens_total",
        &[("model", "other")],
        tokens as f64,
    );
    assert!(tokens > 30, "{status}");
}
