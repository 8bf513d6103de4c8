//! What models say, as each dialect streams it, and what a client of each dialect hears.
use proptest::prelude::*;
use serde_json::{Value, json};
use weir::protocol::Dialect;

/// What a model says, apart from any dialect.
#[derive(Clone, Debug)]
pub enum Saying {
    Call { slot: usize, args: Value },
    Text(String),
    Thought(String),
}

pub fn sayings() -> impl Strategy<Value = Vec<Saying>> {
    let args = proptest::collection::vec(("[a-z]{1,4}", ".{0,12}"), 0..3).prop_map(|members| {
        members
            .into_iter()
            .map(|(key, value)| (key, json!(value)))
            .collect::<Value>()
    });
    let saying = prop_oneof![
        "[^\u{0}]{1,16}".prop_map(Saying::Text),
        ".{1,16}".prop_map(Saying::Thought),
        args.prop_map(|args| Saying::Call { slot: 0, args }),
    ];
    proptest::collection::vec(saying, 0..8).prop_map(|mut sayings| {
        let mut calls = 0;
        for saying in &mut sayings {
            if let Saying::Call { slot, .. } = saying {
                *slot = calls;
                calls += 1;
            }
        }
        sayings
    })
}

/// The sayings as Chat streams them; the fragments of neighbouring calls interleave.
fn as_chat(sayings: &[Saying], cut: usize) -> String {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        format!(
            "data: {}\n\n",
            json!({ "id": "c", "model": "m", "choices": [choice] })
        )
    };
    let mut stream = chunk(json!({ "role": "assistant", "content": "" }), Value::Null);
    let mut tails: Vec<(usize, String)> = Vec::new();
    let flush = |tails: &mut Vec<(usize, String)>, stream: &mut String| {
        for (slot, tail) in tails.drain(..) {
            let call = json!([{ "index": slot, "function": { "arguments": tail } }]);
            stream.push_str(&chunk(json!({ "tool_calls": call }), Value::Null));
        }
    };
    for saying in sayings {
        match saying {
            Saying::Text(text) => {
                flush(&mut tails, &mut stream);
                stream.push_str(&chunk(json!({ "content": text }), Value::Null));
            }
            Saying::Thought(text) => {
                flush(&mut tails, &mut stream);
                stream.push_str(&chunk(json!({ "reasoning_content": text }), Value::Null));
            }
            Saying::Call { slot, args } => {
                let args = args.to_string();
                let at = boundary(&args, cut);
                let call = json!([{
                    "index": slot, "id": format!("call_{slot}"), "type": "function",
                    "function": { "name": format!("tool_{slot}"), "arguments": args[..at] },
                }]);
                stream.push_str(&chunk(json!({ "tool_calls": call }), Value::Null));
                tails.push((*slot, args[at..].to_owned()));
            }
        }
    }
    flush(&mut tails, &mut stream);
    stream.push_str(&chunk(json!({}), json!("stop")));
    let usage = json!({ "prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15 });
    stream
        + &format!(
            "data: {}\n\ndata: [DONE]\n\n",
            json!({ "choices": [], "usage": usage })
        )
}

/// The sayings as Anthropic streams them.
fn as_anthropic(sayings: &[Saying], cut: usize) -> String {
    let event = |mut data: Value, kind: &str| {
        data["type"] = json!(kind);
        format!("event: {kind}\ndata: {data}\n\n")
    };
    let usage = json!({ "input_tokens": 12, "output_tokens": 1 });
    let mut stream = event(
        json!({ "message": { "id": "m", "model": "c", "content": [], "usage": usage } }),
        "message_start",
    );
    for (index, saying) in sayings.iter().enumerate() {
        let (block, deltas) = match saying {
            Saying::Text(text) => (
                json!({ "type": "text", "text": "" }),
                vec![json!({ "type": "text_delta", "text": text })],
            ),
            Saying::Thought(text) => (
                json!({ "type": "thinking", "thinking": "", "signature": "" }),
                vec![
                    json!({ "type": "thinking_delta", "thinking": text }),
                    json!({ "type": "signature_delta", "signature": "sig" }),
                ],
            ),
            Saying::Call { slot, args } => {
                let args = args.to_string();
                let at = boundary(&args, cut);
                let fragment =
                    |text: &str| json!({ "type": "input_json_delta", "partial_json": text });
                (
                    json!({ "type": "tool_use", "id": format!("call_{slot}"), "name": format!("tool_{slot}"), "input": {} }),
                    vec![fragment(&args[..at]), fragment(&args[at..])],
                )
            }
        };
        stream.push_str(&event(
            json!({ "index": index, "content_block": block }),
            "content_block_start",
        ));
        for delta in deltas {
            stream.push_str(&event(
                json!({ "index": index, "delta": delta }),
                "content_block_delta",
            ));
        }
        stream.push_str(&event(json!({ "index": index }), "content_block_stop"));
    }
    stream.push_str(&event(
        json!({ "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 3 } }),
        "message_delta",
    ));
    stream + &event(json!({}), "message_stop")
}

/// The sayings as Responses streams them; the fragments of neighbouring calls interleave.
fn as_responses(sayings: &[Saying], cut: usize) -> String {
    let event = |mut data: Value, kind: &str| {
        data["type"] = json!(kind);
        format!("event: {kind}\ndata: {data}\n\n")
    };
    let response = |status: &str, usage: Value| json!({ "response": { "id": "r", "model": "m", "status": status, "output": [], "usage": usage } });
    let mut stream = event(response("in_progress", Value::Null), "response.created");
    let mut tails: Vec<(usize, Value, String)> = Vec::new();
    let flush = |tails: &mut Vec<(usize, Value, String)>, stream: &mut String| {
        for (index, item, tail) in tails.drain(..) {
            stream.push_str(&event(
                json!({ "output_index": index, "delta": tail }),
                "response.function_call_arguments.delta",
            ));
            stream.push_str(&event(
                json!({ "output_index": index, "item": item }),
                "response.output_item.done",
            ));
        }
    };
    for (index, saying) in sayings.iter().enumerate() {
        let kind = match saying {
            Saying::Call { slot, args } => {
                let args = args.to_string();
                let at = boundary(&args, cut);
                let item = |args: &str| json!({ "type": "function_call", "id": format!("fc_{slot}"), "call_id": format!("call_{slot}"), "name": format!("tool_{slot}"), "arguments": args });
                stream.push_str(&event(
                    json!({ "output_index": index, "item": item("") }),
                    "response.output_item.added",
                ));
                stream.push_str(&event(
                    json!({ "output_index": index, "delta": args[..at] }),
                    "response.function_call_arguments.delta",
                ));
                tails.push((index, item(&args), args[at..].to_owned()));
                continue;
            }
            Saying::Text(_) => ("message", "response.output_text.delta"),
            Saying::Thought(_) => ("reasoning", "response.reasoning_summary_text.delta"),
        };
        flush(&mut tails, &mut stream);
        let (Saying::Text(text) | Saying::Thought(text)) = saying else {
            continue;
        };
        let item = json!({ "type": kind.0, "id": format!("i_{index}") });
        stream.push_str(&event(
            json!({ "output_index": index, "item": item }),
            "response.output_item.added",
        ));
        stream.push_str(&event(
            json!({ "output_index": index, "content_index": 0, "delta": text }),
            kind.1,
        ));
        stream.push_str(&event(
            json!({ "output_index": index, "item": item }),
            "response.output_item.done",
        ));
    }
    flush(&mut tails, &mut stream);
    let usage = json!({ "input_tokens": 12, "output_tokens": 3, "total_tokens": 15 });
    stream + &event(response("completed", usage), "response.completed")
}

/// The sayings as Gemini streams them: calls are whole.
fn as_gemini(sayings: &[Saying]) -> String {
    let chunk = |part: Value, finish: Value| {
        let candidate =
            json!({ "content": { "role": "model", "parts": [part] }, "finishReason": finish });
        let usage =
            json!({ "promptTokenCount": 12, "candidatesTokenCount": 3, "totalTokenCount": 15 });
        let chunk = json!({ "candidates": [candidate], "usageMetadata": usage, "responseId": "r" });
        format!("data: {chunk}\n\n")
    };
    let parts = sayings.iter().map(|saying| match saying {
        Saying::Call { slot, args } => json!({ "functionCall": { "id": format!("call_{slot}"), "name": format!("tool_{slot}"), "args": args } }),
        Saying::Text(text) => json!({ "text": text }),
        Saying::Thought(text) => json!({ "text": text, "thought": true }),
    });
    let stream: String = parts.map(|part| chunk(part, Value::Null)).collect();
    stream + &chunk(json!({ "text": "" }), json!("STOP"))
}

/// The sayings as `upstream` streams them, arguments cut about there.
pub fn stream(upstream: Dialect, sayings: &[Saying], cut: usize) -> String {
    match upstream {
        Dialect::Anthropic => as_anthropic(sayings, cut),
        Dialect::Gemini => as_gemini(sayings),
        Dialect::OpenaiChat => as_chat(sayings, cut),
        Dialect::OpenaiResponses => as_responses(sayings, cut),
    }
}

/// Text, thoughts and the arguments of calls.
pub type Content = (String, String, Vec<Value>);

/// What was said, apart from any dialect.
pub fn said(sayings: &[Saying]) -> Content {
    let (mut text, mut thought, mut calls) = (String::new(), String::new(), Vec::new());
    for saying in sayings {
        match saying {
            Saying::Text(said) => text.push_str(said),
            Saying::Thought(said) => thought.push_str(said),
            Saying::Call { args, .. } => calls.push(args.clone()),
        }
    }
    (text, thought, calls)
}

/// What a client understands of a stream.
pub fn heard(client: Dialect, stream: &str) -> Content {
    let (mut text, mut thought, mut calls) = (String::new(), String::new(), Vec::<String>::new());
    let data = stream
        .split('\n')
        .filter_map(|line| line.strip_prefix("data: "));
    for event in data.filter_map(|data| serde_json::from_str::<Value>(data).ok()) {
        let delta = &event["delta"];
        let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match client {
            Dialect::Anthropic => {
                if event["content_block"]["type"] == "tool_use" {
                    calls.push(String::new());
                }
                text.push_str(&string(&delta["text"]));
                thought.push_str(&string(&delta["thinking"]));
                if let (Some(json), Some(call)) = (delta["partial_json"].as_str(), calls.last_mut())
                {
                    call.push_str(json);
                }
            }
            Dialect::Gemini => {
                for part in event["candidates"][0]["content"]["parts"]
                    .as_array()
                    .into_iter()
                    .flatten()
                {
                    let target = if part["thought"] == true {
                        &mut thought
                    } else {
                        &mut text
                    };
                    target.push_str(&string(&part["text"]));
                    if part["functionCall"].is_object() {
                        calls.push(part["functionCall"]["args"].to_string());
                    }
                }
            }
            Dialect::OpenaiChat => {
                let delta = &event["choices"][0]["delta"];
                text.push_str(&string(&delta["content"]));
                thought.push_str(&string(&delta["reasoning_content"]));
                for call in delta["tool_calls"].as_array().into_iter().flatten() {
                    let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
                    calls.resize(calls.len().max(index + 1), String::new());
                    calls[index].push_str(&string(&call["function"]["arguments"]));
                }
            }
            // Agents act on what is done.
            Dialect::OpenaiResponses if event["type"] == "response.output_item.done" => {
                let item = &event["item"];
                for part in item["content"].as_array().into_iter().flatten() {
                    text.push_str(&string(&part["text"]));
                }
                for part in item["summary"].as_array().into_iter().flatten() {
                    thought.push_str(&string(&part["text"]));
                }
                if item["type"] == "function_call" {
                    calls.push(string(&item["arguments"]));
                }
            }
            Dialect::OpenaiResponses => {}
        }
    }
    let calls = calls
        .iter()
        .map(|call| serde_json::from_str(call).unwrap_or(Value::Null));
    (text, thought, calls.collect())
}

fn boundary(text: &str, cut: usize) -> usize {
    (0..=cut.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap()
}
