//! Joins characters that the upstream split: the first half is at the end of one event, the second at the beginning of
//! the next.
use std::borrow::Cow;

use crate::protocol::hub::block::SegmentKind;
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::Event;
use crate::protocol::json::surrogates::{half, is_high, joined};

/// Joins the surrogates that the marks of [`surrogates`](crate::protocol::json::surrogates) stand for.
#[derive(Debug, Default)]
pub struct Halves {
    /// Whether there has been a mark; otherwise no text is examined.
    met: bool,
    /// The half that waits for the other one, and the text that it belongs to.
    held: Option<(Place, u16)>,
}

/// The text that a delta continues.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Args(usize),
    Reasoning(SegmentKind),
    Refusal,
    Text,
}

impl Halves {
    /// From now on the texts contain marks.
    pub const fn meet(&mut self) {
        self.met = true;
    }

    /// Passes events on.
    pub fn on(
        &mut self,
        event: Event<'_>,
        mut next: impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if !self.met || matches!(event, Event::Ping | Event::Usage(_) | Event::Repair(_)) {
            return next(event);
        }
        let (place, text) = match event {
            Event::TextDelta(text) => (Place::Text, text),
            Event::RefusalDelta(text) => (Place::Refusal, text),
            Event::ReasoningDelta { kind, text } => (Place::Reasoning(kind), text),
            Event::ToolArgs { slot, fragment } => (Place::Args(slot), fragment),
            event => {
                if let Some((place, _)) = self.held.take() {
                    next(place.event(Cow::Borrowed(LOST)))?;
                }
                return next(event);
            }
        };
        let mut high = match self.held.take() {
            Some((held, high)) if held == place => Some(high),
            Some((other, _)) => {
                next(other.event(Cow::Borrowed(LOST)))?;
                None
            }
            None => None,
        };
        let mut whole = String::with_capacity(text.len() + LOST.len());
        for char in text.chars() {
            let found = half(char);
            match (high.take(), found) {
                (Some(first), Some(second)) if joined(first, second).is_some() => {
                    whole.extend(joined(first, second));
                    continue;
                }
                (Some(_), _) => whole.push_str(LOST),
                (None, _) => {}
            }
            match found {
                Some(half) if is_high(half) => high = Some(half),
                Some(_) => whole.push_str(LOST),
                None => whole.push(char),
            }
        }
        self.held = high.map(|high| (place, high));
        if whole.is_empty() {
            return Ok(());
        }
        next(place.event(Cow::Owned(whole)))
    }
}

impl Place {
    const fn event(self, text: Cow<'_, str>) -> Event<'_> {
        match self {
            Self::Args(slot) => Event::ToolArgs {
                slot,
                fragment: text,
            },
            Self::Reasoning(kind) => Event::ReasoningDelta { kind, text },
            Self::Refusal => Event::RefusalDelta(text),
            Self::Text => Event::TextDelta(text),
        }
    }
}

/// Replaces a half without its other half.
const LOST: &str = "\u{fffd}";
