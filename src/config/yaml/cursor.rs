//! A node of the document together with its path, for faults with a position.
use std::rc::Rc;

use super::at::{At, Path};
use super::document::{Key, Kind, Node};
use super::faults::Faults;
use crate::config::diagnostic::quote;

/// A node together with its position.
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

    /// A cursor for a node that is the value of a member.
    pub fn at_member(node: &'a Node, at: At) -> Self {
        Self { node, at }
    }

    pub fn at(&self) -> &At {
        &self.at
    }

    /// The text of a scalar; any other node, including null, is a fault.
    pub fn scalar(&self, expected: &str, faults: &mut Faults) -> Option<&'a str> {
        match &self.node.kind {
            Kind::Scalar { text, .. } if !self.node.is_null() => Some(text),
            _ => {
                self.mismatch(expected, None, faults);
                None
            }
        }
    }

    /// The text of an unquoted scalar, such as a number or a word; text in quotes is a fault.
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

    /// Records that this node is not what was expected.
    pub fn mismatch(&self, expected: &str, hint: Option<String>, faults: &mut Faults) {
        let message = format!("found {}, expected {expected}", self.found());
        faults.add_with(self.at(), message, hint);
    }

    /// A short description of this node.
    pub fn found(&self) -> String {
        match &self.node.kind {
            Kind::List(_) => "a list".to_owned(),
            Kind::Mapping(_) => "a mapping".to_owned(),
            Kind::Scalar { .. } if self.node.is_null() => "nothing".to_owned(),
            Kind::Scalar { text, .. } => quote(text),
        }
    }

    /// The items of a list; null counts as an empty list.
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

    /// The entries of a mapping; null counts as an empty mapping.
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
        // A missing value gets the place of its key, because the parser places it at the next token.
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
