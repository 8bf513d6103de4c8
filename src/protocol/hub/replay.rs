//! Emits whole answers and blocks as the events of a stream, for encoders that write streams and whole answers alike,
//! and for streams that deliver a whole item at once.
use std::borrow::Cow;

use super::block::{Block, CallKind, Reasoning, Text, ToolCall};
use super::error::Violation;
use super::event::{Event, Start};
use super::response::Response;

/// Emits a whole answer.
pub fn response(
    response: &Response,
    on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
) -> Result<(), Violation> {
    on(Event::Start(Start {
        id: response.id.as_deref().map(Cow::Borrowed),
        model: response.model.as_deref().map(Cow::Borrowed),
        spent: response.spent.map(Box::new),
    }))?;
    for (slot, block) in response.blocks.iter().enumerate() {
        self::block(slot, block, on)?;
    }
    if let Some(spent) = response.spent {
        on(Event::Usage(Box::new(spent)))?;
    }
    on(Event::Stop(response.stop.clone()))?;
    on(Event::End)
}

/// Emits one block; a call gets the number `slot`. Blocks that no model writes are skipped.
pub fn block(
    slot: usize,
    block: &Block,
    on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
) -> Result<(), Violation> {
    match block {
        Block::Text(text) => self::text(text, on),
        Block::Refusal(text) => on(Event::RefusalDelta(Cow::Borrowed(text))),
        Block::Reasoning(reasoning) => self::reasoning(reasoning, on),
        Block::ToolCall(call) if matches!(call.kind, CallKind::Server(_)) => {
            on(Event::ServerCall(Box::new(call.clone())))
        }
        Block::ToolCall(call) => self::call(slot, call, on),
        Block::ServerToolResult(result) => on(Event::ServerResult(result.clone())),
        Block::Foreign(foreign) => on(Event::Foreign(foreign.clone())),
        Block::Audio(_)
        | Block::Document(_)
        | Block::Image(_)
        | Block::SearchResult(_)
        | Block::ToolReference(_)
        | Block::ToolResult(_)
        | Block::Video(_) => Ok(()),
    }
}

fn text(
    text: &Text,
    on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
) -> Result<(), Violation> {
    on(Event::TextDelta(Cow::Borrowed(&text.text)))?;
    for citation in &text.citations {
        on(Event::Citation(citation.clone()))?;
    }
    on(Event::TextEnd)
}

fn reasoning(
    reasoning: &Reasoning,
    on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
) -> Result<(), Violation> {
    for (index, segment) in reasoning.visible.iter().enumerate() {
        if index > 0 {
            on(Event::ReasoningPart)?;
        }
        on(Event::ReasoningDelta {
            kind: segment.kind,
            text: Cow::Borrowed(&segment.text),
        })?;
    }
    on(Event::ReasoningEnd(reasoning.opaque.clone()))
}

fn call(
    slot: usize,
    call: &ToolCall,
    on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
) -> Result<(), Violation> {
    if call.opaque.is_some() {
        on(Event::ReasoningEnd(call.opaque.clone()))?;
    }
    on(Event::ToolStart {
        slot,
        id: Cow::Borrowed(&call.id),
        namespace: call.namespace.clone(),
        name: Cow::Borrowed(&call.name),
        kind: call.kind,
    })?;
    if !call.args.raw.is_empty() {
        let fragment = Cow::Borrowed(call.args.raw.as_str());
        on(Event::ToolArgs { slot, fragment })?;
    }
    on(Event::ToolEnd { slot })
}
