//! The retry budget: retries may add only a share to the traffic, so that failures never multiply the load.
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::memory::lock;
use crate::limits::window::Sliding;

/// Counts requests and retries of the last 10 s.
#[derive(Debug)]
pub struct RetryBudget {
    seen: Mutex<Seen>,
}

#[derive(Clone, Debug)]
struct Seen {
    requests: Sliding<11>,
    retries: Sliding<11>,
}

impl Default for RetryBudget {
    fn default() -> Self {
        let empty = || Sliding::new(Duration::from_secs(1));
        Self {
            seen: Mutex::new(Seen {
                requests: empty(),
                retries: empty(),
            }),
        }
    }
}

impl Clone for RetryBudget {
    fn clone(&self) -> Self {
        Self {
            seen: Mutex::new(lock(&self.seen).clone()),
        }
    }
}

impl RetryBudget {
    /// A request came in.
    pub fn request(&self, now: Instant) {
        lock(&self.seen).requests.add(now, 1);
    }

    /// Whether one more retry is within `share` of the traffic; if so, it is counted. A share of 0 forbids retries. Any
    /// other share always allows a few, because otherwise a single user could never fail over.
    pub fn retry(&self, share: f64, now: Instant) -> bool {
        if share <= 0.0 {
            return false;
        }
        let mut seen = lock(&self.seen);
        let requests = seen.requests.sum(now) as f64;
        let retries = seen.retries.sum(now);
        let allowed = retries < ALWAYS || (retries + 1) as f64 <= requests * share;
        if allowed {
            seen.retries.add(now, 1);
        }
        allowed
    }
}

/// Retries in 10 s that are always allowed.
const ALWAYS: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_stay_within_the_share_of_the_last_ten_seconds() {
        let now = Instant::now();
        let budget = RetryBudget::default();
        for _ in 0..1000 {
            budget.request(now);
        }
        let granted = (0..1000).filter(|_| budget.retry(0.2, now)).count();
        assert_eq!(granted, 200);
        let later = now + Duration::from_secs(11);
        assert_eq!((0..1000).filter(|_| budget.retry(0.2, later)).count(), 10);
    }

    #[test]
    fn a_lone_request_may_fail_over_and_a_share_of_zero_forbids_it() {
        let now = Instant::now();
        let budget = RetryBudget::default();
        budget.request(now);
        assert!(budget.retry(0.2, now));
        assert!(!budget.retry(0.0, now));
    }
}
