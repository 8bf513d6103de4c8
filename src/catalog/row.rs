//! A row: the names that it is about, and what it says of them.
use super::counting::Counting;
use super::price::Price;
use crate::protocol::hub::target::Habit;
use crate::protocol::models::Capabilities;

/// What is known of a model, or of all models whose names begin so. What a row does not say, one with a shorter id may.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Names as [`names`](crate::protocol::models::names) leaves them: lower case, and dashes in Claude's. A price counts for exactly
    /// these, in whichever spelling; everything else for every name that begins so.
    pub ids: &'static [&'static str],
    /// Context, output, sampling, reasoning and what else they accept.
    pub accepts: Option<Capabilities>,
    /// What they want whoever serves them; empty = nothing is said.
    pub habits: &'static [Habit],
    /// How they count.
    pub counts: Option<Counting>,
    /// What they cost.
    pub price: Option<Price>,
    /// Where the price is said; in a row without one, where the rest is.
    pub source: Source,
}

/// Who says so.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// A page or a list, for people.
    pub text: &'static str,
    /// The year and the month in which it was last read: `2026-11`.
    pub as_of: &'static str,
}

/// A row that says nothing yet.
pub(super) const fn row(ids: &'static [&'static str], source: Source) -> Row {
    Row {
        ids,
        accepts: None,
        habits: &[],
        counts: None,
        price: None,
        source,
    }
}

impl Row {
    /// What these models accept.
    pub(super) const fn accepts(mut self, capabilities: Capabilities) -> Self {
        self.accepts = Some(capabilities);
        self
    }

    /// What these models want whoever serves them.
    pub(super) const fn wants(mut self, habits: &'static [Habit]) -> Self {
        self.habits = habits;
        self
    }

    /// How these models count.
    pub(super) const fn counts(mut self, counting: Counting) -> Self {
        self.counts = Some(counting);
        self
    }

    /// What these models cost.
    pub(super) const fn costs(mut self, price: Price) -> Self {
        self.price = Some(price);
        self
    }
}
