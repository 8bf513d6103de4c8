//! Clients of OpenAI Responses that go on from an answer, on upstreams that keep none.
use crate::rig::{Call, KEY, Upstream, Weir, accounts, sample};
use crate::translation::{answering, only};
use weir::protocol::Dialect;

fn weir(upstream: &Upstream, more: &str) -> Weir {
    let lines = sample(Dialect::Anthropic);
    Weir::start(&format!(
        "{}{more}",
        accounts(&[only("a", &lines, upstream, "")])
    ))
}

fn ask(weir: &Weir, body: &str) -> Call {
    weir.post("/v1/responses", body)
}

/// The body that the upstream got last.
fn heard(upstream: &Upstream) -> String {
    let requests = upstream.requests();
    let last = requests.last().expect("a request");
    String::from_utf8(last.body.clone()).expect("text")
}

fn id(answer: &serde_json::Value) -> String {
    answer["id"].as_str().expect("an id").to_owned()
}

#[test]
fn the_second_turn_brings_the_first_along_streamed_or_not() {
    let upstream = answering(sample(Dialect::Anthropic));
    let weir = weir(&upstream, "");
    let first = ask(&weir, r#"{"model":"claude-sonnet-4-5","input":"one"}"#);
    let first = first.send().is(200).json();
    assert_eq!(first["store"], true, "{first}");
    let second = format!(
        r#"{{"model":"claude-sonnet-4-5","stream":true,"previous_response_id":"{}","input":[{{"role":"user","content":"two"}}]}}"#,
        id(&first)
    );
    let second = ask(&weir, &second).send().is(200);
    let body = heard(&upstream);
    let at = |text: &str| body.find(text).unwrap_or_else(|| panic!("{text}: {body}"));
    assert!(at("one") < at("Hello") && at("Hello") < at("two"), "{body}");
    let done = second.text().lines().find_map(|line| {
        let data = line.strip_prefix("data: ")?;
        data.contains("response.completed").then_some(data)
    });
    let done: serde_json::Value = serde_json::from_str(done.expect("an end")).expect("JSON");
    let third = format!(
        r#"{{"model":"claude-sonnet-4-5","previous_response_id":"{}","input":"three"}}"#,
        id(&done["response"])
    );
    ask(&weir, &third).send().is(200);
    let body = heard(&upstream);
    assert_eq!(body.matches("\"Hello\"").count(), 2, "{body}");
    assert!(body.contains("one") && body.contains("two") && body.contains("three"));
}

#[test]
fn an_item_may_be_named_in_place_of_being_sent() {
    let upstream = answering(sample(Dialect::Anthropic));
    let weir = weir(&upstream, "");
    let first = ask(&weir, r#"{"model":"claude-sonnet-4-5","input":"one"}"#);
    let first = first.send().is(200).json();
    let item = first["output"][0]["id"].as_str().expect("an item");
    let second = format!(
        r#"{{"model":"claude-sonnet-4-5","input":[{{"role":"user","content":"one"}},{{"type":"item_reference","id":"{item}"}},{{"role":"user","content":"two"}}]}}"#
    );
    ask(&weir, &second).send().is(200);
    let body = heard(&upstream);
    assert!(
        body.contains("Hello") && !body.contains("item_reference"),
        "{body}"
    );
}

#[test]
fn a_kept_answer_is_read_and_deleted_by_its_own_key_alone() {
    let upstream = answering(sample(Dialect::Anthropic));
    let weir = weir(
        &upstream,
        &format!(
            "keys:\n  - {{ name: own, key: {KEY}, models: [\"claude-*\"] }}\n  - {{ name: another, key: another-key-of-a-client }}\n"
        ),
    );
    let first = ask(&weir, r#"{"model":"claude-sonnet-4-5","input":"one"}"#);
    let first = first.send().is(200).json();
    let path = format!("/v1/responses/{}", id(&first));
    assert_eq!(weir.get(&path).send().is(200).json()["id"], first["id"]);
    let items = weir.get(&format!("{path}/input_items")).send().is(200);
    assert_eq!(items.json()["data"][0]["content"], "one");
    // No account here could know it, so there is nobody else to ask.
    let foreign = |method| {
        weir.call(method, &path)
            .without("authorization")
            .key("another-key-of-a-client")
    };
    foreign("GET").send().is(404);
    foreign("DELETE").send().is(404);
    let named = format!(
        r#"{{"model":"claude-sonnet-4-5","previous_response_id":"{}","input":"x"}}"#,
        id(&first)
    );
    let refused = weir
        .post("/v1/responses", &named)
        .without("authorization")
        .key("another-key-of-a-client")
        .send()
        .is(400);
    assert!(
        refused.text().contains("\\\"store\\\": false"),
        "{}",
        refused.text()
    );
    assert_eq!(
        weir.call("DELETE", &path).send().is(200).json()["deleted"],
        true
    );
    ask(&weir, &named).send().is(400);
    assert_eq!(upstream.count(), 1);
}

#[test]
fn what_is_not_to_be_kept_is_not() {
    let upstream = answering(sample(Dialect::Anthropic));
    let on = weir(&upstream, "");
    let ask_once = |weir: &Weir, more: &str| {
        let body = format!(r#"{{"model":"claude-sonnet-4-5","input":"one"{more}}}"#);
        ask(weir, &body).send().is(200).json()
    };
    let refused = |weir: &Weir, first: &serde_json::Value| {
        let body = format!(
            r#"{{"model":"claude-sonnet-4-5","previous_response_id":"{}","input":"x"}}"#,
            id(first)
        );
        ask(weir, &body).send().is(400);
    };
    let first = ask_once(&on, r#","store":false"#);
    assert_eq!(first["store"], false, "{first}");
    refused(&on, &first);
    let off = weir(&upstream, "responses: { store: off }\n");
    let first = ask_once(&off, r#","store":true"#);
    assert_eq!(first["store"], false, "{first}");
    refused(&off, &first);
}
