//! The ledger across restarts and days, beside another process, and on a disk that accepts nothing.
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::limits::{AllSubjects, Caps, Principal, Scope, Subject};
use crate::moment::Moment;
use crate::protocol::hub::usage::Usage;

/// 2026-11-10T12:00:00Z.
const NOON: u64 = 1_794_312_000;
const DAY: u64 = 86_400;

/// The first key and the first project.
const PRINCIPAL: Principal = Principal {
    key: 0,
    project: Some(0),
};

fn moment(wall: u64) -> Moment {
    Moment {
        now: Instant::now(),
        wall: at(wall),
    }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn limits(zone: TimeZone) -> Limits {
    let subject = |name: &str, group| Subject {
        name: name.into(),
        caps: Caps::default(),
        group,
    };
    let keys = [subject("team-a", Some(0)), subject("team-b", None)];
    let all_subjects = AllSubjects {
        keys: keys.to_vec(),
        groups: vec![subject("research", None)],
        projects: vec![subject(PROJECT, None)],
        global: Caps::default(),
    };
    Limits::new(&all_subjects, zone, None)
}

fn failures() -> IntCounter {
    IntCounter::new("failures", "For a test.").expect("a name")
}

fn settings(path: &Path) -> config::Ledger {
    config::Ledger {
        path: path.to_owned(),
        max_size: 64 << 10,
        keep: 400,
        max_history: 1 << 30,
    }
}

fn open(path: &Path, limits: &Limits, wall: u64) -> Ledger {
    Ledger::open(&settings(path), limits, failures(), at(wall)).expect("a ledger")
}

fn used(tokens: u64) -> Used {
    Used {
        usage: Usage {
            output: tokens,
            ..Usage::default()
        },
        nano_usd: tokens * 10,
    }
}

/// Requests and output tokens of today and of this month in one scope.
fn totals(limits: &Limits, scope: Scope, wall: u64) -> [(u64, u64); 2] {
    let reports = limits.report(PRINCIPAL, moment(wall));
    let report = reports.iter().find(|report| report.scope == scope);
    let report = report.expect("a report");
    [report.day, report.month].map(|totals| (totals.requests, totals.usage.output))
}

struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("ledger")
    }
}

fn whose(key: &str) -> Owner {
    Owner {
        key: key.into(),
        group: None,
        project: None,
    }
}

const PROJECT: &str = "moon";
const KEY: &str = "team-a";
const GROUP: &str = "research";

fn record(ledger: &Ledger, key: &str, tokens: u64, time: u64) {
    let who = Attribution {
        key: key.into(),
        group: (key == KEY).then(|| Arc::from(GROUP)),
        project: None,
        model: Some("m".into()),
        account: Some("a".into()),
    };
    ledger.record(who, Some(&PROJECT.into()), &used(tokens), at(time));
}

#[test]
fn the_history_says_the_same_as_the_limits_and_keeps_what_the_ledger_forgets() {
    let directory = Directory::new();
    let path = directory.file();
    let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
    let ledger = open(&path, &limits(berlin), NOON);
    // The second one is on the 10th in Berlin, and on the 9th in UTC.
    for (tokens, time) in [(1, NOON - 40 * DAY), (2, NOON - DAY / 2 - 1800), (4, NOON)] {
        record(&ledger, KEY, tokens, time);
        record(&ledger, "team-b", 10 * tokens, time);
    }
    assert!(ledger.flush(Duration::from_secs(30)));
    let days = (
        jiff::civil::date(2026, 1, 1),
        jiff::civil::date(2026, 12, 31),
    );
    let by = [Dimension::Day, Dimension::Group];
    let rows = report(&path, days, &by).expect("a report");
    let told: Vec<(String, u64)> = rows
        .iter()
        .map(|row| (row.names.join(" "), row.totals.usage.output))
        .collect();
    let expected = [
        ("2026-10-01 ", 10),
        ("2026-10-01 research", 1),
        ("2026-11-10 ", 60),
        ("2026-11-10 research", 6),
    ];
    assert_eq!(
        told,
        expected.map(|(names, output)| (names.to_owned(), output))
    );
    assert_eq!(rows.iter().map(|row| row.totals.requests).sum::<u64>(), 6);
}

#[test]
fn what_was_used_comes_back_after_a_restart() {
    let directory = Directory::new();
    let path = directory.file();
    let ledger = open(&path, &limits(TimeZone::UTC), NOON);
    for _ in 0..3 {
        record(&ledger, KEY, 5, NOON);
    }
    record(&ledger, "team-b", 7, NOON);
    drop(ledger);
    for _ in 0..2 {
        let limits = limits(TimeZone::UTC);
        let ledger = open(&path, &limits, NOON + 60);
        for scope in [Scope::Key, Scope::Group] {
            assert_eq!(totals(&limits, scope, NOON + 60), [(3, 15), (3, 15)]);
        }
        let spent = &limits.report(PRINCIPAL, moment(NOON + 60))[0].day;
        assert_eq!(spent.nano_usd, 150);
        drop(ledger);
    }
}

#[test]
fn requests_of_one_key_share_a_line_unless_a_day_may_lie_between() {
    let mut state = State::default();
    let midnight = NOON - DAY / 2;
    for time in [midnight - 2, midnight - 1, midnight, midnight + 899] {
        let entry = Entry {
            whose: whose(KEY),
            time,
            totals: Totals::default(),
        };
        assert!(state.add(entry));
    }
    let mut times: Vec<u64> = state.pending.values().map(|entry| entry.time).collect();
    times.sort_unstable();
    assert_eq!(times, [midnight - 1, midnight + 899]);
}

#[test]
fn days_and_months_end_where_the_zone_says() {
    let directory = Directory::new();
    let path = directory.file();
    let ledger = open(&path, &limits(TimeZone::UTC), NOON);
    // 11:30 p.m. in Berlin is on the 9th there, 00:30 on the 10th. Both are on the 9th in UTC.
    let midnight = NOON - DAY / 2;
    for (tokens, time) in [
        (1, midnight - 5400),
        (2, midnight - 1800),
        (4, NOON - 40 * DAY),
    ] {
        record(&ledger, KEY, tokens, time);
    }
    drop(ledger);
    let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
    for (zone, day) in [(berlin, (1, 2)), (TimeZone::UTC, (0, 0))] {
        let limits = limits(zone);
        open(&path, &limits, NOON);
        assert_eq!(totals(&limits, Scope::Key, NOON), [day, (2, 3)]);
    }
}

#[test]
fn what_is_no_line_is_left_out_and_torn_lines_are_not_continued() {
    let directory = Directory::new();
    let path = directory.file();
    let line =
        |output: u64| format!(r#"{{"time":{NOON},"key":"team-a","output":{output},"new":1}}"#);
    let long = "x".repeat(10_000);
    let torn = &line(1)[..40];
    let text = format!("{}\nnonsense\n{{}}\n{long}\n\n{}\n{torn}", line(1), line(2));
    fs::write(&path, &text).expect("a file");
    let began = Began::of(at(NOON), &TimeZone::UTC);
    let sums = lines::Sums::read(text.as_bytes(), began).expect("lines");
    assert_eq!(sums.corrupt, 3);
    let first = limits(TimeZone::UTC);
    let ledger = open(&path, &first, NOON);
    assert_eq!(totals(&first, Scope::Key, NOON)[0], (0, 3));
    // Another process that died leaves an incomplete line while this one has the file open.
    let mut text = fs::read(&path).expect("a file");
    text.extend_from_slice(torn.as_bytes());
    fs::write(&path, text).expect("a file");
    record(&ledger, KEY, 4, NOON);
    drop(ledger);
    let second = limits(TimeZone::UTC);
    open(&path, &second, NOON);
    assert_eq!(totals(&second, Scope::Key, NOON)[0], (1, 7));
}

#[test]
fn a_clock_that_ran_ahead_forgets_nothing_and_counts_nothing_every_day() {
    let directory = Directory::new();
    let path = directory.file();
    let first = limits(TimeZone::UTC);
    record(&open(&path, &first, NOON), KEY, 4, NOON);
    // A process starts with a wrong clock.
    let wrong = NOON + 4000 * DAY;
    let ahead = limits(TimeZone::UTC);
    let ledger = open(&path, &ahead, wrong);
    assert_eq!(totals(&ahead, Scope::Key, wrong), [(0, 0), (0, 0)]);
    record(&ledger, KEY, 8, wrong);
    drop(ledger);
    for (wall, day, month) in [
        (NOON, (1, 4), (1, 4)),
        (NOON + DAY, (0, 0), (1, 4)),
        (wrong, (1, 8), (1, 8)),
    ] {
        let limits = limits(TimeZone::UTC);
        open(&path, &limits, wall);
        assert_eq!(totals(&limits, Scope::Key, wall), [day, month], "{wall}");
    }
}

#[test]
fn a_long_file_is_written_anew() {
    let directory = Directory::new();
    let path = directory.file();
    let began = Began::of(at(NOON), &TimeZone::UTC);
    let (mut file, _) = LedgerFile::open(&path, 2000, began).expect("a file");
    let mut longest = 0;
    for second in 0..500 {
        let entry = Entry {
            whose: whose(KEY),
            time: NOON - DAY + 200 * second,
            totals: Totals {
                requests: 1,
                ..Totals::default()
            },
        };
        let mut line = Vec::new();
        entry.write(&mut line);
        assert!(matches!(file.append(&line), (length, None) if length == line.len()));
        longest = longest.max(fs::metadata(&path).expect("a file").len());
        if file.is_long() {
            file.shorten(began).expect("a shorter one");
        }
    }
    assert!(longest < 2400, "{longest}");
    drop(file);
    let limits = limits(TimeZone::UTC);
    open(&path, &limits, NOON);
    assert_eq!(totals(&limits, Scope::Key, NOON)[1], (500, 0));
    let text = fs::read_to_string(&path).expect("a file");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(!path.with_extension("new").exists());
}

#[test]
fn two_processes_lose_nothing_to_each_other() {
    let directory = Directory::new();
    let path = directory.file();
    let began = Began::of(at(NOON), &TimeZone::UTC);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (mut file, _) = LedgerFile::open(&path, 1, began).expect("a file");
                for number in 0..100 {
                    let mut line = Vec::new();
                    let entry = Entry {
                        whose: whose(KEY),
                        time: NOON,
                        totals: Totals {
                            requests: 1,
                            ..Totals::default()
                        },
                    };
                    entry.write(&mut line);
                    let (written, fault) = file.append(&line);
                    assert!(written == line.len() && fault.is_none(), "{fault:?}");
                    if number % 10 == 0 {
                        file.shorten(began).expect("a shorter one");
                    }
                }
            });
        }
    });
    let limits = limits(TimeZone::UTC);
    open(&path, &limits, NOON);
    assert_eq!(totals(&limits, Scope::Key, NOON)[0], (400, 0));
}

#[test]
fn a_disk_that_fills_up_within_a_line_loses_and_doubles_nothing() {
    let directory = Directory::new();
    let path = directory.file();
    let began = Began::of(at(NOON), &TimeZone::UTC);
    let mut lines = Vec::new();
    let entries = [KEY, "team-b"].map(|key| {
        let entry = Entry {
            whose: whose(key),
            time: NOON,
            totals: Totals {
                requests: 1,
                ..Totals::default()
            },
        };
        entry.write(&mut lines);
        (entry, lines.len())
    });
    for written in 0..=lines.len() {
        let (mut file, _) = LedgerFile::open(&path, 1 << 20, began).expect("a file");
        fs::write(&path, &lines[..written]).expect("a file");
        let mut again = Vec::new();
        for entry in unwritten(entries.to_vec(), written) {
            entry.write(&mut again);
        }
        assert!(matches!(file.append(&again), (length, None) if length == again.len()));
        let text = fs::read(&path).expect("a file");
        let sums = lines::Sums::read(&text[..], began).expect("lines");
        let requests: Vec<u64> = sums.entries().map(|entry| entry.totals.requests).collect();
        assert_eq!(requests, [1, 1], "{written} bytes");
    }
}

#[test]
fn what_cannot_be_written_is_kept_and_counted() {
    let directory = Directory::new();
    let home = directory.0.path().join("home");
    fs::create_dir(&home).expect("a directory");
    let path = home.join("ledger");
    let failures = failures();
    let ledger = Ledger::open(
        &settings(&path),
        &limits(TimeZone::UTC),
        failures.clone(),
        at(NOON),
    );
    let ledger = ledger.expect("a ledger");
    fs::remove_dir_all(&home).expect("it was there");
    record(&ledger, KEY, 5, NOON);
    while failures.get() == 0 {
        assert!(!ledger.flush(Duration::from_millis(50)));
    }
    fs::create_dir(&home).expect("a directory");
    record(&ledger, KEY, 6, NOON);
    assert!(ledger.flush(Duration::from_secs(30)));
    drop(ledger);
    let limits = limits(TimeZone::UTC);
    open(&path, &limits, NOON);
    assert_eq!(totals(&limits, Scope::Key, NOON)[0], (2, 11));
}

#[test]
fn what_is_no_file_is_refused() {
    let limits = limits(TimeZone::UTC);
    for path in ["/dev/full", "/", "/nowhere/ledger"] {
        let opened = Ledger::open(&settings(Path::new(path)), &limits, failures(), at(NOON));
        assert!(opened.is_err(), "{path}");
    }
    drop(limits.admit(PRINCIPAL, Used::default(), moment(NOON)));
    assert_eq!(totals(&limits, Scope::Key, NOON)[0], (0, 0));
}
