//! The types that are read; they borrow from the bytes.
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::hub::labels::{label, position};
use crate::protocol::hub::read::{Str, list};
use crate::protocol::hub::stated::{AnthropicUsage, detail, level};

/// A content block in any place. Every field is optional; the type decides which ones are required.
#[derive(Debug, Default, Deserialize)]
pub struct BlockIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub text: Option<Str<'a>>,
    #[serde(borrow)]
    pub thinking: Option<Str<'a>>,
    #[serde(borrow)]
    pub signature: Option<Str<'a>>,
    #[serde(borrow)]
    pub data: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "label")]
    pub id: Option<Str<'a>>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "label")]
    pub tool_use_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
    pub is_error: Option<bool>,
    #[serde(borrow)]
    pub source: Option<&'a RawValue>,
    #[serde(borrow)]
    pub title: Option<Str<'a>>,
    #[serde(borrow)]
    pub context: Option<Str<'a>>,
    #[serde(borrow)]
    pub citations: Option<&'a RawValue>,
    #[serde(borrow)]
    pub cache_control: Option<CacheIn<'a>>,
    #[serde(borrow)]
    pub tool_name: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct CacheIn<'a> {
    #[serde(borrow)]
    pub ttl: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct MessageIn<'a> {
    #[serde(borrow)]
    pub role: Str<'a>,
    #[serde(borrow)]
    pub content: &'a RawValue,
}

#[derive(Debug, Deserialize)]
pub struct SourceIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub media_type: Option<Str<'a>>,
    #[serde(borrow)]
    pub data: Option<Str<'a>>,
    #[serde(borrow)]
    pub url: Option<Str<'a>>,
    #[serde(borrow)]
    pub file_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct ToolIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub description: Option<Str<'a>>,
    #[serde(borrow)]
    pub input_schema: Option<&'a RawValue>,
    pub strict: Option<bool>,
    #[serde(borrow)]
    pub cache_control: Option<CacheIn<'a>>,
    pub defer_loading: Option<bool>,
    pub eager_input_streaming: Option<bool>,
    #[serde(borrow)]
    pub input_examples: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct ToolChoiceIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    pub disable_parallel_tool_use: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub struct ThinkingIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    /// Some clients send only this field.
    pub enabled: Option<bool>,
    pub budget_tokens: Option<u64>,
    #[serde(borrow)]
    pub display: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct OutputConfigIn<'a> {
    #[serde(borrow)]
    pub effort: Option<Str<'a>>,
    #[serde(borrow)]
    pub format: Option<FormatIn<'a>>,
    #[serde(borrow)]
    pub task_budget: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct FormatIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub schema: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct MetadataIn<'a> {
    #[serde(borrow)]
    pub user_id: Option<Str<'a>>,
}

/// One event of a stream. Every field is optional.
#[derive(Debug, Deserialize)]
pub struct EventIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(default, deserialize_with = "position")]
    pub index: Option<usize>,
    #[serde(borrow)]
    pub message: Option<Box<MessageOutIn<'a>>>,
    #[serde(borrow)]
    pub content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    pub delta: Option<DeltaIn<'a>>,
    #[serde(default, deserialize_with = "detail")]
    pub usage: Option<Box<UsageIn>>,
}

/// The delta of a block or of the message.
#[derive(Debug, Default, Deserialize)]
pub struct DeltaIn<'a> {
    #[serde(borrow)]
    pub text: Option<Str<'a>>,
    #[serde(borrow)]
    pub thinking: Option<Str<'a>>,
    #[serde(borrow)]
    pub signature: Option<Str<'a>>,
    #[serde(borrow)]
    pub partial_json: Option<Str<'a>>,
    #[serde(borrow)]
    pub citation: Option<&'a RawValue>,
    #[serde(borrow)]
    pub stop_reason: Option<Str<'a>>,
    #[serde(borrow)]
    pub stop_sequence: Option<Str<'a>>,
    #[serde(borrow)]
    pub stop_details: Option<Box<StopDetails<'a>>>,
}

/// A message of the upstream: a whole answer, or the head of a stream.
#[derive(Debug, Deserialize)]
pub struct MessageOutIn<'a> {
    #[serde(borrow, default, deserialize_with = "label")]
    pub id: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "label")]
    pub model: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub content: Vec<&'a RawValue>,
    #[serde(borrow)]
    pub stop_reason: Option<Str<'a>>,
    #[serde(borrow)]
    pub stop_sequence: Option<Str<'a>>,
    #[serde(borrow)]
    pub stop_details: Option<StopDetails<'a>>,
    #[serde(default, deserialize_with = "detail")]
    pub usage: Option<UsageIn>,
}

#[derive(Debug, Default, Deserialize)]
pub struct StopDetails<'a> {
    #[serde(borrow)]
    pub category: Option<Str<'a>>,
    #[serde(borrow)]
    pub explanation: Option<Str<'a>>,
}

/// Usage as far as it is stated. In a stream, later values overwrite earlier ones.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct UsageIn {
    #[serde(flatten)]
    pub counts: AnthropicUsage,
    /// The service tier that the request was served with.
    #[serde(default, deserialize_with = "level")]
    pub service_tier: Option<Level>,
}

/// The name of a service tier.
type Level = &'static str;
