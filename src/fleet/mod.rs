//! What other processes used, as a Prometheus that scrapes them all knows it.
//!
//! ```text
//! Tally::begin(now) ──► Question ──► (proxy::fleet asks) ──► answer::parse ──► Tally::take ──► … ──► Tally::learned
//! ```
//!
//! Every process exports what it alone used in the current day and month, under a `run_id` that no other process has.
//! So nothing is counted twice: a process asks for all runs but its own, and the last value of a run is all of it,
//! whether the run lives or not. No rate is computed and nothing is extrapolated: `docs/decisions/fleet-totals.md`.
//! Pure: asking is not done here, and the time is an argument.
pub mod answer;
pub mod failure;
pub mod question;
pub mod tally;

pub use failure::{Failure, Unanswered};
pub use question::{Matchers, Question};
pub use tally::Tally;

/// A span of the calendar, in the time zone of the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Window {
    Day,
    Month,
}

impl Window {
    /// Every window.
    pub const ALL: [Self; 2] = [Self::Day, Self::Month];

    /// The value of the label `window`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

/// A metric by which processes tell what they used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    Cost,
    Reasoning,
    Requests,
    Tokens,
    Units,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 5] = [
        Self::Cost,
        Self::Reasoning,
        Self::Requests,
        Self::Tokens,
        Self::Units,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cost => "weir_window_cost_usd",
            Self::Reasoning => "weir_window_reasoning_tokens",
            Self::Requests => "weir_window_requests",
            Self::Tokens => "weir_window_tokens",
            Self::Units => "weir_window_units",
        }
    }
}

/// The metric by which a process tells that it is scraped: 1, with its `run_id`.
pub const RUN_INFO: &str = "weir_run_info";
