//! The four wire dialects.
//!
//! Imports nothing else from this crate; knows no clock, no randomness and no I/O: bytes and facts in, bytes and
//! facts out.
pub mod anthropic;
pub mod coding;
pub mod error;
pub mod gemini;
pub mod hub;
pub mod json;
pub mod measure;
pub mod models;
pub mod openai_chat;
pub mod openai_responses;
pub mod passthrough;
pub mod regroup;
pub mod reshape;
pub mod sound;
pub mod sse;
pub mod system;
pub mod translate;
pub mod written;

/// A wire dialect: what a client or an upstream speaks.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Dialect {
    /// Anthropic Messages, `POST /v1/messages`.
    Anthropic,
    /// Gemini, `POST /v1beta/models/{model}:generateContent`.
    Gemini,
    /// OpenAI Chat Completions, `POST /v1/chat/completions`.
    OpenaiChat,
    /// OpenAI Responses, `POST /v1/responses`.
    OpenaiResponses,
}

impl Dialect {
    /// Every dialect, in the order of [`Dialect::index`].
    pub const ALL: [Self; 4] = [
        Self::Anthropic,
        Self::Gemini,
        Self::OpenaiChat,
        Self::OpenaiResponses,
    ];

    /// The name used in YAML, metrics, logs and docs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::OpenaiChat => "openai-chat",
            Self::OpenaiResponses => "openai-responses",
        }
    }

    /// The position in [`Dialect::ALL`], for tables indexed by dialect.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The dialect of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.as_str() == name)
    }
}

impl std::fmt::Display for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
