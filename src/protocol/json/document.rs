//! Deserializes a body into types. The ends of its longer values are known from one scan, so that values which are
//! skipped or kept raw need not be parsed again.
//!
//! Decoders of requests parse a body level by level and keep inner values raw (`&RawValue`) until they know what these
//! are. With `serde_json` alone, every level parses everything below it once more, which is seven times for the text of
//! a tool's result. [`Document::read`] is a `Deserializer` that steps over those values instead. Values that it does
//! not parse itself, such as numbers, it leaves to `serde_json`; types, results and errors are the same. It takes a
//! third of the time (`cargo bench --bench translate request_decoded`).
use std::borrow::Cow;

use memchr::memchr;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::Error;
use serde_json::value::RawValue;

use super::ends::Ends;
use super::scanner::{Scanner, skip_space};
use super::{Members, text};

/// A body with the ends of its longer values.
#[derive(Debug)]
pub struct Document<'a> {
    body: &'a [u8],
    ends: Cow<'a, Ends>,
}

impl<'a> Document<'a> {
    /// Scans a body. A body that is not an object, or that [`super::scan`] would refuse, can still be read, but more
    /// slowly.
    pub fn new(body: &'a [u8]) -> Self {
        let first = skip_space(body, 0);
        let members = match body.get(first) {
            Some(b'{') => Scanner::noting(body, first + 1).read().ok(),
            _ => None,
        };
        Self {
            body,
            ends: Cow::Owned(members.unwrap_or_default().ends),
        }
    }

    /// A body that is already scanned: `members` are from this body.
    pub fn scanned(body: &'a [u8], members: &'a Members) -> Self {
        Self {
            body,
            ends: Cow::Borrowed(&members.ends),
        }
    }

    /// Reads the whole body.
    pub fn whole<T: Deserialize<'a>>(&self) -> Result<T, Error> {
        let text = std::str::from_utf8(self.body).ok();
        match text {
            Some(text) if !self.ends.is_empty() => self.typed(text.trim_matches(is_space)),
            _ => serde_json::from_slice(self.body),
        }
    }

    /// Reads a part of the body.
    pub fn read<'de, T: Deserialize<'de>>(&self, part: &'de RawValue) -> Result<T, Error> {
        if self.ends.is_empty() {
            return serde_json::from_str(part.get());
        }
        self.typed(part.get())
    }

    fn typed<'de, T: Deserialize<'de>>(&self, text: &'de str) -> Result<T, Error> {
        // The position in the body, if the text is part of it; a copied part is not.
        let offset = text.as_ptr().addr().wrapping_sub(self.body.as_ptr().addr());
        let inside = offset < self.body.len() && text.len() <= self.body.len() - offset;
        T::deserialize(&mut Cursor {
            text,
            at: 0,
            offset: if inside { offset } else { usize::MAX },
            ends: &self.ends,
        })
    }
}

/// A position in a text that is known to be one JSON value.
struct Cursor<'t, 'de> {
    text: &'de str,
    at: usize,
    /// The offset of the text in the body; `usize::MAX` if the text is not part of it.
    offset: usize,
    ends: &'t Ends,
}

impl<'de> Cursor<'_, 'de> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn skip_space(&mut self) {
        self.at = skip_space(self.text.as_bytes(), self.at);
    }

    /// Whether this byte is next after white space; if so, it is consumed.
    fn eats(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    /// The text of the value that begins here; the value is consumed.
    fn span(&mut self) -> Result<&'de str, Error> {
        self.skip_space();
        let end = match self.peek() {
            b'{' | b'[' => self.end_noted().or_else(|| self.end_of_container()),
            b'"' => self.end_of_string(),
            _ => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let end = rest.find([',', ']', '}', ' ', '\n', '\r', '\t']);
                Some(self.at + end.unwrap_or(rest.len()))
            }
        };
        let span = end.and_then(|end| self.text.get(self.at..end));
        let span = span.ok_or_else(|| Error::custom("EOF while parsing a value"))?;
        self.at += span.len();
        Ok(span)
    }

    /// The end of the value that begins here, if the scan recorded it.
    fn end_noted(&self) -> Option<usize> {
        let end = self.ends.of(self.offset.checked_add(self.at)?)?;
        end.checked_sub(self.offset)
    }

    /// The end of the string that begins here.
    fn end_of_string(&self) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut at = self.at + 1;
        let mut noted = false;
        loop {
            match bytes.get(at)? {
                b'"' => return Some(at + 1),
                b'\\' => at += 2,
                _ => at += 1,
            }
            // Names and short values end before a lookup pays off.
            if !noted && at - self.at > SHORT {
                noted = true;
                if let Some(end) = self.end_noted() {
                    return Some(end);
                }
            }
        }
    }

    /// The end of the object or array that begins here.
    fn end_of_container(&self) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let (mut at, mut depth) = (self.at, 0_usize);
        loop {
            match bytes.get(at)? {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b'"' => {
                    at += 1;
                    loop {
                        match bytes.get(at)? {
                            b'"' => break,
                            b'\\' => at += 2,
                            _ => at += 1,
                        }
                    }
                }
                _ => {}
            }
            at += 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
}

impl<'de> Deserializer<'de> for &mut Cursor<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        serde_json::Deserializer::from_str(self.span()?).deserialize_any(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let span = self.span()?;
        let inner = span
            .strip_prefix('"')
            .and_then(|span| span.strip_suffix('"'));
        match inner.map(|inner| (inner, memchr(b'\\', inner.as_bytes()))) {
            Some((inner, None)) => visitor.visit_borrowed_str(inner),
            Some((inner, Some(_))) => match text::resolved(inner, None) {
                Some(Cow::Owned(text)) => visitor.visit_string(text),
                Some(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
                // The string contains a lone surrogate.
                None => serde_json::Deserializer::from_str(span).deserialize_str(visitor),
            },
            None => serde_json::Deserializer::from_str(span).deserialize_str(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.skip_space();
        if self.peek() == b'n' {
            self.span()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == RAW {
            return visitor.visit_map(Raw(Some(self.span()?)));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if !self.eats(b'[') {
            return serde_json::Deserializer::from_str(self.span()?).deserialize_seq(visitor);
        }
        let mut inside = Inside::new(self, b']');
        let value = visitor.visit_seq(&mut inside)?;
        inside.ended()?;
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if !self.eats(b'{') {
            return serde_json::Deserializer::from_str(self.span()?).deserialize_map(visitor);
        }
        let mut inside = Inside::new(self, b'}');
        let value = visitor.visit_map(&mut inside)?;
        inside.ended()?;
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.skip_space();
        if self.peek() == b'{' {
            return self.deserialize_map(visitor);
        }
        serde_json::Deserializer::from_str(self.span()?).deserialize_struct(name, fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        serde_json::Deserializer::from_str(self.span()?).deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.span()?;
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple
        tuple_struct
    }
}

/// The members of an object or the elements of an array.
struct Inside<'c, 't, 'de> {
    cursor: &'c mut Cursor<'t, 'de>,
    close: u8,
    begun: bool,
    ended: bool,
}

impl<'c, 't, 'de> Inside<'c, 't, 'de> {
    fn new(cursor: &'c mut Cursor<'t, 'de>, close: u8) -> Self {
        Self {
            cursor,
            close,
            begun: false,
            ended: false,
        }
    }

    /// Advances to the next member or element; `false` if there is none.
    fn advance(&mut self) -> bool {
        if self.ended || self.cursor.eats(self.close) {
            self.ended = true;
            return false;
        }
        if std::mem::replace(&mut self.begun, true) {
            self.cursor.eats(b',');
        }
        true
    }

    /// Fails if the visitor did not consume everything.
    fn ended(&mut self) -> Result<(), Error> {
        if self.advance() {
            return Err(Error::custom("trailing characters"));
        }
        Ok(())
    }
}

impl<'de> SeqAccess<'de> for &mut Inside<'_, '_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.advance() {
            return seed.deserialize(&mut *self.cursor).map(Some);
        }
        Ok(None)
    }
}

impl<'de> MapAccess<'de> for &mut Inside<'_, '_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        if self.advance() {
            return seed.deserialize(&mut *self.cursor).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.cursor.eats(b':');
        seed.deserialize(&mut *self.cursor)
    }
}

/// A value that is kept raw, in the form in which `serde_json` passes it to its `RawValue`.
struct Raw<'de>(Option<&'de str>);

impl<'de> MapAccess<'de> for Raw<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        match self.0 {
            Some(_) => seed
                .deserialize(BorrowedStrDeserializer::new(RAW))
                .map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(BorrowedStrDeserializer::new(
            self.0.take().unwrap_or_default(),
        ))
    }
}

const fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\n' | '\r' | '\t')
}

/// The name by which `serde_json` requests a raw value from a deserializer; a test below checks it.
const RAW: &str = "$serde_json::private::RawValue";

/// Bytes of a string after which its recorded end is looked up.
const SHORT: usize = 48;

#[cfg(test)]
mod tests;
