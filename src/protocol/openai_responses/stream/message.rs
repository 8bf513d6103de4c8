//! The message that is being written: its parts, its text so far, and the complete item.
use std::borrow::Cow;

use bytes::BytesMut;
use serde_json::value::RawValue;

use super::super::wire::{AnswerItemOut, EventOut, PartOut};
use super::writer::{Writer, raw};
use crate::protocol::hub::block::Citation;

/// A message, which may be or contain a refusal.
#[derive(Debug)]
pub struct Message {
    id: String,
    parts: Vec<Box<RawValue>>,
    part: Part,
}

#[derive(Debug)]
enum Part {
    None,
    Refusal(String),
    Text {
        text: String,
        /// Where the text block begins that citations refer to, in bytes.
        block: usize,
        annotations: Vec<Box<RawValue>>,
    },
}

impl Message {
    pub fn open(writer: &mut Writer, out: &mut BytesMut) -> Self {
        let id = writer.item_id("msg_");
        writer.added(out, &message(&id, "in_progress", &[]));
        Self {
            id,
            parts: Vec::new(),
            part: Part::None,
        }
    }

    pub fn text(&mut self, delta: &str, writer: &mut Writer, out: &mut BytesMut) {
        if !matches!(self.part, Part::Text { .. }) {
            self.end_part(writer, out);
            let part = PartOut::OutputText {
                text: Cow::Borrowed(""),
                annotations: &[],
            };
            self.part_event(part, "response.content_part.added", writer, out);
            self.part = Part::Text {
                text: String::new(),
                block: 0,
                annotations: Vec::new(),
            };
        }
        if let Part::Text { text, .. } = &mut self.part {
            text.push_str(delta);
        }
        writer.text_delta(out, &self.id, self.parts.len(), delta);
    }

    pub fn refusal(&mut self, delta: &str, writer: &mut Writer, out: &mut BytesMut) {
        if !matches!(self.part, Part::Refusal(_)) {
            self.end_part(writer, out);
            let part = PartOut::Refusal { refusal: "" };
            self.part_event(part, "response.content_part.added", writer, out);
            self.part = Part::Refusal(String::new());
        }
        if let Part::Refusal(text) = &mut self.part {
            text.push_str(delta);
        }
        let event = EventOut {
            delta: Some(delta),
            ..self.event(writer)
        };
        writer.event(out, "response.refusal.delta", &event);
    }

    /// Adds a source for the text since the end of the last block. A source without a URL cannot be expressed here.
    pub fn cite(&mut self, citation: &Citation, writer: &mut Writer, out: &mut BytesMut) {
        let Citation::Url { url, title, .. } = citation else {
            return;
        };
        let Part::Text {
            text,
            block,
            annotations,
        } = &mut self.part
        else {
            return;
        };
        let start = text.get(..*block).unwrap_or_default().chars().count();
        let annotation = raw(&serde_json::json!({
            "type": "url_citation",
            "url": url,
            "title": title,
            "start_index": start,
            "end_index": text.chars().count(),
        }));
        annotations.push(annotation.clone());
        let annotation_index = Some(annotations.len() - 1);
        let event = EventOut {
            annotation_index,
            annotation: Some(&annotation),
            ..self.event(writer)
        };
        writer.event(out, "response.output_text.annotation.added", &event);
    }

    /// A text block ends. The next one continues the same part, because it may continue the sentence.
    pub fn end_block(&mut self) {
        if let Part::Text { text, block, .. } = &mut self.part {
            *block = text.len();
        }
    }

    pub fn close(mut self, status: &'static str, writer: &mut Writer, out: &mut BytesMut) {
        self.end_part(writer, out);
        writer.done(out, &message(&self.id, status, &self.parts));
    }

    fn end_part(&mut self, writer: &mut Writer, out: &mut BytesMut) {
        let done = match std::mem::replace(&mut self.part, Part::None) {
            Part::None => return,
            Part::Refusal(text) => {
                let event = EventOut {
                    refusal: Some(&text),
                    ..self.event(writer)
                };
                writer.event(out, "response.refusal.done", &event);
                let part = || PartOut::Refusal { refusal: &text };
                self.part_event(part(), "response.content_part.done", writer, out);
                raw(&part())
            }
            Part::Text {
                text, annotations, ..
            } => {
                let event = EventOut {
                    text: Some(&text),
                    logprobs: Some([]),
                    ..self.event(writer)
                };
                writer.event(out, "response.output_text.done", &event);
                let part = || PartOut::OutputText {
                    text: Cow::Borrowed(&text),
                    annotations: &annotations,
                };
                self.part_event(part(), "response.content_part.done", writer, out);
                raw(&part())
            }
        };
        self.parts.push(done);
    }

    fn part_event(&self, part: PartOut<'_>, kind: &str, writer: &mut Writer, out: &mut BytesMut) {
        let event = EventOut {
            part: Some(part),
            ..self.event(writer)
        };
        writer.event(out, kind, &event);
    }

    fn event(&self, writer: &Writer) -> EventOut<'_> {
        EventOut {
            item_id: Some(&self.id),
            output_index: writer.next_index(),
            content_index: Some(self.parts.len()),
            ..EventOut::default()
        }
    }
}

const fn message<'a>(
    id: &'a str,
    status: &'static str,
    content: &'a [Box<RawValue>],
) -> AnswerItemOut<'a> {
    AnswerItemOut::Message {
        id,
        status,
        role: "assistant",
        content,
    }
}
