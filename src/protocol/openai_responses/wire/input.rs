//! The types that are read: items of a client's request and of an upstream's answer, and the events of a stream. They
//! borrow from the bytes. Every field is optional if the type decides which ones are required.
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::hub::labels::{label, position};
use crate::protocol::hub::read::{Str, json_text, or_default, some_of};
use crate::protocol::hub::stated::{ResponsesUsage, detail};

/// Only the type of an event or item.
#[derive(Debug, Deserialize)]
pub struct KindIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
}

/// An event that adds to an item or completes a part of it.
#[derive(Debug, Deserialize)]
pub struct DeltaIn<'a> {
    #[serde(default, deserialize_with = "position")]
    pub output_index: Option<usize>,
    #[serde(borrow, default, deserialize_with = "label")]
    pub item_id: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "json_text")]
    pub delta: Option<Str<'a>>,
    /// The complete text, in `.done` events.
    #[serde(
        borrow,
        default,
        alias = "arguments",
        alias = "input",
        alias = "refusal",
        deserialize_with = "json_text"
    )]
    pub text: Option<Str<'a>>,
    #[serde(borrow)]
    pub annotation: Option<&'a RawValue>,
}

/// How an event identifies its item.
#[derive(Clone, Copy, Debug, Default)]
pub struct Name<'a> {
    pub id: Option<&'a str>,
    pub index: Option<usize>,
}

impl DeltaIn<'_> {
    /// How the event identifies its item.
    pub fn name(&self) -> Name<'_> {
        Name {
            id: self.item_id.as_deref(),
            index: self.output_index,
        }
    }
}

/// An event about a whole item.
#[derive(Debug, Deserialize)]
pub struct ItemEventIn<'a> {
    #[serde(default, deserialize_with = "position")]
    pub output_index: Option<usize>,
    #[serde(borrow)]
    pub item: Option<&'a RawValue>,
}

/// An event about the answer itself.
#[derive(Debug, Deserialize)]
pub struct LifecycleIn<'a> {
    #[serde(borrow)]
    pub response: ResponseIn<'a>,
}

/// An answer.
#[derive(Debug, Deserialize)]
pub struct ResponseIn<'a> {
    #[serde(borrow, default, deserialize_with = "label")]
    pub id: Option<Str<'a>>,
    #[serde(borrow)]
    pub model: Option<Str<'a>>,
    #[serde(borrow)]
    pub status: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "some_of")]
    pub output: Vec<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub incomplete_details: Option<IncompleteIn<'a>>,
    #[serde(default, deserialize_with = "detail")]
    pub usage: Option<ResponsesUsage>,
    #[serde(borrow)]
    pub service_tier: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct IncompleteIn<'a> {
    #[serde(borrow)]
    pub reason: Option<Str<'a>>,
}

/// One item of a conversation or of an answer.
#[derive(Debug, Deserialize)]
pub struct ItemIn<'a> {
    /// Some clients omit it in messages.
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "label")]
    pub id: Option<Str<'a>>,
    #[serde(borrow)]
    pub role: Option<Str<'a>>,
    /// A string or parts.
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "some_of")]
    pub summary: Vec<PartIn<'a>>,
    #[serde(borrow)]
    pub encrypted_content: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "label")]
    pub call_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub namespace: Option<Str<'a>>,
    #[serde(borrow)]
    pub arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    pub input: Option<Str<'a>>,
    /// A string or parts.
    #[serde(borrow)]
    pub output: Option<&'a RawValue>,
    /// What a client-executed call of a tool that OpenAI defines shall do.
    #[serde(borrow, alias = "operation")]
    pub action: Option<&'a RawValue>,
    #[serde(borrow)]
    pub tools: Option<&'a RawValue>,
}

/// One part of an item's content.
#[derive(Debug, Deserialize)]
pub struct PartIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub text: Option<Str<'a>>,
    #[serde(borrow)]
    pub refusal: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub annotations: Vec<&'a RawValue>,
    /// By the specification a string; an object from clients that use Chat's form.
    #[serde(borrow)]
    pub image_url: Option<&'a RawValue>,
    #[serde(borrow)]
    pub detail: Option<Str<'a>>,
    #[serde(borrow)]
    pub file_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub file_data: Option<Str<'a>>,
    #[serde(borrow)]
    pub file_url: Option<Str<'a>>,
    #[serde(borrow)]
    pub filename: Option<Str<'a>>,
    #[serde(borrow)]
    pub input_audio: Option<AudioIn<'a>>,
    #[serde(borrow)]
    pub prompt_cache_breakpoint: Option<BreakpointIn<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct AudioIn<'a> {
    #[serde(borrow)]
    pub data: Str<'a>,
    #[serde(borrow)]
    pub format: Str<'a>,
}

/// A cache breakpoint, or the cache options of the whole request.
#[derive(Debug, Deserialize)]
pub struct BreakpointIn<'a> {
    #[serde(borrow)]
    pub mode: Option<Str<'a>>,
    #[serde(borrow)]
    pub ttl: Option<Str<'a>>,
}

/// The query of a web search, and the pages that it found if they were requested.
#[derive(Debug, Default, Deserialize)]
pub struct SearchIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub query: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub sources: Vec<SourceIn<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct SourceIn<'a> {
    #[serde(borrow)]
    pub url: Option<Str<'a>>,
}

/// The source of a passage.
#[derive(Debug, Deserialize)]
pub struct AnnotationIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub url: Option<Str<'a>>,
    #[serde(borrow)]
    pub title: Option<Str<'a>>,
}

/// A tool in a client's declaration. Chat's nested `function` is accepted too, because some clients mix the forms.
#[derive(Debug, Deserialize)]
pub struct ToolIn<'a> {
    #[serde(borrow, default, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub description: Option<Str<'a>>,
    #[serde(borrow)]
    pub parameters: Option<&'a RawValue>,
    pub strict: Option<bool>,
    pub defer_loading: Option<bool>,
    /// Who runs a tool search.
    #[serde(borrow)]
    pub execution: Option<Str<'a>>,
    #[serde(borrow)]
    pub environment: Option<EnvironmentIn<'a>>,
    #[serde(borrow)]
    pub format: Option<&'a RawValue>,
    #[serde(borrow)]
    pub function: Option<&'a RawValue>,
    /// The members of a namespace.
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub tools: Vec<&'a RawValue>,
}

/// The place where a shell runs.
#[derive(Debug, Deserialize)]
pub struct EnvironmentIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct ToolChoiceIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub mode: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub tools: Vec<ToolChoiceNameIn<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct ToolChoiceNameIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct ReasoningIn<'a> {
    #[serde(borrow)]
    pub effort: Option<Str<'a>>,
    #[serde(borrow, alias = "generate_summary")]
    pub summary: Option<Str<'a>>,
    #[serde(borrow)]
    pub mode: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct TextIn<'a> {
    #[serde(borrow)]
    pub format: Option<FormatIn<'a>>,
    #[serde(borrow)]
    pub verbosity: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct FormatIn<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub description: Option<Str<'a>>,
    #[serde(borrow)]
    pub schema: Option<&'a RawValue>,
    pub strict: Option<bool>,
}

/// An image in the form of Chat.
#[derive(Debug, Deserialize)]
pub struct ImageUrlIn<'a> {
    #[serde(borrow)]
    pub url: Str<'a>,
}
