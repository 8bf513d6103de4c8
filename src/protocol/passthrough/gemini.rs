//! Reads a Gemini stream: each event is an answer with a part of the content; the last one has a finish reason.
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::answer::{grounded, tier};
use super::content::Marks;
use super::peek::{self, Choices, Text, lenient};
use super::{Facts, Phase};
use crate::protocol::Dialect;
use crate::protocol::error::{self, WireError};
use crate::protocol::hub::stated::GeminiUsage;
use crate::protocol::hub::usage::{Stated, Tools};
use crate::protocol::json::{self, Members};
use crate::protocol::sse::{self, Frame};

/// The state of one stream.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The last object with a `usageMetadata`, unparsed. Every frame has one, but only the last one counts, so only
    /// that one is parsed.
    stated: Vec<u8>,
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
            self.on_object(data, facts);
        } else if marks.usage {
            self.keep(data);
        }
    }

    pub(super) fn usage(&self) -> Option<Stated> {
        let members = json::look(&self.stated).ok()?;
        let stated: GeminiUsage = peek::object(members.value(&self.stated, "usageMetadata")?)?;
        let mut stated = Stated::from(stated);
        stated.extras.tools = self.tools;
        Some(stated)
    }

    /// Handles one object. The arguments of a function call are raw JSON here, with any member names, so only members
    /// at the top level can be trusted.
    fn on_object(&mut self, data: &[u8], facts: &mut Facts) {
        let Ok(members) = json::look(data) else {
            return;
        };
        if let Some(usage) = members.value(data, "usageMetadata") {
            facts.name(None, tier(usage).as_deref());
            self.keep(&[b"{\"usageMetadata\":", usage, b"}"].concat());
        }
        if members.has(data, "error") {
            return facts.fail(error::parse(Dialect::Gemini, 200, data));
        }
        if facts.phase == Phase::Opening {
            facts.name(members.string(data, "modelVersion").as_deref(), None);
            if is_blocked(data, &members) {
                facts.phase = facts.phase.complete();
            }
        }
        if let Some(candidates) = members.value(data, "candidates") {
            self.on_candidates(candidates, facts);
        }
    }

    fn on_candidates(&mut self, raw: &[u8], facts: &mut Facts) {
        // Later events repeat the values of earlier ones.
        let tools = grounded(raw);
        self.tools.web_searches = self.tools.web_searches.max(tools.web_searches);
        self.tools.maps = self.tools.maps.max(tools.maps);
        let Ok(candidates) = serde_json::from_slice::<Vec<Candidate<'_>>>(raw) else {
            return;
        };
        for candidate in &candidates {
            let finished = candidate.is_finished();
            let says = candidate.has_parts();
            self.candidates
                .see(candidate.index.unwrap_or(0), finished, says);
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
    members.value(data, "promptFeedback").is_some_and(|raw| {
        let feedback = serde_json::from_slice::<Feedback<'_>>(raw);
        feedback.is_ok_and(|feedback| feedback.block_reason.is_some())
    })
}

#[derive(Deserialize)]
struct Candidate<'a> {
    index: Option<u32>,
    #[serde(borrow, default, deserialize_with = "lenient", rename = "finishReason")]
    finish_reason: Option<Text<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    content: Option<Content>,
}

#[derive(Deserialize)]
struct Content {
    parts: Option<Vec<IgnoredAny>>,
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

    fn has_parts(&self) -> bool {
        let parts = self
            .content
            .as_ref()
            .and_then(|content| content.parts.as_ref());
        parts.is_some_and(|parts| !parts.is_empty())
    }
}

/// Longest object that is kept for its usage, in bytes. The usage with every detail per modality has about one KiB, and
/// a frame of text is not much longer. Of a longer frame only the usage is kept.
const MAX_STATED: usize = 8 << 10;
