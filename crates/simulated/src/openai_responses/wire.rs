//! What Responses writes: the response object and the events of its streams.
use serde::Serialize;
use serde_json::Value;

use crate::usage::Usage;

/// Every event of a stream: its type and number, and of the rest what the type has.
#[derive(Default, Serialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub sequence_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<[(); 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<Part<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Box<Response<'a>>>,
}

impl<'a> Event<'a> {
    pub(super) fn of_item(item_id: &'a str, output_index: usize) -> Self {
        Self {
            item_id: Some(item_id),
            output_index: Some(output_index),
            ..Self::default()
        }
    }

    pub(super) fn of_response(response: Response<'a>) -> Self {
        Self {
            response: Some(Box::new(response)),
            ..Self::default()
        }
    }
}

/// The response object.
#[derive(Serialize)]
pub(super) struct Response<'a> {
    pub id: String,
    pub object: &'static str,
    pub created_at: i64,
    pub completed_at: Option<i64>,
    pub status: &'static str,
    pub background: bool,
    pub error: Option<Value>,
    pub incomplete_details: Option<Reason>,
    pub instructions: (),
    pub max_output_tokens: (),
    pub model: &'a str,
    pub output: Vec<Item<'a>>,
    pub parallel_tool_calls: bool,
    pub previous_response_id: (),
    pub reasoning: Reasoning,
    pub service_tier: &'static str,
    pub store: bool,
    pub temperature: f64,
    pub text: Text,
    pub tool_choice: &'static str,
    pub tools: [(); 0],
    pub top_p: f64,
    pub truncation: &'static str,
    pub usage: Option<WireUsage>,
    pub user: (),
    pub metadata: Metadata,
}

#[derive(Serialize)]
pub(super) struct Reason {
    pub reason: &'static str,
}

/// The settings that a request left alone.
#[derive(Default, Serialize)]
pub(super) struct Reasoning {
    effort: (),
    summary: (),
}

#[derive(Serialize)]
pub(super) struct Text {
    pub format: Format,
}

#[derive(Serialize)]
pub(super) struct Format {
    #[serde(rename = "type")]
    pub kind: &'static str,
}

#[derive(Serialize)]
pub(super) struct Metadata {}

/// An output item.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item<'a> {
    CustomToolCall {
        id: String,
        status: &'static str,
        call_id: String,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        input: &'a str,
    },
    FunctionCall {
        id: String,
        status: &'static str,
        call_id: String,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        arguments: &'a str,
    },
    Message {
        id: String,
        status: &'static str,
        role: &'static str,
        content: Vec<Part<'a>>,
    },
    Reasoning {
        id: String,
        summary: Vec<Part<'a>>,
        content: [(); 0],
        encrypted_content: Option<String>,
    },
}

/// A part of a message or of a summary.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part<'a> {
    OutputText {
        annotations: [(); 0],
        logprobs: [(); 0],
        text: &'a str,
    },
    Refusal {
        refusal: &'a str,
    },
    SummaryText {
        text: &'a str,
    },
}

#[derive(Serialize)]
pub(super) struct WireUsage {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl WireUsage {
    pub(super) fn new(usage: &Usage) -> Self {
        Self {
            input_tokens: usage.prompt(),
            input_tokens_details: InputDetails {
                cached_tokens: usage.cache_read,
                cache_write_tokens: usage.cache_write_5m + usage.cache_write_1h,
            },
            output_tokens: usage.output,
            output_tokens_details: OutputDetails {
                reasoning_tokens: usage.reasoning,
            },
            total_tokens: usage.total(),
        }
    }
}
