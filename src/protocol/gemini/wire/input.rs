//! The types that are read: a client's request and an upstream's answer. They borrow from the bytes. Servers of this
//! dialect accept every name in camel case and in snake case, so clients send both.
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Number;
use serde_json::value::RawValue;

use crate::protocol::hub::labels::{label, position_or_first};
use crate::protocol::hub::read::{Str, number, one_or_more, or_default, some_of};
use crate::protocol::hub::stated::{GeminiUsage, detail};

/// An answer, or a chunk of one. What is large and rare is boxed here and below: a chunk is read by value.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChunkIn<'a> {
    #[serde(borrow, default, deserialize_with = "some_of")]
    pub candidates: Vec<CandidateIn<'a>>,
    #[serde(borrow, alias = "prompt_feedback")]
    pub prompt_feedback: Option<Box<FeedbackIn<'a>>>,
    #[serde(default, alias = "usage_metadata", deserialize_with = "detail")]
    pub usage_metadata: Option<Box<GeminiUsage>>,
    #[serde(borrow, default, alias = "model_version", deserialize_with = "label")]
    pub model_version: Option<Str<'a>>,
    #[serde(borrow, default, alias = "response_id", deserialize_with = "label")]
    pub response_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateIn<'a> {
    #[serde(borrow)]
    pub content: Option<ContentIn<'a>>,
    #[serde(borrow, default, alias = "finish_reason", deserialize_with = "label")]
    pub finish_reason: Option<Str<'a>>,
    #[serde(borrow, alias = "finish_message")]
    pub finish_message: Option<Str<'a>>,
    #[serde(default, deserialize_with = "position_or_first")]
    pub index: usize,
    #[serde(borrow, alias = "grounding_metadata")]
    pub grounding_metadata: Option<Box<GroundingIn<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedbackIn<'a> {
    #[serde(borrow)]
    pub block_reason: Option<Str<'a>>,
    #[serde(borrow)]
    pub block_reason_message: Option<Str<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroundingIn<'a> {
    #[serde(borrow, default, deserialize_with = "some_of")]
    pub web_search_queries: Vec<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "some_of")]
    pub grounding_chunks: Vec<GroundingChunkIn<'a>>,
    #[serde(borrow, default, deserialize_with = "some_of")]
    pub grounding_supports: Vec<GroundingSupportIn<'a>>,
}

impl GroundingIn<'_> {
    /// How often maps were queried, as far as the answer states it: it lists the places, but the queries only if there
    /// are no web pages.
    pub fn maps(&self) -> u64 {
        let chunks = &self.grounding_chunks;
        if !chunks.iter().any(|chunk| chunk.maps.is_some()) {
            0
        } else if self.is_of_a_map() {
            (self.web_search_queries.len() as u64).max(1)
        } else {
            1
        }
    }

    /// Whether the grounding has places and no pages.
    pub fn is_of_a_map(&self) -> bool {
        let chunks = &self.grounding_chunks;
        chunks.iter().any(|chunk| chunk.maps.is_some())
            && !chunks.iter().any(|chunk| chunk.web.is_some())
    }
}

#[derive(Debug, Deserialize)]
pub struct GroundingChunkIn<'a> {
    #[serde(borrow)]
    pub web: Option<WebIn<'a>>,
    /// A place of Google Maps.
    pub maps: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub struct WebIn<'a> {
    #[serde(borrow)]
    pub uri: Str<'a>,
    #[serde(borrow)]
    pub title: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroundingSupportIn<'a> {
    #[serde(borrow)]
    pub segment: Option<SegmentIn<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    pub grounding_chunk_indices: Vec<usize>,
}

#[derive(Debug, Deserialize)]
pub struct SegmentIn<'a> {
    #[serde(borrow)]
    pub text: Option<Str<'a>>,
}

/// One turn.
#[derive(Debug, Default, Deserialize)]
pub struct ContentIn<'a> {
    #[serde(borrow)]
    pub role: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "one_or_more")]
    pub parts: Vec<PartIn<'a>>,
}

/// One part; its fields determine its kind.
#[derive(Debug, Deserialize)]
pub struct PartIn<'a> {
    #[serde(borrow)]
    pub text: Option<Str<'a>>,
    pub thought: Option<bool>,
    #[serde(borrow, rename = "thoughtSignature", alias = "thought_signature")]
    pub thought_signature: Option<Str<'a>>,
    #[serde(borrow, rename = "inlineData", alias = "inline_data")]
    pub inline_data: Option<Box<BlobIn<'a>>>,
    #[serde(borrow, rename = "fileData", alias = "file_data")]
    pub file_data: Option<Box<FileIn<'a>>>,
    #[serde(borrow, rename = "functionCall", alias = "function_call")]
    pub function_call: Option<Box<CallIn<'a>>>,
    #[serde(borrow, rename = "functionResponse", alias = "function_response")]
    pub function_response: Option<Box<ResultIn<'a>>>,
    #[serde(borrow, rename = "executableCode", alias = "executable_code")]
    pub executable_code: Option<&'a RawValue>,
    #[serde(
        borrow,
        rename = "codeExecutionResult",
        alias = "code_execution_result"
    )]
    pub code_execution_result: Option<&'a RawValue>,
}

impl PartIn<'_> {
    /// Whether the part has no known field, so that it is of an unknown future kind.
    pub const fn says_nothing_known(&self) -> bool {
        self.text.is_none()
            && self.thought_signature.is_none()
            && self.inline_data.is_none()
            && self.file_data.is_none()
            && self.function_call.is_none()
            && self.function_response.is_none()
            && self.executable_code.is_none()
            && self.code_execution_result.is_none()
    }
}

#[derive(Debug, Deserialize)]
pub struct BlobIn<'a> {
    #[serde(borrow, rename = "mimeType", alias = "mime_type")]
    pub mime_type: Option<Str<'a>>,
    #[serde(borrow)]
    pub data: Str<'a>,
}

#[derive(Debug, Deserialize)]
pub struct FileIn<'a> {
    #[serde(borrow, rename = "mimeType", alias = "mime_type")]
    pub mime_type: Option<Str<'a>>,
    #[serde(borrow, rename = "fileUri", alias = "file_uri")]
    pub file_uri: Str<'a>,
}

#[derive(Debug, Deserialize)]
pub struct CallIn<'a> {
    #[serde(borrow, default, deserialize_with = "label")]
    pub id: Option<Str<'a>>,
    #[serde(borrow)]
    pub name: Str<'a>,
    #[serde(borrow)]
    pub args: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct ResultIn<'a> {
    #[serde(borrow)]
    pub id: Option<Str<'a>>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub response: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "one_or_more")]
    pub parts: Vec<PartIn<'a>>,
}

/// One group of tools.
#[derive(Debug, Deserialize)]
pub struct FunctionIn<'a> {
    #[serde(borrow)]
    pub name: Str<'a>,
    #[serde(borrow)]
    pub description: Option<Str<'a>>,
    /// In OpenAPI's terms.
    #[serde(borrow)]
    pub parameters: Option<&'a RawValue>,
    #[serde(
        borrow,
        rename = "parametersJsonSchema",
        alias = "parameters_json_schema"
    )]
    pub parameters_json_schema: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct ToolConfigIn<'a> {
    #[serde(
        borrow,
        rename = "functionCallingConfig",
        alias = "function_calling_config"
    )]
    pub function_calling_config: Option<CallingIn<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct CallingIn<'a> {
    #[serde(borrow)]
    pub mode: Option<Str<'a>>,
    #[serde(
        default,
        deserialize_with = "or_default",
        rename = "allowedFunctionNames",
        alias = "allowed_function_names"
    )]
    pub allowed_function_names: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct GenerationIn<'a> {
    #[serde(default, deserialize_with = "number")]
    pub temperature: Option<Number>,
    #[serde(default, rename = "topP", alias = "top_p", deserialize_with = "number")]
    pub top_p: Option<Number>,
    #[serde(default, rename = "topK", alias = "top_k", deserialize_with = "number")]
    pub top_k: Option<Number>,
    #[serde(default, deserialize_with = "number")]
    pub seed: Option<Number>,
    #[serde(
        default,
        rename = "candidateCount",
        alias = "candidate_count",
        deserialize_with = "number"
    )]
    pub candidate_count: Option<u64>,
    #[serde(
        default,
        rename = "maxOutputTokens",
        alias = "max_output_tokens",
        deserialize_with = "number"
    )]
    pub max_output_tokens: Option<u64>,
    #[serde(
        default,
        deserialize_with = "or_default",
        rename = "stopSequences",
        alias = "stop_sequences"
    )]
    pub stop_sequences: Vec<String>,
    #[serde(
        default,
        rename = "presencePenalty",
        alias = "presence_penalty",
        deserialize_with = "number"
    )]
    pub presence_penalty: Option<Number>,
    #[serde(
        default,
        rename = "frequencyPenalty",
        alias = "frequency_penalty",
        deserialize_with = "number"
    )]
    pub frequency_penalty: Option<Number>,
    #[serde(rename = "responseLogprobs", alias = "response_logprobs")]
    pub response_logprobs: Option<bool>,
    #[serde(borrow, rename = "responseMimeType", alias = "response_mime_type")]
    pub response_mime_type: Option<Str<'a>>,
    /// In OpenAPI's terms.
    #[serde(borrow, rename = "responseSchema", alias = "response_schema")]
    pub response_schema: Option<&'a RawValue>,
    #[serde(borrow, rename = "responseJsonSchema", alias = "response_json_schema")]
    pub response_json_schema: Option<&'a RawValue>,
    #[serde(
        borrow,
        default,
        deserialize_with = "or_default",
        rename = "responseModalities",
        alias = "response_modalities"
    )]
    pub response_modalities: Vec<Str<'a>>,
    #[serde(borrow, rename = "thinkingConfig", alias = "thinking_config")]
    pub thinking_config: Option<ThinkingIn<'a>>,
    #[serde(borrow, rename = "mediaResolution", alias = "media_resolution")]
    pub media_resolution: Option<&'a RawValue>,
    #[serde(borrow, rename = "speechConfig", alias = "speech_config")]
    pub speech_config: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct ThinkingIn<'a> {
    #[serde(
        default,
        deserialize_with = "or_default",
        rename = "includeThoughts",
        alias = "include_thoughts"
    )]
    pub include_thoughts: bool,
    #[serde(rename = "thinkingBudget", alias = "thinking_budget")]
    pub thinking_budget: Option<i64>,
    #[serde(borrow, rename = "thinkingLevel", alias = "thinking_level")]
    pub thinking_level: Option<Str<'a>>,
}
