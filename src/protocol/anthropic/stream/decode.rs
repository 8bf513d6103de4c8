//! Decodes the stream of an upstream of this dialect.
//!
//! ```text
//!          message_start            message_delta with stop_reason            message_stop
//!  Fresh ────────────────► Begun ──────────────────────────────────► Stopped ──────────────► Ended  ◄── error, from anywhere
//!                           │ ▲ blocks: start, delta, stop              ▲ usage
//!                           └─┘
//! ```
//!
//! Servers of other vendors that speak the dialect omit or repeat parts that Anthropic's own stream has exactly once:
//! the head, the start or the stop of a block, the stop reason. What can be repaired is repaired, with an
//! [`Event::Repair`]; what would need a guess is a [`Violation`]. Several blocks may be open at once, because the hub's
//! events can express calls that overlap.
use std::borrow::Cow;

use serde_json::value::RawValue;

use super::super::response::{spent, stop};
use super::super::wire::{DeltaIn, EventIn, UsageIn};
use super::open::{Open, bad_arguments, lacks};
use crate::protocol::Dialect;
use crate::protocol::error::{self, WireError};
use crate::protocol::hub::block::Block;
use crate::protocol::hub::context::Stamp;
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::{Event, Start};
use crate::protocol::hub::read::{Str, json};
use crate::protocol::hub::response::{Calls, Stop};

/// Decodes one stream.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    stamp: Stamp,
    usage: UsageIn,
    calls: Option<Calls>,
    /// The number of tool calls begun so far.
    slots: usize,
    /// The open blocks, with their indices.
    blocks: Vec<(usize, Open)>,
    /// Blocks that were in the head. Gateways without streaming put the whole answer there.
    head: Vec<Box<RawValue>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Begun {
        /// Whether there has been a block.
        content: bool,
    },
    Ended,
    Fresh,
    Stopped,
}

impl Decoder {
    /// A decoder; `stamp` makes ids for calls that have none.
    pub fn new(stamp: Stamp) -> Self {
        Self {
            state: State::Fresh,
            stamp,
            usage: UsageIn::default(),
            calls: None,
            slots: 0,
            blocks: Vec::new(),
            head: Vec::new(),
        }
    }

    /// Reads the data of one frame.
    pub fn push(
        &mut self,
        data: &[u8],
        mut on: impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        // Some gateways append the end marker of Chat Completions to everything.
        if data.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        let event: EventIn<'_> = json(data)?;
        let state = std::mem::replace(&mut self.state, State::Ended);
        self.state = self.step(state, event, data, &mut on)?;
        Ok(())
    }

    /// The bytes have ended. Whether the answer was complete; `false` = it was cut off.
    pub fn finish(
        &mut self,
        mut on: impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<bool, Violation> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Ended => Ok(true),
            State::Stopped => {
                on(Event::End)?;
                Ok(true)
            }
            State::Fresh | State::Begun { .. } => Ok(false),
        }
    }

    fn step(
        &mut self,
        state: State,
        event: EventIn<'_>,
        data: &[u8],
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<State, Violation> {
        Ok(match (state, &*event.kind) {
            (State::Ended, _) => State::Ended,
            (_, "error") => {
                on(Event::Error(upstream_error(data)))?;
                State::Ended
            }
            (state, "ping") => {
                on(Event::Ping)?;
                state
            }

            (State::Fresh, "message_start") => {
                let message = event
                    .message
                    .ok_or_else(|| lacks("message_start", "message"))?;
                merge(&mut self.usage, message.usage.unwrap_or_default());
                self.head = message.content.into_iter().map(ToOwned::to_owned).collect();
                on(Event::Start(Start {
                    id: message.id.map(|id| id.0),
                    model: message.model.map(|model| model.0),
                    spent: Some(Box::new(spent(&self.usage))),
                }))?;
                State::Begun { content: false }
            }
            (state @ State::Begun { content: false }, "message_start") => state,
            (_, "message_start") => {
                return Err(Violation::new(
                    "second_message_start",
                    "the upstream began a second message",
                ));
            }

            // Blocks behind the stop reason belong to no answer.
            (
                State::Stopped,
                "content_block_start" | "content_block_delta" | "content_block_stop",
            ) => State::Stopped,
            (_, "content_block_start") => {
                let raw = event
                    .content_block
                    .ok_or_else(|| lacks("content_block_start", "content_block"))?;
                self.end_all_but_calls(on)?;
                if self.blocks.len() >= MOST_OPEN {
                    return Err(Violation::new(
                        "overlapping_blocks",
                        "more blocks are open than are followed",
                    ));
                }
                let block = Open::begin(raw, self.slots, self.stamp, on)?;
                self.slots += usize::from(matches!(block, Open::Call { .. }));
                self.blocks.push((event.index.unwrap_or_default(), block));
                State::Begun { content: true }
            }
            (_, "content_block_delta") => {
                let delta = event
                    .delta
                    .ok_or_else(|| lacks("content_block_delta", "delta"))?;
                let at = match self.find(event.index) {
                    Some(at) if self.fits(at, &delta) => at,
                    Some(at) => {
                        let (_, block) = self.blocks.remove(at);
                        self.close(block, on)?;
                        self.open_for(&delta, event.index, on)?
                    }
                    None => self.open_for(&delta, event.index, on)?,
                };
                if let Some((_, block)) = self.blocks.get_mut(at) {
                    block.delta(delta, on)?;
                }
                State::Begun { content: true }
            }
            (_, "content_block_stop") => {
                // Usually the block stopped twice, or its start was omitted because the block is empty.
                match self.find(event.index) {
                    Some(at) => {
                        let (_, block) = self.blocks.remove(at);
                        self.close(block, on)?;
                    }
                    None => on(repair(
                        "delta_outside_block",
                        "a block ended that is not open",
                    ))?,
                }
                State::Begun { content: true }
            }

            (state, "message_delta") => {
                if let Some(usage) = event.usage {
                    merge(&mut self.usage, *usage);
                    on(Event::Usage(Box::new(spent(&self.usage))))?;
                }
                match (state, event.delta) {
                    (State::Begun { content }, Some(delta)) if delta.stop_reason.is_some() => {
                        if !content {
                            self.tell_head(on)?;
                        }
                        self.end_all(on)?;
                        on(Event::Stop(self.stop(&delta)?))?;
                        State::Stopped
                    }
                    (state, _) => state,
                }
            }
            (State::Stopped, "message_stop") => {
                on(Event::End)?;
                State::Ended
            }
            // The message is stopped and has content: only the reason is missing.
            (State::Begun { content: true }, "message_stop") => {
                let why = "the message ended without a stop_reason";
                on(repair("stop_without_reason", why))?;
                self.end_all(on)?;
                on(Event::Stop(self.stop(&DeltaIn::default())?))?;
                on(Event::End)?;
                State::Ended
            }
            (State::Fresh | State::Begun { .. }, "message_stop") => {
                return Err(Violation::new(
                    "stop_without_reason",
                    "the message ended without a stop_reason",
                ));
            }
            // Unknown future event types.
            (state, _) => state,
        })
    }

    /// Emits the blocks of the head, if no block has been streamed.
    fn tell_head(
        &mut self,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        for raw in std::mem::take(&mut self.head) {
            let block = Open::begin(&raw, self.slots, self.stamp, on)?;
            self.slots += usize::from(matches!(block, Open::Call { .. }));
            self.close(block, on)?;
        }
        Ok(())
    }

    /// The position of the open block with this index; without an index, the last one.
    fn find(&self, index: Option<usize>) -> Option<usize> {
        match index {
            Some(index) => self.blocks.iter().rposition(|(known, _)| *known == index),
            None => self.blocks.len().checked_sub(1),
        }
    }

    /// Whether the delta can belong to the block. Some gateways stream thinking into a block that they began as text.
    fn fits(&self, at: usize, delta: &DeltaIn<'_>) -> bool {
        match self.blocks.get(at) {
            Some((_, Open::Text)) => !says(delta.thinking.as_ref()),
            Some((_, Open::Thinking(_))) => !says(delta.text.as_ref()),
            _ => true,
        }
    }

    /// Opens a block for a delta whose block was never begun; its kind tells the block's kind, except for calls.
    fn open_for(
        &mut self,
        delta: &DeltaIn<'_>,
        index: Option<usize>,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<usize, Violation> {
        let why = "a delta came for a block that is not open";
        let block = if says(delta.thinking.as_ref()) {
            Open::Thinking(None)
        } else if delta.text.is_some() {
            Open::Text
        } else {
            return Err(Violation::new("delta_outside_block", why));
        };
        on(repair("delta_outside_block", why))?;
        self.end_all_but_calls(on)?;
        self.blocks.push((index.unwrap_or_default(), block));
        Ok(self.blocks.len() - 1)
    }

    /// Another block begins. Open calls may continue beside it; every other block ends, to keep the order.
    fn end_all_but_calls(
        &mut self,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let (calls, others) = std::mem::take(&mut self.blocks)
            .into_iter()
            .partition(|(_, block)| matches!(block, Open::Call { .. }));
        self.blocks = calls;
        self.end_early(others, on)
    }

    fn end_all(
        &mut self,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let blocks = std::mem::take(&mut self.blocks);
        self.end_early(blocks, on)
    }

    fn end_early(
        &mut self,
        blocks: Vec<(usize, Open)>,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        for (_, block) in blocks {
            on(repair(
                "block_without_stop",
                "a block was not ended before what follows it",
            ))?;
            self.close(block, on)?;
        }
        Ok(())
    }

    fn close(
        &mut self,
        block: Open,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        match block {
            Open::Text => on(Event::TextEnd),
            Open::Thinking(opaque) => on(Event::ReasoningEnd(opaque)),
            Open::ServerCall(call) => on(Event::ServerCall(Box::new(call))),
            Open::Other(Block::Reasoning(reasoning)) => on(Event::ReasoningEnd(reasoning.opaque)),
            Open::Other(Block::ServerToolResult(result)) => on(Event::ServerResult(result)),
            Open::Other(Block::Foreign(foreign)) => on(Event::Foreign(foreign)),
            Open::Other(_) => Ok(()),
            Open::Call {
                slot,
                mut scanner,
                early,
            } => {
                if let Some(early) = early.filter(|_| scanner.is_blank()) {
                    scanner.push(&early).map_err(|_| bad_arguments())?;
                    let fragment = Cow::Owned(early);
                    on(Event::ToolArgs { slot, fragment })?;
                }
                // Incomplete arguments are legitimate only if the stop reason shows a cut answer.
                let whole = scanner.is_complete() || scanner.is_blank();
                self.calls = Some(match self.calls {
                    Some(Calls::Cut) => Calls::Cut,
                    _ if whole => Calls::Whole,
                    _ => Calls::Cut,
                });
                on(Event::ToolEnd { slot })
            }
        }
    }

    fn stop(&self, delta: &DeltaIn<'_>) -> Result<Stop, Violation> {
        let reason = delta.stop_reason.as_deref().unwrap_or_default();
        let sequence = delta
            .stop_sequence
            .as_ref()
            .map(crate::protocol::hub::read::Str::to_owned);
        let calls = self.calls.unwrap_or(Calls::None);
        let stop = stop(reason, sequence, delta.stop_details.as_deref()).given(calls);
        if calls == Calls::Cut && stop == Stop::ToolUse {
            return Err(bad_arguments());
        }
        Ok(stop)
    }
}

/// Whether the field is present and not empty.
fn says(text: Option<&Str<'_>>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

fn repair(rule: &'static str, what: &str) -> Event<'static> {
    Event::Repair(Violation::new(rule, what))
}

fn upstream_error(data: &[u8]) -> WireError {
    match error::parse_event(Dialect::Anthropic, data) {
        Some(parsed) => WireError::new(parsed.kind, parsed.message)
            .indication(parsed.indication)
            .retry_after(parsed.retry_after),
        None => WireError::new(
            error::ErrorKind::Api,
            "the upstream failed without saying why",
        ),
    }
}

/// Later values overwrite earlier ones, field by field.
fn merge(known: &mut UsageIn, stated: UsageIn) {
    known.counts.merge(stated.counts);
    known.service_tier = stated.service_tier.or(known.service_tier);
}

/// Most blocks that may be open at the same time.
const MOST_OPEN: usize = 256;
