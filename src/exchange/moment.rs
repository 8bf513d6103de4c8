//! When something happens, and the randomness that it may use. The clocks and the dice stand above this room, so that what
//! happens in it can be repeated.
use std::time::{Instant, SystemTime};

/// One moment in the life of a request.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For what lasts: waits, benches, deadlines.
    pub now: Instant,
    /// For what has a date: windows, budgets, stamps.
    pub wall: SystemTime,
    /// Randomness, another one at every moment.
    pub draw: u64,
}
