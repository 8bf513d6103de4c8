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
    pub path: Rc<str>,
}

impl At {
    /// The same place, for a member that is not there.
    pub fn member(&self, name: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        Self {
            place: self.place,
            path: format!("{}{dot}{name}", self.path).into(),
        }
    }
}

/// A node together with the way to it.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    pub node: &'a Node,
    path: Path<'a>,
    /// Where it is used; for what an alias stands for that is where it is defined.
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Path<'a> {
    Root,
    Index(&'a Path<'a>, usize),
    Member(&'a Path<'a>, &'a str),
}

impl<'a> Cursor<'a> {
    pub fn root(node: &'a Node) -> Self {
        Self {
            node,
            path: Path::Root,
            place: node.place,
        }
    }

    pub fn at(&self) -> At {
        At {
            place: self.place,
            path: self.path.to_string().into(),
        }
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
            faults.add_with(&self.at(), message, Some(hint));
            return None;
        }
        Some(text)
    }

    /// Records that this is not what was expected.
    pub fn mismatch(&self, expected: &str, hint: Option<String>, faults: &mut Faults) {
        let message = format!("found {}, expected {expected}", self.found());
        faults.add_with(&self.at(), message, hint);
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
                self.mismatch(&format!("a list of {expected}"), Some(hint), faults);
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
    pub fn member<'b>(&'b self, key: &'b Key, node: &'b Node) -> Cursor<'b> {
        Cursor {
            node,
            path: Path::Member(&self.path, &key.text),
            // A value that is not there has the place of its key: the parser puts it at the next token.
            place: if node.is_null() {
                key.place
            } else {
                node.place
            },
        }
    }

    /// An item of this list.
    pub fn item<'b>(&'b self, index: usize, node: &'b Node) -> Cursor<'b> {
        Cursor {
            node,
            path: Path::Index(&self.path, index),
            place: node.place,
        }
    }

    /// The place of a key itself.
    pub fn key(&self, key: &Key) -> At {
        At {
            place: key.place,
            path: Path::Member(&self.path, &key.text).to_string().into(),
        }
    }
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
            Self::Member(parent, name) if is_plain_word(name) => match parent {
                Self::Root => f.write_str(name),
                _ => write!(f, "{parent}.{name}"),
            },
            Self::Member(parent, name) => write!(f, "{parent}[{}]", quote(name).replace('`', "\"")),
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
