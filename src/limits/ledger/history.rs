//! What was used on past days: one file per month beside the ledger. Only reports read it; a start does not.
//!
//! The ledger at `PATH` keeps its history in `PATH.history/2026-11`. Lines add up, so the file of the current month is
//! appended to, and rewritten when it has grown. Months that are too old are deleted. When all months together are too
//! long, the days of the oldest are merged; if that is not enough, the oldest are deleted.
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::attribution::{Attribution, Dimension};
use super::file::AppendFile;
use super::month::{Lines, Month};
use crate::limits::Totals;

/// The writer of the history.
#[derive(Debug)]
pub(super) struct History {
    directory: PathBuf,
    bounds: Bounds,
    lines: Lines,
    /// The month that is being written, by its first day.
    open: Option<(Date, AppendFile)>,
    /// The day on which old months were last looked for.
    tidied: Option<Date>,
}

/// What was used, by day.
pub(super) type Days = BTreeMap<Date, Vec<(Attribution, Totals)>>;

/// How much of the history is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The number of days that are kept.
    pub keep: u32,
    /// The most bytes of all months together.
    pub max_size: u64,
}

impl History {
    /// The history of the ledger at `path`. Does not touch any file.
    pub fn new(path: &Path, bounds: Bounds) -> Self {
        Self {
            directory: directory(path),
            bounds,
            lines: Lines::default(),
            open: None,
            tidied: None,
        }
    }

    /// Appends what was used on some days. After a failure, returns what was not written.
    pub fn append(&mut self, used: Days) -> Result<(), (Days, io::Error)> {
        let mut used = used.into_iter();
        while let Some((day, mut sums)) = used.next() {
            if let Err(error) = self.append_day(day, &mut sums) {
                let rest = std::iter::once((day, sums)).chain(used);
                return Err((rest.collect(), error));
            }
        }
        Ok(())
    }

    /// Appends the sums of one day, and removes from `sums` what was written.
    fn append_day(&mut self, day: Date, sums: &mut Vec<(Attribution, Totals)>) -> io::Result<()> {
        let first = day.first_of_month();
        let is_open = |(month, file): &(Date, AppendFile)| *month == first && file.is_there();
        // Somebody may have removed the file, or the directory: a new file names every attribution again.
        if !self.open.as_ref().is_some_and(is_open) {
            match fs::create_dir(&self.directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            let file = AppendFile::open(&self.directory.join(name(first)))?;
            self.lines.forget();
            self.open = Some((first, file));
        }
        let Some((_, file)) = &mut self.open else {
            return Ok(());
        };
        let (mut lines, mut ends) = (Vec::new(), Vec::new());
        for (attribution, totals) in sums.iter() {
            let day = u8::try_from(day.day()).unwrap_or(0);
            self.lines.of(day, attribution, totals, &mut lines);
            ends.push(lines.len());
        }
        let (written, fault) = file.append(&lines);
        // A line that lacks only its line end is complete: the next writer adds the end.
        let done = ends.iter().take_while(|end| **end <= written + 1).count();
        sums.drain(..done);
        if let Some(error) = fault {
            // It is no longer certain which attributions the file contains.
            self.lines.forget();
            return Err(error);
        }
        if file.is_long(GROWN) {
            shorten(file, |month| month)?;
            self.lines.forget();
        }
        if self.tidied.is_none_or(|tidied| tidied < day) {
            self.tidied = Some(day);
            self.tidy(day)?;
        }
        Ok(())
    }

    /// Deletes months that are too old. While all months together are too long: merges days, then deletes, oldest month
    /// first.
    fn tidy(&mut self, today: Date) -> io::Result<()> {
        let months = months(&self.directory)?;
        let oldest = today.saturating_sub(jiff::Span::new().days(i64::from(self.bounds.keep)));
        let mut sizes: Vec<(Date, PathBuf, u64)> = Vec::new();
        for (first, path) in months {
            if first.last_of_month() < oldest {
                fs::remove_file(&path)?;
                continue;
            }
            let size = fs::metadata(&path)?.len();
            sizes.push((first, path, size));
        }
        let mut all: u64 = sizes.iter().map(|(_, _, size)| size).sum();
        let current = today.first_of_month();
        for (first, path, size) in &mut sizes {
            if all <= self.bounds.max_size || *first == current {
                break;
            }
            let month = Month::read(BufReader::new(File::open(&*path)?))?;
            if !month.has_days() {
                continue;
            }
            tracing::warn!(month = %name(*first), "the history of the ledger is too long: the days of a month are merged");
            let mut file = AppendFile::open(path)?;
            shorten(&mut file, Month::merged)?;
            let shorter = fs::metadata(&*path)?.len();
            all = all.saturating_sub(*size).saturating_add(shorter);
            *size = shorter;
        }
        for (first, path, size) in &sizes {
            if all <= self.bounds.max_size || *first == current {
                break;
            }
            tracing::warn!(month = %name(*first), "the history of the ledger is too long: its oldest month is deleted");
            fs::remove_file(path)?;
            all = all.saturating_sub(*size);
        }
        Ok(())
    }
}

/// One row of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// One value for each requested dimension; empty where there is none.
    pub names: Vec<String>,
    /// What was used.
    pub totals: Totals,
}

/// What the ledger at `path` remembers of the days from `since` to `until`, both included, grouped by `by` and sorted
/// by the names. A month whose days were merged counts as a whole if any of its days is requested, and its day is shown
/// as `2026-11`. What a running process used within the last second may be missing.
pub fn report(path: &Path, (since, until): (Date, Date), by: &[Dimension]) -> io::Result<Vec<Row>> {
    let mut sums: BTreeMap<Vec<String>, Totals> = BTreeMap::new();
    for (first, path) in months(&directory(path))? {
        if first.last_of_month() < since || first > until {
            continue;
        }
        let month = Month::read(BufReader::new(File::open(&path)?))?;
        for (day, who, totals) in month.rows() {
            let date = i8::try_from(day).ok().filter(|day| *day > 0);
            let date = date.and_then(|day| Date::new(first.year(), first.month(), day).ok());
            if date.is_some_and(|date| date < since || date > until) {
                continue;
            }
            let names = by.iter().map(|dimension| match dimension {
                Dimension::Day => date.map_or_else(|| name(first), |date| date.to_string()),
                _ => who
                    .and_then(|who| who.value(*dimension))
                    .unwrap_or_default()
                    .to_owned(),
            });
            sums.entry(names.collect()).or_default().add(totals);
        }
    }
    let rows = sums.into_iter();
    Ok(rows.map(|(names, totals)| Row { names, totals }).collect())
}

fn shorten(file: &mut AppendFile, change: impl FnOnce(Month) -> Month) -> io::Result<()> {
    let read = |lines| Month::read(lines).map(change);
    let (month, fault) = file.rewrite(read, |month, to| month.write(to))?;
    if month.corrupt() > 0 {
        let (path, lines) = (file.path().display(), month.corrupt());
        tracing::warn!(%path, lines, "the history of the ledger holds lines that are none: they are left out");
    }
    fault.map_or(Ok(()), Err)
}

/// The months that have a file, by their first day, oldest first.
fn months(directory: &Path) -> io::Result<Vec<(Date, PathBuf)>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut months = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let named = path.file_name().and_then(|name| name.to_str());
        let first = named.and_then(|name| format!("{name}-01").parse::<Date>().ok());
        months.extend(first.map(|first| (first, path)));
    }
    months.sort();
    Ok(months)
}

/// The first day of the oldest month that the ledger at `path` remembers.
pub fn first_day(path: &Path) -> Option<Date> {
    let months = months(&directory(path)).ok()?;
    months.first().map(|(first, _)| *first)
}

/// The directory with the history of the ledger at `path`.
pub fn directory(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".history");
    name.into()
}

fn name(first: Date) -> String {
    format!("{:04}-{:02}", first.year(), first.month())
}

/// A month's file is rewritten once it is longer than this many bytes (and has doubled since the last rewrite).
const GROWN: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::hub::usage::Usage;

    fn day(text: &str) -> Date {
        text.parse().expect("a day")
    }

    fn used(key: &str, model: &str, requests: u64) -> (Attribution, Totals) {
        let who = Attribution {
            key: key.into(),
            group: None,
            project: Some("moon".into()),
            model: Some(model.into()),
            account: Some("a".into()),
        };
        let totals = Totals {
            requests,
            usage: Usage {
                output: 10 * requests,
                ..Usage::default()
            },
            nano_usd: 100 * requests,
        };
        (who, totals)
    }

    fn write(history: &mut History, date: &str, sums: &[(Attribution, Totals)]) {
        let used = BTreeMap::from([(day(date), sums.to_vec())]);
        history.append(used).expect("a disk");
    }

    fn requests(path: &Path, since: &str, by: &[Dimension]) -> Vec<(String, u64)> {
        let rows = report(path, (day(since), day("2026-12-31")), by).expect("a report");
        rows.into_iter()
            .map(|row| (row.names.join("/"), row.totals.requests))
            .collect()
    }

    const MUCH: Bounds = Bounds {
        keep: 400,
        max_size: 1 << 30,
    };

    #[test]
    fn a_history_that_is_removed_begins_anew() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("ledger");
        let mut history = History::new(&path, MUCH);
        write(&mut history, "2026-11-01", &[used("a", "m", 1)]);
        std::fs::remove_file(directory(&path).join("2026-11")).expect("it is there");
        write(&mut history, "2026-11-01", &[used("a", "m", 2)]);
        let by = [Dimension::Key, Dimension::Model];
        assert_eq!(requests(&path, "2026-01-01", &by), [("a/m".to_owned(), 2)]);
        std::fs::remove_dir_all(directory(&path)).expect("it is there");
        write(&mut history, "2026-11-01", &[used("a", "m", 4)]);
        assert_eq!(requests(&path, "2026-01-01", &by), [("a/m".to_owned(), 4)]);
    }

    #[test]
    fn a_report_groups_days_of_several_months_and_processes() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ledger");
        assert_eq!(requests(&path, "2026-01-01", &[Dimension::Key]), []);
        for _ in 0..2 {
            let mut history = History::new(&path, MUCH);
            write(
                &mut history,
                "2026-10-31",
                &[used("a", "m", 1), used("b", "m", 2)],
            );
            write(&mut history, "2026-11-01", &[used("a", "n", 4)]);
            write(&mut history, "2026-11-02", &[used("a", "m", 8)]);
        }
        let by_key = [("a".to_owned(), 26), ("b".to_owned(), 4)];
        assert_eq!(requests(&path, "2026-01-01", &[Dimension::Key]), by_key);
        let by_day = requests(&path, "2026-11-01", &[Dimension::Day, Dimension::Model]);
        assert_eq!(
            by_day,
            [
                ("2026-11-01/n".to_owned(), 8),
                ("2026-11-02/m".to_owned(), 16)
            ]
        );
        let all = requests(&path, "2026-01-01", &[]);
        assert_eq!(all, [(String::new(), 30)]);
        let row = report(&path, (day("2026-11-02"), day("2026-11-02")), &[]).expect("a report");
        assert_eq!(row[0].totals.nano_usd, 1600);
    }

    #[test]
    fn what_is_too_old_goes_and_what_is_too_long_loses_its_days_first() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ledger");
        let mut history = History::new(&path, MUCH);
        for month in 1..=9 {
            for date in 1..=28 {
                write(
                    &mut history,
                    &format!("2026-{month:02}-{date:02}"),
                    &[used("a", "m", 1)],
                );
            }
        }
        let bounds = Bounds {
            keep: 200,
            max_size: 4000,
        };
        let mut history = History::new(&path, bounds);
        write(&mut history, "2026-10-01", &[used("a", "m", 1)]);
        let months = requests(&path, "2026-01-01", &[Dimension::Day]);
        // January and February ended more than 200 days before; some days of March are younger.
        assert!(
            months.iter().all(|(day, _)| day.as_str() >= "2026-03"),
            "{months:?}"
        );
        assert!(months.contains(&("2026-03".to_owned(), 28)), "{months:?}");
        assert!(months.contains(&("2026-09-28".to_owned(), 1)), "{months:?}");
        let sum: u64 = months.iter().map(|(_, requests)| requests).sum();
        assert_eq!(sum, 7 * 28 + 1);
        let tight = Bounds {
            keep: 200,
            max_size: 100,
        };
        write(
            &mut History::new(&path, tight),
            "2026-10-02",
            &[used("a", "m", 1)],
        );
        let left = requests(&path, "2026-01-01", &[Dimension::Day]);
        assert_eq!(
            left,
            [("2026-10-01".to_owned(), 1), ("2026-10-02".to_owned(), 1)]
        );
    }

    #[test]
    fn a_month_that_grows_is_written_anew() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ledger");
        let mut history = History::new(&path, MUCH);
        let many: Vec<_> = (0..100)
            .map(|key| used(&format!("key-{key}"), "m", 1))
            .collect();
        for _ in 0..600 {
            write(&mut history, "2026-11-02", &many);
        }
        let file = super::directory(&path).join("2026-11");
        let length = fs::metadata(file).expect("a file").len();
        assert!(length < (1 << 20) + 20_000, "{length}");
        assert_eq!(
            requests(&path, "2026-11-01", &[]),
            [(String::new(), 60_000)]
        );
    }

    #[test]
    fn what_cannot_be_written_is_given_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ledger");
        fs::write(super::directory(&path), "in the way").expect("a file");
        let mut history = History::new(&path, MUCH);
        let used = BTreeMap::from([
            (day("2026-11-01"), vec![used("a", "m", 1)]),
            (day("2026-11-02"), vec![used("b", "m", 1)]),
        ]);
        let (rest, _) = history.append(used).expect_err("no directory");
        assert_eq!(rest.values().map(Vec::len).sum::<usize>(), 2);
    }
}
