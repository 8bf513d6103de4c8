//! The types that are written: requests to an upstream, and answers to a client. They borrow from the hub.
use std::borrow::Cow;

use serde::Serialize;
use serde_json::Number;
use serde_json::value::RawValue;

/// A request to an upstream. The model is in the path.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_instruction: Option<SystemOut<'a>>,
    pub contents: Vec<ContentOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_config: Option<ToolConfigOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation_config: Option<GenerationOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub struct SystemOut<'a> {
    pub parts: Vec<PartOut<'a>>,
}

#[derive(Debug, Serialize)]
pub struct ContentOut<'a> {
    pub role: &'static str,
    pub parts: Vec<PartOut<'a>>,
}

/// One part.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub thought: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline_data: Option<BlobOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_data: Option<FileOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_call: Option<CallOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_response: Option<ResultOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thought_signature: Option<Cow<'a, str>>,
}

impl<'a> PartOut<'a> {
    /// A part with only this text.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::default()
        }
    }

    /// The same part without borrowed data. Only text, thoughts and calls occur in an answer.
    pub fn into_owned(self) -> PartOut<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        PartOut {
            text: self.text.map(own),
            thought: self.thought,
            function_call: self.function_call.map(|call| CallOut {
                id: own(call.id),
                name: own(call.name),
                args: Cow::Owned(call.args.into_owned()),
            }),
            thought_signature: self.thought_signature.map(own),
            ..PartOut::default()
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobOut<'a> {
    pub mime_type: &'a str,
    pub data: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<&'a str>,
    pub file_uri: &'a str,
}

#[derive(Debug, Serialize)]
pub struct CallOut<'a> {
    pub id: Cow<'a, str>,
    pub name: Cow<'a, str>,
    pub args: Cow<'a, RawValue>,
}

#[derive(Debug, Serialize)]
pub struct ResultOut<'a> {
    pub id: Cow<'a, str>,
    pub name: Cow<'a, str>,
    pub response: SaidOut,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartOut<'a>>,
}

/// The result of a tool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SaidOut {
    Error(String),
    Output(String),
}

/// One group of tools. All functions belong in one group.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ToolOut<'a> {
    CodeExecution(EmptyOut),
    FunctionDeclarations(Vec<FunctionOut<'a>>),
    GoogleSearch(EmptyOut),
    UrlContext(EmptyOut),
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct EmptyOut {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionOut<'a> {
    pub name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters_json_schema: Option<Box<RawValue>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolConfigOut<'a> {
    pub function_calling_config: CallingOut<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallingOut<'a> {
    pub mode: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_function_names: Vec<Cow<'a, str>>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerationOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_json_schema: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking_config: Option<ThinkingOut>,
}

/// A budget or a level, never both.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThinkingOut {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub include_thoughts: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking_budget: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking_level: Option<&'static str>,
}

/// An answer, or a chunk of one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChunkOut<'a> {
    pub candidates: [CandidateOut<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_metadata: Option<UsageOut>,
    pub model_version: &'a str,
    pub response_id: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateOut<'a> {
    pub content: AnswerContentOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_message: Option<&'a str>,
    pub index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grounding_metadata: Option<GroundingOut<'a>>,
}

#[derive(Debug, Serialize)]
pub struct AnswerContentOut<'a> {
    pub role: &'static str,
    pub parts: &'a [PartOut<'a>],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroundingOut<'a> {
    pub grounding_chunks: Vec<GroundingChunkOut<'a>>,
}

#[derive(Debug, Serialize)]
pub struct GroundingChunkOut<'a> {
    pub web: WebOut<'a>,
}

#[derive(Debug, Serialize)]
pub struct WebOut<'a> {
    pub uri: &'a str,
    pub title: &'a str,
}

/// Usage: the prompt includes the tokens that were read from a cache, the candidates do not include the thoughts.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct UsageOut {
    #[serde(rename = "promptTokenCount")]
    pub prompt: u64,
    #[serde(
        skip_serializing_if = "Option::is_none",
        rename = "cachedContentTokenCount"
    )]
    pub cached: Option<u64>,
    #[serde(rename = "candidatesTokenCount")]
    pub candidates: u64,
    #[serde(skip_serializing_if = "Option::is_none", rename = "thoughtsTokenCount")]
    pub thoughts: Option<u64>,
    #[serde(rename = "totalTokenCount")]
    pub total: u64,
}
