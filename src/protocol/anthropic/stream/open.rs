//! The block of a stream that is open.
use std::borrow::Cow;

use super::super::request::citation;
use super::super::wire::DeltaIn;
use crate::protocol::hub::args::Scanner;
use crate::protocol::hub::block::{Block, SegmentKind, ToolCall};
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::Event;
use crate::protocol::hub::opaque::{Opaque, OpaqueKind, Vendor};
use crate::protocol::hub::read::{Str, without_position};

/// The block that is open.
#[derive(Debug)]
pub enum Open {
    Call {
        slot: usize,
        scanner: Scanner,
        /// Arguments that came with the start, for want of deltas.
        early: Option<String>,
    },
    /// A block that is whole when it ends: redacted thinking, results of server tools, what is not known.
    Other(Block),
    /// A call that the provider runs: handed on whole.
    ServerCall(ToolCall),
    Text,
    Thinking(Option<Opaque>),
}

impl Open {
    /// Takes one delta.
    pub fn delta(
        &mut self,
        delta: DeltaIn<'_>,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        match self {
            Self::Text => {
                if let Some(text) = delta.text.filter(|text| !text.is_empty()) {
                    on(Event::TextDelta(text.0))?;
                }
                if let Some(raw) = delta.citation {
                    let citation = citation(raw)
                        .map_err(|error| Violation::unreadable(without_position(&error)))?;
                    on(Event::Citation(citation))?;
                }
            }
            Self::Thinking(opaque) => {
                if let Some(text) = delta.thinking.filter(|text| !text.is_empty()) {
                    on(thought(text.0))?;
                }
                // A second signature replaces the first: so do the vendor's own accumulators.
                if let Some(signature) = delta.signature {
                    *opaque = signed(&signature);
                }
            }
            Self::Call { slot, scanner, .. } => {
                if let Some(json) = delta.partial_json.filter(|json| !json.is_empty()) {
                    scanner.push(&json).map_err(|_| bad_arguments())?;
                    on(Event::ToolArgs {
                        slot: *slot,
                        fragment: json.0,
                    })?;
                }
            }
            Self::ServerCall(call) => {
                if let Some(json) = delta.partial_json {
                    if call.args.raw.len() + json.len() > MOST_SERVER_ARGS {
                        return Err(Violation::new(
                            "call_too_long",
                            "the arguments of a call are too long",
                        ));
                    }
                    call.args.raw.push_str(&json);
                }
            }
            Self::Other(_) => {}
        }
        Ok(())
    }
}

/// A piece of thinking.
pub fn thought(text: Cow<'_, str>) -> Event<'_> {
    Event::ReasoningDelta {
        kind: SegmentKind::Raw,
        text,
    }
}

/// The state in a signature; none in an empty one.
pub fn signed(signature: &Str<'_>) -> Option<Opaque> {
    (!signature.is_empty()).then(|| {
        Opaque::native(
            Vendor::Anthropic,
            OpaqueKind::Signature,
            signature.to_owned(),
        )
    })
}

/// An event without a field that it needs.
pub fn lacks(event: &str, field: &str) -> Violation {
    Violation::unreadable(format!("`{event}` lacks `{field}`"))
}

/// Arguments that nobody could run.
pub fn bad_arguments() -> Violation {
    Violation::new(
        "invalid_tool_json",
        "the arguments of a tool call are not a JSON object",
    )
}

/// Most bytes of arguments of a call that the provider runs: a query, or a program.
const MOST_SERVER_ARGS: usize = 1 << 20;
