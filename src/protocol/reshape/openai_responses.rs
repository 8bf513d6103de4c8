//! Responses: the response, and the events of its stream.
use serde_json::{Value, json};

use super::{Stream, set, take, take_list};

pub(super) fn tell(response: Value, stream: &mut Stream) -> Option<()> {
    if response.get("object")? != "response" {
        return None;
    }
    let mut begun = response.clone();
    let items = take_list(&mut begun, "output");
    set(&mut begun, "output", json!([]));
    set(&mut begun, "status", "in_progress".into());
    set(&mut begun, "usage", Value::Null);
    let mut events = Events { stream, number: 0 };
    events.tell(json!({"type": "response.created", "response": begun}));
    events.tell(json!({"type": "response.in_progress", "response": begun}));
    for (index, item) in items.into_iter().enumerate() {
        events.item(index, &item);
    }
    let kind = match response.get("status").and_then(Value::as_str) {
        Some("incomplete") => "response.incomplete",
        Some("failed") => "response.failed",
        _ => "response.completed",
    };
    events.tell(json!({"type": kind, "response": response}));
    Some(())
}

/// Writes events with sequence numbers.
struct Events<'a> {
    stream: &'a mut Stream,
    number: u64,
}

impl Events<'_> {
    fn tell(&mut self, mut event: Value) {
        set(&mut event, "sequence_number", self.number.into());
        self.number += 1;
        self.stream.named(&event);
    }

    fn item(&mut self, index: usize, item: &Value) {
        let id = item.get("id").cloned().unwrap_or_default();
        let mut begun = item.clone();
        let parts = match item.get("type").and_then(Value::as_str) {
            Some("message") => {
                let parts = take_list(&mut begun, "content");
                set(&mut begun, "content", json!([]));
                set(&mut begun, "status", "in_progress".into());
                parts
            }
            Some("function_call") => {
                set(&mut begun, "arguments", "".into());
                set(&mut begun, "status", "in_progress".into());
                Vec::new()
            }
            _ => Vec::new(),
        };
        self.tell(
            json!({"type": "response.output_item.added", "output_index": index, "item": begun}),
        );
        for (at, part) in parts.into_iter().enumerate() {
            self.part((index, &id), at, &part);
        }
        if item.get("type").is_some_and(|kind| kind == "function_call") {
            let arguments = item.get("arguments").cloned().unwrap_or_default();
            self.tell(json!({"type": "response.function_call_arguments.delta", "output_index": index, "item_id": id, "delta": arguments}));
            self.tell(json!({"type": "response.function_call_arguments.done", "output_index": index, "item_id": id, "arguments": arguments}));
        }
        self.tell(
            json!({"type": "response.output_item.done", "output_index": index, "item": item}),
        );
    }

    fn part(&mut self, (index, id): (usize, &Value), at: usize, part: &Value) {
        let (name, word) = match part.get("type").and_then(Value::as_str) {
            Some("refusal") => ("refusal", "response.refusal"),
            _ => ("text", "response.output_text"),
        };
        let mut begun = part.clone();
        let text = match take(&mut begun, name) {
            Value::Null => "".into(),
            text => text,
        };
        set(&mut begun, name, "".into());
        let place = json!({"output_index": index, "item_id": id, "content_index": at});
        let mut at_place = |kind: String, (name, value): (&str, &Value)| {
            let mut event = place.clone();
            set(&mut event, "type", kind.into());
            set(&mut event, name, value.clone());
            self.tell(event);
        };
        at_place("response.content_part.added".to_owned(), ("part", &begun));
        at_place(format!("{word}.delta"), ("delta", &text));
        at_place(format!("{word}.done"), (name, &text));
        at_place("response.content_part.done".to_owned(), ("part", part));
    }
}

pub(super) fn gather(events: Vec<Value>) -> Option<Value> {
    let is_last = |event: &Value| {
        let kind = event
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        matches!(
            kind,
            "response.completed" | "response.incomplete" | "response.failed"
        )
    };
    let mut last = events.into_iter().rfind(is_last)?;
    Some(take(&mut last, "response")).filter(Value::is_object)
}
