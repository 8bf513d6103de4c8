//! `reasoning_details`: reasoning in OpenRouter's form, with the opaque state of the vendor behind it. The list must be
//! sent back completely and unchanged, or the vendor's model reasons again.
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::protocol::hub::opaque::{Opaque, OpaqueKind, Vendor};

/// Collects the list from the chunks of a stream.
#[derive(Debug, Default)]
pub struct Details {
    entries: Vec<Map<String, Value>>,
    bytes: usize,
}

impl Details {
    /// Adds a list, or the next piece of one.
    pub fn push(&mut self, raw: &RawValue) {
        self.bytes = self.bytes.saturating_add(raw.get().len());
        if self.bytes > MOST_BYTES {
            // Incomplete state is useless.
            self.entries.clear();
            return;
        }
        let entries: Vec<Map<String, Value>> = serde_json::from_str(raw.get()).unwrap_or_default();
        for entry in entries {
            match self.entries.last_mut() {
                Some(last) if goes_on(last, &entry) => merge(last, entry),
                _ => self.entries.push(entry),
            }
        }
    }

    /// The list as opaque state, if it contains anything besides the text.
    pub fn take(&mut self) -> Option<Opaque> {
        let entries = std::mem::take(&mut self.entries);
        let stated = |entry: &Map<String, Value>| {
            ["data", "signature"]
                .iter()
                .any(|name| entry.get(*name).is_some_and(|value| !value.is_null()))
        };
        if !entries.iter().any(stated) {
            return None;
        }
        let payload = serde_json::to_string(&entries).ok()?;
        Some(Opaque::native(Vendor::Other, OpaqueKind::Details, payload))
    }
}

/// Whether a piece continues the entry before it: texts come in pieces, encrypted state does not.
fn goes_on(last: &Map<String, Value>, entry: &Map<String, Value>) -> bool {
    let same = |name: &str| last.get(name) == entry.get(name);
    let kind = entry.get("type").and_then(Value::as_str);
    matches!(kind, Some("reasoning.text" | "reasoning.summary")) && same("type") && same("index")
}

fn merge(last: &mut Map<String, Value>, entry: Map<String, Value>) {
    for (name, value) in entry {
        match (last.get_mut(&name), value) {
            (_, Value::Null) => {}
            (Some(Value::String(text)), Value::String(more))
                if matches!(name.as_str(), "text" | "summary") =>
            {
                text.push_str(&more);
            }
            (_, value) => {
                last.insert(name, value);
            }
        }
    }
}

/// Most bytes of details in one answer.
const MOST_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(pieces: &[&str]) -> Option<String> {
        let mut details = Details::default();
        for piece in pieces {
            details.push(&RawValue::from_string((*piece).to_owned()).unwrap());
        }
        details.take().map(|opaque| opaque.payload)
    }

    #[test]
    fn pieces_of_a_text_are_one_entry_with_its_signature() {
        let whole = collect(&[
            r#"[{"type":"reasoning.text","text":"a","index":0,"signature":null}]"#,
            r#"[{"type":"reasoning.text","text":"b","index":0}]"#,
            r#"[{"type":"reasoning.text","signature":"s","index":0}]"#,
            r#"[{"type":"reasoning.encrypted","data":"x","index":1},{"type":"reasoning.encrypted","data":"y","index":1}]"#,
        ]);
        let whole: Value = serde_json::from_str(&whole.unwrap()).unwrap();
        let expected = serde_json::json!([
            {"type": "reasoning.text", "text": "ab", "signature": "s", "index": 0},
            {"type": "reasoning.encrypted", "data": "x", "index": 1},
            {"type": "reasoning.encrypted", "data": "y", "index": 1},
        ]);
        assert_eq!(whole, expected);
    }

    #[test]
    fn text_alone_is_no_state() {
        assert_eq!(
            collect(&[r#"[{"type":"reasoning.text","text":"a","signature":null}]"#]),
            None
        );
        assert_eq!(collect(&["null", "{}", "[1]"]), None);
    }

    #[test]
    fn what_is_too_much_is_none() {
        let long = format!(
            r#"[{{"type":"reasoning.encrypted","data":"{}"}}]"#,
            "x".repeat(MOST_BYTES)
        );
        assert_eq!(
            collect(&[r#"[{"type":"reasoning.encrypted","data":"x"}]"#, &long]),
            None
        );
    }
}
