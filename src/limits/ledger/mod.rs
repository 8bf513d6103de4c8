//! The ledger: a file from which the totals of the day and the month are restored after a restart, and beside it one
//! file per month that records who used what on which day ([`report`]).
//!
//! Requests add to a small map; once a second a thread writes its content as lines. No request waits for the disk or
//! fails because of it: what cannot be written is kept and tried again. Nothing is synced to the disk: a crash of the
//! process loses at most a second, a crash of the machine loses what its operating system had not written yet.
mod attribution;
mod csv;
mod file;
mod history;
mod lines;
mod month;
mod notes;

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use ahash::HashMap;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use prometheus::IntCounter;

use super::{Limits, Totals, Used};
use crate::config;
use file::LedgerFile;
use history::{Bounds, Days, History};
use lines::{Began, Entry, Owner, QUARTER, quarter, seconds};
use notes::{Line, NotesFile};

pub use attribution::{Attribution, Dimension};
pub use csv::{csv, figures};
pub use history::{Row, directory, first_day, report};
pub use notes::{Kind, Note, Notes, mark};

/// A handle to the ledger. Dropping it writes what is pending (for at most `LINGER`) and ends the thread.
#[derive(Debug)]
pub struct Ledger {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// The writer thread waits here.
    work: Condvar,
    /// Callers of [`Ledger::flush`] wait here.
    done: Condvar,
    failures: IntCounter,
}

/// Locked only while a request is added or the maps are taken.
#[derive(Debug, Default)]
struct State {
    /// By owner and quarter of an hour, so that no entry spans two days.
    pending: HashMap<(Owner, u64), Entry>,
    /// The same use for the history, with the full attribution.
    history: HashMap<(Attribution, u64), Totals>,
    /// Notes of what is to be booked later, and of what no longer is.
    notes: Vec<Line>,
    /// The number of requests that were ever recorded.
    accepted: u64,
    /// The number of those that have been written.
    written: u64,
    /// Whether the writer is to write at once.
    urgent: bool,
    closed: bool,
}

impl Ledger {
    /// Opens the ledger, adds what it remembers to the totals of `limits`, and starts its thread. Days and months begin
    /// as in `limits`. `failures` counts failed writes.
    pub fn open(
        settings: &config::Ledger,
        limits: &Limits,
        failures: IntCounter,
        wall: SystemTime,
    ) -> io::Result<Self> {
        let zone = limits.zone().clone();
        let began = Began::of(wall, &zone);
        let (file, sums) = LedgerFile::open(&settings.path, settings.max_size, began)?;
        if sums.corrupt > 0 {
            let (path, lines) = (settings.path.display(), sums.corrupt);
            tracing::warn!(%path, lines, "the ledger holds lines that are none: they are left out");
        }
        sums.restore(limits, wall);
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            failures,
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
            file,
            history: History::new(
                &settings.path,
                Bounds {
                    keep: settings.keep,
                    max_size: settings.max_history,
                },
            ),
            notes: NotesFile::open(&settings.path, seconds(wall))?,
            zone,
            is_failing: false,
        };
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self { shared })
    }

    /// Records what one request used. `project` is the project whose limits the request was under. Never waits for I/O.
    pub fn record(
        &self,
        who: Attribution,
        project: Option<&Arc<str>>,
        used: &Used,
        wall: SystemTime,
    ) {
        let totals = Totals {
            requests: 1,
            usage: used.usage,
            nano_usd: used.nano_usd,
        };
        let entry = Entry {
            whose: Owner {
                key: Arc::clone(&who.key),
                group: who.group.clone(),
                project: project.cloned(),
            },
            time: seconds(wall),
            totals,
        };
        let mut state = self.shared.state();
        let first = state.pending.is_empty();
        state.accepted += 1;
        let place = (who, quarter(entry.time));
        if !(state.add(entry) && state.add_history(place, &totals)) {
            self.shared.failures.inc();
        }
        drop(state);
        if first {
            self.shared.work.notify_one();
        }
    }

    /// Records that something is to be booked later, or replaces what is known about it. Never waits for I/O.
    pub fn note(&self, note: Note) {
        self.write_down(Line::Note {
            note: Box::new(note),
        });
    }

    /// Nothing more is to be booked for this id.
    pub fn done(&self, id: &str) {
        self.write_down(Line::Done {
            done: id.to_owned(),
            time: 0,
        });
    }

    fn write_down(&self, line: Line) {
        let mut state = self.shared.state();
        if state.notes.len() < MAX_PENDING {
            state.notes.push(line);
            state.accepted += 1;
        }
        drop(state);
        self.shared.work.notify_one();
    }

    /// Waits until everything recorded so far is written; `false` if that takes longer than `patience`.
    pub fn flush(&self, patience: Duration) -> bool {
        let mut state = self.shared.state();
        let until = state.accepted;
        state.urgent = true;
        self.shared.work.notify_one();
        let waited = self
            .shared
            .done
            .wait_timeout_while(state, patience, |state| state.written < until);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        self.shared.work.notify_one();
        // The writer writes at once. If it hangs on its disk, it is abandoned.
        let _ = self
            .shared
            .done
            .wait_timeout_while(state, LINGER, |state| state.written < state.accepted);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds an entry. `false` = there is no room, because the disk has accepted nothing for days.
    fn add(&mut self, entry: Entry) -> bool {
        let place = (entry.whose.clone(), quarter(entry.time));
        if let Some(known) = self.pending.get_mut(&place) {
            known.totals.add(&entry.totals);
            known.time = known.time.max(entry.time);
            return true;
        }
        let room = self.pending.len() < MAX_PENDING;
        if room {
            self.pending.insert(place, entry);
        }
        room
    }

    /// The same as [`State::add`], for the history.
    fn add_history(&mut self, place: (Attribution, u64), totals: &Totals) -> bool {
        let room = self.history.len() < MAX_PENDING || self.history.contains_key(&place);
        if room {
            self.history.entry(place).or_default().add(totals);
        }
        room
    }
}

/// What one pass of the thread writes.
struct Batch {
    entries: Vec<Entry>,
    history: HashMap<(Attribution, u64), Totals>,
    notes: Vec<Line>,
    /// The number of requests that had been accepted by then.
    accepted: u64,
    closed: bool,
}

/// The writer thread.
struct Writer {
    shared: Arc<Shared>,
    file: LedgerFile,
    history: History,
    notes: NotesFile,
    zone: TimeZone,
    /// Whether the last write failed and the failure was logged.
    is_failing: bool,
}

impl Writer {
    fn run(mut self) {
        let mut last_write = None;
        loop {
            let batch = self.collect(last_write);
            let complete = batch.entries.is_empty() || self.write(batch.entries);
            let remembered = self.remember(batch.history);
            let noted = self.write_notes(batch.notes);
            last_write = Some(Instant::now());
            if complete && remembered && noted {
                self.shared.state().written = batch.accepted;
            }
            self.shared.done.notify_all();
            if batch.closed {
                return;
            }
        }
    }

    /// Waits until there is something to write and the interval is over, and takes it.
    fn collect(&self, last_write: Option<Instant>) -> Batch {
        let Shared { work, .. } = &*self.shared;
        let nothing = |state: &mut State| {
            let idle = state.pending.is_empty() && state.history.is_empty();
            idle && state.notes.is_empty() && !state.closed && !state.urgent
        };
        let mut state = work
            .wait_while(self.shared.state(), nothing)
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(rest) = last_write.and_then(|last| INTERVAL.checked_sub(last.elapsed())) {
            let patient = |state: &mut State| !state.urgent && !state.closed;
            let waited = work.wait_timeout_while(state, rest, patient);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.urgent = false;
        Batch {
            entries: std::mem::take(&mut state.pending).into_values().collect(),
            history: std::mem::take(&mut state.history),
            notes: std::mem::take(&mut state.notes),
            accepted: state.accepted,
            closed: state.closed,
        }
    }

    /// Writes notes. `false` = not all of them were written.
    fn write_notes(&mut self, lines: Vec<Line>) -> bool {
        let Err(error) = self.notes.append(lines, seconds(SystemTime::now())) else {
            return true;
        };
        self.shared.failures.inc();
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::error!(%error, "what is to be booked later cannot be written down: it is kept in memory and tried again");
        }
        false
    }

    /// Adds to the history. What cannot be written is kept for the next time. `false` = not all of it was written.
    fn remember(&mut self, used: HashMap<(Attribution, u64), Totals>) -> bool {
        let mut days = Days::new();
        for ((who, quarter), totals) in used {
            let began = i64::try_from(quarter * QUARTER).unwrap_or(i64::MAX);
            let moment = Timestamp::from_second(began).unwrap_or(Timestamp::MAX);
            let day = moment.to_zoned(self.zone.clone()).date();
            days.entry(day).or_default().push((who, totals));
        }
        let Err((rest, error)) = self.history.append(days) else {
            return true;
        };
        self.shared.failures.inc();
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::error!(%error, "the history of the ledger cannot be written: what clients use is kept in memory and tried again");
        }
        let mut state = self.shared.state();
        for (day, sums) in rest {
            let began = day.to_zoned(self.zone.clone());
            let began = began.map_or(0, |began| began.timestamp().as_second());
            let quarter = quarter(u64::try_from(began).unwrap_or(0));
            for (who, totals) in sums {
                state.add_history((who, quarter), &totals);
            }
        }
        false
    }

    /// Writes entries. What cannot be written is kept for the next time. `false` = not all of it was written.
    fn write(&mut self, entries: Vec<Entry>) -> bool {
        let mut lines = Vec::with_capacity(entries.len() * TYPICAL_LINE);
        let entries: Vec<(Entry, usize)> = entries
            .into_iter()
            .map(|entry| {
                entry.write(&mut lines);
                (entry, lines.len())
            })
            .collect();
        let (written, fault) = self.file.append(&lines);
        if let Some(error) = fault {
            self.shared.failures.inc();
            if !self.is_failing {
                tracing::error!(%error, "the ledger cannot be written: what clients use is kept in memory and tried again");
            }
            self.is_failing = true;
            let mut state = self.shared.state();
            for entry in unwritten(entries, written) {
                state.add(entry);
            }
            return false;
        }
        if std::mem::take(&mut self.is_failing) {
            tracing::info!("the ledger can be written again");
        }
        if self.file.is_long() {
            self.shorten();
        }
        true
    }

    fn shorten(&mut self) {
        let began = Began::of(SystemTime::now(), &self.zone);
        if let Err(error) = self.file.shorten(began) {
            self.shared.failures.inc();
            tracing::warn!(%error, "the ledger cannot be read, and grows on");
        }
    }
}

/// The entries that are not in the file when `written` bytes are; each entry comes with the end of its line. A line
/// that lacks only its line end counts as written: the next writer adds the end.
fn unwritten(entries: Vec<(Entry, usize)>, written: usize) -> impl Iterator<Item = Entry> {
    let rest = entries
        .into_iter()
        .filter(move |(_, end)| *end > written + 1);
    rest.map(|(entry, _)| entry)
}

/// The shortest time between two writes.
const INTERVAL: Duration = Duration::from_secs(1);

/// The most entries (owners and quarters of an hour) that are kept while the disk accepts nothing.
const MAX_PENDING: usize = 200_000;

/// How long dropping the ledger waits for what is pending. A test waits as long as it takes.
const LINGER: Duration = Duration::from_secs(if cfg!(test) { 60 } else { 1 });

/// The usual bytes of a line.
const TYPICAL_LINE: usize = 200;

#[cfg(test)]
mod tests;
