//! Reads an `OpenAI` Responses stream: `response.created`, items, and `response.completed`, `.incomplete` or `.failed`.
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, json};

use super::Facts;
use super::hosted::tools_in;
use super::peek::{self, Needle, Text, lenient};
use super::state::state_of;
use crate::protocol::Dialect;
use crate::protocol::error::{self, WireError};
use crate::protocol::hub::stated::ResponsesUsage;
use crate::protocol::hub::usage::{Stated, Tools};
use crate::protocol::sse::{self, Frame};

/// The state of one stream.
#[derive(Debug)]
pub(super) struct Reader {
    usage: Option<ResponsesUsage>,
    tools: Tools,
    /// The id and the creation time in `response.created`; a terminal event must repeat them.
    created: Option<(String, Option<Number>)>,
    /// Whether the response continues to be generated if nobody reads the stream any more.
    background: bool,
    /// Whether the event that ends the response has come, whether it succeeded or failed.
    over: bool,
    /// The next `sequence_number`.
    next: u64,
    sequence: Needle,
    /// The names of objects that exist only at the account.
    state: Vec<String>,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            usage: None,
            tools: Tools::default(),
            created: None,
            background: false,
            over: false,
            next: 0,
            sequence: Needle::new("\"sequence_number\""),
            state: Vec::new(),
        }
    }

    pub(super) fn on(&mut self, frame: &Frame<'_>, facts: &mut Facts) {
        if frame.is_silent() {
            return peek::bare_error(Dialect::OpenaiResponses, frame, facts);
        }
        if frame.data.starts_with(peek::DONE) {
            // Some servers copy `[DONE]` from Chat. It is ignored: the terminal event counts.
            return;
        }
        self.count(&frame.data);
        let known = frame.event.and_then(Event::of);
        let event = known.or_else(|| Event::of(peek::type_of(&frame.data)?.as_bytes()));
        match event {
            Some(Event::Completed) => {
                self.on_response(&frame.data, facts);
                self.over = true;
                facts.phase = facts.phase.complete();
            }
            Some(Event::Content) => facts.phase = facts.phase.content(),
            Some(Event::Error) => {
                facts.fail(error::parse(Dialect::OpenaiResponses, 200, &frame.data));
            }
            Some(Event::Failed) => self.on_failed(&frame.data, facts),
            Some(Event::Opening) if self.created.is_none() => self.on_response(&frame.data, facts),
            Some(Event::Opening | Event::Silent) => {}
            None => {
                if let Some(error) = error::parse_event(Dialect::OpenaiResponses, &frame.data) {
                    facts.fail(error);
                }
            }
        }
    }

    pub(super) fn usage(&self) -> Option<Stated> {
        let mut stated = Stated::from(self.usage?);
        stated.extras.tools = self.tools;
        Some(stated)
    }

    /// The id in `response.created`.
    pub(super) fn id(&self) -> Option<&str> {
        self.created.as_ref().map(|(id, _)| id.as_str())
    }

    pub(super) fn state(&self) -> &[String] {
        &self.state
    }

    /// Whether the response is still being generated in the background; `None` = unknown.
    pub(super) fn pending(&self) -> Option<bool> {
        (self.over || self.background).then_some(!self.over)
    }

    /// `response.failed` with the id that the client knows and the next number; before `response.created`, when there
    /// is no response that could fail, the event `error`.
    pub(super) fn terminal_error(&self, error: &WireError, model: Option<&str>) -> Bytes {
        let row = error::row(Dialect::OpenaiResponses, error.kind);
        // The error of a response has one of a fixed set of codes; one of these means any failure of the server.
        let code = match row.type_ {
            "server_error" => row.type_,
            other => error::code(&row, error).unwrap_or(other),
        };
        let (name, data) = match &self.created {
            None => (
                "error",
                json!({
                    "type": "error",
                    "code": code,
                    "message": error.message,
                    "param": error.param,
                    "sequence_number": self.next,
                }),
            ),
            Some((id, created_at)) => (
                "response.failed",
                json!({
                    "type": "response.failed",
                    "sequence_number": self.next,
                    "response": {
                        "id": id,
                        "object": "response",
                        "created_at": created_at.clone().unwrap_or_else(|| 0.into()),
                        "status": "failed",
                        "error": { "code": code, "message": error.message },
                        "incomplete_details": null,
                        "instructions": null,
                        "metadata": {},
                        "model": model.unwrap_or_default(),
                        "output": [],
                        "parallel_tool_calls": true,
                        "temperature": null,
                        "tool_choice": "auto",
                        "tools": [],
                        "top_p": null,
                        "usage": null,
                    },
                }),
            ),
        };
        let mut out = BytesMut::new();
        sse::write(&mut out, Some(name), data.to_string().as_bytes());
        out.freeze()
    }

    /// Counts the events of servers that do not number them.
    fn count(&mut self, data: &[u8]) {
        let stated = self.sequence.after(data).and_then(peek::number);
        self.next = stated.unwrap_or(self.next).saturating_add(1);
    }

    fn on_response(&mut self, data: &[u8], facts: &mut Facts) {
        peek::or_repaired(data, |data| {
            let Envelope { response } = serde_json::from_slice::<Envelope<'_>>(data).ok()?;
            let response = serde_json::from_str::<Response<'_>>(response.get()).ok()?;
            self.read(response, facts);
            Some(())
        });
    }

    fn read(&mut self, response: Response<'_>, facts: &mut Facts) {
        facts.name(
            response.model.as_ref().map(|model| &*model.0),
            response.service_tier.as_ref().map(|tier| &*tier.0),
        );
        self.usage = response.usage.or(self.usage);
        self.background |= response.background == Some(true);
        if let Some(output) = response.output {
            let given = response.tools.map(|given| given.get().as_bytes());
            self.tools = tools_in(output.get().as_bytes(), given);
            self.state = state_of(output.get().as_bytes(), response.store != Some(false));
        }
        if let (None, Some(id)) = (&self.created, response.id) {
            self.created = Some((id.0.into_owned(), response.created_at));
        }
    }

    fn on_failed(&mut self, data: &[u8], facts: &mut Facts) {
        self.on_response(data, facts);
        self.over = true;
        let response = serde_json::from_slice::<Envelope<'_>>(data).map(|event| event.response);
        let inner = response.map_or(data, |response| response.get().as_bytes());
        facts.fail(error::parse(Dialect::OpenaiResponses, 200, inner));
    }
}

enum Event {
    Completed,
    /// Opens or carries content.
    Content,
    Error,
    Failed,
    /// Carries the response before its content.
    Opening,
    /// An event that does not matter here.
    Silent,
}

impl Event {
    fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"response.completed" | b"response.incomplete" | b"response.done" => Self::Completed,
            b"error" => Self::Error,
            b"response.failed" => Self::Failed,
            b"response.created" | b"response.in_progress" | b"response.queued" => Self::Opening,
            _ if name.starts_with(b"response.") => Self::Content,
            b"keepalive" => Self::Silent,
            _ => return None,
        })
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    response: &'a RawValue,
}

#[derive(Default, Deserialize)]
struct Response<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    id: Option<Text<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    created_at: Option<Number>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    model: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    service_tier: Option<Text<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    store: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    background: Option<bool>,
    #[serde(default, deserialize_with = "peek::usage")]
    usage: Option<ResponsesUsage>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
}
