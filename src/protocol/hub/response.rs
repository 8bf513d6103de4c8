//! A whole answer, independent of its dialect.
use super::block::{Block, CallKind};
use super::error::Violation;
use super::request::Tier;
use super::usage::{Extras, Usage};
use crate::protocol::error::WireError;

/// A model's answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The upstream's id. It is for logs only and never sent to a client.
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
    /// A tool loop at the provider has paused and needs to be continued.
    Pause,
    Refusal(Refusal),
    /// A stop string was found; its text, if the upstream states it.
    Sequence(Option<String>),
    ToolUse,
}

/// Whether an answer has calls to the client's own tools.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Calls {
    /// The arguments of the last call are cut off.
    Cut,
    None,
    Whole,
}

impl Calls {
    /// Checks `blocks` for calls.
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
    /// Corrects the reason by the calls that were made. Calls need their results whatever reason the upstream states
    /// (many state `stop`), unless the answer was refused, or cut off within a call; and without a call there are no
    /// results to wait for.
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
    /// Treats calls as in a stream: a call that was cut off with the answer is left out, because nobody can execute it;
    /// any other call whose arguments are not a JSON object makes the answer invalid.
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

/// Why the model refused or the answer was filtered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Refusal {
    pub category: Option<String>,
    pub explanation: Option<String>,
}

/// What the answer used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Spent {
    pub usage: Usage,
    /// The number of web searches that the provider ran; they are billed separately.
    pub web_searches: u64,
    /// The service tier that was granted; it may be lower than the requested one.
    pub tier: Option<Tier>,
    /// Other quantities that affect the price.
    pub extras: Extras,
}

impl Spent {
    /// The sum for two requests that together make one answer.
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

/// Why an upstream's whole answer is not usable.
#[derive(Clone, Debug)]
pub enum NoAnswer {
    /// The upstream reports an error; with the usage, if it states one.
    Failed(Box<WireError>, Option<Spent>),
    /// The answer cannot be read.
    Violation(Violation),
}

impl From<Violation> for NoAnswer {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}
