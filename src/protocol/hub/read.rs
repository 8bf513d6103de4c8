//! Reads JSON without a document tree: strings and members borrow from the bytes.
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use memchr::memchr;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{RequestFault, Violation};
use crate::protocol::json::Document;

/// A string that borrows from the bytes unless it contains an escape. (`Option<Cow<str>>` always copies.)
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Str<'a>(pub Cow<'a, str>);

impl Deref for Str<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Str<'_> {
    /// A copy.
    pub fn to_owned(&self) -> String {
        self.0.as_ref().to_owned()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(StrVisitor)
    }
}

struct StrVisitor;

impl<'de> Visitor<'de> for StrVisitor {
    type Value = Str<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Str(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Str(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Str(Cow::Owned(text)))
    }
}

/// The members of one object, in order, with unparsed values.
#[derive(Clone, Debug, Default)]
pub struct Object<'a>(pub Vec<(Str<'a>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// The value of the last member of this name, unless it is `null`.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .rev()
            .find(|(key, _)| &**key == name)
            .map(|(_, value)| *value)
            .filter(|value| !is_null(value))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Object(members))
    }
}

/// The place of a value in a request; it is only formatted for a fault.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    segment: Segment<'a>,
    /// The body that contains the value, if it was parsed into a document.
    document: Option<&'a Document<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum Segment<'a> {
    Field(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// A top-level field.
    pub const fn top(name: &'a str) -> Self {
        Self {
            parent: None,
            segment: Segment::Field(name),
            document: None,
        }
    }

    /// A top-level field of a body.
    pub const fn of(document: &'a Document<'a>, name: &'a str) -> Self {
        Self {
            parent: None,
            segment: Segment::Field(name),
            document: Some(document),
        }
    }

    /// A member of the value here.
    #[must_use]
    pub const fn field(&'a self, name: &'a str) -> Self {
        Self {
            parent: Some(self),
            segment: Segment::Field(name),
            document: self.document,
        }
    }

    /// An element of the value here.
    #[must_use]
    pub const fn index(&'a self, index: usize) -> Self {
        Self {
            parent: Some(self),
            segment: Segment::Index(index),
            document: self.document,
        }
    }

    /// A fault here.
    pub fn fault(&self, message: impl Into<String>) -> RequestFault {
        RequestFault::new(self.to_string(), message)
    }

    /// Reads the value at this place.
    pub fn read<'de, T: Deserialize<'de>>(&self, value: &'de RawValue) -> Result<T, RequestFault> {
        let read = match self.document {
            Some(document) => document.read(value),
            None => serde_json::from_str(value.get()),
        };
        read.map_err(|error| self.fault(without_position(&error)))
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        match self.segment {
            Segment::Field(name) => f.write_str(name),
            Segment::Index(index) => write!(f, "{index}"),
        }
    }
}

/// Reads data of an upstream.
pub fn json<'de, T: Deserialize<'de>>(data: &'de [u8]) -> Result<T, Violation> {
    serde_json::from_slice(data).map_err(|error| Violation::unreadable(without_position(&error)))
}

/// The parser's message without line and column. These count within a part of the body, which the client never sees as
/// such.
pub fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = match text.rfind(" at line ") {
        Some(end) => &text[..end],
        None => &text,
    };
    in_plain_words(text)
}

/// Replaces the names of Rust types in the parser's message by those of JSON.
fn in_plain_words(text: &str) -> String {
    let Some((found, expected)) = text.rsplit_once(", expected ") else {
        return text.to_owned();
    };
    let expected = match expected {
        "a sequence" => "a list",
        "a map" => "an object",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative",
        "i64" => "a whole number",
        "f64" | "a JSON number" => "a number",
        "a boolean" => "true or false",
        name if name.starts_with("struct ") => "an object",
        name if name.starts_with("tuple ") => "a list",
        other => other,
    };
    let found = found.replace("invalid type: map", "invalid type: object");
    let found = found.replace("invalid type: sequence", "invalid type: list");
    format!("{found}, expected {expected}")
}

/// Whether the value is `null`.
pub fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// Whether the value is an object, by its first character.
pub fn is_object(value: &RawValue) -> bool {
    value.get().starts_with('{')
}

/// Whether the value is an array, by its first character.
pub fn is_array(value: &RawValue) -> bool {
    value.get().starts_with('[')
}

/// Whether the value is a string, by its first character.
pub fn is_string(value: &RawValue) -> bool {
    value.get().starts_with('"')
}

/// Reads a list; some servers write `null` for an empty one.
pub fn list<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<&'a RawValue>, D::Error> {
    Ok(Option::<Vec<&'de RawValue>>::deserialize(deserializer)?.unwrap_or_default())
}

/// The text of a JSON string. Without an escape it is what stands between the quotes, and need not be parsed again.
pub fn unescaped(raw: &RawValue) -> serde_json::Result<Str<'_>> {
    let inside = raw
        .get()
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    match inside {
        Some(text) if memchr(b'\\', text.as_bytes()).is_none() => Ok(Str(Cow::Borrowed(text))),
        _ => serde_json::from_str(raw.get()),
    }
}

/// Reads a value; `null` becomes the default. Clients and servers use both a missing member and `null` for "nothing".
pub fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a list, or a single element instead of a list, which the JSON of protocol buffers permits; `null` is an empty
/// list.
pub fn one_or_more<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(OneOrMore(PhantomData))
}

struct OneOrMore<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMore<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(element) = list.next_element()? {
            found.push(element);
        }
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        Ok(vec![T::deserialize(MapAccessDeserializer::new(object))?])
    }
}

/// Reads a number, or a string with a number, which the JSON of protocol buffers permits.
pub fn number<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let raw = Option::<&'de RawValue>::deserialize(deserializer)?;
    let Some(raw) = raw else {
        return Ok(None);
    };
    let text = raw.get();
    let quoted = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let number = |text| serde_json::from_str(text).map(Some);
    match quoted.map(number) {
        Some(Ok(found)) => Ok(found),
        _ => number(text).map_err(|error| de::Error::custom(without_position(&error))),
    }
}

/// Reads a list without its `null`s; `null` is an empty list.
pub fn some_of<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_option(SomeOf(PhantomData))
}

struct SomeOf<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SomeOf<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(element) = list.next_element()? {
            found.extend::<Option<T>>(element);
        }
        Ok(found)
    }
}

/// Reads JSON that belongs in a string; some servers write it unquoted.
pub fn json_text<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Str<'a>>, D::Error> {
    let raw = Option::<&'de RawValue>::deserialize(deserializer)?;
    let Some(raw) = raw.filter(|raw| !is_null(raw)) else {
        return Ok(None);
    };
    if is_string(raw) {
        return unescaped(raw).map(Some).map_err(de::Error::custom);
    }
    Ok(Some(Str(Cow::Borrowed(raw.get()))))
}
