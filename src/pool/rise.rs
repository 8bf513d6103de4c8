//! How fast the use of a window rises.
use std::time::{Duration, Instant};

/// The points from which the rise of a window's use is measured: two earlier statements, chosen so that the older one
/// is between half of the span and the whole span back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rise {
    old: (Instant, f64),
    young: (Instant, f64),
}

impl Rise {
    /// The state after the first statement.
    pub(super) const fn at(now: Instant, used: f64) -> Self {
        Self {
            old: (now, used),
            young: (now, used),
        }
    }

    /// The state after one more statement.
    pub(super) fn with(self, now: Instant, used: f64) -> Self {
        if now.saturating_duration_since(self.young.0) < RISE_HALF {
            return self;
        }
        Self {
            old: self.young,
            young: (now, used),
        }
    }

    /// The rise per second up to this statement; `None` while the statements are too close together.
    pub(super) fn per_second(self, seen: Instant, used: f64) -> Option<f64> {
        let span = seen.saturating_duration_since(self.old.0);
        (span >= RISE_SHORTEST).then(|| (used - self.old.1).max(0.0) / span.as_secs_f64())
    }
}

/// Half of the span over which the rise of a window is measured.
const RISE_HALF: Duration = Duration::from_secs(450);
/// The shortest span over which a rise is stated.
const RISE_SHORTEST: Duration = Duration::from_mins(1);
