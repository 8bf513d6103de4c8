//! The types that are written; they borrow from the hub. An absent field is left out: providers refuse `null` in many
//! places.
use std::borrow::Cow;

use serde::Serialize;
use serde_json::Number;
use serde_json::value::RawValue;

#[derive(Clone, Copy, Debug, Serialize)]
pub struct PromptDetailsOut {
    pub cached_tokens: u64,
    pub cache_write_tokens: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct CompletionDetailsOut {
    pub reasoning_tokens: u64,
}

/// A request to an upstream.
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
    /// `null` if there are only calls.
    pub content: Option<ContentOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasoning_details: Vec<Box<RawValue>>,
    /// Reasoning that is put in front of the content.
    #[serde(skip)]
    pub thought: Option<String>,
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
        #[serde(skip_serializing_if = "Option::is_none")]
        extra_content: Option<ExtraOut<'a>>,
    },
}

/// Extra data that Google's Chat endpoint requires back with a call.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ExtraOut<'a> {
    pub google: GoogleOut<'a>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct GoogleOut<'a> {
    pub thought_signature: &'a str,
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
    pub format: Option<Cow<'a, RawValue>>,
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

/// The usage in an answer to a client.
#[derive(Debug, Serialize)]
pub struct UsageOut {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub total_tokens: u64,
    pub prompt_tokens_details: PromptDetailsOut,
    pub completion_tokens_details: CompletionDetailsOut,
}
