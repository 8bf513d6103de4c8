//! A row: the names of models, and what is known about them.
use super::counting::Counting;
use super::price::Price;
use crate::protocol::hub::target::Habit;
use crate::protocol::models::Capabilities;

/// What is known about a model, or about all models whose names begin with an id. What a row does not state may be in a
/// row with a shorter id.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Names as [`names`](crate::protocol::models::names) normalises them: in lower case, and with dashes in those of
    /// Claude. A price applies to exactly these names in any spelling, everything else to every name that begins with
    /// one.
    pub ids: &'static [&'static str],
    /// The context, the output, the sampling parameters, the reasoning and other things that they accept.
    pub accepts: Option<Capabilities>,
    /// What they need wherever they are served; empty = nothing is stated.
    pub habits: &'static [Habit],
    /// How they count tokens.
    pub counts: Option<Counting>,
    /// What they cost.
    pub price: Option<Price>,
    /// The source of the price; in a row without a price, of the rest.
    pub source: Source,
}

/// The source of a row.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// A page or a list, for people.
    pub text: &'static str,
    /// The year and the month in which it was last read: `2026-11`.
    pub as_of: &'static str,
}

/// A row that states nothing yet.
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
    /// Sets what these models accept.
    pub(super) const fn accepts(mut self, capabilities: Capabilities) -> Self {
        self.accepts = Some(capabilities);
        self
    }

    /// Sets what these models need wherever they are served.
    pub(super) const fn wants(mut self, habits: &'static [Habit]) -> Self {
        self.habits = habits;
        self
    }

    /// Sets how these models count tokens.
    pub(super) const fn counts(mut self, counting: Counting) -> Self {
        self.counts = Some(counting);
        self
    }

    /// Sets what these models cost.
    pub(super) const fn costs(mut self, price: Price) -> Self {
        self.price = Some(price);
        self
    }
}
