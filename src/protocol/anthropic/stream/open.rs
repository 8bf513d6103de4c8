//! An open block of a stream that is decoded.
use std::borrow::Cow;

use serde_json::value::RawValue;

use super::super::request::{Reader, citation};
use super::super::wire::{BlockIn, DeltaIn};
use crate::protocol::hub::args::{Args, Scanner};
use crate::protocol::hub::block::{Block, CallKind, SegmentKind, ToolCall};
use crate::protocol::hub::context::Stamp;
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::Event;
use crate::protocol::hub::opaque::{Opaque, OpaqueKind, Vendor};
use crate::protocol::hub::read::{Path, Str, without_position};

/// An open block.
#[derive(Debug)]
pub enum Open {
    Call {
        slot: usize,
        scanner: Scanner,
        /// Arguments that came with the start of the block; they count if no deltas follow.
        early: Option<String>,
    },
    /// A block that is emitted as a whole when it ends: redacted thinking, results of server tools, unknown blocks.
    Other(Block),
    /// A call that the provider runs; it is emitted as a whole.
    ServerCall(ToolCall),
    Text,
    Thinking(Option<Opaque>),
}

impl Open {
    /// Begins a block. A call gets the number `slot`, and an id from `stamp` if it has none.
    pub fn begin(
        raw: &RawValue,
        slot: usize,
        stamp: Stamp,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<Self, Violation> {
        let block: BlockIn<'_> = serde_json::from_str(raw.get())
            .map_err(|error| Violation::unreadable(without_position(&error)))?;
        Ok(match &*block.kind {
            "text" => {
                if let Some(text) = block.text.filter(|text| !text.is_empty()) {
                    on(Event::TextDelta(text.0))?;
                }
                Self::Text
            }
            "thinking" => {
                if let Some(text) = block.thinking.filter(|text| !text.is_empty()) {
                    on(thought(text.0))?;
                }
                Self::Thinking(block.signature.and_then(|signature| signed(&signature)))
            }
            "tool_use" => {
                let name = block.name.ok_or_else(|| lacks("tool_use", "name"))?;
                let id = match block.id {
                    Some(id) if !id.is_empty() => id.0,
                    _ => Cow::Owned(stamp.id("toolu_", slot)),
                };
                on(Event::ToolStart {
                    slot,
                    id,
                    namespace: None,
                    name: name.0,
                    kind: CallKind::Function,
                })?;
                let early = block
                    .input
                    .map(RawValue::get)
                    .filter(|input| *input != "{}" && input.starts_with('{'));
                Self::Call {
                    slot,
                    scanner: Scanner::default(),
                    early: early.map(str::to_owned),
                }
            }
            _ => {
                let path = Path::top("content_block");
                match Reader::new()
                    .block(raw, &path)
                    .map_err(Violation::unreadable)?
                {
                    Some(Block::ToolCall(mut call)) => {
                        call.args = Args::default();
                        Self::ServerCall(call)
                    }
                    Some(block) => Self::Other(block),
                    None => Self::Text,
                }
            }
        })
    }

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
                // A second signature replaces the first, as in Anthropic's own SDKs.
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

/// An event for a piece of thinking.
pub fn thought(text: Cow<'_, str>) -> Event<'_> {
    Event::ReasoningDelta {
        kind: SegmentKind::Raw,
        text,
    }
}

/// The state in a signature; `None` for an empty signature.
pub fn signed(signature: &Str<'_>) -> Option<Opaque> {
    (!signature.is_empty()).then(|| {
        Opaque::native(
            Vendor::Anthropic,
            OpaqueKind::Signature,
            signature.to_owned(),
        )
    })
}

/// The violation for an event that lacks a required field.
pub fn lacks(event: &str, field: &str) -> Violation {
    Violation::unreadable(format!("`{event}` lacks `{field}`"))
}

/// The violation for arguments that cannot be executed.
pub fn bad_arguments() -> Violation {
    Violation::new(
        "invalid_tool_json",
        "the arguments of a tool call are not a JSON object",
    )
}

/// Most bytes of arguments of a call that the provider runs: a query, or a program.
const MOST_SERVER_ARGS: usize = 1 << 20;
