//! What a stream has written so far.
use super::super::response::{Annotation, annotation};
use crate::protocol::hub::block::Citation;
use crate::protocol::hub::error::Losses;
use crate::protocol::hub::response::Spent;

/// What has been written so far.
#[derive(Debug, Default)]
pub struct Tally {
    /// The calls, in the order of their indices.
    pub calls: Vec<Call>,
    /// The visible text of the present reasoning block.
    pub thought: String,
    /// Whether `thought` is incomplete.
    pub thought_cut: bool,
    /// The number of ended reasoning blocks with visible text.
    pub thoughts: usize,
    pub details: usize,
    /// Characters of text so far; `block_start` is where the present text block began.
    pub chars: usize,
    pub block_start: usize,
    /// Citations of the present text block: they may come before its text.
    pub citations: Vec<Citation>,
    pub annotations: Vec<Annotation>,
    /// Bytes that the model wrote.
    pub written: usize,
    pub spent: Option<Spent>,
    pub losses: Losses,
}

impl Tally {
    /// The text block ends: its citations refer to the whole block.
    pub fn end_text(&mut self) {
        let span = (self.block_start, self.chars);
        let citations = self.citations.drain(..);
        self.annotations
            .extend(citations.filter_map(|citation| annotation(&citation, span.0, span.1)));
        self.block_start = self.chars;
    }
}

/// The state of one call.
#[derive(Debug)]
pub struct Call {
    pub slot: usize,
    pub freeform: bool,
    /// Whether arguments were written.
    pub args: bool,
}
