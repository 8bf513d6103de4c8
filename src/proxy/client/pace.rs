//! How fast a request body must arrive.
use std::time::{Duration, Instant};

/// Counts the bytes of one body over windows of 30 s.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The fewest bytes in a window; at least one.
    least: usize,
    since: Instant,
    bytes: usize,
}

impl Pace {
    /// A minimum of `rate` bytes per second; 0 = any rate, as long as something arrives in each window.
    pub(crate) fn new(rate: usize, now: Instant) -> Self {
        let seconds = usize::try_from(WINDOW.as_secs()).unwrap_or(usize::MAX);
        Self {
            least: rate.saturating_mul(seconds).max(1),
            since: now,
            bytes: 0,
        }
    }

    /// Counts bytes that came, possibly none. Returns whether the body is fast enough so far.
    pub(crate) fn keeps_up(&mut self, bytes: usize, now: Instant) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        if now.saturating_duration_since(self.since) < WINDOW {
            return true;
        }
        let enough = self.bytes >= self.least;
        (self.since, self.bytes) = (now, 0);
        enough
    }

    /// When to check again if nothing arrives.
    pub(crate) fn left(&self, now: Instant) -> Duration {
        WINDOW.saturating_sub(now.saturating_duration_since(self.since))
    }
}

const WINDOW: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_noticed_and_a_slow_body_is_not() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut pace = Pace::new(1000, now);
        assert!(pace.keeps_up(1, at(10)) && pace.keeps_up(1, at(29)));
        assert_eq!(pace.left(at(29)), Duration::from_secs(1));
        assert!(!pace.keeps_up(1, at(30)));
        let mut pace = Pace::new(1000, now);
        assert!(pace.keeps_up(30_000, at(1)) && pace.keeps_up(0, at(30)));
        assert!(pace.keeps_up(29_999, at(31)) && !pace.keeps_up(0, at(60)));
    }

    #[test]
    fn at_any_rate_only_silence_is_too_slow() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut pace = Pace::new(0, now);
        assert!(pace.keeps_up(1, at(30)) && !pace.keeps_up(0, at(60)));
    }
}
