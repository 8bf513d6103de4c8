//! Recognizes deltas of plain text in a stream, and finds the text in them.
//!
//! Recognition is strict: an event that carries anything besides text which another event could not repeat (log
//! probabilities, a tool call, a citation) does not count. An event may also end the text; then it alone carries what
//! belongs to the end. In Chat an event may have the role, which must be sent once: some clients concatenate two roles,
//! others need one.
use std::ops::Range;

use bytes::Bytes;

use crate::protocol::Dialect;
use crate::protocol::json::{self, Edit, Members, elements, object, string};
use crate::protocol::sse::Frame;

/// The kind of an event, for regrouping.
#[derive(Debug)]
pub(super) enum Seen {
    /// An event whose place among the others does not matter: a ping, a comment.
    KeepAlive,
    Other,
    /// An event with the role of this block and without text that could be regrouped.
    Role(Vec<u8>),
    Text(Delta),
}

/// A delta of text.
#[derive(Debug)]
pub(super) struct Delta {
    /// Identifies the block of the answer.
    pub slot: Vec<u8>,
    pub text: String,
    /// The position of the text in the data, including its quotes.
    pub at: Range<usize>,
    /// Whether the event also ends the answer.
    pub closing: bool,
    /// The object in the data that also contains the role.
    pub role_in: Option<Range<usize>>,
}

/// The data without the role in this object.
pub(super) fn without_role(data: &Bytes, object_at: &Range<usize>) -> Option<Bytes> {
    let inner = data.slice(object_at.clone());
    let members = object(&inner)?;
    let inner = json::set(&inner, &members, &[(ROLE, Edit::Remove)]).to_bytes();
    let (before, after) = (data.get(..object_at.start)?, data.get(object_at.end..)?);
    Some([before, &inner, after].concat().into())
}

pub(super) fn read(dialect: Dialect, frame: &Frame<'_>) -> Seen {
    if frame.is_silent() {
        return Seen::KeepAlive;
    }
    let data = Part {
        data: &frame.data,
        at: 0..frame.data.len(),
    };
    let Some(data) = data.object() else {
        return Seen::Other;
    };
    if matches!(
        data.string("type").as_deref(),
        Some("ping" | "keepalive" | "response.in_progress")
    ) {
        return Seen::KeepAlive;
    }
    let delta = match dialect {
        Dialect::Anthropic => anthropic(&data),
        Dialect::Gemini => gemini(&data),
        Dialect::OpenaiChat => openai_chat(&data),
        Dialect::OpenaiResponses => openai_responses(&data),
    };
    match delta {
        Some(delta) => Seen::Text(delta),
        None if dialect == Dialect::OpenaiChat => role(&data).map_or(Seen::Other, Seen::Role),
        None => Seen::Other,
    }
}

fn role(data: &Object<'_>) -> Option<Vec<u8>> {
    let choice = data.part("choices")?.only_element()?.object()?;
    let delta = choice.part("delta")?.object()?;
    delta.has(ROLE).then(|| choice.raw("index").to_vec())
}

fn anthropic(data: &Object<'_>) -> Option<Delta> {
    if data.string("type")? != "content_block_delta" {
        return None;
    }
    let delta = data.part("delta")?.object()?;
    if delta.string("type")? != "text_delta" || !delta.has_only(&["type", "text"]) {
        return None;
    }
    delta.part("text")?.text(data.raw("index").to_vec(), false)
}

fn openai_chat(data: &Object<'_>) -> Option<Delta> {
    if data.has("error") {
        return None;
    }
    let choice = data.part("choices")?.only_element()?.object()?;
    if choice.has("logprobs") {
        return None;
    }
    let closing = choice.has("finish_reason");
    let known = ["index", "delta", "text", "finish_reason"];
    if !closing && !choice.has_only(&known) {
        return None;
    }
    let slot = choice.raw("index").to_vec();
    match choice.part("delta") {
        // `/v1/completions`.
        None => choice.part("text")?.text(slot, closing),
        Some(delta) => {
            let delta = delta.object()?;
            if !delta.has_only(&[ROLE, "content"]) {
                return None;
            }
            let text = delta.part("content")?.text(slot, closing)?;
            Some(Delta {
                role_in: delta.has(ROLE).then(|| delta.part.at.clone()),
                ..text
            })
        }
    }
}

fn openai_responses(data: &Object<'_>) -> Option<Delta> {
    if data.string("type")? != "response.output_text.delta" {
        return None;
    }
    if !matches!(data.raw("logprobs"), b"" | b"null" | b"[]") {
        return None;
    }
    let slot = ["item_id", "output_index", "content_index"]
        .map(|name| data.raw(name))
        .join(&b' ');
    data.part("delta")?.text(slot, false)
}

fn gemini(data: &Object<'_>) -> Option<Delta> {
    if data.has("error") || data.has("promptFeedback") {
        return None;
    }
    let candidate = data.part("candidates")?.only_element()?.object()?;
    let closing = candidate.has("finishReason");
    let known = ["content", "index", "safetyRatings"];
    if !closing && !candidate.has_only(&known) {
        return None;
    }
    let content = candidate.part("content")?.object()?;
    let part = content.part("parts")?.only_element()?.object()?;
    if !part.has_only(&["text"]) {
        return None;
    }
    part.part("text")?
        .text(candidate.raw("index").to_vec(), closing)
}

/// A value inside the data of an event.
struct Part<'a> {
    data: &'a [u8],
    at: Range<usize>,
}

/// An object inside the data of an event.
struct Object<'a> {
    part: Part<'a>,
    members: Members,
}

impl<'a> Part<'a> {
    fn raw(&self) -> &'a [u8] {
        self.data.get(self.at.clone()).unwrap_or_default()
    }

    fn object(self) -> Option<Object<'a>> {
        let members = object(self.raw())?;
        Some(Object {
            part: self,
            members,
        })
    }

    /// The only element of an array; `None` if it has none or several.
    fn only_element(&self) -> Option<Self> {
        let elements = elements(self.raw())?;
        match elements.as_slice() {
            [only] => Some(self.inner(only)),
            _ => None,
        }
    }

    /// The delta for a non-empty string.
    fn text(&self, slot: Vec<u8>, closing: bool) -> Option<Delta> {
        let raw = self.raw();
        let text = string(raw)?;
        // A lone surrogate, whose other half may be in the next event: only the original bytes can express it.
        let lost = text.contains('\u{fffd}') && raw.contains(&b'\\');
        (!text.is_empty() && !lost).then(|| Delta {
            slot,
            text: text.into_owned(),
            at: self.at.clone(),
            closing,
            role_in: None,
        })
    }

    fn inner(&self, span: &Range<usize>) -> Self {
        Self {
            data: self.data,
            at: self.at.start + span.start..self.at.start + span.end,
        }
    }
}

impl<'a> Object<'a> {
    fn part(&self, name: &str) -> Option<Part<'a>> {
        let span = self.members.span(self.part.raw(), name)?;
        Some(self.part.inner(&span))
    }

    /// The raw value of a member; empty if there is none.
    fn raw(&self, name: &str) -> &'a [u8] {
        let raw = self.part.raw();
        self.members.value(raw, name).unwrap_or_default()
    }

    fn string(&self, name: &str) -> Option<std::borrow::Cow<'a, str>> {
        self.members.string(self.part.raw(), name)
    }

    fn has(&self, name: &str) -> bool {
        self.members.has(self.part.raw(), name)
    }

    /// Whether every other member is empty.
    fn has_only(&self, names: &[&str]) -> bool {
        let raw = self.part.raw();
        self.members.iter().all(|member| {
            let value = raw.get(member.value.clone()).unwrap_or_default();
            matches!(value, b"null" | b"\"\"" | b"[]" | b"{}" | b"false")
                || member.name(raw).is_some_and(|name| names.contains(&&*name))
        })
    }
}

const ROLE: &str = "role";
