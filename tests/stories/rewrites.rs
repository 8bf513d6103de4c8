//! Client adapters: what the upstream gets, and what is said of them.
use crate::rig::{ALL, KEY, Lines, Upstream, Weir, account, accounts, sample};
use serde_json::{Value, json};
use weir::protocol::Dialect;

/// An upstream that answers in this dialect, and a Weir before it with these rewrites.
fn before(lines: &Lines, rewrites: &str) -> (Upstream, Weir) {
    let upstream = Upstream::json(200, lines.answer);
    let entries = [account("a", lines, &upstream, "")];
    let weir = Weir::start(&(accounts(&entries) + rewrites));
    (upstream, weir)
}

#[test]
fn the_body_is_changed_in_place_and_nothing_else_of_it() {
    let rewrites = r#"
rewrites:
  - name: adapter
    when: { user_agent: "cherry*", body_has: /x }
    remove: [/gone]
    set: { /made/on/the/way: [1] }
    default: { /kept: 2, /given: 3 }
    clamp: { /n: [10, 20] }
"#;
    let lines = sample(Dialect::OpenaiChat);
    let (upstream, weir) = before(&lines, rewrites);
    let body = r#"{ "model" : "gpt-5", "x":{ "y" : [ 1.0 ,"\u00e9" ]},"gone":1, "n": 5, "kept": 1, "messages":[ ] }"#;
    weir.post(lines.path, body)
        .header("user-agent", "CherryStudio/1.2")
        .send()
        .is(200);
    let expected = r#"{ "model" : "gpt-5", "x":{ "y" : [ 1.0 ,"\u00e9" ]}, "n": 10, "kept": 1, "messages":[ ],"made":{"on":{"the":{"way":[1]}}},"given":3 }"#;
    assert_eq!(String::from_utf8_lossy(&upstream.only().body), expected);
    // A request that does not match goes through as it came.
    weir.post(lines.path, body).send().is(200);
    assert_eq!(upstream.requests()[1].body, body.as_bytes());
}

#[test]
fn a_system_prompt_is_added_in_every_dialect() {
    let rewrites =
        "rewrites:\n  - { name: house, system: { prepend: Be brief., append: Be kind. } }\n";
    for lines in ALL.map(sample) {
        let (upstream, weir) = before(&lines, rewrites);
        weir.ask(&lines).send().is(200);
        let sent: Value = serde_json::from_slice(&upstream.only().body).expect("JSON");
        let both = "Be brief.\n\nBe kind.";
        match lines.dialect {
            Dialect::Anthropic => assert_eq!(sent["system"], both),
            Dialect::OpenaiChat => {
                let message = json!({"role": "system", "content": both});
                assert_eq!(sent["messages"][0], message);
                assert_eq!(sent["messages"][1]["content"], "Hi");
            }
            Dialect::OpenaiResponses => assert_eq!(sent["instructions"], both),
            Dialect::Gemini => {
                let parts = json!([{"text": "Be brief."}, {"text": "Be kind."}]);
                assert_eq!(sent["systemInstruction"]["parts"], parts);
            }
        }
        let line = weir.line(|line| line["status"] == 200);
        assert_eq!(line["rewrites"], json!(["house"]));
    }
}

#[test]
fn a_cached_prompt_stays_where_its_breakpoint_is() {
    let lines = sample(Dialect::Anthropic);
    let rewrites = "rewrites:\n  - { name: house, system: { prepend: Be brief. } }\n";
    let (upstream, weir) = before(&lines, rewrites);
    let blocks = r#"{"type":"text","text":"x-anthropic-billing-header: cc_version=2;"},{"type":"text","text":"You are","cache_control":{"type":"ephemeral"}}"#;
    let body = format!(
        r#"{{"model":"claude-sonnet-4-5","system":[{blocks}],"max_tokens":1,"messages":[]}}"#
    );
    weir.post(lines.path, body).send().is(200);
    let sent: Value = serde_json::from_slice(&upstream.only().body).expect("JSON");
    let texts: Vec<&str> = sent["system"]
        .as_array()
        .expect("blocks")
        .iter()
        .filter_map(|block| block["text"].as_str())
        .collect();
    assert_eq!(
        texts,
        [
            "x-anthropic-billing-header: cc_version=2;",
            "Be brief.",
            "You are"
        ]
    );
    assert_eq!(sent["system"][2]["cache_control"]["type"], "ephemeral");
}

#[test]
fn an_account_of_another_dialect_gets_the_rewritten_request() {
    let rewrites = r"
rewrites:
  - name: house
    system: { prepend: Be brief. }
    clamp: { /max_tokens: [100, 200] }
    headers: { set: { x-tenant: blue } }
";
    let upstream = Upstream::json(200, sample(Dialect::OpenaiChat).answer);
    let entries = [account("a", &sample(Dialect::OpenaiChat), &upstream, "")];
    let weir = Weir::start(&(accounts(&entries) + rewrites));
    weir.ask(&sample(Dialect::Anthropic)).send().is(200);
    let request = upstream.only();
    let sent: Value = serde_json::from_slice(&request.body).expect("JSON");
    assert_eq!(sent["messages"][0]["content"], "Be brief.");
    assert_eq!(sent["max_tokens"], 100);
    assert_eq!(request.headers.get("x-tenant"), Some("blue"));
}

#[test]
fn headers_are_set_and_removed_but_the_account_has_the_last_word() {
    let rewrites = r#"
rewrites:
  - name: first
    headers: { remove: [x-foo], set: { x-client: cherry, x-twice: one, x-own: mine, referer: "https://example.com" } }
  - { name: second, headers: { remove: [x-client], set: { x-twice: two } } }
"#;
    let lines = sample(Dialect::OpenaiChat);
    let upstream = Upstream::json(200, lines.answer);
    let own = ", headers: { x-own: the-account }";
    let entries = [account("a", &lines, &upstream, own)];
    let weir = Weir::start(&(accounts(&entries) + rewrites));
    let answer = weir
        .ask(&lines)
        .header("x-foo", "1")
        .header("x-bar", "2")
        .send()
        .is(200);
    assert_eq!(answer.header("x-weir-rewrites"), Some("first, second"));
    let headers = upstream.only().headers;
    let expected = [
        ("x-foo", None),
        ("x-bar", Some("2")),
        ("x-client", None),
        ("x-twice", Some("two")),
        ("x-own", Some("the-account")),
        ("referer", Some("https://example.com")),
        ("authorization", Some("Bearer secret-of-a")),
    ];
    for (name, value) in expected {
        assert_eq!(headers.get(name), value, "{name}");
    }
}

#[test]
fn a_rewrite_is_no_way_around_the_models_of_a_key() {
    let rest = format!(
        "keys:\n  - {{ name: team, key: {KEY}, models: [\"claude-*\"] }}\n{}",
        r"
rewrites:
  - { name: up, when: { model: claude-up }, set: { /model: gpt-9 } }
  - { name: alias, when: { model: fast }, set: { /model: claude-haiku-4-5 } }
"
    );
    let lines = sample(Dialect::Anthropic);
    let (upstream, weir) = before(&lines, &rest);
    let ask = |model| weir.post(lines.path, lines.ask.replace("claude-sonnet-4-5", model));
    let refused = ask("claude-up").send().is(403).json();
    assert!(lines.error(&refused).1.contains("gpt-9"), "{refused}");
    ask("fast").send().is(200);
    let sent: Value = serde_json::from_slice(&upstream.only().body).expect("JSON");
    assert_eq!(sent["model"], "claude-haiku-4-5");
}

#[test]
fn the_model_of_gemini_is_changed_in_the_path() {
    let lines = sample(Dialect::Gemini);
    let rewrites = "rewrites:\n  - { name: alias, set: { /model: gemini-3-pro } }\n";
    let (upstream, weir) = before(&lines, rewrites);
    weir.ask(&lines).send().is(200);
    let request = upstream.only();
    assert_eq!(
        request.target,
        "/v1beta/models/gemini-3-pro:generateContent"
    );
    assert_eq!(request.body, lines.ask.as_bytes());
    weir.line(|line| line["model"] == "gemini-3-pro" && line["model_served"] == "gemini-3-pro");
}

#[test]
fn a_count_counts_what_the_client_has() {
    let rewrites = "rewrites:\n  - { name: house, system: { prepend: Be brief. }, default: { /temperature: 1 }, session: { rotate: 12h }, headers: { set: { x-a: b } } }\n";
    let lines = sample(Dialect::Anthropic);
    let (upstream, weir) = before(&lines, rewrites);
    let body = r#"{"model":"claude-sonnet-4-5","messages":[]}"#;
    weir.post("/v1/messages/count_tokens", body).send().is(200);
    let request = upstream.only();
    assert_eq!(request.body, body.as_bytes());
    assert_eq!(request.headers.get("x-a"), Some("b"));
}

#[test]
fn a_session_keeps_a_key_to_one_account() {
    let rewrites = "rewrites:\n  - { name: steady, session: { rotate: 12h } }\n";
    for lines in ALL.map(sample) {
        let upstream = Upstream::json(200, lines.answer);
        let entries: Vec<String> = ["a", "b", "c"]
            .iter()
            .map(|name| account(name, &lines, &upstream, ""))
            .collect();
        let weir = Weir::start(&(accounts(&entries) + rewrites));
        let ask = || weir.ask(&lines).send().is(200).account().to_owned();
        let first = ask();
        assert!((0..8).all(|_| ask() == first), "{}", lines.dialect);
        weir.line(|line| line["affinity"] == "hit");
        let sent: Value = serde_json::from_slice(&upstream.requests()[0].body).expect("JSON");
        match lines.dialect {
            Dialect::Anthropic => {
                let user = sent["metadata"]["user_id"].as_str().expect("a user");
                let user: Value = serde_json::from_str(user).expect("JSON");
                assert_eq!(user["session_id"].as_str().map(str::len), Some(36));
            }
            Dialect::Gemini => assert_eq!(upstream.requests()[0].body, lines.ask.as_bytes()),
            _ => assert_eq!(sent["prompt_cache_key"].as_str().map(str::len), Some(36)),
        }
    }
}

#[test]
fn the_list_of_adapters() {
    let rest = format!(
        "keys:\n  - {{ name: team, key: {KEY} }}\n  - {{ name: guest, key: k-guest }}\n{}",
        r#"
rewrites:
  - name: cherry-studio
    when: { user_agent: "CherryStudio*" }
    system: { prepend: words of the house }
    headers: { set: { x-token: a-secret-value } }
  - { name: of-team, when: { key: team }, remove: [/logprobs] }
"#
    );
    let (_upstream, weir) = before(&sample(Dialect::Anthropic), &rest);
    let list = weir.get("/adapters").send().is(200);
    assert!(!list.text().contains("a-secret-value"), "{}", list.text());
    let list = list.json();
    let expected = json!({"object": "list", "data": [
        {
            "name": "cherry-studio", "object": "adapter", "when": {"user_agent": "CherryStudio*"},
            "system": ["prepend"], "headers": {"set": ["x-token"], "remove": []},
        },
        {"name": "of-team", "object": "adapter", "remove": ["/logprobs"]},
    ]});
    assert_eq!(list, expected);
    let guest = weir.get("/adapters").key("k-guest").send().is(200).json();
    assert_eq!(guest["data"].as_array().map(Vec::len), Some(1), "{guest}");
    weir.get("/adapters")
        .without("authorization")
        .send()
        .is(401);
}
