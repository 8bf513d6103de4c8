//! Assembles the events of a stream into a whole answer, for dialects in which a whole answer is a stream of one chunk.
use super::args::Args;
use super::block::{Block, Reasoning, Segment, SegmentKind, Text, ToolCall};
use super::error::Violation;
use super::event::Event;
use super::response::NoAnswer;
use super::response::{Response, Spent, Stop};
use crate::protocol::error::WireError;

/// The answer so far.
#[derive(Debug, Default)]
pub struct Collector {
    id: Option<String>,
    model: Option<String>,
    blocks: Vec<Block>,
    last: Last,
    /// The slots of the calls, with their positions among the blocks.
    slots: Vec<(usize, usize)>,
    spent: Option<Spent>,
    stop: Option<Stop>,
    failed: Option<WireError>,
}

/// Whether the next event may continue the last block.
#[derive(Debug, Default, Eq, PartialEq)]
enum Last {
    #[default]
    Closed,
    /// Reasoning may continue in the same paragraph.
    Paragraph,
    /// Reasoning may continue in a new paragraph.
    Reasoning,
    Text,
}

impl Collector {
    /// Adds the next event.
    pub fn on(&mut self, event: Event<'_>) -> Result<(), Violation> {
        match event {
            Event::Start(start) => {
                self.spent = start.spent();
                self.id = start.id.map(Into::into);
                self.model = start.model.map(Into::into);
            }
            Event::TextDelta(delta) => match (&self.last, self.blocks.last_mut()) {
                (Last::Text, Some(Block::Text(text))) => text.text.push_str(&delta),
                _ => self.push(Block::Text(Text::plain(delta)), Last::Text),
            },
            Event::Citation(citation) => {
                if let Some(Block::Text(text)) = self.blocks.last_mut() {
                    text.citations.push(citation);
                }
            }
            Event::RefusalDelta(delta) => self.push(Block::Refusal(delta.into()), Last::Closed),
            Event::ReasoningDelta { kind, text } => self.reason(kind, text.into()),
            Event::ReasoningPart => self.last = Last::Reasoning,
            Event::ReasoningEnd(opaque) => match (&self.last, self.blocks.last_mut()) {
                (Last::Paragraph | Last::Reasoning, Some(Block::Reasoning(reasoning))) => {
                    reasoning.opaque = opaque;
                    self.last = Last::Closed;
                }
                _ if opaque.is_none() => {}
                _ => {
                    let reasoning = Reasoning {
                        opaque,
                        ..Reasoning::default()
                    };
                    self.push(Block::Reasoning(reasoning), Last::Closed);
                }
            },
            Event::ToolStart {
                slot,
                id,
                namespace,
                name,
                kind,
            } => {
                self.slots.push((slot, self.blocks.len()));
                let call = ToolCall {
                    id: id.into(),
                    name: name.into(),
                    namespace,
                    args: Args::default(),
                    kind,
                    opaque: None,
                    cache: None,
                };
                self.push(Block::ToolCall(call), Last::Closed);
            }
            Event::ToolArgs { slot, fragment } => {
                let at = self
                    .slots
                    .iter()
                    .rfind(|(known, _)| *known == slot)
                    .map(|(_, at)| *at);
                if let Some(Block::ToolCall(call)) = at.and_then(|at| self.blocks.get_mut(at)) {
                    call.args.raw.push_str(&fragment);
                }
            }
            Event::ServerCall(call) => self.push(Block::ToolCall(*call), Last::Closed),
            Event::ServerResult(result) => self.push(Block::ServerToolResult(result), Last::Closed),
            Event::Foreign(foreign) => self.push(Block::Foreign(foreign), Last::Closed),
            Event::Usage(spent) => self.spent = Some(*spent),
            Event::Stop(stop) => self.stop = Some(stop),
            Event::Error(error) => self.failed = Some(error),
            Event::TextEnd => self.last = Last::Closed,
            Event::ToolEnd { .. } | Event::Ping | Event::Repair(_) | Event::End => {}
        }
        Ok(())
    }

    /// Whether the upstream reported an error.
    pub const fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// The whole answer.
    pub fn finish(self) -> Result<Response, NoAnswer> {
        if let Some(said) = self.failed {
            return Err(NoAnswer::Failed(Box::new(said), self.spent));
        }
        let Some(stop) = self.stop else {
            return Err(Violation::unreadable("it does not say why it ends").into());
        };
        Ok(Response {
            id: self.id,
            model: self.model,
            blocks: self.blocks,
            stop,
            spent: self.spent,
        })
    }

    fn push(&mut self, block: Block, last: Last) {
        self.blocks.push(block);
        self.last = last;
    }

    fn reason(&mut self, kind: SegmentKind, text: String) {
        match (&self.last, self.blocks.last_mut()) {
            (Last::Paragraph, Some(Block::Reasoning(reasoning)))
                if !reasoning.visible.is_empty() =>
            {
                if let Some(segment) = reasoning.visible.last_mut() {
                    segment.text.push_str(&text);
                }
            }
            (Last::Paragraph | Last::Reasoning, Some(Block::Reasoning(reasoning))) => {
                reasoning.visible.push(Segment { kind, text });
                self.last = Last::Paragraph;
            }
            _ => {
                let reasoning = Reasoning {
                    visible: vec![Segment { kind, text }],
                    ..Reasoning::default()
                };
                self.push(Block::Reasoning(reasoning), Last::Paragraph);
            }
        }
    }
}
