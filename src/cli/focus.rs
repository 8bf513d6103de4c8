//! What was used as FOCUS 1.2, the common form of cloud bills: <https://focus.finops.org/focus-specification/v1-2/>.
//!
//! Every mandatory column is there, in the order of their names, and what only Weir knows in columns that begin with `x_`.
use jiff::ToSpan as _;
use jiff::civil::Date;

use crate::limits::Totals;
use crate::limits::ledger::{Dimension, Row};

/// What a report is grouped by: one line for each day and everything that has a name.
pub(super) const BY: [Dimension; 6] = [
    Dimension::Day,
    Dimension::Account,
    Dimension::Model,
    Dimension::Key,
    Dimension::Group,
    Dimension::Project,
];

/// The rows, grouped by [`BY`], as comma-separated values. A row without a day (a month that was merged) has none to name and
/// stands for its whole period.
pub(super) fn csv(rows: &[Row]) -> String {
    let mut text = COLUMNS.join(",") + "\r\n";
    for row in rows {
        if let Some(cells) = cells(row) {
            let quoted: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
            text += &quoted.join(",");
            text += "\r\n";
        }
    }
    text
}

fn cells(row: &Row) -> Option<[String; COLUMNS.len()]> {
    let [day, account, model, key, group, project] = row.names.as_slice() else {
        return None;
    };
    let (from, until) = period(day)?;
    let month = from.first_of_month();
    let next = month.saturating_add(1.month());
    let usd = usd(&row.totals);
    let account = named(account);
    let usage = &row.totals.usage;
    Some([
        usd.clone(),
        account.clone(),
        account.clone(),
        "USD".to_owned(),
        moment(next),
        moment(month),
        "Usage".to_owned(),
        String::new(),
        format!("Tokens of {}", named(model)),
        moment(until),
        moment(from),
        usd.clone(),
        usd.clone(),
        account.clone(),
        usd,
        usage.total().to_string(),
        "Tokens".to_owned(),
        account.clone(),
        publisher(model).map_or(account, str::to_owned),
        "AI and Machine Learning".to_owned(),
        "Language model inference".to_owned(),
        usage.cache_read.to_string(),
        usage.cache_write_1h.to_string(),
        usage.cache_write_5m.to_string(),
        group.clone(),
        usage.input.to_string(),
        key.clone(),
        model.clone(),
        usage.output.to_string(),
        project.clone(),
        row.totals.requests.to_string(),
    ])
}

/// The day, or the month of a history whose days were merged.
fn period(day: &str) -> Option<(Date, Date)> {
    if let Ok(day) = day.parse::<Date>() {
        return Some((day, day.saturating_add(1.day())));
    }
    let month: Date = format!("{day}-01").parse().ok()?;
    Some((month, month.saturating_add(1.month())))
}

fn moment(day: Date) -> String {
    format!("{day}T00:00:00Z")
}

/// A mandatory name is never empty.
fn named(name: &str) -> String {
    if name.is_empty() { "none" } else { name }.to_owned()
}

/// Who made the model, by its name.
fn publisher(model: &str) -> Option<&'static str> {
    let known = PUBLISHERS
        .iter()
        .find(|(prefix, _)| model.starts_with(prefix));
    known.map(|(_, publisher)| *publisher)
}

/// Dollars to the billionth, as the ledger counts them.
fn usd(totals: &Totals) -> String {
    let (whole, rest) = (
        totals.nano_usd / 1_000_000_000,
        totals.nano_usd % 1_000_000_000,
    );
    format!("{whole}.{rest:09}")
}

fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

const COLUMNS: [&str; 31] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "x_CacheReadTokens",
    "x_CacheWrite1hTokens",
    "x_CacheWrite5mTokens",
    "x_Group",
    "x_InputTokens",
    "x_Key",
    "x_Model",
    "x_OutputTokens",
    "x_Project",
    "x_Requests",
];

const PUBLISHERS: [(&str, &str); 14] = [
    ("claude", "Anthropic"),
    ("codestral", "Mistral AI"),
    ("deepseek", "DeepSeek"),
    ("gemini", "Google"),
    ("glm", "Z.ai"),
    ("gpt", "OpenAI"),
    ("grok", "xAI"),
    ("kimi", "Moonshot AI"),
    ("llama", "Meta"),
    ("MiniMax", "MiniMax"),
    ("mistral", "Mistral AI"),
    ("o1", "OpenAI"),
    ("o3", "OpenAI"),
    ("qwen", "Alibaba Cloud"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn row(day: &str, account: &str) -> Row {
        let names = [day, account, "claude-opus-5", "a,b", "", "research"];
        Row {
            names: names.map(str::to_owned).to_vec(),
            totals: Totals {
                requests: 3,
                nano_usd: 1_250_000_001,
                ..Totals::default()
            },
        }
    }

    #[test]
    fn every_line_has_every_column_and_its_period() {
        let text = csv(&[
            row("2026-12-31", "main"),
            row("2026-02", ""),
            row("never", "x"),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(
            lines[1],
            "1.250000001,main,main,USD,2027-01-01T00:00:00Z,2026-12-01T00:00:00Z,Usage,,Tokens of claude-opus-5,2027-01-01T00:00:00Z,2026-12-31T00:00:00Z,1.250000001,1.250000001,main,1.250000001,0,Tokens,main,Anthropic,AI and Machine Learning,Language model inference,0,0,0,,0,\"a,b\",claude-opus-5,0,research,3"
        );
        assert!(
            lines[2].contains("2026-03-01T00:00:00Z,2026-02-01T00:00:00Z,Usage")
                && lines[2].contains(",none,"),
            "{text}"
        );
        assert_eq!(lines[0].split(',').count(), COLUMNS.len());
    }
}
