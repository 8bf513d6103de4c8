//! What goes wrong, where, and for whom.
use http::Method;
use serde_json::{Value, json};

use super::{Rig, events, messages, parse};
use crate::Step;

#[test]
fn every_fault_shows_as_the_vendor_says_it() {
    let check = |target: &str, body: &str, status: u16, pointer: &str, value: Value| {
        let seen = Rig::new().post(target, body);
        assert_eq!(seen.status, status, "{body}");
        assert_eq!(
            parse(&seen.body).pointer(pointer),
            Some(&value),
            "{}",
            seen.body
        );
    };
    let anthropic = |prompt: &str| messages(prompt, true);
    let gemini = |prompt: &str| json!({"contents": [{"parts": [{"text": prompt}]}]}).to_string();
    let generate = "/v1beta/models/m:generateContent";
    check(
        "/v1/messages",
        &anthropic("[[sim status=529]]"),
        529,
        "/error/type",
        json!("overloaded_error"),
    );
    check(
        "/v1/messages",
        &anthropic("[[sim error=auth]]"),
        401,
        "/error/type",
        json!("authentication_error"),
    );
    check(
        "/v1/messages",
        &anthropic("[[sim error=server status=200]]"),
        200,
        "/type",
        json!("error"),
    );
    check(
        "/v1/chat/completions",
        &anthropic("[[sim error=quota]]"),
        429,
        "/error/type",
        json!("insufficient_quota"),
    );
    check(
        "/v1/chat/completions",
        &anthropic("[[sim error=overloaded]]"),
        503,
        "/error/code",
        json!("server_is_overloaded"),
    );
    check(
        generate,
        &gemini("[[sim status=429 retry-after=37]]"),
        429,
        "/error/details/0/retryDelay",
        json!("37s"),
    );
    check(
        generate,
        &gemini("[[sim error=overloaded]]"),
        503,
        "/error/status",
        json!("UNAVAILABLE"),
    );
    check(
        "/v1/messages",
        &anthropic("[[sim nonsense=1]]"),
        400,
        "/error/type",
        json!("invalid_request_error"),
    );
    check(
        "/v1/messages",
        "{",
        400,
        "/error/type",
        json!("invalid_request_error"),
    );
    check(
        "/v1/messages",
        r#"{"model":"m","messages":[]}"#,
        400,
        "/error/message",
        json!("max_tokens: Field required"),
    );
}

#[test]
fn a_retry_hint_is_only_on_a_failure() {
    let mut rig = Rig::new();
    let refused = rig.ask(
        "[[sim status=429 retry-after=1500ms should-retry=false]]",
        true,
    );
    for header in [
        "retry-after: 2",
        "retry-after-ms: 1500",
        "x-should-retry: false",
    ] {
        assert!(
            refused.headers.iter().any(|have| have == header),
            "{header}"
        );
    }
    let fine = rig.ask("[[sim retry-after=3]]", true);
    assert!(
        !fine
            .headers
            .iter()
            .any(|header| header.starts_with("retry"))
    );
}

#[test]
fn html_comes_instead_of_json() {
    let seen = Rig::new().ask("[[sim html]]", true);
    assert_eq!(seen.status, 502);
    assert!(seen.body.starts_with("<html>"));
    assert!(
        seen.headers
            .iter()
            .any(|header| header == "content-type: text/html")
    );
}

#[test]
fn a_fault_may_come_before_the_head() {
    for (knob, step) in [
        ("reset", Step::Reset),
        ("close", Step::Truncate),
        ("stall", Step::Stall),
    ] {
        let seen = Rig::new().ask(&format!("[[sim {knob}]]"), false);
        assert_eq!(seen.before, [step]);
    }
}

#[test]
fn a_stream_breaks_after_the_events_that_were_asked_for() {
    let check = |knob: &str, names: &[&str], rest: &[Step]| {
        let seen = Rig::new().ask(&format!("[[sim output-tokens=40 {knob}]]"), true);
        assert_eq!(events(&seen), names, "{knob}");
        assert_eq!(seen.rest, rest, "{knob}");
    };
    let start = ["message_start", "content_block_start", "ping"];
    check("reset-after=0", &[], &[Step::Reset]);
    check("truncate-after=1", &start[..1], &[Step::Truncate]);
    check("eof-after=1", &start[..1], &[]);
    check("stall-after=1", &start[..1], &[Step::Stall]);
    check("error-after=0", &["error"], &[]);
    check("error-after=1", &["message_start", "error"], &[]);
    let whole = Rig::new().ask("[[sim output-tokens=40]]", true);
    let mut names = events(&whole);
    assert_eq!(names.pop(), Some("message_stop"));
    check("eof-after=last", &names, &[]);
    check("reset-after=last", &names, &[Step::Reset]);
}

#[test]
fn a_plain_answer_breaks_in_its_middle() {
    let whole = Rig::new().ask("[[sim truncate-after=9]]", false);
    let length = Rig::new().script(
        &Method::POST,
        "/v1/messages",
        "",
        &messages("[[sim truncate-after=9]]", false),
    );
    assert_eq!(whole.rest, [Step::Truncate]);
    assert_eq!(
        length.length,
        Some(whole.body.len() as u64 * 2 + length.length.unwrap_or(0) % 2)
    );
    let error = Rig::new().ask("[[sim error-after=3]]", false);
    assert_eq!(
        (error.status, &parse(&error.body)["type"]),
        (200, &json!("error"))
    );
}

#[test]
fn every_nth_request_fails() {
    let mut rig = Rig::new();
    let statuses: Vec<_> = (0..6)
        .map(|_| rig.ask("[[sim status=500 every=3]]", true).status)
        .collect();
    assert_eq!(statuses, [200, 200, 500, 200, 200, 500]);
}

#[test]
fn one_credential_can_have_a_bad_day() {
    let mut rig = Rig::new();
    let status = |rig: &mut Rig, key| {
        rig.script(
            &Method::POST,
            "/v1/messages",
            key,
            &messages("hello", false),
        )
        .status
    };
    assert_eq!(
        rig.control(r#"{"fail": [{"key": "k-a", "status": 429, "retry_after": 5}]}"#),
        200
    );
    assert_eq!(
        (status(&mut rig, "k-a"), status(&mut rig, "k-b")),
        (429, 200)
    );
    assert_eq!(
        rig.control(r#"{"fail": [{"key": "k-a", "statsu": 429}]}"#),
        400
    );
    assert_eq!(
        rig.control(r#"{"set": {"error": "overloaded"}, "fail": []}"#),
        200
    );
    assert_eq!(
        (status(&mut rig, "k-a"), status(&mut rig, "k-b")),
        (529, 529)
    );
    assert_eq!(rig.control(r#"{"reset": true}"#), 200);
    assert_eq!(
        (status(&mut rig, "k-a"), status(&mut rig, "k-b")),
        (200, 200)
    );
}
