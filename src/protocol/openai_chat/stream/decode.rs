//! Decodes the stream of an upstream of this dialect.
//!
//! ```text
//!          chunk            finish_reason              [DONE], end of bytes
//!  Fresh ─────────► Open ─────────────────► Stopped ─────────────────────────► Ended  ◄── error, from anywhere
//!                   │ ▲ deltas                 ▲ usage, and deltas: some vendors state a reason in every chunk
//!                   └─┘ [DONE] without a reason ends too; the end of the bytes does not
//! ```
use super::super::details::Details;
use super::super::response::{citation, lost_part, pieces, reasoning_text, spent, stop};
use super::super::wire::{AnswerIn, ChoiceIn, DeltaIn, ToolCallIn};
use super::said::Said;
use super::slots::{Fragment, Slots};
use super::think::{Piece, ThinkTags};
use crate::protocol::Dialect;
use crate::protocol::error::{self, WireError};
use crate::protocol::hub::context::Stamp;
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::{Event, Start};
use crate::protocol::hub::labels::is_reason;
use crate::protocol::hub::read::json;
use crate::protocol::hub::response::{Refusal, Stop};
use crate::protocol::hub::stated::ChatUsage;
use crate::protocol::hub::target::Quirks;

/// Decodes one stream.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    tags: ThinkTags,
    slots: Slots,
    said: Said,
    details: Details,
    /// Whether the last content was reasoning.
    thinks: bool,
    /// Whether there was a refusal text.
    refused: bool,
    /// Whether there was any content.
    answered: bool,
    /// The last finish reason that was stated.
    reason: String,
    /// The usage stated so far.
    usage: ChatUsage,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Ended,
    Fresh,
    Open,
    Stopped,
}

impl Decoder {
    /// `stamp` makes ids for calls that have none. `wrapped` are the tools whose arguments may be plain text instead of
    /// an object.
    pub fn new(quirks: &Quirks, stamp: Stamp, wrapped: Vec<String>) -> Self {
        Self {
            state: State::Fresh,
            tags: ThinkTags::new(quirks.think_tags),
            slots: Slots::new(stamp, wrapped),
            said: Said::default(),
            details: Details::default(),
            thinks: false,
            refused: false,
            answered: false,
            reason: String::new(),
            usage: ChatUsage::default(),
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
        let data = data.trim_ascii();
        if data.eq_ignore_ascii_case(b"[DONE]") {
            return self.done(&mut on);
        }
        if data == b"null" {
            return Ok(());
        }
        let mut chunk: AnswerIn<'_> = json(data)?;
        let stated = chunk.take_usage();
        if let Some(stated) = stated {
            self.usage.merge(stated);
        }
        if (chunk.error.is_some() || (chunk.choices.is_empty() && stated.is_none()))
            && let Some(parsed) = error::parse_event(Dialect::OpenaiChat, data)
        {
            self.state = State::Ended;
            if stated.is_some() {
                let spent = spent(self.usage, chunk.service_tier.as_deref());
                on(Event::Usage(Box::new(spent)))?;
            }
            return on(Event::Error(
                WireError::new(parsed.kind, parsed.message)
                    .indication(parsed.indication)
                    .retry_after(parsed.retry_after),
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
        // Only one answer was requested.
        for choice in chunk.choices.into_iter().filter(|choice| choice.index == 0) {
            self.choice(choice, &mut on)?;
        }
        if stated.is_some() {
            let spent = spent(self.usage, chunk.service_tier.as_deref());
            on(Event::Usage(Box::new(spent)))?;
        }
        Ok(())
    }

    /// Whether a finish reason has come. At most usage and the terminal marker are missing then, unless more content
    /// comes after all.
    pub fn has_stopped(&self) -> bool {
        self.state == State::Stopped
    }

    /// The bytes have ended. Whether the answer was complete; `false` = it was cut off.
    pub fn finish(
        &mut self,
        mut on: impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<bool, Violation> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Ended => Ok(true),
            State::Stopped => {
                self.stop(&mut on)?;
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
        if self.state != State::Stopped && !self.answered {
            return Err(Violation::new(
                "empty_answer",
                "the upstream ended its stream without an answer",
            ));
        }
        self.stop(on)?;
        self.state = State::Ended;
        on(Event::End)
    }

    fn choice(
        &mut self,
        choice: ChoiceIn<'_>,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if matches!(self.state, State::Open | State::Stopped) {
            match (choice.delta, choice.message) {
                (Some(delta), _) if self.said.is_again(&delta, choice.finish_reason.is_some()) => {}
                (Some(delta), _) => self.delta(*delta, on)?,
                // Servers without streaming send the whole message in one chunk; others repeat it in the last chunk.
                (None, Some(message)) if self.said.is_empty() && self.slots.is_empty() => {
                    self.delta(*message, on)?;
                }
                (None, _) => {}
            }
        }
        if let Some(reason) = choice.finish_reason
            && is_reason(&reason)
        {
            // A reason that means a failure is reported at once.
            stop(&reason)?;
            self.reason = reason.0.into_owned();
            self.state = State::Stopped;
        }
        Ok(())
    }

    fn delta(
        &mut self,
        delta: DeltaIn<'_>,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if let Some(raw) = delta.reasoning_details {
            self.details.push(raw);
        }
        let thought = reasoning_text(&delta);
        if !thought.is_empty() {
            self.answered = true;
            self.thinks = true;
            self.slots.end_whole(on)?;
            on(Piece::Thought(thought).event())?;
        }
        if let Some(content) = &delta.content {
            let lost = pieces(content, &mut |piece| self.piece(piece, on))?;
            if lost {
                on(Event::Foreign(lost_part()))?;
            }
        }
        if delta.has_media() {
            self.answered = true;
            on(Event::Foreign(lost_part()))?;
        }
        if let Some(refusal) = delta.refusal.filter(|refusal| !refusal.is_empty()) {
            self.refused = true;
            self.answered = true;
            on(Event::RefusalDelta(refusal.0))?;
        }
        for citation in delta.annotations.iter().flatten().filter_map(citation) {
            on(Event::Citation(citation))?;
        }
        for call in delta.tool_calls {
            self.call(&call, on)?;
        }
        if let Some(function) = delta.function_call {
            let call = ToolCallIn {
                index: Some(0),
                id: None,
                function: Some(*function),
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
        self.answered = true;
        self.slots.end_whole(on)?;
        if self.thinks && !matches!(piece, Piece::Thought(_)) {
            self.end_thought(on)?;
        }
        let Piece::Text(text) = piece else {
            self.refused |= matches!(piece, Piece::Refusal(_));
            return on(piece.event());
        };
        self.said.push(&text);
        let mut result = Ok(());
        self.tags.push(&text, |piece| {
            if result.is_ok() {
                result = on(piece.event());
            }
        });
        result
    }

    /// Handles one fragment of a call.
    fn call(
        &mut self,
        call: &ToolCallIn<'_>,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.answered = true;
        let fragment = Fragment::of(call);
        if self.slots.begins(&fragment) {
            self.flush_tags(on)?;
            self.slots.end_whole(on)?;
            self.end_thought(on)?;
        }
        self.slots.take(&fragment, on)
    }

    /// Emits the state behind the reasoning that it belongs to, and in front of what follows.
    fn end_thought(
        &mut self,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.thinks = false;
        match self.details.take() {
            Some(state) => on(Event::ReasoningEnd(Some(state))),
            None => Ok(()),
        }
    }

    fn flush_tags(
        &mut self,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let mut result = Ok(());
        self.tags.finish(|piece| result = on(piece.event()));
        result
    }

    fn stop(
        &mut self,
        on: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.flush_tags(on)?;
        let mut said = stop(&self.reason)?;
        if self.slots.is_empty() {
            self.end_thought(on)?;
        }
        if self.refused && said == Stop::End {
            said = Stop::Refusal(Refusal::default());
        }
        let may_be_cut = matches!(said, Stop::MaxTokens | Stop::ContextFull);
        let calls = self.slots.finish(may_be_cut, on)?;
        on(Event::Stop(said.given(calls)))
    }
}
