//! `limits`, `timezone` and `ledger`: how much clients may use, and where that is remembered.
use std::time::Duration;

use super::mapping::mapping;
use super::setting::{Measure as _, Otherwise, Rule, Setting};
use crate::config::raw::values::{Number, OutputPath, Size, Span, Whole};
use crate::config::yaml::decode::{Field, Needed};
use crate::outcome::{Caps, Limit, nano_usd};

mapping!("limits: `{ rpm: 600 }`"
/// What may be asked for at most. Absent = no limit.
ClientLimits {
    /// Requests in any 60 s.
    rpm: Field<Whole> = requests(),
    /// Tokens in any 60 s, input and output.
    tpm: Field<Whole> = tokens(),
    /// Requests at once.
    concurrency: Field<Whole> = at_once(),
    /// USD per day of `timezone`.
    usd_per_day: Field<Number> = budget(),
    /// USD per calendar month of `timezone`.
    usd_per_month: Field<Number> = budget(),
});

/// The limits in the units of the limiter.
pub fn caps(limits: &ClientLimits) -> Caps {
    let whole = |field: &Field<Whole>| field.get().map(|count| count.0);
    let usd = |field: &Field<Number>| field.get().map(|usd| nano_usd(usd.0));
    Caps::each(|limit| match limit {
        Limit::Concurrency => whole(&limits.concurrency),
        Limit::Requests => whole(&limits.rpm),
        Limit::Tokens => whole(&limits.tpm),
        Limit::UsdPerDay => usd(&limits.usd_per_day),
        Limit::UsdPerMonth => usd(&limits.usd_per_month),
    })
}

mapping!("a ledger: `{ path: FILE }`"
/// A file that remembers what clients used today and this month, over restarts, and beside it what they used on past days.
Ledger {
    /// The file; made when it does not exist. A relative path begins at the working directory.
    path: Needed<OutputPath>,
    /// A longer file is written anew, with one line per key.
    max_size: Setting<Size> = Size::or(64 << 20).from(64 << 10).up_to(1 << 30),
    /// How long the history is kept, in whole days.
    keep: Setting<Span> = Span::or(days(400)).from(days(1)).up_to(days(36_500)),
    /// A longer history is shortened: days are merged to months, then the oldest months are deleted.
    max_history: Setting<Size> = Size::or(1 << 30).from(1 << 20).up_to(64 << 30),
});

const fn days(count: u64) -> Duration {
    Duration::from_hours(24 * count)
}

/// The range of requests per minute; it fits 32 bits.
pub fn requests() -> Rule<Whole, Otherwise> {
    Whole::otherwise(UNLIMITED).from(1).up_to(u32::MAX.into())
}

/// The range of requests at the same time.
pub fn at_once() -> Rule<Whole, Otherwise> {
    Whole::otherwise(UNLIMITED).from(1).up_to(1_000_000)
}

/// The range of tokens per minute; the largest published limits are below a billion.
pub fn tokens() -> Rule<Whole, Otherwise> {
    Whole::otherwise(UNLIMITED).from(1).up_to(1_000_000_000_000)
}

/// The range of amounts in USD; money is counted in billionths of a dollar, in 64 bits.
fn budget() -> Rule<Number, Otherwise> {
    Number::otherwise(UNPAID).above(0.0).up_to(1_000_000_000.0)
}

const UNLIMITED: &str = "leave it out: then there is no limit";
const UNPAID: &str =
    "leave it out: then there is no limit. To shut a client out, remove its key or let it expire";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Unit;

    #[test]
    fn every_limit_is_a_setting_of_its_name() {
        for limit in Limit::ALL {
            let text = format!(
                "version: 1\naccounts: [{{ name: a, provider: openai, key: {{ env: KEY }} }}]\nkeys: [{{ name: k, key: {{ env: TEAM }} }}]\nlimits: {{ {}: 7 }}\n",
                limit.as_str()
            );
            let config =
                crate::config::parse("test", &text, &|name| Some(format!("a-key-of-{name}")));
            let limits = config.expect("a configuration").limits;
            let seven = match limit.unit() {
                Unit::Requests | Unit::Tokens => 7,
                Unit::NanoUsd => nano_usd(7.0),
            };
            assert_eq!(limits, Caps::default().with(limit, seven));
        }
    }
}
