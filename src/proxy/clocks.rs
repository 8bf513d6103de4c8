//! Reads both clocks at once.
use std::time::{Instant, SystemTime};

use crate::moment::Moment;

/// Now.
pub(crate) fn moment() -> Moment {
    Moment {
        now: Instant::now(),
        wall: SystemTime::now(),
    }
}
