//! The four wire dialects.
//!
//! Imports nothing else from this crate and uses no clock, randomness or I/O: its inputs and outputs are bytes and
//! facts.
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

/// A wire dialect that clients speak.
///
/// Upstreams speak every one of them too: [`Dialect::upstream`].
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
    /// Every dialect that clients speak.
    pub const ALL: [Self; 4] = [
        Self::Anthropic,
        Self::Gemini,
        Self::OpenaiChat,
        Self::OpenaiResponses,
    ];

    /// The same dialect, for an upstream.
    pub const fn upstream(self) -> UpstreamDialect {
        match self {
            Self::Anthropic => UpstreamDialect::Anthropic,
            Self::Gemini => UpstreamDialect::Gemini,
            Self::OpenaiChat => UpstreamDialect::OpenaiChat,
            Self::OpenaiResponses => UpstreamDialect::OpenaiResponses,
        }
    }

    /// The name used in YAML, metrics, logs and docs.
    pub const fn as_str(self) -> &'static str {
        self.upstream().as_str()
    }

    /// The dialect with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        UpstreamDialect::from_name(name)?.of_clients()
    }
}

/// A wire dialect that upstreams speak.
///
/// Questions that only concern clients (where a request names its session, how an error is worded, what keeps a stream
/// alive) take a [`Dialect`]. Questions that concern upstreams (how a request is written, how answers and errors are
/// read, at which path the upstream is called) take this type. A dialect that only upstreams speak would be a value of
/// this type alone.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum UpstreamDialect {
    Anthropic,
    Gemini,
    OpenaiChat,
    OpenaiResponses,
}

impl UpstreamDialect {
    /// Every dialect, in the order of [`UpstreamDialect::index`].
    pub const ALL: [Self; 4] = [
        Self::Anthropic,
        Self::Gemini,
        Self::OpenaiChat,
        Self::OpenaiResponses,
    ];

    /// Every dialect with its name, in the order of the documents.
    pub const NAMED: &[(&str, Self)] = &[
        (Self::Anthropic.as_str(), Self::Anthropic),
        (Self::OpenaiChat.as_str(), Self::OpenaiChat),
        (Self::OpenaiResponses.as_str(), Self::OpenaiResponses),
        (Self::Gemini.as_str(), Self::Gemini),
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

    /// The same dialect, for a client. `None` = no client speaks it.
    pub const fn of_clients(self) -> Option<Dialect> {
        match self {
            Self::Anthropic => Some(Dialect::Anthropic),
            Self::Gemini => Some(Dialect::Gemini),
            Self::OpenaiChat => Some(Dialect::OpenaiChat),
            Self::OpenaiResponses => Some(Dialect::OpenaiResponses),
        }
    }

    /// The vendor whose dialect it is, as named in OpenTelemetry's conventions for generative AI.
    pub const fn vendor(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Gemini => "gcp.gemini",
            Self::OpenaiChat | Self::OpenaiResponses => "openai",
        }
    }

    /// The position in [`UpstreamDialect::ALL`], for tables indexed by dialect.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The dialect with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.as_str() == name)
    }
}

impl From<Dialect> for UpstreamDialect {
    fn from(dialect: Dialect) -> Self {
        dialect.upstream()
    }
}

impl PartialEq<Dialect> for UpstreamDialect {
    fn eq(&self, other: &Dialect) -> bool {
        *self == other.upstream()
    }
}

impl std::fmt::Display for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Display for UpstreamDialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
