//! The use of other processes, from a Prometheus that scrapes them all.
//!
//! ```text
//! Tally::begin(now) ──► Question ──► (proxy::fleet asks) ──► answer::parse ──► Tally::take ──► … ──► Tally::learned
//! ```
//!
//! Every process exports only its own use of the current day and month, under a `run_id` that no other process has. So
//! nothing is counted twice: a process queries all runs except its own, and the last value of a run is its whole use,
//! whether or not the run is still alive. No rate is computed and nothing is extrapolated:
//! `docs/decisions/fleet-totals.md`. Pure: the queries are sent elsewhere, and the time is an argument.
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

/// A metric by which processes export their use.
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

    /// The name of the metric.
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

/// The metric by which a process recognizes that it is scraped: 1, with its `run_id`.
pub const RUN_INFO: &str = "weir_run_info";
