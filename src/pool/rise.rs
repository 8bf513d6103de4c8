//! How fast the use of a window rises.
use std::time::{Duration, Instant};

/// From where the use of a window is measured: two earlier statements, so that the older is between a half and the
/// whole of the span back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rise {
    old: (Instant, f64),
    young: (Instant, f64),
}

impl Rise {
    /// Nothing is known but this.
    pub(super) const fn at(now: Instant, used: f64) -> Self {
        Self {
            old: (now, used),
            young: (now, used),
        }
    }

    /// After one more statement.
    pub(super) fn with(self, now: Instant, used: f64) -> Self {
        if now.saturating_duration_since(self.young.0) < RISE_HALF {
            return self;
        }
        Self {
            old: self.young,
            young: (now, used),
        }
    }

    /// How fast it has risen to this; `None` where the statements are too close to say.
    pub(super) fn per_second(self, seen: Instant, used: f64) -> Option<f64> {
        let span = seen.saturating_duration_since(self.old.0);
        (span >= RISE_SHORTEST).then(|| (used - self.old.1).max(0.0) / span.as_secs_f64())
    }
}

/// Half of the span over which the rise of a window is measured.
const RISE_HALF: Duration = Duration::from_secs(450);
/// The shortest span that says anything of a rise.
const RISE_SHORTEST: Duration = Duration::from_mins(1);
