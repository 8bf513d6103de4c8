//! When something happens. The clocks stand above the core, so that what happens in it can be repeated.
use std::time::{Instant, SystemTime};

/// One moment, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For what lasts: waits, benches, deadlines.
    pub now: Instant,
    /// For what has a date: windows, budgets, stamps.
    pub wall: SystemTime,
}
