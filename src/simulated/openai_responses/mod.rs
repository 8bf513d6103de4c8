//! OpenAI Responses: reads its requests, writes its answers and its streams.
//!
//! <https://platform.openai.com/docs/api-reference/responses-streaming>
mod request;
mod wire;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

use self::wire::{Event, Response, WireUsage};
use super::fault::Failure;
use super::frames::{Frames, write_json};
use super::ids::{id, opaque};
use super::plan::{Block, Call, Plan, Stop};
use super::stream::Beat;

pub(super) use self::request::ask;

/// A whole response.
pub(super) fn whole(plan: &Plan) -> Bytes {
    let mut out = BytesMut::with_capacity(2048);
    write_json(&mut out, &response(plan, State::Done, items(plan)));
    out.freeze()
}

/// What the stream remembers: the number of the next event.
#[derive(Debug, Default)]
pub(super) struct Writer {
    sequence: u64,
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
                let item_id = item_id(plan, index, block);
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
                let part = Some(json!({"type": "summary_text", "text": ""}));
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
                let part = Some(json!({"type": "summary_text", "text": text}));
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

fn response(plan: &Plan, state: State, output: Vec<Value>) -> Response<'_> {
    let done = matches!(state, State::Done);
    let cut = done && plan.stop == Stop::Length;
    let (status, error) = match state {
        State::Done if cut => ("incomplete", None),
        State::Done => ("completed", None),
        State::Failed(error) => ("failed", Some(error)),
        State::Running => ("in_progress", None),
    };
    Response {
        id: id("resp_", plan.number, 0),
        object: "response",
        created_at: plan.created,
        completed_at: (done && !cut).then_some(plan.created),
        status,
        background: false,
        error,
        incomplete_details: cut.then(|| json!({"reason": "max_output_tokens"})),
        instructions: (),
        max_output_tokens: (),
        model: &plan.model,
        output,
        parallel_tool_calls: true,
        previous_response_id: (),
        reasoning: json!({"effort": null, "summary": null}),
        service_tier: "default",
        store: false,
        temperature: 1.0,
        text: json!({"format": {"type": "text"}}),
        tool_choice: "auto",
        tools: [],
        top_p: 1.0,
        truncation: "disabled",
        usage: done.then(|| WireUsage::new(&plan.usage)),
        user: (),
        metadata: json!({}),
    }
}

fn items(plan: &Plan) -> Vec<Value> {
    plan.blocks
        .iter()
        .enumerate()
        .map(|(index, block)| item(plan, index, block, true))
        .collect()
}

/// An output item as it is at its end, or (`done` false) as it is announced.
fn item(plan: &Plan, index: usize, block: &Block, done: bool) -> Value {
    let id = item_id(plan, index, block);
    let status = if done { "completed" } else { "in_progress" };
    let body = if done { block.body() } else { "" };
    match block {
        Block::Call(call) => {
            let call_id = call_id(plan, call);
            let mut item = if call.freeform {
                json!({"id": id, "type": "custom_tool_call", "status": status, "call_id": call_id,
                       "name": call.name, "input": body})
            } else {
                json!({"id": id, "type": "function_call", "status": status, "call_id": call_id,
                       "name": call.name, "arguments": body})
            };
            if let (Some(namespace), Some(members)) = (&call.namespace, item.as_object_mut()) {
                members.insert("namespace".to_owned(), json!(namespace));
            }
            item
        }
        Block::Reasoning { opaque: sealed, .. } => {
            let summary = match body {
                "" => json!([]),
                text => json!([{"type": "summary_text", "text": text}]),
            };
            let encrypted = (done && *sealed).then(|| opaque("gAAAAA", plan.number, index as u64));
            json!({"id": id, "type": "reasoning", "summary": summary, "content": [],
                   "encrypted_content": encrypted})
        }
        Block::Refusal(_) | Block::Text(_) => {
            let content = if done {
                json!([content_part(block, true)])
            } else {
                json!([])
            };
            json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content})
        }
    }
}

fn content_part(block: &Block, done: bool) -> Value {
    let body = if done { block.body() } else { "" };
    match block {
        Block::Refusal(_) => json!({"type": "refusal", "refusal": body}),
        _ => json!({"type": "output_text", "annotations": [], "logprobs": [], "text": body}),
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
