//! From the events of this dialect to the hub's.
use std::borrow::Cow;

use memchr::memchr;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::error;
use super::super::response;
use super::super::wire::{DeltaIn, ItemEventIn, ItemIn, KindIn, LifecycleIn, ResponseIn};
use super::slots::{Call, Item, Items, is_whole};
use crate::protocol::Dialect;
use crate::protocol::error::parse_event;
use crate::protocol::hub::args::Scanner;
use crate::protocol::hub::block::{Block, CallKind, Hosted, SegmentKind};
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::{Event, Start};
use crate::protocol::hub::read::without_position;
use crate::protocol::hub::replay;
use crate::protocol::hub::response::{Calls, Refusal, Stop};

/// Reads one stream of an upstream.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Before,
    Ended,
    Open(Answer),
}

/// What is known of the answer so far.
#[derive(Debug)]
struct Answer {
    items: Items,
    calls: Calls,
    refused: bool,
    searches: u64,
}

impl Decoder {
    /// Reads the data of one frame and tells what happens in it.
    pub fn push(
        &mut self,
        data: &[u8],
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if data == b"[DONE]" || matches!(self.state, State::Ended) {
            return Ok(());
        }
        let kind = kind(data)?;
        self.state = match std::mem::take(&mut self.state) {
            State::Ended => State::Ended,
            State::Before => Answer::new().on(&kind, data, on)?,
            State::Open(answer) => answer.on(&kind, data, on)?,
        };
        Ok(())
    }

    /// The upstream closed: whether its terminal event had come. Without one the answer is not whole, whatever it looks like.
    pub fn finish(
        &mut self,
        _: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<bool, Violation> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Ended => Ok(true),
            State::Before | State::Open(_) => Ok(false),
        }
    }
}

impl Answer {
    fn new() -> Self {
        Self {
            items: Items::default(),
            calls: Calls::None,
            refused: false,
            searches: 0,
        }
    }

    fn on(
        mut self,
        kind: &[u8],
        data: &[u8],
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<State, Violation> {
        let goes_on = kind.ends_with(b".added") || kind.ends_with(b".delta");
        if goes_on && self.calls == Calls::Cut {
            // Only the last call may be cut, with the whole answer.
            return Err(Violation::bad_arguments());
        }
        match kind.strip_prefix(b"response.").unwrap_or(kind) {
            b"output_text.delta" => self.text(&read(data)?, false, on)?,
            b"output_text.done" => {
                self.text(&read(data)?, false, on)?;
                on(Event::TextEnd)?;
            }
            b"refusal.delta" | b"refusal.done" => self.text(&read(data)?, true, on)?,
            b"output_text.annotation.added" => {
                let event: DeltaIn<'_> = read(data)?;
                if let Some(citation) = event.annotation.and_then(response::citation) {
                    on(Event::Citation(citation))?;
                }
            }
            b"reasoning_summary_text.delta" | b"reasoning_summary_text.done" => {
                self.reasoning(&read(data)?, SegmentKind::Summary, on)?;
            }
            b"reasoning_text.delta" | b"reasoning_text.done" => {
                self.reasoning(&read(data)?, SegmentKind::Raw, on)?;
            }
            b"function_call_arguments.delta"
            | b"function_call_arguments.done"
            | b"custom_tool_call_input.delta"
            | b"custom_tool_call_input.done" => self.args(&read(data)?, on)?,
            b"output_item.added" => self.added(&read(data)?, on)?,
            b"output_item.done" => {
                let event: ItemEventIn<'_> = read(data)?;
                if let Some(raw) = event.item {
                    self.item_done(event.output_index, raw, on)?;
                }
            }
            b"created" => {
                let event: LifecycleIn<'_> = read(data)?;
                on(Event::Start(Start {
                    id: event.response.id.map(|id| id.0),
                    model: event.response.model.map(|model| model.0),
                    spent: None,
                }))?;
            }
            b"in_progress" | b"queued" => on(Event::Ping)?,
            b"completed" | b"incomplete" => {
                let event: LifecycleIn<'_> = read(data)?;
                self.end(&event.response, on)?;
                return Ok(State::Ended);
            }
            b"failed" | b"cancelled" => {
                on(Event::Error(error::of_failed(data)))?;
                return Ok(State::Ended);
            }
            b"error" => {
                on(Event::Error(error::of_upstream(parse_event(
                    Dialect::OpenaiResponses,
                    data,
                ))))?;
                return Ok(State::Ended);
            }
            // Progress of the provider's own tools, parts that begin and end, and whatever is invented next.
            _ => {}
        }
        Ok(State::Open(self))
    }

    fn text(
        &mut self,
        event: &DeltaIn<'_>,
        is_refusal: bool,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let part = event.content_index.unwrap_or(0);
        let item = self.items.at(event.output_index, Item::Message(None))?;
        let Item::Message(told) = item else {
            return Ok(());
        };
        let text = match (&event.delta, &event.text) {
            (Some(delta), _) => &**delta,
            (None, Some(whole)) if *told != Some(part) => &**whole,
            _ => return Ok(()),
        };
        if text.is_empty() {
            return Ok(());
        }
        *told = Some(part);
        if is_refusal {
            self.refused = true;
            return on(Event::RefusalDelta(Cow::Borrowed(text)));
        }
        on(Event::TextDelta(Cow::Borrowed(text)))
    }

    fn reasoning(
        &mut self,
        event: &DeltaIn<'_>,
        kind: SegmentKind,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let part = Some((kind, event.content_index.unwrap_or(0)));
        let item = self.items.at(event.output_index, Item::Reasoning(None))?;
        let Item::Reasoning(told) = item else {
            return Ok(());
        };
        let text = match (&event.delta, &event.text) {
            (Some(delta), _) => &**delta,
            (None, Some(whole)) if *told != part => &**whole,
            _ => return Ok(()),
        };
        if text.is_empty() {
            return Ok(());
        }
        let is_next_part = told.is_some() && *told != part;
        *told = part;
        if is_next_part {
            on(Event::ReasoningPart)?;
        }
        let text = Cow::Borrowed(text);
        on(Event::ReasoningDelta { kind, text })
    }

    fn args(
        &mut self,
        event: &DeltaIn<'_>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let slot = event.output_index;
        let item = self.items.at(slot, Item::Call(Call::Announced))?;
        let fragment = match (&*item, &event.delta, &event.text) {
            (Item::Call(Call::Started(_) | Call::Told(_)), Some(delta), _) => &**delta,
            (Item::Call(Call::Started(_)), None, Some(whole)) => &**whole,
            _ => return Ok(()),
        };
        if fragment.is_empty() {
            return Ok(());
        }
        item.tell(fragment)?;
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
        let item: ItemIn<'_> = read(raw.get().as_bytes())?;
        let slot = event.output_index;
        let kind = match item.kind.as_deref() {
            Some("function_call") => CallKind::Function,
            Some("custom_tool_call") => CallKind::Freeform,
            Some("reasoning") => {
                self.items.at(slot, Item::Reasoning(None))?;
                return Ok(());
            }
            _ => return Ok(()),
        };
        let (Some(id), Some(name)) = (item.call_id, item.name.filter(|name| !name.is_empty()))
        else {
            self.items.at(slot, Item::Call(Call::Announced))?;
            return Ok(());
        };
        let known = self.items.at(slot, Item::Call(Call::Announced))?;
        if !matches!(known, Item::Call(Call::Announced)) {
            return Ok(());
        }
        *known = Item::Call(Call::Started(match kind {
            CallKind::Freeform => None,
            CallKind::Function | CallKind::Server(_) => Some(Scanner::default()),
        }));
        self.called(true);
        on(Event::ToolStart {
            slot,
            id: id.0,
            namespace: None,
            name: name.0,
            kind,
        })
    }

    /// Tells what is whole now, and whatever of it was not told before.
    fn item_done(
        &mut self,
        slot: usize,
        raw: &RawValue,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let whole: ItemIn<'_> = read(raw.get().as_bytes())?;
        let blocks =
            response::blocks(raw, &whole).map_err(|fault| Violation::unreadable(&fault.message))?;
        let item = self.items.at(slot, Item::Message(None))?;
        let before = std::mem::replace(item, Item::Done);
        for block in blocks.iter().filter(|block| before.takes(block)) {
            self.note(block);
        }
        match (before, blocks.first()) {
            (Item::Done | Item::Message(Some(_)), _) => Ok(()),
            (Item::Call(Call::Started(_)), Some(Block::ToolCall(call)))
                if !call.args.raw.is_empty() =>
            {
                let fragment = Cow::Borrowed(call.args.raw.as_str());
                on(Event::ToolArgs { slot, fragment })?;
                on(Event::ToolEnd { slot })
            }
            (Item::Call(Call::Started(scanner) | Call::Told(scanner)), _) => {
                let told = is_whole(scanner.as_ref());
                if !told && self.calls != Calls::Cut {
                    // A piece was lost on the way: the item itself is whole.
                    return Err(Violation::bad_arguments());
                }
                on(Event::ToolEnd { slot })
            }
            (Item::Reasoning(Some(_)), Some(Block::Reasoning(reasoning))) => {
                on(Event::ReasoningEnd(reasoning.opaque.clone()))
            }
            (Item::Reasoning(Some(_)), _) => on(Event::ReasoningEnd(None)),
            (Item::Call(Call::Announced) | Item::Message(None) | Item::Reasoning(None), _) => {
                blocks
                    .iter()
                    .try_for_each(|block| replay::block(slot, block, on))
            }
        }
    }

    /// Keeps of a whole block what the end of the answer depends on.
    fn note(&mut self, block: &Block) {
        match block {
            Block::ToolCall(call) => match call.kind {
                CallKind::Server(Hosted::WebSearch) => self.searches += 1,
                CallKind::Server(_) => {}
                CallKind::Freeform => self.called(true),
                CallKind::Function => self.called(call.args.is_whole()),
            },
            Block::Refusal(_) => self.refused = true,
            _ => {}
        }
    }

    /// A call was made. One that is cut stays so, whatever follows.
    fn called(&mut self, whole: bool) {
        self.calls = if whole && self.calls != Calls::Cut {
            Calls::Whole
        } else {
            Calls::Cut
        };
    }

    /// The terminal event. Servers that tell the items only here are understood too.
    fn end(
        &mut self,
        response: &ResponseIn<'_>,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if self.items.is_empty() {
            for (slot, raw) in response.output.iter().enumerate() {
                self.item_done(slot, raw, on)?;
            }
        }
        for (slot, item) in std::mem::take(&mut self.items) {
            match item {
                Item::Call(Call::Started(_) | Call::Told(_)) => {
                    self.called(false);
                    on(Event::ToolEnd { slot })?;
                }
                Item::Reasoning(Some(_)) => on(Event::ReasoningEnd(None))?,
                _ => {}
            }
        }
        if let Some(mut spent) = response::spent(response) {
            spent.web_searches = self.searches;
            on(Event::Usage(spent))?;
        }
        let stop = match response::stop(response) {
            Stop::End if self.refused => Stop::Refusal(Refusal::default()),
            stop => stop,
        };
        let stop = stop.given(self.calls);
        // Cut arguments are right only if the whole answer was cut.
        if self.calls == Calls::Cut && stop == Stop::ToolUse {
            return Err(Violation::bad_arguments());
        }
        on(Event::Stop(stop))?;
        on(Event::End)
    }
}

/// The type of the event. It stands in front wherever speed matters.
fn kind(data: &[u8]) -> Result<Cow<'_, [u8]>, Violation> {
    let front = data
        .strip_prefix(b"{\"type\":\"")
        .and_then(|rest| rest.get(..memchr(b'"', rest)?));
    if let Some(kind) = front {
        return Ok(Cow::Borrowed(kind));
    }
    Ok(match read::<KindIn<'_>>(data)?.kind {
        Some(kind) => Cow::Owned(kind.as_bytes().to_vec()),
        // Only errors have no type.
        None => Cow::Borrowed(b"error"),
    })
}

fn read<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Result<T, Violation> {
    serde_json::from_slice(data).map_err(|error| Violation::unreadable(without_position(&error)))
}
