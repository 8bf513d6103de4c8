//! Encodes the parts of messages and results for an upstream.
use std::borrow::Cow;
use std::path::Path;

use super::super::wire::{AudioOut, BreakpointOut, OutputOut, PartOut, Place};
use crate::protocol::Dialect;
use crate::protocol::hub::block::{
    Block, Document, DocumentSource, Image, Source, Text, ToolResult, Ttl,
};
use crate::protocol::hub::error::{Losses, RequestFault};
use crate::protocol::hub::names;
use crate::protocol::hub::opaque::Vendor;
use crate::protocol::hub::plain;
use crate::protocol::hub::target::Target;
use crate::protocol::models::Traits;

/// Encodes the parts of one conversation.
pub struct Parts<'a, 'w> {
    pub target: &'w Target<'a>,
    pub losses: &'w mut Losses,
}

impl<'a> Parts<'a, '_> {
    /// The result of a tool: one string, unless it contains media.
    pub fn output(&mut self, result: &'a ToolResult) -> Result<OutputOut<'a>, RequestFault> {
        if !result.blocks.iter().any(is_media) {
            if result.cache.is_some() || result.blocks.iter().any(Block::has_cache_mark) {
                self.losses.omit("cache_control");
            }
            let text = plain::joined(&result.blocks);
            return Ok(OutputOut::Text(plain::failure(text, result.is_error)));
        }
        let mut parts = Vec::with_capacity(result.blocks.len() + 1);
        if result.is_error {
            parts.push(input_text(Cow::Borrowed("Error:")));
        }
        for block in &result.blocks {
            self.part(block, &mut parts)?;
        }
        Ok(OutputOut::Parts(parts))
    }

    /// Encodes one block of the model's input.
    pub fn part(
        &mut self,
        block: &'a Block,
        parts: &mut Vec<PartOut<'a>>,
    ) -> Result<(), RequestFault> {
        match block {
            Block::Text(text) => parts.push(self.text(text)),
            Block::Image(image) => {
                let part = self.image(image)?;
                parts.push(part);
            }
            Block::Document(document) => match &document.source {
                DocumentSource::Media(source) => {
                    let part = self.file(document, source)?;
                    parts.push(part);
                }
                DocumentSource::Text(_) | DocumentSource::Blocks(_) => {
                    parts.push(input_text(plain::text(block)));
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
                let id = names::tool_id(&result.call_id, self.target.quirks.tool_ids);
                parts.push(input_text(Cow::Owned(format!(
                    "[result of an earlier tool call {id}]"
                ))));
                match self.output(result)? {
                    OutputOut::Text(text) => parts.push(input_text(Cow::Owned(text))),
                    OutputOut::Parts(mut shown) => parts.append(&mut shown),
                }
            }
            Block::Foreign(foreign) if plain::compaction(foreign).is_none() => {
                self.losses.name("user_content");
            }
            Block::SearchResult(_)
            | Block::ToolReference(_)
            | Block::Refusal(_)
            | Block::Foreign(_) => {
                parts.push(input_text(plain::text(block)));
            }
            Block::Reasoning(_) | Block::ServerToolResult(_) | Block::ToolCall(_) => {
                self.losses.name("user_content");
            }
        }
        Ok(())
    }

    pub fn text(&mut self, text: &'a Text) -> PartOut<'a> {
        PartOut::InputText {
            text: Cow::Borrowed(&text.text),
            prompt_cache_breakpoint: self.breakpoint(text.cache),
        }
    }

    fn image(&mut self, image: &'a Image) -> Result<PartOut<'a>, RequestFault> {
        if let Some(scheme) = image.source.in_a_cloud() {
            return Err(unsupported(&format!("`{scheme}:` URLs")));
        }
        let (image_url, file_id) = match &image.source {
            Source::File { .. } => (None, Some(self.file_id(&image.source)?)),
            source => (Some(place(source)), None),
        };
        Ok(PartOut::InputImage {
            image_url,
            file_id,
            detail: self
                .target
                .detail(image.detail.as_deref())
                .unwrap_or("auto"),
            prompt_cache_breakpoint: self.breakpoint(image.cache),
        })
    }

    fn file(
        &mut self,
        document: &'a Document,
        source: &'a Source,
    ) -> Result<PartOut<'a>, RequestFault> {
        if let Some(scheme) = source.in_a_cloud() {
            return Err(unsupported(&format!("`{scheme}:` URLs")));
        }
        let mut part = (None, None, None, None);
        match source {
            Source::Base64 { media_type, .. } => {
                part.0 = Some(filename(document.title.as_deref(), media_type));
                part.1 = Some(place(source));
            }
            Source::Url { url, .. } => part.2 = Some(url.as_str()),
            Source::File { .. } => part.3 = Some(self.file_id(source)?),
        }
        let (filename, file_data, file_url, file_id) = part;
        Ok(PartOut::InputFile {
            filename,
            file_data,
            file_url,
            file_id,
            prompt_cache_breakpoint: self.breakpoint(document.cache),
        })
    }

    /// The id of an uploaded file; ids are only valid at the vendor to which the file was uploaded.
    fn file_id(&self, source: &'a Source) -> Result<&'a str, RequestFault> {
        match source {
            Source::File {
                dialect: Dialect::OpenaiChat | Dialect::OpenaiResponses,
                id,
            } if self.target.quirks.vendor == Vendor::Openai => Ok(id),
            _ => Err(unsupported("files by the id of another vendor")),
        }
    }

    fn breakpoint(&mut self, mark: Option<Ttl>) -> Option<BreakpointOut> {
        mark?;
        if takes_breakpoints(self.target) {
            return Some(BreakpointOut {
                mode: "explicit",
                ttl: CACHE_TTL,
            });
        }
        self.losses.omit("cache_control");
        None
    }
}

pub fn is_media(block: &Block) -> bool {
    match block {
        Block::Image(_) => true,
        Block::Document(document) => matches!(document.source, DocumentSource::Media(_)),
        _ => false,
    }
}

fn place(source: &Source) -> Place<'_> {
    match source {
        Source::Base64 { media_type, data } => Place::Data { media_type, data },
        Source::Url { url, .. } => Place::Url(url),
        Source::File { id, .. } => Place::Url(id),
    }
}

/// OpenAI requires a name for every file, and determines the type by its ending.
fn filename<'a>(title: Option<&'a str>, media_type: &str) -> Cow<'a, str> {
    let name = title.unwrap_or("document");
    let is_named = Path::new(name)
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("pdf"));
    if media_type == "application/pdf" && !is_named {
        Cow::Owned(format!("{name}.pdf"))
    } else {
        Cow::Borrowed(name)
    }
}

fn unsupported(what: &str) -> RequestFault {
    RequestFault::new(
        "messages",
        format!("this upstream does not take {what}; send the data itself, or use another model"),
    )
}

/// A marker with any lifetime becomes the shorter one: the longer one costs twice as much, which the account's owner
/// has to decide.
pub const CACHE_TTL: &str = "30m";

/// A part of plain text.
pub const fn input_text(text: Cow<'_, str>) -> PartOut<'_> {
    PartOut::InputText {
        text,
        prompt_cache_breakpoint: None,
    }
}

/// Whether the target understands cache breakpoints.
pub fn takes_breakpoints(target: &Target<'_>) -> bool {
    target.capabilities.traits.has(Traits::BREAKPOINTS) && target.quirks.openai_fields
}
