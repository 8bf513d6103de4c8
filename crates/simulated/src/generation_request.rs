//! What a request asks for, whatever its dialect, as far as it shapes the answer.
use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault::{Failure, Fault};
use super::frames::Framing;

/// A generative request. Each dialect's module reads its own body into one.
#[derive(Debug)]
pub(super) struct GenerationRequest<'a> {
    pub model: Cow<'a, str>,
    /// `None`: one plain body.
    pub stream: Option<Framing>,
    pub tail: Tail,
    /// Answers of the model in the history: 0 in a fresh conversation.
    pub rounds: usize,
    pub tools: Vec<Tool<'a>>,
    pub choice: Choice<'a>,
    pub reasoning: Option<Reasoning>,
    pub max_output: Option<u64>,
    pub stops: Vec<String>,
    /// A JSON Schema that the answer must follow.
    pub schema: Option<&'a RawValue>,
    /// Chat: a last chunk with the usage.
    pub include_usage: bool,
    /// Some part of the prompt is marked for caching.
    pub cached: bool,
    /// Chat as it was before tools: `functions` and `function_call`.
    pub legacy: bool,
}

/// What came after the model's last turn: the only part of a history that the answer depends on.
#[derive(Debug, Default)]
pub(super) struct Tail {
    texts: Vec<String>,
    results: Vec<String>,
}

/// A tool that the client offers.
#[derive(Clone, Debug)]
pub(super) struct Tool<'a> {
    pub name: Cow<'a, str>,
    pub schema: Option<&'a RawValue>,
    /// Takes text instead of JSON.
    pub freeform: bool,
    pub namespace: Option<Cow<'a, str>>,
}

/// `tool_choice`, in all its spellings.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Choice<'a> {
    Any,
    Auto,
    Named(Cow<'a, str>),
    None,
}

/// Reasoning is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Reasoning {
    /// As text, or only as opaque state.
    pub visible: bool,
    /// Opaque state to be sent back: a signature, encrypted content.
    pub opaque: bool,
}

/// Who said an item of the history.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Speaker {
    Model,
    Other,
    User,
}

impl Tail {
    /// Reads a history from its end back to the model's last turn; also says how many turns the model had.
    pub(super) fn read<'a, I: 'a>(
        history: &'a [I],
        speaker: impl Fn(&I) -> Speaker,
        mut add: impl FnMut(&mut Self, &'a I),
    ) -> (Self, usize) {
        let start = history
            .iter()
            .rposition(|item| speaker(item) == Speaker::Model)
            .map_or(0, |last| last + 1);
        let (before, after) = history.split_at(start.min(history.len()));
        let mut tail = Self::default();
        for item in after {
            if speaker(item) == Speaker::User {
                add(&mut tail, item);
            }
        }
        let rounds = before
            .iter()
            .filter(|item| speaker(item) == Speaker::Model)
            .count();
        (tail, rounds)
    }

    /// Of prompts alone.
    pub(super) fn of(texts: Vec<String>) -> Self {
        Self {
            texts,
            results: Vec::new(),
        }
    }

    /// What the user said.
    pub(super) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// What the tools answered.
    pub(super) fn results(&self) -> &[String] {
        &self.results
    }

    pub(super) fn add_result(&mut self, result: String) {
        self.results.push(result);
    }

    /// Adds a text, if there is one.
    pub(super) fn add_plain(&mut self, text: Option<String>) {
        self.texts.extend(text);
    }

    /// The last thing that the user said.
    pub(super) fn prompt(&self) -> &str {
        self.texts.last().map_or("", String::as_str)
    }

    /// Adds the texts of a content that is a string or an array of parts with `text`.
    pub(super) fn add_text(&mut self, content: &RawValue) {
        match parts(content) {
            Parts::Text(text) => self.texts.push(text),
            Parts::Array(parts) => self
                .texts
                .extend(parts.into_iter().filter_map(|part| part.text)),
            Parts::Neither => {}
        }
    }
}

/// One part of a content: only its text and, for tool results, its nested content matter here.
#[derive(Debug, Deserialize)]
pub(super) struct Part<'a> {
    #[serde(borrow, default, rename = "type")]
    pub kind: Cow<'a, str>,
    #[serde(default)]
    pub text: Option<String>,
    #[serde(borrow, default)]
    pub content: Option<&'a RawValue>,
}

/// A content in either of its spellings.
#[derive(Debug)]
pub(super) enum Parts<'a> {
    Array(Vec<Part<'a>>),
    Neither,
    Text(String),
}

/// Reads a content.
pub(super) fn parts(content: &RawValue) -> Parts<'_> {
    let raw = content.get();
    if raw.starts_with('"') {
        serde_json::from_str(raw).map_or(Parts::Neither, Parts::Text)
    } else {
        serde_json::from_str(raw).map_or(Parts::Neither, Parts::Array)
    }
}

/// The text of a tool's result: a string, the text parts joined, or else the JSON as it is.
pub(super) fn result_text(content: Option<&RawValue>) -> String {
    let Some(content) = content else {
        return String::new();
    };
    match parts(content) {
        Parts::Text(text) => text,
        Parts::Array(parts) => {
            let texts: Vec<_> = parts.into_iter().filter_map(|part| part.text).collect();
            texts.join("\n")
        }
        Parts::Neither => content.get().to_owned(),
    }
}

/// Reads a JSON body; the vendors, too, answer 400 to what they cannot read.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body)
        .map_err(|error| invalid(format!("The body could not be read: {error}")))
}

/// Reads a member that has many spellings; what cannot be read counts as absent.
pub(super) fn lenient<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

pub(super) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(Fault::Invalid, Some(message.into()))
}
