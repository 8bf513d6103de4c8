//! The rules of Responses streams: those of the Python accumulator, and what agents rely on beyond it.
use std::collections::BTreeMap;

use serde_json::{Value, json};

/// An item that has been added: what it was added as, its parts that are done, and the text of the open one.
struct Item {
    added: Value,
    parts: Vec<Value>,
    open: Option<String>,
    args: String,
}

pub fn check(frames: &[(Option<String>, String)]) -> Result<(), String> {
    let mut items: BTreeMap<u64, Item> = BTreeMap::new();
    let mut done: BTreeMap<u64, Value> = BTreeMap::new();
    let mut id = Value::Null;
    let mut ended = false;
    for (number, (name, data)) in frames.iter().enumerate() {
        if ended {
            return Err(format!("after the end: {data}"));
        }
        let event: Value =
            serde_json::from_str(data).map_err(|error| format!("{error} in {data}"))?;
        let kind = event["type"].as_str().ok_or("no type")?;
        if name.as_deref() != Some(kind) {
            return Err(format!("event {name:?} carries {kind}"));
        }
        if event["sequence_number"] != json!(number) {
            return Err(format!(
                "event {number} has the number {}",
                event["sequence_number"]
            ));
        }
        if number < 2 {
            let first = ["response.created", "response.in_progress"][number];
            if kind != first {
                return Err(format!("{kind} instead of {first}"));
            }
        }
        let lifecycle = event.get("response");
        if let Some(response) = lifecycle {
            if number == 0 {
                id = response["id"].clone();
            }
            if response["id"] != id || !response["output"].is_array() {
                return Err(format!("{kind} has another id, or no output"));
            }
        }
        let index = event["output_index"].as_u64();
        match kind {
            "response.created" | "response.in_progress" => {}
            "response.output_item.added" => {
                if index != Some(items.len() as u64) || items.len() != done.len() {
                    return Err(format!("item {index:?} is not the next"));
                }
                let added = event["item"].clone();
                empty(&added)?;
                let item = Item {
                    added,
                    parts: Vec::new(),
                    open: None,
                    args: String::new(),
                };
                items.insert(items.len() as u64, item);
            }
            "response.output_item.done" => {
                let item = open(&items, &done, index)?;
                whole(item, &event["item"])?;
                done.insert(index.unwrap_or_default(), event["item"].clone());
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                ended = true;
                let response = &event["response"];
                if format!(
                    "response.{}",
                    response["status"].as_str().unwrap_or_default()
                ) != kind
                {
                    return Err(format!("{kind} with status {}", response["status"]));
                }
                if response["output"] != json!(done.values().collect::<Vec<_>>()) {
                    return Err("the answer is not its items".to_owned());
                }
                if kind == "response.failed" {
                    if !response["error"]["code"].is_string()
                        || !response["error"]["message"].is_string()
                    {
                        return Err("failed without an error".to_owned());
                    }
                } else {
                    usage(&response["usage"])?;
                    if kind == "response.completed"
                        && done.values().any(|item| item["status"] != "completed")
                    {
                        return Err("an item is cut in a whole answer".to_owned());
                    }
                    if done.len() != items.len() {
                        return Err("an item is not done".to_owned());
                    }
                }
            }
            kind => content(kind, &event, &mut items, &done, index)?,
        }
    }
    if ended {
        Ok(())
    } else {
        Err("no end".to_owned())
    }
}

fn open<'a>(
    items: &'a BTreeMap<u64, Item>,
    done: &BTreeMap<u64, Value>,
    index: Option<u64>,
) -> Result<&'a Item, String> {
    let index = index.ok_or("no output_index")?;
    match items.get(&index) {
        Some(item) if !done.contains_key(&index) => Ok(item),
        _ => Err(format!("item {index} is not open")),
    }
}

fn content(
    kind: &str,
    event: &Value,
    items: &mut BTreeMap<u64, Item>,
    done: &BTreeMap<u64, Value>,
    index: Option<u64>,
) -> Result<(), String> {
    open(items, done, index)?;
    let item = items.get_mut(&index.unwrap_or_default()).ok_or("no item")?;
    if event["item_id"] != item.added["id"] {
        return Err(format!("{kind} of another item"));
    }
    let delta = event["delta"].as_str();
    let part = event.get("content_index").or(event.get("summary_index"));
    if part.is_some_and(|part| *part != json!(item.parts.len())) {
        return Err(format!("{kind} of another part"));
    }
    let allowed: &[&str] = match item.added["type"].as_str() {
        Some("message") => &[
            "response.content_part.added",
            "response.content_part.done",
            "response.output_text.delta",
            "response.output_text.done",
            "response.output_text.annotation.added",
            "response.refusal.delta",
            "response.refusal.done",
        ],
        Some("reasoning") => &[
            "response.reasoning_summary_part.added",
            "response.reasoning_summary_part.done",
            "response.reasoning_summary_text.delta",
            "response.reasoning_summary_text.done",
        ],
        Some("function_call") => &[
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
        ],
        Some("custom_tool_call") => &[
            "response.custom_tool_call_input.delta",
            "response.custom_tool_call_input.done",
        ],
        Some("web_search_call") => &[
            "response.web_search_call.in_progress",
            "response.web_search_call.searching",
            "response.web_search_call.completed",
        ],
        other => return Err(format!("an item of type {other:?}")),
    };
    if !allowed.contains(&kind) {
        return Err(format!("{kind} in {}", item.added["type"]));
    }
    if kind.ends_with("part.added") {
        if item.open.replace(String::new()).is_some() {
            return Err("a part within a part".to_owned());
        }
    } else if kind.ends_with("part.done") {
        let text = item.open.take().ok_or("the end of no part")?;
        if text_of(&event["part"]) != Some(&text) {
            return Err("a part that is not its deltas".to_owned());
        }
        item.parts.push(event["part"].clone());
    } else if let Some(delta) = delta {
        if delta.is_empty() {
            return Err("an empty delta".to_owned());
        }
        match &mut item.open {
            Some(text) => text.push_str(delta),
            None if part.is_none() => item.args.push_str(delta),
            None => return Err("a delta outside a part".to_owned()),
        }
    } else if kind.rsplit('.').next() == Some("done") {
        let whole = ["text", "refusal", "arguments", "input"]
            .iter()
            .find_map(|name| event.get(name));
        let told = item.open.as_ref().unwrap_or(&item.args);
        if whole.and_then(Value::as_str) != Some(told) {
            return Err(format!("{kind} does not repeat its deltas"));
        }
    }
    Ok(())
}

fn text_of(part: &Value) -> Option<&str> {
    part.get("text").or(part.get("refusal"))?.as_str()
}

/// A new item has all its fields, and nothing in them.
fn empty(item: &Value) -> Result<(), String> {
    let fine = match item["type"].as_str() {
        Some("message") => item["content"] == json!([]) && item["role"] == "assistant",
        Some("reasoning") => item["content"] == json!([]) && item["summary"] == json!([]),
        Some("function_call") => {
            item["arguments"] == "" && item["call_id"].is_string() && item["name"].is_string()
        }
        Some("custom_tool_call") => {
            item["input"] == "" && item["call_id"].is_string() && item["name"].is_string()
        }
        Some("web_search_call") => item["action"].is_object(),
        Some("local_shell_call" | "shell_call") => {
            item["action"].is_object() && item["call_id"].is_string()
        }
        Some("apply_patch_call") => item["operation"].is_object() && item["call_id"].is_string(),
        Some("tool_search_call") => {
            item["arguments"] == json!({})
                && item["call_id"].is_string()
                && item["execution"] == "client"
        }
        _ => false,
    };
    if fine && item["id"].is_string() && item["status"] == "in_progress" {
        Ok(())
    } else {
        Err(format!("an item begins as {item}"))
    }
}

/// What is done is what was told, under the same identity.
fn whole(item: &Item, done: &Value) -> Result<(), String> {
    for field in ["type", "id", "call_id", "name", "namespace"] {
        if done.get(field) != item.added.get(field) {
            return Err(format!("{field} has changed"));
        }
    }
    let told = match done["type"].as_str() {
        Some("message") => done["content"] == json!(item.parts),
        Some("reasoning") => {
            done["summary"] == json!(item.parts) && done["encrypted_content"].is_string()
        }
        Some("function_call") => {
            let args = done["arguments"].as_str().unwrap_or_default();
            args == item.args && (super::is_object(args) || done["status"] == "incomplete")
        }
        Some("custom_tool_call") => done["input"] == json!(item.args),
        Some("tool_search_call") => done["arguments"].is_object(),
        _ => true,
    };
    if told && item.open.is_none() && done["status"] != "in_progress" {
        Ok(())
    } else {
        Err(format!("{done} is not what was told"))
    }
}

fn usage(usage: &Value) -> Result<(), String> {
    let number = |value: &Value| value.as_u64().ok_or(format!("usage is {usage}"));
    let input = number(&usage["input_tokens"])?;
    let output = number(&usage["output_tokens"])?;
    let cached = number(&usage["input_tokens_details"]["cached_tokens"])?;
    let written = number(&usage["input_tokens_details"]["cache_write_tokens"])?;
    let reasoning = number(&usage["output_tokens_details"]["reasoning_tokens"])?;
    if number(&usage["total_tokens"])? == input + output
        && cached + written <= input
        && reasoning <= output
    {
        Ok(())
    } else {
        Err(format!("usage does not add up: {usage}"))
    }
}
