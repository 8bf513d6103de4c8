//! Decodes one answer, event by event.
use std::borrow::Cow;

use serde_json::value::RawValue;

use super::super::error;
use super::super::response;
use super::super::wire::{DeltaIn, ItemEventIn, ItemIn, LifecycleIn, Name, ResponseIn};
use super::slots::{Call, Item, Items, Kind};
use super::tally::Tally;
use super::whole::{Rest, rest};
use crate::protocol::Dialect;
use crate::protocol::error::parse_event;
use crate::protocol::hub::args::Scanner;
use crate::protocol::hub::block::{Block, CallKind, SegmentKind};
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::{Event, Start};
use crate::protocol::hub::read::json;
use crate::protocol::hub::replay;

/// The state of the answer.
#[derive(Debug)]
pub struct Answer {
    wrapped: Vec<String>,
    items: Items,
    tally: Tally,
}

impl Answer {
    /// `wrapped` are the tools whose arguments may be plain text instead of an object.
    pub fn new(wrapped: Vec<String>) -> Self {
        Self {
            wrapped,
            items: Items::default(),
            tally: Tally::default(),
        }
    }

    /// Handles one event and emits the hub's events. Returns whether it was the last one.
    pub fn on(
        &mut self,
        kind: &[u8],
        data: &[u8],
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<bool, Violation> {
        let goes_on = kind.ends_with(b".added") || kind.ends_with(b".delta");
        if goes_on && self.tally.is_cut() {
            // Only the last call may be cut off, together with the whole answer.
            return Err(Violation::bad_arguments());
        }
        match kind.strip_prefix(b"response.").unwrap_or(kind) {
            b"output_text.delta" => self.text(&json(data)?, on)?,
            b"output_text.done" => {
                self.text(&json(data)?, on)?;
                on(Event::TextEnd)?;
            }
            b"refusal.delta" | b"refusal.done" => self.refusal(&json(data)?, on)?,
            b"output_text.annotation.added" => {
                let event: DeltaIn<'_> = json(data)?;
                if let Some(citation) = event.annotation.and_then(response::citation) {
                    on(Event::Citation(citation))?;
                }
            }
            b"reasoning_summary_text.delta" | b"reasoning_summary_text.done" => {
                self.reasoning(&json(data)?, SegmentKind::Summary, on)?;
            }
            b"reasoning_text.delta" | b"reasoning_text.done" => {
                self.reasoning(&json(data)?, SegmentKind::Raw, on)?;
            }
            b"reasoning_summary_part.added" | b"reasoning_part.added" => {
                let event: DeltaIn<'_> = json(data)?;
                let at = self.items.find(Kind::Reasoning, event.name())?;
                if let Item::Reasoning(emitted) = self.items.at(at)? {
                    emitted.end_part();
                }
            }
            b"function_call_arguments.delta"
            | b"function_call_arguments.done"
            | b"custom_tool_call_input.delta"
            | b"custom_tool_call_input.done" => self.args(&json(data)?, on)?,
            b"output_item.added" => self.added(&json(data)?, on)?,
            b"output_item.done" => {
                let event: ItemEventIn<'_> = json(data)?;
                if let Some(raw) = event.item {
                    self.item_done(event.output_index, raw, on)?;
                }
            }
            b"created" => {
                let event: LifecycleIn<'_> = json(data)?;
                on(Event::Start(Start {
                    id: event.response.id.map(|id| id.0),
                    model: event.response.model.map(|model| model.0),
                    spent: None,
                }))?;
            }
            b"in_progress" | b"queued" => on(Event::Ping)?,
            b"completed" | b"incomplete" | b"done" => {
                let event: LifecycleIn<'_> = json(data)?;
                self.end(&event.response, on)?;
                return Ok(true);
            }
            b"failed" | b"cancelled" => {
                // What a response has used by then is billed.
                if let Ok(event) = json::<LifecycleIn<'_>>(data)
                    && let Some(spent) = response::spent(&event.response, self.tally.searches())
                {
                    on(Event::Usage(Box::new(spent)))?;
                }
                on(Event::Error(error::of_failed(data)))?;
                return Ok(true);
            }
            b"error" => {
                on(Event::Error(error::of_upstream(parse_event(
                    Dialect::OpenaiResponses,
                    data,
                ))))?;
                return Ok(true);
            }
            // Progress of the provider's own tools, beginnings and ends of parts, and unknown future events.
            _ => {}
        }
        if let Some(breach) = self.items.repair() {
            on(Event::Repair(breach))?;
        }
        Ok(false)
    }

    fn text(
        &mut self,
        event: &DeltaIn<'_>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let at = self.items.find(Kind::Message, event.name())?;
        let Item::Message(emitted) = self.items.at(at)? else {
            return Ok(());
        };
        let text = emitted.news(event.delta.as_deref(), event.text.as_deref());
        if !text.is_empty() {
            emitted.tell(text);
            on(Event::TextDelta(Cow::Borrowed(text)))?;
        }
        if event.delta.is_none() {
            emitted.end_part();
        }
        Ok(())
    }

    fn refusal(
        &mut self,
        event: &DeltaIn<'_>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let at = self.items.find(Kind::Message, event.name())?;
        let Item::Message(emitted) = self.items.at(at)? else {
            return Ok(());
        };
        let text = match (&event.delta, &event.text) {
            (Some(delta), _) => &**delta,
            (None, Some(whole)) if !emitted.is_refused() => &**whole,
            _ => "",
        };
        if text.is_empty() {
            return Ok(());
        }
        emitted.refuse();
        self.tally.refuse();
        on(Event::RefusalDelta(Cow::Borrowed(text)))
    }

    fn reasoning(
        &mut self,
        event: &DeltaIn<'_>,
        kind: SegmentKind,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let at = self.items.find(Kind::Reasoning, event.name())?;
        let Item::Reasoning(emitted) = self.items.at(at)? else {
            return Ok(());
        };
        let text = emitted.news(event.delta.as_deref(), event.text.as_deref());
        if !text.is_empty() {
            if emitted.tell(text) {
                on(Event::ReasoningPart)?;
            }
            let text = Cow::Borrowed(text);
            on(Event::ReasoningDelta { kind, text })?;
        }
        if event.delta.is_none() {
            emitted.end_part();
        }
        Ok(())
    }

    fn args(
        &mut self,
        event: &DeltaIn<'_>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let slot = self.items.find(Kind::Call, event.name())?;
        let Item::Call(call) = self.items.at(slot)? else {
            return Ok(());
        };
        let fragment = match (&*call, &event.delta, &event.text) {
            (Call::Started { .. }, Some(delta), _) => &**delta,
            (Call::Started { told: false, .. }, None, Some(whole)) => &**whole,
            _ => return Ok(()),
        };
        if fragment.is_empty() {
            return Ok(());
        }
        call.tell(fragment)?;
        let fragment = Cow::Borrowed(fragment);
        on(Event::ToolArgs { slot, fragment })
    }

    fn added(
        &mut self,
        event: &ItemEventIn<'_>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let Some(raw) = event.item else {
            return Ok(());
        };
        let item: ItemIn<'_> = json(raw.get().as_bytes())?;
        let name = Name {
            id: item.id.as_deref(),
            index: event.output_index,
        };
        let kind = Kind::of(item.kind.as_deref());
        if kind == Kind::Other {
            return Ok(());
        }
        let Some(slot) = self.items.begin(kind, name)? else {
            return Ok(());
        };
        let Item::Call(call) = self.items.at(slot)? else {
            return Ok(());
        };
        let kind = match item.kind.as_deref() {
            Some("custom_tool_call") => CallKind::Freeform,
            _ => CallKind::Function,
        };
        let (Some(id), Some(name)) = (item.call_id, item.name.filter(|name| !name.is_empty()))
        else {
            return Ok(());
        };
        if !matches!(call, Call::Announced) {
            return Ok(());
        }
        *call = Call::Started {
            call_id: id.to_owned(),
            scanner: (kind == CallKind::Function).then(Scanner::default),
            wrapped: self.wrapped.iter().any(|known| **known == *name),
            told: false,
        };
        self.tally.called(true);
        on(Event::ToolStart {
            slot,
            id: id.0,
            namespace: None,
            name: name.0,
            kind,
        })
    }

    /// Handles a complete item: emits what has not been emitted of it.
    fn item_done(
        &mut self,
        index: Option<usize>,
        raw: &RawValue,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let whole: ItemIn<'_> = json(raw.get().as_bytes())?;
        let name = Name {
            id: whole.id.as_deref(),
            index,
        };
        let kind = Kind::of(whole.kind.as_deref());
        let at = self.items.end(kind, name, whole.call_id.as_deref())?;
        self.finish(at, raw, &whole, on).map(drop)
    }

    /// Emits what has not been emitted of the item at position `at`. Returns whether there was anything.
    fn finish(
        &mut self,
        at: usize,
        raw: &RawValue,
        whole: &ItemIn<'_>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<bool, Violation> {
        let blocks =
            response::blocks(raw, whole).map_err(|fault| Violation::unreadable(&fault.message))?;
        let item = self.items.at(at)?;
        if let Item::Call(_) = item {
            return self.finish_call(at, &blocks, on);
        }
        match rest(item, &blocks) {
            Rest::Nothing => Ok(false),
            Rest::End(opaque) => on(Event::ReasoningEnd(opaque)).map(|()| false),
            Rest::Text(text) => on(Event::TextDelta(Cow::Owned(text))).map(|()| true),
            Rest::All => {
                if response::is_search(whole) {
                    self.tally.search();
                }
                for block in &blocks {
                    self.tally.note(block);
                    replay::block(at, block, on)?;
                }
                Ok(true)
            }
        }
    }

    fn finish_call(
        &mut self,
        slot: usize,
        blocks: &[Block],
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<bool, Violation> {
        let (Item::Call(call), Some(block @ Block::ToolCall(whole))) =
            (self.items.at(slot)?, blocks.first())
        else {
            return Ok(false);
        };
        let done = Call::Done {
            call_id: whole.id.clone(),
        };
        let before = std::mem::replace(call, done);
        match &before {
            Call::Done { .. } => return Ok(false),
            Call::Announced => {
                self.tally.note(block);
                replay::block(slot, block, on)?;
                return Ok(true);
            }
            Call::Started { told, .. } => {
                self.tally.note(block);
                if !told && !whole.args.raw.is_empty() {
                    let fragment = Cow::Borrowed(whole.args.raw.as_str());
                    on(Event::ToolArgs { slot, fragment })?;
                } else if !before.is_whole() && !self.tally.is_cut() {
                    // Pieces were lost on the way, but the item itself is complete.
                    return Err(Violation::bad_arguments());
                }
            }
        }
        on(Event::ToolEnd { slot })?;
        Ok(false)
    }

    /// Handles the terminal event. Servers that send items only here, or some of them, are supported too.
    fn end(
        &mut self,
        response: &ResponseIn<'_>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.reconcile(response, on)?;
        let mut cut = false;
        for (slot, item) in self.items.open() {
            match item {
                Item::Call(Call::Started { .. }) => {
                    cut = true;
                    on(Event::ToolEnd { slot })?;
                }
                Item::Reasoning(emitted) if !emitted.is_silent() => on(Event::ReasoningEnd(None))?,
                _ => {}
            }
        }
        if cut {
            self.tally.called(false);
        }
        if let Some(spent) = response::spent(response, self.tally.searches()) {
            on(Event::Usage(Box::new(spent)))?;
        }
        let stop = self.tally.stop(response::stop(response))?;
        on(Event::Stop(stop))?;
        on(Event::End)
    }

    /// Emits what the whole answer contains and no earlier event did.
    fn reconcile(
        &mut self,
        response: &ResponseIn<'_>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let streamed = !self.items.is_empty();
        let mut late = false;
        let mut answered: Vec<(Kind, usize)> = Vec::new();
        for raw in &response.output {
            let whole: ItemIn<'_> = json(raw.get().as_bytes())?;
            let at = self.items.in_answer(&whole, &mut answered)?;
            late |= self.finish(at, raw, &whole, on)?;
        }
        if late && streamed {
            let message = "the upstream has content in its last event that it did not stream";
            on(Event::Repair(Violation::new("late_content", message)))?;
        }
        Ok(())
    }
}
