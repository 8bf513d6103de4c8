//! Sums per minute over the last hour, for the charts and rates of the console.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ahash::HashMap;

use crate::outcome::{FailureClass, Outcome};
use crate::telemetry::verdict::Verdict;

/// At most [`KEPT`] minutes; only minutes with a request take memory.
#[derive(Clone, Debug, Default)]
pub struct Minutes {
    /// In ascending order.
    list: VecDeque<Minute>,
}

/// The requests that ended within one minute.
#[derive(Clone, Debug)]
pub struct Minute {
    /// Minutes since the epoch.
    number: u64,
    pub all: Sums,
    pub accounts: HashMap<Arc<str>, Sums>,
    pub pools: HashMap<Arc<str>, u32>,
    first_tokens: Histogram,
}

/// The sums of all requests, or of one account.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    /// The number of requests that ended; for an account, those that it answered or failed last.
    pub requests: u32,
    /// Tokens of every kind.
    pub tokens: u64,
    /// Prompt tokens, and those of them that came from a cache.
    pub prompt: u64,
    pub cached: u64,
    /// The number of requests that failed because of the client, Weir or an upstream; for an account, of its failed
    /// attempts.
    pub errors: u32,
    /// The number of these with the verdict `upstream_error`.
    pub upstream_errors: u32,
    pub cost_usd: f64,
    /// Failed attempts by [`FailureClass`], in the order of `ALL`.
    pub classes: [u32; FailureClass::ALL.len()],
    /// The number of attempts after the first.
    pub failovers: u32,
}

/// Counts of durations in buckets whose bounds grow by a quarter, so that a quantile is accurate to about a tenth.
#[derive(Clone, Debug)]
struct Histogram([u32; BUCKETS]);

impl Minutes {
    /// Adds a request that ended `at` this time.
    pub(super) fn record(&mut self, outcome: &Outcome, at: SystemTime) {
        let number = number(at);
        let minute = match self.list.iter().rposition(|minute| minute.number <= number) {
            Some(place) if self.list[place].number == number => place,
            // If the clock was set back, the minute is inserted in its place.
            before => {
                let place = before.map_or(0, |place| place + 1);
                self.list.insert(place, Minute::new(number));
                place
            }
        };
        self.list[minute].record(outcome);
        while self.list.len() > KEPT {
            let last = self.list.back().map_or(0, |minute| minute.number);
            // A clock that was ahead has left minutes in the future.
            if last > number + KEPT as u64 {
                self.list.pop_back();
            } else {
                self.list.pop_front();
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for minute in &other.list {
            match self
                .list
                .binary_search_by_key(&minute.number, |known| known.number)
            {
                Ok(place) => self.list[place].add(minute),
                Err(place) => self.list.insert(place, minute.clone()),
            }
        }
    }

    /// The last `count` minutes up to the minute of `now`, oldest first; `None` = nothing ended in that minute.
    pub fn last(&self, count: usize, now: SystemTime) -> impl Iterator<Item = Option<&Minute>> {
        let until = number(now);
        let from = until.saturating_sub(count as u64 - 1);
        (from..=until).map(|wanted| {
            let found = self
                .list
                .binary_search_by_key(&wanted, |minute| minute.number);
            found.ok().map(|place| &self.list[place])
        })
    }

    /// The sums of an account over the last `count` minutes.
    pub fn of_account(&self, account: &str, count: usize, now: SystemTime) -> Sums {
        let mut sums = Sums::default();
        for minute in self.last(count, now).flatten() {
            if let Some(own) = minute.accounts.get(account) {
                sums.add(own);
            }
        }
        sums
    }

    /// The beginning of the first of the last `count` minutes.
    pub fn from(count: usize, now: SystemTime) -> SystemTime {
        let from = number(now).saturating_sub(count as u64 - 1);
        UNIX_EPOCH + Duration::from_secs(from * 60)
    }
}

impl Minute {
    fn new(number: u64) -> Self {
        Self {
            number,
            all: Sums::default(),
            accounts: HashMap::default(),
            pools: HashMap::default(),
            first_tokens: Histogram([0; BUCKETS]),
        }
    }

    /// The time to the first token that this share of the answers did not exceed; `None` = there were no answers.
    pub fn first_token(&self, share: f64) -> Option<Duration> {
        self.first_tokens.quantile(share)
    }

    fn record(&mut self, outcome: &Outcome) {
        let verdict = Verdict::of(outcome);
        self.all.add_request(outcome);
        self.all.errors += u32::from(!matches!(verdict, Verdict::Ok | Verdict::ClientGone));
        self.all.upstream_errors += u32::from(verdict == Verdict::UpstreamError);
        if let Some(time) = outcome.time_to_first_token {
            self.first_tokens.record(time);
        }
        if let Some(pool) = &outcome.pool {
            *self.pools.entry(pool.clone()).or_default() += 1;
        }
        if let Some(account) = &outcome.account {
            self.accounts
                .entry(account.clone())
                .or_default()
                .add_request(outcome);
        }
        self.all.failovers += u32::try_from(outcome.attempts.len().saturating_sub(1)).unwrap_or(0);
        for attempt in &outcome.attempts {
            let Some(class) = attempt.failure else {
                continue;
            };
            let sums = self.accounts.entry(attempt.account.clone()).or_default();
            sums.errors += 1;
            if let Some(place) = FailureClass::ALL.iter().position(|known| *known == class) {
                sums.classes[place] += 1;
                self.all.classes[place] += 1;
            }
        }
    }

    fn add(&mut self, other: &Self) {
        self.all.add(&other.all);
        for (account, sums) in &other.accounts {
            self.accounts.entry(account.clone()).or_default().add(sums);
        }
        for (pool, requests) in &other.pools {
            *self.pools.entry(pool.clone()).or_default() += requests;
        }
        for (mine, theirs) in self.first_tokens.0.iter_mut().zip(other.first_tokens.0) {
            *mine += theirs;
        }
    }
}

impl Sums {
    fn add_request(&mut self, outcome: &Outcome) {
        self.requests += 1;
        self.cost_usd += outcome
            .cost_usd
            .filter(|cost| cost.is_finite())
            .unwrap_or(0.0);
        if let Some(usage) = &outcome.usage {
            let prompt =
                usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h;
            self.prompt += prompt;
            self.cached += usage.cache_read;
            self.tokens += prompt + usage.output;
        }
    }

    /// The share of the prompt tokens that came from a cache, from 0 to 1; `None` = there were no prompt tokens.
    pub fn cache_hits(&self) -> Option<f64> {
        (self.prompt > 0).then(|| self.cached as f64 / self.prompt as f64)
    }

    /// Adds the sums of `other`.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.tokens += other.tokens;
        self.prompt += other.prompt;
        self.cached += other.cached;
        self.errors += other.errors;
        self.upstream_errors += other.upstream_errors;
        self.cost_usd += other.cost_usd;
        self.failovers += other.failovers;
        for (mine, theirs) in self.classes.iter_mut().zip(other.classes) {
            *mine += theirs;
        }
    }
}

impl Histogram {
    fn record(&mut self, time: Duration) {
        let bound = time.as_secs_f64();
        let place = (0..BUCKETS - 1).find(|place| bound <= upper(*place));
        self.0[place.unwrap_or(BUCKETS - 1)] += 1;
    }

    fn quantile(&self, share: f64) -> Option<Duration> {
        let all: u64 = self.0.iter().map(|count| u64::from(*count)).sum();
        if all == 0 {
            return None;
        }
        let (mut below, wanted) = (0.0, share * all as f64);
        for (place, count) in self.0.iter().enumerate() {
            let count = f64::from(*count);
            if count > 0.0 && below + count >= wanted {
                let lower = if place == 0 { 0.0 } else { upper(place - 1) };
                let within = lower + (upper(place) - lower) * ((wanted - below) / count);
                return Some(Duration::from_secs_f64(within));
            }
            below += count;
        }
        None
    }
}

/// The upper bound of a bucket in seconds: 10 ms for the first, and a quarter more for each next one.
fn upper(place: usize) -> f64 {
    0.01 * 1.25_f64.powi(i32::try_from(place).unwrap_or(i32::MAX))
}

fn number(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() / 60)
}

/// The number of minutes that are kept.
pub const KEPT: usize = 62;

/// From 10 ms to 75 s; longer durations are counted in the last bucket.
const BUCKETS: usize = 41;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::samples;

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn a_minute_sums_up_what_ended_in_it() {
        let mut minutes = Minutes::default();
        minutes.record(&samples::answered(), at(600));
        minutes.record(&samples::answered(), at(659));
        minutes.record(&samples::refused(401), at(660));
        let last: Vec<_> = minutes.last(3, at(665)).collect();
        assert!(last[0].is_none());
        let (first, second) = (last[1].expect("a minute"), last[2].expect("a minute"));
        assert_eq!(
            (first.all.requests, first.all.tokens, first.all.errors),
            (2, 300, 0)
        );
        assert_eq!(
            (first.all.prompt, first.all.cached, first.all.failovers),
            (260, 60, 2)
        );
        let account = &first.accounts["claude-a"];
        let throttled = FailureClass::ALL
            .iter()
            .position(|class| *class == FailureClass::Throttled);
        assert_eq!((account.requests, account.errors), (2, 2));
        assert_eq!(account.classes[throttled.expect("a class")], 2);
        assert_eq!((second.all.requests, second.all.errors), (1, 1));
        assert_eq!(Minutes::from(3, at(665)), at(540));
    }

    #[test]
    fn an_hour_is_kept_also_when_the_clock_is_set_back() {
        let mut minutes = Minutes::default();
        for minute in (0..200).chain(150..160) {
            minutes.record(&samples::answered(), at(minute * 60));
        }
        assert_eq!(minutes.list.len(), KEPT);
        assert!(minutes.list.iter().is_sorted_by_key(|minute| minute.number));
        let requests = |minute: u64| {
            minutes
                .last(1, at(minute * 60))
                .next()
                .flatten()
                .map(|found| found.all.requests)
        };
        assert_eq!(
            (requests(155), requests(199), requests(100)),
            (Some(2), Some(1), None)
        );
    }

    #[test]
    fn minutes_of_a_clock_that_had_run_ahead_make_room() {
        let mut minutes = Minutes::default();
        for minute in (100_000..100_000 + KEPT as u64).chain(500..510) {
            minutes.record(&samples::answered(), at(minute * 60));
        }
        let seen = minutes.last(10, at(509 * 60)).flatten().count();
        assert_eq!((seen, minutes.list.len()), (10, KEPT));
    }

    #[test]
    fn quantiles_are_right_to_about_a_tenth() {
        let mut histogram = Histogram([0; BUCKETS]);
        assert_eq!(histogram.quantile(0.5), None);
        for millisecond in 1..=1000 {
            histogram.record(Duration::from_millis(millisecond));
        }
        for share in [0.1_f64, 0.5, 0.95] {
            let found = histogram.quantile(share).expect("a time").as_secs_f64();
            assert!((found / share - 1.0).abs() < 0.12, "{share}: {found}");
        }
        histogram.record(Duration::from_secs(4000));
        assert!(histogram.quantile(1.0).expect("a time") < Duration::from_secs(80));
    }

    #[test]
    fn shards_add_up() {
        let (mut one, mut other, mut sum) =
            (Minutes::default(), Minutes::default(), Minutes::default());
        one.record(&samples::answered(), at(60));
        other.record(&samples::answered(), at(60));
        other.record(&samples::answered(), at(0));
        sum.add(&one);
        sum.add(&other);
        let counts: Vec<_> = sum
            .last(2, at(60))
            .map(|minute| minute.map(|minute| minute.all.requests))
            .collect();
        assert_eq!(counts, [Some(1), Some(2)]);
    }
}
