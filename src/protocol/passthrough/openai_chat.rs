//! Reads an `OpenAI` Chat stream, or the legacy one of `/v1/completions`: chunks, a finish reason per choice, usage (if
//! requested), `[DONE]`.
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::content::Marks;
use super::peek::{self, Choices, Text, lenient};
use super::{Facts, Phase};
use crate::protocol::error::{self, ErrorKind, ParsedError, WireError};
use crate::protocol::hub::labels::{is_reason, position_or_first};
use crate::protocol::hub::stated::ChatUsage;
use crate::protocol::hub::usage::Stated;
use crate::protocol::sse::{self, Frame};
use crate::protocol::{Dialect, json};

/// The state of one stream.
#[derive(Debug, Default)]
pub(super) struct Reader {
    usage: Option<ChatUsage>,
    choices: Choices,
}

impl Reader {
    pub(super) fn on(&mut self, frame: &Frame<'_>, marks: Marks, facts: &mut Facts) {
        if frame.is_silent() {
            return peek::bare_error(Dialect::OpenaiChat, frame, facts);
        }
        if frame.data.starts_with(peek::DONE) {
            self.on_done(facts);
        } else if facts.phase != Phase::Content || marks.matters || !marks.choices {
            self.on_chunk(&frame.data, facts);
        }
    }

    pub(super) fn usage(&self) -> Option<Stated> {
        self.usage.map(Stated::from)
    }

    /// As for a whole answer: without any choice and any usage it is not an answer, whatever its end marker states.
    fn on_done(&mut self, facts: &mut Facts) {
        if self.choices.is_empty() && self.usage.is_none() {
            facts.fail(ParsedError::empty_answer());
        } else {
            facts.phase = facts.phase.complete();
        }
    }

    fn on_chunk(&mut self, data: &[u8], facts: &mut Facts) {
        let read = peek::or_repaired(data, |data| {
            let chunk = serde_json::from_slice::<Chunk<'_>>(data).ok()?;
            let choices = match chunk.choices.map(RawValue::get) {
                Some(choices) if choices.starts_with('[') => serde_json::from_str(choices).ok()?,
                _ => Vec::new(),
            };
            self.read(&chunk, &choices, data, facts);
            Some(())
        });
        if read.is_none()
            && let Some(error) = error::parse_event(Dialect::OpenaiChat, data)
        {
            facts.fail(error);
        }
    }

    fn read(
        &mut self,
        chunk: &Chunk<'_>,
        choices: &[Option<Choice<'_>>],
        data: &[u8],
        facts: &mut Facts,
    ) {
        let suspicious = choices.is_empty()
            || chunk.base_resp.is_some()
            || chunk.error.is_some_and(|error| is_something(error.get()));
        if suspicious && let Some(error) = error::parse_event(Dialect::OpenaiChat, data) {
            facts.fail(error);
        }
        facts.name(
            chunk.model.as_ref().map(|model| &*model.0),
            chunk.service_tier.as_ref().map(|tier| &*tier.0),
        );
        let beside = chunk.x_groq.as_ref().and_then(|beside| beside.usage);
        self.note_usage(chunk.usage.or(beside));
        for choice in choices.iter().flatten() {
            self.on_choice(choice, facts);
        }
        if !choices.is_empty() {
            facts.phase = if self.choices.all_finished() {
                facts.phase.finished()
            } else {
                facts.phase.reopened()
            };
        }
    }

    fn note_usage(&mut self, usage: Option<ChatUsage>) {
        if let Some(usage) = usage {
            self.usage.get_or_insert_default().merge(usage);
        }
    }

    fn on_choice(&mut self, choice: &Choice<'_>, facts: &mut Facts) {
        let reason = choice
            .finish_reason
            .as_ref()
            .map_or("", |reason| &*reason.0);
        let reason = if is_reason(reason) { reason } else { "" };
        self.choices
            .see(choice.index, !reason.is_empty(), choice.has_content());
        self.note_usage(choice.usage);
        if !reason.is_empty() || choice.has_content() {
            facts.phase = facts.phase.content();
        }
        if BROKEN.contains(&reason) {
            facts.fail(ParsedError::new(
                ErrorKind::Api,
                reason,
                "the upstream ended the answer with an error",
            ));
        }
    }
}

/// An error chunk without a `[DONE]` after it: the SDKs stop at the error, and a reader that overlooks errors must not
/// take half an answer for a whole one.
pub(super) fn terminal_error(error: &WireError) -> Bytes {
    let mut out = BytesMut::new();
    let data = error::encode(Dialect::OpenaiChat, error);
    sse::write(&mut out, None, &data);
    out.freeze()
}

#[derive(Default, Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    model: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    service_tier: Option<Text<'a>>,
    #[serde(borrow)]
    choices: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "peek::usage")]
    usage: Option<ChatUsage>,
    #[serde(default, deserialize_with = "lenient")]
    x_groq: Option<Groq>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    /// MiniMax states errors here.
    #[serde(borrow)]
    base_resp: Option<&'a RawValue>,
}

/// Groq states the usage of a stream here, even if it was not requested.
#[derive(Deserialize)]
struct Groq {
    #[serde(default, deserialize_with = "peek::usage")]
    usage: Option<ChatUsage>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default, deserialize_with = "position_or_first")]
    index: usize,
    #[serde(borrow, default, deserialize_with = "lenient")]
    finish_reason: Option<Text<'a>>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    /// `/v1/completions`.
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    /// Moonshot states the usage here.
    #[serde(default, deserialize_with = "peek::usage")]
    usage: Option<ChatUsage>,
}

impl Choice<'_> {
    /// Whether there is anything besides the role: text, a refusal, reasoning in any of its fields, tool calls, audio.
    fn has_content(&self) -> bool {
        if self.text.is_some_and(|text| is_something(text.get())) {
            return true;
        }
        let Some(delta) = self.delta.map(|delta| delta.get().as_bytes()) else {
            return false;
        };
        let Ok(members) = json::look(delta) else {
            return false;
        };
        members.iter().any(|member| {
            member.name(delta).as_deref() != Some("role")
                && delta
                    .get(member.value.clone())
                    .and_then(|value| std::str::from_utf8(value).ok())
                    .is_some_and(is_something)
        })
    }
}

fn is_something(value: &str) -> bool {
    !matches!(value, "null" | "\"\"" | "[]" | "{}")
}

/// Finish reasons by which some servers report a failure.
const BROKEN: [&str; 4] = ["abort", "error", "network_error", "server_error"];
