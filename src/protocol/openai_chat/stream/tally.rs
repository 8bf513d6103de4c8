//! What has come together in a stream so far.
use super::super::response::{Annotation, annotation};
use crate::protocol::hub::block::Citation;
use crate::protocol::hub::error::Losses;
use crate::protocol::hub::response::Spent;

/// What has come together so far.
#[derive(Debug, Default)]
pub struct Tally {
    /// The calls, in the order of their numbers.
    pub calls: Vec<Call>,
    /// What was shown of the present stretch of reasoning.
    pub thought: String,
    /// Whether `thought` is not all of it.
    pub thought_cut: bool,
    /// Stretches of reasoning that ended with something shown.
    pub thoughts: usize,
    pub details: usize,
    /// Characters of text so far, and where the present text block began.
    pub chars: usize,
    pub block_start: usize,
    /// Sources of the present text block: they may be named before its text.
    pub citations: Vec<Citation>,
    pub annotations: Vec<Annotation>,
    /// Bytes that the model wrote.
    pub written: usize,
    pub spent: Option<Spent>,
    pub losses: Losses,
}

impl Tally {
    /// The text block ends: what was cited, was cited in it.
    pub fn end_text(&mut self) {
        let span = (self.block_start, self.chars);
        let citations = self.citations.drain(..);
        self.annotations
            .extend(citations.filter_map(|citation| annotation(&citation, span.0, span.1)));
        self.block_start = self.chars;
    }
}

/// One call.
#[derive(Debug)]
pub struct Call {
    pub slot: usize,
    pub freeform: bool,
    /// Whether arguments were written.
    pub args: bool,
}
