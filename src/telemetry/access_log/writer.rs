//! The thread that writes the access log, so that no request waits for a disk or a pipe, or fails because of one.
//!
//! Requests append to a bounded buffer; the thread takes the whole buffer and writes it at once, at most every
//! [`INTERVAL`] under load. Lines that do not fit into the buffer, or that cannot be written, are dropped, counted, and
//! reported once per [`REPORT_INTERVAL`]. Every batch is a new attempt, so the log recovers by itself.
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use prometheus::IntCounter;

use crate::config;
use crate::outcome::Outcome;

/// A handle to the log. Dropping it waits a limited time for pending lines and ends the thread.
#[derive(Debug)]
pub struct AccessLog {
    shared: Arc<Shared>,
    target: Mutex<config::AccessLog>,
}

impl AccessLog {
    /// Opens the log and starts its thread. `dropped` counts the lost lines.
    pub fn start(target: &config::AccessLog, dropped: IntCounter) -> io::Result<Self> {
        let log = Self {
            target: Mutex::new(target.clone()),
            shared: Arc::new(Shared {
                enabled: AtomicBool::new(false),
                state: Mutex::default(),
                work: Condvar::new(),
                done: Condvar::new(),
                losses: Mutex::new(Losses {
                    dropped,
                    unreported: 0,
                    reported: None,
                }),
            }),
        };
        log.reopen()?;
        let writer = Writer {
            shared: Arc::clone(&log.shared),
            sink: Sink::Nowhere,
            batch: Vec::new(),
            torn: false,
        };
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run())?;
        Ok(log)
    }

    /// Changes the target of the log. On an error the target stays the same.
    pub fn open(&self, target: &config::AccessLog) -> io::Result<()> {
        let mut current = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        self.point(Sink::open(target)?);
        current.clone_from(target);
        Ok(())
    }

    /// Reopens the same file, after it was rotated. On an error the log keeps its open file.
    pub fn reopen(&self) -> io::Result<()> {
        let current = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        self.point(Sink::open(&current)?);
        Ok(())
    }

    /// Logs one request. Never waits for I/O.
    pub fn record(&self, outcome: &Outcome, now: SystemTime) {
        if !self.shared.enabled.load(Ordering::Relaxed) {
            return;
        }
        let mut line = Vec::with_capacity(TYPICAL_LINE);
        super::line(outcome, now, &mut line);
        self.shared.push(&line);
    }

    /// Waits until everything recorded so far is written or lost; `false` = that takes longer than `patience`.
    pub fn flush(&self, patience: Duration) -> bool {
        let mut state = self.shared.state();
        let until = state.accepted;
        state.urgent = true;
        self.shared.work.notify_one();
        let waited = self
            .shared
            .done
            .wait_timeout_while(state, patience, |state| state.settled < until);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn point(&self, sink: Sink) {
        let enabled = matches!(sink, Sink::File(_));
        self.shared.enabled.store(enabled, Ordering::Relaxed);
        self.shared.state().reopened = Some(sink);
        self.shared.work.notify_one();
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush(LINGER);
        self.shared.state().closed = true;
        self.shared.work.notify_one();
    }
}

#[derive(Debug)]
struct Shared {
    /// Whether lines are wanted at all.
    enabled: AtomicBool,
    state: Mutex<State>,
    /// The writer waits here.
    work: Condvar,
    /// Callers of `flush` wait here.
    done: Condvar,
    losses: Mutex<Losses>,
}

/// The lock is only held while a line is copied or a buffer is swapped.
#[derive(Debug, Default)]
struct State {
    pending: Vec<u8>,
    /// The number of lines that were ever added to `pending`.
    accepted: u64,
    /// The number of those lines that are written or lost.
    settled: u64,
    /// Whether the writer waits for work and must be notified.
    idle: bool,
    /// Whether the writer shall write at once.
    urgent: bool,
    closed: bool,
    /// The target to write to from now on.
    reopened: Option<Sink>,
}

#[derive(Debug)]
enum Sink {
    File(File),
    Nowhere,
}

impl Sink {
    fn open(target: &config::AccessLog) -> io::Result<Self> {
        Ok(match target {
            // The file is not world-readable, because it names clients and what they use.
            config::AccessLog::File(path) => Self::File(
                OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(0o640)
                    .open(path)?,
            ),
            config::AccessLog::Off => Self::Nowhere,
            // A duplicated descriptor, because std's handle takes a lock, and hides that standard output is closed.
            config::AccessLog::Stdout => {
                Self::File(File::from(io::stdout().as_fd().try_clone_to_owned()?))
            }
        })
    }
}

/// Counts the lost lines, and reports them from time to time.
#[derive(Debug)]
struct Losses {
    dropped: IntCounter,
    unreported: u64,
    reported: Option<Instant>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.state();
        if state.pending.len() + line.len() > MAX_PENDING {
            drop(state);
            self.lose(1, "it is written too slowly");
            return;
        }
        state.pending.extend_from_slice(line);
        state.accepted += 1;
        let full = state.pending.len() >= BATCH && !state.urgent;
        let call = state.idle || full;
        state.urgent |= full;
        state.idle = false;
        drop(state);
        if call {
            self.work.notify_one();
        }
    }

    fn lose(&self, lines: u64, why: impl std::fmt::Display) {
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.dropped.inc_by(lines);
        losses.unreported += lines;
        let recently = |reported: Instant| reported.elapsed() < REPORT_INTERVAL;
        if losses.reported.is_some_and(recently) {
            return;
        }
        losses.reported = Some(Instant::now());
        let lines = std::mem::take(&mut losses.unreported);
        drop(losses);
        tracing::warn!(lines, error = %why, "the access log loses lines");
    }

    /// Writes as much as possible; returns the number of bytes, and the error if that was not everything.
    fn write(&self, mut file: &File, bytes: &[u8]) -> (usize, Option<io::Error>) {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match file.write(rest) {
                Ok(0) => return (written, Some(io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Someone has made the pipe non-blocking. This thread may wait, until the log is closed.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !self.state().closed => {
                    std::thread::sleep(RETRY);
                }
                Err(error) => return (written, Some(error)),
            }
        }
        (written, None)
    }
}

/// The writing thread.
struct Writer {
    shared: Arc<Shared>,
    sink: Sink,
    batch: Vec<u8>,
    /// Whether the file ends with an incomplete line.
    torn: bool,
}

impl Writer {
    fn run(mut self) {
        let mut last_write = None;
        loop {
            let (accepted, closed) = self.collect(last_write);
            if !self.batch.is_empty() {
                self.write();
                self.batch.clear();
                self.batch.shrink_to(2 * BATCH);
                last_write = Some(Instant::now());
            }
            self.shared.state().settled = accepted;
            self.shared.done.notify_all();
            if closed {
                return;
            }
        }
    }

    /// Waits for lines, and takes them. Returns how many lines had been accepted by then, and whether the log is
    /// closed.
    fn collect(&mut self, last_write: Option<Instant>) -> (u64, bool) {
        let Shared { work, .. } = &*self.shared;
        let mut state = self.shared.state();
        state.idle = true;
        let nothing = |state: &mut State| {
            state.pending.is_empty() && state.reopened.is_none() && !state.closed
        };
        state = work
            .wait_while(state, nothing)
            .unwrap_or_else(PoisonError::into_inner);
        state.idle = false;
        // Under load, there is one write per interval instead of one per line.
        if let Some(rest) = last_write.and_then(|last| INTERVAL.checked_sub(last.elapsed())) {
            let patient =
                |state: &mut State| !state.urgent && !state.closed && state.reopened.is_none();
            let waited = work.wait_timeout_while(state, rest, patient);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if let Some(sink) = state.reopened.take() {
            self.sink = sink;
            self.torn = false;
        }
        state.urgent = false;
        std::mem::swap(&mut state.pending, &mut self.batch);
        (state.accepted, state.closed)
    }

    /// Writes the batch; lines that cannot be written are lost.
    fn write(&mut self) {
        let Sink::File(file) = &self.sink else { return };
        let (mut written, mut fault) = (0, None);
        if self.torn {
            // The next line must not continue the incomplete one.
            fault = self.shared.write(file, b"\n").1;
        }
        if fault.is_none() {
            (written, fault) = self.shared.write(file, &self.batch);
        }
        let (out, rest) = self.batch.split_at(written);
        if let Some(last) = out.last() {
            self.torn = *last != b'\n';
        }
        if let Some(fault) = fault {
            let lines = memchr::memchr_iter(b'\n', rest).count() as u64;
            self.shared.lose(lines, fault);
        }
    }
}

/// Longest wait of a line under load.
const INTERVAL: Duration = Duration::from_millis(100);

/// A batch of this many bytes is written without waiting for the end of the interval.
const BATCH: usize = 64 * 1024;

/// Most bytes that wait for a log that cannot be written: a few thousand requests. The same amount may be in the batch
/// that is being written.
const MAX_PENDING: usize = 4 * 1024 * 1024;

/// The time between two attempts to write to a full non-blocking pipe.
const RETRY: Duration = Duration::from_millis(10);

/// Losses are reported at most this often.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);

/// How long dropping the log waits for pending lines.
const LINGER: Duration = Duration::from_secs(1);

/// Typical size of a line without failovers, in bytes.
const TYPICAL_LINE: usize = 1024;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::os::fd::OwnedFd;
    use std::path::Path;

    use super::*;
    use crate::telemetry::samples::answered;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn start(target: &config::AccessLog) -> (AccessLog, IntCounter) {
        let dropped = IntCounter::new("dropped", "lines").expect("a counter");
        let log = AccessLog::start(target, dropped.clone()).expect("a log");
        (log, dropped)
    }

    fn file(path: &Path) -> config::AccessLog {
        config::AccessLog::File(path.to_owned())
    }

    fn record(log: &AccessLog, lines: usize) {
        for _ in 0..lines {
            log.record(&answered(), SystemTime::UNIX_EPOCH);
        }
    }

    #[track_caller]
    fn whole_lines(text: &str) -> usize {
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("a whole line");
        }
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().count()
    }

    #[test]
    fn lines_reach_a_file_in_order() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("access.log");
        let (log, dropped) = start(&file(&path));
        for number in 0..500 {
            let mut outcome = answered();
            outcome.route = Some(number);
            log.record(&outcome, SystemTime::UNIX_EPOCH);
        }
        assert!(log.flush(PATIENCE));
        let text = fs::read_to_string(&path).expect("a file");
        assert_eq!(whole_lines(&text), 500);
        for (number, line) in text.lines().enumerate() {
            assert!(line.contains(&format!("\"route\":{number},")), "{line}");
        }
        assert_eq!(dropped.get(), 0);
    }

    #[test]
    fn dropping_the_log_writes_what_is_pending() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("access.log");
        let (log, _) = start(&file(&path));
        record(&log, 100);
        drop(log);
        assert_eq!(
            whole_lines(&fs::read_to_string(&path).expect("a file")),
            100
        );
    }

    #[test]
    fn many_threads_at_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("access.log");
        let (log, _) = start(&file(&path));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| record(&log, 250));
            }
        });
        assert!(log.flush(PATIENCE));
        assert_eq!(
            whole_lines(&fs::read_to_string(&path).expect("a file")),
            1000
        );
    }

    #[test]
    fn a_full_disk_loses_lines_and_nothing_else() {
        let (log, dropped) = start(&file(Path::new("/dev/full")));
        record(&log, 10);
        assert!(log.flush(PATIENCE));
        assert_eq!(dropped.get(), 10);

        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("access.log");
        log.open(&file(&path)).expect("a file");
        record(&log, 10);
        assert!(log.flush(PATIENCE));
        assert_eq!(whole_lines(&fs::read_to_string(&path).expect("a file")), 10);
        assert_eq!(dropped.get(), 10);
    }

    #[test]
    fn a_slow_consumer_loses_lines_but_gets_whole_ones() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let (log, dropped) = start(&config::AccessLog::Off);
        log.point(Sink::File(File::from(OwnedFd::from(writer))));
        let lines = 3 * MAX_PENDING / 500;
        // Nobody reads the pipe; the call returns nevertheless.
        record(&log, lines);
        assert!(dropped.get() > 0);
        assert!(!log.flush(Duration::ZERO));

        let text = std::thread::scope(|scope| {
            let reading = scope.spawn(move || {
                let mut text = String::new();
                reader.read_to_string(&mut text).map(|_| text)
            });
            assert!(log.flush(PATIENCE));
            // The log has recovered by itself.
            record(&log, 1);
            drop(log);
            reading.join().expect("a reader").expect("text")
        });
        assert_eq!(whole_lines(&text) as u64 + dropped.get(), lines as u64 + 1);
    }

    #[test]
    fn a_closed_pipe_loses_lines_and_nothing_else() {
        let (reader, writer) = io::pipe().expect("a pipe");
        let (log, dropped) = start(&config::AccessLog::Off);
        log.point(Sink::File(File::from(OwnedFd::from(writer))));
        drop(reader);
        record(&log, 5);
        assert!(log.flush(PATIENCE));
        assert_eq!(dropped.get(), 5);
    }

    #[test]
    fn a_rotated_file_is_opened_anew() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, old) = (
            directory.path().join("access.log"),
            directory.path().join("access.log.1"),
        );
        let (log, _) = start(&file(&path));
        record(&log, 1);
        assert!(log.flush(PATIENCE));
        fs::rename(&path, &old).expect("rotated");
        log.reopen().expect("opened");
        record(&log, 2);
        assert!(log.flush(PATIENCE));
        assert_eq!(whole_lines(&fs::read_to_string(&old).expect("a file")), 1);
        assert_eq!(whole_lines(&fs::read_to_string(&path).expect("a file")), 2);
    }

    #[test]
    fn a_log_that_cannot_be_opened_stays_where_it_was() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("access.log");
        let (log, dropped) = start(&file(&path));
        assert!(
            log.open(&file(&directory.path().join("missing/access.log")))
                .is_err()
        );
        record(&log, 1);
        log.reopen().expect("the old one");
        assert!(log.flush(PATIENCE));
        assert_eq!(whole_lines(&fs::read_to_string(&path).expect("a file")), 1);
        assert_eq!(dropped.get(), 0);
        assert!(AccessLog::start(&file(directory.path()), dropped).is_err());
    }

    #[test]
    fn off_is_off() {
        let (log, dropped) = start(&config::AccessLog::Off);
        record(&log, 5);
        assert!(log.flush(PATIENCE));
        assert_eq!((log.shared.state().accepted, dropped.get()), (0, 0));
    }

    #[test]
    fn half_a_line_is_not_continued() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("access.log");
        let (log, _) = start(&config::AccessLog::Off);
        let mut writer = Writer {
            shared: Arc::clone(&log.shared),
            sink: Sink::open(&file(&path)).expect("a file"),
            batch: b"{\"half".to_vec(),
            torn: false,
        };
        writer.write();
        assert!(writer.torn);
        writer.batch = b"{}\n".to_vec();
        writer.write();
        assert!(!writer.torn);
        assert_eq!(fs::read_to_string(&path).expect("a file"), "{\"half\n{}\n");
    }
}
