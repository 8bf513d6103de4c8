//! Chat: a completion, and its chunks.
use serde_json::{Value, json};

use super::{Stream, append, overlay, set, take, take_list};

pub(super) fn tell(mut answer: Value, stream: &mut Stream) -> Option<()> {
    answer.get("choices")?.as_array()?;
    let choices = take_list(&mut answer, "choices");
    let usage = take(&mut answer, "usage");
    set(&mut answer, "object", "chat.completion.chunk".into());
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("usage");
    }
    for mut choice in choices {
        let mut delta = take(&mut choice, "message");
        let calls = delta.get_mut("tool_calls").and_then(Value::as_array_mut);
        for (index, call) in calls.into_iter().flatten().enumerate() {
            set(call, "index", index.into());
        }
        let finish = take(&mut choice, "finish_reason");
        if let Some(choice) = choice.as_object_mut() {
            choice.remove("message");
        }
        set(&mut choice, "delta", delta);
        set(&mut answer, "choices", json!([choice]));
        stream.plain(answer.to_string().as_bytes());
        let index = answer["choices"][0].get("index").cloned();
        set(
            &mut answer,
            "choices",
            json!([{"index": index.unwrap_or_else(|| 0.into()), "delta": {}, "finish_reason": finish}]),
        );
        stream.plain(answer.to_string().as_bytes());
    }
    if !usage.is_null() {
        set(&mut answer, "choices", json!([]));
        set(&mut answer, "usage", usage);
        stream.plain(answer.to_string().as_bytes());
    }
    stream.plain(b"[DONE]");
    Some(())
}

pub(super) fn gather(events: Vec<Value>) -> Option<Value> {
    let mut answer = json!({});
    let mut choices: Vec<Value> = Vec::new();
    for mut event in events {
        for mut piece in take_list(&mut event, "choices") {
            let delta = take(&mut piece, "delta");
            if let Some(piece) = piece.as_object_mut() {
                piece.remove("delta");
            }
            let index = piece.get("index").cloned().unwrap_or_else(|| 0.into());
            let known = choices.iter().position(|choice| choice["index"] == index);
            let at = known.unwrap_or_else(|| {
                choices.push(
                    json!({"index": index, "message": {}, "finish_reason": null, "logprobs": null}),
                );
                choices.len() - 1
            });
            let choice = choices.get_mut(at)?;
            merge(&mut choice["message"], delta);
            overlay(choice, piece);
        }
        if let Some(event) = event.as_object_mut() {
            event.remove("choices");
        }
        overlay(&mut answer, event);
    }
    if choices.is_empty()
        || choices
            .iter()
            .any(|choice| choice["finish_reason"].is_null())
    {
        return None;
    }
    set(&mut answer, "object", "chat.completion".into());
    set(&mut answer, "choices", choices.into());
    Some(answer)
}

/// Merges a delta into the message: texts that grow are concatenated, other values are replaced.
fn merge(message: &mut Value, piece: Value) {
    let Value::Object(piece) = piece else { return };
    for (name, value) in piece {
        match value {
            Value::Null => {}
            Value::String(more) if !FIXED.contains(&name.as_str()) => append(message, &name, &more),
            Value::Array(list) if name == "tool_calls" => {
                let mut calls = take_list(message, "tool_calls");
                for call in list {
                    merge_call(&mut calls, call);
                }
                set(message, "tool_calls", calls.into());
            }
            Value::Object(_) => {
                if !message.get(&name).is_some_and(Value::is_object) {
                    set(message, &name, json!({}));
                }
                if let Some(inner) = message.get_mut(&name) {
                    merge(inner, value);
                }
            }
            value => set(message, &name, value),
        }
    }
}

fn merge_call(calls: &mut Vec<Value>, mut call: Value) {
    let index = call.get("index").and_then(Value::as_u64);
    let at = index.and_then(|index| usize::try_from(index).ok());
    let at = at.unwrap_or(calls.len()).min(calls.len());
    if at == calls.len() {
        calls.push(json!({}));
    }
    if let Some(call) = call.as_object_mut() {
        call.remove("index");
    }
    if let Some(known) = calls.get_mut(at) {
        merge(known, call);
    }
}

/// Texts that are sent once and not concatenated.
const FIXED: [&str; 5] = ["id", "name", "object", "role", "type"];
