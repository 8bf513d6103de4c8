//! A stream of an upstream of this dialect.
//!
//! ```text
//!          chunk            finish_reason              [DONE], end of bytes
//!  Fresh ─────────► Open ─────────────────► Stopped ─────────────────────────► Ended  ◄── error, from anywhere
//!                   │ ▲ deltas                 ▲ usage
//!                   └─┘ [DONE] without a reason ends too; the end of the bytes does not
//! ```
//!
//! Calls are kept in slots, in the order of their appearance. A slot begins when id and name are known (some servers send them
//! apart), and ends when something else begins after its arguments are whole, or with the answer.
use std::borrow::Cow;

use super::super::response::{arguments, citation, part_text, reasoning_text, spent, stop};
use super::super::wire::{AnswerIn, ChoiceIn, DeltaIn, ToolCallIn};
use super::think::{Piece, ThinkTags};
use crate::protocol::Dialect;
use crate::protocol::error::{self, WireError};
use crate::protocol::hub::args::Scanner;
use crate::protocol::hub::block::{CallKind, SegmentKind};
use crate::protocol::hub::context::Stamp;
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::{Event, Start};
use crate::protocol::hub::read::without_position;
use crate::protocol::hub::response::{Calls, Refusal, Stop};
use crate::protocol::hub::target::Quirks;

/// Reads the stream.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    stamp: Stamp,
    tags: ThinkTags,
    slots: Vec<Slot>,
    /// Whether something was refused in so many words.
    refused: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Ended,
    Fresh,
    Open,
    Stopped,
}

/// One call.
#[derive(Debug, Default)]
struct Slot {
    /// The upstream's number for it.
    index: usize,
    id: String,
    name: String,
    freeform: bool,
    phase: Phase,
    scanner: Scanner,
}

#[derive(Debug)]
enum Phase {
    Ended,
    Open,
    /// Not all is known yet; these arguments came early.
    Pending {
        early: String,
    },
}

impl Default for Phase {
    fn default() -> Self {
        Self::Pending {
            early: String::new(),
        }
    }
}

impl Decoder {
    /// `stamp` makes ids for calls that come without.
    pub fn new(quirks: &Quirks, stamp: Stamp) -> Self {
        Self {
            state: State::Fresh,
            stamp,
            tags: ThinkTags::new(quirks.think_tags),
            slots: Vec::new(),
            refused: false,
        }
    }

    /// Reads the data of one frame.
    pub fn push(
        &mut self,
        data: &[u8],
        mut on: impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if self.state == State::Ended {
            return Ok(());
        }
        if data.trim_ascii() == b"[DONE]" {
            return self.done(&mut on);
        }
        let chunk: AnswerIn<'_> = serde_json::from_slice(data)
            .map_err(|error| Violation::unreadable(without_position(&error)))?;
        if (chunk.error.is_some() || (chunk.choices.is_empty() && chunk.usage.is_none()))
            && let Some(parsed) = error::parse_event(Dialect::OpenaiChat, data)
        {
            self.state = State::Ended;
            return on(Event::Error(
                WireError::new(parsed.kind, parsed.message).retry_after(parsed.retry_after),
            ));
        }
        if self.state == State::Fresh {
            self.state = State::Open;
            on(Event::Start(Start {
                id: chunk.id.map(|id| id.0),
                model: chunk.model.map(|model| model.0),
                spent: None,
            }))?;
        }
        let mut usage = chunk.usage;
        // Other answers were not asked for.
        for choice in chunk.choices.into_iter().filter(|choice| choice.index == 0) {
            usage = usage.or(choice.usage);
            self.choice(choice, &mut on)?;
        }
        if let Some(usage) = usage {
            on(Event::Usage(spent(usage, chunk.service_tier.as_deref())))?;
        }
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
            State::Fresh | State::Open => Ok(false),
        }
    }

    fn done(
        &mut self,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if self.state != State::Stopped {
            self.stop("", on)?;
        }
        self.state = State::Ended;
        on(Event::End)
    }

    fn choice(
        &mut self,
        choice: ChoiceIn<'_>,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        // Servers without streaming of their own send the whole message in one chunk.
        if let Some(delta) = choice.delta.or(choice.message)
            && self.state == State::Open
        {
            self.delta(delta, on)?;
        }
        match choice.finish_reason {
            Some(reason) if self.state == State::Open && !reason.is_empty() => {
                self.stop(&reason, on)
            }
            _ => Ok(()),
        }
    }

    fn delta(
        &mut self,
        delta: DeltaIn<'_>,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let thought = reasoning_text(&delta);
        if !thought.is_empty() {
            self.end_whole_slots(on)?;
            on(thinking(thought))?;
        }
        if let Some(content) = &delta.content {
            let text = part_text(content);
            if !text.is_empty() {
                self.end_whole_slots(on)?;
                let mut result = Ok(());
                self.tags.push(&text, |piece| {
                    if result.is_ok() {
                        result = on(piece_event(piece));
                    }
                });
                result?;
            }
        }
        if let Some(refusal) = delta.refusal.filter(|refusal| !refusal.is_empty()) {
            self.refused = true;
            on(Event::RefusalDelta(refusal.0))?;
        }
        for citation in delta.annotations.iter().flatten().filter_map(citation) {
            on(Event::Citation(citation))?;
        }
        for call in delta.tool_calls.into_iter().flatten() {
            self.call(&call, on)?;
        }
        if let Some(function) = delta.function_call {
            let call = ToolCallIn {
                index: Some(0),
                id: None,
                function: Some(function),
                custom: None,
            };
            self.call(&call, on)?;
        }
        Ok(())
    }

    /// One fragment of a call.
    fn call(
        &mut self,
        call: &ToolCallIn<'_>,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let id = call.id.as_deref().unwrap_or_default();
        let (name, fragment, freeform) = match (&call.function, &call.custom) {
            (Some(function), _) => (&function.name, arguments(function), false),
            (None, Some(custom)) => {
                let input = custom.input.as_deref().unwrap_or_default();
                (&custom.name, Cow::Borrowed(input), true)
            }
            (None, None) => (&None, Cow::Borrowed(""), false),
        };
        let name = name.as_deref().unwrap_or_default();
        let at = match self.find(call.index, id, name) {
            Some(at) => at,
            None => self.begin(call.index, freeform, on)?,
        };
        let is_last = at + 1 == self.slots.len();
        let stamp = self.stamp;
        let Some(slot) = self.slots.get_mut(at) else {
            return Ok(());
        };
        // Said once is enough: some servers repeat both in every fragment.
        if slot.id.is_empty() {
            id.clone_into(&mut slot.id);
        }
        if slot.name.is_empty() {
            name.clone_into(&mut slot.name);
        }
        slot.feed(at, &fragment, on)?;
        if slot.is_pending() && !slot.name.is_empty() && (!slot.id.is_empty() || slot.has_early()) {
            slot.start(at, stamp, on)?;
        }
        if !is_last && slot.scanner.is_complete() {
            slot.end(at, on)?;
        }
        Ok(())
    }

    /// The slot that a fragment belongs to; `None` = it begins a new one. Numbers decide, but some servers give every call the
    /// same number, or none.
    fn find(&self, index: Option<usize>, id: &str, name: &str) -> Option<usize> {
        let known = match index {
            Some(index) => self.slots.iter().rposition(|slot| slot.index == index),
            None if id.is_empty() => self.slots.len().checked_sub(1),
            None => self.slots.iter().rposition(|slot| slot.id == id),
        };
        known.filter(|at| {
            self.slots.get(*at).is_some_and(|slot| {
                let other_id = !id.is_empty() && !slot.id.is_empty() && slot.id != id;
                let whole = slot.scanner.is_complete() || slot.scanner.is_blank();
                let begins = !name.is_empty() && (other_id || (index.is_none() && id.is_empty()));
                !(begins && whole)
            })
        })
    }

    fn begin(
        &mut self,
        index: Option<usize>,
        freeform: bool,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<usize, Violation> {
        self.flush_tags(on)?;
        self.end_whole_slots(on)?;
        if self.slots.len() >= MOST_CALLS {
            return Err(Violation::new(
                "too_many_calls",
                "the upstream makes more calls than are followed",
            ));
        }
        self.slots.push(Slot {
            index: index.unwrap_or(self.slots.len()),
            freeform,
            ..Slot::default()
        });
        Ok(self.slots.len() - 1)
    }

    /// Something else begins: calls that are whole have ended.
    fn end_whole_slots(
        &mut self,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if slot.scanner.is_complete() || slot.freeform {
                slot.end(at, on)?;
            }
        }
        Ok(())
    }

    fn flush_tags(
        &mut self,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let mut result = Ok(());
        self.tags.finish(|piece| result = on(piece_event(piece)));
        result
    }

    fn stop(
        &mut self,
        reason: &str,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.flush_tags(on)?;
        let mut said = stop(reason)?;
        if self.refused && said == Stop::End {
            said = Stop::Refusal(Refusal::default());
        }
        let mut calls = Calls::None;
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if slot.is_pending() && (!slot.name.is_empty() || slot.has_early()) {
                slot.start(at, self.stamp, on)?;
            }
            if slot.is_pending() {
                continue;
            }
            let whole = slot.freeform || slot.scanner.is_complete() || slot.scanner.is_blank();
            calls = if whole { Calls::Whole } else { Calls::Cut };
            if !whole && !matches!(said, Stop::MaxTokens | Stop::ContextFull) {
                return Err(bad_arguments());
            }
            slot.end(at, on)?;
        }
        self.state = State::Stopped;
        on(Event::Stop(said.given(calls)))
    }
}

impl Slot {
    fn is_pending(&self) -> bool {
        matches!(self.phase, Phase::Pending { .. })
    }

    fn has_early(&self) -> bool {
        matches!(&self.phase, Phase::Pending { early } if !early.trim().is_empty())
    }

    fn start(
        &mut self,
        slot: usize,
        stamp: Stamp,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if self.name.is_empty() {
            return Err(Violation::new(
                "call_without_name",
                "the upstream makes a call without saying which",
            ));
        }
        if self.id.is_empty() {
            self.id = stamp.id("call_", slot);
        }
        on(Event::ToolStart {
            slot,
            id: Cow::Borrowed(&self.id),
            namespace: None,
            name: Cow::Borrowed(&self.name),
            kind: if self.freeform {
                CallKind::Freeform
            } else {
                CallKind::Function
            },
        })?;
        match std::mem::replace(&mut self.phase, Phase::Open) {
            Phase::Pending { early } => self.feed(slot, &early, on),
            Phase::Open | Phase::Ended => Ok(()),
        }
    }

    fn feed(
        &mut self,
        slot: usize,
        fragment: &str,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if fragment.is_empty() {
            return Ok(());
        }
        match &mut self.phase {
            Phase::Pending { early } => {
                if early.len() + fragment.len() > MOST_EARLY {
                    return Err(Violation::new(
                        "call_without_name",
                        "the upstream makes a call without saying which",
                    ));
                }
                early.push_str(fragment);
                Ok(())
            }
            Phase::Ended if fragment.trim().is_empty() => Ok(()),
            Phase::Ended => Err(bad_arguments()),
            Phase::Open => {
                if !self.freeform {
                    self.scanner.push(fragment).map_err(|_| bad_arguments())?;
                }
                on(Event::ToolArgs {
                    slot,
                    fragment: Cow::Borrowed(fragment),
                })
            }
        }
    }

    fn end(
        &mut self,
        slot: usize,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if matches!(self.phase, Phase::Open) {
            self.phase = Phase::Ended;
            on(Event::ToolEnd { slot })?;
        }
        Ok(())
    }
}

fn piece_event(piece: Piece<'_>) -> Event<'_> {
    match piece {
        Piece::Text(text) => Event::TextDelta(text),
        Piece::Thought(text) => thinking(text),
    }
}

fn thinking(text: Cow<'_, str>) -> Event<'_> {
    Event::ReasoningDelta {
        kind: SegmentKind::Raw,
        text,
    }
}

fn bad_arguments() -> Violation {
    Violation::new(
        "invalid_tool_json",
        "the arguments of a tool call are not a JSON object",
    )
}

/// Most calls in one answer.
const MOST_CALLS: usize = 1_024;

/// Most bytes of arguments that come before the name.
const MOST_EARLY: usize = 1 << 20;
