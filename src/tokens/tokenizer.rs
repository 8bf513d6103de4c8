//! Counts the tokens of a text in `o200k_base`, the vocabulary of OpenAI's models.
use std::fmt::{self, Debug, Formatter};

use tiktoken_rs::CoreBPE;

/// The vocabulary in memory. It takes about 45 MiB, so it is loaded when the first estimate is requested.
pub(super) struct Tokenizer(&'static CoreBPE);

impl Tokenizer {
    pub(super) fn load() -> Self {
        Self(tiktoken_rs::o200k_base_singleton())
    }

    /// Counts piece by piece. For a long run of letters or spaces, the tokenizer's regular expression may take
    /// quadratic time, and it gives up after a million steps; short pieces avoid both. A division costs at most one
    /// token.
    pub(super) fn count(&self, text: &str) -> u64 {
        pieces(text)
            .map(|piece| self.0.count_ordinary(piece) as u64)
            .sum()
    }
}

impl Debug for Tokenizer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Tokenizer")
    }
}

/// The text in pieces of at most [`PIECE`] bytes, divided before a space if possible.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(cut(rest));
        rest = after;
        Some(piece)
    })
}

fn cut(text: &str) -> usize {
    if text.len() <= PIECE {
        return text.len();
    }
    let most = text.floor_char_boundary(PIECE);
    let tail = text.as_bytes().get(most / 2..most).unwrap_or_default();
    // The last space after a character that is not white space: a word begins there.
    let space = tail
        .windows(2)
        .rposition(|pair| matches!(pair, [before, b' '] if !before.is_ascii_whitespace()));
    space.map_or(most, |at| most / 2 + at + 1)
}

/// Longest text for the tokenizer, in bytes.
const PIECE: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_counts() {
        let tokenizer = Tokenizer::load();
        // The numbers are those in OpenAI's cookbook on counting tokens.
        for (text, tokens) in [
            ("", 0),
            ("tiktoken is great!", 6),
            ("antidisestablishmentarianism", 6),
            ("2 + 2 = 4", 7),
            ("お誕生日おめでとう", 8),
        ] {
            assert_eq!(tokenizer.count(text), tokens, "{text}");
        }
    }

    #[test]
    fn pieces_are_the_text_and_cost_almost_nothing() {
        let tokenizer = Tokenizer::load();
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(2000);
        assert_eq!(pieces(&text).collect::<String>(), text);
        assert!(pieces(&text).all(|piece| piece.len() <= PIECE));
        let (whole, cut) = (
            tokenizer.0.count_ordinary(&text) as u64,
            tokenizer.count(&text),
        );
        assert!(
            cut.abs_diff(whole) <= text.len() as u64 / PIECE as u64 * 2,
            "{cut} {whole}"
        );
    }

    #[test]
    fn no_text_makes_it_panic() {
        let tokenizer = Tokenizer::load();
        for unit in [
            "a",
            "A",
            " ",
            "\n",
            "\t \r",
            "é",
            "字",
            "🦀",
            "\u{301}",
            "'",
            "'s",
            "1",
            "Aa",
            "!",
            "\0",
            "a\u{301}A",
            " \u{a0}",
            "<|endoftext|>",
            "\u{3000}",
        ] {
            for end in ["", "x"] {
                let text = unit.repeat(20_000 / unit.len()) + end;
                let tokens = tokenizer.count(&text);
                assert!(
                    tokens > 0 && tokens <= text.len() as u64,
                    "{unit:?} {tokens}"
                );
            }
        }
    }
}
