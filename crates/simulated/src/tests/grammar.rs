//! Each dialect's streams obey its grammar and add up to its plain answer.
//!
//! The checks are strict where the official accumulators only hope: a repeated role, an id sent twice or a block that
//! opens before the last one is closed breaks some client, if not this one.
mod openai;

use serde_json::{Value, json};

use super::{Rig, Seen, parse};

/// Prompts that between them walk every way through a stream.
const PROMPTS: [&str; 11] = [
    "hello",
    "[[sim output-tokens=0]]",
    "häßlich \u{2028} 🦀 \"quoted\\\" \u{7} [[sim chunk=1]]",
    "[[sim output-tokens=300 chunk=3 ping-every=4]]",
    "[[sim reasoning=30]] think",
    "call f {\"a\": [1, \"}\"], \"b\": \"two\\nlines\"}",
    "call f {\"a\": 1} and call g and call f {} [[sim chunk=1]]",
    "call f {\"a\": 1} [[sim output-tokens=40 reasoning=9]]",
    "[[sim refuse]]",
    "[[sim length output-tokens=20]]",
    "[[sim cut=7 gather=0 output-tokens=20]]",
];

/// Runs a check on every prompt, with and without reasoning.
fn for_all(check: impl Fn(&str, bool)) {
    for prompt in PROMPTS {
        for reasoning in [false, true] {
            check(prompt, reasoning);
        }
    }
}

/// The frames of a stream: the event's name and its data.
fn frames(seen: &Seen) -> Vec<(Option<&str>, &str)> {
    assert!(seen.body.ends_with("\n\n"), "the last frame is not whole");
    let frames = seen.body.trim_start_matches('\n').split("\n\n");
    let frames = frames.map(|frame| frame.trim_start_matches('\n'));
    frames
        .filter(|frame| !frame.is_empty() && !frame.starts_with(':'))
        .map(|frame| match frame.split_once('\n') {
            Some((event, data)) => (
                event.strip_prefix("event: "),
                data.strip_prefix("data: ").expect("data"),
            ),
            None => (None, frame.strip_prefix("data: ").expect("data")),
        })
        .collect()
}

fn string<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

fn append(value: &mut Value, text: &str) {
    let whole = value.as_str().unwrap_or_default().to_owned() + text;
    *value = json!(whole);
}

#[test]
fn anthropic_streams_obey_their_grammar() {
    for_all(|prompt, reasoning| {
        let body = |stream: bool| {
            let mut body = json!({
                "model": "m", "max_tokens": 9999, "stream": stream,
                "messages": [{"role": "user", "content": prompt}],
                "tools": [{"name": "f", "input_schema": {}}, {"name": "g", "input_schema": {}}],
            });
            if reasoning {
                body["thinking"] = json!({"type": "adaptive"});
            }
            body.to_string()
        };
        let stream = Rig::new().post("/v1/messages", &body(true));
        let mut whole = parse(&Rig::new().post("/v1/messages", &body(false)).body);
        let mut message = anthropic_message(&frames(&stream));
        // The body that asks for a stream is one letter shorter.
        for message in [&mut message, &mut whole] {
            message["usage"]["input_tokens"] = json!(0);
        }
        assert_eq!(message["content"], whole["content"], "{prompt}");
        for member in ["id", "stop_reason", "stop_sequence", "stop_details"] {
            assert_eq!(message[member], whole[member], "{prompt}: {member}");
        }
        assert_eq!(
            message["usage"]["output_tokens"],
            whole["usage"]["output_tokens"]
        );
    });
}

/// Accumulates a stream, strictly.
fn anthropic_message(frames: &[(Option<&str>, &str)]) -> Value {
    let mut message = Value::Null;
    let mut open: Option<usize> = None;
    let mut stopped = false;
    for (name, data) in frames {
        let event = parse(data);
        let kind = string(&event, "/type").to_owned();
        assert_eq!(*name, Some(kind.as_str()), "an unnamed frame is skipped");
        assert!(!stopped, "{kind} after message_stop");
        let index = event["index"]
            .as_u64()
            .and_then(|index| usize::try_from(index).ok());
        match kind.as_str() {
            "message_start" => {
                assert!(message.is_null(), "a second message_start");
                message = event["message"].clone();
                assert_eq!(message["content"], json!([]));
            }
            "ping" => assert!(!message.is_null()),
            "content_block_start" => {
                assert_eq!(open, None, "a block inside a block");
                let content = message["content"].as_array_mut().expect("content");
                assert_eq!(index, Some(content.len()));
                content.push(event["content_block"].clone());
                open = index;
            }
            "content_block_delta" => {
                assert_eq!(index, open);
                let block = &mut message["content"][index.expect("an index")];
                let delta = &event["delta"];
                match string(delta, "/type") {
                    "text_delta" => append(&mut block["text"], string(delta, "/text")),
                    "thinking_delta" => append(&mut block["thinking"], string(delta, "/thinking")),
                    "input_json_delta" => {
                        append(&mut block["json"], string(delta, "/partial_json"));
                    }
                    "signature_delta" => {
                        assert_eq!(block["signature"], "", "a second signature");
                        block["signature"] = delta["signature"].clone();
                    }
                    other => panic!("{other}"),
                }
            }
            "content_block_stop" => {
                assert_eq!(index, open.take());
                let block = &mut message["content"][index.expect("an index")];
                if let Some(raw) = block.as_object_mut().expect("a block").shift_remove("json") {
                    block["input"] =
                        parse(raw.as_str().filter(|raw| !raw.is_empty()).unwrap_or("{}"));
                }
            }
            "message_delta" => {
                assert_eq!(open, None, "message_delta inside a block");
                for (name, value) in event["delta"].as_object().expect("a delta") {
                    message[name] = value.clone();
                }
                message["usage"]["output_tokens"] = event["usage"]["output_tokens"].clone();
            }
            "message_stop" => stopped = true,
            other => panic!("{other}"),
        }
    }
    assert!(stopped, "no message_stop");
    message
}

#[test]
fn gemini_streams_obey_their_grammar() {
    for_all(|prompt, reasoning| {
        let mut body = json!({
            "contents": [{"role": "user", "parts": [{"text": prompt}]}],
            "tools": [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}],
        });
        if reasoning {
            body["generationConfig"] = json!({"thinkingConfig": {"includeThoughts": true}});
        }
        let body = body.to_string();
        let whole = parse(
            &Rig::new()
                .post("/v1beta/models/m:generateContent", &body)
                .body,
        );
        let sse = Rig::new().post("/v1beta/models/m:streamGenerateContent?alt=sse", &body);
        let array = Rig::new().post("/v1beta/models/m:streamGenerateContent", &body);
        let chunks: Vec<_> = frames(&sse)
            .iter()
            .map(|(name, data)| {
                assert_eq!(*name, None);
                assert!(
                    !data.contains(['\u{2028}', '\u{2029}', '\u{85}']),
                    "the SDK would cut the line"
                );
                parse(data)
            })
            .collect();
        assert_eq!(parse(&array.body), json!(chunks), "{prompt}");
        let (last, before) = chunks.split_last().expect("chunks");
        assert!(
            before
                .iter()
                .all(|chunk| chunk["candidates"][0].get("finishReason").is_none())
        );
        assert_eq!(
            last["candidates"][0]["finishReason"],
            whole["candidates"][0]["finishReason"]
        );
        assert_eq!(last["usageMetadata"], whole["usageMetadata"]);
        let parts = |chunks: &[Value]| gemini_parts(chunks);
        assert_eq!(parts(&chunks), parts(&[whole]), "{prompt}");
    });
}

/// The texts in one, the thoughts in one, the calls.
fn gemini_parts(chunks: &[Value]) -> (String, String, Vec<Value>) {
    let (mut text, mut thought, mut calls) = (String::new(), String::new(), Vec::new());
    for part in chunks.iter().flat_map(|chunk| {
        chunk["candidates"][0]["content"]["parts"]
            .as_array()
            .expect("parts")
    }) {
        if part.get("functionCall").is_some() {
            assert_eq!(
                part.get("thoughtSignature").is_some(),
                calls.is_empty(),
                "only the first call is signed"
            );
            calls.push(part["functionCall"].clone());
        } else if part["thought"] == true {
            thought.push_str(string(part, "/text"));
        } else {
            text.push_str(string(part, "/text"));
        }
    }
    (text, thought, calls)
}

/// One stream of each dialect as a file, to be looked at; `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn streams_look_like_their_goldens() {
    let prompt = "call f {\"a\": 1} [[sim output-tokens=8 reasoning=6 chunk=6]]";
    let cases = [
        (
            "anthropic",
            "/v1/messages",
            json!({
                "model": "m", "max_tokens": 9999, "stream": true, "thinking": {"type": "adaptive"},
                "tools": [{"name": "f", "input_schema": {}}], "messages": [{"role": "user", "content": prompt}],
            }),
        ),
        (
            "openai-chat",
            "/v1/chat/completions",
            json!({
                "model": "m", "stream": true, "stream_options": {"include_usage": true}, "reasoning_effort": "high",
                "tools": [{"type": "function", "function": {"name": "f"}}], "messages": [{"role": "user", "content": prompt}],
            }),
        ),
        (
            "openai-responses",
            "/v1/responses",
            json!({
                "model": "m", "stream": true, "reasoning": {"effort": "high", "summary": "auto"},
                "include": ["reasoning.encrypted_content"], "tools": [{"type": "function", "name": "f"}], "input": prompt,
            }),
        ),
        (
            "gemini",
            "/v1beta/models/m:streamGenerateContent?alt=sse",
            json!({
                "generationConfig": {"thinkingConfig": {"includeThoughts": true}},
                "tools": [{"functionDeclarations": [{"name": "f"}]}], "contents": [{"parts": [{"text": prompt}]}],
            }),
        ),
    ];
    for (name, target, body) in cases {
        let seen = Rig::new().post(target, &body.to_string());
        let path = format!("{}/src/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &seen.body).expect("the golden is written");
        }
        let golden = std::fs::read_to_string(&path).expect("the golden is there");
        assert_eq!(seen.body, golden, "{path}");
    }
}
