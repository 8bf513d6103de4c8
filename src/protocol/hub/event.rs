//! The events of a stream. The rules for their order are in the [documentation of the hub](super).
use std::borrow::Cow;

use super::block::{CallKind, Citation, Foreign, SegmentKind, ServerToolResult, ToolCall};
use super::error::Violation;
use super::opaque::Opaque;
use super::response::{Spent, Stop};
use crate::protocol::error::WireError;

/// One step of an answer. Texts borrow from the frame that contained them. What is large and rare is boxed, because an
/// event passes a dozen stages by value.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The upstream's head. It comes first and once.
    Start(Start<'a>),
    /// A keep-alive from the upstream.
    Ping,

    TextDelta(Cow<'a, str>),
    /// A source for the open text block.
    Citation(Citation),
    /// The text block ends here, if the upstream has such a boundary. Text that follows is a block of its own.
    TextEnd,
    RefusalDelta(Cow<'a, str>),

    ReasoningDelta {
        kind: SegmentKind,
        text: Cow<'a, str>,
    },
    /// The next paragraph of the same reasoning block begins.
    ReasoningPart,
    /// The reasoning block ends. If no delta came before it, the block has no visible text.
    ReasoningEnd(Option<Opaque>),

    /// A tool call begins. `slot` is the upstream's number for the call, unique in the stream.
    ToolStart {
        slot: usize,
        id: Cow<'a, str>,
        /// Decoders emit `None`; the translator restores the client's namespace.
        namespace: Option<String>,
        name: Cow<'a, str>,
        kind: CallKind,
    },
    ToolArgs {
        slot: usize,
        fragment: Cow<'a, str>,
    },
    /// The arguments of the call are complete.
    ToolEnd {
        slot: usize,
    },

    /// A whole call that the provider runs.
    ServerCall(Box<ToolCall>),
    ServerResult(ServerToolResult),
    /// A block that only its own dialect understands.
    Foreign(Foreign),

    /// A violation that was repaired: it is counted, and not reported to the client.
    Repair(Violation),
    /// The total usage so far.
    Usage(Box<Spent>),
    /// Why the model stopped. Every slot has ended. Only usage may follow before the end.
    Stop(Stop),
    /// The upstream reports an error. Terminal.
    Error(WireError),
    /// The upstream's terminal marker, or an equivalent end. Terminal.
    End,
}

impl Event<'_> {
    /// Whether the event carries or opens content: after it, the answer cannot be retried any more.
    pub const fn commits(&self) -> bool {
        !matches!(
            self,
            Self::Start(_) | Self::Ping | Self::Repair(_) | Self::Usage(_) | Self::Error(_)
        )
    }

    /// The same event without borrowed data.
    pub fn into_owned(self) -> Event<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Start(start) => Event::Start(Start {
                id: start.id.map(own),
                model: start.model.map(own),
                spent: start.spent,
            }),
            Self::Ping => Event::Ping,
            Self::TextDelta(text) => Event::TextDelta(own(text)),
            Self::Citation(citation) => Event::Citation(citation),
            Self::TextEnd => Event::TextEnd,
            Self::RefusalDelta(text) => Event::RefusalDelta(own(text)),
            Self::ReasoningDelta { kind, text } => Event::ReasoningDelta {
                kind,
                text: own(text),
            },
            Self::ReasoningPart => Event::ReasoningPart,
            Self::ReasoningEnd(opaque) => Event::ReasoningEnd(opaque),
            Self::ToolStart {
                slot,
                id,
                namespace,
                name,
                kind,
            } => Event::ToolStart {
                slot,
                id: own(id),
                namespace,
                name: own(name),
                kind,
            },
            Self::ToolArgs { slot, fragment } => Event::ToolArgs {
                slot,
                fragment: own(fragment),
            },
            Self::ToolEnd { slot } => Event::ToolEnd { slot },
            Self::ServerCall(call) => Event::ServerCall(call),
            Self::ServerResult(result) => Event::ServerResult(result),
            Self::Foreign(foreign) => Event::Foreign(foreign),
            Self::Repair(violation) => Event::Repair(violation),
            Self::Usage(spent) => Event::Usage(spent),
            Self::Stop(stop) => Event::Stop(stop),
            Self::Error(error) => Event::Error(error),
            Self::End => Event::End,
        }
    }
}

/// The head of an answer.
#[derive(Clone, Debug, Default)]
pub struct Start<'a> {
    pub id: Option<Cow<'a, str>>,
    pub model: Option<Cow<'a, str>>,
    /// The usage of the prompt, if the upstream states it in the head (Anthropic).
    pub spent: Option<Box<Spent>>,
}

impl Start<'_> {
    /// A copy of the usage of the prompt.
    pub fn spent(&self) -> Option<Spent> {
        self.spent.as_deref().copied()
    }
}
