//! Streams whose text comes in other pieces than the upstream sent it.
use crate::rig::{ALL, Lines, Upstream, Weir, account, accounts, sample};
use serde_json::Value;
use std::time::Duration;
use weir::protocol::Dialect;

fn rewrites(unit: &str) -> String {
    format!("rewrites:\n  - {{ name: pieces, stream: {{ by: {unit} }} }}\n")
}

fn before(upstream: &Upstream, lines: &Lines, unit: &str) -> Weir {
    let dialect = format!(", dialect: {}", lines.dialect);
    let entries = [account("a", lines, upstream, &dialect)];
    Weir::start(&(accounts(&entries) + &rewrites(unit)))
}

/// The sample's stream with these texts in place of its first delta, up to its end.
fn stream(lines: &Lines, texts: &[&str]) -> Vec<String> {
    let quoted = |text: &str| format!("{}\"", Value::from(text).to_string().trim_end_matches('"'));
    let mut events: Vec<String> = Vec::new();
    for event in lines.events() {
        if event.contains("\"Hel\"") {
            events.extend(
                texts
                    .iter()
                    .map(|text| event.replace("\"Hel\"", &quoted(text))),
            );
        } else if event.contains("\"lo\"") {
            events.push(event.replace("\"lo\"", &quoted(" Bye")));
        } else {
            events.push(event.to_owned());
        }
    }
    events
}

fn sending(events: Vec<String>) -> Upstream {
    Upstream::start(move |_, wire| {
        wire.stream();
        for event in &events {
            wire.chunk(event);
        }
        wire.end();
    })
}

/// The texts of the deltas of a stream.
fn texts(dialect: Dialect, stream: &str) -> Vec<String> {
    let events = stream.split("\n\n").filter_map(|frame| {
        let data = frame.lines().find_map(|line| line.strip_prefix("data: "))?;
        serde_json::from_str::<Value>(data).ok()
    });
    let text = |event: Value| {
        let text = match dialect {
            Dialect::Anthropic => &event["delta"]["text"],
            Dialect::OpenaiChat => &event["choices"][0]["delta"]["content"],
            Dialect::OpenaiResponses => &event["delta"],
            Dialect::Gemini => &event["candidates"][0]["content"]["parts"][0]["text"],
        };
        text.as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    events.filter_map(text).collect()
}

const PIECES: [&str; 4] = ["One. T", "wo! 你", "好。", "End."];

#[test]
fn by_sentence_in_every_dialect() {
    for lines in ALL.map(sample) {
        let upstream = sending(stream(&lines, &PIECES));
        let weir = before(&upstream, &lines, "sentence");
        let answer = weir.ask_stream(&lines).send().is(200);
        assert!(answer.whole);
        let expected = ["One. ", "Two! ", "你好。", "End. ", "Bye"];
        assert_eq!(texts(lines.dialect, answer.text()), expected);
        for mark in lines.marks {
            assert!(answer.text().contains(mark), "{}", answer.text());
        }
        // What was used is read from what the upstream sent.
        weir.until_metric("weir_tokens_total", &[("kind", "output")], 5.0);
        weir.line(|line| line["end"] == "complete" && line["rewrites"][0] == "pieces");
    }
}

#[test]
fn of_whatever_dialect_the_upstream_is() {
    for client in ALL.map(sample) {
        for upstream_lines in ALL.map(sample) {
            let upstream = sending(stream(&upstream_lines, &PIECES));
            let weir = before(&upstream, &upstream_lines, "message");
            let answer = weir.ask_stream(&client).send().is(200);
            let found = texts(client.dialect, answer.text());
            assert_eq!(found, ["One. Two! 你好。End. Bye"], "{}", answer.text());
        }
    }
}

#[test]
fn a_stream_of_gemini_as_one_array() {
    for upstream_lines in [sample(Dialect::Gemini), sample(Dialect::Anthropic)] {
        let upstream = if upstream_lines.dialect == Dialect::Gemini {
            let events = stream(&upstream_lines, &PIECES);
            let elements: Vec<&str> = events
                .iter()
                .map(|event| event.trim_start_matches("data: ").trim_end())
                .collect();
            let array = format!("[{}]", elements.join(",\r\n"));
            Upstream::start(move |_, wire| wire.json(200, &array))
        } else {
            sending(stream(&upstream_lines, &PIECES))
        };
        let weir = before(&upstream, &upstream_lines, "sentence");
        let lines = sample(Dialect::Gemini);
        let path = lines.stream_path.trim_end_matches("?alt=sse");
        let answer = weir.post(path, lines.ask).send().is(200);
        let array = answer.json();
        let events = array.as_array().expect("an array");
        let text = |event: &Value| {
            let part = &event["candidates"][0]["content"]["parts"][0]["text"];
            part.as_str()
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let found: Vec<String> = events.iter().filter_map(text).collect();
        assert_eq!(found, ["One. ", "Two! ", "你好。", "End. ", "Bye"]);
    }
}

#[test]
fn what_waits_goes_out_before_the_error_that_ends_a_stream() {
    for lines in ALL.map(sample) {
        let opening = lines.opening;
        let upstream = Upstream::start(move |_, wire| {
            wire.stream();
            for event in opening {
                wire.chunk(event);
            }
            wire.close();
        });
        let weir = before(&upstream, &lines, "message");
        let answer = weir.ask_stream(&lines).send().is(200);
        assert_eq!(texts(lines.dialect, answer.text()), ["Hel"]);
        let (text, error) = (answer.text().find("Hel"), answer.text().find("error"));
        assert!(error.is_some() && text < error, "{}", answer.text());
        weir.until_metric("weir_stream_end_total", &[("reason", "upstream_eof")], 1.0);
    }
}

#[test]
fn other_events_do_not_wait_for_text() {
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::start(move |_, wire| {
        wire.stream();
        lines.opening.iter().for_each(|event| wire.chunk(event));
        wire.closes_within(Duration::from_secs(25));
    });
    let weir = before(&upstream, &lines, "message");
    let mut open = weir.ask_stream(&lines).open();
    // The text that came with them waits for the end of its block.
    for event in &lines.opening[..2] {
        assert_eq!(open.event().as_deref(), Some(*event));
    }
}

#[test]
fn a_plain_answer_is_not_touched() {
    let lines = sample(Dialect::Anthropic);
    let upstream = Upstream::json(200, lines.answer);
    let weir = before(&upstream, &lines, "character");
    let answer = weir.ask(&lines).send().is(200);
    assert_eq!(answer.text(), lines.answer);
}
