//! What a stream has said, as far as it takes to know it again: some servers repeat the whole text in their last chunk.
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
    /// Takes note of a piece.
    pub fn push(&mut self, text: &str) {
        self.bytes += text.len();
        self.pieces += 1;
        self.hash = hash(self.hash, text);
    }

    /// Whether nothing was said.
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whether the last delta is all of it once more. A text of one piece may well be said twice.
    pub fn is_again(&self, delta: &DeltaIn<'_>, last: bool) -> bool {
        if !last || self.pieces < 2 || self.bytes < LEAST {
            return false;
        }
        let text = delta.content.as_ref().map(part_text);
        text.is_some_and(|text| text.len() == self.bytes && hash(BASIS, &text) == self.hash)
    }
}

/// FNV-1a, which does not mind where a text is cut.
fn hash(from: u64, text: &str) -> u64 {
    text.bytes().fold(from, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}

const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// Bytes below which a repetition may be meant.
const LEAST: usize = 16;
