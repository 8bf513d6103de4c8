//! A node of the document together with the way to it, for faults that say where.
use std::fmt::{self, Display, Formatter};
use std::rc::Rc;

use super::diagnostic::quote;
use super::document::{Key, Kind, Node, Place};
use super::faults::Faults;

/// Where a value stands in the file and in the schema.
#[derive(Clone, Debug)]
pub struct At {
    pub place: Place,
    pub path: Rc<Path>,
}

/// The way to a value: `accounts[0].weight`. A linked list, because a file has many values and few faults.
#[derive(Debug)]
pub enum Path {
    Root,
    Index(Rc<Path>, usize),
    /// A member of the schema.
    Known(Rc<Path>, &'static str),
    /// A key as written.
    Written(Rc<Path>, Rc<str>),
}

impl At {
    /// A place without a way: the text itself.
    pub fn text(place: Place) -> Self {
        Self {
            place,
            path: Rc::new(Path::Root),
        }
    }

    /// The same place, for a member that is not there.
    pub fn member(&self, name: &'static str) -> Self {
        Self {
            place: self.place,
            path: Rc::new(Path::Known(Rc::clone(&self.path), name)),
        }
    }

    fn written(&self, place: Place, key: &Key) -> Self {
        Self {
            place,
            path: Rc::new(Path::Written(Rc::clone(&self.path), Rc::clone(&key.text))),
        }
    }
}

/// A node together with where it stands.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    pub node: &'a Node,
    at: At,
}

impl<'a> Cursor<'a> {
    pub fn root(node: &'a Node) -> Self {
        Self {
            node,
            at: At::text(node.place),
        }
    }

    pub fn at(&self) -> &At {
        &self.at
    }

    /// The text of a scalar; anything else is a fault, as is nothing.
    pub fn scalar(&self, expected: &str, faults: &mut Faults) -> Option<&'a str> {
        match &self.node.kind {
            Kind::Scalar { text, .. } if !self.node.is_null() => Some(text),
            _ => {
                self.mismatch(expected, None, faults);
                None
            }
        }
    }

    /// The text of an unquoted scalar: a number or a word, but not text in quotes.
    pub fn plain(&self, expected: &str, faults: &mut Faults) -> Option<&'a str> {
        let text = self.scalar(expected, faults)?;
        if matches!(self.node.kind, Kind::Scalar { quoted: true, .. }) {
            let hint = "write it without quotes".to_owned();
            let message = format!("found text in quotes, expected {expected}");
            faults.add_with(self.at(), message, Some(hint));
            return None;
        }
        Some(text)
    }

    /// Records that this is not what was expected.
    pub fn mismatch(&self, expected: &str, hint: Option<String>, faults: &mut Faults) {
        let message = format!("found {}, expected {expected}", self.found());
        faults.add_with(self.at(), message, hint);
    }

    /// What is here, in a few words.
    pub fn found(&self) -> String {
        match &self.node.kind {
            Kind::List(_) => "a list".to_owned(),
            Kind::Mapping(_) => "a mapping".to_owned(),
            Kind::Scalar { .. } if self.node.is_null() => "nothing".to_owned(),
            Kind::Scalar { text, .. } => quote(text),
        }
    }

    /// The items of a list; nothing counts as an empty one.
    pub fn items(&self, expected: &str, faults: &mut Faults) -> Option<&'a [Rc<Node>]> {
        match &self.node.kind {
            Kind::List(items) => Some(items),
            Kind::Scalar { .. } if self.node.is_null() => Some(&[]),
            _ => {
                let hint = "put it into a list: [ … ]".to_owned();
                self.mismatch(
                    &format!("a list, each entry {expected}"),
                    Some(hint),
                    faults,
                );
                None
            }
        }
    }

    /// The entries of a mapping; nothing counts as an empty one.
    pub fn entries(&self, expected: &str, faults: &mut Faults) -> Option<&'a [(Key, Rc<Node>)]> {
        match &self.node.kind {
            Kind::Mapping(entries) => Some(entries),
            Kind::Scalar { .. } if self.node.is_null() => Some(&[]),
            _ => {
                self.mismatch(expected, None, faults);
                None
            }
        }
    }

    /// The value of a key of this mapping.
    pub fn member<'b>(&self, key: &Key, node: &'b Node) -> Cursor<'b> {
        // A value that is not there has the place of its key: the parser puts it at the next token.
        let place = if node.is_null() {
            key.place
        } else {
            node.place
        };
        Cursor {
            node,
            at: self.at.written(place, key),
        }
    }

    /// An item of this list.
    pub fn item<'b>(&self, index: usize, node: &'b Node) -> Cursor<'b> {
        let path = Rc::new(Path::Index(Rc::clone(&self.at.path), index));
        let place = node.place;
        Cursor {
            node,
            at: At { place, path },
        }
    }

    /// The place of a key itself.
    pub fn key(&self, key: &Key) -> At {
        self.at.written(key.place, key)
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (parent, name) = match self {
            Self::Root => return Ok(()),
            Self::Index(parent, index) => return write!(f, "{parent}[{index}]"),
            Self::Known(parent, name) => (parent, *name),
            Self::Written(parent, name) => (parent, &**name),
        };
        match &**parent {
            _ if !is_plain_word(name) => write!(f, "{parent}[{}]", quote(name).replace('`', "\"")),
            Self::Root => f.write_str(name),
            _ => write!(f, "{parent}.{name}"),
        }
    }
}

fn is_plain_word(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 40
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        && quote(name).trim_matches('`') == name
}
