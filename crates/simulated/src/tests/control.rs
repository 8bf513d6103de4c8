//! Headers, credentials, counters, the other endpoints, and the manual.
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::{Rig, messages, parse, play, text};
use crate::fault::Fault;
use crate::{Request, Settings, Simulated, Step};

#[test]
fn headers_turn_knobs_too() {
    let mut headers = HeaderMap::new();
    headers.insert("x-sim-status", "529".parse().expect("a header value"));
    let body = messages("hello", false);
    let request = Request {
        method: &Method::POST,
        path: "/v1/messages",
        query: "beta=true",
        headers: &headers,
        body: body.as_bytes(),
    };
    let simulated = Simulated::new(Settings::default());
    assert_eq!(simulated.answer(request, 0, 0).status, 529);
}

#[test]
fn only_listed_credentials_and_models_are_served() {
    let mut rig = Rig::with(Settings {
        keys: vec!["k-a".to_owned()],
        only_listed_models: true,
        ..Settings::default()
    });
    assert_eq!(rig.ask("hello", false).status, 200);
    assert_eq!(
        rig.post(
            "/v1/messages",
            &messages("x", false).replace("claude", "cloud")
        )
        .status,
        404
    );
    assert_eq!(
        rig.script(&Method::GET, "/v1/models", "k-b", "").status,
        401
    );
}

#[test]
fn counters_tell_complete_broken_and_cancelled_answers_apart() {
    let mut rig = Rig::new();
    rig.ask("[[sim output-tokens=100 cache-read=7]]", true);
    rig.ask("[[sim reset-after=3]]", true);
    rig.ask("[[sim status=500]]", false);
    let mut left = rig.script(
        &Method::POST,
        "/v1/messages",
        "k-b",
        &messages("[[sim output-tokens=9999]]", true),
    );
    assert!(matches!(left.steps.next(), Some(Step::Send(_))));
    assert_eq!(rig.stats()["open_streams"], 1);
    drop(left);
    let stats = rig.stats();
    assert_eq!(stats["requests"], 4);
    assert_eq!(stats["open_streams"], 0);
    assert_eq!(
        (&stats["complete"], &stats["broken"], &stats["cancelled"]),
        (&json!(2), &json!(1), &json!(1))
    );
    assert_eq!(
        stats["by_key"],
        json!({"k-a": {"200": 2, "500": 1}, "k-b": {"200": 1}})
    );
    assert_eq!(stats["tokens"]["cache_read"], 7);
    let output = stats["tokens"]["output"].as_u64().expect("a count");
    assert!((100..9999).contains(&output), "{output}");
}

#[test]
fn the_upstream_can_say_what_reached_it() {
    let seen = Rig::new().post(
        "/v1/messages?beta=true",
        &messages("[[sim echo-headers]]", false),
    );
    let echo = parse(&text(&seen));
    assert_eq!(echo["headers"], json!({"x-api-key": "k-a"}));
    assert_eq!(echo["query"], "beta=true");
    assert_eq!(
        echo["body"]["length"],
        messages("[[sim echo-headers]]", false).len()
    );
}

#[test]
fn vendor_endpoints_have_the_right_shape() {
    let check = |method: Method, target: &str, body: &str, pointer: &str, value: Value| {
        let seen = play(Rig::new().script(&method, target, "k-a", body));
        assert_eq!(
            parse(&seen.body).pointer(pointer),
            Some(&value),
            "{target}: {}",
            seen.body
        );
    };
    let (get, post) = (|| Method::GET, || Method::POST);
    check(get(), "/v1/models", "", "/data/0/type", json!("model"));
    check(
        get(),
        "/v1beta/models",
        "",
        "/models/0/name",
        json!("models/claude-opus-5-5"),
    );
    check(get(), "/v1/models/gpt-4o", "", "/id", json!("gpt-4o"));
    check(
        get(),
        "/v1/models/none",
        "",
        "/error/type",
        json!("not_found_error"),
    );
    check(get(), "/health", "", "/status", json!("ok"));
    check(
        post(),
        "/v1/embeddings",
        r#"{"model":"e","input":["a","b"]}"#,
        "/data/1/index",
        json!(1),
    );
    check(post(), "/v1/files", "12345", "/bytes", json!(5));
    check(get(), "/v1/files/file-1", "", "/id", json!("file-1"));
    check(
        post(),
        "/v1/messages/batches",
        "{}",
        "/type",
        json!("message_batch"),
    );
    check(get(), "/v1/messages/batches/b1", "", "/id", json!("b1"));
    check(
        post(),
        "/v1/responses/input_tokens",
        r#"{"model":"m","input":"x"}"#,
        "/object",
        json!("response.input_tokens"),
    );
    check(
        post(),
        "/v1/models/m:countTokens",
        r#"{"contents":[]}"#,
        "/totalTokens",
        json!(4),
    );
    check(
        post(),
        "/v1beta/models/m:countTokens",
        r#"{"generateContentRequest":{"model":"models/m","contents":[]}}"#,
        "/totalTokens",
        json!(16),
    );
    check(
        post(),
        "/v1beta/models/m:countTokens",
        r#"{"generateContentRequest":{"contents":[]}}"#,
        "/error/status",
        json!("INVALID_ARGUMENT"),
    );
    check(
        post(),
        "/v1/nothing",
        "{}",
        "/error/type",
        json!("not_found_error"),
    );
}

/// The one place where a knob is defined is the match in `knobs.rs`; the manual must have the same.
#[test]
fn every_knob_is_in_the_manual() {
    let manual = include_str!("../../../../docs/SIMULATED.md");
    let source = include_str!("../knobs.rs");
    let defined = source.lines().filter_map(|line| {
        let (name, rest) = line.trim().strip_prefix('"')?.split_once('"')?;
        rest.starts_with(" => put")
            .then_some(name)
            .or_else(|| rest.ends_with("=> put(").then_some(name))
    });
    let defined: Vec<_> = defined.collect();
    assert!(defined.len() > 30, "{defined:?}");
    let documented: Vec<_> = manual
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(['`', '=']).next())
        .collect();
    for name in &defined {
        assert!(
            documented.contains(name),
            "docs/SIMULATED.md lacks `{name}`"
        );
    }
    for fault in Fault::ALL {
        assert!(
            manual.contains(&format!("`{}`", fault.name())),
            "docs/SIMULATED.md lacks `{}`",
            fault.name()
        );
    }
}
