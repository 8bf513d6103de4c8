//! Anthropic: a message, and the events that build it.
use serde_json::{Value, json};

use super::{Stream, append, overlay, set, take, take_list};

pub(super) fn tell(mut message: Value, stream: &mut Stream) -> Option<()> {
    if message.get("type")? != "message" {
        return None;
    }
    let blocks = take_list(&mut message, "content");
    let delta = json!({
        "stop_reason": take(&mut message, "stop_reason"),
        "stop_sequence": take(&mut message, "stop_sequence"),
    });
    let usage = message.get("usage").cloned().unwrap_or_else(|| json!({}));
    set(&mut message, "content", json!([]));
    stream.named(&json!({"type": "message_start", "message": message}));
    for (index, mut block) in blocks.into_iter().enumerate() {
        let deltas = deltas(&mut block);
        stream
            .named(&json!({"type": "content_block_start", "index": index, "content_block": block}));
        for delta in deltas {
            stream.named(&json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        stream.named(&json!({"type": "content_block_stop", "index": index}));
    }
    stream.named(&json!({"type": "message_delta", "delta": delta, "usage": usage}));
    stream.named(&json!({"type": "message_stop"}));
    Some(())
}

/// Removes the incremental content from a block and returns it as deltas.
fn deltas(block: &mut Value) -> Vec<Value> {
    let kind = block
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match kind.to_owned().as_str() {
        "text" => {
            let text = take(block, "text");
            set(block, "text", "".into());
            let citations = take_list(block, "citations");
            if let Some(block) = block.as_object_mut() {
                block.remove("citations");
            }
            let citations = citations
                .into_iter()
                .map(|citation| json!({"type": "citations_delta", "citation": citation}));
            std::iter::once(json!({"type": "text_delta", "text": text}))
                .chain(citations)
                .collect()
        }
        "thinking" => {
            let (thinking, signature) = (take(block, "thinking"), take(block, "signature"));
            set(block, "thinking", "".into());
            set(block, "signature", "".into());
            let mut deltas = vec![json!({"type": "thinking_delta", "thinking": thinking})];
            if signature
                .as_str()
                .is_some_and(|signature| !signature.is_empty())
            {
                deltas.push(json!({"type": "signature_delta", "signature": signature}));
            }
            deltas
        }
        "tool_use" | "server_tool_use" | "mcp_tool_use" => {
            let input = take(block, "input");
            set(block, "input", json!({}));
            vec![json!({"type": "input_json_delta", "partial_json": input.to_string()})]
        }
        _ => Vec::new(),
    }
}

pub(super) fn gather(events: Vec<Value>) -> Option<Value> {
    let mut message = Value::Null;
    let mut blocks: Vec<Value> = Vec::new();
    let mut inputs: Vec<String> = Vec::new();
    let mut is_whole = false;
    for mut event in events {
        let index = event.get("index").and_then(Value::as_u64);
        let at = index.and_then(|index| usize::try_from(index).ok());
        match event
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default()
        {
            "message_start" => message = take(&mut event, "message"),
            "content_block_start" => {
                blocks.push(take(&mut event, "content_block"));
                inputs.push(String::new());
            }
            "content_block_delta" => {
                let (block, input) = (blocks.get_mut(at?)?, inputs.get_mut(at?)?);
                apply(block, input, &mut take(&mut event, "delta"));
            }
            "message_delta" => {
                overlay(&mut message, take(&mut event, "delta"));
                if let Some(usage) = message.get_mut("usage") {
                    overlay(usage, take(&mut event, "usage"));
                }
            }
            "message_stop" => is_whole = true,
            _ => {}
        }
    }
    for (block, input) in blocks.iter_mut().zip(inputs) {
        if !input.is_empty() {
            set(block, "input", serde_json::from_str(&input).ok()?);
        }
    }
    if !is_whole || !message.is_object() {
        return None;
    }
    set(&mut message, "content", blocks.into());
    Some(message)
}

fn apply(block: &mut Value, input: &mut String, delta: &mut Value) {
    let kind = delta
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let text = |name: &str| delta.get(name).and_then(Value::as_str).unwrap_or_default();
    match kind {
        "text_delta" => append(block, "text", text("text")),
        "thinking_delta" => append(block, "thinking", text("thinking")),
        "signature_delta" => append(block, "signature", text("signature")),
        "input_json_delta" => input.push_str(text("partial_json")),
        "citations_delta" => {
            let mut citations = take_list(block, "citations");
            citations.push(take(delta, "citation"));
            set(block, "citations", citations.into());
        }
        _ => {}
    }
}
