//! A sum over a sliding span of time: how many requests or tokens in the last minute.
//!
//! A ring of equal buckets. It covers its span and up to one bucket more, never less. So what it admits never exceeds a
//! limit within a span of that length, wherever the span begins. It stores no limit and reads no clock.
use std::time::{Duration, Instant};

/// Requests or tokens of the last minute, to the second.
pub type Minute = Sliding<61>;

/// A sum over a span of `(N - 1)` buckets.
#[derive(Clone, Debug)]
pub struct Sliding<const N: usize> {
    buckets: [u64; N],
    width: Duration,
    /// When bucket number 0 began: the time of the first use.
    origin: Option<Instant>,
    /// The number of the newest bucket; its index is the number modulo `N`.
    newest: u64,
    /// When the bucket after the newest one begins. Until then the bucket number need not be computed.
    ends: Option<Instant>,
    /// The sum of `buckets`.
    sum: u64,
}

impl<const N: usize> Sliding<N> {
    /// An empty sum with buckets of `width`.
    pub const fn new(width: Duration) -> Self {
        Self {
            buckets: [0; N],
            width,
            origin: None,
            newest: 0,
            ends: None,
            sum: 0,
        }
    }

    /// The sum of what was added within the span that ends at `now`.
    pub fn sum(&mut self, now: Instant) -> u64 {
        self.advance(now);
        self.sum
    }

    /// Counts `amount` at `now`.
    pub fn add(&mut self, now: Instant, amount: u64) {
        self.advance(now);
        let place = self.place(self.newest);
        self.buckets[place] = self.buckets[place].saturating_add(amount);
        self.sum = self.sum.saturating_add(amount);
    }

    /// Takes back up to `amount` of what was counted at `at`; nothing if that has already left the span.
    pub fn take_back(&mut self, at: Instant, now: Instant, amount: u64) {
        self.advance(now);
        let number = self.number(at).min(self.newest);
        if number + N as u64 <= self.newest {
            return;
        }
        let place = self.place(number);
        let taken = self.buckets[place].min(amount);
        self.buckets[place] -= taken;
        self.sum -= taken.min(self.sum);
    }

    /// How long until `amount` more fits under `limit`; zero when it fits now. An amount above the limit waits for an
    /// empty window and is then let through alone, because otherwise it would be refused for ever.
    pub fn wait(&mut self, now: Instant, limit: u64, amount: u64) -> Duration {
        self.advance(now);
        let room = limit.saturating_sub(amount);
        let mut left = self.sum;
        if left <= room && (amount <= limit || left == 0) {
            return Duration::ZERO;
        }
        let Some(origin) = self.origin else {
            return Duration::ZERO;
        };
        let oldest = (self.newest + 1).saturating_sub(N as u64);
        for number in oldest..=self.newest {
            left -= self.buckets[self.place(number)].min(left);
            if left <= room {
                let leaves = self.width.saturating_mul(clamp_u32(number + N as u64));
                return leaves.saturating_sub(now.saturating_duration_since(origin));
            }
        }
        self.width.saturating_mul(clamp_u32(N as u64))
    }

    /// The time after which everything counted until `now` has left the span.
    pub fn until_empty(&mut self, now: Instant) -> Duration {
        self.wait(now, 0, 0)
    }

    fn advance(&mut self, now: Instant) {
        if self.ends.is_some_and(|ends| now < ends) {
            return;
        }
        let origin = *self.origin.get_or_insert(now);
        let number = self.number(now);
        let whole = u32::try_from(number.saturating_add(1)).ok();
        self.ends = whole.and_then(|whole| origin.checked_add(self.width.checked_mul(whole)?));
        if number <= self.newest {
            return;
        }
        if number - self.newest >= N as u64 {
            self.buckets = [0; N];
            self.sum = 0;
        } else {
            for stale in self.newest + 1..=number {
                let place = self.place(stale);
                self.sum -= self.buckets[place].min(self.sum);
                self.buckets[place] = 0;
            }
        }
        self.newest = number;
    }

    fn number(&self, at: Instant) -> u64 {
        let since = self.origin.map_or(Duration::ZERO, |origin| {
            at.saturating_duration_since(origin)
        });
        // 64 bits hold 584 years in nanoseconds; a 128-bit division would cost more than all the rest.
        nanos(since) / nanos(self.width).max(1)
    }

    #[expect(
        clippy::unused_self,
        clippy::cast_possible_truncation,
        reason = "a remainder of N fits its own type"
    )]
    const fn place(&self, number: u64) -> usize {
        (number % N as u64) as usize
    }
}

impl Default for Minute {
    fn default() -> Self {
        Self::new(Duration::from_secs(1))
    }
}

fn nanos(span: Duration) -> u64 {
    span.as_secs()
        .saturating_mul(1_000_000_000)
        .saturating_add(span.subsec_nanos().into())
}

fn clamp_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_was_added_leaves_after_the_span() {
        let start = Instant::now();
        let mut window = Minute::default();
        window.add(start, 5);
        window.add(start + SECOND * 30, 7);
        assert_eq!(window.sum(start + SECOND * 60), 12);
        assert_eq!(window.sum(start + SECOND * 61), 7);
        assert_eq!(window.sum(start + SECOND * 91), 0);
    }

    #[test]
    fn the_wait_is_exactly_until_enough_has_left() {
        let start = Instant::now();
        let mut window = Minute::default();
        window.add(start, 60);
        window.add(start + SECOND * 10, 40);
        let now = start + SECOND * 20;
        assert_eq!(window.wait(now, 100, 1), SECOND * 41);
        assert_eq!(window.wait(now + SECOND * 41, 100, 1), Duration::ZERO);
        assert_eq!(window.wait(now, 100, 61), SECOND * 51);
    }

    #[test]
    fn an_amount_above_the_limit_passes_an_empty_window_alone() {
        let start = Instant::now();
        let mut window = Minute::default();
        assert_eq!(window.wait(start, 100, 1000), Duration::ZERO);
        window.add(start, 1);
        assert!(window.wait(start, 100, 1000) > Duration::ZERO);
    }

    #[test]
    fn taking_back_what_has_left_changes_nothing() {
        let start = Instant::now();
        let mut window = Minute::default();
        window.add(start, 10);
        let later = start + SECOND * 100;
        window.add(later, 3);
        window.take_back(start, later, 10);
        assert_eq!(window.sum(later), 3);
        window.take_back(later, later, 10);
        assert_eq!(window.sum(later), 0);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_is_harmless() {
        let earlier = Instant::now();
        let start = earlier + SECOND * 50;
        let mut window = Minute::default();
        window.add(start, 1);
        window.add(earlier, 1);
        assert_eq!(window.sum(start), 2);
        assert_eq!(window.sum(start + SECOND * 100_000_000), 0);
    }
}
