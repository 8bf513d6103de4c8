//! The grammar of each client dialect's stream, as strict as the vendors' accumulators, written apart from the encoders.
use std::collections::BTreeMap;

use serde_json::Value;
use weir::protocol::Dialect;
use weir::protocol::json::surrogates;

mod gemini;
mod responses;

/// Checks one whole stream; `Err` says which rule is broken.
pub fn check(client: Dialect, stream: &str) -> Result<(), String> {
    if client == Dialect::Gemini {
        return gemini::check(stream);
    }
    let frames = frames(stream)?;
    match client {
        Dialect::Anthropic => anthropic(&frames),
        Dialect::OpenaiChat => chat(&frames),
        Dialect::Gemini => Ok(()),
        Dialect::OpenaiResponses => responses::check(&frames),
    }
}

/// Event name and data of each frame; comments are left out.
fn frames(stream: &str) -> Result<Vec<(Option<String>, String)>, String> {
    if !stream.is_empty() && !stream.ends_with("\n\n") {
        return Err("the last frame is not finished".to_owned());
    }
    let mut frames = Vec::new();
    for frame in stream.split_terminator("\n\n") {
        let (mut event, mut data) = (None, None);
        for line in frame.lines() {
            match line.split_once(": ") {
                Some(("event", name)) if event.is_none() => event = Some(name.to_owned()),
                Some(("data", value)) if data.is_none() => data = Some(value.to_owned()),
                Some(("", _)) => {}
                _ => return Err(format!("unexpected line {line:?}")),
            }
        }
        frames.extend(data.map(|data| (event, data)));
    }
    Ok(frames)
}

fn json(data: &str) -> Result<Value, String> {
    serde_json::from_str(data).map_err(|error| format!("{error} in {data}"))
}

fn anthropic(frames: &[(Option<String>, String)]) -> Result<(), String> {
    let mut started = false;
    let mut open: Option<Block> = None;
    // Blocks that were closed: the index of the one that is open, or of the next.
    let mut blocks = 0;
    let mut calls = 0;
    // Only an answer that was cut may cut the arguments of a call; an upstream that interleaves may still say something else.
    let mut cut = false;
    let mut reason: Option<String> = None;
    let mut ended = false;
    for (name, data) in frames {
        if ended {
            return Err(format!("after the end: {data}"));
        }
        let event = json(data)?;
        let kind = event["type"].as_str().ok_or("no type")?;
        if name.as_deref() != Some(kind) {
            return Err(format!("event {name:?} carries {kind}"));
        }
        if !matches!(kind, "message_start" | "ping" | "error") && !started {
            return Err(format!("{kind} before message_start"));
        }
        match kind {
            "message_start" if started => return Err("second message_start".to_owned()),
            "message_start" => {
                started = true;
                let usage = &event["message"]["usage"];
                if usage["input_tokens"].as_u64().is_none()
                    || usage["output_tokens"].as_u64().is_none()
                {
                    return Err("message_start without usage".to_owned());
                }
            }
            "content_block_start" => {
                if open.is_some() || reason.is_some() {
                    return Err("blocks overlap".to_owned());
                }
                if event["index"].as_u64() != Some(blocks) {
                    return Err(format!("block {} is not the next", event["index"]));
                }
                let block = Block::begin(&event["content_block"])?;
                calls += u32::from(block.kind == "tool_use");
                open = Some(block);
            }
            "content_block_delta" => {
                let block = open.as_mut().ok_or("a delta outside a block")?;
                if event["index"].as_u64() != Some(blocks) {
                    return Err("a delta of another block".to_owned());
                }
                block.delta(&event["delta"])?;
            }
            "content_block_stop" => {
                let block = open.take().ok_or("a stop outside a block")?;
                if event["index"].as_u64() != Some(blocks) {
                    return Err("a stop of another block".to_owned());
                }
                blocks += 1;
                cut |= block.end()? == Arguments::Cut;
            }
            "message_delta" => {
                if open.is_some() {
                    return Err("message_delta within a block".to_owned());
                }
                let said = event["delta"]["stop_reason"]
                    .as_str()
                    .ok_or("no stop_reason")?;
                if cut && said != "max_tokens" {
                    return Err(format!("arguments are cut, but the reason is {said}"));
                }
                if said == "tool_use" && calls == 0 {
                    return Err("tool_use without a call".to_owned());
                }
                if event["usage"]["output_tokens"].as_u64().is_none() {
                    return Err("message_delta without usage".to_owned());
                }
                reason = Some(said.to_owned());
            }
            "message_stop" if reason.is_none() => {
                return Err("message_stop without a reason".to_owned());
            }
            "message_stop" | "error" => ended = true,
            "ping" => {}
            other => return Err(format!("unknown event {other}")),
        }
    }
    if ended || frames.is_empty() {
        Ok(())
    } else {
        Err("no terminal event".to_owned())
    }
}

/// A block of Anthropic's that is open.
struct Block {
    kind: String,
    text: String,
    signed: bool,
}

#[derive(Eq, PartialEq)]
enum Arguments {
    Cut,
    Whole,
}

impl Block {
    fn begin(block: &Value) -> Result<Self, String> {
        let kind = block["type"].as_str().ok_or("no block type")?.to_owned();
        let fine = block["input"] == serde_json::json!({})
            && block["id"].is_string()
            && block["name"].is_string();
        if kind == "tool_use" && !fine {
            return Err(format!("tool_use begins as {block}"));
        }
        Ok(Self {
            kind,
            text: String::new(),
            signed: false,
        })
    }

    fn delta(&mut self, delta: &Value) -> Result<(), String> {
        let (kind, field) = match self.kind.as_str() {
            "text" if delta["type"] == "citations_delta" => return Ok(()),
            "text" => ("text_delta", "text"),
            "tool_use" | "server_tool_use" => ("input_json_delta", "partial_json"),
            "thinking" if delta["type"] == "signature_delta" && !self.signed => {
                self.signed = true;
                return Ok(());
            }
            "thinking" if !self.signed => ("thinking_delta", "thinking"),
            other => return Err(format!("{} in {other}", delta["type"])),
        };
        if delta["type"] != kind {
            return Err(format!("{} in {}", delta["type"], self.kind));
        }
        self.text
            .push_str(delta[field].as_str().ok_or("no text in a delta")?);
        Ok(())
    }

    fn end(self) -> Result<Arguments, String> {
        if self.kind == "text" && self.text.trim().is_empty() {
            return Err("an empty text block".to_owned());
        }
        if self.kind == "thinking" && !self.signed {
            return Err("thinking without a signature".to_owned());
        }
        Ok(if self.kind == "tool_use" && !is_object(&self.text) {
            Arguments::Cut
        } else {
            Arguments::Whole
        })
    }
}

/// Whether arguments are what their client can read. RFC 8259 lets the escape of half a surrogate pair stand alone, and the clients'
/// parsers, in Python and JavaScript, take it.
fn is_object(args: &str) -> bool {
    let whole = surrogates::replaced(args.as_bytes());
    serde_json::from_slice::<serde_json::Map<String, Value>>(&whole).is_ok()
}

/// A call of Chat's, as far as it was told.
#[derive(Default)]
struct Call {
    is_free: bool,
    said: String,
}

fn chat_call(part: &Value, calls: &mut BTreeMap<u64, Call>) -> Result<(), String> {
    let index = part["index"].as_u64().ok_or("a call without index")?;
    let begins = part.get("id").is_some();
    if begins == calls.contains_key(&index) || (begins && index != calls.len() as u64) {
        return Err(format!("call {index} begins twice, late, or out of order"));
    }
    let inner = part
        .get("function")
        .or(part.get("custom"))
        .ok_or("an empty call")?;
    if begins != inner.get("name").is_some() || begins != part.get("type").is_some() {
        return Err("name and type are said once, first".to_owned());
    }
    let text = inner
        .get("arguments")
        .or(inner.get("input"))
        .and_then(Value::as_str)
        .ok_or("no arguments")?;
    let call = calls.entry(index).or_default();
    call.is_free |= part.get("custom").is_some();
    call.said.push_str(text);
    Ok(())
}

fn chat(frames: &[(Option<String>, String)]) -> Result<(), String> {
    let mut id: Option<Value> = None;
    let mut role = 0;
    let mut calls = BTreeMap::new();
    let mut finish: Option<String> = None;
    let mut usage = false;
    let mut ended = false;
    for (name, data) in frames {
        if name.is_some() {
            return Err("chunks have no event name".to_owned());
        }
        if ended {
            return Err(format!("after the end: {data}"));
        }
        if data == "[DONE]" {
            ended = true;
            if finish.is_none() {
                return Err("[DONE] without a finish_reason".to_owned());
            }
            continue;
        }
        let chunk = json(data)?;
        if chunk.get("error").is_some() {
            ended = true;
            continue;
        }
        if usage {
            return Err("a chunk after the usage".to_owned());
        }
        if id.get_or_insert_with(|| chunk["id"].clone()) != &chunk["id"]
            || !chunk["created"].is_u64()
        {
            return Err("the id changes, or the time is missing".to_owned());
        }
        let choices = chunk["choices"].as_array().ok_or("no choices")?;
        let Some(choice) = choices.first() else {
            usage = chunk["usage"]["total_tokens"].is_u64();
            continue;
        };
        if finish.is_some() {
            return Err("content after the finish_reason".to_owned());
        }
        if chunk["object"] == "text_completion" {
            role = 1;
            choice["text"].as_str().ok_or("no text")?;
        } else {
            let delta = choice["delta"].as_object().ok_or("no delta")?;
            role += usize::from(delta.contains_key("role"));
            if role != 1 {
                return Err("the role is said once, first".to_owned());
            }
            let parts = delta.get("tool_calls").and_then(Value::as_array);
            for part in parts.into_iter().flatten() {
                chat_call(part, &mut calls)?;
            }
        }
        finish = choice["finish_reason"].as_str().map(str::to_owned);
    }
    match finish.as_deref() {
        Some("tool_calls") if calls.is_empty() => {
            return Err("tool_calls without a call".to_owned());
        }
        Some("length") | None => {}
        // Free text may be empty.
        Some(_)
            if calls
                .values()
                .any(|call| !call.is_free && call.said.is_empty()) =>
        {
            return Err("a call without arguments".to_owned());
        }
        Some(_) => {}
    }
    if ended || frames.is_empty() {
        Ok(())
    } else {
        Err("no terminal event".to_owned())
    }
}
