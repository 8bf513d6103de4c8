//! Removes from a Chat stream the usage that only Weir requested: the chunk with the usage, and `"usage":null` in the
//! others. All other bytes stay the same.
use std::borrow::Cow;

use bytes::Bytes;
use memchr::memmem;

use crate::protocol::json::{self, Edit, Members, Pieces};
use crate::protocol::sse::{Frame, Frames};

/// The bytes of whole frames, for a client that did not request usage.
pub(super) fn hidden(pieces: Pieces, limit: usize) -> Pieces {
    let names_usage = |piece: &Bytes| memmem::find(piece, USAGE).is_some();
    if !pieces.iter().any(names_usage) {
        return pieces;
    }
    let mut left = Pieces::default();
    for piece in pieces {
        cut(&piece, limit, &mut left);
    }
    left
}

fn cut(piece: &Bytes, limit: usize, left: &mut Pieces) {
    let mut frames = Frames::with_limit(limit);
    // Everything up to here is either in `left` or shall be left out.
    let mut done = 0;
    // The frames are complete, so none is too long and nothing is held.
    let _ = frames.push(piece, |frame| {
        let Some(verdict) = verdict(&frame) else {
            return;
        };
        let begin = offset(piece, frame.raw);
        let end = begin + frame.raw.len();
        left.push(piece.slice(done..begin));
        done = end;
        if let (Verdict::Cut(members), Cow::Borrowed(data)) = (verdict, &frame.data) {
            let (from, until) = (offset(piece, data), offset(piece, data) + data.len());
            left.push(piece.slice(begin..from));
            let whole = piece.slice(from..until);
            for part in json::set(&whole, &members, &[("usage", Edit::Remove)]) {
                left.push(part);
            }
            left.push(piece.slice(until..end));
        }
    });
    left.push(piece.slice(done..));
}

/// What happens to a frame.
enum Verdict {
    /// The frame is left out.
    Drop,
    /// Only its `usage` is left out.
    Cut(Members),
}

fn verdict(frame: &Frame<'_>) -> Option<Verdict> {
    let data = &*frame.data;
    memmem::find(data, USAGE)?;
    let members = json::look(data).ok()?;
    let usage = members.value(data, "usage")?;
    if usage == b"null" {
        return Some(Verdict::Cut(members));
    }
    let choices = members.value(data, "choices")?;
    let is_empty = json::elements(choices).is_some_and(|choices| choices.is_empty());
    is_empty.then_some(Verdict::Drop)
}

/// The offset of `part` within `whole`.
fn offset(whole: &[u8], part: &[u8]) -> usize {
    let offset = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    offset.min(whole.len())
}

const USAGE: &[u8] = b"\"usage\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stream: &str, expected: &str) {
        let pieces = Pieces::from(Bytes::copy_from_slice(stream.as_bytes()));
        let left = hidden(pieces, 1 << 20).to_bytes();
        assert_eq!(String::from_utf8_lossy(&left), expected);
    }

    #[test]
    fn what_only_weir_asked_for_is_left_out() {
        check(
            "data: {\"choices\":[{\"delta\":{}}],\"usage\":null}\n\ndata: {\"usage\": null, \"choices\":[{}]}\r\n\r\n: ping\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\ndata: [DONE]\n\n",
            "data: {\"choices\":[{\"delta\":{}}]}\n\ndata: {\"choices\":[{}]}\r\n\r\n: ping\n\ndata: [DONE]\n\n",
        );
        check(
            "id: 1\ndata: {\"a\":1,\"usage\":null,\"choices\":[]}\nretry: 3\n\n\n\ndata: {\"choices\":[ ], \"usage\":{}}\n\n",
            "id: 1\ndata: {\"a\":1,\"choices\":[]}\nretry: 3\n\n\n\n",
        );
    }

    #[test]
    fn whatever_else_speaks_of_usage_keeps_its_bytes() {
        for stream in [
            "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":null\"}}]}\n\n",
            "data: {\"choices\":[{\"usage\":null}]}\n\n",
            "data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1}}\n\n",
            "data: {\"usage\":{\"prompt_tokens\":1}}\n\n",
            "data: {\"usage\":null,\n\n",
            "data: \"usage\"\n\nevent: x\n\n",
        ] {
            check(stream, stream);
        }
    }
}
