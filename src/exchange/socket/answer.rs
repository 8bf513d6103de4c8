//! What a socket needs to know of an answer: its id, its items, and whether it has ended.
use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// An answer whose events are passing.
#[derive(Debug)]
pub struct Answer {
    /// The id, if the response may be continued.
    id: Option<String>,
    /// The items as a JSON list without its brackets.
    items: Vec<u8>,
    /// The most bytes of `items`; longer answers are not remembered.
    most: usize,
    is_whole: bool,
    has_ended: bool,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Response {
    id: String,
}

impl Answer {
    /// An answer of which at most `most` bytes are remembered.
    pub const fn new(most: usize) -> Self {
        Self {
            id: None,
            items: Vec::new(),
            most,
            is_whole: true,
            has_ended: false,
        }
    }

    /// Reads an event.
    pub fn observe(&mut self, data: &str) {
        let Ok(event) = serde_json::from_str::<Event<'_>>(data) else {
            return;
        };
        match &*event.kind {
            "response.output_item.done" => self.item(event.item),
            "response.completed" | "response.incomplete" => {
                let response = event.response.map(RawValue::get);
                let response =
                    response.and_then(|text| serde_json::from_str::<Response>(text).ok());
                self.id = response.map(|response| response.id);
                self.has_ended = true;
            }
            "response.failed" | "error" => self.has_ended = true,
            _ => {}
        }
    }

    /// Whether its last event has passed.
    pub const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The id under which the answer can be continued, and its items.
    pub fn remembered(self) -> Option<(String, Bytes)> {
        let id = self.id.filter(|_| self.is_whole)?;
        Some((id, Bytes::from(self.items)))
    }

    fn item(&mut self, item: Option<&RawValue>) {
        let Some(item) =
            item.and_then(|item| serde_json::from_str::<Map<String, Value>>(item.get()).ok())
        else {
            return;
        };
        let Some(text) = said_again(item) else {
            return;
        };
        if self.items.len() + text.len() >= self.most {
            self.is_whole = false;
            self.items = Vec::new();
        }
        if !self.is_whole {
            return;
        }
        if !self.items.is_empty() {
            self.items.push(b',');
        }
        self.items.extend_from_slice(text.as_bytes());
    }
}

/// An item of an answer as input of the next request, without what only its own account could look up.
fn said_again(mut item: Map<String, Value>) -> Option<String> {
    let kind = item
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if kind == "reasoning" && item.get("encrypted_content").is_none_or(Value::is_null) {
        return None;
    }
    if KNOWN_BY_CONTENT.contains(&kind.as_str()) {
        item.remove("id");
    }
    Some(Value::Object(item).to_string())
}

/// Types of items that are complete in themselves. An id in them would be looked up by the provider, and refused when
/// it is not found.
const KNOWN_BY_CONTENT: [&str; 6] = [
    "message",
    "reasoning",
    "function_call",
    "custom_tool_call",
    "local_shell_call",
    "web_search_call",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_remembered_as_input() {
        let mut answer = Answer::new(1_000);
        for data in [
            r#"{"type":"response.created","response":{"id":"r","output":[]}}"#,
            r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}}"#,
            r#"{"type":"response.output_item.done","item":{"type":"reasoning","id":"rs_2","encrypted_content":"x"}}"#,
            r#"{"type":"response.output_item.done","item":{"type":"function_call","id":"fc","call_id":"c","name":"f","arguments":"{}"}}"#,
            r#"{"type":"response.output_item.done","item":{"type":"mcp_call","id":"mcp_1"}}"#,
            "[DONE]",
        ] {
            answer.observe(data);
            assert!(!answer.has_ended());
        }
        answer.observe(r#"{"type":"response.completed","response":{"id":"r"}}"#);
        assert!(answer.has_ended());
        let (id, items) = answer.remembered().expect("it is whole");
        let items = format!("[{}]", std::str::from_utf8(&items).expect("text"));
        assert_eq!(id, "r");
        assert_eq!(
            serde_json::from_str::<Value>(&items).expect("JSON"),
            serde_json::json!([
                {"type": "reasoning", "encrypted_content": "x"},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "mcp_call", "id": "mcp_1"},
            ])
        );
    }

    #[test]
    fn what_failed_or_is_too_long_is_not() {
        let mut answer = Answer::new(1_000);
        answer.observe(r#"{"type":"response.failed","response":{"id":"r"}}"#);
        assert!(answer.has_ended() && answer.remembered().is_none());
        let mut answer = Answer::new(10);
        answer.observe(
            r#"{"type":"response.output_item.done","item":{"type":"message","content":"long"}}"#,
        );
        answer.observe(r#"{"type":"response.completed","response":{"id":"r"}}"#);
        assert!(answer.has_ended() && answer.remembered().is_none());
    }
}
