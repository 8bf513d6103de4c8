//! What is to be booked later, across restarts: a file beside the ledger with one line for each object that an account
//! keeps for a key.
//!
//! ```text
//! {"note":{"id":"resp_1","kind":"response","key":"team-a","account":"a","model":"gpt-5",…}}
//! {"done":"resp_1","time":1794312000}
//! ```
//!
//! A later line about an id replaces an earlier one. Another process that uses the same file sees the line, too.
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::attribution::Attribution;
use super::file::AppendFile;
use super::lines;
use crate::protocol::hub::units::Units;
use crate::protocol::hub::usage::Usage;

/// One object that lives at an account: who owns it, and what is still to be booked for it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Note {
    /// The vendor's id of the object.
    pub id: String,
    /// The kind of object.
    pub kind: Kind,
    /// The key that created the object.
    pub key: Arc<str>,
    /// The group of that key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Arc<str>>,
    /// The project to which the use is attributed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Arc<str>>,
    /// The upstream's name of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Arc<str>>,
    /// The account that keeps the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Arc<str>>,
    /// The project whose limits apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited: Option<Arc<str>>,
    /// The model name that the client used.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub asked: String,
    /// Tokens that are booked if the real use never becomes known.
    #[serde(default)]
    pub estimate: u64,
    /// The same of a video, milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub video_ms: u64,
    /// The size of a video, as its vendor writes it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub size: String,
    /// Billionths of a dollar that are reserved until the use is booked.
    #[serde(default)]
    pub held_nano_usd: u64,
    /// The number of result lines that are already booked.
    #[serde(default)]
    pub booked: u64,
    /// Seconds since the epoch; 0 = not written down yet.
    pub since: u64,
}

/// What a note is about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A response that is generated in the background.
    Response,
    /// A video that is made.
    Video,
    /// A batch, or a file with the results of one.
    Batch,
    /// An object of which only its account matters: a client's file, or a response that is already booked.
    Place,
}

impl Kind {
    /// How long a note is kept, in seconds. Vendors keep the results of batches for a month.
    const fn life(self) -> u64 {
        match self {
            Self::Response | Self::Video => 48 * 3600,
            Self::Batch | Self::Place => 31 * 24 * 3600,
        }
    }
}

impl Note {
    /// The attribution of the use.
    pub fn who(&self) -> Attribution {
        Attribution {
            key: Arc::clone(&self.key),
            group: self.group.clone(),
            project: self.project.clone(),
            model: self.model.clone(),
            account: self.account.clone(),
        }
    }

    /// A note about a new object of `who`.
    pub fn new(id: &str, kind: Kind, who: &Attribution) -> Self {
        let who = who.clone();
        Self {
            id: id.to_owned(),
            kind,
            key: who.key,
            group: who.group,
            project: who.project,
            model: who.model,
            account: who.account,
            limited: None,
            asked: String::new(),
            estimate: 0,
            video_ms: 0,
            size: String::new(),
            held_nano_usd: 0,
            booked: 0,
            since: 0,
        }
    }

    /// What is booked if the real use never becomes known.
    pub fn estimated(&self) -> Usage {
        Usage {
            input: self.estimate,
            units: Units {
                video_ms: self.video_ms,
                ..Units::NONE
            },
            ..Usage::default()
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A line of the file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Line {
    Note { note: Box<Note> },
    Done { done: String, time: u64 },
}

impl Line {
    /// Sets the time of a line that has none.
    fn stamp(&mut self, now: u64) {
        let time = match self {
            Self::Note { note } => &mut note.since,
            Self::Done { time, .. } => time,
        };
        if *time == 0 {
            *time = now;
        }
    }
}

/// The content of the file.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// The open notes, by id.
    pub open: HashMap<String, Note>,
    /// Ids that were booked lately, and when.
    pub done: HashMap<String, u64>,
}

impl Notes {
    /// Reads the file of the ledger at `ledger`. A missing file counts as empty.
    pub fn read(ledger: &Path, now: u64) -> io::Result<Self> {
        match File::open(beside(ledger)) {
            Ok(file) => Self::of(BufReader::new(file), now),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Reads notes from lines. Lines that are not valid are skipped.
    fn of(mut from: impl BufRead, now: u64) -> io::Result<Self> {
        let mut notes = Self::default();
        let mut line = Vec::new();
        while lines::next(&mut from, &mut line, LONGEST_LINE)? {
            match serde_json::from_slice(&line) {
                Ok(Line::Note { note }) if now < note.since.saturating_add(note.kind.life()) => {
                    if note.kind != Kind::Place {
                        notes.done.remove(&note.id);
                    }
                    notes.open.insert(note.id.clone(), *note);
                }
                Ok(Line::Done { done, time }) => {
                    notes.open.remove(&done);
                    if now < time.saturating_add(REMEMBERED) {
                        notes.done.insert(done, time);
                    }
                }
                Ok(Line::Note { .. }) | Err(_) => {}
            }
        }
        notes.bound();
        Ok(notes)
    }

    /// Keeps only the newest notes.
    fn bound(&mut self) {
        if self.open.len() > MOST {
            let mut times: Vec<u64> = self.open.values().map(|note| note.since).collect();
            times.sort_unstable_by(|one, other| other.cmp(one));
            let oldest = times.get(MOST - 1).copied().unwrap_or_default();
            self.open.retain(|_, note| note.since > oldest);
        }
    }

    fn lines(&self) -> impl Iterator<Item = Line> {
        let done = self.done.iter().map(|(id, time)| Line::Done {
            done: id.clone(),
            time: *time,
        });
        let open = self.open.values().map(|note| Line::Note {
            note: Box::new(note.clone()),
        });
        done.chain(open)
    }
}

/// The open file, for the ledger's thread.
#[derive(Debug)]
pub(super) struct NotesFile {
    file: AppendFile,
    /// Bytes of lines that have not been written yet.
    rest: Vec<u8>,
}

impl NotesFile {
    /// Opens or creates the file of the ledger at `ledger`, and rewrites it with the notes that still matter.
    pub fn open(ledger: &Path, now: u64) -> io::Result<Self> {
        let mut file = Self {
            file: AppendFile::open(&beside(ledger))?,
            rest: Vec::new(),
        };
        file.shorten(now)?;
        Ok(file)
    }

    fn shorten(&mut self, now: u64) -> io::Result<()> {
        let (_, fault) = self.file.rewrite(
            |lines| Notes::of(lines, now),
            |notes, to| {
                for line in notes.lines() {
                    let mut text = serde_json::to_vec(&line)?;
                    text.push(b'\n');
                    to.write_all(&text)?;
                }
                Ok(())
            },
        )?;
        fault.map_or(Ok(()), Err)
    }

    /// Appends lines. What cannot be written is kept for the next time.
    pub fn append(&mut self, lines: Vec<Line>, now: u64) -> io::Result<()> {
        for mut line in lines {
            line.stamp(now);
            if self.rest.len() < MOST_WAITING {
                self.rest.append(&mut serde_json::to_vec(&line)?);
                self.rest.push(b'\n');
            }
        }
        if self.rest.is_empty() {
            return Ok(());
        }
        let (written, fault) = self.file.append(&self.rest);
        // A line that was cut off is written again as a whole.
        let whole = self.rest.get(..written).unwrap_or_default();
        let ended = whole.iter().rposition(|byte| *byte == b'\n');
        self.rest.drain(..ended.map_or(0, |end| end + 1));
        if let Some(error) = fault {
            return Err(error);
        }
        if self.file.is_long(LONG) {
            self.shorten(now)?;
        }
        Ok(())
    }
}

/// Length and inode of the file: a change means that some process wrote to it. `None` = there is no file.
pub fn mark(ledger: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let found = fs::metadata(beside(ledger)).ok()?;
    Some((found.len(), found.ino()))
}

fn beside(ledger: &Path) -> PathBuf {
    let mut name: OsString = ledger.as_os_str().to_owned();
    name.push(".later");
    name.into()
}

/// The most open notes: some MiB.
const MOST: usize = 20_000;
/// The most bytes of a line; real ones have about 250.
const LONGEST_LINE: usize = 4096;
/// The most bytes that are kept while the disk accepts nothing.
const MOST_WAITING: usize = 8 << 20;
/// The bytes above which the file is rewritten.
const LONG: u64 = 1 << 20;
/// How long booked ids are remembered, in seconds: another process may be waiting for the same id.
const REMEMBERED: u64 = 3600;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_794_312_000;

    fn note(id: &str, kind: Kind, since: u64) -> Note {
        let who = Attribution {
            key: "team".into(),
            group: None,
            project: Some("p".into()),
            model: Some("gpt-5".into()),
            account: Some("a".into()),
        };
        Note {
            since,
            ..Note::new(id, kind, &who)
        }
    }

    fn line(note: Note) -> Line {
        Line::Note {
            note: Box::new(note),
        }
    }

    #[test]
    fn what_is_not_done_comes_back_until_it_is_old() {
        let directory = tempfile::tempdir().expect("a directory");
        let ledger = directory.path().join("ledger");
        let mut file = NotesFile::open(&ledger, NOW).expect("a file");
        let batch = Note {
            booked: 3,
            ..note("batch", Kind::Batch, NOW)
        };
        let lines = vec![
            line(note("r1", Kind::Response, NOW)),
            line(note("r2", Kind::Response, NOW)),
            line(note("batch", Kind::Batch, NOW)),
            Line::Done {
                done: "r1".to_owned(),
                time: NOW,
            },
            line(batch.clone()),
        ];
        file.append(lines, NOW).expect("written");
        let open = |now| {
            let notes = Notes::read(&ledger, now).expect("readable");
            let mut ids: Vec<String> = notes.open.into_keys().collect();
            ids.sort();
            (ids, notes.done.contains_key("r1"))
        };
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(open(NOW + 1), (ids(&["batch", "r2"]), true));
        assert_eq!(open(NOW + 49 * 3600), (ids(&["batch"]), false));
        assert_eq!(open(NOW + 32 * 24 * 3600), (ids(&[]), false));
        // After a rewrite it has the same content.
        drop(NotesFile::open(&ledger, NOW + 1).expect("a file"));
        assert_eq!(open(NOW + 1), (ids(&["batch", "r2"]), true));
        let notes = Notes::read(&ledger, NOW).expect("readable");
        assert_eq!(notes.open["batch"], batch);
    }

    #[test]
    fn lines_that_are_none_and_too_many_do_no_harm() {
        let mut text =
            b"{\"note\":{\"id\":\"half\n\xff\xfe\n[]\n{\"done\":\"x\",\"time\":1}\n".to_vec();
        text.extend(vec![b'x'; 3 * 4096]);
        text.push(b'\n');
        for number in 0..MOST as u64 + 10 {
            let note = line(note(&format!("r{number}"), Kind::Response, NOW + number));
            text.append(&mut serde_json::to_vec(&note).expect("a line"));
            text.push(b'\n');
        }
        let notes = Notes::of(text.as_slice(), NOW).expect("readable");
        assert!(notes.open.len() <= MOST && notes.open.len() > MOST - 10);
        assert!(!notes.open.contains_key("r0") && notes.done.is_empty());
    }
}
