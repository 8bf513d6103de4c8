//! OpenAI Responses: reads its requests, writes its answers and its streams.
//!
//! <https://platform.openai.com/docs/api-reference/responses-streaming>
mod request;
mod wire;

use bytes::Bytes;
use serde_json::Value;

use self::wire::{
    Event, Format, Item, Metadata, Part, Reason, Reasoning, Response, Text, WireUsage,
};
use super::beat::Beat;
use super::fault::Failure;
use super::frames::{Frames, write_json};
use super::ids::{id, opaque};
use super::plan::{Block, Call, Plan, Stop};

pub(super) use self::request::parse;

/// A whole response.
pub(super) fn whole(plan: &Plan) -> Bytes {
    let mut out = Vec::with_capacity(2048);
    write_json(&mut out, &response(plan, State::Done, items(plan)));
    out.into()
}

/// What the stream remembers: the number of the next event, and the id of the item that is open.
#[derive(Debug, Default)]
pub(super) struct Writer {
    sequence: u64,
    item_id: String,
}

impl Writer {
    pub(super) fn write(&mut self, plan: &Plan, beat: Beat<'_>, out: &mut Frames) {
        match beat {
            Beat::Start => {
                for kind in ["response.created", "response.in_progress"] {
                    self.event(
                        kind,
                        Event::of_response(response(plan, State::Running, Vec::new())),
                        out,
                    );
                }
            }
            Beat::Open(index, block) => self.open(plan, index, block, out),
            Beat::Piece(index, block, text) => {
                let item_id = std::mem::take(&mut self.item_id);
                let mut event = Event::of_item(&item_id, index);
                event.delta = Some(text);
                let kind = match block {
                    Block::Call(call) if call.freeform => "response.custom_tool_call_input.delta",
                    Block::Call(_) => "response.function_call_arguments.delta",
                    Block::Reasoning { .. } => {
                        event.summary_index = Some(0);
                        "response.reasoning_summary_text.delta"
                    }
                    Block::Refusal(_) => {
                        event.content_index = Some(0);
                        "response.refusal.delta"
                    }
                    Block::Text(_) => {
                        event.content_index = Some(0);
                        event.logprobs = Some([]);
                        "response.output_text.delta"
                    }
                };
                self.event(kind, event, out);
                self.item_id = item_id;
            }
            Beat::Close(index, block) => self.close(plan, index, block, out),
            Beat::Finish => {}
            Beat::End => {
                let kind = match plan.stop {
                    Stop::Length => "response.incomplete",
                    _ => "response.completed",
                };
                self.event(
                    kind,
                    Event::of_response(response(plan, State::Done, items(plan))),
                    out,
                );
            }
        }
    }

    /// The terminal event of a response that failed.
    pub(super) fn fail(&mut self, plan: &Plan, failure: &Failure, out: &mut Frames) {
        let response = response(plan, State::Failed(failure.response_error()), Vec::new());
        self.event("response.failed", Event::of_response(response), out);
    }

    fn open(&mut self, plan: &Plan, index: usize, block: &Block, out: &mut Frames) {
        let added = Event {
            output_index: Some(index),
            item: Some(item(plan, index, block, false)),
            ..Event::default()
        };
        self.event("response.output_item.added", added, out);
        let item_id = item_id(plan, index, block);
        let event = Event::of_item(&item_id, index);
        match block {
            Block::Reasoning { text, .. } if !text.is_empty() => {
                let part = Some(Part::SummaryText { text: "" });
                let event = Event {
                    summary_index: Some(0),
                    part,
                    ..event
                };
                self.event("response.reasoning_summary_part.added", event, out);
            }
            Block::Refusal(_) | Block::Text(_) => {
                let event = Event {
                    content_index: Some(0),
                    part: Some(content_part(block, false)),
                    ..event
                };
                self.event("response.content_part.added", event, out);
            }
            Block::Call(_) | Block::Reasoning { .. } => {}
        }
        self.item_id = item_id;
    }

    fn close(&mut self, plan: &Plan, index: usize, block: &Block, out: &mut Frames) {
        let item_id = item_id(plan, index, block);
        let event = || Event::of_item(&item_id, index);
        let content_index = Some(0);
        let summary_index = Some(0);
        match block {
            Block::Call(call) if call.freeform => {
                let event = Event {
                    input: Some(&call.arguments),
                    ..event()
                };
                self.event("response.custom_tool_call_input.done", event, out);
            }
            Block::Call(call) => {
                let event = Event {
                    name: Some(&call.name),
                    arguments: Some(&call.arguments),
                    ..event()
                };
                self.event("response.function_call_arguments.done", event, out);
            }
            Block::Reasoning { text, .. } if text.is_empty() => {}
            Block::Reasoning { text, .. } => {
                let done = Event {
                    summary_index,
                    text: Some(text),
                    ..event()
                };
                self.event("response.reasoning_summary_text.done", done, out);
                let part = Some(Part::SummaryText { text });
                let done = Event {
                    summary_index,
                    part,
                    ..event()
                };
                self.event("response.reasoning_summary_part.done", done, out);
            }
            Block::Refusal(refusal) => {
                let event = Event {
                    content_index,
                    refusal: Some(refusal),
                    ..event()
                };
                self.event("response.refusal.done", event, out);
            }
            Block::Text(text) => {
                let event = Event {
                    content_index,
                    text: Some(text),
                    logprobs: Some([]),
                    ..event()
                };
                self.event("response.output_text.done", event, out);
            }
        }
        if matches!(block, Block::Refusal(_) | Block::Text(_)) {
            let event = Event {
                content_index,
                part: Some(content_part(block, true)),
                ..event()
            };
            self.event("response.content_part.done", event, out);
        }
        let done = Event {
            output_index: Some(index),
            item: Some(item(plan, index, block, true)),
            ..Event::default()
        };
        self.event("response.output_item.done", done, out);
    }

    fn event(&mut self, kind: &'static str, event: Event<'_>, out: &mut Frames) {
        let sequence_number = self.sequence;
        self.sequence += 1;
        out.json(
            Some(kind),
            &Event {
                kind,
                sequence_number,
                ..event
            },
        );
    }
}

/// What has become of a response so far.
enum State {
    Done,
    Failed(Value),
    Running,
}

fn response<'a>(plan: &'a Plan, state: State, output: Vec<Item<'a>>) -> Response<'a> {
    let done = matches!(state, State::Done);
    let cut = done && plan.stop == Stop::Length;
    let (status, error) = match state {
        State::Done if cut => ("incomplete", None),
        State::Done => ("completed", None),
        State::Failed(error) => ("failed", Some(error)),
        State::Running => ("in_progress", None),
    };
    Response {
        id: format!("resp_{}", plan.id),
        object: "response",
        created_at: plan.created,
        completed_at: (done && !cut).then_some(plan.created),
        status,
        background: false,
        error,
        incomplete_details: cut.then_some(Reason {
            reason: "max_output_tokens",
        }),
        instructions: (),
        max_output_tokens: (),
        model: &plan.model,
        output,
        parallel_tool_calls: true,
        previous_response_id: (),
        reasoning: Reasoning::default(),
        service_tier: "default",
        store: false,
        temperature: 1.0,
        text: Text {
            format: Format { kind: "text" },
        },
        tool_choice: "auto",
        tools: [],
        top_p: 1.0,
        truncation: "disabled",
        usage: done.then(|| WireUsage::new(&plan.usage)),
        user: (),
        metadata: Metadata {},
    }
}

fn items(plan: &Plan) -> Vec<Item<'_>> {
    let blocks = plan.blocks.iter().enumerate();
    blocks
        .map(|(index, block)| item(plan, index, block, true))
        .collect()
}

/// An output item as it is at its end, or (`done` false) as it is announced.
fn item<'a>(plan: &Plan, index: usize, block: &'a Block, done: bool) -> Item<'a> {
    let id = item_id(plan, index, block);
    let status = if done { "completed" } else { "in_progress" };
    let body = if done { block.body() } else { "" };
    match block {
        Block::Call(call) => {
            let call_id = call_id(plan, call);
            let (name, namespace) = (call.name.as_str(), call.namespace.as_deref());
            if call.freeform {
                Item::CustomToolCall {
                    id,
                    status,
                    call_id,
                    name,
                    namespace,
                    input: body,
                }
            } else {
                Item::FunctionCall {
                    id,
                    status,
                    call_id,
                    name,
                    namespace,
                    arguments: body,
                }
            }
        }
        Block::Reasoning { opaque: sealed, .. } => Item::Reasoning {
            id,
            summary: match body {
                "" => Vec::new(),
                text => vec![Part::SummaryText { text }],
            },
            content: [],
            encrypted_content: (done && *sealed)
                .then(|| opaque("gAAAAA", plan.number, index as u64)),
        },
        Block::Refusal(_) | Block::Text(_) => {
            let content = if done {
                vec![content_part(block, true)]
            } else {
                Vec::new()
            };
            Item::Message {
                id,
                status,
                role: "assistant",
                content,
            }
        }
    }
}

fn content_part(block: &Block, done: bool) -> Part<'_> {
    let text = if done { block.body() } else { "" };
    match block {
        Block::Refusal(_) => Part::Refusal { refusal: text },
        _ => Part::OutputText {
            annotations: [],
            logprobs: [],
            text,
        },
    }
}

fn item_id(plan: &Plan, index: usize, block: &Block) -> String {
    let prefix = match block {
        Block::Call(call) if call.freeform => "ctc_",
        Block::Call(_) => "fc_",
        Block::Reasoning { .. } => "rs_",
        Block::Refusal(_) | Block::Text(_) => "msg_",
    };
    id(prefix, plan.number, index as u64)
}

fn call_id(plan: &Plan, call: &Call) -> String {
    id("call_", plan.number, call.slot as u64)
}
