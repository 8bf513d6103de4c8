//! How long a bench lasts, and how fast traffic returns after it.
use std::time::{Duration, Instant};

use super::affinity;

/// How many requests may wait for their response heads on a ramp that began at `since`.
pub(super) fn ramp(since: Instant, now: Instant) -> u32 {
    let elapsed = now.saturating_duration_since(since);
    if elapsed > EASE_LONGEST {
        return u32::MAX;
    }
    let steps = elapsed.as_millis() / EASE_STEP.as_millis();
    1 + u32::try_from(steps).unwrap_or(u32::MAX - 1)
}

/// The length of the `streak`-th wait in a row (counted from 1). It doubles from `first` to `longest`, with up to a
/// quarter of jitter: added below `longest` (never beyond it), taken off at `longest`.
pub(super) fn backoff(first: Duration, longest: Duration, streak: u32, draw: u64) -> Duration {
    let doubled = first.saturating_mul(1 << (streak - 1).min(16));
    let share = affinity::unit(draw) / 4.0;
    if doubled >= longest {
        longest.mul_f64(1.0 - share)
    } else {
        doubled.mul_f64(1.0 + share).min(longest)
    }
}

/// The interval after which a ramp admits one more request.
pub(super) const EASE_STEP: Duration = Duration::from_millis(250);
/// A ramp ends after this time, whether or not response heads came. By then it admits about forty requests at once.
pub(super) const EASE_LONGEST: Duration = Duration::from_secs(10);
/// The first wait after throttling without a stated end, or after overload.
pub(super) const SOFT_FIRST: Duration = Duration::from_secs(1);
/// The longest wait after throttling without a stated end.
pub(super) const BLIND_LONGEST: Duration = Duration::from_secs(30);
/// The longest wait after overload. It is short because overload passes quickly and the wait shuts out every account of
/// the provider.
pub(super) const OVERLOADED_LONGEST: Duration = Duration::from_secs(10);
/// The first wait after failures in a row.
pub(super) const HARD_FIRST: Duration = Duration::from_secs(5);
/// The longest wait after failures in a row.
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
