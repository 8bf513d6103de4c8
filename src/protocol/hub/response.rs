//! A whole answer, whoever gave it.
use super::block::{Block, CallKind};
use super::error::Violation;
use super::request::Tier;
use super::usage::{Extras, Usage};
use crate::protocol::error::WireError;

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

/// The calls of the client's own tools in an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Calls {
    /// The arguments of the last one are cut short.
    Cut,
    None,
    Whole,
}

impl Calls {
    /// The calls among `blocks`.
    pub fn among(blocks: &[Block]) -> Self {
        let mut calls = blocks.iter().filter_map(|block| match block {
            Block::ToolCall(call) if !matches!(call.kind, CallKind::Server(_)) => Some(call),
            _ => None,
        });
        match calls.next_back() {
            None => Self::None,
            Some(last) if last.kind == CallKind::Function && !last.args.is_whole() => Self::Cut,
            Some(_) => Self::Whole,
        }
    }
}

impl Stop {
    /// The reason in the light of the calls that were made. Calls want their results whatever the upstream says (many say
    /// `stop`), unless the answer was refused, or cut within a call; and without a call there is nothing to wait for.
    #[must_use]
    pub fn given(self, calls: Calls) -> Self {
        match (self, calls) {
            (stop @ (Self::Refusal(_) | Self::Pause), _)
            | (stop @ (Self::MaxTokens | Self::ContextFull), Calls::Cut) => stop,
            (_, Calls::Cut | Calls::Whole) => Self::ToolUse,
            (Self::ToolUse, Calls::None) => Self::End,
            (stop, Calls::None) => stop,
        }
    }
}

impl Response {
    /// Calls as the same answer would have them in a stream: one that was cut with the answer is left out, because nobody could
    /// run it, and any other whose arguments are no JSON object spoils the answer.
    pub fn with_sound_calls(mut self) -> Result<Self, Violation> {
        let broken = |block: &Block| matches!(block, Block::ToolCall(call) if call.kind == CallKind::Function && !call.args.is_whole());
        if matches!(self.stop, Stop::MaxTokens | Stop::ContextFull) {
            let last = self
                .blocks
                .iter()
                .rposition(|block| matches!(block, Block::ToolCall(_)));
            if let Some(last) = last.filter(|at| self.blocks.get(*at).is_some_and(broken)) {
                self.blocks.remove(last);
            }
        }
        if self.blocks.iter().any(broken) {
            return Err(Violation::bad_arguments());
        }
        Ok(self)
    }
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
    /// What else decides about the price.
    pub extras: Extras,
}

impl Spent {
    /// Both together: two requests that make one answer.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self {
            usage: self.usage.and(more.usage),
            web_searches: self.web_searches.saturating_add(more.web_searches),
            tier: more.tier.or(self.tier),
            extras: self.extras.and(more.extras),
        }
    }
}

/// Why a whole answer is none.
#[derive(Clone, Debug)]
pub enum NoAnswer {
    /// The upstream says so, and what it took.
    Failed(Box<WireError>, Option<Spent>),
    /// It cannot be read.
    Violation(Violation),
}

impl From<Violation> for NoAnswer {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}
