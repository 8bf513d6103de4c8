//! How much of a text was told, so that what comes whole later adds only what is missing.
use crate::protocol::hub::block::Block;

/// What was told of a text.
#[derive(Debug, Default)]
pub struct Told {
    /// Bytes in all.
    bytes: usize,
    /// Bytes of the part that is open.
    part: usize,
    /// The end of it: by it a text that is told again is known.
    tail: String,
    /// The last part has ended: what comes next begins a new one.
    boundary: bool,
    refused: bool,
    done: bool,
}

impl Told {
    /// Takes note of a piece. Whether it begins another part than the one before.
    pub fn tell(&mut self, text: &str) -> bool {
        let begins = std::mem::take(&mut self.boundary) && self.bytes > 0;
        if begins {
            self.part = 0;
        }
        self.bytes += text.len();
        self.part += text.len();
        self.tail.push_str(text);
        let surplus = self.tail.len().saturating_sub(TAIL);
        let cut = (surplus..=self.tail.len()).find(|at| self.tail.is_char_boundary(*at));
        self.tail.drain(..cut.unwrap_or(0));
        begins
    }

    /// A part has ended.
    pub const fn end_part(&mut self) {
        self.boundary = true;
    }

    /// What an event adds: its delta, or what is missing of the part that it has whole.
    pub fn news<'t>(&self, delta: Option<&'t str>, whole: Option<&'t str>) -> &'t str {
        delta.unwrap_or_else(|| self.rest_of_part(whole.unwrap_or_default()))
    }

    /// What of the part that is now told whole was not told yet.
    fn rest_of_part<'t>(&self, whole: &'t str) -> &'t str {
        if !self.boundary {
            return self.rest(whole, self.part);
        }
        // Its end again, or a part that is told whole.
        let again = whole.len() == self.part && whole.ends_with(self.tail_of(self.part));
        if again { "" } else { whole }
    }

    /// What of the item, all its text in a row, was not told yet.
    pub fn rest_of_all<'t>(&self, whole: &'t str) -> &'t str {
        self.rest(whole, self.bytes)
    }

    /// Whether nothing was told.
    pub const fn is_silent(&self) -> bool {
        self.bytes == 0 && !self.refused
    }

    /// Whether a refusal was told.
    pub const fn is_refused(&self) -> bool {
        self.refused
    }

    /// Takes note of a refusal.
    pub const fn refuse(&mut self) {
        self.refused = true;
    }

    /// Whether its end was told.
    pub const fn is_done(&self) -> bool {
        self.done
    }

    /// Takes note of the end. Whether it is news.
    pub const fn end(&mut self) -> bool {
        !std::mem::replace(&mut self.done, true)
    }

    fn rest<'t>(&self, whole: &'t str, told: usize) -> &'t str {
        match whole.split_at_checked(told) {
            Some((before, rest)) if told == 0 || before.ends_with(self.tail_of(told)) => rest,
            _ => "",
        }
    }

    /// As much of the end as there can be of so many bytes.
    fn tail_of(&self, told: usize) -> &str {
        let from = self.tail.len().saturating_sub(told);
        self.tail.get(from..).unwrap_or(&self.tail)
    }
}

/// All text of a message, as its deltas tell it.
pub fn text_of(blocks: &[Block]) -> String {
    let texts = blocks.iter().filter_map(|block| match block {
        Block::Text(text) => Some(text.text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// Bytes of the end of a text that are kept.
const TAIL: usize = 64;
