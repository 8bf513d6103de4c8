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
    let upstream = Upstream::start(|_, _| panic!("nobody is called"));
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
