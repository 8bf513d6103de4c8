//! Reads vendors' exports: costs or usage, as the JSON of their APIs or the CSV of their consoles.
//!
//! Anthropic: <https://platform.claude.com/docs/en/api/admin-api/usage-cost/get-cost-report> (amounts in cents, as text) and
//! <https://platform.claude.com/docs/en/api/admin-api/usage-cost/get-messages-usage-report>. `OpenAI`:
//! <https://platform.openai.com/docs/api-reference/usage/costs> (dollars, the model in `line_item`) and
//! <https://platform.openai.com/docs/api-reference/usage/completions> (`input_tokens` with those of caches, sound and pictures).
use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

use super::{Vendor, csv};
use crate::catalog;
use crate::protocol::hub::units::Units;
use crate::protocol::hub::usage::{Extras, Media, Tools, Usage};

/// What an export says.
#[derive(Debug, Default)]
pub(super) struct Export {
    pub entries: Vec<Entry>,
    /// Whether the vendor has more pages than these.
    pub is_cut: bool,
    /// How many amounts are left out, by their currency, which is not USD.
    pub foreign: BTreeMap<String, usize>,
}

/// One row of an export.
#[derive(Debug)]
pub(super) struct Entry {
    pub day: Date,
    /// The model; empty if the row names none.
    pub model: String,
    /// The service tier; `None` = the standard tier.
    pub tier: Option<String>,
    /// Whether its prompts were longer than the ordinary price covers.
    pub is_long: bool,
    pub worth: Worth,
}

/// What a row states.
#[derive(Debug)]
pub(super) enum Worth {
    Usd(f64),
    Used { usage: Usage, extras: Extras },
}

impl Entry {
    pub(super) fn is_batch(&self) -> bool {
        self.tier.as_deref() == Some(BATCH)
    }
}

impl Export {
    /// One page, or a list of them.
    fn take(&mut self, vendor: Vendor, document: &Value) {
        let pages = match document {
            Value::Array(pages) => pages.as_slice(),
            page => std::slice::from_ref(page),
        };
        let list = |value: &Value, names: &[&str]| {
            let list = names.iter().find_map(|name| value.get(name)?.as_array());
            list.cloned().unwrap_or_default()
        };
        for page in pages {
            // Pages follow each other, so that the last one knows.
            self.is_cut = page.get("has_more") == Some(&Value::Bool(true));
        }
        for bucket in pages.iter().flat_map(|page| list(page, &["data"])) {
            let day = text_of(&bucket, &["starting_at", "start_time"]).and_then(|at| day_of(&at));
            for result in list(&bucket, &["results", "result"]) {
                let usd = match vendor {
                    Vendor::Anthropic => {
                        result.get("amount").and_then(number).map(|usd| usd / 100.0)
                    }
                    Vendor::Openai => result.pointer("/amount/value").and_then(number),
                };
                if usd.is_some() && self.is_foreign(&result) {
                    continue;
                }
                if let Some(day) = day
                    && let Some(worth) = usd.map(Worth::Usd).or_else(|| used(&result))
                {
                    self.entries.push(entry(day, &result, worth));
                }
            }
        }
    }

    /// Counts an amount that is not in USD.
    fn is_foreign(&mut self, row: &Value) -> bool {
        let named = text_of(row, &["currency", "amount_currency"]);
        let nested = || text_of(row.get("amount")?, &["currency"]);
        let Some(currency) = named.or_else(nested) else {
            return false;
        };
        let currency = currency.trim().to_ascii_uppercase();
        let is_foreign = !currency.is_empty() && currency != "USD";
        if is_foreign {
            *self.foreign.entry(currency).or_default() += 1;
        }
        is_foreign
    }
}

/// Every row that states a cost in USD or usage.
pub(super) fn read(vendor: Vendor, text: &str) -> Result<Export, String> {
    if !text.trim_start().starts_with(['{', '[']) {
        return read_csv(vendor, text);
    }
    // Several pages may follow each other, as several calls of the API produce them.
    let pages = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut export = Export::default();
    for page in pages {
        let page = page.map_err(|error| {
            format!(
                "line {}: found no whole JSON, expected the answer of the cost or the usage API",
                error.line()
            )
        })?;
        export.take(vendor, &page);
    }
    Ok(export)
}

fn read_csv(vendor: Vendor, text: &str) -> Result<Export, String> {
    let (head, lines) = csv::read(text)?;
    let has = |names: &[&str]| {
        names
            .iter()
            .any(|name| head.iter().any(|cell| cell == name))
    };
    if !has(&DAYS) || !has(&MODELS) || !has(&DOLLARS) && !has(&COUNTS) {
        let whose = match vendor {
            Vendor::Anthropic => "usage_date_utc,model_version,usage_output_tokens",
            Vendor::Openai => "start_time,line_item,amount_value",
        };
        return Err(format!(
            "found no line of names with a day (`date`), a model (`model`), and dollars (`cost_usd`) or tokens, expected one, such as `{whose}`"
        ));
    }
    let mut export = Export::default();
    for (at, line) in lines.iter().enumerate() {
        let day = text_of(line, &DAYS).and_then(|day| day_of(&day));
        let usd = DOLLARS.iter().find_map(|name| line.get(name));
        let worth = match usd.filter(|_| has(&DOLLARS)) {
            Some(usd) => number(usd).map(Worth::Usd),
            None => used(line),
        };
        let (Some(day), Some(worth)) = (day, worth) else {
            return Err(format!(
                "record {}: found no day and dollars or tokens, expected them",
                at + 2
            ));
        };
        if !matches!(worth, Worth::Usd(_)) || !export.is_foreign(line) {
            export.entries.push(entry(day, line, worth));
        }
    }
    Ok(export)
}

fn entry(day: Date, row: &Value, worth: Worth) -> Entry {
    let says = |names: &[&str]| text_of(row, names).unwrap_or_default().to_ascii_lowercase();
    let item = says(&["line_item", "description"]);
    let by_flag = says(&["batch"]) == "true";
    let by_item = item
        .split(|char: char| !char.is_alphanumeric())
        .any(|word| word == BATCH);
    let tier = match says(&["service_tier", "usage_type"]).as_str() {
        BATCH => Some(BATCH.to_owned()),
        _ if by_flag || by_item => Some(BATCH.to_owned()),
        "" | "default" | "standard" | "auto" | "null" => None,
        tier => Some(tier.to_owned()),
    };
    let window = says(&["context_window"]);
    Entry {
        day,
        model: model(row),
        tier,
        is_long: window.starts_with('>') || window.starts_with("200k-"),
        worth,
    }
}

/// The model of a row: the one that it names, else the first known one in its description.
fn model(row: &Value) -> String {
    if let Some(model) = text_of(row, &["model", "model_version", "snapshot_id"]) {
        return model
            .split([',', ' '])
            .next()
            .unwrap_or_default()
            .to_owned();
    }
    let item = text_of(row, &["line_item", "description"]).unwrap_or_default();
    let known = |name: &str| catalog::price(name).map(|_| name.to_owned());
    // Examples: "Claude Opus 4.5 Usage - Input Tokens", "gpt-5-2025-08-07, input"
    let spelt = item.split(" Usage").next().unwrap_or_default();
    let spelt = spelt.trim().to_ascii_lowercase().replace(' ', "-");
    let words = item.split([',', ' ', '|']).filter(|word| !word.is_empty());
    let first = words.clone().next().unwrap_or_default();
    let dashed = first.contains('-') && first.bytes().any(|byte| byte.is_ascii_digit());
    known(&spelt)
        .or_else(|| words.clone().find_map(known))
        .or_else(|| dashed.then(|| first.to_owned()))
        .unwrap_or_default()
}

/// The usage of a row.
fn used(row: &Value) -> Option<Worth> {
    let count = |names: &[&str]| names.iter().find_map(|name| whole(row.pointer(name)?));
    let all = count(&["/input_tokens"]);
    let uncached = count(&["/uncached_input_tokens", "/usage_input_tokens_no_cache"]);
    let output = count(&["/output_tokens", "/usage_output_tokens"]);
    all.or(uncached).or(output)?;
    let cache_read = count(&[
        "/cache_read_input_tokens",
        "/usage_input_tokens_cache_read",
        "/input_cached_tokens",
    ]);
    let short = count(&[
        "/cache_creation/ephemeral_5m_input_tokens",
        "/usage_input_tokens_cache_write_5m",
        "/input_cache_write_tokens",
    ]);
    let long = count(&[
        "/cache_creation/ephemeral_1h_input_tokens",
        "/usage_input_tokens_cache_write_1h",
    ]);
    let [cache_read, short, long] = [cache_read, short, long].map(Option::unwrap_or_default);
    let rest = all.map(|all| all.saturating_sub(cache_read.saturating_add(short)));
    let usage = Usage {
        input: uncached.or(rest).unwrap_or_default(),
        cache_read,
        cache_write_5m: short,
        cache_write_1h: long,
        output: output.unwrap_or_default(),
        reasoning: 0,
        units: Units::NONE,
    };
    let searches = count(&["/server_tool_use/web_search_requests", "/web_search_count"]);
    let of = |name: &str, most: u64| count(&[name]).unwrap_or_default().min(most);
    let said = |name: &str| text_of(row, &[name]).unwrap_or_default();
    let extras = Extras {
        tier: (said("speed") == "fast").then_some("fast"),
        region: (said("inference_geo") == "us").then_some("us"),
        tools: Tools {
            web_searches: searches.unwrap_or_default(),
            ..Tools::default()
        },
        media: Media {
            audio_input: of("/input_audio_tokens", usage.input),
            image_input: of("/input_image_tokens", usage.input),
            audio_output: of("/output_audio_tokens", usage.output),
            image_output: of("/output_image_tokens", usage.output),
        },
        ..Extras::default()
    };
    Some(Worth::Used { usage, extras })
}

/// Parses a date, a time, or seconds since the epoch. The day of a time is that in UTC, by which both vendors bill.
fn day_of(text: &str) -> Option<Date> {
    let utc = |moment: Timestamp| moment.to_zoned(jiff::tz::TimeZone::UTC).date();
    if let Ok(seconds) = text.parse() {
        return Timestamp::from_second(seconds).ok().map(utc);
    }
    let moment = text.parse::<Timestamp>().ok().map(utc);
    moment.or_else(|| text.get(..10)?.parse().ok())
}

/// The first of these members that has a value.
fn text_of(row: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| match row.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    })
}

/// A number of dollars; CSV may have it with a dollar sign and commas.
fn number(value: &Value) -> Option<f64> {
    let text = || {
        value
            .as_str()?
            .trim_start_matches('$')
            .replace(',', "")
            .parse()
            .ok()
    };
    value
        .as_f64()
        .or_else(text)
        .filter(|number| number.is_finite())
}

fn whole(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_str()?.replace(',', "").parse().ok())
}

const BATCH: &str = "batch";

/// The columns for the day.
const DAYS: [&str; 7] = [
    "date",
    "day",
    "usage_date_utc",
    "usage_date",
    "start_time",
    "start_time_iso",
    "starting_at",
];

/// The columns for the model.
const MODELS: [&str; 5] = [
    "model",
    "model_version",
    "snapshot_id",
    "line_item",
    "description",
];

/// The columns for the cost in dollars.
const DOLLARS: [&str; 6] = [
    "usd",
    "cost",
    "cost_usd",
    "amount",
    "amount_value",
    "total_cost",
];

/// The columns for tokens.
const COUNTS: [&str; 3] = [
    "input_tokens",
    "usage_input_tokens_no_cache",
    "output_tokens",
];
