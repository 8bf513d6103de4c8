//! When an account that is out may be tried all the same.
use std::time::Instant;

use super::health::SPARE_REST;

/// Whether an account may be spared now: no spared request is in flight, and the last one is at least `SPARE_REST` ago.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SpareSlot {
    out: bool,
    last: Option<Instant>,
}

impl SpareSlot {
    pub(super) fn is_free(self, now: Instant) -> bool {
        let rested = |last| now.saturating_duration_since(last) >= SPARE_REST;
        !self.out && self.last.is_none_or(rested)
    }

    pub(super) fn take(&mut self, now: Instant) {
        *self = Self {
            out: true,
            last: Some(now),
        };
    }

    pub(super) fn give_back(&mut self) {
        self.out = false;
    }
}
