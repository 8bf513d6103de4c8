//! The soak proves nothing if its judges cannot say no.
use serde_json::{Value, json};

use super::*;
use client::{Asked, Outcome};
use dialect::{Dialect, Reading, StreamEnd};
use ledger::Tokens;

/// Reads a stream; what is wrong with it, or how it ended.
fn read(dialect: Dialect, events: &[&str]) -> Result<Option<StreamEnd>, &'static str> {
    let mut reading = Reading::new(dialect);
    for event in events {
        reading.event(event)?;
    }
    Ok(reading.finish())
}

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n";
const OPEN: &str = "event: content_block_start\ndata: {\"type\":\"content_block_start\"}\n\n";
const DELTA: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"ab\"}}\n\n";
const SHUT: &str = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\"}\n\n";
const REASON: &str =
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":7}}\n\n";
const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const ERROR: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"x\"}}\n\n";

#[test]
fn streams_of_anthropic() {
    let read = |events: &[&str]| read(Dialect::Anthropic, events);
    let whole = [START, OPEN, DELTA, SHUT, REASON, STOP];
    assert_eq!(read(&whole), Ok(Some(StreamEnd::Complete)));
    assert_eq!(read(&whole[..5]), Ok(None));
    assert_eq!(
        read(&[START, OPEN, DELTA, ERROR]),
        Ok(Some(StreamEnd::Error))
    );
    for bad in [
        &[OPEN][..],
        &[START, DELTA],
        &[START, OPEN, STOP],
        &[START, OPEN, DELTA, ERROR, STOP],
        &[START, OPEN, SHUT, REASON, STOP, DELTA],
        &["event: x\ndata: {\"type\":\"message_start\"}\n\n"],
        &["event: error\ndata: {\"type\":\"error\"}\n\n"],
        &["data: {\n\n"],
        &["nonsense\n\n"],
    ] {
        assert!(read(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn streams_of_the_others() {
    let chunk = "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"delta\":{\"content\":\"ab\"},\"finish_reason\":null}]}\n\n";
    let reason = "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let done = "data: [DONE]\n\n";
    assert_eq!(
        read(Dialect::Chat, &[chunk, reason, done]),
        Ok(Some(StreamEnd::Complete))
    );
    assert_eq!(read(Dialect::Chat, &[chunk]), Ok(None));
    assert!(read(Dialect::Chat, &[chunk, done]).is_err());
    assert!(read(Dialect::Chat, &["data: {\"error\":{}}\n\n"]).is_err());
    let created =
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0}\n\n";
    let completed = "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":1}\n\n";
    assert_eq!(
        read(Dialect::Responses, &[created, completed]),
        Ok(Some(StreamEnd::Complete))
    );
    assert_eq!(read(Dialect::Responses, &[created]), Ok(None));
    assert!(read(Dialect::Responses, &[completed]).is_err());
    assert!(read(Dialect::Responses, &[created, created]).is_err());
    let candidate = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"ab\"}]}}]}\n\n";
    let last = "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n";
    assert_eq!(
        read(Dialect::Gemini, &[candidate, last]),
        Ok(Some(StreamEnd::Complete))
    );
    assert_eq!(read(Dialect::Gemini, &[candidate]), Ok(None));
}

const TOKENS: Tokens = Tokens {
    input: 10,
    cache_read: 3,
    output: 5,
};

fn line(source: &str, output: u64) -> Value {
    json!({
        "request_id": "soak-7", "account": "a", "status": 200, "end": "complete", "usage_source": source,
        "tokens": {"input": 10, "cache_read": 3, "output": output}, "cost_usd": (10_300 + 5_000 * output) as f64 / 1e9,
        "client_dialect": "gemini", "upstream_dialect": "gemini", "attempts": [{}],
    })
}

fn complete(text: u64) -> Outcome {
    Outcome::Complete {
        text,
        usage: Some(TOKENS),
    }
}

/// The kinds of violations of one request.
fn judged(outcome: Outcome, lines: &[Value]) -> Vec<String> {
    let ledger = Ledger::default();
    ledger.ask(Asked {
        id: 7,
        dialect: Dialect::Gemini,
        pool: None,
        stream: true,
        usage: true,
        tokens: TOKENS,
        pace: 0,
        leaves: None,
        says: "",
        fills: false,
    });
    ledger.attempt(7, "a");
    ledger.state(7, "a", TOKENS);
    for line in lines {
        ledger.line(line.clone());
    }
    ledger.settle(7, outcome);
    ledger.close().violations.into_keys().collect()
}

#[test]
fn every_request_is_judged() {
    let none: [&str; 0] = [];
    assert_eq!(judged(complete(20), &[line("reported", 5)]), none);
    assert_eq!(judged(Outcome::Left, &[line("partial", 1)]), none);
    assert_eq!(judged(Outcome::Left, &[line("partial", 10)]), none);
    for (outcome, lines, expected) in [
        (complete(20), vec![], "a request without an access line"),
        (
            complete(20),
            vec![line("reported", 5), line("reported", 5)],
            "a second access line",
        ),
        (
            complete(20),
            vec![line("reported", 6)],
            "tokens other than the upstream stated",
        ),
        (
            Outcome::Left,
            vec![line("partial", 11)],
            "more tokens than the answer could have had",
        ),
        (
            complete(20),
            vec![line("partial", 5)],
            "a complete answer without its usage",
        ),
        (
            Outcome::Left,
            vec![line("estimated", 11)],
            "an estimate of more than twice the answer",
        ),
        (
            complete(20),
            vec![{
                let mut line = line("reported", 5);
                line["cost_usd"] = json!(0.000_035_301);
                line
            }],
            "a cost that is not that of its tokens",
        ),
        (
            complete(20),
            vec![line("estimated", 5)],
            "tokens estimated although the upstream stated them",
        ),
        (
            complete(19),
            vec![line("reported", 5)],
            "a complete answer whose text is not what was sent",
        ),
        (
            Outcome::Refused { status: 502 },
            vec![line("reported", 5)],
            "another status than Weir logs",
        ),
        (Outcome::Broken("half"), vec![line("reported", 5)], "half"),
    ] {
        assert_eq!(judged(outcome, &lines), [expected]);
    }
    let ledger = Ledger::default();
    ledger.line(json!({"request_id": "soak-8"}));
    assert_eq!(ledger.close().violations.len(), 1);
}

#[test]
fn options_are_read() {
    let read = |text: &str| Options::from_args(text.split_whitespace().map(str::to_owned));
    let options = read("--duration 20s --clients 3")
        .expect("good")
        .expect("a run");
    assert_eq!(
        (options.duration, options.clients),
        (Duration::from_secs(20), 3)
    );
    let warm_up = |text: &str| read(text).expect("good").expect("a run").warm_up.as_secs();
    assert_eq!(options.warm_up, Duration::from_secs(4));
    assert_eq!(warm_up("--duration 2m"), 120);
    assert_eq!(warm_up("--duration 3m"), 180);
    assert_eq!(warm_up("--duration 20m"), 300);
    assert!(read("--help").expect("good").is_none());
    for bad in ["--duration", "--duration 5", "--nothing 1", "--clients x"] {
        assert!(read(bad).is_err(), "{bad}");
    }
}
