//! Rewrites of whole requests, from the configuration to the body that is routed.
use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::config;
use crate::exchange::Gateway;
use crate::exchange::admit::{self, Admitted, Arrived};
use crate::exchange::operation::{Operation, operation};
use crate::protocol::json;

const PATHS: [(&str, &str); 4] = [
    (
        "/v1/messages",
        r#"{"model":"m", "max_tokens":9,"messages":[]}"#,
    ),
    ("/v1beta/models/m:generateContent", r#"{"contents":[]}"#),
    ("/v1/chat/completions", r#"{"model":"m", "messages":[]}"#),
    ("/v1/responses", r#"{"model":"m", "input":"x"}"#),
];

fn gateway(rest: &str) -> Gateway {
    let text = format!(
        "version: 1\naccounts:\n  - {{ name: a, provider: simulated, dialect: anthropic, base_url: \"http://127.0.0.1:9\" }}\n{rest}"
    );
    let env = |_: &str| Some("sk-value-of-a-variable".to_owned());
    let config = config::parse("test", &text, &env);
    let faults = |faults: Vec<config::diagnostic::Diagnostic>| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("{}", faults.join("\n"))
    };
    Gateway::build(config.unwrap_or_else(faults), None)
}

/// A gateway with one rewrite with these settings.
fn one(settings: &str) -> Gateway {
    gateway(&format!(
        "anonymous: true\nrewrites:\n  - {{ name: r, {settings} }}\n"
    ))
}

struct TestRequest<'a> {
    path: &'a str,
    body: &'a str,
    headers: HeaderMap,
    now: SystemTime,
}

impl<'a> TestRequest<'a> {
    fn new(path: &'a str, body: &'a str) -> Self {
        Self {
            path,
            body,
            headers: HeaderMap::new(),
            now: UNIX_EPOCH + Duration::from_hours(500_000),
        }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("a header");
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    fn admit(&self, gateway: &Gateway) -> Result<Admitted, Refusal> {
        let Operation::Model(call) = operation(&Method::POST, self.path, &self.headers) else {
            panic!("not a model call");
        };
        let key = admit::authenticate(gateway, &self.headers, None, self.now)?;
        let body = Bytes::copy_from_slice(self.body.as_bytes());
        let arrived = Arrived {
            call,
            headers: &self.headers,
            query: None,
            body,
        };
        admit::admit(gateway, key, arrived, self.now)
    }

    #[track_caller]
    fn admitted(&self, gateway: &Gateway) -> Admitted {
        self.admit(gateway).expect("a request")
    }

    #[track_caller]
    fn sent(&self, gateway: &Gateway) -> String {
        let admitted = self.admitted(gateway);
        let again = json::scan(&admitted.body).expect("an object");
        assert_eq!(again, admitted.members);
        String::from_utf8(admitted.body.to_vec()).expect("text")
    }
}

#[track_caller]
fn check(settings: &str, path: &str, body: &str, expected: &str) {
    assert_eq!(TestRequest::new(path, body).sent(&one(settings)), expected);
}

const MESSAGES: &str = "/v1/messages";

#[test]
fn the_steps_of_a_rewrite_in_their_order() {
    let settings = r#"
        remove: [/a, /t/inner],
        set: { /b: { deep: [1, "x", null, true, 1.5] }, /a: 1 },
        default: { /a: 2, /c: text, "/d/e": -1 },
        clamp: { /max_tokens: [100, 200], /c: [0, 1], /t/n: [-2, 2], /absent: [1, 2] }"#;
    check(
        settings,
        MESSAGES,
        r#"{"a": "old", "model":"m", "max_tokens": 90 , "t": {"inner" : 5, "n": -7.25}}"#,
        r#"{"a": 1, "model":"m", "max_tokens": 100 , "t": {"n": -2},"b":{"deep":[1,"x",null,true,1.5]},"c":"text","d":{"e":-1}}"#,
    );
}

#[test]
fn clamp_leaves_what_is_no_number_or_in_range() {
    for value in [
        r#""90""#, "null", "true", "150", "1.5e2", "[90]", "100", "200",
    ] {
        let body = format!(r#"{{"model":"m","n": {value}}}"#);
        check("clamp: { /n: [100, 200] }", MESSAGES, &body, &body);
    }
    check(
        "clamp: { /n: [100, 200] }",
        MESSAGES,
        r#"{"model":"m","n": 2e9}"#,
        r#"{"model":"m","n": 200}"#,
    );
}

#[test]
fn default_takes_null_for_nothing() {
    check(
        "default: { /temperature: 0.7, /n: 1 }",
        MESSAGES,
        r#"{"model":"m","temperature":null,"n":0}"#,
        r#"{"model":"m","temperature":0.7,"n":0}"#,
    );
}

#[test]
fn a_request_that_no_rewrite_changes_is_the_same_buffer() {
    let gateway = one("remove: [/absent], clamp: { /n: [1, 2] }, headers: { set: { x-a: b } }");
    let body = Bytes::from_static(br#"{"model":"m","n":1}"#);
    let headers = HeaderMap::new();
    let Operation::Model(call) = operation(&Method::POST, MESSAGES, &headers) else {
        panic!("not a model call");
    };
    let key = admit::authenticate(&gateway, &headers, None, UNIX_EPOCH).expect("anybody");
    let arrived = Arrived {
        call,
        headers: &headers,
        query: None,
        body: body.clone(),
    };
    let admitted = admit::admit(&gateway, key, arrived, UNIX_EPOCH);
    let admitted = admitted.expect("a request");
    assert_eq!(admitted.body.as_ptr(), body.as_ptr());
    assert_eq!(admitted.rewrites.names(&gateway.config), ["r".into()]);
}

#[test]
fn every_match_applies_in_order_and_conditions_see_what_the_client_sent() {
    let gateway = gateway(
        r"
anonymous: true
rewrites:
  - { name: first, when: { model: m }, set: { /model: other, /n: 1 } }
  - { name: second, when: { model: m, body_has: /messages }, set: { /n: 2 } }
  - { name: third, when: { model: other }, set: { /n: 3 } }
  - { name: fourth, when: { body_has: /n }, set: { /n: 4 } }
",
    );
    let admitted = TestRequest::new(MESSAGES, r#"{"model":"m","messages":[]}"#).admitted(&gateway);
    assert_eq!(
        admitted.rewrites.names(&gateway.config),
        ["first".into(), "second".into()]
    );
    assert_eq!(admitted.body, r#"{"model":"other","messages":[],"n":2}"#);
}

#[test]
fn the_words_of_conditions() {
    let keys = "keys:\n  - { name: team, key: k-team, group: g, project: shop }\n  - { name: guest, key: k-guest }\ngroups: [{ name: g }]\n";
    let matches = |when: &str, request: TestRequest<'_>| {
        let gateway = gateway(&format!(
            "{keys}rewrites:\n  - {{ name: r, when: {{ {when} }}, headers: {{ remove: [x-a] }} }}\n"
        ));
        !request.admitted(&gateway).rewrites.is_empty()
    };
    let request = || TestRequest::new(MESSAGES, PATHS[0].1).header("x-api-key", "k-team");
    assert!(matches(
        "user_agent: \"cherrystudio*\"",
        request().header("user-agent", "CherryStudio/1.2")
    ));
    assert!(!matches("user_agent: \"CherryStudio*\"", request()));
    assert!(matches(
        "header: { x-client: \"L*\" }",
        request().header("x-client", "lobe")
    ));
    assert!(!matches(
        "header: { x-client: \"L*\" }",
        request().header("x-client", "other")
    ));
    assert!(matches(
        "key: t*, group: g, project: shop, dialect: anthropic, model: m, stream: false",
        request()
    ));
    assert!(!matches("key: guest", request()));
    assert!(!matches("dialect: gemini", request()));
    assert!(matches("body_has: /max_tokens", request()));
    assert!(!matches("body_has: /messages/0", request()));
    assert!(!matches("body_has: /thinking", request()));
    assert!(!matches("stream: true", request()));
}

#[test]
fn a_model_that_a_rewrite_gives_is_routed_and_judged() {
    let rest = r#"
keys: [{ name: k, key: k-1, models: ["claude-*"] }]
pools: [{ name: default }, { name: second }]
routes: [{ when: { model: claude-b }, pool: second, model: upstream }]
rewrites:
  - { name: alias, when: { model: fast }, set: { /model: claude-b } }
  - { name: out, when: { model: claude-x }, set: { /model: gpt-9 } }
  - { name: absent, default: { /model: claude-c } }
"#;
    let gateway = gateway(rest);
    let request = |body: &'static str| TestRequest::new(MESSAGES, body).header("x-api-key", "k-1");
    let admitted = request(r#"{"model":"fast"}"#).admitted(&gateway);
    assert_eq!(
        (&*admitted.model, admitted.route, admitted.pool),
        ("claude-b", Some(0), 1)
    );
    assert_eq!(admitted.wanted_model(), "upstream");
    // The final model decides whether the key may use it.
    let refusal = request(r#"{"model":"claude-x"}"#)
        .admit(&gateway)
        .expect_err("not allowed");
    assert_eq!(
        refusal,
        Refusal::ModelForbidden {
            model: "gpt-9".to_owned()
        }
    );
    assert_eq!(request("{}").admitted(&gateway).model, "claude-c");
    let refusal = request(r#"{"Model":"claude-x"}"#)
        .admit(&gateway)
        .expect_err("two of them");
    assert!(matches!(refusal, Refusal::Json(_)), "{refusal:?}");
}

#[test]
fn gemini_has_its_model_in_the_path() {
    let gateway = one("set: { /model: claude-b }");
    for path in [
        "/v1beta/models/m:generateContent",
        "/v1beta/models/m:countTokens",
    ] {
        let admitted = TestRequest::new(path, r#"{"contents":[]}"#).admitted(&gateway);
        assert_eq!(admitted.model, "claude-b");
        assert_eq!(admitted.call.path_model.as_deref(), Some("claude-b"));
        assert_eq!(admitted.body, r#"{"contents":[]}"#);
    }
    let gateway = one("default: { /model: claude-b }");
    let admitted = TestRequest::new(PATHS[1].0, PATHS[1].1).admitted(&gateway);
    assert_eq!(admitted.model, "m");
}

#[test]
fn nothing_is_added_to_a_count() {
    let settings = r"
        system: { prepend: be brief }, session: { rotate: 12h },
        remove: [/junk], default: { /temperature: 1 }, set: { /max_tokens: 5, /model: other, /thinking: { type: disabled } }";
    check(
        settings,
        "/v1/messages/count_tokens",
        r#"{"model":"m","junk":1,"thinking":{"type":"adaptive"},"messages":[]}"#,
        r#"{"model":"other","thinking":{"type":"disabled"},"messages":[]}"#,
    );
    let counted =
        TestRequest::new("/v1/messages/count_tokens", r#"{"model":"m"}"#).admitted(&one(settings));
    assert_eq!(counted.rewrites.session, None);
    check(
        settings,
        "/v1beta/models/m:countTokens",
        r#"{"contents":[]}"#,
        r#"{"contents":[]}"#,
    );
    check(
        settings,
        "/v1/responses/input_tokens",
        r#"{"model":"m","input":"x"}"#,
        r#"{"model":"other","input":"x"}"#,
    );
}

#[test]
fn what_is_completed_has_no_system_prompt() {
    check(
        "system: { prepend: be brief }, session: { rotate: 12h }, set: { /n: 1 }",
        "/v1/completions",
        r#"{"model":"m","prompt":"x"}"#,
        r#"{"model":"m","prompt":"x","n":1}"#,
    );
}

#[test]
fn system_prompts_are_added_in_every_dialect() {
    let gateway = one("system: { prepend: \"be \\\"brief\\\"\" }");
    for (path, body) in PATHS {
        let sent = TestRequest::new(path, body).sent(&gateway);
        assert!(sent.contains(r#"be \"brief\""#), "{sent}");
    }
}

#[test]
fn a_session_is_given_where_the_client_has_none() {
    let gateway = one("session: { rotate: 12h }");
    let expected = crate::pool::affinity::Session;
    let mut sessions = BTreeSet::new();
    for (path, body) in PATHS {
        let admitted = TestRequest::new(path, body).admitted(&gateway);
        let id = admitted.rewrites.session.clone().expect("a session");
        let hash = crate::pool::affinity::hash(id.as_bytes());
        assert_eq!(admitted.session, Some(expected(hash)), "{path}");
        let sent: Value = serde_json::from_slice(&admitted.body).expect("JSON");
        match path {
            "/v1/messages" => {
                let user = sent["metadata"]["user_id"].as_str().expect("a user");
                let user: Value = serde_json::from_str(user).expect("JSON");
                assert_eq!(user["session_id"], *id);
            }
            "/v1/chat/completions" | "/v1/responses" => assert_eq!(sent["prompt_cache_key"], *id),
            _ => assert_eq!(admitted.body, body),
        }
        sessions.insert(id);
    }
    assert_eq!(sessions.len(), 1);
    let mut later = TestRequest::new(MESSAGES, PATHS[0].1);
    later.now += Duration::from_hours(12);
    let later = later
        .admitted(&gateway)
        .rewrites
        .session
        .expect("a session");
    assert!(!sessions.contains(&later));
}

#[test]
fn a_clients_own_session_stays() {
    let gateway = one("session: { rotate: 12h }");
    for (path, body) in [
        (
            MESSAGES,
            r#"{"model":"m","metadata":{"user_id":"{\"session_id\":\"s\"}"}}"#,
        ),
        ("/v1/responses", r#"{"model":"m","prompt_cache_key":"p"}"#),
        (
            "/v1/responses",
            r#"{"model":"m","conversation":{"id":"c"}}"#,
        ),
        (
            "/v1/responses",
            r#"{"model":"m","previous_response_id":"r"}"#,
        ),
    ] {
        let admitted = TestRequest::new(path, body).admitted(&gateway);
        assert_eq!(admitted.body, body);
        assert_eq!(admitted.rewrites.session, None);
        assert!(admitted.session.is_some());
    }
    let claude = TestRequest::new(MESSAGES, PATHS[0].1).header("x-claude-code-session-id", "s");
    assert_eq!(claude.sent(&gateway), PATHS[0].1);
    // A user id is not a session: the request stays at one account, and its body stays unchanged.
    let body = r#"{"model":"m","metadata":{"user_id":"alice"}}"#;
    let admitted = TestRequest::new(MESSAGES, body).admitted(&gateway);
    assert_eq!(admitted.body, body);
    assert!(admitted.rewrites.session.is_some() && admitted.session.is_some());
    // To replace it, the rewrite has to remove it first.
    let gateway = one("remove: [/metadata/user_id], session: { rotate: 12h }");
    let sent = TestRequest::new(MESSAGES, body).sent(&gateway);
    assert!(
        sent.contains("session_id") && !sent.contains("alice"),
        "{sent}"
    );
}

#[test]
fn the_list_shows_what_they_do_and_no_secret() {
    let gateway = gateway(
        r#"
keys:
  - { name: team, key: k-team, group: g }
  - { name: guest, key: k-guest }
groups: [{ name: g }]
rewrites:
  - name: full
    when: { user_agent: "Cherry*", header: { x-a: "b*" }, body_has: /thinking, key: team, group: g, dialect: gemini, model: "m*", stream: true, project: p }
    system: { prepend: the words of the house, append: more }
    set: { /a: { b: 1 } }
    default: { /t: 0.5 }
    clamp: { /m: [-1, 2.5] }
    remove: [/x]
    headers: { set: { x-token: { env: A_VARIABLE } }, remove: [x-foo] }
    session: { rotate: 12h }
    stream: { by: sentence }
  - { name: small, remove: [/y] }
"#,
    );
    let list = |name: &str| {
        let key = gateway.config.keys.iter().find(|key| &*key.name == name);
        listing(&gateway.config, key.expect("a key"))
    };
    let found = list("team");
    let expected = serde_json::json!({
        "name": "full",
        "object": "adapter",
        "when": {
            "user_agent": "Cherry*", "model": "m*", "project": "p", "header": {"x-a": "b*"},
            "body_has": "/thinking", "dialect": "gemini", "stream": true,
        },
        "system": ["prepend", "append"],
        "remove": ["/x"],
        "set": {"/a": {"b": 1}},
        "default": {"/t": 0.5},
        "clamp": {"/m": [-1, 2.5]},
        "headers": {"set": ["x-token"], "remove": ["x-foo"]},
        "session": {"rotate_seconds": 43200},
        "stream": {"by": "sentence"},
    });
    assert_eq!(found["data"][0], expected);
    let text = found.to_string();
    assert!(
        !text.contains("sk-value") && !text.contains("house"),
        "{text}"
    );
    let small = serde_json::json!([{"name": "small", "object": "adapter", "remove": ["/y"]}]);
    assert_eq!(list("guest")["data"], small);
}

proptest! {
    /// Every member that no pointer refers to keeps its bytes.
    #[test]
    fn untouched_members_keep_their_bytes(
        before in "[ \n]{0,3}",
        text in "[a-z\u{e9}\u{1f600} ]{0,12}",
        number in any::<i64>(),
        extra in prop::collection::btree_map("x[a-z]{1,4}", any::<u32>(), 0..5),
    ) {
        let kept = format!(r#""messages":{before}[{{"role":"user","content":"{text}\u00e4\/"}},{before}{number}e0 ]"#);
        let extra: Vec<String> = extra.iter().map(|(name, value)| format!(r#""{name}"{before}:{before}{value}"#)).collect();
        let body = format!(r#"{before}{{"model":"m",{before}"max_tokens":{number},{kept},"gone":1{}{}{before}}}"#,
            if extra.is_empty() { "" } else { "," }, extra.join(","));
        let gateway = one("set: { /a/b: 1 }, clamp: { /max_tokens: [1, 10] }, remove: [/gone], system: { append: bye }");
        let sent = TestRequest::new(MESSAGES, &body).sent(&gateway);
        prop_assert!(sent.contains(&kept));
        for member in &extra {
            prop_assert!(sent.contains(member));
        }
        let sent: Value = serde_json::from_str(&sent).expect("JSON");
        prop_assert_eq!(&sent["a"]["b"], 1);
        prop_assert_eq!(&sent["system"], "bye");
        prop_assert_eq!(sent["max_tokens"].as_i64(), Some(number.clamp(1, 10)));
        prop_assert!(sent.get("gone").is_none());
    }
}
