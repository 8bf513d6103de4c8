//! Changes top-level members of a raw JSON object. Everything else keeps its bytes and is not copied.
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use super::text::{escaped, quote};
use super::{Member, Members};

/// A change of one member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Edit {
    /// Removes the member with its comma.
    Remove,
    /// Sets the member to this raw JSON value; a missing member is appended.
    Set(Bytes),
}

/// A body in parts: slices of the original and new bytes. No part is empty.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pieces(SmallVec<[Bytes; 3]>);

/// Applies `edits` to the object that `members` were scanned from. If two edits have the same name, the first counts.
/// If a name occurs more than once in the object, every occurrence is edited.
pub fn set(body: &Bytes, members: &Members, edits: &[(&str, Edit)]) -> Pieces {
    let mut writer = Writer {
        body,
        pieces: Pieces::default(),
        pending: 0..members.open,
    };
    let mut kept = false;
    let mut previous_end = members.open;
    let mut done = SmallVec::<[bool; 4]>::from_elem(false, edits.len());
    for member in members {
        let start = member.key.start.saturating_sub(1);
        let separator = previous_end..start;
        previous_end = member.value.end;
        let edit = find(body, member, edits, &mut done);
        if matches!(edit, Some(Edit::Remove)) {
            continue;
        }
        if kept || separator.start == members.open {
            writer.keep(separator);
        }
        kept = true;
        match edit {
            Some(Edit::Set(value)) => {
                writer.keep(start..member.value.start);
                writer.write(value.clone());
            }
            _ => writer.keep(start..member.value.end),
        }
    }
    for (at, (name, edit)) in edits.iter().enumerate() {
        let settled = edits
            .iter()
            .zip(&done)
            .take(at + 1)
            .enumerate()
            .any(|(other, ((same, _), done))| same == name && (*done || other < at));
        if let (Edit::Set(value), false) = (edit, settled) {
            writer.write(appended(kept, name));
            writer.write(value.clone());
            kept = true;
        }
    }
    writer.keep(previous_end..body.len());
    writer.finish()
}

/// Sets the member `model`, the only edit that a route with a renamed model needs. The rest keeps its bytes.
pub fn rename(body: &Bytes, members: &Members, model: &str) -> Pieces {
    set(body, members, &[("model", Edit::Set(quote(model)))])
}

impl Pieces {
    /// `body` with the bytes at `span` replaced.
    pub fn spliced(body: &Bytes, span: Range<usize>, value: Bytes) -> Self {
        let mut pieces = Self::default();
        let end = span.end.min(body.len());
        pieces.push(body.slice(..span.start.min(end)));
        pieces.push(value);
        pieces.push(body.slice(end..));
        pieces
    }

    /// The total number of bytes.
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Bytes> {
        self.0.iter()
    }

    /// One contiguous body; it is copied only if there are several parts.
    pub fn to_bytes(&self) -> Bytes {
        match self.0.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            parts => {
                let mut whole = BytesMut::with_capacity(self.len());
                for part in parts {
                    whole.extend_from_slice(part);
                }
                whole.freeze()
            }
        }
    }

    /// Appends a part, unless it is empty.
    pub(crate) fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.0.push(part);
        }
    }
}

impl From<Bytes> for Pieces {
    fn from(whole: Bytes) -> Self {
        let mut pieces = Self::default();
        pieces.push(whole);
        pieces
    }
}

impl IntoIterator for Pieces {
    type Item = Bytes;
    type IntoIter = smallvec::IntoIter<[Bytes; 3]>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Pieces {
    type Item = &'a Bytes;
    type IntoIter = std::slice::Iter<'a, Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Joins adjacent ranges of the original, so that an unchanged range is one part.
struct Writer<'a> {
    body: &'a Bytes,
    pieces: Pieces,
    /// A range that is kept but is not a part yet.
    pending: Range<usize>,
}

impl Writer<'_> {
    fn keep(&mut self, range: Range<usize>) {
        if range.start == self.pending.end {
            self.pending.end = range.end;
        } else {
            self.flush();
            self.pending = range;
        }
    }

    fn write(&mut self, bytes: Bytes) {
        self.flush();
        self.pieces.push(bytes);
    }

    fn flush(&mut self) {
        // Members that were scanned from another body must not panic here.
        let end = self.pending.end.min(self.body.len());
        if self.pending.start < end {
            self.pieces.push(self.body.slice(self.pending.start..end));
        }
        self.pending = end..end;
    }

    fn finish(mut self) -> Pieces {
        self.flush();
        self.pieces
    }
}

fn find<'a>(
    body: &[u8],
    member: &Member,
    edits: &'a [(&str, Edit)],
    done: &mut [bool],
) -> Option<&'a Edit> {
    let found = edits
        .iter()
        .position(|(name, _)| member.is_named(body, name))?;
    *done.get_mut(found)? = true;
    edits.get(found).map(|(_, edit)| edit)
}

/// The bytes in front of the value of an appended member.
fn appended(comma: bool, name: &str) -> Bytes {
    let comma = if comma { "," } else { "" };
    Bytes::from(format!("{comma}\"{}\":", escaped(name)))
}
