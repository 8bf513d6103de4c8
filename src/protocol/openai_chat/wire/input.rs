//! The types that are read; they borrow from the bytes.
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::hub::labels::{label, position, position_or_first};
use crate::protocol::hub::read::{Str, some_of, unescaped};
use crate::protocol::hub::stated::{ChatUsage, detail};

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

/// Anthropic's cache marker, which gateways and some clients add to Chat requests.
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

/// A call in the history or in an answer, or a fragment of a call in a stream.
#[derive(Debug, Deserialize)]
pub struct ToolCallIn<'a> {
    #[serde(default, deserialize_with = "position")]
    pub index: Option<usize>,
    #[serde(borrow, default, deserialize_with = "label")]
    pub id: Option<Str<'a>>,
    #[serde(borrow)]
    pub function: Option<FunctionCallIn<'a>>,
    #[serde(borrow)]
    pub custom: Option<CustomCallIn<'a>>,
    /// The state of a call at Google's Chat endpoint.
    #[serde(borrow)]
    pub extra_content: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct FunctionCallIn<'a> {
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    /// By the specification a string; some servers send the object itself.
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

/// A tool, nested as in Chat or flat as in Responses (Cursor mixes both).
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

/// An answer, or a chunk of one. What is large and rare is boxed here and below: a chunk is read by value.
#[derive(Debug, Deserialize)]
pub struct AnswerIn<'a> {
    #[serde(borrow, default, deserialize_with = "label")]
    pub id: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "label")]
    pub model: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "some_of")]
    pub choices: Vec<ChoiceIn<'a>>,
    #[serde(default, deserialize_with = "detail")]
    pub usage: Option<Box<ChatUsage>>,
    #[serde(borrow, default, deserialize_with = "label")]
    pub service_tier: Option<Str<'a>>,
    /// Groq states the usage of a stream here.
    #[serde(default, deserialize_with = "detail")]
    pub x_groq: Option<Box<GroqIn>>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub struct GroqIn {
    #[serde(default, deserialize_with = "detail")]
    pub usage: Option<Box<ChatUsage>>,
}

impl AnswerIn<'_> {
    /// Takes out all usage that it states, wherever it does; what a choice states counts last.
    pub fn take_usage(&mut self) -> Option<ChatUsage> {
        let beside = self.x_groq.take().and_then(|beside| beside.usage);
        let of_choices = self
            .choices
            .iter_mut()
            .filter_map(|choice| choice.usage.take());
        let all = self
            .usage
            .take()
            .into_iter()
            .chain(beside)
            .chain(of_choices);
        all.map(|usage| *usage).reduce(|mut sum, usage| {
            sum.merge(usage);
            sum
        })
    }
}

#[derive(Debug, Deserialize)]
pub struct ChoiceIn<'a> {
    #[serde(default, deserialize_with = "position_or_first")]
    pub index: usize,
    #[serde(borrow)]
    pub delta: Option<Box<DeltaIn<'a>>>,
    #[serde(borrow)]
    pub message: Option<Box<DeltaIn<'a>>>,
    #[serde(borrow, default, deserialize_with = "label")]
    pub finish_reason: Option<Str<'a>>,
    /// The usage of a stream, which Moonshot states here.
    #[serde(default, deserialize_with = "detail")]
    pub usage: Option<Box<ChatUsage>>,
}

/// The message of an answer, or a delta of it.
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
    /// Reasoning at GitHub Copilot.
    #[serde(borrow)]
    pub reasoning_text: Option<ContentIn<'a>>,
    /// Reasoning at gateways that convert from Ollama's own API or from Anthropic's.
    #[serde(borrow)]
    pub thinking: Option<ContentIn<'a>>,
    #[serde(borrow, default, deserialize_with = "some_of")]
    pub tool_calls: Vec<ToolCallIn<'a>>,
    #[serde(borrow)]
    pub function_call: Option<Box<FunctionCallIn<'a>>>,
    #[serde(borrow)]
    pub annotations: Option<Vec<AnnotationIn<'a>>>,
    /// Reasoning with the state of its vendor (OpenRouter).
    #[serde(borrow)]
    pub reasoning_details: Option<&'a RawValue>,
    /// Images of models that generate them (OpenRouter).
    #[serde(borrow)]
    pub images: Option<&'a RawValue>,
    #[serde(borrow)]
    pub audio: Option<&'a RawValue>,
}

impl DeltaIn<'_> {
    /// Whether it contains media, which no other dialect can express: an image or audio.
    pub fn has_media(&self) -> bool {
        [self.images, self.audio]
            .into_iter()
            .flatten()
            .any(|raw| !matches!(raw.get(), "null" | "[]" | "{}" | "\"\""))
    }
}

/// Content of an answer: by the specification a string, from Mistral a list of parts. It is distinguished by its first
/// character, because this is the hot path.
#[derive(Debug)]
pub enum ContentIn<'a> {
    Other(&'a RawValue),
    Text(Str<'a>),
}

impl<'de: 'a, 'a> Deserialize<'de> for ContentIn<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        if raw.get().starts_with('"') {
            return unescaped(raw)
                .map(Self::Text)
                .map_err(serde::de::Error::custom);
        }
        Ok(Self::Other(raw))
    }
}

/// One part of the content of an answer.
#[derive(Debug, Default, Deserialize)]
pub struct SaidIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub text: Option<Str<'a>>,
    #[serde(borrow)]
    pub thinking: Option<ContentIn<'a>>,
    #[serde(borrow)]
    pub refusal: Option<Str<'a>>,
}

/// Extra data that some vendors add to a call.
#[derive(Debug, Deserialize)]
pub struct ExtraIn<'a> {
    #[serde(borrow)]
    pub google: Option<GoogleIn<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct GoogleIn<'a> {
    #[serde(borrow)]
    pub thought_signature: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct AnnotationIn<'a> {
    #[serde(borrow)]
    pub url_citation: Option<UrlCitationIn<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct UrlCitationIn<'a> {
    #[serde(borrow)]
    pub url: Option<Str<'a>>,
    #[serde(borrow)]
    pub title: Option<Str<'a>>,
}
