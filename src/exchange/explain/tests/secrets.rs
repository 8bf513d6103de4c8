//! What no report may show.
use super::*;

#[test]
fn no_secret_is_in_any_report() {
    let gateway = gateway(HOUSE);
    let mut headers = header("x-api-key", "secret-of-team");
    headers.insert("cookie", http::HeaderValue::from_static("secret-cookie"));
    headers.insert(
        "x-goog-api-key",
        http::HeaderValue::from_static("secret-of-team"),
    );
    headers.insert(
        "x-session-token",
        http::HeaderValue::from_static("secret-token"),
    );
    headers.insert("x-lane", http::HeaderValue::from_static("fast-lane"));
    let gemini = r#"{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}"#;
    for (path, body) in [
        ("/v1/messages", SONNET),
        ("/v1/messages", HAIKU),
        ("/v1/messages", "{"),
        (
            "/v1beta/models/claude-haiku-x:generateContent?key=secret-of-team",
            gemini,
        ),
        ("/v1/nothing?key=secret-of-team", gemini),
        ("/v1/files?key=secret-of-team", gemini),
    ] {
        let report = asked(&gateway, None, (Some(path), &headers), body, occasion());
        let report = report.expect("a report");
        let json = serde_json::to_string(&report).expect("JSON");
        for text in [report.to_string(), json] {
            assert!(!text.contains("secret-"), "{text}");
        }
    }
}

#[test]
fn an_access_token_is_where_it_will_be_and_is_not_shown() {
    let gateway = gateway(
        "anonymous: true\naccounts:\n  - name: a\n    provider: openai\n    auth:\n      oauth2: { token_url: \"https://login.example.com/token\", client_id: secret-id, client_secret: secret-of-a }\n",
    );
    for path in ["/v1/chat/completions", "/v1/files"] {
        let body = r#"{"model":"gpt-5","messages":[{"role":"user","content":"Hi"}]}"#;
        let report = asked(
            &gateway,
            None,
            (Some(path), &HeaderMap::new()),
            body,
            occasion(),
        );
        let json = serde_json::to_value(report.expect("a report")).expect("JSON");
        let headers = json["upstream"]["headers"].to_string();
        assert!(headers.contains(r#"["authorization","***"]"#), "{json}");
        assert!(!json.to_string().contains("secret-"), "{json}");
    }
}

#[test]
fn a_body_cannot_forge_a_line() {
    let gateway = gateway(HOUSE);
    let body = r#"{"model":"claude-x\nverdict    served\u001b[2J","max_tokens":9,"messages":[]}"#;
    let report = ask(&gateway, "team", body);
    let text = report.to_string();
    assert_eq!(text.matches("\nverdict").count(), 0, "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}
