//! Use in the format of FOCUS 1.2, the common format of cloud bills:
//! <https://focus.finops.org/focus-specification/v1-2/>.
//!
//! The columns are all mandatory ones and those conditional ones that make sense for model traffic, sorted by name,
//! followed by columns that begin with `x_` for what only Weir knows.
use jiff::ToSpan as _;
use jiff::civil::Date;

use crate::limits::Totals;
use crate::limits::ledger::{Dimension, Row};

/// The grouping of the report: one line for each day and each combination of names.
pub(super) const BY: [Dimension; 6] = [
    Dimension::Day,
    Dimension::Account,
    Dimension::Model,
    Dimension::Key,
    Dimension::Group,
    Dimension::Project,
];

/// The rows, grouped by [`BY`], as comma-separated values. A row of a month that was merged has no day; it stands for
/// the whole month.
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
    let (quantity, unit) = quantity(&row.totals);
    let usage = &row.totals.usage;
    let [images, audio_ms, characters, searches, video_ms] = usage.units.figures();
    let each = each(&row.totals, quantity);
    let quantity = decimal(quantity);
    let tags = tags([("key", key), ("group", group), ("project", project)]);
    Some([
        usd.clone(),
        account.clone(),
        account.clone(),
        "Upstream account".to_owned(),
        "USD".to_owned(),
        moment(next),
        moment(month),
        "Usage".to_owned(),
        String::new(),
        format!("Use of {}", named(model)),
        "Usage-Based".to_owned(),
        moment(until),
        moment(from),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        quantity.clone(),
        unit.to_owned(),
        usd.clone(),
        each.clone(),
        usd.clone(),
        account.clone(),
        usd,
        each,
        "Standard".to_owned(),
        quantity,
        unit.to_owned(),
        account.clone(),
        publisher(model).map_or(account, str::to_owned),
        String::new(),
        String::new(),
        named(model),
        named(model),
        "Model".to_owned(),
        "AI and Machine Learning".to_owned(),
        "Language model inference".to_owned(),
        "Generative AI".to_owned(),
        named(model),
        unit.to_owned(),
        named(model),
        named(key),
        named(key),
        "Key".to_owned(),
        tags,
        audio_ms.to_string(),
        usage.cache_read.to_string(),
        usage.cache_write_1h.to_string(),
        usage.cache_write_5m.to_string(),
        characters.to_string(),
        group.clone(),
        images.to_string(),
        usage.input.to_string(),
        key.clone(),
        model.clone(),
        usage.output.to_string(),
        project.clone(),
        row.totals.requests.to_string(),
        searches.to_string(),
        video_ms.to_string(),
    ])
}

/// The billed quantity in thousandths, and its unit: tokens if there are any, else the first kind of unit that there
/// is.
fn quantity(totals: &Totals) -> (u64, &'static str) {
    let (usage, units) = (&totals.usage, &totals.usage.units);
    let counted = |count: u64| count.saturating_mul(1_000);
    let kinds = [
        (counted(units.images), "Images"),
        (units.audio_ms, "Seconds"),
        (counted(units.characters), "Characters"),
        (counted(units.searches), "Searches"),
        (units.video_ms, "Seconds"),
    ];
    let piece = kinds.into_iter().find(|(count, _)| *count > 0);
    match piece.filter(|_| usage.total() == 0) {
        Some(piece) => piece,
        None => (counted(usage.total()), "Tokens"),
    }
}

/// The average price in dollars of one unit; `thousandths` is the quantity in thousandths. Empty if the quantity is 0.
fn each(totals: &Totals, thousandths: u64) -> String {
    let atto = u128::from(totals.nano_usd) * 1_000_000_000_000;
    let Some(atto) = atto.checked_div(u128::from(thousandths)) else {
        return String::new();
    };
    let scale = 1_000_000_000_000_000_000;
    format!("{}.{:018}", atto / scale, atto % scale)
}

/// Thousandths as a decimal number: a reader that infers types would take a column of whole numbers for another type.
fn decimal(thousandths: u64) -> String {
    format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}

/// The tags as one JSON object, without empty ones.
fn tags(tags: [(&str, &String); 3]) -> String {
    let given = tags.into_iter().filter(|(_, value)| !value.is_empty());
    let given: serde_json::Map<String, serde_json::Value> = given
        .map(|(name, value)| (name.to_owned(), value.as_str().into()))
        .collect();
    serde_json::Value::from(given).to_string()
}

/// The period of a row: its day, or its month if the days of the history were merged.
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

/// The name, or `none`: a mandatory name is never empty.
fn named(name: &str) -> String {
    if name.is_empty() { "none" } else { name }.to_owned()
}

/// The publisher of the model, by the model's name.
fn publisher(model: &str) -> Option<&'static str> {
    let known = PUBLISHERS
        .iter()
        .find(|(prefix, _)| model.starts_with(prefix));
    known.map(|(_, publisher)| *publisher)
}

/// The cost in dollars to the billionth, as the ledger counts it.
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

const COLUMNS: [&str; 61] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
    "x_AudioMilliseconds",
    "x_CacheReadTokens",
    "x_CacheWrite1hTokens",
    "x_CacheWrite5mTokens",
    "x_Characters",
    "x_Group",
    "x_Images",
    "x_InputTokens",
    "x_Key",
    "x_Model",
    "x_OutputTokens",
    "x_Project",
    "x_Requests",
    "x_Searches",
    "x_VideoMilliseconds",
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

    /// The columns of feature level "Mandatory" in `specification/columns` of the specification's repository at its tag
    /// `v1.2`.
    const MANDATORY: [&str; 21] = [
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
    ];

    #[test]
    fn every_mandatory_column_is_there_and_says_something() {
        // The specification says "Allows nulls" for these; a charge that corrects nothing has no class.
        let nullable = [
            "BillingAccountName",
            "ChargeClass",
            "ChargeDescription",
            "PricingQuantity",
            "PricingUnit",
        ];
        let text = csv(&[row("2026-12-31", "")]);
        let line: Vec<&str> = text.lines().nth(1).unwrap().split(',').collect();
        for name in MANDATORY {
            let place = COLUMNS.iter().position(|column| *column == name);
            let place = place.unwrap_or_else(|| panic!("{name} is missing"));
            assert!(
                nullable.contains(&name) || !line[place].is_empty(),
                "{name} is empty: {text}"
            );
        }
    }

    #[test]
    fn every_line_has_every_column_and_its_period() {
        let mut spoken = row("2026-12-30", "main");
        spoken.totals.usage.units.audio_ms = 2_500;
        let mut written = row("2026-12-30", "main");
        written.totals.usage.input = 3;
        let text = csv(&[
            row("2026-12-31", "main"),
            row("2026-02", ""),
            row("never", "x"),
            spoken,
            written,
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert_eq!(
            lines[1],
            "1.250000001,main,main,Upstream account,USD,2027-01-01T00:00:00Z,2026-12-01T00:00:00Z,Usage,,Use of claude-opus-5,Usage-Based,2027-01-01T00:00:00Z,2026-12-31T00:00:00Z,,,,,,0.000,Tokens,1.250000001,,1.250000001,main,1.250000001,,Standard,0.000,Tokens,main,Anthropic,,,claude-opus-5,claude-opus-5,Model,AI and Machine Learning,Language model inference,Generative AI,claude-opus-5,Tokens,claude-opus-5,\"a,b\",\"a,b\",Key,\"{\"\"key\"\":\"\"a,b\"\",\"\"project\"\":\"\"research\"\"}\",0,0,0,0,0,,0,0,\"a,b\",claude-opus-5,0,research,3,0,0"
        );
        assert!(
            lines[2].contains("2026-03-01T00:00:00Z,2026-02-01T00:00:00Z,Usage")
                && lines[2].contains(",none,"),
            "{text}"
        );
        // Each quantity times its price is the cost.
        assert!(lines[3].contains(",2.500,Seconds,"), "{text}");
        assert!(lines[3].contains(",0.500000000400000000,"), "{text}");
        assert!(
            lines[4].contains(",3.000,Tokens,1.250000001,0.416666667000000000,"),
            "{text}"
        );
        assert!(COLUMNS.is_sorted_by_key(|name| (name.starts_with("x_"), *name)));
        assert_eq!(lines[0].split(',').count(), COLUMNS.len());
    }
}
