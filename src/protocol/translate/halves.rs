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
    /// The halves that wait for the other one, and the text that each belongs to: texts of several calls interleave.
    held: Vec<(Place, u16)>,
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
                self.lose(&event, &mut next)?;
                return next(event);
            }
        };
        let held = self.held.iter().position(|(held, _)| *held == place);
        let mut high = held.map(|held| self.held.swap_remove(held).1);
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
        self.held.extend(high.map(|high| (place, high)));
        if whole.is_empty() {
            return Ok(());
        }
        next(place.event(Cow::Owned(whole)))
    }
}

impl Halves {
    /// Gives up the halves of the texts that `event` ends.
    fn lose(
        &mut self,
        event: &Event<'_>,
        next: &mut impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let ends = |place: Place| match event {
            Event::ToolStart { .. } => !matches!(place, Place::Args(_)),
            Event::ToolEnd { slot } => place == Place::Args(*slot),
            Event::TextEnd => place == Place::Text,
            Event::ReasoningPart | Event::ReasoningEnd(_) => matches!(place, Place::Reasoning(_)),
            _ => true,
        };
        let (lost, held) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(place, _)| ends(*place));
        self.held = held;
        let lost: Vec<(Place, u16)> = lost;
        lost.into_iter()
            .try_for_each(|(place, _)| next(place.event(Cow::Borrowed(LOST))))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::json::surrogates::marked;

    /// What comes of fragments for slots, each with its text; `None` ends the call.
    fn told(fragments: &[(usize, Option<&str>)]) -> Vec<(usize, String)> {
        let mut halves = Halves::default();
        halves.meet();
        let mut told: Vec<(usize, String)> = Vec::new();
        for &(slot, fragment) in fragments {
            let json = fragment.map(|text| format!("\"{text}\""));
            let text = json.map(|json| {
                serde_json::from_slice::<String>(&marked(json.as_bytes())).expect("a text")
            });
            let event = match text {
                Some(text) => Event::ToolArgs {
                    slot,
                    fragment: Cow::Owned(text),
                },
                None => Event::ToolEnd { slot },
            };
            let next = |event: Event<'_>| {
                if let Event::ToolArgs { slot, fragment } = event {
                    told.push((slot, fragment.into_owned()));
                }
                Ok(())
            };
            halves.on(event, next).expect("nothing refuses");
        }
        told
    }

    #[test]
    fn halves_of_several_calls_wait_for_each_other() {
        let (high, low) = ("\\ud83d", "\\ude00");
        let smile = "\u{1f600}".to_owned();
        assert_eq!(
            told(&[
                (0, Some(high)),
                (1, Some(high)),
                (0, Some(low)),
                (1, Some(low))
            ]),
            [(0, smile.clone()), (1, smile.clone())]
        );
        assert_eq!(
            told(&[(0, Some(high)), (1, Some("a")), (1, None), (0, Some(low))]),
            [(1, "a".to_owned()), (0, smile)]
        );
        let lost = told(&[(0, Some(high)), (1, Some("a")), (0, None)]);
        assert_eq!(lost, [(1, "a".to_owned()), (0, LOST.to_owned())]);
    }
}
