//! A number in any form.
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::super::usage::MOST;

/// A number as it was written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Whole(u64),
    Float(f64),
    /// A negative number or a text.
    Odd,
}

impl Number {
    /// Whether the number is a possible count.
    pub(super) fn is_count(self) -> bool {
        match self {
            Self::Whole(count) => count <= MOST,
            Self::Float(count) => (0.0..=MOST as f64).contains(&count),
            Self::Odd => false,
        }
    }

    /// The number as a count.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float saturates, and those that are asked are not negative"
    )]
    pub(super) fn whole(self) -> u64 {
        match self {
            Self::Whole(count) => count,
            Self::Float(count) => count as u64,
            Self::Odd => IMPOSSIBLE,
        }
    }

    /// The number times `by`, rounded.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float saturates, and a negative one was refused"
    )]
    pub(super) fn scaled(self, by: f64) -> u64 {
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

/// Reads a number, or the `total_cost` of an object; any other value is `None`.
pub(super) struct Figure;

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

/// Stands for an impossible number.
pub(super) const IMPOSSIBLE: u64 = u64::MAX;
