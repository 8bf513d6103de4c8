//! `weir reconcile`: the ledger beside a vendor's own bill.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

use super::{failure, print};
use crate::limits::ledger::{self, Dimension};
use crate::pricing::PriceTable;

/// Compare the ledger with a vendor's export of costs, per day and model
#[derive(Debug, Args)]
pub(super) struct Reconcile {
    /// The ledger's file, as `ledger.path` of the configuration has it
    #[arg(long, value_name = "PATH")]
    ledger: PathBuf,
    /// Whose export it is
    #[arg(long)]
    vendor: Vendor,
    /// The answer of the vendor's cost API (JSON, one page or a list of pages), or CSV with columns for a day, a model and USD
    file: PathBuf,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Vendor {
    Anthropic,
    Openai,
}

/// Dollars by day and model.
type Bill = BTreeMap<(Date, String), f64>;

impl Reconcile {
    pub(super) fn run(self) -> ExitCode {
        match self.text() {
            Ok(text) => match print(&text) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failure(&error),
            },
            Err(why) => failure(&why),
        }
    }

    fn text(&self) -> Result<String, String> {
        let at = |path: &PathBuf, why: String| format!("{}: {why}", path.display());
        let text = std::fs::read_to_string(&self.file)
            .map_err(|error| at(&self.file, error.to_string()))?;
        let theirs = self.vendor.read(&text).map_err(|why| at(&self.file, why))?;
        let days = || theirs.keys().map(|(day, _)| *day);
        let (Some(first), Some(last)) = (days().min(), days().max()) else {
            return Err(at(&self.file, "there is no cost in it".to_owned()));
        };
        let by = [Dimension::Day, Dimension::Model];
        let rows = ledger::report(&self.ledger, (first, last), &by)
            .map_err(|error| at(&self.ledger, error.to_string()))?;
        let mut ours = Bill::new();
        for row in rows {
            if let [day, model] = row.names.as_slice()
                && let Ok(day) = day.parse()
                && self.vendor.makes(model)
            {
                *ours.entry((day, own_name(model))).or_default() += row.totals.usd();
            }
        }
        Ok(table(&ours, &theirs))
    }
}

impl Vendor {
    /// Whether a model of that name is theirs: the ledger holds those of every vendor.
    fn makes(self, model: &str) -> bool {
        let model = own_name(model);
        let prefixes: &[&str] = match self {
            Self::Anthropic => &["claude"],
            Self::Openai => &[
                "gpt",
                "o1",
                "o3",
                "o4",
                "chatgpt",
                "text-embedding",
                "codex",
            ],
        };
        prefixes.iter().any(|prefix| model.starts_with(prefix))
    }

    fn read(self, text: &str) -> Result<Bill, String> {
        match serde_json::from_str::<Value>(text) {
            Ok(document) => Ok(self.read_json(&document)),
            Err(_) if text.trim_start().starts_with(['{', '[']) => {
                Err("found JSON that is not whole, expected the answer of the cost API".to_owned())
            }
            Err(_) => read_csv(text),
        }
    }

    /// Anthropic: <https://platform.claude.com/docs/en/api/admin-api/usage-cost/get-cost-report>, amounts in cents as text.
    /// OpenAI: <https://platform.openai.com/docs/api-reference/usage/costs>, amounts in dollars, the model in `line_item`.
    fn read_json(self, document: &Value) -> Bill {
        let pages = match document {
            Value::Array(pages) => pages.as_slice(),
            page => std::slice::from_ref(page),
        };
        let list = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned();
        let mut bill = Bill::new();
        for bucket in pages
            .iter()
            .flat_map(|page| list(page, "data").unwrap_or_default())
        {
            let day = match self {
                Self::Anthropic => bucket.get("starting_at").and_then(day_of),
                Self::Openai => bucket.get("start_time").and_then(day_of),
            };
            for result in list(&bucket, "results").unwrap_or_default() {
                let usd = match self {
                    Self::Anthropic => result
                        .get("amount")
                        .and_then(number)
                        .map(|cents| cents / 100.0),
                    Self::Openai => result.pointer("/amount/value").and_then(number),
                };
                let name = match self {
                    Self::Anthropic => result.get("model").or_else(|| result.get("description")),
                    Self::Openai => result.get("line_item"),
                };
                let name = name.and_then(Value::as_str).unwrap_or_default();
                if let (Some(day), Some(usd)) = (day, usd) {
                    // OpenAI: "gpt-5-2025-08-07, input".
                    let model = name.split([',', ' ']).next().unwrap_or_default();
                    *bill.entry((day, own_name(model))).or_default() += usd;
                }
            }
        }
        bill
    }
}

/// An export of a console: which columns it has is told by its first line.
fn read_csv(text: &str) -> Result<Bill, String> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let head = cells(lines.next().unwrap_or_default());
    let column = |names: &[&str]| {
        head.iter().position(|cell| {
            let cell = cell.trim().to_ascii_lowercase();
            names.contains(&cell.as_str())
        })
    };
    let found = (
        column(&[
            "date",
            "day",
            "usage_date_utc",
            "usage_date",
            "start_time",
            "start_time_iso",
        ]),
        column(&["model", "model_version", "line_item", "snapshot_id"]),
        column(&[
            "usd",
            "cost",
            "cost_usd",
            "amount",
            "amount_value",
            "total_cost",
        ]),
    );
    let (Some(day), Some(model), Some(usd)) = found else {
        return Err("found no line of names with a day (`date`), a model (`model`) and dollars (`cost_usd`), expected one".to_owned());
    };
    let mut bill = Bill::new();
    for (at, line) in lines.enumerate() {
        let cells = cells(line);
        let cell = |column: usize| cells.get(column).map(|cell| cell.trim());
        let date = cell(day).and_then(|text| day_of(&Value::from(text)));
        let dollars: Option<f64> =
            cell(usd).and_then(|text| text.trim_start_matches('$').parse().ok());
        let (Some(date), Some(dollars), Some(name)) = (date, dollars, cell(model)) else {
            return Err(format!(
                "line {}: found no day, model and dollars, expected them",
                at + 2
            ));
        };
        let name = name.split([',', ' ']).next().unwrap_or_default();
        *bill.entry((date, own_name(name))).or_default() += dollars;
    }
    Ok(bill)
}

/// One line of CSV (RFC 4180, without line ends in a value).
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                if let Some(cell) = cells.last_mut() {
                    cell.push('"');
                }
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            char => {
                if let Some(cell) = cells.last_mut() {
                    cell.push(char);
                }
            }
        }
    }
    cells
}

/// A date, a moment, or seconds since the epoch; of a moment the day in UTC, by which both vendors bill.
fn day_of(value: &Value) -> Option<Date> {
    let seconds = value.as_i64().or_else(|| value.as_str()?.parse().ok());
    let utc = |moment: Timestamp| moment.to_zoned(jiff::tz::TimeZone::UTC).date();
    if let Some(seconds) = seconds {
        return Timestamp::from_second(seconds).ok().map(utc);
    }
    let text = value.as_str()?;
    let moment = text.parse::<Timestamp>().ok().map(utc);
    moment.or_else(|| text.get(..10)?.parse().ok())
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// One name for the spellings of one model: its id in the price table, else the name as it is.
fn own_name(model: &str) -> String {
    static TABLE: LazyLock<PriceTable> = LazyLock::new(|| PriceTable::new(&[]));
    let known = TABLE.quote(model).map(|quote| quote.model.to_owned());
    known.unwrap_or_else(|| model.to_owned())
}

/// A line for each day and model, and the sum of all.
fn table(ours: &Bill, theirs: &Bill) -> String {
    let mut text = String::from(
        "day         model                               weir_usd    vendor_usd      drift\n",
    );
    let mut line = |day: &str, model: &str, ours: f64, theirs: f64| {
        let drift = if theirs > 0.0 {
            format!("{:+.2}%", (ours - theirs) / theirs * 100.0)
        } else {
            "-".to_owned()
        };
        let model: String = model
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect();
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "{day:<10}  {model:<30}  {ours:>12.6}  {theirs:>12.6}  {drift:>9}"
        );
    };
    let keys: std::collections::BTreeSet<&(Date, String)> =
        ours.keys().chain(theirs.keys()).collect();
    for key in keys {
        let of = |bill: &Bill| bill.get(key).copied().unwrap_or(0.0);
        let name = if key.1.is_empty() { "-" } else { &key.1 };
        line(&key.0.to_string(), name, of(ours), of(theirs));
    }
    line("total", "", ours.values().sum(), theirs.values().sum());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bill(vendor: Vendor, text: &str) -> Vec<(String, String, String)> {
        let bill = vendor.read(text).expect("a bill");
        let line = |((day, model), usd): (&(Date, String), &f64)| {
            (day.to_string(), model.clone(), format!("{usd:.4}"))
        };
        bill.iter().map(line).collect()
    }

    fn line(day: &str, model: &str, usd: &str) -> (String, String, String) {
        (day.to_owned(), model.to_owned(), usd.to_owned())
    }

    #[test]
    fn both_cost_apis_are_read() {
        let anthropic = r#"{"data":[{"starting_at":"2026-11-01T00:00:00Z","results":[
            {"amount":"123.45","currency":"USD","model":"claude-sonnet-4-5-20250929"},
            {"amount":"0.55","currency":"USD","model":"claude-sonnet-4-5-20250929"},
            {"amount":null,"model":"claude-opus-5"}]}],"has_more":false}"#;
        assert_eq!(
            bill(Vendor::Anthropic, anthropic),
            [line("2026-11-01", "claude-sonnet-4-5", "1.2400")]
        );
        let openai = r#"[{"data":[{"start_time":1793491200,"results":[
            {"amount":{"value":0.06,"currency":"usd"},"line_item":"gpt-5-2025-08-07, input"},
            {"amount":{"value":0.5,"currency":"usd"},"line_item":"gpt-5-2025-08-07, output"}]}]}]"#;
        assert_eq!(
            bill(Vendor::Openai, openai),
            [line("2026-11-01", "gpt-5", "0.5600")]
        );
    }

    #[test]
    fn a_table_of_a_console_is_read_by_its_names() {
        let csv = "usage_date_utc,Model,\"note, x\",cost_usd\r\n2026-11-02,claude-opus-5,\"a \"\"b\"\", c\",$1.5\r\n";
        assert_eq!(
            bill(Vendor::Anthropic, csv),
            [line("2026-11-02", "claude-opus-5", "1.5000")]
        );
        for bad in ["", "a,b\n1,2\n", "date,model,usd\nx,y,z\n", "{\"data\":"] {
            assert!(Vendor::Openai.read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_drift_is_that_of_weir() {
        let day = jiff::civil::date(2026, 11, 1);
        let ours = Bill::from([((day, "a".to_owned()), 1.1)]);
        let theirs = Bill::from([((day, "a".to_owned()), 1.0), ((day, String::new()), 0.5)]);
        let text = table(&ours, &theirs);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[1].contains(" -  ") && lines[1].ends_with("-100.00%"),
            "{text}"
        );
        assert!(lines[2].ends_with("+10.00%"), "{text}");
        assert!(
            lines[3].starts_with("total") && lines[3].ends_with("-26.67%"),
            "{text}"
        );
        assert!(Vendor::Openai.makes("openai/gpt-5") && !Vendor::Openai.makes("claude-opus-5"));
    }
}
