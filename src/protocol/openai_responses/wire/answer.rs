//! The types that are written to a client: answers and events. They borrow from the hub.
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::PartOut;
use crate::protocol::hub::request::Echo;

/// An item of an answer.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AnswerItemOut<'a> {
    CustomToolCall {
        id: &'a str,
        status: &'static str,
        call_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        name: &'a str,
        input: &'a str,
    },
    FunctionCall {
        id: &'a str,
        status: &'static str,
        call_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        name: &'a str,
        arguments: &'a str,
    },
    Message {
        id: &'a str,
        status: &'static str,
        role: &'static str,
        content: &'a [Box<RawValue>],
    },
    Reasoning {
        id: &'a str,
        status: &'static str,
        summary: &'a [Box<RawValue>],
        /// Always present and always empty: visible reasoning is written as the summary.
        content: [(); 0],
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<&'a str>,
    },
    WebSearchCall {
        id: &'a str,
        status: &'static str,
        action: SearchOut<'a>,
    },
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "search")]
pub struct SearchOut<'a> {
    pub query: &'a str,
}

/// An event about an item or a part of one; its type determines its fields.
#[derive(Debug, Default, Serialize)]
pub struct EventOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_id: Option<&'a str>,
    pub output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotation_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<[(); 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotation: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<PartOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<&'a RawValue>,
}

/// An event about the answer itself.
#[derive(Debug, Serialize)]
pub struct LifecycleOut<'a> {
    pub response: ResponseOut<'a>,
}

/// An answer, complete or so far.
#[derive(Debug, Serialize)]
pub struct ResponseOut<'a> {
    pub id: &'a str,
    pub object: &'static str,
    pub created_at: u64,
    pub status: &'static str,
    pub background: bool,
    pub error: Option<ErrorOut<'a>>,
    pub incomplete_details: Option<IncompleteOut>,
    pub instructions: Option<()>,
    pub model: &'a str,
    pub output: &'a [Box<RawValue>],
    pub previous_response_id: Option<()>,
    pub store: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<&'static str>,
    pub tools: [(); 0],
    /// The client's settings, with the dialect's defaults for missing ones.
    #[serde(flatten)]
    pub echo: EchoOut<'a>,
    pub usage: Option<UsageOut>,
}

#[derive(Debug, Serialize)]
pub struct ErrorOut<'a> {
    pub code: &'a str,
    pub message: &'a str,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct IncompleteOut {
    pub reason: &'static str,
}

/// The settings of the request that an answer repeats.
#[derive(Clone, Copy, Debug)]
pub struct EchoOut<'a>(pub &'a Echo);

impl Serialize for EchoOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(ECHOED.iter().map(|(name, default)| {
            let value = self.0.get(name).map_or(*default, Value::Asked);
            (name, value)
        }))
    }
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Asked(&'a RawValue),
    Empty {},
    Flag(bool),
    Null(()),
    Number(f64),
    TextFormat { format: TextFormat },
    Word(&'static str),
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "type", rename = "text")]
struct TextFormat {}

/// Whether an answer repeats this field of the request.
pub fn is_echoed(name: &str) -> bool {
    ECHOED.iter().any(|(known, _)| *known == name)
}

const ECHOED: &[(&str, Value<'static>)] = &[
    ("max_output_tokens", Value::Null(())),
    ("metadata", Value::Empty {}),
    ("parallel_tool_calls", Value::Flag(true)),
    ("reasoning", Value::Null(())),
    ("temperature", Value::Number(1.0)),
    (
        "text",
        Value::TextFormat {
            format: TextFormat {},
        },
    ),
    ("tool_choice", Value::Word("auto")),
    ("top_p", Value::Number(1.0)),
    ("truncation", Value::Word("disabled")),
];

/// Usage with inclusive counts.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct UsageOut {
    pub input_tokens: u64,
    pub input_tokens_details: InputDetailsOut,
    pub output_tokens: u64,
    pub output_tokens_details: OutputDetailsOut,
    pub total_tokens: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct InputDetailsOut {
    pub cached_tokens: u64,
    pub cache_write_tokens: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct OutputDetailsOut {
    pub reasoning_tokens: u64,
}
