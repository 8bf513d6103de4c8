//! A plain answer that succeeded: held while it is small, so that a failure in it can still go elsewhere. Of a larger one
//! the end is kept as it goes by, where usage stands.
use bytes::{Bytes, BytesMut};

#[derive(Debug, Default)]
pub(super) struct Whole {
    held: BytesMut,
    /// It is too large to be held, and goes by.
    is_passing: bool,
}

impl Whole {
    /// One of which nothing is held back.
    pub(super) fn passing() -> Self {
        Self {
            held: BytesMut::new(),
            is_passing: true,
        }
    }

    /// The next bytes. What may go to the client now, if anything.
    pub(super) fn push(&mut self, chunk: &Bytes) -> Option<Bytes> {
        self.held.extend_from_slice(chunk);
        if self.is_passing {
            self.keep_end();
            return Some(chunk.clone());
        }
        if self.held.len() <= MAX_WHOLE {
            return None;
        }
        self.is_passing = true;
        let so_far = self.held.split().freeze();
        self.held
            .extend_from_slice(&so_far[so_far.len() - KEPT_END..]);
        Some(so_far)
    }

    /// What is held.
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    /// Whether nothing is held (any more).
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// All of it, or the end of what went by.
    pub(super) fn take(&mut self) -> Bytes {
        self.held.split().freeze()
    }

    fn keep_end(&mut self) {
        if self.held.len() > 2 * KEPT_END {
            self.held = BytesMut::from(&self.held[self.held.len() - KEPT_END..]);
        }
    }
}

/// A plain answer is held up to this many bytes.
pub(super) const MAX_WHOLE: usize = 1 << 20;

/// Bytes kept of the end of a larger answer: usage is among the last members.
const KEPT_END: usize = 64 << 10;
