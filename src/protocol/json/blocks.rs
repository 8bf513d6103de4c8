//! Reads strings 64 bytes at a time.
//!
//! Each block is examined once, however many strings and escapes it contains: scanning a 300 KB body takes half the
//! time of a search per run of plain bytes (`cargo bench --bench protocol body_scan`).
use wide::u8x16;

/// Finds the ends of runs of plain bytes in one body, from front to back.
#[derive(Debug)]
pub struct Blocks<'a> {
    body: &'a [u8],
    /// Offset of the block that `ends` describes; a multiple of [`BLOCK`].
    start: usize,
    /// One bit per byte of the block: whether the byte ends a run of plain bytes.
    ends: u64,
}

/// Why a string is invalid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wrong {
    /// It has a control character at this offset.
    Control(usize),
    /// It has an invalid escape at this offset.
    Escape(usize),
    /// Its closing quote is missing.
    Unended,
}

impl<'a> Blocks<'a> {
    /// The blocks of this body.
    pub fn new(body: &'a [u8]) -> Self {
        let mut blocks = Self {
            body,
            start: 0,
            ends: 0,
        };
        blocks.look();
        blocks
    }

    /// Offset of the first quote, backslash or control character at or after `from`, or the end of the body.
    #[inline]
    pub fn plain_end(&mut self, from: usize) -> usize {
        let start = from & !(BLOCK - 1);
        if start >= self.body.len() {
            return self.body.len();
        }
        if start != self.start {
            self.start = start;
            self.look();
        }
        let mut ends = self.ends & (u64::MAX << (from - start));
        while ends == 0 {
            if self.start + BLOCK >= self.body.len() {
                return self.body.len();
            }
            self.start += BLOCK;
            self.look();
            ends = self.ends;
        }
        self.start + ends.trailing_zeros() as usize
    }

    /// The offset of the closing quote of the string whose opening quote is just before `from`, or why the string is
    /// invalid.
    pub(super) fn string_end(&mut self, from: usize) -> Result<usize, Wrong> {
        let mut from = from;
        loop {
            let mut at = self.plain_end(from);
            // All escapes of the present block are read at once: text has one in every other line.
            loop {
                match self.body.get(at) {
                    Some(b'"') => return Ok(at),
                    Some(b'\\') => {}
                    Some(_) => return Err(Wrong::Control(at)),
                    None => return Err(Wrong::Unended),
                }
                from = at + self.escape(at)?;
                let after = from - self.start;
                if after >= BLOCK {
                    break;
                }
                let ends = self.ends & (u64::MAX << after);
                if ends == 0 {
                    from = self.start + BLOCK;
                    break;
                }
                at = self.start + ends.trailing_zeros() as usize;
            }
        }
    }

    /// The length of the escape that begins at `at`.
    #[inline]
    fn escape(&self, at: usize) -> Result<usize, Wrong> {
        match self.body.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
            Some(b'u') if self.is_hex4(at + 2) => Ok(6),
            _ => Err(Wrong::Escape(at)),
        }
    }

    fn is_hex4(&self, at: usize) -> bool {
        self.body
            .get(at..at + 4)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    }

    fn look(&mut self) {
        let rest = self.body.get(self.start..).unwrap_or_default();
        self.ends = if let Some(block) = rest.first_chunk() {
            ends(block)
        } else if let Some(last) = self.body.last_chunk() {
            // The last 64 bytes again, without those of the block before. Bytes beyond the body count as plain.
            let again = u32::try_from(BLOCK - rest.len()).unwrap_or(u64::BITS);
            ends(last).checked_shr(again).unwrap_or(0)
        } else {
            let mut block = [b' '; BLOCK];
            block
                .iter_mut()
                .zip(rest)
                .for_each(|(to, from)| *to = *from);
            ends(&block)
        };
    }
}

/// One bit per byte, the lowest for the first byte: set for a quote, a backslash or a control character.
fn ends(block: &[u8; BLOCK]) -> u64 {
    let (lanes, _) = block.as_chunks::<LANES>();
    lanes.iter().rev().fold(0, |found, lane| {
        let lane = u8x16::from(*lane);
        let control = lane.min(u8x16::splat(0x1F)).simd_eq(lane);
        let quote = lane.simd_eq(u8x16::splat(b'"'));
        let backslash = lane.simd_eq(u8x16::splat(b'\\'));
        found << LANES | u64::from((control | quote | backslash).to_bitmask())
    })
}

/// Bytes that are examined together.
const BLOCK: usize = 64;
const LANES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_string_ends_at_its_quote_or_is_wrong_in_a_known_place() {
        for (body, expected) in [
            (r#"plain""#, Ok(5)),
            (r#"\n\\\"\u00eA\/\b\f\r\t""#, Ok(22)),
            (r#"\x""#, Err(Wrong::Escape(0))),
            (r#"ab\u12G4""#, Err(Wrong::Escape(2))),
            (r"ab\u12", Err(Wrong::Escape(2))),
            ("a\nb\"", Err(Wrong::Control(1))),
            ("never", Err(Wrong::Unended)),
            ("", Err(Wrong::Unended)),
            (r#"\""#, Err(Wrong::Unended)),
            (r"\", Err(Wrong::Escape(0))),
        ] {
            // The string begins at every position within its block.
            for before in 0..70 {
                let text = format!("{}{body}", "x".repeat(before));
                let moved = match expected {
                    Ok(at) => Ok(at + before),
                    Err(Wrong::Escape(at)) => Err(Wrong::Escape(at + before)),
                    Err(Wrong::Control(at)) => Err(Wrong::Control(at + before)),
                    Err(Wrong::Unended) => Err(Wrong::Unended),
                };
                let found = Blocks::new(text.as_bytes()).string_end(before);
                assert_eq!(found, moved, "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_end_is_found_from_everywhere(
            body in prop::collection::vec(prop_oneof![8 => Just(b'x'), 1 => any::<u8>(), 1 => Just(b'"'), 1 => Just(b'\\')], 0..300),
        ) {
            let mut forward = Blocks::new(&body);
            for from in 0..=body.len() {
                let expected = body[from..]
                    .iter()
                    .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')
                    .map_or(body.len(), |offset| from + offset);
                prop_assert_eq!(forward.plain_end(from), expected);
                prop_assert_eq!(Blocks::new(&body).plain_end(from), expected);
            }
        }
    }
}
