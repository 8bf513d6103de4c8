//! Splits a text that arrives piece by piece into units.
//!
//! The units depend only on the text, not on how it is divided into pieces: a boundary is known as soon as the first
//! character behind it is.
use unicode_segmentation::UnicodeSegmentation;

use super::Unit;

/// Splits one text.
#[derive(Debug)]
pub(super) struct Units {
    unit: Unit,
    /// The incomplete unit.
    held: String,
    place: Place,
}

/// The position after the last character.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// Within a word or a sentence.
    Inside,
    /// Behind a full stop that only counts if white space follows.
    Stop,
    /// Behind a full stop that needs no white space, or behind a character that is a word of its own.
    Full,
    /// Behind the white space after a unit.
    Space,
}

impl Units {
    pub(super) fn new(unit: Unit) -> Self {
        Self {
            unit,
            held: String::new(),
            place: Place::Inside,
        }
    }

    /// Adds the next piece of the text; emits every unit that it completes.
    pub(super) fn push(&mut self, text: &str, mut on: impl FnMut(&str)) {
        if self.unit == Unit::Character {
            return self.push_characters(text, on);
        }
        for character in text.chars() {
            if self.begins(character) && !self.held.is_empty() {
                on(&self.held);
                self.held.clear();
            }
            self.held.push(character);
            if self.held.len() >= MAX_HELD {
                on(&self.held);
                self.held.clear();
            }
        }
    }

    /// The text has ended: returns the rest of its last unit.
    pub(super) fn take(&mut self) -> String {
        self.place = Place::Inside;
        std::mem::take(&mut self.held)
    }

    fn push_characters(&mut self, text: &str, mut on: impl FnMut(&str)) {
        self.held.push_str(text);
        let last = self.held.grapheme_indices(true).next_back();
        let last = match last {
            // The last character may still be incomplete.
            Some((at, _)) if self.held.len() - at <= MAX_CHARACTER => at,
            _ => self.held.len(),
        };
        let rest = self.held.split_off(last);
        for character in self.held.graphemes(true) {
            on(character);
        }
        self.held = rest;
    }

    /// Whether this character begins a unit.
    fn begins(&mut self, character: char) -> bool {
        let before = self.place;
        let (begins, place) = match self.unit {
            Unit::Word => word(before, character),
            Unit::Sentence => sentence(before, character, &self.held),
            Unit::Character | Unit::Message => (false, Place::Inside),
        };
        self.place = place;
        begins
    }
}

fn word(before: Place, character: char) -> (bool, Place) {
    if character.is_whitespace() {
        return (false, Place::Space);
    }
    if stands_alone(character) {
        return (true, Place::Full);
    }
    let begins = match before {
        Place::Space => true,
        // Punctuation stays with the character before it.
        Place::Full => character.is_alphanumeric(),
        Place::Inside | Place::Stop => false,
    };
    let place = if before == Place::Full && !begins {
        Place::Full
    } else {
        Place::Inside
    };
    (begins, place)
}

fn sentence(before: Place, character: char, held: &str) -> (bool, Place) {
    let white = character.is_whitespace();
    let begins = match before {
        Place::Space => !white,
        Place::Full => !white && !is_stop(character) && !is_closing(character),
        Place::Inside | Place::Stop => false,
    };
    let held = if begins { "" } else { held };
    let place = match character {
        '\n' => Place::Space,
        _ if white && !begins && before != Place::Inside => Place::Space,
        '。' | '！' | '？' | '｡' | '．' => Place::Full,
        // The number of a list item.
        '.' if is_number(held) => Place::Inside,
        _ if is_stop(character) && before != Place::Full => Place::Stop,
        _ if !begins && (is_stop(character) || is_closing(character)) => match before {
            Place::Space => Place::Inside,
            other => other,
        },
        _ => Place::Inside,
    };
    (begins, place)
}

fn is_stop(character: char) -> bool {
    matches!(
        character,
        '.' | '!' | '?' | '…' | '。' | '！' | '？' | '｡' | '．'
    )
}

/// Whether the character still belongs to the sentence that ended before it.
fn is_closing(character: char) -> bool {
    matches!(
        character,
        '"' | '\''
            | ')'
            | ']'
            | '}'
            | '*'
            | '”'
            | '’'
            | '»'
            | '」'
            | '』'
            | '）'
            | '】'
            | '》'
            | '〉'
    )
}

/// Whether the held text is only a number. Long text is not examined, because this is called at every full stop.
fn is_number(held: &str) -> bool {
    if held.len() > LONGEST_NUMBER {
        return false;
    }
    let held = held.trim_start();
    !held.is_empty() && held.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the character belongs to a script without spaces.
fn stands_alone(character: char) -> bool {
    matches!(character,
        '\u{2e80}'..='\u{2fdf}' // radicals
        | '\u{3005}'..='\u{3007}' // iteration mark, zero
        | '\u{3040}'..='\u{30ff}' // kana
        | '\u{3400}'..='\u{4dbf}' // ideographs
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

/// Most text that is held, in bytes.
const MAX_HELD: usize = 64 << 10;

/// Longest number of a list item, including the white space before it, in bytes.
const LONGEST_NUMBER: usize = 32;

/// Longest character that is held, in bytes. A flag or a family of emoji has about thirty.
const MAX_CHARACTER: usize = 1 << 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn units<'a>(unit: Unit, pieces: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut units = Units::new(unit);
        let mut found = Vec::new();
        for piece in pieces {
            units.push(piece, |unit| found.push(unit.to_owned()));
        }
        let rest = units.take();
        found.extend((!rest.is_empty()).then_some(rest));
        found
    }

    #[track_caller]
    fn check(unit: Unit, expected: &[&str]) {
        assert_eq!(units(unit, [expected.concat().as_str()]), expected);
    }

    #[test]
    fn words_keep_the_white_space_behind_them() {
        check(Unit::Word, &["It's ", "3.14,  ", "(say)\n\n", "no-one."]);
        check(Unit::Word, &["我", "们", "use ", "Rust", "語。"]);
        check(Unit::Word, &[" ", "a"]);
    }

    #[test]
    fn sentences_end_with_a_stop_and_white_space() {
        check(
            Unit::Sentence,
            &[
                "Pi is 3.14. ",
                "Really?! ",
                "\"Yes.\" ",
                "(He said so.)\n\n",
                "End",
            ],
        );
        check(Unit::Sentence, &["Wait… ", "v1.2 is out."]);
        // The number is too long for a list item.
        check(
            Unit::Sentence,
            &[&format!("{}. ", "1".repeat(33)), "Is that all?"],
        );
        check(
            Unit::Sentence,
            &[
                "A line\n",
                "another\n\n",
                "* an item\n",
                "1. first. ",
                "2. second",
            ],
        );
    }

    #[test]
    fn wide_stops_need_no_space() {
        check(Unit::Sentence, &["你好。", "“真的吗？！”", "是。 ", "好"]);
        check(Unit::Sentence, &["「はい。」", "終わり。"]);
    }

    #[test]
    fn characters_are_what_a_reader_sees() {
        check(
            Unit::Character,
            &["e\u{301}", "👩‍👩‍👧", "🇩🇪", "\r\n", "한", "x"],
        );
    }

    #[test]
    fn what_is_held_is_bounded() {
        let long = "a".repeat(3 * MAX_HELD);
        for unit in [Unit::Word, Unit::Sentence, Unit::Message] {
            let lengths: Vec<usize> = units(unit, [long.as_str()])
                .iter()
                .map(String::len)
                .collect();
            assert_eq!(lengths, [MAX_HELD; 3], "{unit:?}");
        }
        let marks = format!("a{}", "\u{301}".repeat(5000));
        let mut held = Units::new(Unit::Character);
        let mut sent = 0;
        for piece in marks.chars() {
            held.push(piece.encode_utf8(&mut [0; 4]), |unit| sent += unit.len());
            assert!(held.held.len() <= MAX_CHARACTER + 4);
        }
        assert_eq!(sent + held.take().len(), marks.len());
    }

    proptest! {
        #[test]
        fn how_a_text_is_cut_does_not_matter(
            text in "[a-c .!?\n\"\u{301}。，你们👩\u{200d}]{0,40}",
            cuts in prop::collection::vec(0usize..200, 0..6),
            unit in prop_oneof![Just(Unit::Character), Just(Unit::Message), Just(Unit::Sentence), Just(Unit::Word)],
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|at| text.floor_char_boundary(*at % (text.len() + 1))).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]);
            let whole = units(unit, [text.as_str()]);
            prop_assert_eq!(whole.concat(), text.as_str());
            prop_assert_eq!(units(unit, pieces), whole);
        }
    }
}
