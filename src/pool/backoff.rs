//! How long a bench lasts, and how fast what comes back from one fills up.
use std::time::{Duration, Instant};

use super::affinity;

/// How many may wait for their heads on a ramp that began then.
pub(super) fn ramp(since: Instant, now: Instant) -> u32 {
    let elapsed = now.saturating_duration_since(since);
    if elapsed > EASE_LONGEST {
        return u32::MAX;
    }
    let steps = elapsed.as_millis() / EASE_STEP.as_millis();
    1 + u32::try_from(steps).unwrap_or(u32::MAX - 1)
}

/// The `streak`-th wait (from 1): doubles from `first` to `longest`, with a quarter of jitter that exceeds neither.
pub(super) fn backoff(first: Duration, longest: Duration, streak: u32, draw: u64) -> Duration {
    let doubled = first.saturating_mul(1 << (streak - 1).min(16));
    let share = affinity::unit(draw) / 4.0;
    if doubled >= longest {
        longest.mul_f64(1.0 - share)
    } else {
        doubled.mul_f64(1.0 + share).min(longest)
    }
}

/// One more admission on a ramp every so often.
pub(super) const EASE_STEP: Duration = Duration::from_millis(250);
/// A ramp is over after that, heads or not: it lets forty pass by then.
pub(super) const EASE_LONGEST: Duration = Duration::from_secs(10);
/// First wait after blind throttling or overload.
pub(super) const SOFT_FIRST: Duration = Duration::from_secs(1);
/// Longest wait after blind throttling.
pub(super) const BLIND_LONGEST: Duration = Duration::from_secs(30);
/// Longest wait after overload: it passes quickly, and it shuts out every account of the provider.
pub(super) const OVERLOADED_LONGEST: Duration = Duration::from_secs(10);
/// First wait after failures in a row.
pub(super) const HARD_FIRST: Duration = Duration::from_secs(5);
/// Longest wait after failures in a row.
pub(super) const HARD_LONGEST: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn jitter_stays_within_a_quarter_and_the_cap() {
        for draw in [0, u64::MAX / 3, u64::MAX] {
            let first = backoff(SECOND, SECOND * 30, 1, draw);
            assert!(
                first >= SECOND && first <= SECOND.mul_f64(1.25),
                "{first:?}"
            );
            let capped = backoff(SECOND, SECOND * 30, 40, draw);
            assert!(
                capped >= SECOND.mul_f64(22.5) && capped <= SECOND * 30,
                "{capped:?}"
            );
        }
    }
}
