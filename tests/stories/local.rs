//! What Weir answers itself, without an upstream.
use std::io::Read;

use weir::protocol::Dialect;

use crate::rig::{ALL, KEY, Upstream, Weir, account, accounts, sample};

fn weir(more: &str) -> (Upstream, Weir) {
    let upstream = Upstream::start(|_, _| panic!("nothing goes upstream"));
    let entries = ALL.map(|dialect| {
        let models = format!(", models: [\"{}-model\"]", dialect.as_str());
        account(dialect.as_str(), &sample(dialect), &upstream, &models)
    });
    let weir = Weir::start(&(accounts(&entries) + more));
    (upstream, weir)
}

#[test]
fn models_are_listed_in_the_dialect_of_the_caller() {
    let (_upstream, weir) = weir("");
    let openai = weir.get("/v1/models").send().is(200).json();
    assert_eq!(openai["object"], "list");
    let ids = |list: &serde_json::Value, id: &str| {
        let list = list.as_array().expect("a list");
        list.iter()
            .filter(|entry| entry[id].as_str().is_some_and(|id| id.ends_with("-model")))
            .count()
    };
    assert_eq!(ids(&openai["data"], "id"), 4, "{openai}");
    let anthropic = weir
        .get("/v1/models")
        .header("anthropic-version", "2023-06-01")
        .send()
        .is(200)
        .json();
    assert_eq!(anthropic["has_more"], false);
    assert_eq!(anthropic["data"][0]["type"], "model");
    assert_eq!(ids(&anthropic["data"], "id"), 4);
    let gemini = weir.get("/v1beta/models").send().is(200).json();
    assert_eq!(ids(&gemini["models"], "name"), 4, "{gemini}");
    let one = weir.get("/v1/models/anthropic-model").send().is(200).json();
    assert_eq!(one["id"], "anthropic-model");
    weir.get("/v1/models/unheard-of").send().is(404);
    weir.get("/v1/models")
        .without("authorization")
        .send()
        .is(401);
}

#[test]
fn a_key_sees_the_models_that_it_may_use() {
    let (_upstream, weir) = weir(&format!(
        "keys:\n  - {{ name: team, key: {KEY}, models: [\"gemini*\"] }}\n"
    ));
    let list = weir.get("/v1/models").send().is(200).json();
    let data = list["data"].as_array().expect("a list");
    assert_eq!(data.len(), 1, "{list}");
    weir.get("/v1/models/anthropic-model").send().is(404);
}

#[test]
fn the_small_endpoints_answer() {
    let (_upstream, weir) = weir("");
    for path in ["/", "/health", "/ready"] {
        weir.get(path).without("authorization").send().is(200);
        let head = weir.call("HEAD", path).without("authorization").start();
        let mut text = String::new();
        head.take(12)
            .read_to_string(&mut text)
            .expect("a status line");
        assert_eq!(text, "HTTP/1.1 200");
    }
    for path in ["/v1/models/capabilities", "/v1/providers", "/adapters"] {
        assert_eq!(weir.get(path).send().is(200).json()["object"], "list");
        weir.get(path).key("wrong").send().is(401);
    }
    let providers = weir.get("/v1/providers").send().text().to_owned();
    assert!(
        providers.contains("gemini") && !providers.contains("secret"),
        "{providers}"
    );
}

#[test]
fn an_unknown_path_or_method_is_said_in_the_callers_dialect() {
    let (_upstream, weir) = weir("");
    for path in ["/nothing", "/v2/messages", "/admin/reload", "/metrics"] {
        let answer = weir.get(path).send().is(404);
        assert!(
            answer.json()["error"]["message"].is_string(),
            "{}",
            answer.text()
        );
    }
    let answer = weir.get("/v1/messages/../../etc/passwd").send().is(400);
    assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    let answer = weir.get("/v1/messages").send().is(405);
    assert_eq!(answer.header("allow"), Some("POST"));
    assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    assert_eq!(answer.json()["type"], "error");
    weir.call("PUT", "/health").send().is(405);
    weir.get("/v1beta/models/x:generateContent").send().is(405);
}

#[test]
fn a_websocket_is_declined_at_once_so_that_codex_falls_back() {
    let (_upstream, weir) = weir("");
    let call = weir
        .get("/v1/responses")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket");
    call.send().is(426);
    weir.is_well();
}

#[test]
fn browsers_of_an_allowed_origin_are_let_in_and_no_others() {
    let (_upstream, weir) =
        weir("server: { cors: { allow_origins: [\"https://app.example.com\"] } }\n");
    let preflight = |origin: &str| {
        let call = weir
            .call("OPTIONS", "/v1/messages")
            .without("authorization")
            .header("origin", origin);
        let call = call.header("access-control-request-method", "POST");
        call.header("access-control-request-headers", "x-api-key, content-type")
            .send()
    };
    let answer = preflight("https://app.example.com").is(204);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example.com")
    );
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("x-api-key, content-type")
    );
    assert!(
        answer
            .header("access-control-allow-methods")
            .is_some_and(|methods| methods.contains("POST"))
    );
    assert_eq!(
        preflight("https://evil.example.com").header("access-control-allow-origin"),
        None
    );
    // Also refusals can be read by the page.
    let call = weir
        .get("/v1/models")
        .key("wrong")
        .header("origin", "https://app.example.com");
    let answer = call.send().is(401);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example.com")
    );
    assert_eq!(answer.header("vary"), Some("origin"));
}

#[test]
fn without_cors_nothing_is_said_about_origins() {
    let (_upstream, weir) = weir("");
    let answer = weir
        .get("/health")
        .header("origin", "https://app.example.com")
        .send()
        .is(200);
    assert!(!format!("{:?}", answer.headers).contains("access-control"));
}

/// Codex asks for models with its version and wants a shape of its own.
#[test]
fn codex_gets_its_own_list_beside_the_usual_one() {
    let upstream = Upstream::json(404, r#"{"error":{"message":"no lists here"}}"#);
    let anthropic = account("a", &sample(Dialect::Anthropic), &upstream, "");
    let openai = account("o", &sample(Dialect::OpenaiResponses), &upstream, "");
    let weir = Weir::start(&accounts(&[anthropic, openai]));
    let plain = weir.get("/v1/models").send().is(200).json();
    assert_eq!(plain.get("models"), None);
    let codex = weir
        .get("/v1/models?client_version=0.171.0")
        .send()
        .is(200)
        .json();
    assert_eq!(codex["data"], plain["data"]);
    let slugs = codex["models"].as_array().expect("a list").iter();
    let slugs: Vec<&str> = slugs.filter_map(|model| model["slug"].as_str()).collect();
    assert!(slugs.contains(&"claude-sonnet-5"), "{slugs:?}");
    assert!(
        !slugs.iter().any(|slug| slug.starts_with("gpt-")),
        "{slugs:?}"
    );
}

/// What is listed for a key can be asked with it, and what can be asked can be looked up: no more, no less.
#[test]
fn the_lists_agree_with_what_a_request_would_get() {
    let lines = sample(weir::protocol::Dialect::OpenaiChat);
    let upstream = Upstream::json(200, lines.answer);
    let entries = [
        account("a", &lines, &upstream, ", models: [alpha, \"gpt-4o*\"]"),
        account(
            "b",
            &lines,
            &upstream,
            ", models: { beta: beta, gamma: upstream-gamma }",
        ),
        account("c", &lines, &upstream, ""),
        account("d", &lines, &upstream, ", weight: 0, models: [delta]"),
    ];
    let weir = Weir::start(
        &(accounts(&entries)
            + &format!(
                r#"
pools:
  - {{ name: default, accounts: [a, d] }}
  - {{ name: second, accounts: [b] }}
  - {{ name: open, accounts: [c] }}
routes:
  - {{ when: {{ model: short }}, pool: second, model: beta }}
  - {{ when: {{ model: "beta" }}, pool: second }}
  - {{ when: {{ model: "gamma", group: inner }}, pool: second }}
  - {{ when: {{ model: "wild-*" }}, pool: open }}
  - {{ when: {{ model: lost }}, pool: second }}
groups:
  - {{ name: inner }}
keys:
  - {{ name: all, key: {KEY} }}
  - {{ name: some, key: some-key-0123456789abcdef, models: ["alpha", "short", "wild-1"] }}
  - {{ name: one, key: one-key-0123456789abcdef, pools: [default] }}
  - {{ name: inner, key: inner-key-0123456789abcdef, group: inner }}
"#
            )),
    );
    let names = [
        "alpha",
        "gpt-4o",
        "gpt-4o-new",
        "beta",
        "gamma",
        "upstream-gamma",
        "short",
        "wild-1",
        "wild-2",
        "lost",
        "delta",
        "unheard-of",
    ];
    let mut lengths = Vec::new();
    for key in [
        KEY,
        "some-key-0123456789abcdef",
        "one-key-0123456789abcdef",
        "inner-key-0123456789abcdef",
    ] {
        let list = weir.get("/v1/models").key(key).send().is(200).json();
        let listed: Vec<String> = list["data"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|entry| entry["id"].as_str().expect("an id").to_owned())
            .collect();
        lengths.push(listed.len());
        let asked = |model: &str| {
            let body =
                format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"a"}}]}}"#);
            weir.post(lines.path, body).key(key).send().status == 200
        };
        for model in &listed {
            assert!(asked(model), "{key}: {model} is listed");
        }
        for model in names {
            let answer = weir.get(&format!("/v1/models/{model}")).key(key).send();
            let told = asked(model);
            assert_eq!(answer.status == 200, told, "{key}: {model}");
            if told && !model.contains("new") && !model.starts_with("wild") {
                assert!(
                    listed.iter().any(|it| it == model),
                    "{key}: {model} in {listed:?}"
                );
            }
        }
    }
    assert!(lengths.iter().all(|length| *length > 1), "{lengths:?}");
    // The key's own name is listed although a pattern serves it.
    let list = weir
        .get("/v1/models")
        .key("some-key-0123456789abcdef")
        .send();
    assert!(list.text().contains("wild-1"), "{}", list.text());
}

/// An account that does not say which models it has lists what its upstream does, which is asked once in a while.
#[test]
fn an_account_without_models_lists_what_its_upstream_lists() {
    let chat = sample(Dialect::OpenaiChat);
    let listing = Upstream::json(
        200,
        r#"{"object":"list","data":[{"id":"house-7b"},{"id":"gpt-4o"}]}"#,
    );
    let silent = Upstream::json(500, r#"{"error":{"message":"no list today"}}"#);
    let named = Upstream::start(|_, _| panic!("it says itself what it has"));
    let gemini = Upstream::json(200, r#"{"models":[{"name":"models/house-flash"}]}"#);
    let google = sample(Dialect::Gemini);
    let weir = Weir::start(
        &(accounts(&[
            account("listing", &chat, &listing, ""),
            account("silent", &chat, &silent, ""),
            account("named", &chat, &named, ", models: [own]"),
            account("google", &google, &gemini, ""),
        ]) + &format!(
            r#"
keys:
  - {{ name: all, key: {KEY} }}
  - {{ name: some, key: some-key-0123456789abcdef, models: ["house-7*"] }}
"#
        )),
    );
    let listed = |key: &str| {
        let list = weir.get("/v1/models").key(key).send().is(200).json();
        let data = list["data"].as_array().expect("a list").clone();
        let ids = data
            .iter()
            .map(|entry| entry["id"].as_str().expect("an id").to_owned());
        ids.collect::<Vec<_>>()
    };
    for _ in 0..3 {
        assert_eq!(listed(KEY), ["gpt-4o", "house-7b", "house-flash", "own"]);
    }
    assert_eq!(listed("some-key-0123456789abcdef"), ["house-7b"]);
    for (upstream, path, header) in [
        (&listing, "/v1/models", "authorization"),
        (&silent, "/v1/models", "authorization"),
        (&gemini, "/v1beta/models?pageSize=1000", "x-goog-api-key"),
    ] {
        let request = upstream.only();
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("GET", path)
        );
        assert!(
            request
                .headers
                .get(header)
                .is_some_and(|key| key.contains("secret-of-"))
        );
    }
    // What it may be asked for has not changed: everything.
    weir.get("/v1/models/unheard-of").send().is(200);
    for name in ["listing", "silent", "google"] {
        assert_eq!(weir.account(name)["state"], "usable");
    }
}

#[test]
fn a_listed_model_says_when_it_came_and_how_much_it_takes() {
    let lines = sample(weir::protocol::Dialect::OpenaiChat);
    let upstream = Upstream::start(|_, _| panic!("nothing goes upstream"));
    let dated = "claude-opus-4-5-20251101";
    let models = format!(", models: [\"{dated}\", own, unknown]");
    let weir = Weir::start(
        &(accounts(&[account("a", &lines, &upstream, &models)])
            + "capabilities:\n  - { model: own, context_window: 5000, max_output_tokens: 700 }\n"),
    );
    let openai = weir
        .get(&format!("/v1/models/{dated}"))
        .send()
        .is(200)
        .json();
    assert_eq!(openai["created"], 1_761_955_200);
    assert_eq!(
        (&openai["context_length"], &openai["max_completion_tokens"]),
        (&200_000.into(), &64_000.into())
    );
    let call = weir.get(&format!("/v1/models/{dated}"));
    let anthropic = call.header("anthropic-version", "2023-06-01").send().json();
    assert_eq!(anthropic["created_at"], "2025-11-01T00:00:00Z");
    assert_eq!(
        (&anthropic["max_input_tokens"], &anthropic["max_tokens"]),
        (&200_000.into(), &64_000.into())
    );
    let gemini = weir.get("/v1beta/models/own").send().is(200).json();
    assert_eq!(
        (&gemini["inputTokenLimit"], &gemini["outputTokenLimit"]),
        (&5000.into(), &700.into())
    );
    // Nothing is invented.
    let unknown = weir.get("/v1/models/unknown").send().is(200).json();
    assert_eq!(
        (&unknown["created"], &unknown["context_length"]),
        (&0.into(), &serde_json::Value::Null)
    );
}
