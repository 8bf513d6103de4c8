//! Encodes the conversation as contents for an upstream.
//!
//! Gemini counts: a turn of the model with calls must be followed by one content with exactly as many responses, in the
//! order of the calls, and roles alternate. So neighbours of the same role are merged here.
use std::borrow::Cow;

use serde_json::value::RawValue;

use super::super::wire::{BlobOut, CallOut, ContentOut, FileOut, PartOut, ResultOut, SaidOut};
use super::files;
use crate::protocol::Dialect;
use crate::protocol::hub::block::{
    Block, CallKind, DocumentSource, Reasoning, Source, ToolCall, ToolResult,
};
use crate::protocol::hub::carry;
use crate::protocol::hub::error::{Losses, RequestFault};
use crate::protocol::hub::history::{self, Answer, INTERRUPTED, Step};
use crate::protocol::hub::names::{self, FREEFORM_FIELD};
use crate::protocol::hub::opaque::{Opaque, Vendor};
use crate::protocol::hub::plain;
use crate::protocol::hub::request::Request;
use crate::protocol::hub::target::Target;

/// Encodes the turns of `request`. `signs`: the model requires its state back on calls.
pub fn contents<'a>(
    request: &'a Request,
    target: &Target<'a>,
    signs: bool,
    losses: &mut Losses,
) -> Result<Vec<ContentOut<'a>>, RequestFault> {
    let mut writer = Writer {
        target,
        signs,
        losses,
        contents: Vec::with_capacity(request.turns.len() + 1),
    };
    for step in history::settle(&request.turns) {
        match step {
            Step::Assistant(blocks) => {
                let parts = writer.model(&blocks);
                if writer.contents.is_empty() && !parts.is_empty() {
                    writer.add("user", vec![PartOut::text(CONTINUED)]);
                }
                writer.add("model", parts);
            }
            Step::Results(answers) => {
                let parts = writer.results(&answers)?;
                writer.add("user", parts);
            }
            Step::System(blocks) => {
                let notes = blocks.into_iter().map(plain::note).map(PartOut::text);
                let notes = notes.collect();
                writer.add("user", notes);
            }
            Step::User(blocks) => {
                let mut parts = Vec::with_capacity(blocks.len());
                for block in blocks {
                    writer.part(block, &mut parts)?;
                }
                writer.add("user", parts);
            }
        }
    }
    if writer.contents.is_empty() {
        return Err(carry::nothing_left(request));
    }
    Ok(writer.contents)
}

struct Writer<'a, 'w> {
    target: &'w Target<'a>,
    signs: bool,
    losses: &'w mut Losses,
    contents: Vec<ContentOut<'a>>,
}

impl<'a> Writer<'a, '_> {
    fn add(&mut self, role: &'static str, mut parts: Vec<PartOut<'a>>) {
        if parts.is_empty() {
            return;
        }
        match self.contents.last_mut() {
            Some(last) if last.role == role => last.parts.append(&mut parts),
            _ => self.contents.push(ContentOut { role, parts }),
        }
    }

    fn model(&mut self, blocks: &[&'a Block]) -> Vec<PartOut<'a>> {
        let mut parts: Vec<PartOut<'a>> = Vec::with_capacity(blocks.len());
        // State is kept for the call that follows it.
        let mut state: Option<&'a Opaque> = None;
        let mut called = false;
        for block in blocks {
            match block {
                Block::Reasoning(reasoning) => {
                    parts.extend(state.take().map(alone));
                    state = self.state(reasoning);
                }
                Block::ToolCall(call) if !matches!(call.kind, CallKind::Server(_)) => {
                    let own = call.opaque.as_ref().filter(|opaque| self.is_ours(opaque));
                    let signature = match own.or(state.take()) {
                        Some(opaque) => Some(opaque.payload.as_str()),
                        // The model did not make this call: the conversation was migrated, or another model answered.
                        None if self.signs && !called => Some(UNSIGNED),
                        None => None,
                    };
                    called = true;
                    parts.push(PartOut {
                        function_call: Some(self.call(call)),
                        thought_signature: signature.map(Cow::Borrowed),
                        ..PartOut::default()
                    });
                }
                Block::Text(_) | Block::Refusal(_) => {
                    parts.extend(state.take().map(alone));
                    if block.has_cache_mark() {
                        self.losses.omit("cache_control");
                    }
                    parts.push(PartOut::text(plain::text(block)));
                }
                Block::ToolCall(_) | Block::ServerToolResult(_) => {
                    self.losses.name("server_tool_use");
                }
                Block::Foreign(foreign) => match plain::compaction(foreign) {
                    Some(note) => parts.push(PartOut::text(note)),
                    None => self.losses.name("assistant_content"),
                },
                _ => self.losses.name("assistant_content"),
            }
        }
        parts.extend(state.map(alone));
        parts
    }

    /// State is sent back only to the vendor that it came from. The visible text of foreign reasoning is left out,
    /// because it is not the model's own.
    fn state(&mut self, reasoning: &'a Reasoning) -> Option<&'a Opaque> {
        let state = reasoning
            .opaque
            .as_ref()
            .filter(|opaque| self.is_ours(opaque));
        if state.is_none() {
            self.losses.omit("thinking");
        }
        state
    }

    fn is_ours(&self, opaque: &Opaque) -> bool {
        opaque.vendor == Vendor::Gemini && opaque.is_for(self.target)
    }

    fn call(&self, call: &'a ToolCall) -> CallOut<'a> {
        let args = match call.kind {
            CallKind::Freeform => {
                Cow::Owned(serde_json::json!({ FREEFORM_FIELD: call.args.raw }).to_string())
            }
            CallKind::Function | CallKind::Server(_) => call.args.object(),
        };
        CallOut {
            id: names::tool_id(&call.id, self.target.quirks.tool_ids),
            name: names::tool_name_by_letter(call.namespace.as_deref(), &call.name),
            args: object(args),
        }
    }

    /// The responses to all calls of a turn. For models that cannot see media within a response, media stand beside it.
    fn results(&mut self, answers: &[Answer<'a>]) -> Result<Vec<PartOut<'a>>, RequestFault> {
        let mut parts = Vec::with_capacity(answers.len());
        let mut beside = Vec::new();
        for answer in answers {
            let (response, shown) = match answer.result {
                Some(result) => self.said(result)?,
                None => (SaidOut::Error(INTERRUPTED.to_owned()), Vec::new()),
            };
            let id = names::tool_id(&answer.call.id, self.target.quirks.tool_ids);
            let within = if self.signs {
                shown
            } else {
                if !shown.is_empty() {
                    beside.push(PartOut::text(format!("[from tool call {id}]")));
                    beside.extend(shown);
                }
                Vec::new()
            };
            parts.push(PartOut {
                function_response: Some(ResultOut {
                    id,
                    name: names::tool_name_by_letter(
                        answer.call.namespace.as_deref(),
                        &answer.call.name,
                    ),
                    response,
                    parts: within,
                }),
                ..PartOut::default()
            });
        }
        parts.append(&mut beside);
        Ok(parts)
    }

    /// A tool's result: its text, and its media.
    fn said(
        &mut self,
        result: &'a ToolResult,
    ) -> Result<(SaidOut, Vec<PartOut<'a>>), RequestFault> {
        let mut lines: Vec<Cow<'_, str>> = Vec::new();
        let mut shown = Vec::new();
        for block in &result.blocks {
            match media(block) {
                Some(source) => shown.push(self.place(source)?),
                None => lines.push(plain::text(block)),
            }
        }
        if result.cache.is_some() || result.blocks.iter().any(Block::has_cache_mark) {
            self.losses.omit("cache_control");
        }
        let text = lines.join("\n");
        let said = if result.is_error {
            SaidOut::Error(text)
        } else {
            SaidOut::Output(text)
        };
        Ok((said, shown))
    }

    /// Encodes one block of a user turn.
    fn part(&mut self, block: &'a Block, parts: &mut Vec<PartOut<'a>>) -> Result<(), RequestFault> {
        if block.has_cache_mark() {
            self.losses.omit("cache_control");
        }
        if let Some(source) = media(block) {
            parts.push(self.place(source)?);
            return Ok(());
        }
        match block {
            Block::ToolResult(result) => {
                let (said, shown) = self.said(result)?;
                let (SaidOut::Error(text) | SaidOut::Output(text)) = said;
                let id = names::tool_id(&result.call_id, self.target.quirks.tool_ids);
                let text = plain::failure(text, result.is_error);
                parts.push(PartOut::text(format!(
                    "[result of an earlier tool call {id}]\n{text}"
                )));
                parts.extend(shown);
            }
            Block::Foreign(foreign) if plain::compaction(foreign).is_none() => {
                self.losses.name("user_content");
            }
            Block::Reasoning(_) | Block::ServerToolResult(_) | Block::ToolCall(_) => {
                self.losses.name("user_content");
            }
            block => parts.push(PartOut::text(plain::text(block))),
        }
        Ok(())
    }

    fn place(&self, source: &'a Source) -> Result<PartOut<'a>, RequestFault> {
        match source {
            Source::Base64 { media_type, data } => Ok(PartOut {
                inline_data: Some(BlobOut {
                    mime_type: media_type,
                    data,
                }),
                ..PartOut::default()
            }),
            Source::Url { url, media_type } if files::is_fetched(url) => Ok(PartOut {
                file_data: Some(FileOut {
                    mime_type: files::mime(url, media_type.as_deref())?,
                    file_uri: url,
                }),
                ..PartOut::default()
            }),
            Source::File {
                dialect: Dialect::Gemini,
                id,
            } if self.target.quirks.vendor == Vendor::Gemini => Ok(PartOut {
                file_data: Some(FileOut {
                    mime_type: None,
                    file_uri: id,
                }),
                ..PartOut::default()
            }),
            Source::File { .. } => Err(unsupported("files by the id of another vendor")),
            Source::Url { .. } => Err(unsupported("content by URL")),
        }
    }
}

/// The arguments as a JSON object.
pub fn object(args: Cow<'_, str>) -> Cow<'_, RawValue> {
    let empty = || Cow::Owned(RawValue::from_string("{}".to_owned()).unwrap_or_default());
    match args {
        Cow::Borrowed(args) => {
            serde_json::from_str::<&RawValue>(args).map_or_else(|_| empty(), Cow::Borrowed)
        }
        Cow::Owned(args) => RawValue::from_string(args).map_or_else(|_| empty(), Cow::Owned),
    }
}

/// A part for state that belongs to no call.
fn alone(opaque: &Opaque) -> PartOut<'_> {
    PartOut {
        thought_signature: Some(Cow::Borrowed(&opaque.payload)),
        ..PartOut::text("")
    }
}

/// The media in a block.
fn media(block: &Block) -> Option<&Source> {
    match block {
        Block::Audio(audio) => Some(&audio.source),
        Block::Document(document) => match &document.source {
            DocumentSource::Media(source) => Some(source),
            DocumentSource::Blocks(_) | DocumentSource::Text(_) => None,
        },
        Block::Image(image) => Some(&image.source),
        Block::Video(video) => Some(&video.source),
        _ => None,
    }
}

fn unsupported(what: &str) -> RequestFault {
    RequestFault::new(
        "messages",
        format!("this upstream does not take {what}; send the data itself, or use another model"),
    )
}

/// The text of the user's content before a history that begins with the model.
const CONTINUED: &str = "(conversation continues)";

/// Google's documented placeholder for the state of a call that the model has not made itself.
const UNSIGNED: &str = "skip_thought_signature_validator";
