//! Reports as comma-separated values (RFC 4180).
use super::attribution::Dimension;
use super::history::Row;
use crate::limits::Totals;
use crate::protocol::hub::units::Units;

/// The figures of a row with their names.
pub fn figures(totals: &Totals) -> [(&'static str, u64); 7] {
    let usage = &totals.usage;
    [
        ("requests", totals.requests),
        ("input", usage.input),
        ("output", usage.output),
        ("cache_read", usage.cache_read),
        ("cache_write_5m", usage.cache_write_5m),
        ("cache_write_1h", usage.cache_write_1h),
        ("reasoning", usage.reasoning),
    ]
}

/// One line of column names, and one line for each row. Spreadsheet programs take a cell that begins with `=` or a
/// similar character for a formula, so such names get a quote in front: clients choose the names of models.
pub fn csv(by: &[Dimension], rows: &[Row]) -> String {
    let names = by.iter().map(|dimension| dimension.as_str());
    let figures_of = figures(&Totals::default()).map(|(name, _)| name);
    let head = names.chain(figures_of).chain(["usd"]);
    let head: Vec<&str> = head.chain(Units::KINDS).collect();
    let mut text = head.join(",") + "\r\n";
    for row in rows {
        let figures = figures(&row.totals).map(|(_, figure)| figure.to_string());
        let cells: Vec<String> = row
            .names
            .iter()
            .map(|name| cell(name))
            .chain(figures)
            .chain([usd(&row.totals)])
            .chain(units_of(row))
            .collect();
        text += &cells.join(",");
        text += "\r\n";
    }
    text
}

/// The counts of what is sold by another unit than tokens. These columns come last, so that older readers find theirs.
fn units_of(row: &Row) -> impl Iterator<Item = String> {
    let units = row.totals.usage.units.figures();
    units.into_iter().map(|count| count.to_string())
}

fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// US dollars with nine decimals, as exact as the ledger counts them.
fn usd(totals: &Totals) -> String {
    let (whole, rest) = (
        totals.nano_usd / 1_000_000_000,
        totals.nano_usd % 1_000_000_000,
    );
    format!("{whole}.{rest:09}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_commas_are_quoted_money_is_exact_and_nothing_is_a_formula() {
        let row = |name: &str, requests: u64, nano_usd: u64| Row {
            names: vec![name.to_owned()],
            totals: Totals {
                requests,
                nano_usd,
                ..Totals::default()
            },
        };
        let rows = [
            row("a,\"b\"", 2, 1_500_000_000),
            row("", 40, 2_000_000_001),
            row("=HYPERLINK(\"x\")", 1, 0),
        ];
        let text = csv(&[Dimension::Key], &rows);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(
            lines[1],
            "\"a,\"\"b\"\"\",2,0,0,0,0,0,0,1.500000000,0,0,0,0,0"
        );
        assert_eq!(lines[2], ",40,0,0,0,0,0,0,2.000000001,0,0,0,0,0");
        assert!(lines[3].starts_with("\"'=HYPERLINK("), "{text}");
    }
}
