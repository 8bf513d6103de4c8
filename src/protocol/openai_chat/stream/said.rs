//! Remembers enough of a stream's text to recognize a repetition: some servers repeat the whole text in their last
//! chunk.
use super::super::response::part_text;
use super::super::wire::DeltaIn;

/// The text so far, by its length and a hash.
#[derive(Debug)]
pub struct Said {
    bytes: usize,
    pieces: usize,
    hash: u64,
}

impl Default for Said {
    fn default() -> Self {
        Self {
            bytes: 0,
            pieces: 0,
            hash: BASIS,
        }
    }
}

impl Said {
    /// Adds a piece.
    pub fn push(&mut self, text: &str) {
        self.bytes += text.len();
        self.pieces += 1;
        self.hash = hash(self.hash, text);
    }

    /// Whether there was no text.
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whether the last delta repeats the whole text. A text that came in one piece may be repeated on purpose.
    pub fn is_again(&self, delta: &DeltaIn<'_>, last: bool) -> bool {
        if !last || self.pieces < 2 || self.bytes < LEAST {
            return false;
        }
        let text = delta.content.as_ref().map(part_text);
        text.is_some_and(|text| text.len() == self.bytes && hash(BASIS, &text) == self.hash)
    }
}

/// FNV-1a, whose result does not depend on how the text is split.
fn hash(from: u64, text: &str) -> u64 {
    text.bytes().fold(from, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}

const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// Length in bytes below which a repetition may be meant.
const LEAST: usize = 16;
