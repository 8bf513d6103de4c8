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

use super::super::response::{
    arguments, citation, is_reason, lost_part, pieces, reasoning_text, signature, spent, stop,
};
use super::super::wire::{AnswerIn, ChoiceIn, DeltaIn, ToolCallIn};
use super::said::Said;
use super::slot::{Slot, bad_arguments};
use super::think::{Piece, ThinkTags};
use crate::protocol::Dialect;
use crate::protocol::error::{self, WireError};
use crate::protocol::hub::block::SegmentKind;
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
    said: Said,
    /// Whether something was refused in so many words.
    refused: bool,
    wrapped: Vec<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Ended,
    Fresh,
    Open,
    Stopped,
}

impl Decoder {
    /// `stamp` makes ids for calls that come without.
    /// `wrapped` are the tools whose arguments may be plain text instead of an object.
    pub fn new(quirks: &Quirks, stamp: Stamp, wrapped: Vec<String>) -> Self {
        Self {
            state: State::Fresh,
            stamp,
            tags: ThinkTags::new(quirks.think_tags),
            slots: Vec::new(),
            said: Said::default(),
            refused: false,
            wrapped,
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
        if self.state == State::Open {
            match (choice.delta, choice.message) {
                (Some(delta), _) if self.said.is_again(&delta, choice.finish_reason.is_some()) => {}
                (Some(delta), _) => self.delta(delta, on)?,
                // Servers without streaming of their own send the whole message in one chunk; others repeat it in the last.
                (None, Some(message)) if self.said.is_empty() && self.slots.is_empty() => {
                    self.delta(message, on)?;
                }
                (None, _) => {}
            }
        }
        match choice.finish_reason {
            Some(reason) if self.state == State::Open && is_reason(&reason) => {
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
            let lost = pieces(content, &mut |piece| self.piece(piece, on))?;
            if lost {
                on(Event::Foreign(lost_part()))?;
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
                extra_content: None,
            };
            self.call(&call, on)?;
        }
        Ok(())
    }

    fn piece(
        &mut self,
        piece: Piece<'_>,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let (Piece::Text(text) | Piece::Thought(text) | Piece::Refusal(text)) = &piece;
        if text.is_empty() {
            return Ok(());
        }
        self.end_whole_slots(on)?;
        let Piece::Text(text) = piece else {
            self.refused |= matches!(piece, Piece::Refusal(_));
            return on(piece_event(piece));
        };
        self.said.push(&text);
        let mut result = Ok(());
        self.tags.push(&text, |piece| {
            if result.is_ok() {
                result = on(piece_event(piece));
            }
        });
        result
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
        let begins = !name.is_empty() && !fragment.trim().is_empty();
        let found = self.find(call.index, id, name).filter(|at| {
            // One id, or one number, for all calls: after a whole object another one begins.
            let whole = self
                .slots
                .get(*at)
                .is_some_and(|slot| slot.scanner.is_complete());
            !(begins && whole)
        });
        let at = match found {
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
        slot.wrapped |= !name.is_empty() && self.wrapped.iter().any(|known| known == name);
        if let Some(state) = call.extra_content.and_then(signature) {
            slot.sign(state);
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
        let index = index.unwrap_or(self.slots.len());
        self.slots.push(Slot::new(index, freeform));
        Ok(self.slots.len() - 1)
    }

    /// Something else begins: calls that are whole have ended.
    fn end_whole_slots(
        &mut self,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if slot.scanner.is_complete() || slot.is_text() {
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
            let whole = slot.is_text() || slot.scanner.is_complete() || slot.scanner.is_blank();
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

fn piece_event(piece: Piece<'_>) -> Event<'_> {
    match piece {
        Piece::Refusal(text) => Event::RefusalDelta(text),
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

/// Most calls in one answer.
const MOST_CALLS: usize = 1_024;
