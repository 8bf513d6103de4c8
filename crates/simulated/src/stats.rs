//! Counters that a load or fault test reads from outside, `GET /sim/stats`.
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::usage::Usage;

/// What the simulated upstream has done so far.
#[derive(Debug, Default)]
pub(super) struct Stats {
    requests: AtomicU64,
    open: AtomicU64,
    complete: AtomicU64,
    broken: AtomicU64,
    cancelled: AtomicU64,
    tokens: [AtomicU64; KINDS.len()],
    by_key: Mutex<HashMap<String, BTreeMap<u16, u64>>>,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Finish {
    /// Broken off on purpose.
    Broken,
    /// Played to its end.
    Complete,
}

/// One answer in progress. Dropped before it is finished, it counts as cancelled by the client.
#[derive(Debug)]
pub(super) struct Entry {
    stats: Arc<Stats>,
    usage: Usage,
    output: u64,
    stream: bool,
    open: bool,
}

impl Stats {
    /// Counts a request as begun.
    pub(super) fn begin(
        self: &Arc<Self>,
        key: &str,
        status: u16,
        usage: Usage,
        stream: bool,
    ) -> Entry {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if stream {
            self.open.fetch_add(1, Ordering::Relaxed);
        }
        self.count(key, status);
        Entry {
            stats: Arc::clone(self),
            usage,
            output: 0,
            stream,
            open: true,
        }
    }

    /// An answer that no test wants to see in the counters.
    pub(super) fn uncounted(self: &Arc<Self>) -> Entry {
        Entry {
            stats: Arc::clone(self),
            usage: Usage::default(),
            output: 0,
            stream: false,
            open: false,
        }
    }

    fn count(&self, key: &str, status: u16) {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let key = if by_key.len() < MAX_KEYS || by_key.contains_key(key) {
            key
        } else {
            "other"
        };
        if let Some(by_status) = by_key.get_mut(key) {
            *by_status.entry(status).or_default() += 1;
        } else {
            by_key.insert(key.to_owned(), BTreeMap::from([(status, 1)]));
        }
    }

    /// Everything at zero, except what is open now.
    pub(super) fn reset(&self) {
        for counter in [
            &self.requests,
            &self.complete,
            &self.broken,
            &self.cancelled,
        ]
        .into_iter()
        .chain(&self.tokens)
        {
            counter.store(0, Ordering::Relaxed);
        }
        self.by_key
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// The counters as JSON.
    pub(super) fn to_json(&self) -> Value {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let by_key: BTreeMap<_, _> = by_key.iter().collect();
        let tokens: BTreeMap<_, _> = KINDS
            .into_iter()
            .zip(self.tokens.iter().map(read))
            .collect();
        json!({
            "requests": read(&self.requests),
            "by_key": by_key,
            "open_streams": read(&self.open),
            "complete": read(&self.complete),
            "broken": read(&self.broken),
            "cancelled": read(&self.cancelled),
            "tokens": tokens,
        })
    }
}

impl Entry {
    /// Says how many output tokens are on their way, should the answer end early.
    pub(super) fn progress(&mut self, output: u64) {
        self.output = output.min(self.usage.output);
    }

    /// Counts the answer as ended; only the first call counts.
    pub(super) fn finish(&mut self, finish: Finish) {
        match finish {
            Finish::Broken => self.settle(|stats| &stats.broken),
            Finish::Complete => {
                self.output = self.usage.output;
                self.settle(|stats| &stats.complete);
            }
        }
    }

    fn settle(&mut self, counter: impl FnOnce(&Stats) -> &AtomicU64) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        counter(&self.stats).fetch_add(1, Ordering::Relaxed);
        if self.stream {
            self.stats.open.fetch_sub(1, Ordering::Relaxed);
        }
        let usage = &self.usage;
        let counts = [
            usage.input,
            usage.cache_read,
            usage.cache_write_5m,
            usage.cache_write_1h,
            self.output,
            usage.reasoning.min(self.output),
        ];
        for (total, count) in self.stats.tokens.iter().zip(counts) {
            if count != 0 {
                total.fetch_add(count, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.settle(|stats| &stats.cancelled);
    }
}

/// The kinds of tokens, in the order in which [`Entry`] counts them.
const KINDS: [&str; 6] = [
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
];
/// Credentials counted one by one; more than a test pool ever has.
const MAX_KEYS: usize = 1000;
