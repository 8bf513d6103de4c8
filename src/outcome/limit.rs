//! The kinds of limits, their scopes, and their values.
use crate::protocol::hub::usage::Usage;

/// Whose limit it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scope {
    Key,
    Group,
    /// The project of the request.
    Project,
    /// All clients together.
    Global,
}

impl Scope {
    /// Every scope, for registering metrics.
    pub const ALL: [Self; 4] = [Self::Key, Self::Group, Self::Project, Self::Global];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Group => "group",
            Self::Project => "project",
            Self::Global => "global",
        }
    }
}

/// The kinds of limits. Each has a `LimitRow`, which determines everything that is done with the limit.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Limit {
    Concurrency,
    Requests,
    Tokens,
    UsdPerDay,
    UsdPerMonth,
}

/// The properties of one kind of limit.
#[derive(Debug)]
pub struct LimitRow {
    name: &'static str,
    unit: Unit,
    span: Span,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Whole requests.
    Requests,
    /// Tokens of prompts and answers.
    Tokens,
    /// Billionths of a dollar.
    NanoUsd,
}

/// The time span over which a limit counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Span {
    /// The present moment: requests in flight.
    Now,
    /// Any 60 s.
    Minute,
    /// A day in the configured time zone.
    Day,
    /// A calendar month in that time zone.
    Month,
}

impl Limit {
    /// Every limit, in the order in which they are checked.
    pub const ALL: [Self; 5] = [
        Self::Concurrency,
        Self::Requests,
        Self::Tokens,
        Self::UsdPerDay,
        Self::UsdPerMonth,
    ];

    /// In the order of [`Limit::ALL`].
    const ROWS: [LimitRow; Self::ALL.len()] = [
        LimitRow::new("concurrency", Unit::Requests, Span::Now),
        LimitRow::new("rpm", Unit::Requests, Span::Minute),
        LimitRow::new("tpm", Unit::Tokens, Span::Minute),
        LimitRow::new("usd_per_day", Unit::NanoUsd, Span::Day),
        LimitRow::new("usd_per_month", Unit::NanoUsd, Span::Month),
    ];

    const fn row(self) -> &'static LimitRow {
        &Self::ROWS[self as usize]
    }

    /// The name in the configuration, in metrics and in logs.
    pub const fn as_str(self) -> &'static str {
        self.row().name
    }

    /// What it counts.
    pub const fn unit(self) -> Unit {
        self.row().unit
    }

    /// The time span over which it counts.
    pub const fn span(self) -> Span {
        self.row().span
    }

    /// Whether waiting for a minute does not help: clients must not keep retrying when a budget is spent.
    pub const fn is_budget(self) -> bool {
        matches!(self.span(), Span::Day | Span::Month)
    }
}

impl LimitRow {
    const fn new(name: &'static str, unit: Unit, span: Span) -> Self {
        Self { name, unit, span }
    }
}

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 3] = [Self::Requests, Self::Tokens, Self::NanoUsd];

    /// The number of units that people call one: limits on money are shown in dollars.
    pub const fn scale(self) -> f64 {
        match self {
            Self::Requests | Self::Tokens => 1.0,
            Self::NanoUsd => 1e9,
        }
    }

    /// The number of decimal places in a refusal.
    pub const fn places(self) -> usize {
        match self {
            Self::Requests | Self::Tokens => 0,
            Self::NanoUsd => 2,
        }
    }

    /// What to do about a request that needs too much of it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Requests | Self::Tokens => "ask for less",
            Self::NanoUsd => "ask for a shorter answer or a cheaper model",
        }
    }

    /// The amount in this unit for `requests` requests with this usage and this cost in billionths of a dollar.
    pub const fn of(self, requests: u64, usage: &Usage, nano_usd: u64) -> u64 {
        match self {
            Self::Requests => requests,
            Self::Tokens => usage.total(),
            Self::NanoUsd => nano_usd,
        }
    }

    /// The word in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::NanoUsd => "USD",
        }
    }
}

impl Span {
    /// The word in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Now => "at once",
            Self::Minute => "minute",
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

/// The value of each limit, in units of its row: requests, tokens, billionths of a dollar. By default, nothing is
/// limited.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Caps([Option<u64>; Limit::ALL.len()]);

impl Caps {
    /// The limits with the values of `most`; `None` = not limited.
    pub fn each(most: impl FnMut(Limit) -> Option<u64>) -> Self {
        Self(Limit::ALL.map(most))
    }

    /// The same limits, with one more.
    #[must_use]
    pub const fn with(mut self, limit: Limit, most: u64) -> Self {
        self.0[limit as usize] = Some(most);
        self
    }

    /// The value of this limit; `None` = not limited.
    pub const fn of(&self, limit: Limit) -> Option<u64> {
        self.0[limit as usize]
    }

    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Whether money is limited.
    pub fn has_budget(&self) -> bool {
        let mut budgets = Limit::ALL
            .iter()
            .filter(|limit| limit.unit() == Unit::NanoUsd);
        budgets.any(|limit| self.of(*limit).is_some())
    }

    /// Whether there is a limit for which the use of a request must be estimated before it is served.
    pub fn need_estimate(&self) -> bool {
        let estimated = |limit: &Limit| limit.unit() != Unit::Requests;
        Limit::ALL
            .iter()
            .filter(|limit| estimated(limit))
            .any(|limit| self.of(*limit).is_some())
    }
}

/// Dollars as billionths; negative numbers and NaN become 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from f64 saturates, and a negative amount becomes 0"
)]
pub fn nano_usd(usd: f64) -> u64 {
    (usd * Unit::NanoUsd.scale()).round() as u64
}
