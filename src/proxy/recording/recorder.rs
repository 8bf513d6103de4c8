//! The thread that writes cases, so that no request waits for a disk. The memory for waiting exchanges is bounded; what
//! does not fit is dropped and counted.
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::store::{Stock, Store};
use crate::cases::recorded::{Skipped, Taken, recorded};
use crate::exchange::tape::Budget;

/// Records exchanges until a limit is reached.
#[derive(Debug)]
pub(crate) struct Recorder {
    directory: PathBuf,
    budget: Arc<Budget>,
    queue: SyncSender<Taken>,
    shared: Arc<Shared>,
}

/// The state that the thread and its readers share.
#[derive(Debug, Default)]
struct Shared {
    has_stopped: AtomicBool,
    /// The reason for stopping.
    why: OnceLock<String>,
    cases: AtomicU64,
    bytes: AtomicU64,
    skipped: [AtomicU64; Skipped::ALL.len()],
    accepted: AtomicU64,
    /// The number of accepted exchanges that were written or dropped.
    settled: Mutex<u64>,
    done: Condvar,
}

impl Recorder {
    /// Opens the directory and starts the thread. `run` distinguishes this process from others.
    pub(crate) fn start(directory: &Path, run: &str) -> std::io::Result<Self> {
        let (store, stock) = Store::open(directory, run)?;
        let (queue, jobs) = sync_channel(MOST_WAITING);
        let shared = Arc::new(Shared::default());
        shared.cases.store(stock.cases, Ordering::Relaxed);
        shared.bytes.store(stock.bytes, Ordering::Relaxed);
        tracing::warn!(
            directory = %directory.display(),
            cases = stock.cases,
            bytes = stock.bytes,
            "exchanges are recorded: bodies whole, credentials masked, at most {MOST_CASES} cases or {} MiB", MOST_BYTES >> 20
        );
        if let Some(why) = full(stock) {
            shared.stop(&why);
        }
        let writer = Writer {
            store,
            shared: Arc::clone(&shared),
        };
        std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || writer.run(&jobs))?;
        Ok(Self {
            directory: directory.to_owned(),
            budget: Budget::new(MOST_HELD),
            queue,
            shared,
        })
    }

    /// The memory budget for tapes; `None` once recording has stopped.
    pub(super) fn budget(&self) -> Option<&Arc<Budget>> {
        let stopped = self.shared.has_stopped.load(Ordering::Relaxed);
        (!stopped).then_some(&self.budget)
    }

    /// Accepts an exchange to be written. Never waits.
    pub(super) fn take(&self, taken: Taken) {
        if self.budget().is_none() {
            return;
        }
        self.shared.accepted.fetch_add(1, Ordering::Relaxed);
        if self.queue.try_send(taken).is_err() {
            self.shared.skip(Skipped::Dropped);
            self.shared.settle();
        }
    }

    /// Counts an exchange that is not recorded.
    pub(crate) fn skip(&self, why: Skipped) {
        if self.budget().is_some() {
            self.shared.skip(why);
        }
    }

    /// The state of recording, for `/status`.
    pub(crate) fn status(&self) -> Value {
        let shared = &self.shared;
        let skipped = Skipped::ALL.iter().zip(&shared.skipped);
        let skipped: serde_json::Map<String, Value> = skipped
            .map(|(why, count)| {
                (
                    why.as_str().to_owned(),
                    count.load(Ordering::Relaxed).into(),
                )
            })
            .collect();
        json!({
            "directory": self.directory.display().to_string(),
            "cases": shared.cases.load(Ordering::Relaxed),
            "bytes": shared.bytes.load(Ordering::Relaxed),
            "skipped": skipped,
            "stopped": shared.why.get(),
        })
    }

    /// Waits until every exchange accepted so far is written or dropped, but at most for `patience`.
    pub(crate) fn flush(&self, patience: Duration) {
        let until = self.shared.accepted.load(Ordering::Relaxed);
        let settled = self.shared.settled();
        let waiting = self
            .shared
            .done
            .wait_timeout_while(settled, patience, |settled| *settled < until);
        let lost = waiting
            .unwrap_or_else(PoisonError::into_inner)
            .1
            .timed_out();
        if lost {
            tracing::warn!("the disk is slow: the last exchanges are not recorded");
        }
    }
}

impl Shared {
    fn settled(&self) -> MutexGuard<'_, u64> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self) {
        *self.settled() += 1;
        self.done.notify_all();
    }

    fn skip(&self, why: Skipped) {
        let place = Skipped::ALL.iter().position(|one| *one == why);
        if let Some(count) = place.and_then(|place| self.skipped.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Stops recording; logged once.
    fn stop(&self, why: &str) {
        if !self.has_stopped.swap(true, Ordering::Relaxed) {
            tracing::warn!(%why, "recording has stopped; the traffic goes on");
            // This is the only place that sets it.
            let _ = self.why.set(why.to_owned());
        }
    }
}

/// The writer thread.
struct Writer {
    store: Store,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Taken>) {
        while let Ok(taken) = jobs.recv() {
            if !self.shared.has_stopped.load(Ordering::Relaxed) {
                self.write(&taken);
            }
            drop(taken);
            self.shared.settle();
        }
    }

    fn write(&mut self, taken: &Taken) {
        let case = match recorded(taken) {
            Ok(case) => case,
            Err(why) => return self.shared.skip(why),
        };
        let shared = &self.shared;
        let stock = Stock {
            cases: shared.cases.load(Ordering::Relaxed),
            bytes: shared.bytes.load(Ordering::Relaxed) + case.file.len() as u64,
        };
        if stock.bytes > MOST_BYTES {
            return shared.stop(&format!("there are {} MiB of cases", MOST_BYTES >> 20));
        }
        match self.store.put(&case) {
            Ok(()) => {
                let stock = Stock {
                    cases: stock.cases + 1,
                    ..stock
                };
                shared.cases.store(stock.cases, Ordering::Relaxed);
                shared.bytes.store(stock.bytes, Ordering::Relaxed);
                if let Some(why) = full(stock) {
                    shared.stop(&why);
                }
            }
            Err(error) => shared.stop(&format!("a case cannot be written: {error}")),
        }
    }
}

/// The limit that prevents further cases, if one is reached.
fn full(stock: Stock) -> Option<String> {
    if stock.cases >= MOST_CASES {
        Some(format!("there are {} cases", stock.cases))
    } else if stock.bytes >= MOST_BYTES {
        Some(format!("there are {} MiB of cases", MOST_BYTES >> 20))
    } else {
        None
    }
}

/// The most cases in the directory, including those of earlier starts.
const MOST_CASES: u64 = 1000;
/// The most bytes of these cases.
const MOST_BYTES: u64 = 256 << 20;
/// The most exchanges that wait to be written.
const MOST_WAITING: usize = 256;
/// The most bytes of exchanges that are running or wait to be written.
const MOST_HELD: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::recorded::ClientResult;
    use crate::exchange::tape::tests::passed;

    fn taken(recorder: &Recorder, text: &[u8]) -> Taken {
        let tape = passed(recorder.budget().expect("it records"), text);
        Taken {
            tape: Box::new(tape),
            result: ClientResult::Answer,
            secrets: Vec::new(),
            request_id: "req".to_owned(),
            at: 1,
        }
    }

    fn put(path: &Path, bytes: u64) {
        let file = std::fs::File::create(path).expect("a file");
        file.set_len(bytes).expect("a hole");
    }

    #[test]
    fn what_is_taken_is_written_and_its_memory_given_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let recorder = Recorder::start(dir.path(), "run").expect("it starts");
        recorder.take(taken(&recorder, b"data: {}\n\n"));
        recorder.take(taken(&recorder, b"data: {}\n=== facts\n"));
        recorder.skip(Skipped::Vendor);
        recorder.flush(Duration::from_mins(1));
        let status = recorder.status();
        assert_eq!(status["cases"], 1);
        assert_eq!(status["skipped"]["unwritable"], 1);
        assert_eq!(status["skipped"]["vendor"], 1);
        assert_eq!(status["stopped"], Value::Null);
        assert_eq!(recorder.budget.held(), 0);
        let files = std::fs::read_dir(dir.path().join("passthrough")).expect("there");
        assert_eq!(files.count(), 1);
    }

    #[test]
    fn it_stops_at_the_last_case_and_counts_those_of_earlier() {
        let dir = tempfile::tempdir().expect("a directory");
        drop(Recorder::start(dir.path(), "before").expect("it starts"));
        for number in 0..MOST_CASES - 1 {
            put(&dir.path().join(format!("translate/{number}.txt")), 1);
        }
        let recorder = Recorder::start(dir.path(), "run").expect("it starts");
        assert_eq!(recorder.status()["stopped"], Value::Null);
        recorder.take(taken(&recorder, b"data: {}\n\n"));
        recorder.flush(Duration::from_mins(1));
        assert_eq!(recorder.status()["stopped"], "there are 1000 cases");
        assert!(recorder.budget().is_none());
        let again = Recorder::start(dir.path(), "next").expect("it starts");
        assert!(again.budget().is_none(), "it is full from the start");
    }

    #[test]
    fn it_stops_before_there_are_too_many_bytes() {
        let dir = tempfile::tempdir().expect("a directory");
        drop(Recorder::start(dir.path(), "before").expect("it starts"));
        put(&dir.path().join("translate/large.txt"), MOST_BYTES - 10);
        let recorder = Recorder::start(dir.path(), "run").expect("it starts");
        recorder.take(taken(&recorder, b"data: {}\n\n"));
        recorder.flush(Duration::from_mins(1));
        assert_eq!(recorder.status()["stopped"], "there are 256 MiB of cases");
        let files = std::fs::read_dir(dir.path().join("passthrough")).expect("there");
        assert_eq!(files.count(), 0);
    }

    #[test]
    fn a_directory_that_goes_away_stops_it_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let recorder = Recorder::start(dir.path(), "run").expect("it starts");
        std::fs::remove_dir_all(dir.path().join("passthrough")).expect("there");
        recorder.take(taken(&recorder, b"data: {}\n\n"));
        recorder.flush(Duration::from_mins(1));
        let status = recorder.status();
        let stopped = status["stopped"].as_str().expect("it has stopped");
        assert!(
            stopped.starts_with("a case cannot be written: "),
            "{stopped}"
        );
    }
}
