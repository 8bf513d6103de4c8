//! `limits`, `timezone` and `ledger`.
use jiff::tz::TimeZone;

use super::Compiler;
use crate::config::decode::Field;
use crate::config::raw::limits as raw;
use crate::config::values::{Number, Whole, Zone};
use crate::config::{ClientLimits, Ledger};

impl Compiler<'_, '_> {
    /// The limits of a key, of a group or of everyone.
    pub(super) fn limits(&mut self, field: &Field<raw::ClientLimits>) -> ClientLimits {
        let Some(raw) = field.get() else {
            return ClientLimits::default();
        };
        let mut count = |field: &Field<Whole>, highest: u32| {
            let value = self.small(field, 1, 1..=highest);
            field.get().map(|_| value)
        };
        let (concurrency, rpm) = (
            count(&raw.concurrency, MOST_AT_ONCE),
            count(&raw.rpm, u32::MAX),
        );
        let tpm = self.whole(&raw.tpm, 1, 1..=MOST_TOKENS);
        let limits = ClientLimits {
            rpm,
            tpm: raw.tpm.get().map(|_| tpm),
            concurrency,
            usd_per_day: self.budget(&raw.usd_per_day),
            usd_per_month: self.budget(&raw.usd_per_month),
        };
        if let (Some(day), Some(month)) = (limits.usd_per_day, limits.usd_per_month)
            && day > month
        {
            let message =
                format!("found `{day}`, expected at most `usd_per_month`, which is `{month}`");
            self.faults.warn(raw.usd_per_day.at(), message, None);
        }
        limits
    }

    fn budget(&mut self, field: &Field<Number>) -> Option<f64> {
        let Number(usd) = *field.get()?;
        if usd <= 0.0 || usd > MOST_USD {
            let message =
                format!("found `{usd}`, expected a number above 0 and at most {MOST_USD}");
            let hint = "to shut a client out, remove its key or let it expire".to_owned();
            self.faults
                .add_with(field.at(), message, Some(hint).filter(|_| usd <= 0.0));
            return None;
        }
        Some(usd)
    }

    pub(super) fn timezone(field: &Field<Zone>) -> TimeZone {
        field.get().map_or(TimeZone::UTC, |zone| zone.0.clone())
    }

    pub(super) fn ledger(&mut self, field: &Field<raw::Ledger>) -> Option<Ledger> {
        let raw = field.get()?;
        let max_size = raw.max_size.get().map_or(DEFAULT_LEDGER, |size| size.0);
        if !(SMALLEST_LEDGER..=LARGEST_LEDGER).contains(&max_size) {
            self.faults.add(
                raw.max_size.at(),
                format!("found {max_size} bytes, expected from 64KiB to 1GiB"),
            );
        }
        Some(Ledger {
            path: raw.path.get()?.0.clone(),
            max_size: max_size as u64,
        })
    }
}

const MOST_AT_ONCE: u32 = 1_000_000;
/// Tokens per minute; the largest published limits are below a billion.
const MOST_TOKENS: u64 = 1_000_000_000_000;
/// Money is counted in billionths of a dollar, in 64 bits.
const MOST_USD: f64 = 1_000_000_000.0;
const DEFAULT_LEDGER: usize = 64 << 20;
const SMALLEST_LEDGER: usize = 64 << 10;
const LARGEST_LEDGER: usize = 1 << 30;
