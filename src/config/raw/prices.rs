//! `prices`: what models cost, where the built-in table is wrong or silent.
use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::mapping::mapping;
use super::setting::{Measure as _, Otherwise, Rule};
use super::values::{Number, Pattern, Text};
use crate::config::yaml::cursor::Cursor;
use crate::config::yaml::decode::{Decode, Field, Map, Needed};
use crate::config::yaml::document::Kind;
use crate::config::yaml::faults::Faults;

/// A list of prices, or a mapping with that list and what its currencies are worth.
#[derive(Clone, Debug)]
pub struct Prices {
    pub list: Field<Vec<Field<Price>>>,
    pub currency: Field<Map<Number>>,
    pub as_of: Field<Text>,
}

mapping!("prices: a list, or `{ currency: { CNY: 0.14 }, list: [ … ] }`"
/// Prices in several currencies.
PriceMapping {
    /// The prices; the first match wins.
    list: Field<Vec<Field<Price>>>,
    /// USD for one unit of each currency that occurs in the list.
    currency: Field<Map<Number>>,
    /// The day of these rates, such as 2026-11-01.
    as_of: Field<Text>,
});

mapping!("a price: `{ model: PATTERN, input: USD, output: USD }`"
/// USD per million tokens, or units of `currency`.
Price {
    /// Which models.
    model: Needed<Pattern>,
    /// Input tokens that were neither read from nor written to a cache.
    input: Needed<Number> = per_million(),
    /// Output tokens, reasoning included.
    output: Needed<Number> = per_million(),
    /// Input tokens read from a cache. Default: as input.
    cache_read: Field<Number> = per_million(),
    /// Input tokens written to a cache for five minutes. Default: as input.
    cache_write_5m: Field<Number> = per_million(),
    /// Input tokens written to a cache for one hour. Default: as input.
    cache_write_1h: Field<Number> = per_million(),
    /// Of the figures, by its ISO code, such as CNY. Default: USD.
    currency: Field<Text>,
});

impl Decode for Prices {
    const EXPECTED: &'static str = PriceMapping::EXPECTED;

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
        let at = cursor.at();
        if let Kind::Mapping(_) = &cursor.node.kind {
            let PriceMapping {
                list,
                currency,
                as_of,
            } = PriceMapping::decode(cursor, faults)?;
            return Some(Self {
                list,
                currency,
                as_of,
            });
        }
        let list = Vec::decode(cursor, faults)?;
        Some(Self {
            list: Field::of(at, Some(list)),
            currency: Field::absent(&at.member("currency")),
            as_of: Field::absent(&at.member("as_of")),
        })
    }
}

impl JsonSchema for Prices {
    fn schema_name() -> Cow<'static, str> {
        "Prices".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let list = generator.subschema_for::<Field<Vec<Field<Price>>>>();
        let mapping = generator.subschema_for::<PriceMapping>();
        json_schema!({ "anyOf": [list, mapping] })
    }
}

/// The dearest model costs 600 USD per million tokens.
fn per_million() -> Rule<Number, Otherwise> {
    Number::otherwise("prices are USD per million tokens, or units of their `currency`")
        .from(0.0)
        .up_to(1_000_000.0)
}
