//! The lines of the file, each a JSON object that adds an amount; and the sums of the lines that still matter.
//!
//! ```text
//! {"time":1794312000,"key":"team-a","group":"research","requests":3,"input":120,…,"nano_usd":5400000}
//! ```
//!
//! A line states what a key used until `time` (Unix seconds), within one day. Lines of past months no longer matter.
use std::collections::HashMap;
use std::io::{self, BufRead, Read as _, Write as _};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::limits::{Limits, Scope, Totals};
use crate::protocol::hub::units::Units;
use crate::protocol::hub::usage::Usage;

/// To whom a line belongs: the key, the group that it was in, and the project whose limits it was under.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Owner {
    /// The name of the key.
    pub key: Arc<str>,
    /// The group of the key, if it has one.
    pub group: Option<Arc<str>>,
    /// The name of the project, if there is one.
    pub project: Option<Arc<str>>,
}

/// What `whose` used until `time`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// To whom the use belongs.
    pub whose: Owner,
    /// Seconds since the epoch.
    pub time: u64,
    /// What was used until `time`.
    pub totals: Totals,
}

/// A line as it is in the file. A missing member is 0; an unknown member comes from a later version.
#[derive(Deserialize, Serialize)]
struct Line {
    time: u64,
    key: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project: Option<Arc<str>>,
    #[serde(default)]
    requests: u64,
    #[serde(default)]
    input: u64,
    #[serde(default)]
    output: u64,
    #[serde(default)]
    cache_read: u64,
    #[serde(default)]
    cache_write_5m: u64,
    #[serde(default)]
    cache_write_1h: u64,
    #[serde(default)]
    reasoning: u64,
    #[serde(default)]
    nano_usd: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    images: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    audio_ms: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    characters: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    searches: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    video_ms: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Entry {
    /// Appends the entry as a line.
    pub fn write(&self, to: &mut Vec<u8>) {
        let usage = &self.totals.usage;
        let Owner {
            key,
            group,
            project,
        } = self.whose.clone();
        let line = Line {
            time: self.time,
            key,
            group,
            project,
            requests: self.totals.requests,
            input: usage.input,
            output: usage.output,
            cache_read: usage.cache_read,
            cache_write_5m: usage.cache_write_5m,
            cache_write_1h: usage.cache_write_1h,
            reasoning: usage.reasoning,
            nano_usd: self.totals.nano_usd,
            images: usage.units.images,
            audio_ms: usage.units.audio_ms,
            characters: usage.units.characters,
            searches: usage.units.searches,
            video_ms: usage.units.video_ms,
        };
        // Neither call can fail: the line is plain data, and a `Vec` takes everything.
        let _ = serde_json::to_writer(&mut *to, &line);
        let _ = to.write_all(b"\n");
    }

    fn read(line: &[u8]) -> Option<Self> {
        let line: Line = serde_json::from_slice(line).ok()?;
        Some(Self {
            whose: Owner {
                key: line.key,
                group: line.group,
                project: line.project,
            },
            time: line.time,
            totals: Totals {
                requests: line.requests,
                usage: Usage {
                    input: line.input,
                    cache_read: line.cache_read,
                    cache_write_5m: line.cache_write_5m,
                    cache_write_1h: line.cache_write_1h,
                    output: line.output,
                    reasoning: line.reasoning,
                    units: Units {
                        images: line.images,
                        audio_ms: line.audio_ms,
                        characters: line.characters,
                        searches: line.searches,
                        video_ms: line.video_ms,
                    },
                },
                nano_usd: line.nano_usd,
            },
        })
    }
}

/// When the current day and month began, in seconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Began {
    day: u64,
    month: u64,
    /// When the day ends, in seconds since the epoch.
    ends: u64,
}

impl Began {
    /// The beginnings as of `wall`, in `zone`.
    pub fn of(wall: SystemTime, zone: &TimeZone) -> Self {
        let began = |date: Date| {
            let begin = date.to_zoned(zone.clone()).ok()?.timestamp().as_second();
            u64::try_from(begin).ok()
        };
        let today = Timestamp::try_from(wall)
            .map(|now| now.to_zoned(zone.clone()).date())
            .unwrap_or_default();
        Self {
            day: began(today).unwrap_or(0),
            month: began(today.first_of_month()).unwrap_or(0),
            ends: today.tomorrow().ok().and_then(began).unwrap_or(u64::MAX),
        }
    }
}

/// The sums of the lines that still matter.
#[derive(Debug, Default)]
pub(super) struct Sums {
    sums: HashMap<Owner, Sum>,
    /// Lines that could not be read.
    pub corrupt: u64,
    /// Whether lines of an earlier month were skipped.
    earlier: bool,
}

#[derive(Debug, Default)]
struct Sum {
    /// The sum of this month without today, and the time of its last entry.
    before: (Totals, u64),
    today: (Totals, u64),
    /// Entries of a clock that had run ahead. They count when their day comes, and not on every day until then.
    ahead: (Totals, u64),
}

/// Reads the next line, including its end; `false` = there is none. Of a line with more than `longest` bytes, the rest
/// is skipped.
pub(super) fn next(
    from: &mut impl BufRead,
    line: &mut Vec<u8>,
    longest: usize,
) -> io::Result<bool> {
    line.clear();
    let most = longest as u64;
    if from.by_ref().take(most).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.len() == longest && line.last() != Some(&b'\n') {
        from.skip_until(b'\n')?;
    }
    Ok(true)
}

impl Sums {
    /// Reads all lines. An incomplete last line is skipped, and so is everything that is not a valid line.
    pub fn read(mut from: impl BufRead, began: Began) -> io::Result<Self> {
        let mut sums = Self::default();
        let mut line = Vec::new();
        while next(&mut from, &mut line, LONGEST_LINE)? {
            let whole = line.last() == Some(&b'\n');
            match Entry::read(line.trim_ascii_end()) {
                Some(entry) => sums.add(entry, began),
                // An empty line: an interrupted line is ended by a line end of its own before the next one.
                None if line.trim_ascii().is_empty() => {}
                None if !whole && line.len() < LONGEST_LINE => {}
                None => sums.corrupt += 1,
            }
        }
        Ok(sums)
    }

    fn add(&mut self, entry: Entry, began: Began) {
        if entry.time < began.month {
            self.earlier = true;
            return;
        }
        let sum = self.sums.entry(entry.whose).or_default();
        let (totals, last) = if entry.time < began.day {
            &mut sum.before
        } else if entry.time < began.ends {
            &mut sum.today
        } else {
            &mut sum.ahead
        };
        totals.add(&entry.totals);
        *last = entry.time.max(*last);
    }

    /// Whether there are only lines of earlier months. Then the clock may have run ahead.
    pub fn is_of_the_past(&self) -> bool {
        self.earlier && self.sums.is_empty()
    }

    /// The same sums as lines: at most three for each key, group and project.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.sums.iter().flat_map(|(whose, sum)| {
            let parts = [sum.before, sum.today, sum.ahead].into_iter();
            let parts = parts.filter(|(totals, _)| *totals != Totals::default());
            parts.map(|(totals, time)| Entry {
                whose: whose.clone(),
                time,
                totals,
            })
        })
    }

    /// Adds the sums to the totals of `limits`.
    pub fn restore(&self, limits: &Limits, wall: SystemTime) {
        for (whose, sum) in &self.sums {
            let (today, _) = sum.today;
            let mut month = today;
            month.add(&sum.before.0);
            // A name that is not configured has no counter. The file still remembers it, in case the name comes back.
            limits.restore(Scope::Key, &whose.key, &today, &month, wall);
            if let Some(project) = &whose.project {
                limits.restore(Scope::Project, project, &today, &month, wall);
            }
            if let Some(group) = &whose.group {
                limits.restore(Scope::Group, group, &today, &month, wall);
            }
            limits.restore(Scope::Global, "", &today, &month, wall);
        }
    }
}

/// The number of the quarter of an hour. No day begins within a quarter: the midnight of every time zone lies on one.
pub(super) fn quarter(time: u64) -> u64 {
    time / QUARTER
}

/// The length of a quarter of an hour in seconds.
pub(super) const QUARTER: u64 = 900;

/// Seconds since the epoch.
pub(super) fn seconds(wall: SystemTime) -> u64 {
    wall.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The most bytes of a line; real ones have about 200.
const LONGEST_LINE: usize = 4096;
