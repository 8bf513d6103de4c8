//! Tracks how much of a text has been emitted, so that a later event with the whole text adds only the rest.
use crate::protocol::hub::block::Block;

/// What has been emitted of the text of one item.
#[derive(Debug, Default)]
pub struct EmittedText {
    /// Emitted bytes in total.
    bytes: usize,
    /// Emitted bytes of the open part.
    part: usize,
    /// The end of the emitted text, by which a repetition is recognized.
    tail: String,
    /// The last part has ended; the next piece begins a new part.
    boundary: bool,
    refused: bool,
    done: bool,
}

impl EmittedText {
    /// Records a piece. Returns whether it begins another part than the piece before.
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

    /// What an event adds: its delta, or the missing rest if it has the whole part.
    pub fn news<'t>(&self, delta: Option<&'t str>, whole: Option<&'t str>) -> &'t str {
        delta.unwrap_or_else(|| self.rest_of_part(whole.unwrap_or_default()))
    }

    /// The rest of the part, of which `whole` is the complete text.
    fn rest_of_part<'t>(&self, whole: &'t str) -> &'t str {
        if !self.boundary {
            return self.rest(whole, self.part);
        }
        // This is a repeated end of the part, or another complete part.
        let again = whole.len() == self.part && whole.ends_with(self.tail_of(self.part));
        if again { "" } else { whole }
    }

    /// The rest of the item, of which `whole` is the complete text of all parts.
    pub fn rest_of_all<'t>(&self, whole: &'t str) -> &'t str {
        self.rest(whole, self.bytes)
    }

    /// Whether nothing was emitted.
    pub const fn is_silent(&self) -> bool {
        self.bytes == 0 && !self.refused
    }

    /// Whether a refusal was emitted.
    pub const fn is_refused(&self) -> bool {
        self.refused
    }

    /// Records a refusal.
    pub const fn refuse(&mut self) {
        self.refused = true;
    }

    /// Whether the item has ended.
    pub const fn is_done(&self) -> bool {
        self.done
    }

    /// Records the end. Returns whether it is the first time.
    pub const fn end(&mut self) -> bool {
        !std::mem::replace(&mut self.done, true)
    }

    fn rest<'t>(&self, whole: &'t str, emitted: usize) -> &'t str {
        match whole.split_at_checked(emitted) {
            Some((before, rest)) if emitted == 0 || before.ends_with(self.tail_of(emitted)) => rest,
            _ => "",
        }
    }

    /// The kept end of the text, limited to the last `emitted` bytes.
    fn tail_of(&self, emitted: usize) -> &str {
        let from = self.tail.len().saturating_sub(emitted);
        self.tail.get(from..).unwrap_or(&self.tail)
    }
}

/// The text of a message, in the form that its deltas have in total.
pub fn text_of(blocks: &[Block]) -> String {
    let texts = blocks.iter().filter_map(|block| match block {
        Block::Text(text) => Some(text.text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// Bytes of the end of a text that are kept.
const TAIL: usize = 64;
