//! What is known about models: a row for each model or family of models, with what it accepts, how it counts tokens and
//! what it costs.
//!
//! A row may state all of this or only some. What models accept, what they need and how they count tokens is found by
//! the beginning of a name: of the rows that state it, the one with the longest id applies, so a new model of a known
//! family is covered before it has a row. A price is found by the exact name, in any of its spellings. Both normalise
//! names only by the rules of [`names`].
//!
//! A configuration overrides a row with `capabilities` and `prices`. See `docs/decisions/models-and-prices.md`.
use std::sync::LazyLock;

use ahash::HashMap;

use crate::protocol::hub::target::Habit;
use crate::protocol::models::{Capabilities, names};
use row::Row;

mod counting;
mod price;
mod row;
mod rows;
mod terms;
mod units;

pub use counting::{Counting, Pictures};
pub use price::{Long, Longs, MediaRates, Price, Rates};
pub use row::Source;
pub use terms::{Fees, Terms};
pub use units::UnitRates;

/// The price of one model.
#[derive(Clone, Copy, Debug)]
pub struct Priced {
    /// Its exact name in the row.
    pub id: &'static str,
    /// Its price.
    pub price: &'static Price,
    /// The source of the price, and when it was last read.
    pub source: Source,
}

/// The capabilities of `model`, regardless of the provider's prefix (`anthropic/`), the region and the date. A model
/// that no row covers has [the plain ones](Capabilities::PLAIN).
pub fn capabilities(model: &str) -> Capabilities {
    nearest(&ACCEPTED, model)
        .copied()
        .unwrap_or(Capabilities::PLAIN)
}

/// Whether a row states what this model accepts.
pub fn is_known(model: &str) -> bool {
    nearest(&ACCEPTED, model).is_some()
}

/// What `model` needs wherever it is served.
pub fn habits(model: &str) -> &'static [Habit] {
    nearest(&HABITS, model).copied().unwrap_or_default()
}

/// How `model` (the upstream's name) counts tokens.
pub fn counting(model: &str) -> Counting {
    nearest(&COUNTED, model)
        .copied()
        .unwrap_or(Counting::UNKNOWN)
}

/// The price of `model` in any of its spellings. `None` = no row has a price for it.
pub fn price(model: &str) -> Option<Priced> {
    names::spellings(model, |spelling| BY_SPELLING.get(spelling).copied())
}

/// Every price, once for each name, in the order of the rows.
pub fn priced() -> impl Iterator<Item = Priced> {
    let rows = rows::all().filter_map(|row| Some((row, row.price.as_ref()?)));
    rows.flat_map(|(row, price)| {
        row.ids.iter().map(move |id| Priced {
            id,
            price,
            source: row.source,
        })
    })
}

/// The value in a column for the family of `model`: the one with the longest matching id.
fn nearest<T>(column: &Column<T>, model: &str) -> Option<&'static T> {
    let name = names::family(model);
    let found = column.iter().find(|(id, _)| name.starts_with(id));
    found.map(|(_, said)| *said)
}

/// The values of one field of the rows, each with its id, the longest id first.
type Column<T> = [(&'static str, &'static T)];

fn column<T>(of: impl Fn(&'static Row) -> Option<&'static T>) -> Vec<(&'static str, &'static T)> {
    let mut column: Vec<_> = rows::all()
        .filter_map(|row| Some((row.ids, of(row)?)))
        .flat_map(|(ids, said)| ids.iter().map(move |id| (*id, said)))
        .collect();
    column.sort_by_key(|(id, _)| std::cmp::Reverse(id.len()));
    column
}

static ACCEPTED: LazyLock<Vec<(&str, &Capabilities)>> =
    LazyLock::new(|| column(|row| row.accepts.as_ref()));

static HABITS: LazyLock<Vec<(&str, &&[Habit])>> =
    LazyLock::new(|| column(|row| Some(&row.habits).filter(|habits| !habits.is_empty())));

static COUNTED: LazyLock<Vec<(&str, &Counting)>> =
    LazyLock::new(|| column(|row| row.counts.as_ref()));

/// The prices by the most specific spelling of their ids.
static BY_SPELLING: LazyLock<HashMap<String, Priced>> = LazyLock::new(|| {
    let mut index = HashMap::default();
    for priced in priced() {
        names::spellings(priced.id, |spelling| {
            index.insert(spelling.to_owned(), priced);
            Some(())
        });
    }
    index
});

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::protocol::hub::target::{ReasoningReplay, ToolIds};
    use crate::protocol::models::{Sampling, Traits};

    #[test]
    fn abilities_are_found_whatever_surrounds_the_name() {
        for name in [
            "claude-opus-4-5",
            "claude-opus-4-5-20251101",
            "anthropic/claude-opus-4.5",
            "us.anthropic.claude-opus-4-5-20251101-v1:0",
            "claude-opus-4-5@20251101",
        ] {
            assert_eq!(
                capabilities(name),
                capabilities("claude-opus-4-5"),
                "{name}"
            );
            assert_ne!(capabilities(name), Capabilities::PLAIN, "{name}");
        }
    }

    #[test]
    fn the_longest_row_wins() {
        assert!(
            !capabilities("claude-opus-5-5")
                .traits
                .has(Traits::FORCED_TOOLS)
        );
        assert!(
            capabilities("claude-opus-5")
                .traits
                .has(Traits::FORCED_TOOLS)
        );
        assert_eq!(capabilities("gpt-5").sampling, Sampling::Refused);
        assert_eq!(
            capabilities("gpt-5.1").sampling,
            Sampling::RefusedWhileReasoning
        );
    }

    #[test]
    fn a_model_without_a_row_is_a_plain_one_and_has_no_price() {
        assert_eq!(capabilities("my-own-model"), Capabilities::PLAIN);
        assert!(!is_known("my-own-model"));
        assert_eq!(counting("my-own-model"), Counting::UNKNOWN);
        assert!(price("my-own-model").is_none());
    }

    #[test]
    fn a_price_is_no_ability_and_an_ability_no_price() {
        assert!(price("grok-4.7").is_some() && !is_known("grok-4.7"));
        assert!(is_known("gpt-6") && price("gpt-6").is_none());
    }

    #[test]
    fn habits_are_those_of_a_name_whatever_surrounds_it() {
        let kimi = habits("kimi-k2");
        assert_eq!(kimi.len(), 2);
        for name in ["kimi-k2-thinking", "moonshotai/Kimi-K2.5", "kimi-k2:free"] {
            assert_eq!(habits(name), kimi, "{name}");
        }
        let nine = habits("mistralai/Mistral-Small-3.2-24B");
        assert_eq!(nine, [Habit::Ids(ToolIds::Nine)]);
        let tags = habits("MiniMaxAI/MiniMax-M2");
        assert_eq!(tags, [Habit::Replays(ReasoningReplay::Tags)]);
        assert!(habits("my-own").is_empty());
    }

    #[test]
    fn generations_count_differently() {
        for (model, like) in [
            ("claude-sonnet-4-5-20250929", "claude-2"),
            ("anthropic/claude-opus-4.6", "claude-2"),
            ("claude-of-tomorrow-9", "claude-sonnet-5"),
            ("models/gemini-2.5-pro", "gemini-1.5-pro"),
            ("gpt-4o", "o1"),
            ("gpt-6", "gpt-5"),
            ("qwen3-coder", "my-own-model"),
        ] {
            assert_eq!(counting(model), counting(like), "{model}");
        }
        for (model, other) in [
            ("claude-sonnet-4-5", "claude-sonnet-5"),
            ("gemini-2.5-pro", "gemini-3-pro"),
            ("gpt-4o", "gpt-5"),
        ] {
            assert_ne!(counting(model), counting(other), "{model}");
        }
        assert_eq!(counting("claude-opus-5").tools, (286, 406));
    }

    #[test]
    fn a_name_stands_in_one_row_and_in_one_spelling() {
        let (mut ids, mut spellings) = (HashSet::new(), HashSet::new());
        for row in rows::all() {
            for id in row.ids {
                assert!(ids.insert(*id), "{id} twice");
                if row.accepts.is_some() || row.counts.is_some() || !row.habits.is_empty() {
                    assert_eq!(names::family(id), *id, "no name begins with it");
                }
            }
        }
        for priced in priced() {
            names::spellings(priced.id, |spelling| {
                assert!(spellings.insert(spelling.to_owned()), "{spelling} twice");
                Some(())
            });
        }
    }

    #[test]
    fn every_row_says_something_and_since_when() {
        for row in rows::all() {
            let says = row.accepts.is_some()
                || row.counts.is_some()
                || row.price.is_some()
                || !row.habits.is_empty();
            assert!(says && !row.ids.is_empty(), "{:?}", row.ids);
            let source = row.source;
            assert!(!source.text.is_empty(), "{:?}", row.ids);
            let month = jiff::civil::Date::strptime("%Y-%m-%d", format!("{}-01", source.as_of));
            let is_month = month.is_ok() && source.as_of.len() == "2026-11".len();
            assert!(is_month, "{:?}: {}", row.ids, source.as_of);
        }
    }
}
