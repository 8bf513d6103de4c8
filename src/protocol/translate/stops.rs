//! Stop strings for upstreams that do not support them: the text is searched, and cut before the first one.
use std::borrow::Cow;

use crate::protocol::hub::block::Block;
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::Event;
use crate::protocol::hub::response::{Response, Stop};

/// Searches the text of one answer.
#[derive(Debug, Default)]
pub struct Stops {
    strings: Vec<String>,
    /// The end of the text, where a stop string may have begun. It is shorter than the longest stop string.
    held: String,
    /// Whether a stop string was found; nothing follows then.
    found: bool,
}

impl Stops {
    /// For these strings.
    pub fn new(strings: Vec<String>) -> Self {
        Self {
            strings,
            ..Self::default()
        }
    }

    /// Passes events on until a stop string is found.
    pub fn on(
        &mut self,
        event: Event<'_>,
        mut next: impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        if self.strings.is_empty() {
            return next(event);
        }
        if self.found {
            return Ok(());
        }
        let Event::TextDelta(text) = event else {
            if !matches!(event, Event::Ping | Event::Usage(_)) && !self.held.is_empty() {
                next(Event::TextDelta(Cow::Owned(std::mem::take(&mut self.held))))?;
            }
            return next(event);
        };
        self.held.push_str(&text);
        if let Some((at, stop)) = first(&self.strings, &self.held) {
            self.found = true;
            self.held.truncate(at);
            if at > 0 {
                next(Event::TextDelta(Cow::Borrowed(&self.held)))?;
            }
            next(Event::Stop(Stop::Sequence(Some(stop.to_owned()))))?;
            return next(Event::End);
        }
        let keep = self
            .strings
            .iter()
            .map(|stop| overlap(&self.held, stop))
            .max()
            .unwrap_or(0);
        let tail = self.held.split_off(self.held.len() - keep);
        let safe = std::mem::replace(&mut self.held, tail);
        if safe.is_empty() {
            return Ok(());
        }
        next(Event::TextDelta(Cow::Owned(safe)))
    }

    /// Cuts a whole answer.
    pub fn cut(&self, response: &mut Response) {
        for index in 0..response.blocks.len() {
            let Some(Block::Text(text)) = response.blocks.get_mut(index) else {
                continue;
            };
            if let Some((at, stop)) = first(&self.strings, &text.text) {
                text.text.truncate(at);
                response.stop = Stop::Sequence(Some(stop.to_owned()));
                response.blocks.truncate(index + 1);
                return;
            }
        }
    }
}

/// The position of the first stop string, and the string itself; of two at the same position, the longer one.
fn first<'s>(stops: &'s [String], text: &str) -> Option<(usize, &'s str)> {
    let found = stops
        .iter()
        .filter_map(|stop| Some((text.find(stop.as_str())?, stop.as_str())));
    found.min_by_key(|(at, stop)| (*at, usize::MAX - stop.len()))
}

/// The number of bytes at the end of `text` that may begin `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    stop.char_indices()
        .map(|(length, _)| length)
        .rev()
        .find(|&length| text.ends_with(&stop[..length]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stops: &[&str], text: &str, size: usize) -> (String, Option<String>) {
        let mut scanner = Stops::new(stops.iter().map(|stop| (*stop).to_owned()).collect());
        let (mut seen, mut stopped) = (String::new(), None);
        let mut take = |event: Event<'_>| {
            match event {
                Event::TextDelta(text) => seen.push_str(&text),
                Event::Stop(Stop::Sequence(stop)) => stopped = stop,
                _ => {}
            }
            Ok(())
        };
        let chars: Vec<char> = text.chars().collect();
        for chunk in chars.chunks(size) {
            let chunk: String = chunk.iter().collect();
            scanner
                .on(Event::TextDelta(Cow::Borrowed(&chunk)), &mut take)
                .unwrap();
        }
        scanner.on(Event::Stop(Stop::End), &mut take).unwrap();
        (seen, stopped)
    }

    #[track_caller]
    fn check(stops: &[&str], text: &str, expected: &str, stop: Option<&str>) {
        for size in 1..=text.len() {
            let found = run(stops, text, size);
            assert_eq!(
                found,
                (expected.to_owned(), stop.map(str::to_owned)),
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn the_text_ends_before_the_first_stop_string() {
        check(&["END", "."], "one two END three.", "one two ", Some("END"));
        check(&["üx"], "aüüxb", "aü", Some("üx"));
    }

    #[test]
    fn what_only_looks_like_one_passes() {
        check(&["END"], "THE ENEMY EN", "THE ENEMY EN", None);
    }

    #[test]
    fn a_repeating_beginning_is_found() {
        check(&["aab"], "aaab", "a", Some("aab"));
    }
}
