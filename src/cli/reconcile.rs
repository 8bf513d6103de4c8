//! `weir reconcile`: compares the ledger with a vendor's own bill.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use jiff::civil::Date;

use super::{failure, print, print_faults};
use crate::limits::ledger::{self, Dimension, Row};
use crate::pricing::PriceTable;
use crate::{catalog, config};
use export::{Entry, Export, Worth};

mod csv;
mod export;

/// Compare the ledger with a vendor's export of costs or of usage, per day and model
#[derive(Debug, Args)]
pub(super) struct Reconcile {
    /// The ledger's file, as `ledger.path` of the configuration has it
    #[arg(long, value_name = "PATH")]
    ledger: PathBuf,
    /// Whose export it is
    #[arg(long)]
    vendor: Vendor,
    /// Only what this account served; may be given again. Without it, every model of the vendor's counts, whoever served it
    #[arg(long, value_name = "NAME")]
    account: Vec<String>,
    /// The configuration whose `prices` count, and whose accounts exist although the ledger has not seen them yet
    /// [default: none, only the built-in table]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The answer of the vendor's cost or usage API (JSON, one page or a list of pages), or the CSV of its console. What only
    /// states tokens is priced as Weir prices it, batches and other tiers at their own rates
    file: PathBuf,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Vendor {
    Anthropic,
    Openai,
}

/// Sums by day and model.
type Bill = BTreeMap<(Date, String), Sum>;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sum {
    usd: f64,
    /// The part of it that batches cost, as far as the vendor states it.
    batches: f64,
    /// Tokens of all kinds; `None` = the vendor does not state them.
    tokens: Option<u64>,
}

impl Reconcile {
    pub(super) fn run(self) -> ExitCode {
        let (prices, accounts) = match &self.config {
            None => (PriceTable::new(&[]), Vec::new()),
            Some(file) => match config::check_without_secrets(file) {
                Ok(config) => {
                    let name = |account: &Arc<config::Account>| account.name.to_string();
                    let accounts = config.accounts.iter().map(name).collect();
                    (PriceTable::new(&config.prices), accounts)
                }
                Err(faults) => return print_faults(&faults),
            },
        };
        match self.text(&prices, &accounts) {
            Ok(text) => match print(&text) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failure(&error),
            },
            Err(why) => failure(&why),
        }
    }

    fn text(&self, prices: &PriceTable, configured: &[String]) -> Result<String, String> {
        let at = |path: &PathBuf, why: String| format!("{}: {why}", path.display());
        let text = std::fs::read_to_string(&self.file)
            .map_err(|error| at(&self.file, error.to_string()))?;
        let export = export::read(self.vendor, &text).map_err(|why| at(&self.file, why))?;
        for warning in warnings(&export) {
            eprintln!("warning: {}: {warning}", self.file.display());
        }
        let (theirs, unpriced) = bill(prices, &export.entries);
        let days = || theirs.keys().map(|(day, _)| *day);
        let (Some(first), Some(last)) = (days().min(), days().max()) else {
            return Err(at(
                &self.file,
                "there is neither cost nor usage in it".to_owned(),
            ));
        };
        if !unpriced.is_empty() {
            let names: Vec<String> = unpriced.into_iter().map(clean).collect();
            eprintln!("without a price: {}", names.join(", "));
        }
        if !ledger::directory(&self.ledger).is_dir() {
            let why = "there is no history beside it; `--ledger` is what `ledger.path` of the configuration says";
            return Err(at(&self.ledger, why.to_owned()));
        }
        self.known_accounts(configured)?;
        let by = [Dimension::Day, Dimension::Model, Dimension::Account];
        let rows = ledger::report(&self.ledger, (first, last), &by)
            .map_err(|error| at(&self.ledger, error.to_string()))?;
        Ok(table(&self.ours(&rows), &theirs))
    }

    /// Whether every `--account` is in the ledger or in the configuration: a configured account that has served nothing
    /// is one whose whole bill is drift, and no mistake.
    fn known_accounts(&self, configured: &[String]) -> Result<(), String> {
        if self.account.is_empty() {
            return Ok(());
        }
        let ever = (Date::MIN, Date::MAX);
        let rows = ledger::report(&self.ledger, ever, &[Dimension::Account])
            .map_err(|error| format!("{}: {error}", self.ledger.display()))?;
        let there: BTreeSet<&str> = rows
            .iter()
            .flat_map(|row| &row.names)
            .map(|name| &**name)
            .chain(configured.iter().map(String::as_str))
            .collect();
        let unknown = self
            .account
            .iter()
            .find(|name| !there.contains(name.as_str()));
        let Some(unknown) = unknown else {
            return Ok(());
        };
        let there: Vec<String> = there
            .into_iter()
            .filter(|name| !name.is_empty())
            .map(clean)
            .collect();
        let there = if there.is_empty() {
            "none".to_owned()
        } else {
            there.join(", ")
        };
        Err(format!(
            "--account: found `{}`, expected an account of {}: {there}",
            clean(unknown),
            match &self.config {
                None => format!("the ledger {}", self.ledger.display()),
                Some(config) => format!(
                    "the ledger {} or of {}",
                    self.ledger.display(),
                    config.display()
                ),
            }
        ))
    }

    /// The ledger's sums for the vendor.
    fn ours(&self, rows: &[Row]) -> Bill {
        let mut ours = Bill::new();
        for row in rows {
            let [day, model, account] = row.names.as_slice() else {
                continue;
            };
            let model = own_name(model);
            let is_theirs = if self.account.is_empty() {
                self.vendor.makes(&model)
            } else {
                self.account.contains(account)
            };
            if let Ok(day) = day.parse()
                && is_theirs
            {
                ours.entry((day, model)).or_default().add(Sum {
                    usd: row.totals.usd(),
                    batches: 0.0,
                    tokens: Some(row.totals.usage.total()),
                });
            }
        }
        ours
    }
}

impl Vendor {
    /// Whether a model with this name is the vendor's: the ledger contains models of every vendor.
    fn makes(self, model: &str) -> bool {
        let prefixes: &[&str] = match self {
            Self::Anthropic => &["claude"],
            Self::Openai => &[
                "gpt",
                "ft:",
                "o1",
                "o3",
                "o4",
                "chatgpt",
                "text-embedding",
                "omni-moderation",
                "computer-use",
                "codex",
                "whisper",
                "tts",
                "dall-e",
                "sora",
            ],
        };
        prefixes.iter().any(|prefix| model.starts_with(prefix))
    }
}

impl Sum {
    fn add(&mut self, more: Self) {
        self.usd += more.usd;
        self.batches += more.batches;
        if let Some(tokens) = more.tokens {
            self.tokens = Some(self.tokens.unwrap_or(0).saturating_add(tokens));
        }
    }
}

/// What of an export is not compared.
fn warnings(export: &Export) -> Vec<String> {
    let mut warnings = Vec::new();
    if export.is_cut {
        warnings.push(
            "its last page says `has_more: true`, so that days or models are missing in the vendor's columns; ask for the rest by `page=` \
             with its `next_page`, and put all pages into one file, one after the other"
                .to_owned(),
        );
    }
    for (currency, count) in &export.foreign {
        warnings.push(format!(
            "left out {count} amounts in {}, since the ledger is in USD; reconcile them by an export of usage",
            clean(currency)
        ));
    }
    warnings
}

/// The costs of the entries, and the models for which only tokens are stated and no price is known.
fn bill<'a>(prices: &PriceTable, entries: &'a [Entry]) -> (Bill, BTreeSet<&'a str>) {
    let (mut bill, mut unpriced) = (Bill::new(), BTreeSet::new());
    for entry in entries {
        let (usd, tokens) = match &entry.worth {
            Worth::Usd(usd) => (*usd, None),
            Worth::Used { usage, extras } => {
                let quote = prices.quote(&entry.model);
                let usd = quote.map(|quote| {
                    let tier = entry.tier.as_deref();
                    quote.bill_many(usage, tier, extras, entry.is_long)
                });
                if usd.is_none() && usage.total() > 0 {
                    unpriced.insert(entry.model.as_str());
                }
                (usd.unwrap_or(0.0), Some(usage.total()))
            }
        };
        let batches = if entry.is_batch() { usd } else { 0.0 };
        let key = (entry.day, own_name(&entry.model));
        let sum = Sum {
            usd,
            batches,
            tokens,
        };
        bill.entry(key).or_default().add(sum);
    }
    (bill, unpriced)
}

/// One name for all spellings of a model: its id in the catalog, or the name itself.
fn own_name(model: &str) -> String {
    catalog::price(model)
        .map_or(model, |priced| priced.id)
        .to_owned()
}

/// The name without control characters, for printing.
fn clean(name: &str) -> String {
    let plain = |char: char| if char.is_control() { '?' } else { char };
    name.chars().map(plain).collect()
}

/// A line for each day and model, and the total.
fn table(ours: &Bill, theirs: &Bill) -> String {
    let states_tokens = theirs.values().any(|sum| sum.tokens.is_some());
    let mut text = format!("{:<10}  {:<30}", "day", "model");
    if states_tokens {
        text += &format!("  {:>14}  {:>14}", "weir_tokens", "vendor_tokens");
    }
    text += &format!(
        "  {:>12}  {:>12}  {:>12}  {:>9}\n",
        "weir_usd", "vendor_usd", "of_batches", "drift"
    );
    let mut line = |day: &str, model: &str, ours: Sum, theirs: Sum| {
        let drift = if theirs.usd > 0.0 {
            format!("{:+.2}%", (ours.usd - theirs.usd) / theirs.usd * 100.0)
        } else {
            "-".to_owned()
        };
        // Writing to a String cannot fail.
        let _ = write!(text, "{day:<10}  {:<30}", clean(model));
        if states_tokens {
            let (ours, theirs) = (ours.tokens.unwrap_or(0), theirs.tokens.unwrap_or(0));
            let _ = write!(text, "  {ours:>14}  {theirs:>14}");
        }
        let _ = writeln!(
            text,
            "  {:>12.6}  {:>12.6}  {:>12.6}  {drift:>9}",
            ours.usd, theirs.usd, theirs.batches
        );
    };
    let keys: BTreeSet<&(Date, String)> = ours.keys().chain(theirs.keys()).collect();
    for key in keys {
        let of = |bill: &Bill| bill.get(key).copied().unwrap_or_default();
        let name = if key.1.is_empty() { "-" } else { &key.1 };
        line(&key.0.to_string(), name, of(ours), of(theirs));
    }
    let all = |bill: &Bill| {
        let mut all = Sum::default();
        for sum in bill.values() {
            all.add(*sum);
        }
        all
    };
    line("total", "", all(ours), all(theirs));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(vendor: Vendor, text: &str) -> Vec<(String, String, String, String)> {
        let prices = PriceTable::new(&[]);
        let export = export::read(vendor, text).unwrap_or_else(|why| panic!("{why}: {text}"));
        let (bill, unpriced) = bill(&prices, &export.entries);
        assert!(unpriced.is_empty(), "{unpriced:?}");
        let line = |((day, model), sum): (&(Date, String), &Sum)| {
            let (usd, batches) = (format!("{:.4}", sum.usd), format!("{:.4}", sum.batches));
            (day.to_string(), model.clone(), usd, batches)
        };
        bill.iter().map(line).collect()
    }

    fn line(day: &str, model: &str, usd: &str, batches: &str) -> (String, String, String, String) {
        (day.into(), model.into(), usd.into(), batches.into())
    }

    #[test]
    fn both_cost_apis_are_read() {
        let anthropic = r#"{"data":[{"starting_at":"2026-11-01T00:00:00Z","results":[
            {"amount":"123.45","currency":"USD","model":"claude-sonnet-4-5-20250929","service_tier":"standard"},
            {"amount":"0.55","currency":"USD","model":"claude-sonnet-4-5-20250929","service_tier":"batch"},
            {"amount":"100","model":null,"description":"Claude Opus 4.5 Usage - Input Tokens, Batch"},
            {"amount":"7","model":null,"description":"Web Search Usage"},
            {"amount":null,"model":"claude-opus-5"}]}],"has_more":false}"#;
        assert_eq!(
            lines(Vendor::Anthropic, anthropic),
            [
                line("2026-11-01", "", "0.0700", "0.0000"),
                line("2026-11-01", "claude-opus-4-5", "1.0000", "1.0000"),
                line("2026-11-01", "claude-sonnet-4-5", "1.2400", "0.0055"),
            ]
        );
        let page = r#"{"data":[{"starting_at":"2026-11-02","results":[{"amount":"5","model":"claude-opus-5"}]}],"has_more":true}"#;
        assert_eq!(
            lines(Vendor::Anthropic, &format!("{page}\n{page}")),
            [line("2026-11-02", "claude-opus-5", "0.1000", "0.0000")]
        );
        let openai = r#"[{"data":[{"start_time":1793491200,"results":[
            {"amount":{"value":0.06,"currency":"usd"},"line_item":"gpt-5-2025-08-07, input"},
            {"amount":{"value":"0.25","currency":"usd"},"line_item":"Batch API | gpt-5-2025-08-07, output"},
            {"amount":{"value":0.02,"currency":"usd"},"line_item":"web search tool calls"},
            {"amount":{"value":0.5,"currency":"usd"},"line_item":"gpt-5-2025-08-07, output"}]}]}]"#;
        assert_eq!(
            lines(Vendor::Openai, openai),
            [
                line("2026-11-01", "", "0.0200", "0.0000"),
                line("2026-11-01", "gpt-5", "0.8100", "0.2500"),
            ]
        );
    }

    #[test]
    fn both_usage_apis_are_priced_on_the_tiers_that_they_name() {
        // A million tokens of each kind: 3 and 0.3, 3.75, 6 and 15, half of that in batches; two searches.
        let of = |tier: &str, more: &str| {
            format!(
                r#"{{"uncached_input_tokens":1000000,"cache_creation":{{"ephemeral_1h_input_tokens":1000000,"ephemeral_5m_input_tokens":1000000}},
                "cache_read_input_tokens":1000000,"output_tokens":1000000,"server_tool_use":{{"web_search_requests":2}},
                "model":"claude-sonnet-4-5-20250929","service_tier":"{tier}"{more}}}"#
            )
        };
        let text = format!(
            r#"{{"data":[{{"starting_at":"2026-11-01T00:00:00Z","results":[{},{},{}]}}]}}"#,
            of(
                "standard",
                r#","context_window":"0-200k","inference_geo":"not_available""#
            ),
            of("batch", ""),
            r#"{"output_tokens":1000000,"model":"claude-opus-4-6","service_tier":"standard","inference_geo":"us","speed":"fast"}"#,
        );
        assert_eq!(
            lines(Vendor::Anthropic, &text),
            [
                line("2026-11-01", "claude-opus-4-6", "55.0000", "0.0000"),
                line("2026-11-01", "claude-sonnet-4-5", "42.1150", "14.0450"),
            ]
        );
        // 600 thousand input tokens, 400 thousand cached ones, a million output tokens; the same as a batch, on flex
        // and on priority.
        let of = |more: &str| {
            format!(
                r#"{{"object":"organization.usage.completions.result","input_tokens":1000000,"input_cached_tokens":400000,
                "output_tokens":1000000,"input_audio_tokens":0,"num_model_requests":5,"model":"gpt-5-2025-08-07"{more}}}"#
            )
        };
        let text = format!(
            r#"{{"data":[{{"start_time":1793491200,"end_time":1793577600,"results":[{},{},{},{}]}}]}}"#,
            of(r#","batch":false,"service_tier":"default""#),
            of(r#","batch":true,"service_tier":null"#),
            of(r#","service_tier":"flex""#),
            of(r#","service_tier":"priority""#),
        );
        // 0.75 + 0.05 + 10 = 10.80; times 1, a half, a half, and two.
        assert_eq!(
            lines(Vendor::Openai, &text),
            [line("2026-11-01", "gpt-5", "43.2000", "5.4000")]
        );
    }

    #[test]
    fn the_tables_of_the_consoles_are_read_by_their_names() {
        let costs = "\u{feff}usage_date_utc,Model,\"note, x\",cost_usd,usage_type\r\n2026-11-02,claude-opus-5,\"a \"\"b\"\", c\",$1.5,batch\r\n2026-11-02,claude-opus-5,,\"1,000.25\",standard\r\n";
        assert_eq!(
            lines(Vendor::Anthropic, costs),
            [line("2026-11-02", "claude-opus-5", "1001.7500", "1.5000")]
        );
        let usage = "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count,inference_geo,speed\n\
            2026-11-02,claude-haiku-5-5,k,Default,standard,\u{2264} 200k,1000000,0,0,0,0,0,not_available,\n\
            2026-11-02,claude-haiku-5-5,k,Default,batch,> 200k,1000000,0,0,0,0,0,not_available,\n";
        assert_eq!(
            lines(Vendor::Anthropic, usage),
            [line("2026-11-02", "claude-haiku-5-5", "0.3500", "0.2500")]
        );
        let openai = "start_time,end_time,start_time_iso,model,batch,service_tier,input_tokens,output_tokens,input_cached_tokens\n\
            1793491200,1793577600,2026-11-01T00:00:00+00:00,gpt-5-2025-08-07,True,,1000000,0,0\n\
            1793491200,1793577600,2026-11-01T00:00:00+00:00,gpt-5-2025-08-07,False,default,1000000,0,1000000\n";
        assert_eq!(
            lines(Vendor::Openai, openai),
            [line("2026-11-01", "gpt-5", "0.7500", "0.6250")]
        );
        for bad in ["", "a,b\n1,2\n", "date,model,usd\nx,y,z\n", "{\"data\":"] {
            assert!(export::read(Vendor::Openai, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_compared_is_told() {
        let cut = r#"{"data":[],"has_more":true,"next_page":"p2"}"#;
        let whole = r#"{"data":[],"has_more":false}"#;
        for (text, is_cut) in [
            (cut.to_owned(), true),
            (whole.to_owned(), false),
            (format!("{cut}\n{whole}"), false),
            (format!("[{cut},{whole}]"), false),
            (format!("[{cut},{cut}]"), true),
        ] {
            let export = export::read(Vendor::Anthropic, &text).expect("pages");
            let said = warnings(&export).join("\n");
            assert_eq!(said.contains("has_more"), is_cut, "{text}");
            assert_eq!(said.contains("next_page"), is_cut, "{text}");
        }
        let openai = r#"{"data":[{"start_time":1793491200,"results":[
            {"amount":{"value":2,"currency":"eur"},"line_item":"gpt-5-2025-08-07, output"},
            {"amount":{"value":1,"currency":"usd"},"line_item":"gpt-5-2025-08-07, output"}]}]}"#;
        let anthropic = r#"{"data":[{"starting_at":"2026-11-01","results":[
            {"amount":"200","currency":"EUR","model":"gpt-5"},{"amount":"100","currency":"USD","model":"gpt-5"}]}]}"#;
        let csv = "date,model,cost_usd,currency\n2026-11-01,gpt-5,2,EUR\n2026-11-01,gpt-5,1,usd\n";
        for (vendor, text) in [
            (Vendor::Openai, openai),
            (Vendor::Anthropic, anthropic),
            (Vendor::Openai, csv),
        ] {
            assert_eq!(
                lines(vendor, text),
                [line("2026-11-01", "gpt-5", "1.0000", "0.0000")]
            );
            let export = export::read(vendor, text).expect("costs");
            let said = warnings(&export);
            assert!(said[0].contains("left out 1 amounts in EUR"), "{said:?}");
        }
    }

    #[test]
    fn what_has_no_price_is_told() {
        let prices = PriceTable::new(&[]);
        let text = r#"{"data":[{"start_time":1793491200,"results":[{"input_tokens":5,"output_tokens":5,"model":"gpt-secret"}]}]}"#;
        let export = export::read(Vendor::Openai, text).expect("usage");
        let (bill, unpriced) = bill(&prices, &export.entries);
        assert_eq!(unpriced.into_iter().collect::<Vec<_>>(), ["gpt-secret"]);
        assert_eq!(bill.values().next().and_then(|sum| sum.tokens), Some(10));
    }

    #[test]
    fn the_drift_is_that_of_weir() {
        let day = jiff::civil::date(2026, 11, 1);
        let usd = |usd| Sum {
            usd,
            ..Sum::default()
        };
        let ours = Bill::from([((day, "a".to_owned()), usd(1.1))]);
        let theirs = Bill::from([
            ((day, "a".to_owned()), usd(1.0)),
            ((day, String::new()), usd(0.5)),
        ]);
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
        let makes = |model| Vendor::Openai.makes(&own_name(model));
        assert!(makes("openai/gpt-5") && makes("ft:gpt-4o:acme::x") && !makes("claude-opus-5"));
    }
}
