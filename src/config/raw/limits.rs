//! `limits`, `timezone` and `ledger`: how much clients may use, and where that is remembered.
use crate::config::decode::{Field, Needed, mapping};
use crate::config::values::{Number, OutputPath, Size, Whole};

mapping!("limits: `{ rpm: 600 }`"
/// What may be asked for at most. Absent = no limit.
ClientLimits {
    /// Requests in any 60 s.
    rpm: Field<Whole>,
    /// Tokens in any 60 s, input and output.
    tpm: Field<Whole>,
    /// Requests at once.
    concurrency: Field<Whole>,
    /// USD per day of `timezone`.
    usd_per_day: Field<Number>,
    /// USD per calendar month of `timezone`.
    usd_per_month: Field<Number>,
});

mapping!("a ledger: `{ path: FILE }`"
/// A file that remembers what clients used today and this month, over restarts.
Ledger {
    /// The file; made when it does not exist. A relative path begins at the working directory.
    path: Needed<OutputPath>,
    /// A longer file is written anew, with one line per key: 64KiB to 1GiB. Default 64MiB.
    max_size: Field<Size>,
});
