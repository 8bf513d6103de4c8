//! Separates reasoning from text: `<think>…</think>` at the beginning of an answer, as raw open models write it.
//!
//! ```text
//!  Before ──<think>──► Inside ──</think>──► Outside
//!     └──────── any other text ────────────────▲
//! ```
//!
//! Tags count only at the beginning: later in an answer, they are what the model writes about. If the end tag is
//! missing, everything is reasoning.
use std::borrow::Cow;

use crate::protocol::hub::block::SegmentKind;
use crate::protocol::hub::event::Event;

/// Splits content into reasoning and text, however the content is divided into pieces.
#[derive(Debug)]
pub struct ThinkTags {
    state: State,
    /// Text that may be (part of) a tag.
    held: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Before,
    Inside,
    Outside,
}

/// A piece of content.
#[derive(Debug, Eq, PartialEq)]
pub enum Piece<'a> {
    Refusal(Cow<'a, str>),
    Text(Cow<'a, str>),
    Thought(Cow<'a, str>),
}

impl<'a> Piece<'a> {
    /// The event for the piece.
    pub fn event(self) -> Event<'a> {
        match self {
            Self::Refusal(text) => Event::RefusalDelta(text),
            Self::Text(text) => Event::TextDelta(text),
            Self::Thought(text) => Event::ReasoningDelta {
                kind: SegmentKind::Raw,
                text,
            },
        }
    }
}

impl Piece<'_> {
    /// The same piece without borrowed data.
    pub fn into_owned(self) -> Piece<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Refusal(text) => Piece::Refusal(own(text)),
            Self::Text(text) => Piece::Text(own(text)),
            Self::Thought(text) => Piece::Thought(own(text)),
        }
    }
}

impl ThinkTags {
    /// `expected`: whether the provider's answers may have such tags.
    pub const fn new(expected: bool) -> Self {
        Self {
            state: if expected {
                State::Before
            } else {
                State::Outside
            },
            held: String::new(),
        }
    }

    /// Adds the next text.
    pub fn push<'a>(&mut self, text: &'a str, mut on: impl FnMut(Piece<'a>)) {
        if self.state == State::Outside {
            if !text.is_empty() {
                on(Piece::Text(Cow::Borrowed(text)));
            }
            return;
        }
        self.held.push_str(text);
        if self.state == State::Before {
            let begun = self.held.trim_start();
            if let Some(rest) = begun.strip_prefix(OPEN) {
                self.held = rest.trim_start_matches('\n').to_owned();
                self.state = State::Inside;
            } else if OPEN.starts_with(begun) && self.held.len() <= MOST_BLANK {
                return;
            } else {
                self.state = State::Outside;
                on(Piece::Text(Cow::Owned(std::mem::take(&mut self.held))));
                return;
            }
        }
        if let Some((thought, rest)) = self.held.split_once(CLOSE) {
            if !thought.is_empty() {
                on(Piece::Thought(Cow::Owned(thought.to_owned())));
            }
            let rest = rest.trim_start_matches('\n');
            if !rest.is_empty() {
                on(Piece::Text(Cow::Owned(rest.to_owned())));
            }
            self.held.clear();
            self.state = State::Outside;
            return;
        }
        let safe = self.held.len() - overlap(&self.held, CLOSE);
        if safe > 0 {
            let tail = self.held.split_off(safe);
            on(Piece::Thought(Cow::Owned(std::mem::replace(
                &mut self.held,
                tail,
            ))));
        }
    }

    /// The content has ended: the held text is reasoning or text by the present state.
    pub fn finish<'a>(&mut self, mut on: impl FnMut(Piece<'a>)) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            on(match self.state {
                State::Inside => Piece::Thought(Cow::Owned(held)),
                State::Before | State::Outside => Piece::Text(Cow::Owned(held)),
            });
        }
        self.state = State::Outside;
    }
}

/// The number of bytes at the end of `text` that may be the beginning of `tag`.
fn overlap(text: &str, tag: &str) -> usize {
    (1..tag.len())
        .rev()
        .find(|&length| text.ends_with(&tag[..length]))
        .unwrap_or(0)
}

/// Most white space before a tag, in bytes. More counts as text.
const MOST_BLANK: usize = 256;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

#[cfg(test)]
mod tests {
    use super::*;

    /// The thoughts and the text of `content`, split into pieces of `size` characters.
    fn split(content: &str, size: usize) -> (String, String) {
        let (mut thoughts, mut texts) = (String::new(), String::new());
        let mut tags = ThinkTags::new(true);
        let chars: Vec<char> = content.chars().collect();
        let mut on = |piece: Piece<'_>| match piece {
            Piece::Text(text) => texts.push_str(&text),
            Piece::Thought(text) => thoughts.push_str(&text),
            Piece::Refusal(_) => unreachable!("tags refuse nothing"),
        };
        for chunk in chars.chunks(size) {
            let chunk: String = chunk.iter().collect();
            tags.push(&chunk, |piece| on(piece.into_owned()));
        }
        tags.finish(&mut on);
        (thoughts, texts)
    }

    #[track_caller]
    fn check(content: &str, thoughts: &str, text: &str) {
        for size in 1..=content.len() {
            assert_eq!(
                split(content, size),
                (thoughts.to_owned(), text.to_owned()),
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn tags_are_found_wherever_the_content_is_cut() {
        check("<think>why é</think>because", "why é", "because");
        check("\n<think>a < b </ c</think>d", "a < b </ c", "d");
    }

    #[test]
    fn text_without_tags_is_text() {
        check("plain", "", "plain");
        check("<thin air", "", "<thin air");
        check("say <think>x</think>", "", "say <think>x</think>");
        check("<thi", "", "<thi");
    }

    #[test]
    fn without_its_end_all_is_reasoning() {
        check("<think>on and on </thin", "on and on </thin", "");
    }
}
