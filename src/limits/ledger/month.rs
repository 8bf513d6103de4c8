//! The content of the file of one month: short lines that add amounts, and one line for each attribution that they
//! refer to.
//!
//! ```text
//! =1x5k8v2m0c3q ["team-a","research",null,"claude-opus-5","claude-a"]
//! 29 1x5k8v2m0c3q 2 18g 5k 0 0 0 1a 2s7o
//! 29 1x5k8v2m0c3q + 1 0 0 0
//! ```
//!
//! A line of figures has the day of the month (`00` = the days were merged), the hash of the attribution, and in base
//! 36 the requests, the tokens by kind (`input`, `output`, `cache_read`, `cache_write_5m`, `cache_write_1h`,
//! `reasoning`) and the billionths of a dollar. It has at most 80 bytes. A line with a `+` has the counts of what is
//! sold by another unit than tokens: pictures, milliseconds of sound, characters and searches. An attribution is
//! identified by its hash, so that several processes may write one file.
use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::sync::Arc;

use ahash::{HashMap, HashSet};
use sha2::{Digest as _, Sha256};

use super::attribution::Attribution;
use super::lines;
use crate::limits::Totals;
use crate::protocol::hub::units::Units;
use crate::protocol::hub::usage::Usage;

/// The sums of a month, by day and attribution.
#[derive(Debug, Default)]
pub(super) struct Month {
    names: HashMap<u64, Attribution>,
    sums: BTreeMap<(u8, u64), Totals>,
    corrupt: u64,
}

impl Month {
    /// Reads all lines. A line that is not valid is counted and skipped.
    pub fn read(mut from: impl BufRead) -> io::Result<Self> {
        let mut month = Self::default();
        let mut line = Vec::new();
        while lines::next(&mut from, &mut line, LONGEST_LINE)? {
            let text = line.trim_ascii();
            if !text.is_empty() && month.take_in(text).is_none() {
                month.corrupt += 1;
            }
        }
        Ok(month)
    }

    fn take_in(&mut self, line: &[u8]) -> Option<()> {
        let line = std::str::from_utf8(line).ok()?;
        if let Some(rest) = line.strip_prefix('=') {
            let (id, names) = rest.split_once(' ')?;
            let id = u64::from_str_radix(id, 36).ok()?;
            let [key, group, project, model, account]: [Option<Arc<str>>; 5] =
                serde_json::from_str(names).ok()?;
            let attribution = Attribution {
                key: key?,
                group,
                project,
                model,
                account,
            };
            self.names.insert(id, attribution);
            return Some(());
        }
        let mut words = line.split(' ');
        let day = words.next()?.parse().ok().filter(|day| *day <= 31)?;
        let id = u64::from_str_radix(words.next()?, 36).ok()?;
        let first = words.next()?;
        let mut figure = || u64::from_str_radix(words.next()?, 36).ok();
        if first == "+" {
            let older = [figure()?, figure()?, figure()?, figure()?];
            let [images, audio_ms, characters, searches] = older;
            // Older versions know no videos, and write and read nothing there.
            let video_ms = words.next().map(|word| u64::from_str_radix(word, 36));
            let video_ms = video_ms.transpose().ok()?.unwrap_or_default();
            let units = Units::of_figures([images, audio_ms, characters, searches, video_ms]);
            let usage = Usage {
                units,
                ..Usage::default()
            };
            let totals = Totals {
                usage,
                ..Totals::default()
            };
            return words.next().is_none().then(|| self.sum(day, id, &totals));
        }
        let totals = Totals {
            requests: u64::from_str_radix(first, 36).ok()?,
            usage: Usage {
                input: figure()?,
                output: figure()?,
                cache_read: figure()?,
                cache_write_5m: figure()?,
                cache_write_1h: figure()?,
                reasoning: figure()?,
                units: Units::NONE,
            },
            nano_usd: figure()?,
        };
        words.next().is_none().then(|| self.sum(day, id, &totals))
    }

    fn sum(&mut self, day: u8, id: u64, totals: &Totals) {
        self.sums.entry((day, id)).or_default().add(totals);
    }

    /// Writes the same sums as lines, each once.
    pub fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        for (id, attribution) in &self.names {
            to.write_all(&named(*id, attribution))?;
        }
        for ((day, id), totals) in &self.sums {
            to.write_all(&figures(*day, *id, totals))?;
        }
        Ok(())
    }

    /// The same sums without days.
    #[must_use]
    pub fn merged(mut self) -> Self {
        for ((_, id), totals) in std::mem::take(&mut self.sums) {
            self.sum(0, id, &totals);
        }
        self
    }

    /// Whether any sum still belongs to a certain day.
    pub fn has_days(&self) -> bool {
        self.sums.keys().any(|(day, _)| *day > 0)
    }

    /// The number of lines that could not be read.
    pub const fn corrupt(&self) -> u64 {
        self.corrupt
    }

    /// Day, attribution and sum. Day 0 stands for merged days. `None` = the line with the attribution was lost.
    pub fn rows(&self) -> impl Iterator<Item = (u8, Option<&Attribution>, &Totals)> {
        self.sums
            .iter()
            .map(|((day, id), totals)| (*day, self.names.get(id), totals))
    }
}

/// Makes the lines to append to the file of a month. It remembers which attributions that file contains.
#[derive(Debug, Default)]
pub(super) struct Lines {
    known: HashSet<u64>,
}

impl Lines {
    /// The lines for one more sum. Beyond `MOST_NAMES` attributions in a month, new models are combined as `other`,
    /// because clients may choose model names.
    pub fn of(&mut self, day: u8, attribution: &Attribution, totals: &Totals, to: &mut Vec<u8>) {
        let mut attribution = attribution.clone().bounded();
        let mut id = hash(&attribution);
        if self.known.len() >= MOST_NAMES && !self.known.contains(&id) {
            attribution.model = Some(Arc::from("other"));
            id = hash(&attribution);
        }
        if self.known.insert(id) {
            to.extend(named(id, &attribution));
        }
        to.extend(figures(day, id, totals));
    }

    /// Another file has begun, or another process has rewritten this one.
    pub fn forget(&mut self) {
        self.known.clear();
    }
}

fn named(id: u64, attribution: &Attribution) -> Vec<u8> {
    let Attribution {
        key,
        group,
        project,
        model,
        account,
    } = attribution;
    let names = [
        Some(key),
        group.as_ref(),
        project.as_ref(),
        model.as_ref(),
        account.as_ref(),
    ];
    // Strings can always be written as JSON.
    let names = serde_json::to_string(&names).unwrap_or_default();
    format!("={} {names}\n", base36(id)).into_bytes()
}

fn figures(day: u8, id: u64, totals: &Totals) -> Vec<u8> {
    let usage = &totals.usage;
    let figures = [
        id,
        totals.requests,
        usage.input,
        usage.output,
        usage.cache_read,
        usage.cache_write_5m,
        usage.cache_write_1h,
        usage.reasoning,
        totals.nano_usd,
    ];
    let figures = figures.map(base36).join(" ");
    let mut lines = format!("{day:02} {figures}\n");
    if !usage.units.is_none() {
        let [older @ .., video_ms] = usage.units.figures().map(base36);
        let mut units = older.join(" ");
        if usage.units.video_ms > 0 {
            units = format!("{units} {video_ms}");
        }
        lines += &format!("{day:02} {} + {units}\n", base36(id));
    }
    lines.into_bytes()
}

fn hash(attribution: &Attribution) -> u64 {
    let digest = Sha256::digest(named(0, attribution));
    let first: [u8; 8] = std::array::from_fn(|at| digest[at]);
    // Eleven digits in base 36.
    u64::from_be_bytes(first) >> 8
}

fn base36(number: u64) -> String {
    let mut digits = Vec::new();
    let mut rest = number;
    loop {
        // A remainder modulo 36 is a digit.
        let digit = u32::try_from(rest % 36).ok();
        digits.extend(digit.and_then(|digit| char::from_digit(digit, 36)));
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
    digits.iter().rev().collect()
}

/// The most attributions of a month before models are combined.
const MOST_NAMES: usize = 20_000;

/// The most bytes of a line; a longer line is not valid.
const LONGEST_LINE: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    fn attribution(key: &str, model: &str) -> Attribution {
        Attribution {
            key: key.into(),
            group: Some("research".into()),
            project: None,
            model: Some(model.into()),
            account: Some("claude-a".into()),
        }
    }

    fn totals(requests: u64, nano_usd: u64) -> Totals {
        Totals {
            requests,
            usage: Usage {
                input: 1200,
                output: 7,
                ..Usage::default()
            },
            nano_usd,
        }
    }

    fn requests(month: &Month) -> Vec<(u8, u64)> {
        month
            .rows()
            .map(|(day, _, totals)| (day, totals.requests))
            .collect()
    }

    #[test]
    fn lines_of_several_writers_add_up_and_torn_ones_are_left_out() {
        let mut text = Vec::new();
        for _ in 0..2 {
            let mut lines = Lines::default();
            lines.of(9, &attribution("a", "m"), &totals(1, 5), &mut text);
            lines.of(9, &attribution("a", "m"), &totals(2, 5), &mut text);
            lines.of(10, &attribution("a\n\"", "m"), &totals(4, 5), &mut text);
        }
        text.extend_from_slice(b"09 zz\nnonsense\n99 1 1 1 1 1 1 1 1 1\n\n10 1 1");
        let month = Month::read(&text[..]).expect("lines");
        assert_eq!(month.corrupt(), 4);
        assert_eq!(requests(&month), [(9, 6), (10, 8)]);
        let mut again = Vec::new();
        month.write(&mut again).expect("memory");
        let second = Month::read(&again[..]).expect("lines");
        assert_eq!(
            (second.corrupt(), requests(&second)),
            (0, vec![(9, 6), (10, 8)])
        );
        let names: Vec<_> = second.rows().map(|(_, who, _)| who.cloned()).collect();
        assert!(
            names.contains(&Some(attribution("a\n\"", "m"))),
            "{names:?}"
        );
        let merged = second.merged();
        assert!(!merged.has_days());
        assert_eq!(
            requests(&merged)
                .iter()
                .map(|(_, count)| count)
                .sum::<u64>(),
            14
        );
    }

    #[test]
    fn a_line_of_a_busy_day_has_at_most_80_bytes() {
        let ten_billion = 10_000_000_000;
        let totals = Totals {
            requests: 10_000_000,
            usage: Usage {
                input: ten_billion,
                cache_read: ten_billion,
                cache_write_5m: ten_billion,
                cache_write_1h: ten_billion,
                output: ten_billion,
                reasoning: ten_billion,
                units: Units::of_figures([ten_billion; 5]),
            },
            // A million dollars.
            nano_usd: 1_000_000_000_000_000,
        };
        let lines = figures(31, u64::MAX >> 8, &totals);
        let text = String::from_utf8(lines.clone()).expect("text");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.lines().all(|line| line.len() < 80), "{text}");
        let month = Month::read(&lines[..]).expect("lines");
        assert_eq!(month.corrupt(), 0);
        let read: Vec<Totals> = month.rows().map(|(_, _, totals)| *totals).collect();
        assert_eq!(read, [totals]);
    }

    #[test]
    fn a_month_of_an_older_version_knows_no_videos() {
        for (line, units, corrupt) in [
            ("09 1 + 1 2 3 4", [1, 2, 3, 4, 0], 0),
            ("09 1 + 1 2 3 4 5", [1, 2, 3, 4, 5], 0),
            ("09 1 + 1 2 3 4 5 6", [0; 5], 1),
            ("09 1 + 1 2 3 4 ?", [0; 5], 1),
        ] {
            let text = format!("=1 [\"team\",null,null,null,null]\n{line}\n");
            let month = Month::read(text.as_bytes()).expect("lines");
            assert_eq!(month.corrupt(), corrupt, "{line}");
            let read = month.rows().map(|(_, _, totals)| totals.usage.units);
            let read = read.fold(Units::NONE, Units::and);
            assert_eq!(read.figures(), units, "{line}");
        }
    }

    #[test]
    fn names_without_end_are_bounded() {
        let mut lines = Lines::default();
        let mut text = Vec::new();
        for number in 0..MOST_NAMES + 50 {
            let model = format!(
                "model-{number}-{}",
                "x".repeat(if number == 0 { 9000 } else { 0 })
            );
            lines.of(1, &attribution("a", &model), &totals(1, 1), &mut text);
        }
        let month = Month::read(&text[..]).expect("lines");
        assert_eq!(month.corrupt(), 0);
        let others = month
            .rows()
            .find(|(_, who, _)| who.is_some_and(|who| who.model.as_deref() == Some("other")));
        assert_eq!(others.map(|(_, _, totals)| totals.requests), Some(50));
    }
}
