//! The conversation in the form of Chat.
use std::borrow::Cow;

use super::super::wire::{AudioOut, BreakpointOut, ContentOut, ImageUrlOut, MessageOut, PartOut};
use super::calls::{self, legacy, signed};
use super::parts::{append, content, file, keep_last_breakpoints, text_part, unsupported};
use super::thoughts;
use crate::protocol::hub::block::{
    Block, CallKind, DocumentSource, Image, Source, Text, ToolResult, Ttl,
};
use crate::protocol::hub::carry;
use crate::protocol::hub::error::{Losses, RequestFault};
use crate::protocol::hub::history::{self, Answer, INTERRUPTED, Step};
use crate::protocol::hub::names;
use crate::protocol::hub::opaque::Opaque;
use crate::protocol::hub::plain;
use crate::protocol::hub::request::{ReasoningMode, Request};
use crate::protocol::hub::target::{ReasoningReplay, SystemRole, Target, Vintage};
use crate::protocol::models::Traits;

/// Encodes the system text and the turns of `request`.
pub fn encode<'a>(
    request: &'a Request,
    target: &Target<'a>,
    losses: &mut Losses,
) -> Result<Vec<MessageOut<'a>>, RequestFault> {
    let mut writer = Writer {
        target,
        losses,
        replay: match request.reasoning.mode {
            ReasoningMode::Off => ReasoningReplay::Never,
            _ => target.quirks.reasoning_replay,
        },
        messages: Vec::with_capacity(request.turns.len() + 1),
        moved: Vec::new(),
    };
    writer.system(request.system.iter().collect());
    for step in history::settle(&request.turns) {
        match step {
            Step::Assistant(blocks) => {
                writer.flush_moved();
                writer.assistant(&blocks);
            }
            Step::Results(answers) => writer.results(&answers)?,
            Step::System(blocks) if !target.takes_system_anywhere() => {
                let notes = blocks
                    .into_iter()
                    .map(|block| text_part(plain::note(block)));
                writer.moved.extend(notes);
            }
            Step::System(blocks) => {
                let texts = blocks.iter().filter_map(|block| match block {
                    Block::Text(text) => Some(text),
                    _ => None,
                });
                writer.flush_moved();
                writer.system(texts.collect());
            }
            Step::User(blocks) => {
                let mut parts = std::mem::take(&mut writer.moved);
                for block in blocks {
                    writer.part(block, &mut parts)?;
                }
                writer.user(parts);
            }
        }
    }
    writer.flush_moved();
    let Writer { mut messages, .. } = writer;
    let instructs = |message: &MessageOut<'_>| matches!(message.role, "developer" | "system");
    if messages.iter().all(instructs) {
        return Err(carry::nothing_left(request));
    }
    keep_last_breakpoints(&mut messages);
    Ok(messages)
}

struct Writer<'a, 'w> {
    target: &'w Target<'a>,
    losses: &'w mut Losses,
    replay: ReasoningReplay,
    messages: Vec<MessageOut<'a>>,
    /// Content that waits for the next user message: images and files of tool results, because a tool message takes
    /// only text, and instructions that have no place elsewhere.
    moved: Vec<PartOut<'a>>,
}

impl<'a> Writer<'a, '_> {
    fn system(&mut self, texts: Vec<&'a Text>) {
        let role = match self.target.quirks.system_role {
            SystemRole::Developer => "developer",
            SystemRole::System => "system",
        };
        let parts: Vec<PartOut<'a>> = texts.into_iter().map(|text| self.text(text)).collect();
        if !parts.is_empty() {
            self.messages.push(MessageOut {
                role,
                content: Some(content(parts)),
                ..MessageOut::default()
            });
        }
    }

    /// Adds a user message. If the last message is the user's and the target's template requires alternating roles,
    /// that message is extended.
    fn user(&mut self, mut parts: Vec<PartOut<'a>>) {
        if let Some(last) = self.messages.last_mut()
            && last.role == "user"
            && !self.target.takes_system_anywhere()
        {
            let mut all = match last.content.take() {
                Some(ContentOut::Parts(parts)) => parts,
                Some(ContentOut::Text(text)) => vec![text_part(text)],
                None => Vec::new(),
            };
            all.append(&mut parts);
            last.content = Some(content(all));
            return;
        }
        if !parts.is_empty() {
            self.messages.push(MessageOut {
                role: "user",
                content: Some(content(parts)),
                ..MessageOut::default()
            });
        }
    }

    fn flush_moved(&mut self) {
        let parts = std::mem::take(&mut self.moved);
        self.user(parts);
    }

    fn assistant(&mut self, blocks: &[&'a Block]) {
        let mut message = MessageOut {
            role: "assistant",
            ..MessageOut::default()
        };
        let mut text = Cow::Borrowed("");
        let mut state: Option<&'a Opaque> = None;
        for block in blocks {
            match block {
                Block::Text(block) => {
                    if block.cache.is_some() {
                        self.losses.omit("cache_control");
                    }
                    append(&mut text, &block.text);
                }
                Block::Refusal(refusal) if self.target.quirks.openai_fields => {
                    message.refusal = Some(refusal.clone());
                }
                Block::Refusal(refusal) => append(&mut text, refusal),
                Block::ToolCall(call) if matches!(call.kind, CallKind::Server(_)) => {
                    self.losses.name("server_tool_use");
                }
                Block::ToolCall(call) => {
                    let own = call
                        .opaque
                        .as_ref()
                        .filter(|opaque| opaque.is_for(self.target));
                    let first = message.tool_calls.is_empty();
                    let call = signed(
                        calls::call(call, self.target),
                        self.target,
                        own.or(state.take()),
                        first,
                    );
                    message.tool_calls.push(call);
                }
                Block::Reasoning(reasoning) => {
                    let ours = reasoning.opaque.as_ref();
                    state = ours.filter(|opaque| opaque.is_for(self.target));
                    thoughts::replay(
                        reasoning,
                        self.replay,
                        self.target,
                        &mut message,
                        self.losses,
                    );
                }
                Block::Foreign(foreign) => match plain::compaction(foreign) {
                    Some(note) => {
                        text.to_mut().push_str(&note);
                        text.to_mut().push_str(
                            "

",
                        );
                    }
                    None => self.losses.name("assistant_content"),
                },
                Block::ServerToolResult(_) => self.losses.name("server_tool_use"),
                _ => self.losses.name("assistant_content"),
            }
        }
        if self.replay == ReasoningReplay::Required && !message.tool_calls.is_empty() {
            let reasoning = message.reasoning_content.get_or_insert_default();
            if reasoning.is_empty() {
                // Kimi treats an empty text as missing.
                reasoning.push(' ');
            }
        }
        if let Some(thought) = message.thought.take() {
            text = Cow::Owned(thought + &*text);
        }
        if !text.is_empty() {
            message.content = Some(ContentOut::Text(text));
        }
        if message.tool_calls.is_empty() {
            // A turn of which nothing is left keeps its place.
            if message.content.is_none() && message.refusal.is_none() {
                message.content = Some(ContentOut::Text(Cow::Borrowed(NOTHING)));
            }
            self.messages.push(message);
        } else if self.target.quirks.vintage == Vintage::Tools {
            self.messages.push(message);
        } else {
            // Only one call per message: `results` puts the other calls and their results behind it.
            let text = message.content.take();
            let mut calls = std::mem::take(&mut message.tool_calls).into_iter();
            message.content = text;
            message.function_call = calls.next().and_then(legacy);
            self.messages.push(message);
        }
    }

    fn results(&mut self, answers: &[Answer<'a>]) -> Result<(), RequestFault> {
        let legacy_target = self.target.quirks.vintage == Vintage::Functions;
        for (index, answer) in answers.iter().enumerate() {
            if legacy_target && index > 0 {
                let call = calls::call(answer.call, self.target);
                self.messages.push(MessageOut {
                    role: "assistant",
                    function_call: legacy(call),
                    ..MessageOut::default()
                });
            }
            let text = match answer.result {
                Some(result) => self.result_text(result)?,
                None => Cow::Borrowed(INTERRUPTED),
            };
            let name = names::tool_name(answer.call.namespace.as_deref(), &answer.call.name);
            let id = names::tool_id(&answer.call.id, self.target.quirks.tool_ids);
            self.messages.push(MessageOut {
                role: if legacy_target { "function" } else { "tool" },
                content: Some(ContentOut::Text(text)),
                tool_call_id: (!legacy_target).then_some(id),
                name: legacy_target.then_some(name),
                ..MessageOut::default()
            });
        }
        Ok(())
    }

    /// A result as text; its images and files are moved to the next user message.
    fn result_text(&mut self, result: &'a ToolResult) -> Result<Cow<'a, str>, RequestFault> {
        let mut lines: Vec<Cow<'a, str>> = Vec::new();
        for block in &result.blocks {
            let kind = match block {
                Block::Image(_) => "image",
                Block::Document(document)
                    if matches!(document.source, DocumentSource::Media(_)) =>
                {
                    "document"
                }
                Block::Audio(_) => "audio",
                other => {
                    if other.has_cache_mark() {
                        self.losses.omit("cache_control");
                    }
                    lines.push(plain::text(other));
                    continue;
                }
            };
            lines.push(Cow::Owned(format!("[{kind}: see the next user message]")));
            let mut parts = vec![text_part(Cow::Owned(format!(
                "[{kind} from tool call {}]",
                names::tool_id(&result.call_id, self.target.quirks.tool_ids)
            )))];
            self.part(block, &mut parts)?;
            self.moved.append(&mut parts);
        }
        let text = match lines.as_mut_slice() {
            // Usually there is one line, which is passed on without a copy.
            [line] => std::mem::take(line),
            lines => Cow::Owned(lines.join("\n")),
        };
        Ok(if result.is_error && !text.starts_with("Error") {
            Cow::Owned(format!("Error: {text}"))
        } else {
            text
        })
    }

    fn text(&mut self, text: &'a Text) -> PartOut<'a> {
        PartOut::Text {
            text: Cow::Borrowed(&text.text),
            prompt_cache_breakpoint: self.breakpoint(text.cache),
        }
    }

    fn breakpoint(&mut self, mark: Option<Ttl>) -> Option<BreakpointOut> {
        mark?;
        if self.target.capabilities.traits.has(Traits::BREAKPOINTS)
            && self.target.quirks.openai_fields
        {
            return Some(BreakpointOut {
                mode: "explicit",
                ttl: CACHE_TTL,
            });
        }
        self.losses.omit("cache_control");
        None
    }

    /// One block of a user turn.
    fn part(&mut self, block: &'a Block, parts: &mut Vec<PartOut<'a>>) -> Result<(), RequestFault> {
        match block {
            Block::Text(text) => parts.push(self.text(text)),
            Block::Image(image) => {
                let part = self.image(image)?;
                parts.push(part);
            }
            Block::Document(document) => match &document.source {
                DocumentSource::Media(source) => parts.push(file(document, source)?),
                DocumentSource::Text(_) | DocumentSource::Blocks(_) => {
                    parts.push(text_part(plain::text(block)));
                }
            },
            Block::Audio(audio) => match &audio.source {
                Source::Base64 { data, .. } => parts.push(PartOut::InputAudio {
                    input_audio: AudioOut {
                        data,
                        format: audio.format.as_deref().unwrap_or("wav"),
                    },
                }),
                _ => return Err(unsupported("audio by reference")),
            },
            Block::Video(_) => return Err(unsupported("video")),
            Block::ToolResult(result) => {
                let text = self.result_text(result)?;
                let id = names::tool_id(&result.call_id, self.target.quirks.tool_ids);
                parts.push(text_part(Cow::Owned(format!(
                    "[result of an earlier tool call {id}]\n{text}"
                ))));
                parts.append(&mut std::mem::take(&mut self.moved));
            }
            Block::Foreign(foreign) if plain::compaction(foreign).is_some() => {
                parts.push(text_part(plain::text(block)));
            }
            Block::SearchResult(_) | Block::ToolReference(_) | Block::Refusal(_) => {
                parts.push(text_part(plain::text(block)));
            }
            Block::Foreign(_)
            | Block::Reasoning(_)
            | Block::ServerToolResult(_)
            | Block::ToolCall(_) => {
                self.losses.name("user_content");
            }
        }
        Ok(())
    }

    fn image(&mut self, image: &'a Image) -> Result<PartOut<'a>, RequestFault> {
        if let Some(scheme) = image.source.in_a_cloud() {
            return Err(unsupported(&format!("`{scheme}:` URLs")));
        }
        let url = match &image.source {
            Source::Base64 { media_type, data } => {
                Cow::Owned(format!("data:{media_type};base64,{data}"))
            }
            Source::Url { url, .. } => Cow::Borrowed(url.as_str()),
            Source::File { .. } => return Err(unsupported("images by file id")),
        };
        Ok(PartOut::ImageUrl {
            image_url: ImageUrlOut {
                url,
                detail: self.target.detail(image.detail.as_deref()),
            },
            prompt_cache_breakpoint: self.breakpoint(image.cache),
        })
    }
}

/// The text that replaces a turn of which nothing is left.
const NOTHING: &str = "(no content)";

/// A marker with any lifetime becomes the shorter one: the longer one costs twice as much, which the account's owner
/// has to decide.
pub(super) const CACHE_TTL: &str = "30m";
