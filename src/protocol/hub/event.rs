//! What happens in a stream. The rules of order are in the [hub's head](super).
use std::borrow::Cow;

use super::block::{CallKind, Citation, Foreign, SegmentKind, ServerToolResult, ToolCall};
use super::error::Violation;
use super::opaque::Opaque;
use super::response::{Spent, Stop};
use crate::protocol::error::WireError;

/// One step of an answer. Text borrows from the frame that it came in.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The upstream's head. First, and once.
    Start(Start<'a>),
    /// A keep-alive of the upstream.
    Ping,

    TextDelta(Cow<'a, str>),
    /// A source for the text block that is open.
    Citation(Citation),
    /// The text block ends here, where the upstream has such a boundary. What follows is a block of its own.
    TextEnd,
    RefusalDelta(Cow<'a, str>),

    ReasoningDelta {
        kind: SegmentKind,
        text: Cow<'a, str>,
    },
    /// The next paragraph of the same stretch of reasoning begins.
    ReasoningPart,
    /// The stretch ends. Without a delta before it: a stretch with nothing to see.
    ReasoningEnd(Option<Opaque>),

    /// Both id and name are known. `slot` is the upstream's number for the call, unique in the stream.
    ToolStart {
        slot: usize,
        id: Cow<'a, str>,
        /// Decoders say `None`; the translator restores what the client declared.
        namespace: Option<String>,
        name: Cow<'a, str>,
        kind: CallKind,
    },
    ToolArgs {
        slot: usize,
        fragment: Cow<'a, str>,
    },
    /// The arguments are whole.
    ToolEnd {
        slot: usize,
    },

    /// A call that the provider runs, whole.
    ServerCall(ToolCall),
    ServerResult(ServerToolResult),
    /// A block that only its own dialect understands.
    Foreign(Foreign),

    /// A rule that the upstream broke and that was mended: counted, and not told to the client.
    Repair(Violation),
    /// The total so far.
    Usage(Spent),
    /// Why the model stopped. Every slot has ended. Usage may follow.
    Stop(Stop),
    /// The upstream says it failed. Terminal.
    Error(WireError),
    /// The upstream's terminal marker, or an end that is as good. Terminal.
    End,
}

impl Event<'_> {
    /// Whether the event carries or opens content: from here on the answer cannot be taken back.
    pub const fn commits(&self) -> bool {
        !matches!(
            self,
            Self::Start(_) | Self::Ping | Self::Repair(_) | Self::Usage(_) | Self::Error(_)
        )
    }

    /// The same event, independent of its frame.
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

/// What the upstream says before it answers.
#[derive(Clone, Debug, Default)]
pub struct Start<'a> {
    pub id: Option<Cow<'a, str>>,
    pub model: Option<Cow<'a, str>>,
    /// Where the prompt's usage is stated up front (Anthropic).
    pub spent: Option<Spent>,
}
