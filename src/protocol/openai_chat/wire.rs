//! OpenAI Chat, field for field: what is read borrows from the bytes, what is written borrows from the hub.
use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

use crate::protocol::hub::read::{Str, or_default};

/// A message of a request.
#[derive(Debug, Deserialize)]
pub struct MessageIn<'a> {
    #[serde(borrow)]
    pub role: Str<'a>,
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub refusal: Option<Str<'a>>,
    #[serde(borrow)]
    pub reasoning_content: Option<Str<'a>>,
    #[serde(borrow)]
    pub reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    pub reasoning_details: Option<&'a RawValue>,
    #[serde(borrow)]
    pub thinking_blocks: Option<&'a RawValue>,
    #[serde(borrow)]
    pub tool_calls: Option<Vec<ToolCallIn<'a>>>,
    #[serde(borrow)]
    pub function_call: Option<FunctionCallIn<'a>>,
    #[serde(borrow)]
    pub tool_call_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub cache_control: Option<CacheControlIn<'a>>,
}

/// Anthropic's marker, which gateways and some clients put into Chat requests.
#[derive(Debug, Deserialize)]
pub struct CacheControlIn<'a> {
    #[serde(borrow)]
    pub ttl: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct PartIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub text: Option<Str<'a>>,
    #[serde(borrow)]
    pub refusal: Option<Str<'a>>,
    #[serde(borrow)]
    pub image_url: Option<&'a RawValue>,
    #[serde(borrow)]
    pub file: Option<FileIn<'a>>,
    #[serde(borrow)]
    pub input_audio: Option<AudioIn<'a>>,
    #[serde(borrow)]
    pub prompt_cache_breakpoint: Option<CacheControlIn<'a>>,
    #[serde(borrow)]
    pub cache_control: Option<CacheControlIn<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct ImageUrlIn<'a> {
    #[serde(borrow)]
    pub url: Str<'a>,
    #[serde(borrow)]
    pub detail: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct FileIn<'a> {
    #[serde(borrow)]
    pub filename: Option<Str<'a>>,
    #[serde(borrow)]
    pub file_data: Option<Str<'a>>,
    #[serde(borrow)]
    pub file_id: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct AudioIn<'a> {
    #[serde(borrow)]
    pub data: Str<'a>,
    #[serde(borrow)]
    pub format: Option<Str<'a>>,
}

/// A call: in history, in an answer, or a fragment of one in a stream.
#[derive(Debug, Deserialize)]
pub struct ToolCallIn<'a> {
    pub index: Option<usize>,
    #[serde(borrow)]
    pub id: Option<Str<'a>>,
    #[serde(borrow)]
    pub function: Option<FunctionCallIn<'a>>,
    #[serde(borrow)]
    pub custom: Option<CustomCallIn<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct FunctionCallIn<'a> {
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    /// A string by the book; some servers send the object itself.
    #[serde(borrow)]
    pub arguments: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct CustomCallIn<'a> {
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub input: Option<Str<'a>>,
}

/// A tool, nested as Chat has it or flat as Responses has it (Cursor mixes them).
#[derive(Debug, Deserialize)]
pub struct ToolIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub function: Option<&'a RawValue>,
    #[serde(borrow)]
    pub custom: Option<&'a RawValue>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub cache_control: Option<CacheControlIn<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct FunctionIn<'a> {
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub description: Option<Str<'a>>,
    #[serde(borrow)]
    pub parameters: Option<&'a RawValue>,
    pub strict: Option<bool>,
    #[serde(borrow)]
    pub format: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct ResponseFormatIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub json_schema: Option<JsonSchemaIn<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct JsonSchemaIn<'a> {
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub description: Option<Str<'a>>,
    #[serde(borrow)]
    pub schema: Option<&'a RawValue>,
    pub strict: Option<bool>,
}

/// An answer, or a chunk of one.
#[derive(Debug, Deserialize)]
pub struct AnswerIn<'a> {
    #[serde(borrow)]
    pub id: Option<Str<'a>>,
    #[serde(borrow)]
    pub model: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub choices: Vec<ChoiceIn<'a>>,
    pub usage: Option<UsageIn>,
    #[serde(borrow)]
    pub service_tier: Option<Str<'a>>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct ChoiceIn<'a> {
    #[serde(default)]
    pub index: usize,
    #[serde(borrow)]
    pub delta: Option<DeltaIn<'a>>,
    #[serde(borrow)]
    pub message: Option<DeltaIn<'a>>,
    #[serde(borrow)]
    pub finish_reason: Option<Str<'a>>,
    /// Moonshot puts the usage of a stream here.
    pub usage: Option<UsageIn>,
}

/// A message of an answer, or a piece of it.
#[derive(Debug, Default, Deserialize)]
pub struct DeltaIn<'a> {
    #[serde(borrow)]
    pub content: Option<ContentIn<'a>>,
    #[serde(borrow)]
    pub refusal: Option<Str<'a>>,
    #[serde(borrow)]
    pub reasoning_content: Option<Str<'a>>,
    #[serde(borrow)]
    pub reasoning: Option<ContentIn<'a>>,
    #[serde(borrow)]
    pub tool_calls: Option<Vec<ToolCallIn<'a>>>,
    #[serde(borrow)]
    pub function_call: Option<FunctionCallIn<'a>>,
    #[serde(borrow)]
    pub annotations: Option<Vec<AnnotationIn<'a>>>,
}

/// Content of an answer: a string by the book, a list of parts from Mistral. Read by its first character, because this is the
/// hot path.
#[derive(Debug)]
pub enum ContentIn<'a> {
    Other(&'a RawValue),
    Text(Str<'a>),
}

impl<'de: 'a, 'a> Deserialize<'de> for ContentIn<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        if raw.get().starts_with('"') {
            let text = serde_json::from_str(raw.get()).map_err(serde::de::Error::custom)?;
            return Ok(Self::Text(text));
        }
        Ok(Self::Other(raw))
    }
}

#[derive(Debug, Deserialize)]
pub struct AnnotationIn<'a> {
    #[serde(borrow)]
    pub url_citation: Option<UrlCitationIn<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct UrlCitationIn<'a> {
    #[serde(borrow)]
    pub url: Str<'a>,
    #[serde(borrow)]
    pub title: Option<Str<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct UsageIn {
    #[serde(default, deserialize_with = "or_default")]
    pub prompt_tokens: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub completion_tokens: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub total_tokens: u64,
    pub prompt_tokens_details: Option<PromptDetails>,
    pub completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek.
    pub prompt_cache_hit_tokens: Option<u64>,
    /// Moonshot.
    pub cached_tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct PromptDetails {
    #[serde(default, deserialize_with = "or_default")]
    pub cached_tokens: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub cache_write_tokens: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct CompletionDetails {
    #[serde(default, deserialize_with = "or_default")]
    pub reasoning_tokens: u64,
}

/// A request as it is sent.
#[derive(Debug, Default, Serialize)]
pub struct RequestOut<'a> {
    pub model: &'a str,
    pub messages: Vec<MessageOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ChoiceOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_call: Option<ChoiceOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<TypeOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormatOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_search_options: Option<EmptyOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safety_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_options: Option<CacheOptionsOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptionsOut>,
}

#[derive(Debug, Default, Serialize)]
pub struct MessageOut<'a> {
    pub role: &'static str,
    /// `null` next to calls.
    pub content: Option<ContentOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCallOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_call: Option<FunctionCallOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'a, str>>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ContentOut<'a> {
    Parts(Vec<PartOut<'a>>),
    Text(Cow<'a, str>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PartOut<'a> {
    File {
        file: FileOut<'a>,
    },
    ImageUrl {
        image_url: ImageUrlOut<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_cache_breakpoint: Option<BreakpointOut>,
    },
    InputAudio {
        input_audio: AudioOut<'a>,
    },
    Text {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_cache_breakpoint: Option<BreakpointOut>,
    },
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct BreakpointOut {
    pub mode: &'static str,
    pub ttl: &'static str,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct CacheOptionsOut {
    pub mode: &'static str,
    pub ttl: &'static str,
}

#[derive(Debug, Serialize)]
pub struct ImageUrlOut<'a> {
    pub url: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub struct FileOut<'a> {
    pub filename: Cow<'a, str>,
    pub file_data: String,
}

#[derive(Debug, Serialize)]
pub struct AudioOut<'a> {
    pub data: &'a str,
    pub format: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToolCallOut<'a> {
    Custom {
        id: Cow<'a, str>,
        custom: CustomCallOut<'a>,
    },
    Function {
        id: Cow<'a, str>,
        function: FunctionCallOut<'a>,
    },
}

#[derive(Debug, Serialize)]
pub struct CustomCallOut<'a> {
    pub name: Cow<'a, str>,
    pub input: &'a str,
}

#[derive(Debug, Serialize)]
pub struct FunctionCallOut<'a> {
    pub name: Cow<'a, str>,
    pub arguments: Cow<'a, str>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToolOut<'a> {
    Custom { custom: CustomOut<'a> },
    Function { function: FunctionOut<'a> },
}

#[derive(Debug, Serialize)]
pub struct FunctionOut<'a> {
    pub name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

#[derive(Debug, Serialize)]
pub struct CustomOut<'a> {
    pub name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<&'a RawValue>,
}

/// `tool_choice`, or `function_call`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ChoiceOut<'a> {
    Allowed {
        #[serde(rename = "type")]
        kind: &'static str,
        allowed_tools: AllowedOut<'a>,
    },
    Custom {
        #[serde(rename = "type")]
        kind: &'static str,
        custom: NameOut<'a>,
    },
    Function {
        #[serde(rename = "type")]
        kind: &'static str,
        function: NameOut<'a>,
    },
    Mode(&'static str),
    Name(NameOut<'a>),
}

#[derive(Debug, Serialize)]
pub struct AllowedOut<'a> {
    pub mode: &'static str,
    pub tools: Vec<ChoiceOut<'a>>,
}

#[derive(Debug, Serialize)]
pub struct NameOut<'a> {
    pub name: Cow<'a, str>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct TypeOut {
    #[serde(rename = "type")]
    pub kind: &'static str,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct EmptyOut {}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct StreamOptionsOut {
    pub include_usage: bool,
}

#[derive(Debug, Serialize)]
pub struct ResponseFormatOut<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<JsonSchemaOut<'a>>,
}

#[derive(Debug, Serialize)]
pub struct JsonSchemaOut<'a> {
    pub name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    pub schema: Cow<'a, RawValue>,
    pub strict: bool,
}

/// Usage as it is answered.
#[derive(Debug, Serialize)]
pub struct UsageOut {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub total_tokens: u64,
    pub prompt_tokens_details: PromptDetails,
    pub completion_tokens_details: CompletionDetails,
}
