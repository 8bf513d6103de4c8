//! The requests that are served at this moment, for whoever looks: who, what, where, since when. Never what they say.
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// All of them: as many as `server.max_concurrent_requests` lets in.
#[derive(Debug, Default)]
pub(crate) struct Running {
    shards: [Mutex<HashMap<u64, Arc<Run>>>; SHARDS],
    next: AtomicU64,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Run {
    number: u64,
    began: Instant,
    seen: Mutex<Seen>,
}

/// What is known of it by now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub request_id: String,
    pub path: String,
    pub key: Option<Arc<str>>,
    pub project: Option<Arc<str>>,
    pub model: Option<String>,
    pub stream: bool,
    /// Hashed.
    pub session: Option<u64>,
    pub pool: Option<Arc<str>>,
    /// The one that is asked now, and how many were asked.
    pub account: Option<Arc<str>>,
    pub attempts: u32,
}

impl Running {
    /// A request has come, at that time.
    pub(crate) fn enter(&self, began: Instant) -> Arc<Run> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let run = Arc::new(Run {
            number,
            began,
            seen: Mutex::default(),
        });
        self.shard(number).lock().insert(number, run.clone());
        run
    }

    /// It is over.
    pub(crate) fn leave(&self, run: &Run) {
        self.shard(run.number).lock().remove(&run.number);
    }

    /// Those that run, the oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Run>> {
        let shards = self.shards.iter();
        let mut all: Vec<Arc<Run>> = shards
            .flat_map(|shard| shard.lock().values().cloned().collect::<Vec<_>>())
            .collect();
        all.sort_by_key(|run| run.number);
        all
    }

    fn shard(&self, number: u64) -> &Mutex<HashMap<u64, Arc<Run>>> {
        let place = usize::try_from(number).unwrap_or(0) % SHARDS;
        &self.shards[place]
    }
}

impl Run {
    /// How long it has run.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    /// What is known of it.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().clone()
    }

    /// More is known of it.
    pub(crate) fn learn(&self, more: impl FnOnce(&mut Seen)) {
        more(&mut self.seen.lock());
    }
}

/// As many requests can come and go at once without one waiting for another.
const SHARDS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_left_is_not_shown_and_the_oldest_stand_first() {
        let running = Running::default();
        let runs: Vec<Arc<Run>> = (0..40).map(|_| running.enter(Instant::now())).collect();
        for run in runs.iter().step_by(2) {
            running.leave(run);
        }
        runs[1].learn(|seen| seen.request_id = "first".to_owned());
        let left = running.all();
        assert_eq!(left.len(), 20);
        assert_eq!(left[0].seen().request_id, "first");
        assert!(left.is_sorted_by_key(|run| run.number));
        runs.iter().for_each(|run| running.leave(run));
        assert!(running.all().is_empty());
    }
}
