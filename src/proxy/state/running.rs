//! The requests that are being served, for viewers: who, what, where, since when; never their content.
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// All of them: at most `server.max_concurrent_requests`.
#[derive(Debug, Default)]
pub(crate) struct Running {
    shards: [Mutex<HashMap<u64, Arc<Run>>>; SHARDS],
    next: AtomicU64,
}

/// One running request.
#[derive(Debug)]
pub(crate) struct Run {
    number: u64,
    began: Instant,
    seen: Mutex<Seen>,
}

/// What is known of a request so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub request_id: String,
    pub path: String,
    pub key: Option<Arc<str>>,
    pub project: Option<Arc<str>>,
    pub model: Option<String>,
    pub stream: bool,
    /// The hash of the session.
    pub session: Option<u64>,
    pub pool: Option<Arc<str>>,
    /// The account of the current attempt, and the number of attempts so far.
    pub account: Option<Arc<str>>,
    pub attempts: u32,
}

impl Running {
    /// A request has arrived at `began`.
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

    /// The request is over.
    pub(crate) fn leave(&self, run: &Run) {
        self.shard(run.number).lock().remove(&run.number);
    }

    /// The running requests, the oldest first.
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
    /// How long the request has been running.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    /// What is known of the request.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().clone()
    }

    /// Adds what has become known of the request.
    pub(crate) fn learn(&self, more: impl FnOnce(&mut Seen)) {
        more(&mut self.seen.lock());
    }
}

/// The number of locks. As many requests can come or go at the same time without waiting for each other.
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
        for run in &runs {
            running.leave(run);
        }
        assert!(running.all().is_empty());
    }
}
