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

/// A wire dialect that clients speak.
///
/// Every one of them is spoken by upstreams, too: [`Dialect::upstream`].
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
    /// Every dialect of clients.
    pub const ALL: [Self; 4] = [
        Self::Anthropic,
        Self::Gemini,
        Self::OpenaiChat,
        Self::OpenaiResponses,
    ];

    /// The same dialect, as an upstream speaks it.
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

    /// The dialect of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        UpstreamDialect::from_name(name)?.of_clients()
    }
}

/// A wire dialect that upstreams speak.
///
/// Questions that only clients raise (where a request names its session, how an error is worded, what keeps a stream
/// alive) are asked of a [`Dialect`]. A dialect that only upstreams speak is a value here and none there, and answers
/// what an upstream is asked for: how a request is written for it, how its answers and errors are read, where it is called.
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

    /// Each with its name, in the order in which documents list them.
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

    /// The same dialect, as clients speak it. `None` = no client does.
    pub const fn of_clients(self) -> Option<Dialect> {
        match self {
            Self::Anthropic => Some(Dialect::Anthropic),
            Self::Gemini => Some(Dialect::Gemini),
            Self::OpenaiChat => Some(Dialect::OpenaiChat),
            Self::OpenaiResponses => Some(Dialect::OpenaiResponses),
        }
    }

    /// The vendor whose dialect it is, by the names of OpenTelemetry's conventions for generative AI.
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

    /// The dialect of that name.
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
