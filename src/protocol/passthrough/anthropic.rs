//! Reads an Anthropic stream: `message_start`, content blocks, `message_delta`, `message_stop`; `error` at any point.
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Facts;
use super::answer::tier;
use super::peek::{self, Text, lenient};
use crate::protocol::Dialect;
use crate::protocol::error::{self, WireError};
use crate::protocol::hub::stated::AnthropicUsage;
use crate::protocol::hub::usage::Stated;
use crate::protocol::sse::{self, Frame};

/// The state of one stream.
#[derive(Debug, Default)]
pub(super) struct Reader {
    usage: Option<AnthropicUsage>,
    usage_final: bool,
}

impl Reader {
    pub(super) fn on(&mut self, frame: &Frame<'_>, facts: &mut Facts) {
        if frame.is_silent() {
            return peek::bare_error(Dialect::Anthropic, frame, facts);
        }
        // Some compatible servers omit the `event` line, or write the same name into every event.
        let known = frame.event.and_then(Event::of);
        let event = known.or_else(|| Event::of(peek::type_of(&frame.data)?.as_bytes()));
        match event {
            Some(Event::Block) => facts.phase = facts.phase.content(),
            Some(Event::Error) => facts.fail(error::parse(Dialect::Anthropic, 200, &frame.data)),
            Some(Event::MessageDelta) => self.on_message_delta(&frame.data, facts),
            Some(Event::MessageStart) => self.on_message_start(&frame.data, facts),
            Some(Event::MessageStop) => facts.phase = facts.phase.complete(),
            Some(Event::Silent) => {}
            None => {
                if let Some(error) = error::parse_event(Dialect::Anthropic, &frame.data) {
                    facts.fail(error);
                }
            }
        }
    }

    pub(super) fn usage(&self) -> Option<Stated> {
        self.usage.map(Stated::from)
    }

    /// `message_start` states the tokens of the prompt; only `message_delta` states those of the output.
    pub(super) fn usage_final(&self) -> bool {
        self.usage_final
    }

    fn on_message_start(&mut self, data: &[u8], facts: &mut Facts) {
        peek::or_repaired(data, |data| {
            let MessageStart { message } = serde_json::from_slice(data).ok()?;
            facts.name(message.model.as_ref().map(|model| &*model.0), None);
            self.merge(message.usage, facts);
            Some(())
        });
    }

    fn on_message_delta(&mut self, data: &[u8], facts: &mut Facts) {
        facts.phase = facts.phase.content();
        peek::or_repaired(data, |data| {
            let MessageDelta { usage } = serde_json::from_slice(data).ok()?;
            self.usage_final |= self.merge(usage, facts);
            Some(())
        });
    }

    /// Adds the usage. Returns whether it states the output tokens.
    fn merge(&mut self, usage: Option<&RawValue>, facts: &mut Facts) -> bool {
        let Some(usage) = usage else { return false };
        facts.name(None, tier(usage.get().as_bytes()).as_deref());
        let Some(stated) = peek::read_usage::<AnthropicUsage>(usage.get().as_bytes()) else {
            return false;
        };
        self.usage.get_or_insert_default().merge(stated);
        stated.states_answer()
    }
}

pub(super) fn terminal_error(error: &WireError) -> Bytes {
    let mut out = BytesMut::new();
    let data = error::encode(Dialect::Anthropic, error);
    sse::write(&mut out, Some("error"), &data);
    out.freeze()
}

enum Event {
    /// Opens or carries content.
    Block,
    Error,
    MessageDelta,
    MessageStart,
    MessageStop,
    /// An event that does not matter here.
    Silent,
}

impl Event {
    fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"content_block_delta" | b"content_block_start" => Self::Block,
            b"content_block_stop" | b"ping" => Self::Silent,
            b"error" => Self::Error,
            b"message_delta" => Self::MessageDelta,
            b"message_start" => Self::MessageStart,
            b"message_stop" => Self::MessageStop,
            _ => return None,
        })
    }
}

#[derive(Deserialize)]
struct MessageStart<'a> {
    #[serde(borrow)]
    message: Message<'a>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MessageDelta<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}
