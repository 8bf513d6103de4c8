//! The last requests, in memory, for the live view of the console.
//!
//! They are bounded by a number of requests and by [`MAX_BYTES`]. A request that ends never waits here: the rows are in
//! shards, and a writer that finds a shard locked (by a reader, while it copies pointers) takes the next one. When a
//! request ends, only its row and the sums of its minute are computed; filters, facets and histograms are computed on
//! demand. Pure: the time is an argument.
pub mod filter;
pub mod minutes;
pub mod row;
pub mod stats;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::SystemTime;

use crate::outcome::Outcome;
use minutes::Minutes;
use row::Row;

/// The ring of finished requests, and an hour of sums per minute.
#[derive(Debug)]
pub struct Recent {
    shards: [Mutex<Shard>; SHARDS],
    /// The capacity in rows, for all shards; 0 = nothing is kept.
    cap: AtomicUsize,
    /// The number of the next row.
    next: AtomicU64,
}

/// The contents of the ring.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RingContents {
    /// The number of rows.
    pub rows: usize,
    /// The capacity in rows.
    pub cap: usize,
    /// The approximate size of the rows in bytes.
    pub bytes: usize,
    /// When the oldest of them ended.
    pub since: Option<SystemTime>,
}

#[derive(Debug, Default)]
struct Shard {
    /// In ascending order of numbers.
    rows: VecDeque<Arc<Row>>,
    bytes: usize,
    minutes: Minutes,
}

impl Recent {
    /// An empty ring of `cap` rows.
    pub fn new(cap: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            cap: AtomicUsize::new(cap),
            next: AtomicU64::new(1),
        }
    }

    /// Changes the capacity to `cap` rows; the oldest rows beyond it are removed.
    pub fn resize(&self, cap: usize) {
        self.cap.store(cap, Ordering::Relaxed);
        for shard in &self.shards {
            locked(shard).shrink(cap.div_ceil(SHARDS));
        }
    }

    /// Adds a finished request.
    pub fn push(&self, outcome: Outcome, at: SystemTime) {
        let cap = self.cap.load(Ordering::Relaxed);
        if cap == 0 {
            return;
        }
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        let row = Arc::new(Row::new(seq, outcome, at));
        let first = usize::try_from(seq).unwrap_or(0);
        for step in 0..SHARDS {
            let shard = match self.shards[(first + step) % SHARDS].try_lock() {
                Ok(shard) => shard,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => continue,
            };
            shard_push(shard, row, cap.div_ceil(SHARDS));
            return;
        }
        // All shards are locked: the row is not worth a wait.
    }

    /// The number that the next row will get.
    pub fn next_seq(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// The rows with number `seq` and later, oldest first.
    pub fn from(&self, seq: u64) -> Vec<Arc<Row>> {
        let mut rows: Vec<Arc<Row>> = Vec::new();
        for shard in &self.shards {
            let shard = locked(shard);
            let begin = shard.rows.partition_point(|row| row.seq() < seq);
            rows.extend(shard.rows.range(begin..).cloned());
        }
        rows.sort_unstable_by_key(|row| row.seq());
        rows
    }

    /// The newest row with this request id.
    pub fn find(&self, request_id: &str) -> Option<Arc<Row>> {
        self.shards
            .iter()
            .filter_map(|shard| {
                let shard = locked(shard);
                let found = shard
                    .rows
                    .iter()
                    .rev()
                    .find(|row| row.outcome().request_id == request_id);
                found.cloned()
            })
            .max_by_key(|row| row.seq())
    }

    /// The size of the contents.
    pub fn contents(&self) -> RingContents {
        let mut contents = RingContents {
            rows: 0,
            cap: self.cap.load(Ordering::Relaxed),
            bytes: 0,
            since: None,
        };
        for shard in &self.shards {
            let shard = locked(shard);
            contents.rows += shard.rows.len();
            contents.bytes += shard.bytes;
            let oldest = shard.rows.front().map(|row| row.at());
            contents.since = contents.since.into_iter().chain(oldest).min();
        }
        contents
    }

    /// The sums per minute of the last hour.
    pub fn minutes(&self) -> Minutes {
        let mut sum = Minutes::default();
        for shard in &self.shards {
            sum.add(&locked(shard).minutes);
        }
        sum
    }
}

fn shard_push(mut shard: MutexGuard<'_, Shard>, row: Arc<Row>, cap: usize) {
    shard.minutes.record(row.outcome(), row.at());
    shard.bytes += row.bytes();
    // Numbers are assigned before the lock is taken, so rows may arrive slightly out of order.
    let place = shard
        .rows
        .iter()
        .rev()
        .take_while(|other| other.seq() > row.seq())
        .count();
    let place = shard.rows.len() - place;
    if place == shard.rows.len() {
        shard.rows.push_back(row);
    } else {
        shard.rows.insert(place, row);
    }
    shard.shrink(cap);
}

impl Shard {
    fn shrink(&mut self, cap: usize) {
        while self.rows.len() > cap || self.bytes > MAX_BYTES / SHARDS {
            let Some(row) = self.rows.pop_front() else {
                return;
            };
            self.bytes -= row.bytes();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Most bytes of rows, whatever number of rows is configured: 8 MiB.
pub const MAX_BYTES: usize = 8 << 20;

/// The number of shards: this many requests can end at the same time without a second try.
const SHARDS: usize = 8;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::samples;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    fn filled(cap: usize, count: u64) -> Recent {
        let recent = Recent::new(cap);
        for number in 0..count {
            let mut outcome = samples::answered();
            outcome.request_id = format!("req_{number}");
            recent.push(outcome.clone(), at(number));
        }
        recent
    }

    #[test]
    fn the_newest_rows_push_out_the_oldest() {
        let recent = filled(80, 200);
        let contents = recent.contents();
        assert_eq!(
            (contents.rows, contents.cap, contents.since),
            (80, 80, Some(at(120)))
        );
        let rows = recent.from(0);
        assert!(rows.is_sorted_by_key(|row| row.seq()));
        assert_eq!(rows.len(), 80);
        assert_eq!(recent.from(rows[77].seq()).len(), 3);
        assert!(recent.find("req_3").is_none() && recent.find("req_199").is_some());
    }

    #[test]
    fn a_smaller_cap_takes_effect_at_once_and_none_keeps_nothing() {
        let recent = filled(80, 100);
        recent.resize(16);
        assert_eq!(recent.contents().rows, 16);
        recent.resize(0);
        recent.push(samples::answered(), at(1));
        let contents = recent.contents();
        assert_eq!(
            (contents.rows, contents.bytes, contents.since),
            (0, 0, None)
        );
    }

    #[test]
    fn long_texts_of_clients_do_not_pass_the_bound_of_bytes() {
        let recent = Recent::new(100_000);
        let mut outcome = samples::answered();
        outcome.path = "/".repeat(60_000);
        outcome.detail = Some("é".repeat(60_000));
        for second in 0..20_000 {
            recent.push(outcome.clone(), at(second));
        }
        let contents = recent.contents();
        assert!(contents.bytes <= MAX_BYTES, "{contents:?}");
        assert!(contents.rows > 1_000, "{contents:?}");
        let bytes: usize = recent.from(0).iter().map(|row| row.bytes()).sum();
        assert_eq!(bytes, contents.bytes);
    }

    #[test]
    fn a_taken_shard_makes_nobody_wait() {
        let recent = Recent::new(800);
        let taken = locked(&recent.shards[1]);
        for _ in 0..16 {
            recent.push(samples::answered(), at(1));
        }
        drop(taken);
        assert_eq!(recent.contents().rows, 16);
    }
}
