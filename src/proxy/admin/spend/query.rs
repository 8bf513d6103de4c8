//! The parameters of a question about spend: which days, grouped by what, which rows.
use jiff::civil::Date;

use crate::limits::ledger::Dimension;
use crate::proxy::admin::requests::Query;

/// A question about spend.
pub(super) struct SpendQuery {
    pub from: Date,
    pub to: Date,
    pub today: Date,
    pub by: Dimension,
    /// Only rows whose name contains this text are returned.
    pub holds: String,
    pub csv: bool,
}

impl SpendQuery {
    pub(super) fn read(query: &Query, today: Date) -> Result<Self, String> {
        let date = |name: &str, default: Date| match query.get(name) {
            None => Ok(default),
            Some(text) if text == "today" => Ok(today),
            Some(text) => text
                .parse::<Date>()
                .map_err(|_| format!("`{name}` wants a date such as 2026-11-01, or `today`")),
        };
        let from = date("from", today.first_of_month())?;
        let to = date("to", today)?;
        if to < from {
            return Err("`to` comes before `from`".to_owned());
        }
        let by = query.get("by").map_or("key", String::as_str);
        let by = Dimension::named(by).ok_or_else(|| {
            let names = Dimension::ALL.map(Dimension::as_str).join(", ");
            format!("`by` wants one of {names}")
        })?;
        Ok(Self {
            from,
            to,
            today,
            by,
            holds: query
                .get("q")
                .map(|text| text.to_lowercase())
                .unwrap_or_default(),
            csv: query.get("format").is_some_and(|format| format == "csv"),
        })
    }
}
