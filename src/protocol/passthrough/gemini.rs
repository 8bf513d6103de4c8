//! Reads a Gemini stream: each event is an answer with a part of the content; the last one has a finish reason.
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{grounded, tier};
use super::content::Marks;
use super::peek::{self, Choices, Text, lenient};
use super::{Facts, Phase};
use crate::protocol::Dialect;
use crate::protocol::error::{self, WireError};
use crate::protocol::hub::labels::position_or_first;
use crate::protocol::hub::stated::GeminiUsage;
use crate::protocol::hub::usage::{Stated, Tools};
use crate::protocol::json::{self, Members};
use crate::protocol::sse::{self, Frame};

/// The state of one stream.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The last object with a `usageMetadata`, unparsed: most frames have one, and few are parsed.
    stated: Vec<u8>,
    /// The usage of the objects before.
    earlier: Option<GeminiUsage>,
    candidates: Choices,
    /// The grounding of the answer, as far as it was stated.
    tools: Tools,
}

impl Reader {
    pub(super) fn on(&mut self, frame: &Frame<'_>, marks: Marks, facts: &mut Facts) {
        if frame.is_silent() {
            return peek::bare_error(Dialect::Gemini, frame, facts);
        }
        let data = &*frame.data;
        if facts.phase != Phase::Content || data.len() > MAX_STATED || marks.matters {
            self.on_data(data, facts);
        } else if marks.usage {
            self.keep(data);
        }
    }

    pub(super) fn usage(&self) -> Option<Stated> {
        let mut usage = self.earlier;
        if let Some(last) = usage_in(&self.stated) {
            usage.get_or_insert_default().merge(last);
        }
        let mut stated = Stated::from(usage?);
        stated.extras.tools = self.tools;
        Some(stated)
    }

    fn on_data(&mut self, data: &[u8], facts: &mut Facts) {
        if data.trim_ascii_start().starts_with(b"[") {
            // Some servers put the elements of the stream without server-sent events into events.
            for range in json::elements(data).unwrap_or_default() {
                self.on_object(data.get(range).unwrap_or_default(), facts);
            }
        } else {
            self.on_object(data, facts);
        }
    }

    /// Handles one object. The arguments of a function call are raw JSON here, with any member names, so only members
    /// at the top level can be trusted.
    fn on_object(&mut self, data: &[u8], facts: &mut Facts) {
        let read = peek::or_repaired(data, |data| {
            let members = json::look(data).ok()?;
            let raw = members.value(data, "candidates").unwrap_or_default();
            let candidates = if raw.starts_with(b"[") {
                serde_json::from_slice::<Vec<Option<Candidate<'_>>>>(raw).ok()?
            } else {
                Vec::new()
            };
            self.on_members(data, &members, facts);
            self.on_candidates(raw, &candidates, facts);
            Some(())
        });
        if read.is_none()
            && let Ok(members) = json::look(data)
        {
            self.on_members(data, &members, facts);
        }
    }

    fn on_members(&mut self, data: &[u8], members: &Members, facts: &mut Facts) {
        if let Some(usage) = usage_of(data, members) {
            facts.name(None, tier(usage).as_deref());
            let before = usage_in(&self.stated);
            self.stated.clear();
            for usage in [before, peek::read_usage(usage)].into_iter().flatten() {
                self.earlier.get_or_insert_default().merge(usage);
            }
        }
        if members.has(data, "error") {
            return facts.fail(error::parse(Dialect::Gemini, 200, data));
        }
        if facts.phase == Phase::Opening {
            let name = members.string(data, "modelVersion");
            let name = name.or_else(|| members.string(data, "model_version"));
            facts.name(name.as_deref(), None);
            if is_blocked(data, members) {
                facts.phase = facts.phase.complete();
            }
        }
    }

    fn on_candidates(
        &mut self,
        raw: &[u8],
        candidates: &[Option<Candidate<'_>>],
        facts: &mut Facts,
    ) {
        // Later events repeat the values of earlier ones.
        let tools = grounded(raw);
        self.tools.web_searches = self.tools.web_searches.max(tools.web_searches);
        self.tools.maps = self.tools.maps.max(tools.maps);
        for candidate in candidates.iter().flatten() {
            let finished = candidate.is_finished();
            let says = candidate.says_something();
            self.candidates.see(candidate.index, finished, says);
            if finished || says {
                facts.phase = facts.phase.content();
            }
        }
        if self.candidates.all_finished() {
            facts.phase = facts.phase.finished();
        } else if !candidates.is_empty() {
            facts.phase = facts.phase.reopened();
        }
    }

    fn keep(&mut self, object: &[u8]) {
        if object.len() <= MAX_STATED {
            self.stated.clear();
            self.stated.extend_from_slice(object);
        }
    }
}

pub(super) fn terminal_error(error: &WireError) -> Bytes {
    let mut out = BytesMut::new();
    let data = error::encode(Dialect::Gemini, error);
    sse::write(&mut out, None, &data);
    out.freeze()
}

/// Whether the prompt was blocked, so that no candidate follows.
fn is_blocked(data: &[u8], members: &Members) -> bool {
    let value = |name| members.value(data, name);
    let feedback = value("promptFeedback").or_else(|| value("prompt_feedback"));
    feedback.is_some_and(|raw| {
        let feedback = serde_json::from_slice::<Feedback<'_>>(raw);
        feedback.is_ok_and(|feedback| feedback.block_reason.is_some())
    })
}

/// The usage in an object.
fn usage_in(object: &[u8]) -> Option<GeminiUsage> {
    peek::or_repaired(object, |object| {
        peek::read_usage(usage_of(object, &json::look(object).ok()?)?)
    })
}

fn usage_of<'a>(object: &'a [u8], members: &Members) -> Option<&'a [u8]> {
    let value = |name| members.value(object, name);
    value("usageMetadata").or_else(|| value("usage_metadata"))
}

#[derive(Deserialize)]
struct Candidate<'a> {
    #[serde(default, deserialize_with = "position_or_first")]
    index: usize,
    #[serde(
        alias = "finish_reason",
        borrow,
        default,
        deserialize_with = "lenient",
        rename = "finishReason"
    )]
    finish_reason: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    content: Option<Content<'a>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Feedback<'a> {
    #[serde(borrow, default, deserialize_with = "lenient", rename = "blockReason")]
    block_reason: Option<Text<'a>>,
}

impl Candidate<'_> {
    fn is_finished(&self) -> bool {
        let reason = self.finish_reason.as_ref().map_or("", |reason| &*reason.0);
        !matches!(reason, "" | "FINISH_REASON_UNSPECIFIED")
    }

    /// Whether there is anything besides an empty text.
    fn says_something(&self) -> bool {
        let parts = self
            .content
            .as_ref()
            .and_then(|content| content.parts.as_ref());
        parts.is_some_and(|parts| {
            parts
                .iter()
                .any(|part| part_says_something(part.get().as_bytes()))
        })
    }
}

fn part_says_something(part: &[u8]) -> bool {
    let Ok(members) = json::look(part) else {
        return false;
    };
    members
        .iter()
        .any(|member| match member.name(part).as_deref() {
            Some("thought") => false,
            Some("text") => part.get(member.value.clone()) != Some(b"\"\""),
            _ => true,
        })
}

/// Longest object that is kept for its usage, in bytes. The usage with every detail per modality has about one KiB, and
/// a frame of text is not much longer. Of a longer frame only the usage is kept.
const MAX_STATED: usize = 8 << 10;
