//! Anthropic Messages, field for field: what is read borrows from the bytes, what is written borrows from the hub.
use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

use crate::protocol::hub::read::Str;

/// A block of content in any place, every field optional: the type decides which are needed.
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
    #[serde(borrow)]
    pub id: Option<Str<'a>>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
    #[serde(borrow)]
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
    pub kind: Str<'a>,
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

/// One event of a stream, every field optional.
#[derive(Debug, Deserialize)]
pub struct EventIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    pub index: Option<usize>,
    #[serde(borrow)]
    pub message: Option<MessageOutIn<'a>>,
    #[serde(borrow)]
    pub content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    pub delta: Option<DeltaIn<'a>>,
    pub usage: Option<UsageIn>,
}

/// The delta of a block, or of the message.
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
    pub stop_details: Option<StopDetails<'a>>,
}

/// A message as the upstream answers it: whole, or the head of a stream.
#[derive(Debug, Deserialize)]
pub struct MessageOutIn<'a> {
    #[serde(borrow)]
    pub id: Option<Str<'a>>,
    #[serde(borrow)]
    pub model: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub content: Vec<&'a RawValue>,
    #[serde(borrow)]
    pub stop_reason: Option<Str<'a>>,
    #[serde(borrow)]
    pub stop_sequence: Option<Str<'a>>,
    #[serde(borrow)]
    pub stop_details: Option<StopDetails<'a>>,
    pub usage: Option<UsageIn>,
}

#[derive(Debug, Default, Deserialize)]
pub struct StopDetails<'a> {
    #[serde(borrow)]
    pub category: Option<Str<'a>>,
    #[serde(borrow)]
    pub explanation: Option<Str<'a>>,
}

/// Usage as far as it is stated. In a stream, what is stated later overwrites.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct UsageIn {
    pub input_tokens: Option<u64>,
    pub cache_read_input_tokens: Option<u64>,
    pub cache_creation_input_tokens: Option<u64>,
    pub cache_creation: Option<CacheCreation>,
    pub output_tokens: Option<u64>,
    pub output_tokens_details: Option<OutputDetails>,
    pub server_tool_use: Option<ServerToolUse>,
    pub service_tier: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct CacheCreation {
    #[serde(default)]
    pub ephemeral_5m_input_tokens: u64,
    #[serde(default)]
    pub ephemeral_1h_input_tokens: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct OutputDetails {
    #[serde(default)]
    pub thinking_tokens: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct ServerToolUse {
    #[serde(default)]
    pub web_search_requests: u64,
}

/// A request as it is sent. Absent is absent: Anthropic refuses `null` in many places.
#[derive(Debug, Serialize)]
pub struct RequestOut<'a> {
    pub model: &'a str,
    pub max_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<CacheOut>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system: Vec<BlockOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoiceOut<'a>>,
    pub messages: Vec<MessageOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<ThinkingOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_config: Option<OutputConfigOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<&'a Number>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<MetadataOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
}

#[derive(Debug, Serialize)]
pub struct MessageOut<'a> {
    pub role: &'static str,
    pub content: Vec<BlockOut<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum BlockOut<'a> {
    Document {
        source: SourceOut<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        context: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<EnabledOut>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheOut>,
    },
    Image {
        source: SourceOut<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheOut>,
    },
    RedactedThinking {
        data: Cow<'a, str>,
    },
    SearchResult {
        source: &'a str,
        title: &'a str,
        content: Vec<BlockOut<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<EnabledOut>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheOut>,
    },
    Text {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        citations: Vec<CitationOut<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheOut>,
    },
    Thinking {
        thinking: Cow<'a, str>,
        signature: Cow<'a, str>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        content: Vec<BlockOut<'a>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheOut>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Cow<'a, RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheOut>,
    },
}

#[derive(Debug, Serialize)]
pub struct CitationOut<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub url: &'a str,
    pub title: &'a str,
    pub cited_text: &'a str,
    pub encrypted_index: Cow<'a, str>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct EnabledOut {
    pub enabled: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct CacheOut {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SourceOut<'a> {
    Base64 {
        media_type: &'a str,
        data: &'a str,
    },
    Content {
        content: Vec<BlockOut<'a>>,
    },
    Text {
        media_type: &'static str,
        data: Cow<'a, str>,
    },
    Url {
        url: &'a str,
    },
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ToolOut<'a> {
    Custom {
        name: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        input_schema: Cow<'a, RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheOut>,
    },
    /// A hosted tool.
    Hosted(HostedOut),
}

#[derive(Debug, Serialize)]
pub struct HostedOut {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub name: &'static str,
}

#[derive(Debug, Serialize)]
pub struct ToolChoiceOut<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_parallel_tool_use: Option<bool>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct ThinkingOut {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub struct OutputConfigOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<FormatOut>,
}

#[derive(Debug, Serialize)]
pub struct FormatOut {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub schema: Box<RawValue>,
}

#[derive(Debug, Serialize)]
pub struct MetadataOut<'a> {
    pub user_id: Cow<'a, str>,
}

/// Usage as it is answered.
#[derive(Debug, Serialize)]
pub struct UsageOut {
    pub input_tokens: u64,
    pub cache_creation_input_tokens: u64,
    pub cache_read_input_tokens: u64,
    pub cache_creation: CacheCreation,
    pub output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens_details: Option<OutputDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_tool_use: Option<ServerToolUse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<&'static str>,
}
