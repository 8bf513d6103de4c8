//! `prices`: what models cost, where the built-in table is wrong or silent.
use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::mapping::mapping;
use super::rewrite::OneOrMore;
use super::setting::{Measure as _, Otherwise, Rule};
use super::values::{FilePath, Number, Pattern, Text, Whole};
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
    pub file: Field<FilePath>,
    /// What stands in that file.
    pub filed: Option<Box<Prices>>,
}

/// A file of prices: a list, a mapping of such, or either of them as `prices`.
#[derive(Clone, Debug)]
pub struct PriceFile(pub Prices);

mapping!("prices: a list, or `{ currency: { CNY: 0.14 }, list: [ … ] }`"
/// Prices in several currencies.
PriceMapping {
    /// The prices; the first match wins.
    list: Field<Vec<Field<Price>>>,
    /// USD for one unit of each currency that occurs in the list.
    currency: Field<Map<Number>>,
    /// The day of these rates, such as 2026-11-01.
    as_of: Field<Text>,
    /// A file with more prices, which come after those of the list. A relative path begins at the directory of this file.
    file: Field<FilePath>,
});

mapping!("a price: `{ model: PATTERN, input: USD, output: USD }`"
/// USD per million tokens, or units of `currency`.
Price {
    /// Which models.
    model: Needed<Pattern>,
    /// Input tokens that were neither read from nor written to a cache. May be left out beside `units`.
    input: Field<Number> = per_million(),
    /// Output tokens, reasoning included. May be left out beside `units`.
    output: Field<Number> = per_million(),
    /// Input tokens read from a cache. Default: as input.
    cache_read: Field<Number> = per_million(),
    /// Input tokens written to a cache for five minutes. Default: as input.
    cache_write_5m: Field<Number> = per_million(),
    /// Input tokens written to a cache for one hour. Default: as input.
    cache_write_1h: Field<Number> = per_million(),
    /// Of the figures, by its ISO code, such as CNY. Default: USD.
    currency: Field<Text>,
    /// What a request with a longer prompt costs: for one threshold, or a list with each of them. Default: in the ratio of the
    /// built-in table.
    long: Field<OneOrMore<Long>>,
    /// What each service tier costs: a factor, or prices of its own. Default: as in the built-in table, tier by tier.
    tiers: Field<Map<Tier>>,
    /// The factor of each region of inference. Default: as in the built-in table, region by region.
    regions: Field<Map<Number>>,
    /// USD for a thousand calls of tools that the vendor runs. Default: as in the built-in table, tool by tool.
    tools: Field<Tools>,
    /// What sound and pictures cost. Default: in the ratio of the built-in table.
    media: Field<Media>,
    /// What is sold by something else than tokens. Default: as in the built-in table, kind by kind.
    units: Field<Units>,
    /// Where the price is from, for people.
    source: Field<Text>,
    /// The day on which it was looked up, such as 2026-11-01.
    as_of: Field<Text>,
});

mapping!("what long prompts cost: `{ above: 200000, input: 4, output: 12 }`"
/// USD per million tokens, or units of `currency`, of every token of a request with a longer prompt.
Long {
    /// Tokens of the whole prompt, cached or not.
    above: Needed<Whole> = tokens(),
    /// Input tokens that were neither read from nor written to a cache.
    input: Needed<Number> = per_million(),
    /// Output tokens, reasoning included.
    output: Needed<Number> = per_million(),
    /// Input tokens read from a cache. Default: in the ratio to `input` that the ordinary price has; so for the next two.
    cache_read: Field<Number> = per_million(),
    /// Input tokens written to a cache for five minutes.
    cache_write_5m: Field<Number> = per_million(),
    /// Input tokens written to a cache for one hour.
    cache_write_1h: Field<Number> = per_million(),
    /// What sound and pictures cost. Default: as below every threshold.
    media: Field<Media>,
});

mapping!("a factor, or prices of its own: `{ input: 2.5, output: 15 }`"
/// USD per million tokens, or units of `currency`, on one service tier.
OwnPrices {
    /// Input tokens that were neither read from nor written to a cache. Default: the ordinary price.
    input: Field<Number> = per_million(),
    /// Output tokens, reasoning included. Default: in the ratio to `input` that the ordinary price has; so for the next three.
    output: Field<Number> = per_million(),
    /// Input tokens read from a cache.
    cache_read: Field<Number> = per_million(),
    /// Input tokens written to a cache for five minutes.
    cache_write_5m: Field<Number> = per_million(),
    /// Input tokens written to a cache for one hour.
    cache_write_1h: Field<Number> = per_million(),
    /// What sound and pictures cost. Default: in the ratio to text that the ordinary price has.
    media: Field<Media>,
    /// What requests with longer prompts cost on this tier. Default: in the ratio of the ordinary price, at its thresholds.
    long: Field<OneOrMore<Long>>,
});

/// What a service tier costs.
#[derive(Clone, Debug)]
pub enum Tier {
    Factor(Number),
    Own(Box<OwnPrices>),
}

mapping!("what tools cost: `{ web_search: 10 }`"
/// USD, or units of `currency`, for a thousand calls.
Tools {
    /// Searches in the web.
    web_search: Field<Number> = per_thousand(),
    /// Searches by OpenAI's older tool of this name.
    web_search_preview: Field<Number> = per_thousand(),
    /// Searches in files.
    file_search: Field<Number> = per_thousand(),
    /// Containers in which code runs.
    code_session: Field<Number> = per_thousand(),
    /// Questions to a map.
    maps: Field<Number> = per_thousand(),
});

mapping!("what sound and pictures cost: `{ audio_input: 1.0 }`"
/// USD per million tokens, or units of `currency`.
Media {
    /// Sound in the prompt.
    audio_input: Field<Number> = per_million(),
    /// Pictures in the prompt.
    image_input: Field<Number> = per_million(),
    /// Sound in the answer.
    audio_output: Field<Number> = per_million(),
    /// Pictures in the answer.
    image_output: Field<Number> = per_million(),
});

mapping!("what is not sold by the token: `{ image: 0.04 }`"
/// USD, or units of `currency`.
Units {
    /// For a picture that is made.
    image: Field<Number> = a_piece(),
    /// For a picture of another quality, of another size, or of both: `{ hd: 0.08, 1024x1792: 0.08, "hd 1024x1792": 0.12 }`.
    images: Field<Map<Number>>,
    /// For a minute of sound that is listened to.
    audio_minute: Field<Number> = a_piece(),
    /// For a million characters that are spoken.
    characters: Field<Number> = a_piece(),
    /// For a thousand searches of a reranker.
    searches: Field<Number> = a_piece(),
    /// For a second of a video that is made.
    video_second: Field<Number> = a_piece(),
    /// For a second of a video of another size: `{ 1024x1792: 0.5 }`.
    videos: Field<Map<Number>>,
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
                file,
            } = PriceMapping::decode(cursor, faults)?;
            return Some(Self {
                list,
                currency,
                as_of,
                file,
                filed: None,
            });
        }
        let list = Vec::decode(cursor, faults)?;
        Some(Self {
            list: Field::of(at, Some(list)),
            currency: Field::absent(&at.member("currency")),
            as_of: Field::absent(&at.member("as_of")),
            file: Field::absent(&at.member("file")),
            filed: None,
        })
    }
}

impl Decode for PriceFile {
    const EXPECTED: &'static str = PriceMapping::EXPECTED;

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
        if cursor.node.is_null() {
            // The file may be written in two steps and not be complete yet.
            let hint = "a file of no prices has `[]` in it".to_owned();
            cursor.mismatch("prices", Some(hint), faults);
            return None;
        }
        let prices = match &cursor.node.kind {
            Kind::Mapping(entries) => match entries.as_slice() {
                [(key, node)] if &*key.text == "prices" => {
                    Prices::decode(&cursor.member(key, node), faults)?
                }
                _ => Prices::decode(cursor, faults)?,
            },
            Kind::List(_) | Kind::Scalar { .. } => Prices::decode(cursor, faults)?,
        };
        if prices.file.is_given() {
            let hint = "a file of prices names no other one".to_owned();
            let message = "found a file within a file, expected its prices";
            faults.add_with(prices.file.at(), message, Some(hint));
            return None;
        }
        Some(Self(prices))
    }
}

impl Decode for Tier {
    const EXPECTED: &'static str = OwnPrices::EXPECTED;

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
        if let Kind::Mapping(_) = &cursor.node.kind {
            return OwnPrices::decode(cursor, faults).map(|own| Self::Own(Box::new(own)));
        }
        Number::decode(cursor, faults).map(Self::Factor)
    }
}

impl JsonSchema for Tier {
    fn schema_name() -> Cow<'static, str> {
        "Tier".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let factor = generator.subschema_for::<Number>();
        let own = generator.subschema_for::<OwnPrices>();
        json_schema!({ "anyOf": [factor, own] })
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

/// No model has a larger context window.
fn tokens() -> Rule<Whole, Otherwise> {
    Whole::otherwise("it is the longest prompt that pays the ordinary price, in tokens")
        .from(1)
        .up_to(1_000_000_000)
}

fn per_thousand() -> Rule<Number, Otherwise> {
    Number::otherwise("tools are priced in USD for a thousand calls, or units of `currency`")
        .from(0.0)
        .up_to(1_000_000.0)
}

fn a_piece() -> Rule<Number, Otherwise> {
    Number::otherwise("what is not sold by the token is priced in USD, or units of `currency`")
        .from(0.0)
        .up_to(1_000_000.0)
}

/// The most expensive model costs 600 USD per million tokens.
fn per_million() -> Rule<Number, Otherwise> {
    Number::otherwise("prices are USD per million tokens, or units of their `currency`")
        .from(0.0)
        .up_to(1_000_000.0)
}
