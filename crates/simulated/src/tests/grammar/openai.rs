//! Chat Completions, Responses and text completions.
use serde_json::{Value, json};

use super::{append, for_all, frames, string};
use crate::tests::{Rig, parse};

#[test]
fn chat_streams_obey_their_grammar() {
    for_all(|prompt, reasoning| {
        let body = |stream: bool| {
            let mut body = json!({
                "model": "m", "stream": stream, "stream_options": {"include_usage": true},
                "messages": [{"role": "user", "content": prompt}],
                "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}},
                          {"type": "custom", "custom": {"name": "g"}}],
            });
            if reasoning {
                body["reasoning_effort"] = json!("high");
            }
            body.to_string()
        };
        let stream = Rig::new().post("/v1/chat/completions", &body(true));
        let whole = parse(&Rig::new().post("/v1/chat/completions", &body(false)).body);
        let (message, finish, usage) = chat_message(&frames(&stream));
        let mut expected = whole["choices"][0]["message"].clone();
        if expected["content"].is_null() {
            expected["content"] = json!("");
        }
        assert_eq!(message, expected, "{prompt}");
        assert_eq!(finish, whole["choices"][0]["finish_reason"]);
        assert_eq!(
            usage["completion_tokens"],
            whole["usage"]["completion_tokens"]
        );
    });
}

fn chat_message(frames: &[(Option<&str>, &str)]) -> (Value, Value, Value) {
    let (last, chunks) = frames.split_last().expect("frames");
    assert_eq!(*last, (None, "[DONE]"));
    let (usage, chunks) = chunks.split_last().expect("a usage chunk");
    let usage = parse(usage.1);
    assert_eq!(usage["choices"], json!([]));
    let mut message = json!({});
    let mut finish = Value::Null;
    for (position, (name, data)) in chunks.iter().enumerate() {
        assert_eq!(*name, None, "a chunk has no name");
        let chunk = parse(data);
        assert_eq!(chunk["usage"], Value::Null);
        for member in ["id", "created", "model"] {
            assert_eq!(chunk[member], usage[member], "{member} changes");
        }
        assert!(finish.is_null(), "a chunk after finish_reason");
        let delta = &chunk["choices"][0]["delta"];
        assert_eq!(
            delta.get("role").is_some(),
            position == 0,
            "the role once, and first"
        );
        for (name, value) in delta.as_object().expect("a delta") {
            match (name.as_str(), value) {
                ("tool_calls", fragments) => chat_call(&mut message, &fragments[0]),
                (name, Value::String(text)) => append(&mut message[name], text),
                (name, value) => message[name] = value.clone(),
            }
        }
        finish = chunk["choices"][0]["finish_reason"].clone();
    }
    (message, finish, usage["usage"].clone())
}

/// What is not `arguments` may come only in a call's first fragment: accumulators would append it again.
fn chat_call(message: &mut Value, fragment: &Value) {
    if message.get("tool_calls").is_none() {
        message["tool_calls"] = json!([]);
    }
    let calls = message["tool_calls"].as_array_mut().expect("calls");
    let index = fragment["index"]
        .as_u64()
        .and_then(|index| usize::try_from(index).ok())
        .expect("an index");
    assert!(index <= calls.len(), "a gap in the indices");
    if index == calls.len() {
        let mut call = fragment.clone();
        call.as_object_mut().expect("a call").shift_remove("index");
        string(&call, "/id");
        calls.push(call);
        return;
    }
    assert_eq!(index + 1, calls.len(), "a fragment for an earlier call");
    assert!(fragment.get("id").is_none() && fragment.get("type").is_none());
    let (part, text) = match fragment.get("custom") {
        Some(custom) => ("/custom/input", string(custom, "/input")),
        None => (
            "/function/arguments",
            string(fragment, "/function/arguments"),
        ),
    };
    assert!(fragment.pointer("/function/name").is_none(), "a name twice");
    append(calls[index].pointer_mut(part).expect("opened"), text);
}

#[test]
fn responses_streams_obey_their_grammar() {
    for_all(|prompt, reasoning| {
        let body = |stream: bool| {
            let mut body = json!({
                "model": "m", "stream": stream, "input": [{"role": "user", "content": prompt}],
                "tools": [{"type": "function", "name": "f", "parameters": {}}, {"type": "custom", "name": "g"}],
            });
            if reasoning {
                body["reasoning"] = json!({"effort": "high", "summary": "auto"});
                body["include"] = json!(["reasoning.encrypted_content"]);
            }
            body.to_string()
        };
        let stream = Rig::new().post("/v1/responses", &body(true));
        let whole = parse(&Rig::new().post("/v1/responses", &body(false)).body);
        let response = response_of(&frames(&stream));
        for member in ["id", "status", "output", "incomplete_details"] {
            assert_eq!(response[member], whole[member], "{prompt}: {member}");
        }
        assert_eq!(
            response["usage"]["output_tokens"],
            whole["usage"]["output_tokens"]
        );
    });
}

fn response_of(frames: &[(Option<&str>, &str)]) -> Value {
    let mut items: Vec<Value> = Vec::new();
    let mut open = None;
    let mut streamed = String::new();
    let mut terminal = Value::Null;
    for (position, (name, data)) in frames.iter().enumerate() {
        let event = parse(data);
        let kind = string(&event, "/type");
        assert_eq!(*name, Some(kind));
        assert_eq!(event["sequence_number"], position);
        assert!(terminal.is_null(), "{kind} after the end");
        let index = event["output_index"]
            .as_u64()
            .and_then(|index| usize::try_from(index).ok());
        match kind {
            "response.created" => assert_eq!(position, 0),
            "response.in_progress" => assert_eq!(position, 1),
            "response.output_item.added" => {
                assert_eq!(open, None, "an item inside an item");
                assert_eq!(index, Some(items.len()));
                open = index;
                items.push(event["item"].clone());
                streamed.clear();
            }
            "response.output_item.done" => {
                assert_eq!(index, open.take());
                let item = &mut items[index.expect("an index")];
                assert_eq!(item["id"], event["item"]["id"]);
                assert_eq!(item["type"], event["item"]["type"]);
                *item = event["item"].clone();
            }
            "response.completed" | "response.incomplete" => {
                assert_eq!(open, None, "an item is still open");
                assert_eq!(event["response"]["output"], json!(items));
                terminal = event["response"].clone();
            }
            _ => {
                assert_eq!(index, open, "{kind}");
                assert_eq!(event["item_id"], items[index.expect("an index")]["id"]);
                if kind.rsplit('.').next() == Some("delta") {
                    streamed.push_str(string(&event, "/delta"));
                } else if let Some(what) = kind
                    .strip_suffix(".done")
                    .filter(|what| !what.ends_with("_part"))
                {
                    let member = match what.rsplit('.').next() {
                        Some("output_text" | "reasoning_summary_text") => "/text",
                        Some("function_call_arguments") => "/arguments",
                        Some("custom_tool_call_input") => "/input",
                        Some("refusal") => "/refusal",
                        other => panic!("{other:?}"),
                    };
                    assert_eq!(string(&event, member), streamed, "{kind}");
                }
                if kind.starts_with("response.output_text.") {
                    assert_eq!(event["logprobs"], json!([]));
                }
            }
        }
    }
    assert!(!terminal.is_null(), "no terminal event");
    terminal
}

#[test]
fn text_completion_streams_end_with_done() {
    let body =
        |stream: bool| json!({"model": "m", "prompt": "hello", "stream": stream}).to_string();
    let whole = parse(&Rig::new().post("/v1/completions", &body(false)).body);
    let stream = Rig::new().post("/v1/completions", &body(true));
    let frames = frames(&stream);
    let (last, chunks) = frames.split_last().expect("frames");
    assert_eq!(last.1, "[DONE]");
    let text: String = chunks
        .iter()
        .map(|(_, data)| string(&parse(data), "/choices/0/text").to_owned())
        .collect();
    assert_eq!(text, string(&whole, "/choices/0/text"));
}
