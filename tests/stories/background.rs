//! A stream of a response that is made in the background goes on without its client: it is booked when it is done, once.
use std::time::Duration;

use serde_json::Value;

use crate::rig::{KEY, Lines, Upstream, Weir, account, accounts, eventually, sample};
use weir::protocol::Dialect;

const USAGE: &str = r#"{"input_tokens":13,"input_tokens_details":{"cached_tokens":3},"output_tokens":5,"total_tokens":18}"#;

/// A response of this state, made on the tier of batches, which costs half.
fn response(state: &str) -> String {
    let usage = if state == "completed" { USAGE } else { "null" };
    format!(
        r#"{{"id":"resp_1","object":"response","created_at":1,"status":"{state}","background":true,"error":null,"model":"gpt-5","service_tier":"flex","output":[],"usage":{usage}}}"#
    )
}

fn event(kind: &str, data: &str) -> String {
    format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":0,{data}}}\n\n")
}

fn begins() -> [String; 2] {
    [
        event(
            "response.created",
            &format!("\"response\":{}", response("in_progress")),
        ),
        event(
            "response.output_text.delta",
            "\"item_id\":\"m\",\"output_index\":0,\"content_index\":0,\"delta\":\"Hello\"",
        ),
    ]
}

fn ends() -> String {
    event(
        "response.completed",
        &format!("\"response\":{}", response("completed")),
    )
}

/// How what makes it goes on after the first words.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Waits,
    Breaks,
    Ends,
}

/// Two accounts: the first makes it, the second knows nothing. A dollar a token.
fn in_the_background(first: Then, fetched: Then) -> (Upstream, Upstream, Weir) {
    let lines: Lines = sample(Dialect::OpenaiResponses);
    let upstream = Upstream::start(move |request, wire| {
        let then = match (
            request.method.as_str(),
            request.target.contains("stream=true"),
        ) {
            ("POST", _) => first,
            (_, true) => fetched,
            _ => return wire.json(200, response("completed")),
        };
        wire.stream();
        for event in begins() {
            wire.chunk(event);
        }
        match then {
            Then::Waits => {
                wire.closes_within(Duration::from_secs(20));
            }
            Then::Breaks => wire.reset(),
            Then::Ends => {
                wire.chunk(ends());
                wire.end();
            }
        }
    });
    let other = Upstream::json(404, "{}");
    let weir = Weir::start(&format!(
        "keys: [{{ name: team, key: \"{KEY}\", debug: true, limits: {{ usd_per_day: 1000000 }} }}]\n\
         prices: [{{ model: \"*\", input: 1000000, output: 1000000 }}]\n{}",
        accounts(&[
            account("a", &lines, &upstream, ", priority: 1"),
            account("b", &lines, &other, ", priority: 2"),
        ])
    ));
    (upstream, other, weir)
}

/// Asks for it as a stream; leaves after the first words, or reads on.
fn ask(weir: &Weir, leaves: bool) {
    let lines = sample(Dialect::OpenaiResponses);
    let body = lines.ask.replacen(
        '{',
        r#"{"background":true,"stream":true,"max_output_tokens":16,"#,
        1,
    );
    let mut open = weir.post(lines.path, body).open();
    while let Some(event) = open.event() {
        if leaves && event.contains("Hello") {
            break;
        }
    }
    drop(open);
    let end = weir.line(|line| line["method"] == "POST");
    assert_eq!(end["end"] == "client_gone", leaves, "{end}");
}

/// Tokens and dollars of the key today.
fn today(weir: &Weir) -> (u64, f64) {
    let usage: Value = weir.get("/v1/usage").send().is(200).json();
    let today = &usage["key"]["today"];
    (
        today["total_tokens"].as_u64().expect("a number"),
        today["usd"].as_f64().expect("a number"),
    )
}

/// What is half of a dollar a token.
const WHOLE: (u64, f64) = (18, 9.0);

/// Fetches it: booked at once, at the price of its tier, and never again.
fn is_booked_once(weir: &Weir) {
    for _ in 0..3 {
        let fetched = weir.get("/v1/responses/resp_1").send().is(200);
        assert!(fetched.text().contains("completed"), "{}", fetched.text());
        assert_eq!(today(weir), WHOLE);
    }
    let booked = |line: &&Value| line["usage_source"] == "reported";
    weir.line(|line| booked(&line));
    assert_eq!(weir.lines().iter().filter(booked).count(), 1);
    weir.until_metric("weir_tokens_total", &[("kind", "output")], 5.0);
    weir.until_metric("weir_cost_usd_total", &[("key", "team")], 9.0);
}

#[test]
fn a_client_that_leaves_such_a_stream_pays_for_the_whole_once() {
    let (_upstream, _other, weir) = in_the_background(Then::Waits, Then::Ends);
    ask(&weir, true);
    assert_eq!(today(&weir), (0, 0.0), "nothing is booked yet");
    is_booked_once(&weir);
}

#[test]
fn such_a_stream_that_breaks_off_is_booked_when_it_is_fetched() {
    let (_upstream, _other, weir) = in_the_background(Then::Breaks, Then::Ends);
    ask(&weir, false);
    assert_eq!(today(&weir), (0, 0.0), "nothing is booked yet");
    is_booked_once(&weir);
}

#[test]
fn such_a_stream_that_is_read_to_its_end_is_booked_there() {
    let (_upstream, _other, weir) = in_the_background(Then::Ends, Then::Ends);
    ask(&weir, false);
    eventually("it is booked", || (today(&weir) == WHOLE).then_some(()));
    is_booked_once(&weir);
}

#[test]
fn what_was_left_twice_is_booked_by_whoever_reads_it_to_the_end() {
    let (_upstream, _other, weir) = in_the_background(Then::Waits, Then::Ends);
    ask(&weir, true);
    let whole = weir.get("/v1/responses/resp_1?stream=true").send().is(200);
    assert!(whole.text().contains("response.completed"));
    eventually("it is booked", || (today(&weir) == WHOLE).then_some(()));
    is_booked_once(&weir);

    let (_upstream, _other, weir) = in_the_background(Then::Waits, Then::Waits);
    ask(&weir, true);
    let mut open = weir.get("/v1/responses/resp_1?stream=true").open();
    while let Some(event) = open.event() {
        if event.contains("Hello") {
            break;
        }
    }
    drop(open);
    weir.line(|line| line["method"] == "GET" && line["end"] == "client_gone");
    assert_eq!(today(&weir), (0, 0.0), "nothing is booked yet");
    is_booked_once(&weir);
}

#[test]
fn a_stream_in_the_background_reserves_until_it_is_booked() {
    let (upstream, _other, weir) = in_the_background(Then::Waits, Then::Ends);
    drop(weir);
    let lines = sample(Dialect::OpenaiResponses);
    // Its estimate is 42 dollars; a second one does not fit beside it.
    let weir = Weir::start(&format!(
        "keys: [{{ name: team, key: \"{KEY}\", limits: {{ usd_per_day: 60 }} }}]\n\
         prices: [{{ model: \"*\", input: 1000000, output: 1000000 }}]\n{}",
        accounts(&[account("a", &lines, &upstream, "")])
    ));
    ask(&weir, true);
    let second = lines.ask.replacen('{', r#"{"max_output_tokens":16,"#, 1);
    weir.post(lines.path, second).send().is(429);
    is_booked_once(&weir);
}
