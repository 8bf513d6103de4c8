//! A stream of an upstream of this dialect.
//!
//! ```text
//!          message_start             content_block_start
//!  Fresh ────────────────► Between ─────────────────────► Open(block)  ◄── content_block_delta
//!                             ▲ │ ◄────────────────────────── │
//!                             │ │     content_block_stop
//!                message_delta│ │ message_delta with stop_reason
//!                             └─┤
//!                               ▼            message_stop
//!                            Stopped ──────────────────────► Ended  ◄── error, from anywhere
//! ```
//!
//! Everything else breaks the grammar and is a [`Violation`], except for a `message_start` repeated before any content, which
//! some gateways send.
use std::borrow::Cow;

use serde_json::value::RawValue;

use super::super::request::Reader;
use super::super::response::{spent, stop};
use super::super::wire::{BlockIn, DeltaIn, EventIn, UsageIn};
use super::open::{Open, bad_arguments, lacks, signed, thought};
use crate::protocol::Dialect;
use crate::protocol::error::{self, WireError};
use crate::protocol::hub::args::{Args, Scanner};
use crate::protocol::hub::block::{Block, CallKind};
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::{Event, Start};
use crate::protocol::hub::read::{Path, without_position};
use crate::protocol::hub::response::{Calls, Stop};

/// Reads the stream.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    usage: UsageIn,
    calls: Option<Calls>,
    /// Tool calls begun so far.
    slots: usize,
}

#[derive(Debug, Default)]
enum State {
    Between {
        /// Whether a block has been.
        content: bool,
    },
    Ended,
    #[default]
    Fresh,
    Open {
        index: usize,
        block: Box<Open>,
    },
    Stopped,
}

impl Decoder {
    /// Reads the data of one frame.
    pub fn push(
        &mut self,
        data: &[u8],
        mut on: impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let event: EventIn<'_> = serde_json::from_slice(data)
            .map_err(|error| Violation::unreadable(without_position(&error)))?;
        let state = std::mem::replace(&mut self.state, State::Ended);
        self.state = self.step(state, event, data, &mut on)?;
        Ok(())
    }

    /// The end of the bytes. Whether the answer had come to its end; `false` = it was cut.
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
            State::Fresh | State::Between { .. } | State::Open { .. } => Ok(false),
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
                on(Event::Start(Start {
                    id: message.id.map(|id| id.0),
                    model: message.model.map(|model| model.0),
                    spent: Some(spent(&self.usage)),
                }))?;
                State::Between { content: false }
            }
            (state @ State::Between { content: false }, "message_start") => state,
            (_, "message_start") => {
                return Err(Violation::new(
                    "second_message_start",
                    "the upstream began a second message",
                ));
            }

            (State::Between { .. }, "content_block_start") => {
                let raw = event
                    .content_block
                    .ok_or_else(|| lacks("content_block_start", "content_block"))?;
                let index = event
                    .index
                    .ok_or_else(|| lacks("content_block_start", "index"))?;
                let block = self.open(raw, on)?;
                State::Open {
                    index,
                    block: Box::new(block),
                }
            }
            (State::Open { .. }, "content_block_start") => {
                return Err(Violation::new(
                    "overlapping_blocks",
                    "a block began before the last one ended",
                ));
            }
            (State::Open { index, mut block }, "content_block_delta")
                if event.index.is_none_or(|i| i == index) =>
            {
                let delta = event
                    .delta
                    .ok_or_else(|| lacks("content_block_delta", "delta"))?;
                block.delta(delta, on)?;
                State::Open { index, block }
            }
            (_, "content_block_delta") => {
                return Err(Violation::new(
                    "delta_outside_block",
                    "a delta came for a block that is not open",
                ));
            }
            (State::Open { index, block }, "content_block_stop")
                if event.index.is_none_or(|i| i == index) =>
            {
                self.close(*block, on)?;
                State::Between { content: true }
            }
            (_, "content_block_stop") => {
                return Err(Violation::new(
                    "delta_outside_block",
                    "a block ended that is not open",
                ));
            }

            (state @ (State::Between { .. } | State::Stopped), "message_delta") => {
                if let Some(usage) = event.usage {
                    merge(&mut self.usage, usage);
                    on(Event::Usage(spent(&self.usage)))?;
                }
                match (state, event.delta) {
                    (State::Between { .. }, Some(delta)) if delta.stop_reason.is_some() => {
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
            (State::Fresh | State::Between { .. } | State::Open { .. }, "message_stop") => {
                return Err(Violation::new(
                    "stop_without_reason",
                    "the message ended without a stop_reason",
                ));
            }
            // Event types to come.
            (state, _) => state,
        })
    }

    fn open(
        &mut self,
        raw: &RawValue,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<Open, Violation> {
        let block: BlockIn<'_> = serde_json::from_str(raw.get())
            .map_err(|error| Violation::unreadable(without_position(&error)))?;
        Ok(match &*block.kind {
            "text" => {
                if let Some(text) = block.text.filter(|text| !text.is_empty()) {
                    on(Event::TextDelta(text.0))?;
                }
                Open::Text
            }
            "thinking" => {
                if let Some(text) = block.thinking.filter(|text| !text.is_empty()) {
                    on(thought(text.0))?;
                }
                Open::Thinking(block.signature.and_then(|signature| signed(&signature)))
            }
            "tool_use" => {
                let id = block.id.ok_or_else(|| lacks("tool_use", "id"))?;
                let name = block.name.ok_or_else(|| lacks("tool_use", "name"))?;
                let slot = self.slots;
                self.slots += 1;
                on(Event::ToolStart {
                    slot,
                    id: id.0,
                    namespace: None,
                    name: name.0,
                    kind: CallKind::Function,
                })?;
                let early = block
                    .input
                    .map(RawValue::get)
                    .filter(|input| *input != "{}" && input.starts_with('{'));
                Open::Call {
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
                        Open::ServerCall(call)
                    }
                    Some(block) => Open::Other(block),
                    None => Open::Text,
                }
            }
        })
    }

    fn close(
        &mut self,
        block: Open,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        match block {
            Open::Text => on(Event::TextEnd),
            Open::Thinking(opaque) => on(Event::ReasoningEnd(opaque)),
            Open::ServerCall(call) => on(Event::ServerCall(call)),
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
                // Cut arguments are right only if the whole answer was cut: `stop` tells.
                self.calls = Some(if scanner.is_complete() || scanner.is_blank() {
                    Calls::Whole
                } else {
                    Calls::Cut
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
        let stop = stop(reason, sequence, delta.stop_details.as_ref()).given(calls);
        if calls == Calls::Cut && stop == Stop::ToolUse {
            return Err(bad_arguments());
        }
        Ok(stop)
    }
}

fn upstream_error(data: &[u8]) -> WireError {
    match error::parse_event(Dialect::Anthropic, data) {
        Some(parsed) => WireError::new(parsed.kind, parsed.message).retry_after(parsed.retry_after),
        None => WireError::new(
            error::ErrorKind::Api,
            "the upstream failed without saying why",
        ),
    }
}

/// What is stated later overwrites, field by field.
fn merge(known: &mut UsageIn, stated: UsageIn) {
    known.counts.merge(stated.counts);
    known.server_tool_use = stated.server_tool_use.or(known.server_tool_use);
    known.service_tier = stated.service_tier.or(known.service_tier);
}
