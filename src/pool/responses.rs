//! Which account made a response, because the state that `previous_response_id` refers to lives there.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::affinity;
use super::memory::Memory;

/// Response ids and the accounts that made them.
#[derive(Clone, Debug)]
pub struct Responses {
    made: Memory<(u64, Instant)>,
    /// Whether the map also holds names of other objects (files, batches, containers). Only then are requests searched
    /// for names.
    objects: Arc<AtomicBool>,
}

impl Default for Responses {
    fn default() -> Self {
        Self {
            made: Memory::new(CAPACITY),
            objects: Arc::default(),
        }
    }
}

impl Responses {
    /// The hash of the account that made the response.
    pub(super) fn account(&self, id: &str, now: Instant) -> Option<u64> {
        let (account, at) = self.made.get(affinity::hash(id.as_bytes()))?;
        (now.saturating_duration_since(at) < LIFE).then_some(account)
    }

    /// The bindings for the next process: hashes of ids and of accounts, and how long ago.
    pub(super) fn memo(&self, now: Instant) -> Vec<(u64, u64, Duration)> {
        let made = self.made.entries().into_iter();
        made.map(|(id, (account, at))| (id, account, now.saturating_duration_since(at)))
            .collect()
    }

    /// Takes over what another process remembered.
    pub(super) fn recall(&self, memos: &[(u64, u64, Duration)], now: Instant) {
        for (id, account, ago) in memos.iter().take(CAPACITY) {
            let at = now.checked_sub(*ago).unwrap_or(now);
            self.made.insert(*id, (*account, at));
            // The memo does not say what an entry is about, so it may be such an object.
            self.objects.store(true, Ordering::Relaxed);
        }
    }

    /// Remembers the account (its hash) of a file, a batch, a container or a similar object.
    pub(super) fn bind_object(&self, name: &str, account: u64, now: Instant) {
        self.objects.store(true, Ordering::Relaxed);
        self.bind(name, account, now);
    }

    /// Whether the map holds names of such objects.
    pub(super) fn has_objects(&self) -> bool {
        self.objects.load(Ordering::Relaxed)
    }

    /// Remembers the account (its hash) that made the response.
    pub(super) fn bind(&self, id: &str, account: u64, now: Instant) {
        self.made
            .insert(affinity::hash(id.as_bytes()), (account, now));
    }
}

/// The most ids that are remembered: a few MiB.
const CAPACITY: usize = 1 << 16;
/// How long an id is remembered: as long as OpenAI keeps a response.
const LIFE: Duration = Duration::from_hours(30 * 24);
