//! What a model wrote, measured while it passes: what is booked where nobody says what an answer used.
use super::measure::Measure;

/// What was seen of an answer so far. A few words of state: no text is kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Written {
    text: Measure,
    reasoning: Measure,
    media: u64,
}

impl Written {
    /// More text, refusal, name or arguments of a call.
    pub fn say(&mut self, text: &str) {
        self.text.text(text.as_bytes());
    }

    /// As [`Written::say`], as it stands in JSON.
    pub fn say_json(&mut self, text: &[u8]) {
        self.text.json(text);
    }

    /// More reasoning that is shown.
    pub fn think(&mut self, text: &str) {
        self.reasoning.text(text.as_bytes());
    }

    /// As [`Written::think`], as it stands in JSON.
    pub fn think_json(&mut self, text: &[u8]) {
        self.reasoning.json(text);
    }

    /// A picture.
    pub fn show(&mut self) {
        self.media = self.media.saturating_add(1);
    }

    /// Text and calls.
    pub const fn text(&self) -> &Measure {
        &self.text
    }

    /// Reasoning, as far as it was shown: many vendors show a summary or nothing.
    pub const fn reasoning(&self) -> &Measure {
        &self.reasoning
    }

    /// Pictures.
    pub const fn media(&self) -> u64 {
        self.media
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.reasoning.is_empty() && self.media == 0
    }

    /// Whether something was seen that is not only thought.
    pub fn is_answer(&self) -> bool {
        !self.text.is_empty() || self.media > 0
    }

    /// Both together.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self {
            text: self.text.and(more.text),
            reasoning: self.reasoning.and(more.reasoning),
            media: self.media.saturating_add(more.media),
        }
    }

    /// Of an answer of `whole` bytes of which only these first `part` were looked at. Pictures are not multiplied.
    #[must_use]
    pub fn extended(self, part: u64, whole: u64) -> Self {
        if whole <= part {
            return self;
        }
        Self {
            text: self.text.extended(part, whole),
            reasoning: self.reasoning.extended(part, whole),
            media: self.media,
        }
    }
}
