//! The position of a value: line and column, and its path through the schema.
use std::fmt::{self, Display, Formatter};
use std::rc::Rc;

use super::document::{Key, Place};
use crate::config::diagnostic::quote;

/// The position of a value in the file and in the schema.
#[derive(Clone, Debug)]
pub struct At {
    pub place: Place,
    pub path: Rc<Path>,
}

/// The path of a value: `accounts[0].weight`. It is a linked list, because a file has many values and few faults.
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
    /// A position without a path: the text itself.
    pub fn text(place: Place) -> Self {
        Self {
            place,
            path: Rc::new(Path::Root),
        }
    }

    /// The same place, for a member that is absent.
    pub fn member(&self, name: &'static str) -> Self {
        Self {
            place: self.place,
            path: Rc::new(Path::Known(Rc::clone(&self.path), name)),
        }
    }

    /// The position of the value of a key as written.
    pub fn written(&self, place: Place, key: &Key) -> Self {
        Self {
            place,
            path: Rc::new(Path::Written(Rc::clone(&self.path), Rc::clone(&key.text))),
        }
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
