//! Removes from a Chat stream the usage that only Weir requested: the chunk with the usage, and `"usage":null` in the
//! others. All other bytes stay the same.
use std::borrow::Cow;

use bytes::Bytes;
use memchr::memmem;

use crate::protocol::json::{self, Edit, Members, Pieces, loose};
use crate::protocol::sse::{Frame, Frames};

/// Removes the usage from one stream.
#[derive(Debug, Default)]
pub(super) struct Hider {
    /// Whether a removed frame ended in CR, so that an LF at the beginning of the next bytes still belongs to it.
    awaits_feed: bool,
}

impl Hider {
    /// The pieces without the usage, for a client that did not request it. The pieces contain whole frames.
    pub(super) fn hidden(&mut self, pieces: Pieces, limit: usize) -> Pieces {
        let names_usage = |piece: &Bytes| memmem::find(piece, USAGE).is_some();
        if !self.awaits_feed && !pieces.iter().any(names_usage) {
            return pieces;
        }
        let mut left = Pieces::default();
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            self.cut(piece, limit, &mut left);
        }
        left
    }

    fn cut(&mut self, piece: &Bytes, limit: usize, left: &mut Pieces) {
        let mut frames = Frames::with_limit(limit);
        let feeds = |at: usize| piece.get(at) == Some(&b'\n');
        // Everything before this position is either in `left` or removed.
        let mut done = usize::from(std::mem::take(&mut self.awaits_feed) && feeds(0));
        // The frames are complete, so none is too long and nothing is held back.
        let _ = frames.push(piece, |frame| {
            let Some(verdict) = verdict(&frame) else {
                return;
            };
            let begin = offset(piece, frame.raw);
            let end = begin + frame.raw.len();
            left.push(piece.slice(done..begin));
            done = end;
            match (verdict, &frame.data) {
                (Verdict::Drop, _) if frame.raw.ends_with(b"\r") => {
                    done += usize::from(feeds(end));
                    self.awaits_feed = end == piece.len();
                }
                (Verdict::Drop, _) => {}
                (Verdict::Cut(members), Cow::Borrowed(data)) => {
                    let (from, until) = (offset(piece, data), offset(piece, data) + data.len());
                    left.push(piece.slice(begin..from));
                    let whole = piece.slice(from..until);
                    for part in json::set(&whole, &members, &[("usage", Edit::Remove)]) {
                        left.push(part);
                    }
                    left.push(piece.slice(until..end));
                }
                // The data was joined from several lines.
                (Verdict::Cut(members), Cow::Owned(data)) => {
                    let whole = Bytes::copy_from_slice(data);
                    let data = json::set(&whole, &members, &[("usage", Edit::Remove)]);
                    left.push(frame.with_data(&data.to_bytes()).into());
                }
            }
        });
        left.push(piece.slice(done..));
    }
}

/// What happens to a frame.
enum Verdict {
    /// The whole frame is removed.
    Drop,
    /// Only its `usage` is removed.
    Cut(Members),
}

fn verdict(frame: &Frame<'_>) -> Option<Verdict> {
    let data = &*frame.data;
    memmem::find(data, USAGE)?;
    let Ok(members) = json::look(data) else {
        // A number that JSON does not allow, such as NaN, does not change what the chunk is.
        let mended = loose::strict(data)?;
        let members = json::look(&mended).ok()?;
        return is_usage_alone(&mended, &members).then_some(Verdict::Drop);
    };
    if members.value(data, "usage")? == b"null" {
        return Some(Verdict::Cut(members));
    }
    is_usage_alone(data, &members).then_some(Verdict::Drop)
}

/// Whether the chunk states usage and contains no choices.
fn is_usage_alone(data: &[u8], members: &Members) -> bool {
    let choices = members.value(data, "choices");
    let is_empty = choices.is_some_and(|choices| {
        let elements = json::elements(choices);
        choices == b"null" || elements.is_some_and(|elements| elements.is_empty())
    });
    members.value(data, "usage").is_some() && is_empty
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

    /// Checks the result for every way to cut the stream into two chunks.
    #[track_caller]
    fn check(stream: &str, expected: &str) {
        for cut in 0..=stream.len() {
            let (mut frames, mut hider) = (Frames::new(), Hider::default());
            let mut left = Vec::new();
            for chunk in [&stream[..cut], &stream[cut..]] {
                let chunk = Bytes::copy_from_slice(chunk.as_bytes());
                let pieces = frames.relay(&chunk, |_| {}).expect("short frames");
                left.extend_from_slice(&hider.hidden(pieces, 1 << 20).to_bytes());
            }
            left.extend_from_slice(&frames.take_held());
            assert_eq!(String::from_utf8_lossy(&left), expected, "cut at {cut}");
        }
    }

    #[test]
    fn lines_may_end_as_they_like() {
        for end in ["\n", "\r\n", "\r"] {
            let lines = |text: &str| text.replace('\n', end);
            check(
                &lines(
                    "data: {\"choices\":[{}]}\n\ndata: {\"choices\":[],\"usage\":{\"a\":1}}\n\ndata: [DONE]\n\n",
                ),
                &lines("data: {\"choices\":[{}]}\n\ndata: [DONE]\n\n"),
            );
        }
    }

    #[test]
    fn data_may_stand_in_several_lines() {
        check(
            "id: 1\ndata: {\ndata: \"choices\":[{}],\ndata: \"usage\":null}\nretry: 3\n\ndata: {\ndata:\"choices\":[],\"usage\":{}}\n\n",
            "id: 1\ndata: {\ndata: \"choices\":[{}]}\nretry: 3\n\n",
        );
    }

    #[test]
    fn a_figure_that_is_none_hides_nothing() {
        check(
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":NaN}}\n\ndata: [DONE]\n\n",
            "data: [DONE]\n\n",
        );
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
