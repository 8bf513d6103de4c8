//! The steps of a stream that every dialect writes in its own words.
use super::plan::Block;

/// One step of the walk through a plan.
#[derive(Clone, Copy, Debug)]
pub(super) enum Beat<'a> {
    Start,
    Open(usize, &'a Block),
    Piece(usize, &'a Block, &'a str),
    Close(usize, &'a Block),
    /// The stop reason.
    Finish,
    /// The terminal marker, and only that: without it the stream counts as truncated.
    End,
}
