//! `limits`, `timezone` and `ledger`.
use super::Compiler;
use crate::config::Ledger;
use crate::config::raw::limits as raw;
use crate::config::raw::values::Number;
use crate::config::yaml::decode::Field;
use crate::outcome::Caps;

impl Compiler<'_, '_> {
    /// The limits of a key, of a group, of a project or of everyone.
    pub(super) fn limits(&mut self, field: &Field<raw::ClientLimits>) -> Caps {
        let Some(raw) = field.get() else {
            return Caps::default();
        };
        let usd = |field: &Field<Number>| field.get().map(|usd| usd.0);
        if let (Some(day), Some(month)) = (usd(&raw.usd_per_day), usd(&raw.usd_per_month))
            && day > month
        {
            let message =
                format!("found `{day}`, expected at most `usd_per_month`, which is `{month}`");
            self.faults.warn(raw.usd_per_day.at(), message, None);
        }
        raw::caps(raw)
    }

    pub(super) fn ledger(field: &Field<raw::Ledger>) -> Option<Ledger> {
        let raw = field.get()?;
        Some(Ledger {
            path: raw.path.get()?.0.clone(),
            max_size: raw.max_size.value() as u64,
            keep: u32::try_from(raw.keep.value().as_secs() / DAY).unwrap_or(u32::MAX),
            max_history: raw.max_history.value() as u64,
        })
    }
}

/// In seconds.
const DAY: u64 = 86_400;
