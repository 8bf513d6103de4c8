//! Finds the members of a raw JSON object without building a document.
//!
//! [`scan`] reads the body once, iteratively, and refuses everything that Weir could misread: if two readers disagree
//! about `model`, a key's model list can be circumvented. It keeps only the positions of the top-level members;
//! `edit.rs` changes them. It is not a deserializer: a value is interpreted only on request.
//! Spec: <https://www.rfc-editor.org/rfc/rfc8259>
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use smallvec::SmallVec;

mod blocks;
mod document;
mod draft;
mod edit;
mod ends;
mod pointer;
mod scanner;
mod text;

pub mod loose;
pub mod surrogates;

pub use blocks::Blocks;
pub use document::Document;
pub use draft::{Draft, insert};
pub use edit::{Edit, Pieces, rename, set};
use ends::Ends;
pub use pointer::Pointer;
use scanner::Scanner;
pub use text::{quote, string, unescape};

/// The position of one top-level member, in bytes of the scanned body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// The name between its quotes, as it is written (including escapes).
    pub key: Range<usize>,
    /// The value, without white space around it.
    pub value: Range<usize>,
    /// The number of elements if the value is an array; else 0.
    elements: u32,
    /// Whether the name is ASCII without escapes, as almost every name is, so that its bytes can be compared directly.
    plain: bool,
}

/// The members of the top-level object, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Members {
    members: SmallVec<[Member; INLINE_MEMBERS]>,
    /// The offset just behind the opening brace.
    open: usize,
    /// The ends of the longer values of the body.
    ends: Ends,
}

/// Why a body cannot be read safely. The text is meant for the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// There is a second member with a name that must be unique.
    Duplicate {
        /// The unescaped name.
        name: &'static str,
    },
    /// The body is empty or only white space.
    Empty,
    /// An object whose members are read has more than [`MAX_MEMBERS`] members.
    Members,
    /// The body is not an object.
    NotAnObject,
    /// The body is not UTF-8.
    NotUtf8 {
        /// Offset of the first invalid byte.
        at: usize,
    },
    /// The body is not JSON.
    Syntax {
        /// Offset of the first unexpected byte.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// The nesting is deeper than [`MAX_DEPTH`].
    TooDeep {
        /// Offset of the first bracket beyond the limit.
        at: usize,
    },
}

/// Reads a body that must be exactly one JSON object.
///
/// Refused are invalid UTF-8, invalid syntax, nesting beyond [`MAX_DEPTH`], anything after the object, a second `model`
/// or `stream` in any spelling, and more than [`MAX_MEMBERS`] members.
pub fn scan(body: &[u8]) -> Result<Members, Fault> {
    read(body, Scanner::noting)
}

/// The same as [`scan`], for a body of which only the members are needed: the ends of longer values are not recorded.
pub fn look(body: &[u8]) -> Result<Members, Fault> {
    read(body, Scanner::new)
}

fn read<'a>(
    body: &'a [u8],
    scanner: impl FnOnce(&'a [u8], usize) -> Scanner<'a>,
) -> Result<Members, Fault> {
    let first = scanner::skip_space(body, 0);
    match body.get(first) {
        None => return Err(Fault::Empty),
        Some(b'{') => {}
        Some(_) => return Err(Fault::NotAnObject),
    }
    if let Err(error) = simdutf8::compat::from_utf8(body) {
        return Err(Fault::NotUtf8 {
            at: error.valid_up_to(),
        });
    }
    let members = scanner(body, first + 1).read()?;
    members.check_unique(body)?;
    Ok(members)
}

/// The members of an object inside a scanned body; `None` if `value` is not an object, or has more than [`MAX_MEMBERS`]
/// members.
pub fn object(value: &[u8]) -> Option<Members> {
    if value.first() != Some(&b'{') {
        return None;
    }
    Scanner::new(value, 1).read().ok()
}

/// The positions of the elements of an array inside a scanned body; `None` if `value` is not an array.
pub fn elements(value: &[u8]) -> Option<Vec<Range<usize>>> {
    first_elements(value, usize::MAX)
}

/// The same as [`elements`], for the first `most` elements; later ones are not read.
pub fn first_elements(value: &[u8], most: usize) -> Option<Vec<Range<usize>>> {
    if value.first() != Some(&b'[') {
        return None;
    }
    Scanner::of_array(value, 1).elements(most).ok()
}

impl Members {
    /// The members in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Member> {
        self.members.iter()
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether the object is empty.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The position of the value of `name`. If several members have this name, the last one counts, as for almost every
    /// reader.
    pub fn span(&self, body: &[u8], name: &str) -> Option<Range<usize>> {
        self.members
            .iter()
            .rev()
            .find(|member| member.is_named(body, name))
            .map(|member| member.value.clone())
    }

    /// The number of elements of the array `name`; `None` if there is no such member, or it is not an array.
    pub fn elements(&self, body: &[u8], name: &str) -> Option<u32> {
        let mut newest_first = self.members.iter().rev();
        let member = newest_first.find(|member| member.is_named(body, name))?;
        let is_array = body.get(member.value.start) == Some(&b'[');
        is_array.then_some(member.elements)
    }

    /// The raw value of `name`.
    pub fn value<'a>(&self, body: &'a [u8], name: &str) -> Option<&'a [u8]> {
        body.get(self.span(body, name)?)
    }

    /// Whether there is a member `name` whose value is not `null`.
    pub fn has(&self, body: &[u8], name: &str) -> bool {
        self.value(body, name).is_some_and(|value| value != b"null")
    }

    /// The value of `name`, unescaped, if it is a string.
    pub fn string<'a>(&self, body: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
        string(self.value(body, name)?)
    }

    /// The value of `name`, if it is `true` or `false`.
    pub fn boolean(&self, body: &[u8], name: &str) -> Option<bool> {
        match self.value(body, name)? {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// The value of `name`, if it is a non-negative integer.
    pub fn integer(&self, body: &[u8], name: &str) -> Option<u64> {
        std::str::from_utf8(self.value(body, name)?)
            .ok()?
            .parse()
            .ok()
    }

    /// Refuses duplicates of certain names. Some upstreams ignore the case of names (Go's `encoding/json` does), so
    /// `Model` beside `model` counts as a duplicate too.
    fn check_unique(&self, body: &[u8]) -> Result<(), Fault> {
        for name in UNIQUE {
            let same = |member: &&Member| member.is_folded(body, name);
            if self.members.iter().filter(same).count() > 1 {
                return Err(Fault::Duplicate { name });
            }
        }
        Ok(())
    }
}

impl<'a> IntoIterator for &'a Members {
    type Item = &'a Member;
    type IntoIter = std::slice::Iter<'a, Member>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Member {
    /// The name, unescaped.
    pub fn name<'a>(&self, body: &'a [u8]) -> Option<Cow<'a, str>> {
        unescape(body.get(self.key.clone())?)
    }

    fn is_named(&self, body: &[u8], name: &str) -> bool {
        let Some(raw) = body.get(self.key.clone()) else {
            return false;
        };
        if self.plain {
            return raw == name.as_bytes();
        }
        unescape(raw).is_some_and(|key| key == name)
    }

    fn is_folded(&self, body: &[u8], name: &str) -> bool {
        let Some(raw) = body.get(self.key.clone()) else {
            return false;
        };
        if self.plain {
            return raw.eq_ignore_ascii_case(name.as_bytes());
        }
        // An escape or the long s (which also folds to s) can hide the name.
        unescape(raw).is_some_and(|key| key.replace('\u{17f}', "s").eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { name } => write!(
                f,
                "the request body has more than one member \"{name}\": send it once"
            ),
            Self::Empty => f.write_str("the request body is empty: send one JSON object"),
            Self::Members => write!(
                f,
                "the request body has more than {MAX_MEMBERS} members in one object"
            ),
            Self::NotAnObject => f.write_str("the request body is not a JSON object"),
            Self::NotUtf8 { at } => {
                write!(f, "the request body is not valid UTF-8 at byte {at}")
            }
            Self::Syntax { at, what } => {
                write!(f, "the request body is not valid JSON at byte {at}: {what}")
            }
            Self::TooDeep { at } => write!(
                f,
                "the request body is nested deeper than {MAX_DEPTH} levels at byte {at}"
            ),
        }
    }
}

impl std::error::Error for Fault {}

/// Deepest nesting that is accepted. Real requests stay below 40 (tool schemas); recursive readers behind Weir fail
/// early.
pub const MAX_DEPTH: usize = 512;

/// Most members of an object whose members are read; they take about 3 MiB. Real requests have 20.
pub const MAX_MEMBERS: usize = 65_536;

/// Members that decide the routing and the framing. If Weir read another duplicate than the upstream, limits could be
/// circumvented.
const UNIQUE: [&str; 2] = ["model", "stream"];

/// Members that are kept without an allocation: an agent's request has 10 to 20.
const INLINE_MEMBERS: usize = 20;

#[cfg(test)]
mod tests;
