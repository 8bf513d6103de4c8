//! Items other than messages (reasoning, calls, searches): writes their events and the complete items.
use bytes::BytesMut;
use serde_json::value::RawValue;

use super::super::client_tools::ClientTool;
use super::super::wire::{AnswerItemOut, EventOut, PartOut, SearchOut};
use super::writer::{Writer, raw};
use crate::protocol::hub::args::Args;
use crate::protocol::hub::block::ToolCall;
use crate::protocol::hub::opaque::{self, Opaque};
use crate::protocol::hub::read::Str;

/// A reasoning item. All visible text is written as its summary, which is what clients show.
#[derive(Debug)]
pub struct Thought {
    id: String,
    summary: Vec<Box<RawValue>>,
    part: Option<String>,
}

impl Thought {
    pub fn open(writer: &mut Writer, out: &mut BytesMut) -> Self {
        let id = writer.item_id("rs_");
        writer.added(out, &reasoning(&id, "in_progress", &[], None));
        Self {
            id,
            summary: Vec::new(),
            part: None,
        }
    }

    pub fn text(&mut self, delta: &str, writer: &mut Writer, out: &mut BytesMut) {
        if self.part.is_none() {
            let part = PartOut::SummaryText { text: "" };
            self.part_event(part, "response.reasoning_summary_part.added", writer, out);
        }
        self.part.get_or_insert_default().push_str(delta);
        let event = EventOut {
            delta: Some(delta),
            ..self.event(writer)
        };
        writer.event(out, "response.reasoning_summary_text.delta", &event);
    }

    pub fn end_part(&mut self, writer: &mut Writer, out: &mut BytesMut) {
        let Some(text) = self.part.take() else {
            return;
        };
        let event = EventOut {
            text: Some(&text),
            ..self.event(writer)
        };
        writer.event(out, "response.reasoning_summary_text.done", &event);
        let part = || PartOut::SummaryText { text: &text };
        self.part_event(part(), "response.reasoning_summary_part.done", writer, out);
        self.summary.push(raw(&part()));
    }

    /// Closes the item with the state that the client shall send back, in an envelope. Without state, the envelope only
    /// names the vendor.
    pub fn close(mut self, opaque: Option<Opaque>, writer: &mut Writer, out: &mut BytesMut) {
        self.end_part(writer, out);
        let origin = &writer.context.origin;
        let envelope =
            opaque::seal(&opaque.map_or_else(|| origin.mark(), |opaque| origin.stamp(opaque)));
        writer.done(
            out,
            &reasoning(&self.id, "completed", &self.summary, Some(&envelope)),
        );
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
            summary_index: Some(self.summary.len()),
            ..EventOut::default()
        }
    }
}

const fn reasoning<'a>(
    id: &'a str,
    status: &'static str,
    summary: &'a [Box<RawValue>],
    encrypted_content: Option<&'a str>,
) -> AnswerItemOut<'a> {
    AnswerItemOut::Reasoning {
        id,
        status,
        summary,
        content: [],
        encrypted_content,
    }
}

/// A call of one of the client's tools.
#[derive(Debug)]
pub struct Call {
    pub slot: usize,
    id: String,
    /// The id by which the result refers to the call.
    answers_to: String,
    namespace: Option<String>,
    name: String,
    is_freeform: bool,
    /// A tool that OpenAI defines and that has an item type of its own.
    own: Option<&'static ClientTool>,
    args: String,
}

/// What the first event of a call contains.
#[derive(Debug)]
pub struct Begun {
    /// The id by which the result refers to the call.
    pub call_id: String,
    pub namespace: Option<String>,
    pub name: String,
    pub is_freeform: bool,
}

impl Call {
    /// Opens the call that `begun` describes.
    pub fn open(slot: usize, begun: Begun, writer: &mut Writer, out: &mut BytesMut) -> Self {
        let Begun {
            call_id,
            namespace,
            name,
            is_freeform,
        } = begun;
        let is_own =
            namespace.is_none() && writer.context.reply.client_tools.contains(&name.as_str());
        let own = ClientTool::of(&name).filter(|_| is_own);
        let call = Self {
            slot,
            own,
            id: writer.item_id(match own {
                Some(_) => "tc_",
                None if is_freeform => "ctc_",
                None => "fc_",
            }),
            answers_to: call_id,
            namespace,
            name,
            is_freeform,
            args: String::new(),
        };
        match own {
            Some(own) => {
                let item = own.item(&call.id, "in_progress", &call.answers_to, "{}");
                writer.added(out, &item);
            }
            None => writer.added(out, &call.item("in_progress")),
        }
        call
    }

    pub fn args(&mut self, delta: &str, writer: &mut Writer, out: &mut BytesMut) {
        self.args.push_str(delta);
        if self.own.is_some() {
            // Its arguments are an object, which is written when the call is complete.
            return;
        }
        let event = EventOut {
            item_id: Some(&self.id),
            output_index: writer.next_index(),
            delta: Some(delta),
            ..EventOut::default()
        };
        let kind = if self.is_freeform {
            "response.custom_tool_call_input.delta"
        } else {
            "response.function_call_arguments.delta"
        };
        writer.event(out, kind, &event);
    }

    /// Whether the tool can be run with the arguments.
    pub fn is_whole(&self) -> bool {
        self.is_freeform || Args::new(self.args.as_str()).is_whole()
    }

    pub fn close(mut self, status: &'static str, writer: &mut Writer, out: &mut BytesMut) {
        if let Some(own) = self.own {
            let item = own.item(&self.id, status, &self.answers_to, &self.args);
            writer.done(out, &item);
            return;
        }
        if self.args.is_empty() && !self.is_freeform {
            // A tool without parameters: clients parse the arguments, so they must be an object.
            self.args("{}", writer, out);
        }
        let event = EventOut {
            item_id: Some(&self.id),
            output_index: writer.next_index(),
            ..EventOut::default()
        };
        if self.is_freeform {
            let event = EventOut {
                input: Some(&self.args),
                ..event
            };
            writer.event(out, "response.custom_tool_call_input.done", &event);
        } else {
            let event = EventOut {
                arguments: Some(&self.args),
                ..event
            };
            writer.event(out, "response.function_call_arguments.done", &event);
        }
        writer.done(out, &self.item(status));
    }

    fn item(&self, status: &'static str) -> AnswerItemOut<'_> {
        let namespace = self.namespace.as_deref();
        if self.is_freeform {
            AnswerItemOut::CustomToolCall {
                id: &self.id,
                status,
                call_id: &self.answers_to,
                namespace,
                name: &self.name,
                input: &self.args,
            }
        } else {
            AnswerItemOut::FunctionCall {
                id: &self.id,
                status,
                call_id: &self.answers_to,
                namespace,
                name: &self.name,
                arguments: &self.args,
            }
        }
    }
}

/// Writes a search that the provider ran, once it is complete.
pub fn web_search(call: &ToolCall, writer: &mut Writer, out: &mut BytesMut) {
    #[derive(serde::Deserialize)]
    struct Query<'a> {
        #[serde(borrow)]
        query: Option<Str<'a>>,
    }
    let query = serde_json::from_str::<Query<'_>>(&call.args.raw)
        .ok()
        .and_then(|args| args.query)
        .unwrap_or_default();
    let id = writer.item_id("ws_");
    let item = |status| AnswerItemOut::WebSearchCall {
        id: &id,
        status,
        action: SearchOut { query: &query },
    };
    writer.added(out, &item("in_progress"));
    for kind in [
        "response.web_search_call.in_progress",
        "response.web_search_call.searching",
        "response.web_search_call.completed",
    ] {
        let event = EventOut {
            item_id: Some(&id),
            output_index: writer.next_index(),
            ..EventOut::default()
        };
        writer.event(out, kind, &event);
    }
    writer.done(out, &item("completed"));
}
