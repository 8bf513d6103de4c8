//! What is limited, whose limit it is, and how far it goes.
use crate::protocol::hub::usage::Usage;

/// Whose limit it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scope {
    Key,
    Group,
    /// What the request is for.
    Project,
    /// Everyone's together.
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

/// What is limited. Each is a `LimitRow`, and everything that is done with limits follows from the row.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Limit {
    Concurrency,
    Requests,
    Tokens,
    UsdPerDay,
    UsdPerMonth,
}

/// What one kind of limit is.
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

/// Over which time a limit counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Span {
    /// What is under way at this moment.
    Now,
    /// Any 60 s.
    Minute,
    /// A day of the configured time zone.
    Day,
    /// A calendar month of it.
    Month,
}

impl Limit {
    /// Every limit, in the order in which they are asked.
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

    /// Over which time.
    pub const fn span(self) -> Span {
        self.row().span
    }

    /// Whether waiting a minute does not help: clients must not hammer a spent budget.
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

    /// How many of them people call one: limits on money are said in dollars.
    pub const fn scale(self) -> f64 {
        match self {
            Self::Requests | Self::Tokens => 1.0,
            Self::NanoUsd => 1e9,
        }
    }

    /// Places behind the point that a refusal shows.
    pub const fn places(self) -> usize {
        match self {
            Self::Requests | Self::Tokens => 0,
            Self::NanoUsd => 2,
        }
    }

    /// What to do about a request that wants too much of it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Requests | Self::Tokens => "ask for less",
            Self::NanoUsd => "ask for a shorter answer or a cheaper model",
        }
    }

    /// How much of it so many requests are that used so much and cost so many billionths of a dollar.
    pub const fn of(self, requests: u64, usage: &Usage, nano_usd: u64) -> u64 {
        match self {
            Self::Requests => requests,
            Self::Tokens => usage.total(),
            Self::NanoUsd => nano_usd,
        }
    }

    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::NanoUsd => "USD",
        }
    }
}

impl Span {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Now => "at once",
            Self::Minute => "minute",
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

/// How far each limit goes, in whole units of its row: requests, tokens, billionths of a dollar. Default: nothing is limited.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Caps([Option<u64>; Limit::ALL.len()]);

impl Caps {
    /// Those that `most` says.
    pub fn each(most: impl FnMut(Limit) -> Option<u64>) -> Self {
        Self(Limit::ALL.map(most))
    }

    /// These and one more.
    #[must_use]
    pub const fn with(mut self, limit: Limit, most: u64) -> Self {
        self.0[limit as usize] = Some(most);
        self
    }

    /// How far this limit goes; `None` = it does not limit.
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

    /// Whether anything is limited of which a request's share must be estimated before it is served.
    pub fn need_estimate(&self) -> bool {
        let estimated = |limit: &Limit| limit.unit() != Unit::Requests;
        Limit::ALL
            .iter()
            .filter(|limit| estimated(limit))
            .any(|limit| self.of(*limit).is_some())
    }
}

/// Dollars as billionths; what is negative or no number counts as nothing.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from f64 saturates, and a negative amount becomes 0"
)]
pub fn nano_usd(usd: f64) -> u64 {
    (usd * Unit::NanoUsd.scale()).round() as u64
}
