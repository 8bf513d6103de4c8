//! Writes the chunks of one answer, for any delivery.
use std::borrow::Cow;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, BytesMut};
use memchr::memchr2_iter;
use serde::Serialize;
use serde_json::ser::Formatter;

use super::super::error;
use super::super::wire::{
    AnswerContentOut, CallOut, CandidateOut, ChunkOut, GroundingChunkOut, GroundingOut, PartOut,
    UsageOut, WebOut,
};
use super::super::{Delivery, request};
use crate::protocol::error::WireError;
use crate::protocol::hub::args::Args;
use crate::protocol::hub::block::Citation;
use crate::protocol::hub::context::Context;
use crate::protocol::hub::error::Losses;
use crate::protocol::hub::opaque::{self, Opaque};
use crate::protocol::hub::response::{Spent, Stop};
use crate::protocol::hub::write;

/// Writes one answer.
#[derive(Debug)]
pub struct Writer {
    pub context: Context,
    id: String,
    delivery: Delivery,
    /// The end of every chunk of text.
    tail: String,
    /// The number of elements of the array so far.
    elements: usize,
    /// The parts of an answer that is delivered whole.
    parts: Vec<PartOut<'static>>,
    /// State that is kept for the next part.
    pub state: Option<Opaque>,
    sources: Vec<(String, String)>,
    pub spent: Option<Spent>,
    pub stop: Stop,
    /// Bytes of content, for an estimate if the upstream states no usage.
    pub bytes: usize,
    pub losses: Losses,
}

impl Writer {
    pub fn new(context: Context, delivery: Delivery) -> Self {
        let id = context.stamp.id("", 0);
        let model = serde_json::Value::from(context.model.as_str());
        Self {
            tail: format!(",\"index\":0}}],\"modelVersion\":{model},\"responseId\":\"{id}\"}}"),
            id,
            context,
            delivery,
            elements: 0,
            parts: Vec::new(),
            state: None,
            sources: Vec::new(),
            spent: None,
            stop: Stop::End,
            bytes: 0,
            losses: Losses::default(),
        }
    }

    /// Writes a text or a thought. Most of a stream consists of these, so their JSON is assembled by hand.
    pub fn text(&mut self, text: &str, thought: bool, out: &mut BytesMut) {
        let thought_signature = self.signature();
        if self.delivery == Delivery::Whole || thought_signature.is_some() {
            let part = PartOut {
                text: Some(Cow::Borrowed(text)),
                thought,
                thought_signature,
                ..PartOut::default()
            };
            return self.part(part, out);
        }
        self.elements += 1;
        deliver(self.delivery, self.elements, out, |out| {
            write::raw(
                out,
                "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":",
            );
            print(out, text);
            write::raw(
                out,
                if thought {
                    ",\"thought\":true}]}"
                } else {
                    "}]}"
                },
            );
            write::raw(out, &self.tail);
        });
    }

    /// Writes a whole call.
    pub fn call(&mut self, id: &str, name: &str, args: &Args, out: &mut BytesMut) {
        let thought_signature = self.signature();
        self.part(
            PartOut {
                function_call: Some(CallOut {
                    id: Cow::Borrowed(id),
                    name: Cow::Borrowed(name),
                    args: request::object(args.object()),
                }),
                thought_signature,
                ..PartOut::default()
            },
            out,
        );
    }

    /// Adds a source. A source without a URL cannot be expressed here.
    pub fn cite(&mut self, citation: Citation) {
        if let Citation::Url { url, title, .. } = citation
            && !self.sources.iter().any(|(known, _)| *known == url)
        {
            self.sources.push((url, title));
        }
    }

    /// Writes the last chunk: the stop reason and the usage. Its content is not empty, because clients drop a turn with
    /// an empty chunk from their history.
    pub fn close(&mut self, out: &mut BytesMut) {
        let last = PartOut {
            thought_signature: self.signature(),
            ..PartOut::text("")
        };
        let mut parts = std::mem::take(&mut self.parts);
        if parts.is_empty() || last.thought_signature.is_some() {
            parts.push(last);
        }
        let spent = self.context.spent(self.spent, self.bytes);
        let sources = std::mem::take(&mut self.sources);
        let finish_message = match &self.stop {
            Stop::Refusal(refusal) => refusal.explanation.clone(),
            _ => None,
        };
        let chunk = ChunkOut {
            candidates: [CandidateOut {
                content: AnswerContentOut {
                    role: "model",
                    parts: &parts,
                },
                finish_reason: Some(finish_reason(&self.stop)),
                finish_message: finish_message.as_deref(),
                index: 0,
                grounding_metadata: grounding(&sources),
            }],
            usage_metadata: Some(usage(&spent)),
            model_version: &self.context.model,
            response_id: &self.id,
        };
        self.elements += 1;
        deliver(self.delivery, self.elements, out, |out| print(out, &chunk));
        if self.delivery == Delivery::Array {
            out.extend_from_slice(b"\n]");
        }
    }

    pub fn fail(&mut self, error: &WireError, out: &mut BytesMut) {
        self.elements += 1;
        deliver(self.delivery, self.elements, out, |out| {
            error::element(error, out);
        });
        if self.delivery == Delivery::Array {
            out.extend_from_slice(b"\n]");
        }
    }

    fn part(&mut self, part: PartOut<'_>, out: &mut BytesMut) {
        if self.delivery == Delivery::Whole {
            self.parts.push(part.into_owned());
            return;
        }
        let chunk = ChunkOut {
            candidates: [CandidateOut {
                content: AnswerContentOut {
                    role: "model",
                    parts: &[part],
                },
                finish_reason: None,
                finish_message: None,
                index: 0,
                grounding_metadata: None,
            }],
            usage_metadata: None,
            model_version: &self.context.model,
            response_id: &self.id,
        };
        self.elements += 1;
        deliver(self.delivery, self.elements, out, |out| print(out, &chunk));
    }

    /// The waiting state in an envelope. The field holds base64, so the envelope is encoded once more.
    fn signature(&mut self) -> Option<Cow<'static, str>> {
        let opaque = self.state.take()?;
        let envelope = opaque::seal(&self.context.origin.stamp(opaque));
        Some(Cow::Owned(STANDARD.encode(envelope)))
    }
}

fn deliver(
    delivery: Delivery,
    element: usize,
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut),
) {
    let (before, after): (&[u8], &[u8]) = match delivery {
        Delivery::Array if element == 1 => (b"[", b""),
        Delivery::Array => (b"\n,\n", b""),
        Delivery::Events => (b"data: ", b"\n\n"),
        Delivery::Whole => (b"", b""),
    };
    out.extend_from_slice(before);
    write(out);
    out.extend_from_slice(after);
}

fn print(out: &mut BytesMut, value: &(impl Serialize + ?Sized)) {
    let mut serializer = serde_json::Serializer::with_formatter(out.writer(), Escaping);
    let written = value.serialize(&mut serializer);
    debug_assert!(written.is_ok(), "wire structs serialize: {written:?}");
}

/// Writes JSON with the three characters escaped at which Google's SDK for Python splits lines, even inside strings.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        escape(writer, fragment)
    }

    fn write_raw_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Line ends between values would split the event. Strings contain none.
        for (index, line) in fragment.split(['\n', '\r']).enumerate() {
            if index > 0 {
                writer.write_all(b" ")?;
            }
            escape(writer, line)?;
        }
        Ok(())
    }
}

fn escape<W: ?Sized + io::Write>(writer: &mut W, mut text: &str) -> io::Result<()> {
    let next = |text: &str| {
        memchr2_iter(0xc2, 0xe2, text.as_bytes())
            .find(|at| text.as_bytes().get(*at..).is_some_and(cuts_lines))
    };
    while let Some(at) = next(text) {
        let (before, rest) = text.split_at(at);
        let mut chars = rest.chars();
        let cut = chars.next().map_or(0, u32::from);
        writer.write_all(before.as_bytes())?;
        write!(writer, "\\u{cut:04x}")?;
        text = chars.as_str();
    }
    writer.write_all(text.as_bytes())
}

fn cuts_lines(bytes: &[u8]) -> bool {
    // U+0085, U+2028, U+2029.
    bytes.starts_with(b"\xc2\x85")
        || bytes.starts_with(b"\xe2\x80\xa8")
        || bytes.starts_with(b"\xe2\x80\xa9")
}

const fn finish_reason(stop: &Stop) -> &'static str {
    match stop {
        Stop::ContextFull | Stop::MaxTokens => "MAX_TOKENS",
        Stop::End | Stop::Pause | Stop::Sequence(_) | Stop::ToolUse => "STOP",
        Stop::Refusal(_) => "SAFETY",
    }
}

fn grounding(sources: &[(String, String)]) -> Option<GroundingOut<'_>> {
    if sources.is_empty() {
        return None;
    }
    let mut grounding_chunks = Vec::with_capacity(sources.len());
    for (uri, title) in sources {
        let web = WebOut { uri, title };
        grounding_chunks.push(GroundingChunkOut { web });
    }
    Some(GroundingOut { grounding_chunks })
}

fn usage(spent: &Spent) -> UsageOut {
    let usage = &spent.usage;
    UsageOut {
        prompt: usage.prompt(),
        cached: (usage.cache_read > 0).then_some(usage.cache_read),
        candidates: usage.output.saturating_sub(usage.reasoning),
        thoughts: (usage.reasoning > 0).then_some(usage.reasoning),
        total: usage.total(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cuts(printed: &str) -> bool {
        printed.contains(['\n', '\u{85}', '\u{2028}', '\u{2029}'])
    }

    proptest! {
        #[test]
        fn what_is_escaped_reads_the_same_and_cuts_no_line(text in "[a\\\\\"\u{7f}-\u{100}\u{2000}-\u{2030}\u{1f600}]{0,40}") {
            let mut out = BytesMut::new();
            print(&mut out, &text);
            let printed = std::str::from_utf8(&out).unwrap();
            prop_assert!(!cuts(printed));
            prop_assert_eq!(serde_json::from_str::<String>(printed).unwrap(), text);
        }

        #[test]
        fn raw_json_is_escaped_too(text in "[\u{7f}-\u{100}\u{2020}-\u{2030}]{0,20}") {
            let pretty = serde_json::to_string_pretty(&serde_json::json!({ "a": [text] })).unwrap();
            let raw = serde_json::value::RawValue::from_string(pretty.clone()).unwrap();
            let mut out = BytesMut::new();
            print(&mut out, &raw);
            let printed = std::str::from_utf8(&out).unwrap();
            prop_assert!(!cuts(printed));
            let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            prop_assert_eq!(read(printed), read(&pretty));
        }
    }
}
