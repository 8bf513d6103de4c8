//! The conversation in the form of this dialect: turns alternate, results stand first in the user's turn, nothing is
//! empty.
use std::borrow::Cow;

use super::super::response::object;
use super::super::wire::{BlockOut, CacheOut, EnabledOut, MessageOut, SourceOut};
use super::media::{self, unsupported};
use crate::protocol::hub::block::{Block, CallKind, Document, DocumentSource, Reasoning, ToolCall};
use crate::protocol::hub::carry;
use crate::protocol::hub::error::{Losses, RequestFault};
use crate::protocol::hub::history::{self, Answer, INTERRUPTED, Step};
use crate::protocol::hub::names::{self, FREEFORM_FIELD};
use crate::protocol::hub::opaque::OpaqueKind;
use crate::protocol::hub::request::Request;
use crate::protocol::hub::target::Target;
use crate::protocol::models::Traits;

/// Writes the turns of `request`.
pub fn encode<'a>(
    request: &'a Request,
    target: &Target<'a>,
    losses: &mut Losses,
) -> Result<Vec<MessageOut<'a>>, RequestFault> {
    let mut writer = Writer {
        target,
        losses,
        messages: Vec::with_capacity(request.turns.len()),
    };
    let steps = history::settle(&request.turns);
    for (index, step) in steps.iter().enumerate() {
        match step {
            Step::Assistant(blocks) => writer.assistant(blocks)?,
            Step::Results(answers) => writer.results(answers)?,
            Step::User(blocks) => {
                let mut content = Vec::with_capacity(blocks.len());
                for block in blocks {
                    content.extend(writer.block(block)?);
                }
                writer.push("user", content);
            }
            Step::System(blocks) => {
                let rest = steps.get(index + 1..).unwrap_or_default();
                let next = rest.iter().find(|step| !matches!(step, Step::System(_)));
                writer.system(blocks, matches!(next, None | Some(Step::Assistant(_))));
            }
        }
    }
    let Writer { mut messages, .. } = writer;
    if let Some(last) = messages.last_mut().filter(|last| last.role == "assistant") {
        if !target.capabilities.traits.has(Traits::PREFILL) {
            let message = format!(
                "`{}` does not continue a last message of the assistant; end with the user's",
                target.model
            );
            return Err(RequestFault::new("messages", message).of_model());
        }
        // Anthropic refuses white space at the end of a prefilled answer.
        if let Some(BlockOut::Text { text, .. }) = last.content.last_mut() {
            *text = Cow::Owned(text.trim_end().to_owned());
        }
    }
    if messages.is_empty() {
        return Err(carry::nothing_left(request));
    }
    Ok(messages)
}

/// The cache marker of a block.
pub fn mark<'m>(block: &'m mut BlockOut<'_>) -> Option<&'m mut Option<CacheOut>> {
    match block {
        BlockOut::Document { cache_control, .. }
        | BlockOut::Image { cache_control, .. }
        | BlockOut::SearchResult { cache_control, .. }
        | BlockOut::Text { cache_control, .. }
        | BlockOut::ToolResult { cache_control, .. }
        | BlockOut::ToolUse { cache_control, .. } => Some(cache_control),
        BlockOut::RedactedThinking { .. }
        | BlockOut::ServerToolUse { .. }
        | BlockOut::Thinking { .. }
        | BlockOut::WebSearchToolResult { .. } => None,
    }
}

/// Whether the conversation is within a tool loop whose last assistant turn does not begin with thinking.
pub fn is_tool_loop_without_thinking(messages: &[MessageOut<'_>]) -> bool {
    let in_loop = messages.last().is_some_and(|last| {
        last.role == "user"
            && last
                .content
                .iter()
                .any(|block| matches!(block, BlockOut::ToolResult { .. }))
    });
    let turn = messages.iter().rfind(|message| message.role == "assistant");
    in_loop
        && turn
            .and_then(|turn| turn.content.first())
            .is_some_and(|first| {
                !matches!(
                    first,
                    BlockOut::Thinking { .. } | BlockOut::RedactedThinking { .. }
                )
            })
}

struct Writer<'a, 'w> {
    target: &'w Target<'a>,
    losses: &'w mut Losses,
    messages: Vec<MessageOut<'a>>,
}

impl<'a> Writer<'a, '_> {
    /// Appends to the last message if that has the same role, else begins a new one.
    fn push(&mut self, role: &'static str, content: Vec<BlockOut<'a>>) {
        if content.is_empty() {
            return;
        }
        match self.messages.last_mut() {
            Some(last) if last.role == role => last.content.extend(content),
            None if role == "assistant" => {
                let begin = vec![text(Cow::Borrowed(CONTINUES))];
                self.messages.push(MessageOut {
                    role: "user",
                    content: begin,
                });
                self.messages.push(MessageOut { role, content });
            }
            _ => self.messages.push(MessageOut { role, content }),
        }
    }

    fn assistant(&mut self, blocks: &[&'a Block]) -> Result<(), RequestFault> {
        let mut content = Vec::with_capacity(blocks.len());
        for block in blocks {
            content.extend(match block {
                Block::Reasoning(reasoning) => self.reasoning(reasoning),
                Block::ToolCall(call) if matches!(call.kind, CallKind::Server(_)) => {
                    self.losses.name("server_tool_use");
                    None
                }
                Block::ToolCall(call) => Some(self.call(call)),
                Block::Document(_) | Block::Image(_) => {
                    self.losses.name("assistant_content");
                    None
                }
                other => self.block(other)?,
            });
        }
        let says = content.iter().any(|block| {
            !matches!(
                block,
                BlockOut::Thinking { .. } | BlockOut::RedactedThinking { .. }
            )
        });
        if !says {
            content.push(text(Cow::Borrowed(NOTHING)));
        }
        self.push("assistant", content);
        Ok(())
    }

    fn results(&mut self, answers: &[Answer<'a>]) -> Result<(), RequestFault> {
        let mut content = Vec::with_capacity(answers.len());
        for answer in answers {
            let tool_use_id = names::tool_id(&answer.call.id, self.target.quirks.tool_ids);
            content.push(match answer.result {
                None => BlockOut::ToolResult {
                    tool_use_id,
                    content: vec![text(Cow::Borrowed(INTERRUPTED))],
                    is_error: true,
                    cache_control: None,
                },
                Some(result) => {
                    let mut inner = Vec::with_capacity(result.blocks.len());
                    for block in &result.blocks {
                        inner.extend(self.block(block)?);
                    }
                    BlockOut::ToolResult {
                        tool_use_id,
                        content: inner,
                        is_error: result.is_error,
                        cache_control: result.cache.map(CacheOut::of),
                    }
                }
            });
        }
        self.push("user", content);
        Ok(())
    }

    /// An instruction in the middle of the conversation keeps its place: as a system message where the model and the
    /// place allow it, else as a note in a user's turn.
    fn system(&mut self, blocks: &[&'a Block], before_assistant: bool) {
        let after_user = self
            .messages
            .last()
            .is_some_and(|last| last.role != "assistant");
        let native = self.target.capabilities.traits.has(Traits::SYSTEM_IN_TURNS)
            && after_user
            && before_assistant;
        let texts = blocks.iter().filter_map(|block| match block {
            Block::Text(text) if !text.text.trim().is_empty() => Some(text),
            _ => None,
        });
        let content = texts
            .map(|note| BlockOut::Text {
                text: if native {
                    Cow::Borrowed(&note.text)
                } else {
                    Cow::Owned(format!("<system-note>\n{}\n</system-note>", note.text))
                },
                citations: Vec::new(),
                cache_control: note.cache.map(CacheOut::of),
            })
            .collect();
        self.push(if native { "system" } else { "user" }, content);
    }

    /// Reasoning is sent back only to the vendor that produced it.
    fn reasoning(&mut self, reasoning: &'a Reasoning) -> Option<BlockOut<'a>> {
        let opaque = reasoning
            .opaque
            .as_ref()
            .filter(|opaque| opaque.is_for(self.target));
        match opaque {
            Some(opaque) if opaque.kind == OpaqueKind::Signature => Some(BlockOut::Thinking {
                thinking: Cow::Owned(reasoning.text()),
                signature: Cow::Borrowed(&opaque.payload),
            }),
            Some(opaque) if opaque.kind == OpaqueKind::Redacted => {
                Some(BlockOut::RedactedThinking {
                    data: Cow::Borrowed(&opaque.payload),
                })
            }
            _ => {
                self.losses.omit("thinking");
                None
            }
        }
    }

    fn call(&self, call: &'a ToolCall) -> BlockOut<'a> {
        let input = if call.kind == CallKind::Freeform {
            Cow::Owned(serde_json::json!({ FREEFORM_FIELD: call.args.raw }).to_string())
        } else {
            call.args.object()
        };
        BlockOut::ToolUse {
            id: names::tool_id(&call.id, self.target.quirks.tool_ids),
            name: names::tool_name(call.namespace.as_deref(), &call.name),
            input: object(input),
            cache_control: call.cache.map(CacheOut::of),
        }
    }

    /// One block of a user's turn or of a result; `None` for a block that is empty or cannot be expressed.
    fn block(&mut self, block: &'a Block) -> Result<Option<BlockOut<'a>>, RequestFault> {
        Ok(Some(match block {
            Block::Text(block) if block.text.trim().is_empty() => return Ok(None),
            Block::Text(block) => BlockOut::Text {
                text: Cow::Borrowed(&block.text),
                citations: Vec::new(),
                cache_control: block.cache.map(CacheOut::of),
            },
            Block::Refusal(refusal) if refusal.trim().is_empty() => return Ok(None),
            Block::Refusal(refusal) => text(Cow::Borrowed(refusal)),
            Block::Image(image) => media::image(image, self.losses)?,
            Block::Document(document) => self.document(document)?,
            Block::SearchResult(result) => {
                let mut content = Vec::with_capacity(result.blocks.len());
                for block in &result.blocks {
                    content.extend(self.block(block)?);
                }
                BlockOut::SearchResult {
                    source: &result.source,
                    title: &result.title,
                    content,
                    citations: result.citations.then_some(EnabledOut { enabled: true }),
                    cache_control: result.cache.map(CacheOut::of),
                }
            }
            // The result has no matching call.
            Block::ToolResult(result) => {
                let id = names::tool_id(&result.call_id, self.target.quirks.tool_ids);
                let mut said = format!("[result of an earlier tool call {id}]");
                for block in &result.blocks {
                    if let Block::Text(text) = block {
                        said.push('\n');
                        said.push_str(&text.text);
                    }
                }
                text(Cow::Owned(said))
            }
            Block::ToolReference(name) => text(Cow::Owned(format!("[tool loaded: {name}]"))),
            Block::Audio(_) => return Err(unsupported("audio")),
            Block::Video(_) => return Err(unsupported("video")),
            Block::Foreign(_)
            | Block::Reasoning(_)
            | Block::ServerToolResult(_)
            | Block::ToolCall(_) => {
                self.losses.name("user_content");
                return Ok(None);
            }
        }))
    }

    fn document(&mut self, document: &'a Document) -> Result<BlockOut<'a>, RequestFault> {
        let source = match &document.source {
            DocumentSource::Text(data) => SourceOut::Text {
                media_type: "text/plain",
                data: Cow::Borrowed(data),
            },
            DocumentSource::Blocks(blocks) => {
                let mut content = Vec::with_capacity(blocks.len());
                for block in blocks {
                    content.extend(self.block(block)?);
                }
                SourceOut::Content { content }
            }
            DocumentSource::Media(source) => media::file(source)?,
        };
        Ok(BlockOut::Document {
            source,
            title: document.title.as_deref(),
            context: document.context.as_deref(),
            citations: document.citations.then_some(EnabledOut { enabled: true }),
            cache_control: document.cache.map(CacheOut::of),
        })
    }
}

const fn text(text: Cow<'_, str>) -> BlockOut<'_> {
    BlockOut::Text {
        text,
        citations: Vec::new(),
        cache_control: None,
    }
}

/// The text of the user's turn before a history that begins with the assistant.
const CONTINUES: &str = "(conversation continues)";

/// The text that replaces a turn of which nothing is left.
const NOTHING: &str = "(no content)";
