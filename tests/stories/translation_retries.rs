//! When the first foreign account will not do: another dialect that can say it, and a second try of a model that failed.
use crate::rig::{KEY, Upstream, Weir, accounts, sample};
use crate::translation::{answering, before, only};
use weir::protocol::Dialect;

/// The search must be called, and only its vendors can run it.
const SEARCH: &str = r#"{"model":"claude-sonnet-4-5","max_tokens":16,"tool_choice":{"type":"tool","name":"web_search"},"tools":[{"type":"web_search_20250305","name":"web_search"}],"messages":[{"role":"user","content":"Hi"}]}"#;

#[test]
fn what_one_dialect_cannot_say_another_says() {
    let (chat, responses) = (
        sample(Dialect::OpenaiChat),
        sample(Dialect::OpenaiResponses),
    );
    let mute = Upstream::start(|_, _| panic!("nothing is asked"));
    let there = answering(responses);
    let weir = Weir::start(&accounts(&[
        only("mute", &chat, &mute, ""),
        only("mute-too", &chat, &mute, ""),
        only("able", &responses, &there, ", priority: 1"),
    ]));
    let answer = weir.post("/v1/messages", SEARCH).send().is(200);
    assert_eq!(answer.account(), "able");
    assert!(String::from_utf8_lossy(&there.only().body).contains("web_search"));

    // The account that could say it is out: that passes, so the request is not at fault.
    weir.tell("/admin/accounts/able/drain").is(200);
    let refused = weir.post("/v1/messages", SEARCH).send();
    assert!(refused.status >= 500, "{}", refused.status_and_body());
    // Nothing was asked of the others, so nothing is held against them.
    assert_eq!(weir.account("mute")["in_flight"], 0);
    assert_eq!(weir.account("mute")["state"], "usable");
}

#[test]
fn what_one_model_cannot_take_another_of_its_dialect_takes() {
    let (client, anthropic) = (sample(Dialect::OpenaiChat), sample(Dialect::Anthropic));
    let there = answering(anthropic);
    let named = |name: &str, model: &str, priority: u32| {
        let more = format!(", models: {{ gpt-5: {model} }}, priority: {priority}");
        only(name, &anthropic, &there, &more)
    };
    let forced = r#"{"model":"gpt-5","messages":[{"role":"user","content":"Hi"}],"tool_choice":"required","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]}"#;
    let weir = Weir::start(&accounts(&[
        named("never-forced", "claude-fable-5-1", 0),
        named("never-forced-too", "claude-fable-5-1", 1),
        named("able", "claude-sonnet-5", 2),
    ]));
    let answer = weir.post(client.path, forced).send().is(200);
    assert_eq!(answer.account(), "able");
    assert_eq!(there.count(), 1);

    let weir = Weir::start(&accounts(&[named("never-forced", "claude-fable-5-1", 0)]));
    let refused = weir.post(client.path, forced).send().is(400);
    assert_eq!(refused.json()["error"]["param"], "tool_choice");
}

#[test]
fn a_field_that_nobody_can_say_is_named_as_the_client_names_it() {
    let (client, anthropic) = (sample(Dialect::Gemini), sample(Dialect::Anthropic));
    let there = Upstream::start(|_, _| panic!("nothing is asked"));
    let weir = before(&there, &anthropic);
    let ask = client
        .ask
        .replacen('{', r#"{"generationConfig":{"candidateCount":2},"#, 1);
    let refused = weir.post(client.path, ask).send().is(400);
    let text = refused.text();
    assert!(text.contains("generationConfig.candidateCount"), "{text}");
}

/// A model that fails to write its call `failures` times, then answers.
fn stumbling(failures: usize) -> Upstream {
    let gemini = sample(Dialect::Gemini);
    Upstream::start(move |request, wire| {
        let stumble = r#"{"candidates":[{"content":{"role":"model","parts":[]},"finishReason":"MALFORMED_FUNCTION_CALL","index":0}],"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9},"modelVersion":"gemini-2.5-flash"}"#;
        let stream = request.target.contains("alt=sse");
        match (request.number < failures, stream) {
            (true, true) => wire.events(&[&format!("data: {stumble}\n\n")]),
            (true, false) => wire.json(200, stumble),
            (false, true) => wire.events(&gemini.events()),
            (false, false) => wire.json(200, gemini.answer),
        }
    })
}

#[test]
fn a_malformed_call_is_tried_once_more_in_place() {
    let (client, gemini) = (sample(Dialect::Anthropic), sample(Dialect::Gemini));
    for stream in [false, true] {
        let there = stumbling(1);
        let weir = before(&there, &gemini);
        let ask = |weir: &Weir| {
            if stream {
                weir.ask_stream(&client).send()
            } else {
                weir.ask(&client).send()
            }
        };
        let answer = ask(&weir).is(200);
        assert!(answer.text().contains("lo"), "{}", answer.text());
        assert_eq!(
            (there.count(), answer.header("x-weir-attempts")),
            (2, Some("2"))
        );
        // The provider bills what the model spoilt, too.
        weir.until_metric("weir_tokens_total", &[("kind", "input")], 9.0 + 10.0);

        // Once: after that the client is told, and nobody is out because of it.
        let there = stumbling(usize::MAX);
        let weir = before(&there, &gemini);
        for _ in 0..4 {
            let failed = ask(&weir).is(500);
            let (kind, message) = client.error(&failed.json());
            assert_eq!(kind, "api_error");
            assert!(message.contains("MALFORMED_FUNCTION_CALL"), "{message}");
        }
        assert_eq!(there.count(), 8);
        assert_eq!(weir.account("a")["state"], "usable");
        weir.until_metric("weir_tokens_total", &[("kind", "input")], 8.0 * 9.0);
    }
}

/// A compatible server that knows no cache markers: it is asked once more without, and from then on without.
#[test]
fn who_refuses_cache_markers_is_asked_without_them() {
    const REFUSALS: [&str; 3] = [
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"system.0.cache_control: Extra inputs are not permitted"}}"#,
        r#"{"message":"This model doesn't support prompt caching."}"#,
        r#"{"message":"Malformed input request: #: extraneous key [cache_control] is not permitted, please reformat your input and try again."}"#,
    ];
    let (client, anthropic) = (sample(Dialect::OpenaiChat), sample(Dialect::Anthropic));
    let long = "word ".repeat(9_000);
    let body = |stream: bool| {
        format!(
            r#"{{"model":"gpt-5","stream":{stream},"messages":[{{"role":"system","content":"{long}"}},{{"role":"user","content":"Hi"}}],"tools":[{{"type":"function","function":{{"name":"f","parameters":{{"type":"object"}}}}}}]}}"#
        )
    };
    for refusal in REFUSALS {
        let there = Upstream::start(move |request, wire| {
            let body = String::from_utf8_lossy(&request.body);
            if body.contains("cache_control") {
                wire.json(400, refusal);
            } else if body.contains("\"stream\":true") {
                wire.events(&sample(Dialect::Anthropic).events());
            } else {
                wire.json(200, sample(Dialect::Anthropic).answer);
            }
        });
        let weir = Weir::start(&accounts(&[only("a", &anthropic, &there, "")]));
        weir.post(client.path, body(true)).send().is(200);
        assert_eq!(there.count(), 2, "{refusal}");
        weir.post(client.path, body(false)).send().is(200);
        assert_eq!(there.count(), 3, "{refusal}");
        let labels = [("account", "a"), ("member", "cache_control")];
        weir.until_metric("weir_additions_refused_total", &labels, 1.0);
        let question = format!(
            r#"{{"path":"{}","headers":{{"authorization":"Bearer {KEY}"}},"body":{}}}"#,
            client.path,
            body(false)
        );
        let told = weir.admin("POST", "/admin/explain").body(question).send();
        let told = told.is(200).json();
        let dropped = told["upstream"]["dropped"].to_string();
        assert!(dropped.contains("cache_control"), "{dropped}");
    }
    // A 400 about something else is the client's.
    let there = Upstream::json(
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"tools.0: bad"}}"#,
    );
    let weir = Weir::start(&accounts(&[only("a", &anthropic, &there, "")]));
    weir.post(client.path, body(false)).send().is(400);
    assert_eq!(there.count(), 1);
}
