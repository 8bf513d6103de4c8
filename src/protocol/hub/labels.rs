//! Reads names and positions in any form in which servers write them. Every event has some, so they are read in one pass.
use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::read::Str;

/// Reads a name; some servers write a number. Any other value is `None`.
pub fn label<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Str<'a>>, D::Error> {
    deserializer.deserialize_any(Label)
}

/// Reads a position; some servers write a string. Any other value is `None`.
pub fn position<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    deserializer.deserialize_any(Position)
}

/// The same as [`position`], but any other value is position 0.
pub fn position_or_first<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    Ok(position(deserializer)?.unwrap_or(0))
}

/// Whether the word is a finish reason. Some servers write `"null"` for `null`.
pub fn is_reason(reason: &str) -> bool {
    let none = ["", "null", "none", "undefined"];
    !none.iter().any(|none| reason.eq_ignore_ascii_case(none))
}

/// Values that are neither a name nor a position.
macro_rules! nothing {
    () => {
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(None)
        }
    };
}

struct Label;

impl<'de> Visitor<'de> for Label {
    type Value = Option<Str<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Str(Cow::Borrowed(text))))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Str(Cow::Owned(text.to_owned()))))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(Str(Cow::Owned(number.to_string()))))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(Str(Cow::Owned(number.to_string()))))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Some(Str(Cow::Owned(number.to_string()))))
    }

    nothing!();
}

struct Position;

impl<'de> Visitor<'de> for Position {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a position")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.parse().ok())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(usize::try_from(number).ok())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    nothing!();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label_of(json: &str) -> Option<String> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let label = label(&mut deserializer).expect("any JSON is read");
        label.map(|label| label.to_owned())
    }

    #[test]
    fn a_name_is_a_string_or_a_number() {
        for (json, name) in [
            (r#""gpt-5""#, Some("gpt-5")),
            (r#""\u0067pt""#, Some("gpt")),
            (r#""""#, Some("")),
            ("12", Some("12")),
            ("-3", Some("-3")),
            ("1.5", Some("1.5")),
            ("18446744073709551615", Some("18446744073709551615")),
            ("null", None),
            ("true", None),
            (r#"[1,{"a":[]}]"#, None),
            (r#"{"a":{"b":1}}"#, None),
        ] {
            assert_eq!(label_of(json).as_deref(), name, "{json}");
        }
    }

    #[test]
    fn a_position_is_a_whole_number_or_a_string_with_one() {
        for (json, at) in [
            ("0", Some(0)),
            ("7", Some(7)),
            (r#""12""#, Some(12)),
            (r#""a""#, None),
            ("-1", None),
            ("1.0", None),
            ("null", None),
            ("{}", None),
            ("[3]", None),
        ] {
            let mut deserializer = serde_json::Deserializer::from_str(json);
            let read = position(&mut deserializer).expect("any JSON is read");
            assert_eq!(read, at, "{json}");
        }
    }
}
