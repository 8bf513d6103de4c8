//! Gemini: a response, and the partial responses of its stream.
use serde_json::{Value, json};

use super::{Stream, append, overlay, set, take, take_list};

pub(super) fn tell(answer: Value, stream: &mut Stream) -> Option<()> {
    if answer.get("candidates").is_none() && answer.get("promptFeedback").is_none() {
        return None;
    }
    stream.plain(answer.to_string().as_bytes());
    Some(())
}

pub(super) fn gather(events: Vec<Value>) -> Option<Value> {
    let mut answer = json!({});
    let mut candidates: Vec<Value> = Vec::new();
    for mut event in events {
        for mut piece in take_list(&mut event, "candidates") {
            let mut content = take(&mut piece, "content");
            if let Some(piece) = piece.as_object_mut() {
                piece.remove("content");
            }
            let index = piece.get("index").cloned();
            let known = candidates
                .iter()
                .position(|candidate| candidate.get("index").cloned() == index);
            let at = known.unwrap_or_else(|| {
                candidates.push(json!({"content": {"role": "model", "parts": []}}));
                candidates.len() - 1
            });
            let candidate = candidates.get_mut(at)?;
            let mut parts = take_list(&mut candidate["content"], "parts");
            for part in take_list(&mut content, "parts") {
                join(&mut parts, part);
            }
            if let Some(content) = content.as_object_mut() {
                content.remove("parts");
            }
            overlay(&mut candidate["content"], content);
            set(&mut candidate["content"], "parts", parts.into());
            overlay(candidate, piece);
        }
        if let Some(event) = event.as_object_mut() {
            event.remove("candidates");
        }
        overlay(&mut answer, event);
    }
    let is_over = candidates
        .iter()
        .any(|candidate| candidate.get("finishReason").is_some());
    if !is_over && answer.get("promptFeedback").is_none() {
        return None;
    }
    if !candidates.is_empty() {
        set(&mut answer, "candidates", candidates.into());
    }
    Some(answer)
}

/// Appends a part; plain text of the same kind extends the last part.
fn join(parts: &mut Vec<Value>, part: Value) {
    let is_text = |part: &Value| {
        let names = part.as_object().into_iter().flat_map(|part| part.keys());
        part.get("text").is_some()
            && names
                .into_iter()
                .all(|name| name == "text" || name == "thought")
    };
    match parts.last_mut() {
        Some(last)
            if is_text(last) && is_text(&part) && last.get("thought") == part.get("thought") =>
        {
            let text = part.get("text").and_then(Value::as_str).unwrap_or_default();
            append(last, "text", text);
        }
        _ => parts.push(part),
    }
}
