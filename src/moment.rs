//! A point in time. The core gets it as an argument and reads no clock, so that everything in it can be repeated.
use std::time::{Instant, SystemTime};

/// One moment, by two clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For durations: waits, benches, deadlines.
    pub now: Instant,
    /// For dates: windows, budgets, timestamps.
    pub wall: SystemTime,
}
