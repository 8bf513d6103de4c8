//! The content of a streamed answer as the upstream itself would write it in a whole answer. It is sent back to the
//! upstream when that paused while running its own tools and shall continue.
use serde_json::{Map, Value};

/// Assembles the blocks, event by event. It is lenient: the decoder is what checks the grammar.
#[derive(Debug, Default)]
pub struct Recorder {
    blocks: Vec<Value>,
    /// The arguments of the open block, as far as they have come.
    input: String,
    /// The size of the events so far, in bytes.
    size: usize,
}

impl Recorder {
    /// Adds one event.
    pub fn push(&mut self, data: &[u8]) {
        self.size = self.size.saturating_add(data.len());
        if !self.is_whole() {
            self.blocks = Vec::new();
            return;
        }
        let Ok(Value::Object(mut event)) = serde_json::from_slice(data) else {
            return;
        };
        let kind = event
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match kind {
            "content_block_start" => self.blocks.extend(event.remove("content_block")),
            "content_block_delta" => {
                if let Some(Value::Object(delta)) = event.remove("delta") {
                    self.delta(delta);
                }
            }
            "content_block_stop" => self.close(),
            _ => {}
        }
    }

    /// Adds the content of a whole answer.
    pub fn whole(&mut self, body: &[u8]) {
        self.size = self.size.saturating_add(body.len());
        let Ok(Value::Object(mut answer)) = serde_json::from_slice(body) else {
            return;
        };
        if let Some(Value::Array(blocks)) = answer.remove("content")
            && self.is_whole()
        {
            self.blocks.extend(blocks);
        }
    }

    /// Whether everything was recorded, that is, the content stayed within the bound.
    pub const fn is_whole(&self) -> bool {
        self.size <= MOST
    }

    /// The blocks of all answers so far. Blank text is left out: the upstream refuses it even if it sent it itself.
    pub fn content(&self) -> Vec<&Value> {
        let empty = |block: &Value| {
            block.get("type").is_some_and(|kind| kind == "text")
                && block
                    .get("text")
                    .and_then(Value::as_str)
                    .is_none_or(str::is_empty)
        };
        self.blocks.iter().filter(|block| !empty(block)).collect()
    }

    fn delta(&mut self, mut delta: Map<String, Value>) {
        let Some(Value::Object(block)) = self.blocks.last_mut() else {
            return;
        };
        let mut append = |member: &str, more: Option<Value>| {
            let Some(Value::String(more)) = more else {
                return;
            };
            match block.get_mut(member) {
                Some(Value::String(text)) => text.push_str(&more),
                _ => {
                    block.insert(member.to_owned(), Value::String(more));
                }
            }
        };
        let kind = delta
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match kind {
            "text_delta" => append("text", delta.remove("text")),
            "thinking_delta" => append("thinking", delta.remove("thinking")),
            "signature_delta" => append("signature", delta.remove("signature")),
            "input_json_delta" => {
                if let Some(Value::String(more)) = delta.remove("partial_json") {
                    self.input.push_str(&more);
                }
            }
            "citations_delta" => {
                let citation = delta.remove("citation");
                match block.get_mut("citations") {
                    Some(Value::Array(citations)) => citations.extend(citation),
                    _ => {
                        block.insert("citations".to_owned(), citation.into_iter().collect());
                    }
                }
            }
            _ => {}
        }
    }

    fn close(&mut self) {
        let input = std::mem::take(&mut self.input);
        if let (Some(Value::Object(block)), Ok(input)) =
            (self.blocks.last_mut(), serde_json::from_str(&input))
        {
            block.insert("input".to_owned(), input);
        }
    }
}

/// Longest content that is kept, in bytes.
const MOST: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_are_put_together_as_a_whole_answer_has_them() {
        let mut recorder = Recorder::default();
        for event in [
            json!({"type":"message_start","message":{"content":[]}}),
            json!({"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}),
            json!({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"h"}}),
            json!({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"m"}}),
            json!({"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig"}}),
            json!({"type":"content_block_stop","index":0}),
            json!({"type":"content_block_start","index":1,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}),
            json!({"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"query\":"}}),
            json!({"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"\"x\"}"}}),
            json!({"type":"content_block_stop","index":1}),
            json!({"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}),
            json!({"type":"content_block_stop","index":2}),
            json!({"type":"content_block_start","index":3,"content_block":{"type":"text","text":"a"}}),
            json!({"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"b"}}),
            json!({"type":"content_block_delta","index":3,"delta":{"type":"citations_delta","citation":{"url":"u"}}}),
            json!({"type":"content_block_stop","index":3}),
        ] {
            recorder.push(event.to_string().as_bytes());
        }
        let expected = json!([
            {"type":"thinking","thinking":"hm","signature":"sig"},
            {"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"x"}},
            {"type":"text","text":"ab","citations":[{"url":"u"}]},
        ]);
        assert_eq!(json!(recorder.content()), expected);
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let mut recorder = Recorder::default();
        let block = json!({"type":"content_block_start","content_block":{"type":"text","text":"x".repeat(1 << 20)}});
        for _ in 0..9 {
            recorder.push(block.to_string().as_bytes());
        }
        assert!(!recorder.is_whole() && recorder.content().is_empty());
    }
}
