//! The rules of each dialect's answers and streams.
use super::*;

/// Plays the body of an answer in memory; waits are skipped.
fn play(script: Script) -> (u16, String, Vec<Step>) {
    let mut text = Vec::new();
    let mut rest = script.before;
    for step in script.steps {
        match step {
            Step::Send(bytes) => text.extend_from_slice(&bytes),
            other => rest.push(other),
        }
    }
    (script.status, String::from_utf8(text).expect("UTF-8"), rest)
}

fn post(path: &str, body: &str) -> (u16, String, Vec<Step>) {
    let simulated = Simulated::new(Settings::default());
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let request = Request {
        method: &Method::POST,
        path,
        query,
        headers: &HeaderMap::new(),
        body: body.as_bytes(),
    };
    play(simulated.answer(request, 7, 1_700_000_000))
}

#[test]
fn look() {
    for (path, body) in [
        (
            "/v1/messages",
            r#"{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}"#,
        ),
        (
            "/v1/messages",
            r#"{"model":"m","stream":true,"thinking":{"type":"adaptive"},"tools":[{"name":"f","input_schema":{}}],"max_tokens":100,"messages":[{"role":"user","content":"call f {\"a\":1}"}]}"#,
        ),
        (
            "/v1/chat/completions",
            r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#,
        ),
        (
            "/v1/chat/completions",
            r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}"#,
        ),
        ("/v1/responses", r#"{"model":"m","input":"hello"}"#),
        (
            "/v1/responses",
            r#"{"model":"m","stream":true,"input":"hello"}"#,
        ),
        (
            "/v1beta/models/m:generateContent",
            r#"{"contents":[{"parts":[{"text":"hello"}]}]}"#,
        ),
        (
            "/v1beta/models/m:streamGenerateContent?alt=sse",
            r#"{"contents":[{"parts":[{"text":"hello"}]}]}"#,
        ),
        (
            "/v1beta/models/m:streamGenerateContent",
            r#"{"contents":[{"parts":[{"text":"hello"}]}]}"#,
        ),
        (
            "/v1/completions",
            r#"{"model":"m","prompt":"hello","stream":true}"#,
        ),
    ] {
        let (status, text, rest) = post(path, body);
        println!("== {path} {status} {rest:?}\n{text}");
    }
}
