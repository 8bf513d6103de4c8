//! A whole answer, whoever gave it.
use super::block::Block;
use super::request::Tier;
use super::usage::Usage;

/// What the model answered.
#[derive(Clone, Debug)]
pub struct Response {
    /// The upstream's id: for logs, never handed out as ours.
    pub id: Option<String>,
    /// The model as the upstream names it.
    pub model: Option<String>,
    pub blocks: Vec<Block>,
    pub stop: Stop,
    pub spent: Option<Spent>,
}

/// Why the model stopped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stop {
    /// The context window is full.
    ContextFull,
    /// A natural end.
    End,
    MaxTokens,
    /// A server-side tool loop wants to be continued.
    Pause,
    Refusal(Refusal),
    /// A stop string; which one, where the upstream says so.
    Sequence(Option<String>),
    ToolUse,
}

/// Why the answer was refused or cut.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Refusal {
    pub category: Option<String>,
    pub explanation: Option<String>,
}

/// What it took.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Spent {
    pub usage: Usage,
    /// Web searches that the provider ran; billed apart.
    pub web_searches: u64,
    /// The service level that was given, which may be lower than the one asked for.
    pub tier: Option<Tier>,
}
