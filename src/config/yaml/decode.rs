//! Decodes the tree of a document into typed values with their positions, and records every fault.
//!
//! serde is not used: its derived code stops at the first fault and drops the positions of values. Here each member of
//! a mapping and each item of a list is decoded separately into a [`Field`], so one pass finds every fault, and a fault
//! has no consequences elsewhere: a wrong value is known to be present.
use std::rc::Rc;

use super::at::At;
use super::cursor::Cursor;
use super::document::{Key, Node};
use super::faults::Faults;
use crate::config::diagnostic::{one_of, suggest};

/// A type that can be decoded. `None` = a fault was recorded.
pub trait Decode: Sized {
    /// What is expected, as a noun with its article: `a duration such as \`30s\``.
    const EXPECTED: &'static str;

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self>;

    /// The same as [`Decode::EXPECTED`], with the type of the contents.
    fn expected() -> String {
        Self::EXPECTED.to_owned()
    }
}

/// A member of a mapping, or an item of a list: absent, given, or given but wrong.
#[derive(Clone, Debug)]
pub struct Field<T> {
    at: At,
    given: bool,
    value: Option<T>,
}

impl<T> Field<T> {
    /// The value, if it is given and right.
    pub fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// The same as [`Field::get`].
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.as_mut()
    }

    /// A field with this value, at the position of another field.
    pub fn of(at: &At, value: Option<T>) -> Self {
        Self {
            at: at.clone(),
            given: true,
            value,
        }
    }

    /// A field that is absent.
    pub fn absent(at: &At) -> Self {
        Self {
            at: at.clone(),
            given: false,
            value: None,
        }
    }

    /// Whether it is given, right or wrong.
    pub fn is_given(&self) -> bool {
        self.given
    }

    /// Whether it is given and wrong; then a fault was recorded.
    pub fn is_wrong(&self) -> bool {
        self.given && self.value.is_none()
    }

    /// The position of the field; if it is absent, the position that it would have.
    pub fn at(&self) -> &At {
        &self.at
    }
}

impl<T> Field<T> {
    /// The field, whose value is removed unless `keep` returns true; otherwise `keep` has recorded a fault.
    pub fn filter(self, keep: impl FnOnce(&At, &T) -> bool) -> Self {
        let value = self.value.filter(|value| keep(&self.at, value));
        Self { value, ..self }
    }
}

impl<T: Decode> Field<T> {
    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Self {
        let at = cursor.at().clone();
        let value = if faults.count_value(&at) {
            T::decode(cursor, faults)
        } else {
            None
        };
        Self {
            at,
            given: true,
            value,
        }
    }
}

/// A member that must be given. Its absence is recorded when the mapping is decoded.
#[derive(Clone, Debug)]
pub struct Needed<T>(Field<T>);

impl<T> Needed<T> {
    /// A member with this value, at the position of another one.
    pub fn of(at: &At, value: T) -> Self {
        Self(Field::of(at, Some(value)))
    }

    /// The same as [`Field::get_mut`].
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.0.get_mut()
    }

    /// The same as [`Field::filter`].
    pub fn filter(self, keep: impl FnOnce(&At, &T) -> bool) -> Self {
        Self(self.0.filter(keep))
    }
}

impl<T> std::ops::Deref for Needed<T> {
    type Target = Field<T>;

    fn deref(&self) -> &Field<T> {
        &self.0
    }
}

/// A mapping whose members all have defaults: if it is absent, all members are absent.
#[derive(Clone, Debug)]
pub struct Section<T>(Field<T>);

impl<T> std::ops::Deref for Section<T> {
    type Target = Field<T>;

    fn deref(&self) -> &Field<T> {
        &self.0
    }
}

impl<T: Decode> Decode for Vec<Field<T>> {
    const EXPECTED: &'static str = "a list";

    fn expected() -> String {
        format!("a list, each entry {}", T::EXPECTED)
    }

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
        let items = cursor.items(T::EXPECTED, faults)?;
        // Indices count within a file, so the first item of a fragment has index 0.
        let (mut file, mut index) = (None, 0);
        let decode = |node: &Rc<Node>| {
            index = if file.replace(node.place.file) == Some(node.place.file) {
                index + 1
            } else {
                0
            };
            Field::decode(&cursor.item(index, node), faults)
        };
        Some(items.iter().map(decode).collect())
    }
}

/// A mapping with arbitrary keys, in the order of the file.
#[derive(Clone, Debug)]
pub struct Map<T>(pub Vec<(At, String, Field<T>)>);

impl<T: Decode> Decode for Map<T> {
    const EXPECTED: &'static str = "a mapping";

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
        let entries = cursor.entries(Self::EXPECTED, faults)?;
        let decode = |(key, node): &(Key, Rc<Node>)| {
            let value = Field::decode(&cursor.member(key, node), faults);
            (cursor.key(key), key.text.to_string(), value)
        };
        Some(Self(entries.iter().map(decode).collect()))
    }
}

/// The members of a mapping with known keys, while it is decoded.
#[derive(Debug)]
pub struct Members<'a> {
    cursor: Cursor<'a>,
    entries: &'a [(Key, Rc<Node>)],
    /// Known keys that an unknown key was probably meant to be: they count as given but wrong.
    meant: Vec<String>,
}

impl<'a> Members<'a> {
    /// Checks that this is a mapping and that all its keys are known.
    pub fn new(
        cursor: &Cursor<'a>,
        expected: &str,
        known: &[&str],
        faults: &mut Faults,
    ) -> Option<Self> {
        let entries = cursor.entries(expected, faults)?;
        let is_free = |name: &&str| entries.iter().all(|(key, _)| *key.text != **name);
        let mut free: Option<Vec<&str>> = None;
        let mut meant = Vec::new();
        for (key, _) in entries
            .iter()
            .filter(|(key, _)| !known.contains(&&*key.text))
        {
            if faults.is_full() {
                break;
            }
            let free = free.get_or_insert_with(|| known.iter().copied().filter(is_free).collect());
            let suggestion = suggest(&key.text, free.iter().copied());
            let message = format!(
                "found an unknown key, expected {}",
                one_of(known.iter().copied())
            );
            let hint = suggestion.map(|name| format!("did you mean `{name}`?"));
            faults.add_with(&cursor.key(key), message, hint);
            meant.extend(suggestion.map(str::to_owned));
        }
        Some(Self {
            cursor: cursor.clone(),
            entries,
            meant,
        })
    }

    /// The member `name`.
    pub fn field<T: Decode>(&self, name: &'static str, faults: &mut Faults) -> Field<T> {
        let Some((key, node)) = self.entries.iter().find(|(key, _)| &*key.text == name) else {
            return Field {
                at: self.cursor.at().member(name),
                given: self.meant.iter().any(|meant| meant == name),
                value: None,
            };
        };
        Field::decode(&self.cursor.member(key, node), faults)
    }
}

/// How a member of a mapping is read: [`Field`] may be absent, [`Needed`] may not.
pub trait Member: Sized {
    fn take(members: &Members<'_>, name: &'static str, faults: &mut Faults) -> Self;
}

impl<T: Decode> Member for Field<T> {
    fn take(members: &Members<'_>, name: &'static str, faults: &mut Faults) -> Self {
        members.field(name, faults)
    }
}

impl<T: Decode> Member for Needed<T> {
    fn take(members: &Members<'_>, name: &'static str, faults: &mut Faults) -> Self {
        let field: Field<T> = members.field(name, faults);
        if !field.given {
            faults.add(
                &field.at,
                format!("found nothing, expected {}", T::expected()),
            );
        }
        Self(field)
    }
}

impl<T: Decode> Member for Section<T> {
    fn take(members: &Members<'_>, name: &'static str, faults: &mut Faults) -> Self {
        let field: Field<T> = members.field(name, faults);
        if field.given {
            return Self(field);
        }
        let nothing = Node::nothing(field.at.place);
        let value = T::decode(&Cursor::at_member(&nothing, field.at.clone()), faults);
        Self(Field { value, ..field })
    }
}
