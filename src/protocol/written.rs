//! Measures what a model wrote while it passes. This is billed if the upstream states no usage.
use super::measure::Measure;

/// The measure of an answer so far. It consists of a few numbers: no text is kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Written {
    text: Measure,
    reasoning: Measure,
    media: u64,
}

impl Written {
    /// Adds text, a refusal, or the name or arguments of a call.
    pub fn say(&mut self, text: &str) {
        self.text.text(text.as_bytes());
    }

    /// The same as [`Written::say`], for the inside of a JSON string.
    pub fn say_json(&mut self, text: &[u8]) {
        self.text.json(text);
    }

    /// Adds visible reasoning.
    pub fn think(&mut self, text: &str) {
        self.reasoning.text(text.as_bytes());
    }

    /// The same as [`Written::think`], for the inside of a JSON string.
    pub fn think_json(&mut self, text: &[u8]) {
        self.reasoning.json(text);
    }

    /// Adds one image.
    pub fn show(&mut self) {
        self.media = self.media.saturating_add(1);
    }

    /// The measure of text and calls.
    pub const fn text(&self) -> &Measure {
        &self.text
    }

    /// The measure of visible reasoning: many vendors show only a summary or nothing.
    pub const fn reasoning(&self) -> &Measure {
        &self.reasoning
    }

    /// The number of images.
    pub const fn media(&self) -> u64 {
        self.media
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.reasoning.is_empty() && self.media == 0
    }

    /// Whether anything besides reasoning was added.
    pub fn is_answer(&self) -> bool {
        !self.text.is_empty() || self.media > 0
    }

    /// The sum.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self {
            text: self.text.and(more.text),
            reasoning: self.reasoning.and(more.reasoning),
            media: self.media.saturating_add(more.media),
        }
    }

    /// Extrapolates from the first `part` bytes of an answer to its `whole` length in bytes. Images are not multiplied.
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
