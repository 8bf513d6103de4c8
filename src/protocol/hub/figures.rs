//! Reads numbers in any form in which servers write them.
//!
//! One odd member must not hide the others, so nothing here fails: a value without meaning counts as not stated, and an
//! impossible number becomes [`IMPOSSIBLE`], which [`super::usage::Stated`] rejects.
mod number;

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::advisor::Advisor;
use super::usage;
use number::{Figure, IMPOSSIBLE};

/// A word from a known set.
type Known = &'static str;

/// A count: a whole number, or a float, which some servers write.
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

/// Dollars, read as billionths; from an object, its `total_cost`.
pub(super) fn dollars<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let read = deserializer.deserialize_any(Figure)?;
    Ok(read.map(|figure| figure.scaled(1e9)))
}

/// Ten-billionths of a dollar, read as billionths.
pub(super) fn ticks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let read = deserializer.deserialize_any(Figure)?;
    Ok(read.map(|figure| figure.scaled(0.1)))
}

/// Seconds, read as thousandths.
pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let read = deserializer.deserialize_any(Figure)?;
    Ok(read.map(|figure| figure.scaled(1e3)))
}

/// Replaces a number by a later one, unless the later one is missing or 0: zeros are no statement.
pub(super) fn replace(number: &mut Option<u64>, later: Option<u64>) {
    if number.is_none() || later.is_some_and(|later| later > 0) {
        *number = later.or(*number);
    }
}

/// The price table's name for a service tier, a speed or a kind of traffic.
pub(super) fn tier<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'static str>, D::Error> {
    deserializer.deserialize_any(Word::of(usage::tier))
}

/// The price table's name for a region.
pub(super) fn region<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'static str>, D::Error> {
    deserializer.deserialize_any(Word::of(usage::region))
}

/// Whether the value is `true`.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let word = Word {
        known: |_: &str| None,
        yes: Some(()),
    };
    Ok(deserializer.deserialize_any(word)?.is_some())
}

/// The service tier that Anthropic states it has used.
pub(in crate::protocol) fn level<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'static str>, D::Error> {
    let known = |word: &str| {
        let mut levels = ["priority", "standard"].into_iter();
        levels.find(|level| *level == word)
    };
    deserializer.deserialize_any(Word::of(known))
}

/// The kind of tokens, if it has a price of its own or is not included in the sums.
pub(super) fn kind<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'static str>, D::Error> {
    let known = |word: &str| {
        let mut kinds = ["AUDIO", "IMAGE", "compaction", "advisor_message"].into_iter();
        kinds.find(|kind| *kind == word)
    };
    deserializer.deserialize_any(Word::of(known))
}

/// The name of a model.
pub(super) fn model<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Advisor>, D::Error> {
    let known = |name: &str| Some(Advisor::of(name));
    deserializer.deserialize_any(Word::of(known))
}

/// Adds the objects of a list to `sum`, one by one; any other value adds nothing.
pub(super) fn sum<'de, D: Deserializer<'de>, S, T: Deserialize<'de>>(
    deserializer: D,
    sum: S,
    add: impl FnMut(&mut S, T),
) -> Result<S, D::Error> {
    deserializer.deserialize_any(Sum {
        sum,
        add,
        element: PhantomData,
    })
}

/// An object with further numbers; any other value counts as not stated.
pub(in crate::protocol) fn detail<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(Detail(PhantomData))
}

/// A value of an unexpected type counts as not stated.
macro_rules! otherwise {
    ($nothing:expr) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($nothing(self))
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($nothing(self))
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($nothing(self))
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($nothing(self))
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($nothing(self))
        }

        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($nothing(self))
        }
    };
}

struct Detail<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Detail<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    otherwise!(|_| None);
}

/// An element of a list; `None` if it does not have the expected form.
struct Element<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Element<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        detail(deserializer).map(Self)
    }
}

/// Reads a list of objects and adds them up one by one.
struct Sum<S, F, T> {
    sum: S,
    add: F,
    element: PhantomData<T>,
}

impl<'de, S, F: FnMut(&mut S, T), T: Deserialize<'de>> Visitor<'de> for Sum<S, F, T> {
    type Value = S;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self::Value, A::Error> {
        while let Some(Element(element)) = list.next_element()? {
            if let Some(element) = element {
                (self.add)(&mut self.sum, element);
            }
        }
        Ok(self.sum)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.sum)
    }

    otherwise!(|this: Self| this.sum);
}

/// Tokens by modality: Gemini's lists of `{ modality, tokenCount }`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Modalities {
    pub audio: u64,
    pub image: u64,
}

impl Modalities {
    /// The sum, modality by modality.
    pub(super) const fn and(self, more: Self) -> Self {
        Self {
            audio: self.audio.saturating_add(more.audio),
            image: self.image.saturating_add(more.image),
        }
    }

    /// The tokens without a part of them.
    pub(super) const fn without(self, part: Self) -> Self {
        Self {
            audio: self.audio.saturating_sub(part.audio),
            image: self.image.saturating_sub(part.image),
        }
    }
}

impl<'de> Deserialize<'de> for Modalities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let add = |sums: &mut Self, modality: Modality| {
            let tokens = modality.token_count.unwrap_or(0);
            match modality.modality {
                Some("AUDIO") => sums.audio = sums.audio.saturating_add(tokens),
                Some("IMAGE") => sums.image = sums.image.saturating_add(tokens),
                _ => {}
            }
        };
        sum(deserializer, Self::default(), add)
    }
}

/// Reads a word from a known set.
struct Word<F, T> {
    known: F,
    /// What `true` means.
    yes: Option<T>,
}

impl<F: Fn(&str) -> Option<T>, T> Word<F, T> {
    fn of(known: F) -> Self {
        Self { known, yes: None }
    }
}

impl<'de, F: Fn(&str) -> Option<T>, T> Visitor<'de> for Word<F, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word")
    }

    fn visit_str<E>(self, word: &str) -> Result<Self::Value, E> {
        Ok((self.known)(word))
    }

    fn visit_bool<E>(self, is: bool) -> Result<Self::Value, E> {
        Ok(self.yes.filter(|_| is))
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Modality {
    #[serde(default, deserialize_with = "kind")]
    modality: Option<Known>,
    #[serde(default, deserialize_with = "count", alias = "token_count")]
    token_count: Option<u64>,
}
