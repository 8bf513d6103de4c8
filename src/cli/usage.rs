//! `weir usage`: shows who used what, from the history of a ledger.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Map, Value, json};

use super::{failure, focus, metered, print};
use crate::config;
use crate::limits::Totals;
use crate::limits::ledger::{self, Dimension, Row, figures};

/// Print what clients used, from the history of a ledger or from a Prometheus: requests, tokens by kind and USD
#[derive(Debug, Args)]
pub(super) struct Usage {
    /// The ledger's file, as `ledger.path` of the configuration has it
    #[arg(long, value_name = "PATH", required_unless_present = "prometheus")]
    ledger: Option<PathBuf>,
    /// Instead of a ledger, the Prometheus that scrapes every Weir of a fleet: its base URL. It groups
    /// by day; by group alone or project alone; or by key, model and account together (without counts of requests by model and account)
    #[arg(long, value_name = "URL")]
    prometheus: Option<String>,
    /// The environment variable that holds the token for that Prometheus
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    /// The `timezone` of the configuration, whose days Prometheus knows [default: UTC]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// The first day: `today`, `month` (this calendar month), a number of days (`30d`, today included) or a date
    #[arg(long, default_value = "30d", value_parser = since)]
    since: Since,
    /// What to group by, comma-separated: key, group, project, model, account, day [default: key,model; of a Prometheus key]
    #[arg(long, value_delimiter = ',', value_parser = dimension)]
    by: Vec<Dimension>,
    /// One JSON document
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Comma-separated values (RFC 4180), with a line of names
    #[arg(long)]
    csv: bool,
    /// A bill in the form of FOCUS 1.2, one line for each day, account, model, key, group and project
    #[arg(long, conflicts_with_all = ["json", "csv", "by"])]
    focus: bool,
}

/// The exit code for arguments that do not go together, as that of the parser.
const MISUSED: u8 = 2;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Since {
    Days(i32),
    Month,
    Date(Date),
}

impl Usage {
    pub(super) fn run(self) -> ExitCode {
        if let Some(why) = self.misfit() {
            eprintln!("weir: {why}");
            return ExitCode::from(MISUSED);
        }
        let text = match (self.twice(), &self.prometheus, &self.ledger) {
            (Some(why), ..) => Err(why),
            (None, Some(url), _) => self.metered(url),
            (None, None, Some(ledger)) => {
                let today = Timestamp::now().to_zoned(TimeZone::system()).date();
                let text = self.text(ledger, today);
                text.map_err(|error| format!("{}: {error}", ledger.display()))
            }
            (None, None, None) => Err("there is neither `--ledger` nor `--prometheus`".to_owned()),
        };
        match text.and_then(|text| print(&text).map_err(|error| error.to_string())) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => failure(&why),
        }
    }

    /// The report from a Prometheus.
    fn metered(&self, url: &str) -> Result<String, String> {
        let token = self.token_env.as_deref().map(|name| {
            std::env::var(name).map_err(|_| format!("the environment variable {name} is not set"))
        });
        let server = config::prometheus_at(url, token.transpose()?.as_deref())
            .map_err(|why| format!("--prometheus: {why}"))?;
        let zone = self.timezone.as_deref().unwrap_or("UTC");
        let zone = TimeZone::get(zone).map_err(|_| {
            format!("--timezone: found `{}`, expected the name of a time zone such as `Europe/Berlin`, as `timezone` of the configuration has it", clean(zone))
        })?;
        let first = self
            .since
            .first(Timestamp::now().to_zoned(zone.clone()).date());
        let by = self.grouped(&[Dimension::Key]);
        let rows = metered::report(&server, &zone, first, by)
            .map_err(|why| format!("{}: {why}", server.endpoint.origin))?;
        Ok(if self.json {
            format!("{:#}\n", document(by, first, &rows))
        } else if self.csv {
            ledger::csv(by, &rows)
        } else {
            table(by, &rows)
        })
    }

    /// What is wrong with the arguments together, and what to do.
    fn misfit(&self) -> Option<String> {
        if self.prometheus.is_some() {
            let why = if self.ledger.is_some() {
                "--ledger, --prometheus: found both, expected one: the ledger of one host, or the Prometheus of a fleet"
            } else if self.focus {
                "--focus: a bill has a line for each day, account, model, key, group and project, and Prometheus knows group and project each \
                 alone; give `--ledger PATH` in place of `--prometheus`, or ask it for `--by day,key,model,account --csv`"
            } else {
                return None;
            };
            return Some(why.to_owned());
        }
        let (name, why) = if self.timezone.is_some() {
            (
                "--timezone",
                "the days of a ledger are those of `timezone` of its configuration",
            )
        } else if self.token_env.is_some() {
            ("--token-env", "a ledger is a file, and asks for no token")
        } else {
            return None;
        };
        Some(format!(
            "{name}: {why}; leave it out, or ask a Prometheus by `--prometheus URL`"
        ))
    }

    /// The error for a dimension that is named twice.
    fn twice(&self) -> Option<String> {
        let mut named = self.by.iter().enumerate();
        let (_, twice) = named.find(|(at, by)| self.by[..*at].contains(by))?;
        let name = twice.as_str();
        Some(format!(
            "--by: found `{name}` twice, expected each column once"
        ))
    }

    /// The given grouping, or else `otherwise`.
    fn grouped<'a>(&'a self, otherwise: &'a [Dimension]) -> &'a [Dimension] {
        if self.by.is_empty() {
            otherwise
        } else {
            &self.by
        }
    }

    fn text(&self, ledger: &Path, today: Date) -> std::io::Result<String> {
        let by = self.grouped(&[Dimension::Key, Dimension::Model]);
        let history = ledger::directory(ledger);
        if !history.is_dir() {
            let message = "there is no history beside it; it begins with the first request of a Weir whose `ledger.path` this is";
            return Err(std::io::Error::new(std::io::ErrorKind::NotFound, message));
        }
        let first = self.since.first(today);
        // The ledger's days may be those of another time zone, which may be one day ahead.
        let last = today.saturating_add(1.day());
        if self.focus {
            let rows = ledger::report(ledger, (first, last), &focus::BY)?;
            return Ok(focus::csv(&rows));
        }
        let rows = ledger::report(ledger, (first, last), by)?;
        let unbilled = unbilled(&ledger::report(ledger, (first, last), &focus::BY)?);
        Ok(if self.json {
            let mut document = document(by, first, &rows);
            document["unpriced"] = unbilled.iter().map(Unbilled::document).collect();
            format!("{document:#}\n")
        } else if self.csv {
            ledger::csv(by, &rows)
        } else {
            let unbilled: String = unbilled.iter().map(Unbilled::line).collect();
            table(by, &rows) + &unbilled
        })
    }
}

impl Since {
    fn first(self, today: Date) -> Date {
        match self {
            Self::Days(days) => today.saturating_sub((days - 1).days()),
            Self::Month => today.first_of_month(),
            Self::Date(date) => date,
        }
    }
}

fn since(text: &str) -> Result<Since, String> {
    let expected =
        "expected `today`, `month`, a number of days such as `30d`, or a date such as `2026-11-01`";
    match text {
        "today" => Ok(Since::Days(1)),
        "month" => Ok(Since::Month),
        _ => match text.strip_suffix('d').map(str::parse) {
            Some(Ok(days)) if (1..=36_500).contains(&days) => Ok(Since::Days(days)),
            Some(_) => Err(expected.to_owned()),
            None => text
                .parse()
                .map(Since::Date)
                .map_err(|_| expected.to_owned()),
        },
    }
}

fn dimension(text: &str) -> Result<Dimension, String> {
    Dimension::named(text).ok_or_else(|| {
        let names = Dimension::ALL.map(Dimension::as_str).join(", ");
        format!("expected one of {names}")
    })
}

/// The use of one model that cost nothing, because it had no price then, or a price of 0.
struct Unbilled {
    model: String,
    totals: Totals,
}

impl Unbilled {
    fn document(&self) -> Value {
        let usage = &self.totals.usage;
        let mut document = json!({
            "model": self.model,
            "requests": self.totals.requests,
            "tokens": usage.total(),
        });
        for (name, count) in usage.units.named().filter(|(_, count)| *count > 0) {
            document[name] = count.into();
        }
        document
    }

    fn line(&self) -> String {
        let model = if self.model.is_empty() {
            "unknown model".to_owned()
        } else {
            clean(&self.model)
        };
        let (requests, tokens) = (self.totals.requests, self.totals.usage.total());
        let units = self.totals.usage.units.named();
        let units = units.filter(|(_, count)| *count > 0);
        let units: String = units
            .map(|(name, count)| format!(", {count} {name}"))
            .collect();
        format!("no price: {model}, {requests} requests, {tokens} tokens{units} at no cost\n")
    }
}

/// The use without cost by model, those with the most tokens first. `rows` are as fine as the history: a model that got
/// a price later has a cost on other days.
fn unbilled(rows: &[Row]) -> Vec<Unbilled> {
    let at = focus::BY.iter().position(|by| *by == Dimension::Model);
    let mut sums: BTreeMap<&str, Totals> = BTreeMap::new();
    for row in rows {
        if row.totals.nano_usd == 0 && row.totals.usage.is_something() {
            let model = at.and_then(|at| row.names.get(at));
            let sum = sums.entry(model.map_or("", String::as_str)).or_default();
            sum.add(&row.totals);
        }
    }
    let mut list: Vec<Unbilled> = sums
        .into_iter()
        .map(|(model, totals)| Unbilled {
            model: model.to_owned(),
            totals,
        })
        .collect();
    list.sort_by_key(|unbilled| std::cmp::Reverse(unbilled.totals.usage.total()));
    list
}

fn sum(rows: &[Row]) -> Totals {
    rows.iter().fold(Totals::default(), |mut sum, row| {
        sum.add(&row.totals);
        sum
    })
}

fn document(by: &[Dimension], since: Date, rows: &[Row]) -> Value {
    let described = |names: &[String], totals: &Totals| {
        let named = by.iter().zip(names);
        let named =
            named.map(|(dimension, name)| (dimension.as_str().to_owned(), name.as_str().into()));
        let figures = figures(totals);
        let figures = figures.map(|(name, figure)| (name.to_owned(), figure.into()));
        let mut object: Map<String, Value> = named.chain(figures).collect();
        let units = totals.usage.units.named();
        object.extend(units.map(|(name, count)| (name.to_owned(), count.into())));
        object.insert("usd".to_owned(), totals.usd().into());
        object.insert("nano_usd".to_owned(), totals.nano_usd.into());
        Value::Object(object)
    };
    let list: Vec<Value> = rows
        .iter()
        .map(|row| described(&row.names, &row.totals))
        .collect();
    json!({ "since": since.to_string(), "rows": list, "total": described(&[], &sum(rows)) })
}

/// The table with the most expensive rows first, and the total at the end.
fn table(by: &[Dimension], rows: &[Row]) -> String {
    let mut sorted: Vec<&Row> = rows.iter().collect();
    if !by.contains(&Dimension::Day) {
        sorted.sort_by_key(|row| std::cmp::Reverse(row.totals.nano_usd));
    }
    let all = sum(rows);
    // A kind of unit is shown if any were used.
    let sold = |totals: &Totals| -> Vec<(&'static str, u64)> {
        let kinds = totals.usage.units.named().zip(all.usage.units.figures());
        let kinds = kinds.filter(|(_, sum)| *sum > 0);
        kinds.map(|(kind, _)| kind).collect()
    };
    let line = |names: Vec<String>, totals: &Totals| -> Vec<String> {
        let figures = figures(totals).map(|(_, figure)| figure.to_string());
        let units = sold(totals).into_iter().map(|(_, count)| count.to_string());
        let dollars = format!("{:.4}", totals.usd());
        let cells = names.into_iter().chain(figures);
        cells.chain(units).chain([dollars]).collect()
    };
    let names = by.iter().map(|dimension| dimension.as_str().to_owned());
    let figures_of = figures(&Totals::default()).map(|(name, _)| name.to_owned());
    let units_of = sold(&all).into_iter().map(|(name, _)| name.to_owned());
    let head = names.chain(figures_of).chain(units_of);
    let mut lines = vec![head.chain(["usd".to_owned()]).collect()];
    for row in sorted {
        let shown = row
            .names
            .iter()
            .map(|name| if name.is_empty() { "-" } else { name });
        lines.push(line(shown.map(clean).collect(), &row.totals));
    }
    let mut total = vec![String::new(); by.len()];
    if let Some(first) = total.first_mut() {
        "total".clone_into(first);
    }
    lines.push(line(total, &all));
    aligned(&lines, by.len())
}

/// The text without control characters, which could move a terminal's cursor: models may have names from clients.
fn clean(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { '?' } else { char })
        .collect()
}

/// Formats columns; the first `texts` are left-aligned, the others right-aligned.
fn aligned(lines: &[Vec<String>], texts: usize) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            // Writing to a String cannot fail.
            let _ = if column < texts {
                write!(row, "{cell:<width$}  ")
            } else {
                write!(row, "{cell:>width$}  ")
            };
        }
        text += row.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |name: &str, requests: u64, nano_usd: u64| Row {
            names: vec![name.to_owned()],
            totals: Totals {
                requests,
                nano_usd,
                ..Totals::default()
            },
        };
        vec![row("a,\"b\"", 2, 1_500_000_000), row("", 40, 2_000_000_001)]
    }

    #[test]
    fn the_dearest_comes_first_and_the_sum_last() {
        let text = table(&[Dimension::Key], &rows());
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[1].starts_with("-  ") && lines[1].ends_with("2.0000"),
            "{text}"
        );
        assert!(
            lines[3].starts_with("total") && lines[3].ends_with("3.5000"),
            "{text}"
        );
        assert!(table(&[], &[]).contains("0.0000"));
        assert_eq!(clean("a\u{1b}[2J"), "a?[2J");
    }

    #[test]
    fn arguments_that_mean_nothing_together_say_what_to_do() {
        #[derive(clap::Parser)]
        struct Given {
            #[command(flatten)]
            usage: Usage,
        }
        for (arguments, advice) in [
            ("--ledger l", None),
            ("--ledger l --focus", None),
            ("--prometheus u --timezone Asia/Tokyo --token-env T", None),
            (
                "--ledger l --timezone Mars/X",
                Some("ask a Prometheus by `--prometheus URL`"),
            ),
            (
                "--ledger l --token-env NOPE",
                Some("ask a Prometheus by `--prometheus URL`"),
            ),
            (
                "--prometheus u --focus",
                Some("give `--ledger PATH` in place of `--prometheus`"),
            ),
            ("--prometheus u --ledger l", Some("expected one")),
        ] {
            let words = ["usage"].into_iter().chain(arguments.split(' '));
            let given = <Given as clap::Parser>::try_parse_from(words);
            let said = given.expect("arguments").usage.misfit();
            match advice {
                None => assert_eq!(said, None, "{arguments}"),
                Some(advice) => {
                    let said = said.unwrap_or_default();
                    assert!(said.contains(advice), "{arguments}: {said}");
                }
            }
        }
        let words = "usage --prometheus http://127.0.0.1:9 --timezone Mars/X".split(' ');
        let given = <Given as clap::Parser>::try_parse_from(words);
        let usage = given.expect("arguments").usage;
        let why = usage
            .metered("http://127.0.0.1:9")
            .expect_err("no such zone");
        assert!(
            why.contains("`Mars/X`") && why.contains("`Europe/Berlin`"),
            "{why}"
        );
    }

    #[test]
    fn what_cost_nothing_is_named() {
        let row = |day: &str, model: &str, input: u64, nano_usd: u64| {
            let names = [day, "main", model, "key", "", ""];
            let mut totals = Totals {
                requests: 1,
                nano_usd,
                ..Totals::default()
            };
            totals.usage.input = input;
            Row {
                names: names.map(str::to_owned).to_vec(),
                totals,
            }
        };
        let rows = [
            row("2026-11-01", "new", 7, 0),
            row("2026-11-02", "new", 5, 0),
            row("2026-11-03", "new", 5, 9),
            row("2026-11-01", "gpt-5", 9, 3),
            row("2026-11-01", "counted", 0, 0),
            row("2026-11-01", "dear\u{1b}", 100, 0),
        ];
        let list = unbilled(&rows);
        let lines: String = list.iter().map(Unbilled::line).collect();
        assert_eq!(
            lines,
            "no price: dear?, 1 requests, 100 tokens at no cost\nno price: new, 2 requests, 12 tokens at no cost\n"
        );
        assert_eq!(
            list[1].document(),
            json!({ "model": "new", "requests": 2, "tokens": 12 })
        );
    }

    #[test]
    fn money_is_exact() {
        let json = document(&[Dimension::Key], jiff::civil::date(2026, 11, 1), &rows());
        assert_eq!(json["total"]["nano_usd"], 3_500_000_001u64);
        assert_eq!(
            (&json["since"], &json["rows"][0]["key"]),
            (&"2026-11-01".into(), &"a,\"b\"".into())
        );
    }

    #[test]
    fn spans_of_days_include_today() {
        let today = jiff::civil::date(2026, 11, 20);
        for (text, first) in [
            ("today", "2026-11-20"),
            ("1d", "2026-11-20"),
            ("30d", "2026-10-22"),
            ("month", "2026-11-01"),
            ("2025-01-02", "2025-01-02"),
        ] {
            assert_eq!(
                since(text).map(|since| since.first(today).to_string()),
                Ok(first.to_owned())
            );
        }
        for text in ["", "0d", "-1d", "d", "30", "99999999d", "2026-13-01"] {
            assert!(since(text).is_err(), "{text}");
        }
        assert!(dimension("kye").is_err());
    }
}
