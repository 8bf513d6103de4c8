//! Regrouped streams: the recorded streams of the passthrough goldens, in every unit, however their bytes are cut.
//!
//! What must hold is said with a reader of its own, which knows no more than where each dialect has its text: the text of
//! every block is the same, every other event is there in its place, and the pieces are units.
use std::path::Path;

use bytes::Bytes;
use serde_json::{Value, json};
use weir::protocol::Dialect;
use weir::protocol::regroup::{Regroup, Unit};

const UNITS: [Unit; 4] = [Unit::Character, Unit::Message, Unit::Sentence, Unit::Word];

struct Case {
    name: String,
    dialect: Dialect,
    array: bool,
    bytes: Vec<u8>,
}

impl Case {
    fn stage(&self, unit: Unit) -> Regroup {
        if self.array {
            Regroup::json_array(unit)
        } else {
            Regroup::new(self.dialect, unit)
        }
    }

    fn regrouped<'a>(&self, unit: Unit, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut stage = self.stage(unit);
        let mut out = Vec::new();
        for chunk in chunks {
            stage.push(chunk);
            out.extend_from_slice(&stage.take());
        }
        stage.finish();
        out.extend_from_slice(&stage.take());
        out
    }

    /// The events of a stream, parsed where they are JSON.
    fn events(&self, bytes: &[u8]) -> Vec<Value> {
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        if self.array {
            return match serde_json::from_str(&text) {
                Ok(Value::Array(events)) => events,
                Ok(other) => vec![other],
                Err(_) => Vec::new(),
            };
        }
        let frames = text.split("\n\n").filter(|frame| !frame.trim().is_empty());
        let data = frames.map(|frame| {
            let data = frame.lines().filter_map(|line| line.strip_prefix("data:"));
            let data: String = data.collect::<Vec<_>>().join("\n");
            serde_json::from_str(&data).unwrap_or_else(|_| json!(frame))
        });
        data.collect()
    }
}

fn cases() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/passthrough");
    let files = std::fs::read_dir(directory).expect("goldens");
    let mut cases = Vec::new();
    let paths = files.map(|entry| entry.expect("an entry").path());
    for path in paths.filter(|path| path.extension().is_some_and(|found| found == "txt")) {
        let file = std::fs::read(&path).expect("a golden");
        let text = String::from_utf8_lossy(&file);
        let (head, rest) = text.split_once("\n=== stream\n").expect("a head");
        let (stream, _) = rest.split_once("\n=== facts\n").expect("a ruler");
        let mut words = head.split(' ');
        let dialect = words
            .next()
            .and_then(Dialect::from_name)
            .expect("a dialect");
        let form = words.next().expect("a form");
        if form == "answer" {
            continue;
        }
        let crlf = words.next() == Some("crlf");
        let stream = if crlf {
            stream.replace('\n', "\r\n")
        } else {
            stream.to_owned()
        };
        cases.push(Case {
            name: path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            dialect,
            array: form == "array",
            bytes: stream.into_bytes(),
        });
    }
    cases
}

/// The block and the text of an event that carries text.
fn text_of(dialect: Dialect, event: &Value) -> Option<(String, String)> {
    let (block, text) = match dialect {
        Dialect::Anthropic => (event["index"].to_string(), &event["delta"]["text"]),
        Dialect::OpenaiChat => {
            let choice = &event["choices"][0];
            let text = match &choice["delta"]["content"] {
                Value::Null => &choice["text"],
                content => content,
            };
            (choice["index"].to_string(), text)
        }
        Dialect::OpenaiResponses => {
            if event["type"] != "response.output_text.delta" {
                return None;
            }
            (
                event["item_id"].to_string() + &event["content_index"].to_string(),
                &event["delta"],
            )
        }
        Dialect::Gemini => {
            let candidate = &event["candidates"][0];
            let part = &candidate["content"]["parts"][0];
            if part["thought"] == true {
                return None;
            }
            (candidate["index"].to_string(), &part["text"])
        }
    };
    let text = text.as_str().filter(|text| !text.is_empty())?;
    Some((block, text.to_owned()))
}

/// What a client makes of a stream: runs of text, joined, and between them the other events.
fn meaning(case: &Case, events: &[Value]) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for event in events {
        let mut event = event.clone();
        if let Some(object) = event.as_object_mut() {
            object.shift_remove("sequence_number");
        }
        let Some((block, text)) = text_of(case.dialect, &event) else {
            found.push(event);
            continue;
        };
        // A role that comes with text is as good as one that comes before it.
        let choice = &event["choices"][0];
        let said = found
            .iter()
            .any(|event| event["choices"][0]["delta"]["role"].is_string());
        if choice["delta"]["role"].is_string() && choice["finish_reason"].is_null() && !said {
            let mut opening = event.clone();
            opening["choices"][0]["delta"]["content"] = "".into();
            found.push(opening);
        }
        match found
            .last_mut()
            .filter(|last| last["block"] == block.as_str())
        {
            Some(last) => {
                let joined = last["text"].as_str().unwrap_or_default().to_owned() + &text;
                last["text"] = joined.into();
            }
            None => found.push(json!({"block": block, "text": text})),
        }
        // What an event says beside its text counts once, as the last that says so.
        if let Some(usage) = event.get("usage").or(event.get("usageMetadata")) {
            let last = found.last_mut().expect("one");
            last["usage"] = usage.clone();
        }
        let choice = &event["choices"][0]["finish_reason"];
        let candidate = &event["candidates"][0]["finishReason"];
        if choice.is_string() || candidate.is_string() {
            found.push(json!({"closed": [choice, candidate]}));
        }
    }
    // A ping may pass text that is held.
    let (pings, mut rest): (Vec<Value>, Vec<Value>) = found.into_iter().partition(is_aside);
    let mut joined: Vec<Value> = Vec::new();
    for event in rest.drain(..) {
        match joined.last_mut() {
            Some(last) if event.get("block").is_some() && last["block"] == event["block"] => {
                let text = last["text"].as_str().unwrap_or_default().to_owned()
                    + event["text"].as_str().unwrap_or_default();
                last["text"] = text.into();
                if let Some(usage) = event.get("usage") {
                    last["usage"] = usage.clone();
                }
            }
            _ => joined.push(event),
        }
    }
    joined.extend(pings);
    joined
}

fn is_aside(event: &Value) -> bool {
    event.as_str().is_some_and(|frame| !frame.contains("data:"))
        || matches!(event["type"].as_str(), Some("ping" | "keepalive"))
}

#[test]
fn nothing_is_lost_and_nothing_moves() {
    let cases = cases();
    assert!(cases.len() > 60, "only {} streams", cases.len());
    for case in &cases {
        let before = meaning(case, &case.events(&case.bytes));
        for unit in UNITS {
            let out = case.regrouped(unit, [case.bytes.as_slice()]);
            let after = meaning(case, &case.events(&out));
            assert_eq!(after, before, "{} by {}", case.name, unit.as_str());
        }
    }
}

#[test]
fn how_the_bytes_are_cut_does_not_matter() {
    for (number, case) in cases().iter().enumerate() {
        for unit in UNITS {
            let whole = case.regrouped(unit, [case.bytes.as_slice()]);
            let singly = case.regrouped(unit, case.bytes.chunks(1));
            assert_eq!(singly, whole, "{} by {}", case.name, unit.as_str());
        }
        // At every offset in one unit: where frames begin does not depend on it.
        let unit = UNITS[number % UNITS.len()];
        let whole = case.regrouped(unit, [case.bytes.as_slice()]);
        for at in 0..=case.bytes.len() {
            let (head, rest) = case.bytes.split_at(at);
            let split = case.regrouped(unit, [head, rest]);
            assert_eq!(split, whole, "{} by {} at {at}", case.name, unit.as_str());
        }
    }
}

/// The texts of the events of a small stream in `dialect`, regrouped.
fn texts(dialect: Dialect, unit: Unit, pieces: &[&str]) -> Vec<String> {
    let case = Case {
        name: String::new(),
        dialect,
        array: false,
        bytes: pieces
            .iter()
            .flat_map(|text| frame(dialect, text))
            .collect(),
    };
    let out = case.regrouped(unit, [case.bytes.as_slice()]);
    let events = case.events(&out);
    events
        .iter()
        .filter(|event| event["choices"][0]["delta"]["content"] != "")
        .map(|event| text_of(dialect, event).expect("text").1)
        .collect()
}

fn frame(dialect: Dialect, text: &str) -> Vec<u8> {
    let data = match dialect {
        Dialect::Anthropic => {
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
        }
        Dialect::OpenaiChat => {
            json!({"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": null, "logprobs": null}]})
        }
        Dialect::OpenaiResponses => {
            json!({"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": text, "sequence_number": 7, "logprobs": []})
        }
        Dialect::Gemini => {
            json!({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}], "usageMetadata": {"totalTokenCount": 3}})
        }
    };
    format!("data: {data}\n\n").into_bytes()
}

#[test]
fn every_dialect_in_every_unit() {
    let pieces = ["He", "llo wor", "ld. 你", "好。e", "\u{301}"];
    for dialect in Dialect::ALL {
        let by = |unit| texts(dialect, unit, &pieces);
        assert_eq!(by(Unit::Sentence), ["Hello world. ", "你好。", "e\u{301}"]);
        assert_eq!(
            by(Unit::Word),
            ["Hello ", "world. ", "你", "好。", "e\u{301}"]
        );
        assert_eq!(by(Unit::Message), ["Hello world. 你好。e\u{301}"]);
        let characters = by(Unit::Character);
        assert_eq!(characters.len(), 17, "{characters:?}");
        assert_eq!(characters.concat(), pieces.concat());
    }
}

#[test]
fn a_frame_that_carries_more_than_text_stays_whole() {
    let chat = Case {
        name: String::new(),
        dialect: Dialect::OpenaiChat,
        array: false,
        bytes: Vec::new(),
    };
    let logprobs = json!({"choices": [{"index": 0, "delta": {"content": "a b"}, "logprobs": {"content": []}}]});
    let tool = json!({"choices": [{"index": 0, "delta": {"content": "a b", "tool_calls": [{"index": 0}]}}]});
    let half = r#"{"choices":[{"index":0,"delta":{"content":"a \ud83d"}}]}"#;
    for data in [logprobs.to_string(), tool.to_string(), half.to_owned()] {
        let held = frame(Dialect::OpenaiChat, "x y");
        let stream = [&held, format!("data: {data}\n\n").as_bytes()].concat();
        let out = chat.regrouped(Unit::Character, [stream.as_slice()]);
        let out = String::from_utf8(out).expect("text");
        assert!(out.ends_with(&format!("data: {data}\n\n")), "{out}");
        let texts = out.matches(r#""content":"#).count() - data.matches(r#""content":"#).count();
        assert_eq!((texts, out.matches("assistant").count()), (4, 1), "{out}");
    }
}

/// Some servers say it with the first text, some with every. `OpenAI`'s SDK for Python joins what it is told twice, the one
/// for Node fails when it is never told.
#[test]
fn the_role_is_said_once_and_before_the_text() {
    let chat = |role: &str, text: &str, reason: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{{role}\"content\":\"{text}\"}},\"finish_reason\":{reason}}}]}}\n\n"
        )
    };
    let (said, unsaid) = (r#""role":"assistant","#, "");
    for roles in [
        [said, unsaid, unsaid, unsaid],
        [said; 4],
        [unsaid, said, said, unsaid],
        [unsaid, unsaid, unsaid, said],
    ] {
        let [first, second, third, last] = roles;
        let stream = [
            chat(first, "Hel", "null"),
            chat(second, "lo you. And", "null"),
            chat(third, " you", "null"),
            chat(last, " too. Bye", "\"stop\""),
        ];
        let case = Case {
            name: String::new(),
            dialect: Dialect::OpenaiChat,
            array: false,
            bytes: stream.concat().into_bytes(),
        };
        for unit in UNITS {
            let events = case.events(&case.regrouped(unit, [case.bytes.as_slice()]));
            let choices: Vec<&Value> = events.iter().map(|event| &event["choices"][0]).collect();
            let with_role = |choice: &&&Value| choice["delta"]["role"] == "assistant";
            let name = unit.as_str();
            assert_eq!(
                choices.iter().filter(with_role).count(),
                1,
                "{name}: {events:?}"
            );
            if first == said {
                assert_eq!(
                    choices[0]["delta"],
                    json!({"role": "assistant", "content": ""})
                );
            }
            let texts = choices
                .iter()
                .filter_map(|choice| choice["delta"]["content"].as_str());
            assert_eq!(texts.collect::<String>(), "Hello you. And you too. Bye");
            let closed = choices
                .iter()
                .position(|choice| choice["finish_reason"] == "stop");
            assert_eq!(closed, Some(choices.len() - 1), "{name}: {events:?}");
        }
    }
}

#[test]
fn the_text_of_a_closing_event_is_part_of_the_text() {
    let closing = |reason: Value| json!({"candidates": [{"content": {"parts": [{"text": " two. Three"}]}, "finishReason": reason, "index": 0}], "usageMetadata": {"totalTokenCount": 9}});
    let case = Case {
        name: String::new(),
        dialect: Dialect::Gemini,
        array: false,
        bytes: [
            frame(Dialect::Gemini, "One"),
            format!("data: {}\n\n", closing("STOP".into())).into_bytes(),
        ]
        .concat(),
    };
    let out = case.regrouped(Unit::Sentence, [case.bytes.as_slice()]);
    let events = case.events(&out);
    assert_eq!(events.len(), 2);
    assert_eq!(
        text_of(case.dialect, &events[0]).expect("text").1,
        "One two. "
    );
    assert!(events[0]["candidates"][0]["finishReason"].is_null());
    assert_eq!(text_of(case.dialect, &events[1]).expect("text").1, "Three");
    assert_eq!(events[1]["candidates"][0]["finishReason"], "STOP");
    assert_eq!(events[1]["usageMetadata"]["totalTokenCount"], 9);
}

#[test]
fn pings_pass_and_numbers_go_up_by_one() {
    let mut stage = Regroup::new(Dialect::OpenaiResponses, Unit::Character);
    let mut out = Vec::new();
    let event = |kind: &str, number: u64| {
        let data = json!({"type": kind, "sequence_number": number});
        Bytes::from(format!("event: {kind}\ndata: {data}\n\n"))
    };
    stage.push(&event("response.created", 6));
    stage.push(&frame(Dialect::OpenaiResponses, "abc"));
    out.extend_from_slice(&stage.take());
    out.extend_from_slice(&stage.ping(event("response.in_progress", 8)));
    stage.push(&event("response.completed", 9));
    stage.finish();
    out.extend_from_slice(&stage.take());
    let case = Case {
        name: String::new(),
        dialect: Dialect::OpenaiResponses,
        array: false,
        bytes: out.clone(),
    };
    let events = case.events(&out);
    let numbers: Vec<u64> = events
        .iter()
        .filter_map(|event| event["sequence_number"].as_u64())
        .collect();
    assert_eq!(numbers, [6, 7, 8, 9, 10, 11]);
    let kinds: Vec<&str> = events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    let delta = "response.output_text.delta";
    let expected = [
        "response.created",
        delta,
        delta,
        "response.in_progress",
        delta,
        "response.completed",
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn what_breaks_readers_of_lines_is_escaped() {
    let text = "a\u{2028}b\u{2029}c\u{85}d";
    let case = Case {
        name: String::new(),
        dialect: Dialect::Gemini,
        array: false,
        bytes: frame(Dialect::Gemini, text),
    };
    let out = case.regrouped(Unit::Message, [case.bytes.as_slice()]);
    let out = String::from_utf8(out).expect("text");
    assert!(!out.contains(['\u{2028}', '\u{2029}', '\u{85}']), "{out}");
    assert_eq!(
        text_of(case.dialect, &case.events(out.as_bytes())[0])
            .expect("text")
            .1,
        text
    );
}

#[test]
fn what_one_event_becomes_is_bounded() {
    let text = "ab ".repeat(200_000);
    for unit in UNITS {
        let case = Case {
            name: String::new(),
            dialect: Dialect::Gemini,
            array: false,
            bytes: frame(Dialect::Gemini, &text),
        };
        let out = case.regrouped(unit, [case.bytes.as_slice()]);
        assert!(
            out.len() < 16 << 20,
            "{} bytes by {}",
            out.len(),
            unit.as_str()
        );
        let events = case.events(&out);
        let texts = events
            .iter()
            .filter_map(|event| text_of(case.dialect, event));
        assert_eq!(texts.map(|(_, text)| text).collect::<String>(), text);
    }
}
