//! Figures as they stand on the wire: a number however it is written, or one that cannot be.
//!
//! One odd member must not hide the others, so nothing here fails: what says nothing is not stated, and what cannot be becomes
//! [`IMPOSSIBLE`], by which [`super::usage::Stated`] refuses the whole.
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::usage::{self, MOST, Usage};

/// A count: a whole number, or a float, as some servers write it.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let read = deserializer.deserialize_any(Figure)?;
    Ok(read.map(|figure| {
        if figure.is_count() {
            figure.whole()
        } else {
            IMPOSSIBLE
        }
    }))
}

/// Dollars as billionths; of an object its `total_cost`.
pub(super) fn dollars<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let read = deserializer.deserialize_any(Figure)?;
    Ok(read.map(|figure| figure.scaled(1e9)))
}

/// Ten-billionths of a dollar as billionths.
pub(super) fn ticks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let read = deserializer.deserialize_any(Figure)?;
    Ok(read.map(|figure| figure.scaled(0.1)))
}

/// The price table's name for a service tier, a speed or a kind of traffic.
pub(super) fn tier<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'static str>, D::Error> {
    deserializer.deserialize_any(Word(usage::tier))
}

/// The price table's name for a region.
pub(super) fn region<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'static str>, D::Error> {
    deserializer.deserialize_any(Word(usage::region))
}

/// Whether it says `true`.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(deserializer.deserialize_any(Word(nothing))?.is_some())
}

fn nothing(_: &str) -> Option<&'static str> {
    None
}

/// What the entries of `iterations` took that are compactions.
pub(super) fn compactions<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Usage>, D::Error> {
    deserializer.deserialize_any(Iterations)
}

/// Tokens by what they are of: Gemini's lists of `{ modality, tokenCount }`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Modalities {
    pub audio: u64,
    pub image: u64,
}

impl<'de> Deserialize<'de> for Modalities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListOfModalities)
    }
}

/// A number as it was read.
#[derive(Clone, Copy, Debug)]
enum Number {
    Whole(u64),
    Float(f64),
    /// Negative, or a text.
    Odd,
}

impl Number {
    fn is_count(self) -> bool {
        match self {
            Self::Whole(count) => count <= MOST,
            Self::Float(count) => (0.0..=MOST as f64).contains(&count),
            Self::Odd => false,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float saturates, and those that are asked are not negative"
    )]
    fn whole(self) -> u64 {
        match self {
            Self::Whole(count) => count,
            Self::Float(count) => count as u64,
            Self::Odd => IMPOSSIBLE,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float saturates, and a negative one was refused"
    )]
    fn scaled(self, by: f64) -> u64 {
        let value = match self {
            Self::Whole(count) => count as f64,
            Self::Float(count) => count,
            Self::Odd => return IMPOSSIBLE,
        };
        if value < 0.0 {
            return IMPOSSIBLE;
        }
        (value * by).round() as u64
    }
}

struct Figure;

impl<'de> Visitor<'de> for Figure {
    type Value = Option<Number>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E>(self, count: u64) -> Result<Self::Value, E> {
        Ok(Some(Number::Whole(count)))
    }

    fn visit_i64<E>(self, count: i64) -> Result<Self::Value, E> {
        Ok(Some(
            u64::try_from(count).map_or(Number::Odd, Number::Whole),
        ))
    }

    fn visit_f64<E>(self, count: f64) -> Result<Self::Value, E> {
        Ok(Some(Number::Float(count)))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Some(Number::Odd))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut total = None;
        while let Some(name) = map.next_key::<String>()? {
            if name == "total_cost" {
                total = map.next_value::<Nested>()?.0;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(total)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

struct Nested(Option<Number>);

impl<'de> Deserialize<'de> for Nested {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Figure).map(Self)
    }
}

/// A word of a known set; `true` is one, too.
struct Word<F>(F);

impl<'de, F: Fn(&str) -> Option<&'static str>> Visitor<'de> for Word<F> {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word")
    }

    fn visit_str<E>(self, word: &str) -> Result<Self::Value, E> {
        Ok((self.0)(word))
    }

    fn visit_bool<E>(self, is: bool) -> Result<Self::Value, E> {
        Ok(is.then_some("true"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

struct Iterations;

#[derive(Deserialize)]
struct Iteration {
    #[serde(default, rename = "type")]
    kind: Kind,
    #[serde(default, deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    output_tokens: Option<u64>,
}

#[derive(Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Compaction,
    #[default]
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for Iterations {
    type Value = Option<Usage>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of iterations")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut sum = Usage::default();
        while let Some(iteration) = list.next_element::<Iteration>()? {
            if iteration.kind == Kind::Compaction {
                sum = sum.and(Usage {
                    input: iteration.input_tokens.unwrap_or(0),
                    cache_read: iteration.cache_read_input_tokens.unwrap_or(0),
                    cache_write_5m: iteration.cache_creation_input_tokens.unwrap_or(0),
                    output: iteration.output_tokens.unwrap_or(0),
                    ..Usage::default()
                });
            }
        }
        Ok(Some(sum))
    }
}

struct ListOfModalities;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Modality {
    #[serde(default)]
    modality: Option<String>,
    #[serde(default, deserialize_with = "count")]
    token_count: Option<u64>,
}

impl<'de> Visitor<'de> for ListOfModalities {
    type Value = Modalities;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of modalities")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Modalities::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut sums = Modalities::default();
        while let Some(Modality {
            modality,
            token_count,
        }) = list.next_element()?
        {
            let tokens = token_count.unwrap_or(0);
            match modality.as_deref() {
                Some("AUDIO") => sums.audio = sums.audio.saturating_add(tokens),
                Some("IMAGE") => sums.image = sums.image.saturating_add(tokens),
                _ => {}
            }
        }
        Ok(sums)
    }
}

/// In place of a figure that cannot be.
const IMPOSSIBLE: u64 = u64::MAX;
