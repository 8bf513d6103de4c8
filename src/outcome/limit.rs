//! What is limited, and whose limit it is.

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
