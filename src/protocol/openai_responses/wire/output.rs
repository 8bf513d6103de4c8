//! What is written: requests to an upstream, and answers and events to a client. All of it borrows from the hub.
use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::Number;
use serde_json::value::RawValue;

use crate::protocol::hub::request::Echo;

/// A request as it is sent.
#[derive(Debug, Serialize)]
pub struct RequestOut<'a> {
    pub model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Cow<'a, str>>,
    pub input: Vec<ItemOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoiceOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<ReasoningOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<TextOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<&'static str>,
    pub store: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safety_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_key: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_options: Option<CacheOptionsOut>,
    pub stream: bool,
}

/// An item of a conversation.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ItemOut<'a> {
    CustomToolCall {
        call_id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: &'a str,
    },
    CustomToolCallOutput {
        call_id: Cow<'a, str>,
        output: OutputOut<'a>,
    },
    FunctionCall {
        call_id: Cow<'a, str>,
        name: Cow<'a, str>,
        arguments: Cow<'a, str>,
    },
    FunctionCallOutput {
        call_id: Cow<'a, str>,
        output: OutputOut<'a>,
    },
    Message {
        role: &'static str,
        content: Vec<PartOut<'a>>,
    },
    Reasoning {
        #[serde(skip_serializing_if = "str::is_empty")]
        id: &'a str,
        summary: Vec<PartOut<'a>>,
        encrypted_content: &'a str,
    },
}

/// What a tool answered.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum OutputOut<'a> {
    Parts(Vec<PartOut<'a>>),
    Text(String),
}

/// A part of a message.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PartOut<'a> {
    InputAudio {
        input_audio: AudioOut<'a>,
    },
    InputFile {
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<Place<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_cache_breakpoint: Option<BreakpointOut>,
    },
    InputImage {
        #[serde(skip_serializing_if = "Option::is_none")]
        image_url: Option<Place<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'a str>,
        detail: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_cache_breakpoint: Option<BreakpointOut>,
    },
    InputText {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_cache_breakpoint: Option<BreakpointOut>,
    },
    OutputText {
        text: Cow<'a, str>,
        annotations: &'a [Box<RawValue>],
    },
    Refusal {
        refusal: &'a str,
    },
    SummaryText {
        text: &'a str,
    },
}

/// Where bytes are: at a URL, or in one.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    Data { media_type: &'a str, data: &'a str },
    Url(&'a str),
}

impl Serialize for Place<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Data { media_type, data } => {
                serializer.collect_str(&format_args!("data:{media_type};base64,{data}"))
            }
            Self::Url(url) => serializer.serialize_str(url),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct AudioOut<'a> {
    pub data: &'a str,
    pub format: &'a str,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct BreakpointOut {
    pub mode: &'static str,
    pub ttl: &'static str,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct CacheOptionsOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<&'static str>,
    /// Only fills the cache.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub prewarm: bool,
}

/// A tool. Types are flat here, other than in Chat.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToolOut<'a> {
    Custom {
        name: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        format: Option<&'a RawValue>,
    },
    Function {
        name: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<Cow<'a, str>>,
        parameters: Cow<'a, RawValue>,
        /// Always said: left out, the server tries to be strict.
        strict: bool,
    },
    WebSearch {
        #[serde(skip_serializing_if = "Option::is_none")]
        filters: Option<FiltersOut>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_location: Option<Box<RawValue>>,
    },
}

#[derive(Debug, Serialize)]
pub struct FiltersOut {
    pub allowed_domains: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ToolChoiceOut<'a> {
    Mode(&'static str),
    Named {
        #[serde(rename = "type")]
        kind: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<Cow<'a, str>>,
    },
    Allowed {
        #[serde(rename = "type")]
        kind: &'static str,
        mode: &'static str,
        tools: Vec<ToolChoiceOut<'a>>,
    },
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct ReasoningOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub struct TextOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<FormatOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FormatOut<'a> {
    JsonObject,
    JsonSchema {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        schema: Cow<'a, RawValue>,
        strict: bool,
    },
}

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
        /// Always there and always empty: what is visible of the reasoning is shown as its summary.
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

/// An event about an item, or a part of one; which fields it has depends on its type.
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

/// An event about the answer as such.
#[derive(Debug, Serialize)]
pub struct LifecycleOut<'a> {
    pub response: ResponseOut<'a>,
}

/// An answer, whole or so far.
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
    /// What the client asked for, and the dialect's defaults where it asked for nothing.
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

/// Whether an answer repeats that field of the request.
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
