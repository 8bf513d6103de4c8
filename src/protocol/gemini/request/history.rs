//! Decodes the conversation that a client sends.
//!
//! Older clients give calls no ids. Such a call gets a generated id. A result without an id, or with an id that no call
//! has, belongs to the first open call of its name.
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::said::made_id;
use super::super::wire::{BlobIn, CallIn, ContentIn, FileIn, PartIn, ResultIn};
use crate::protocol::Dialect;
use crate::protocol::hub::args::Args;
use crate::protocol::hub::block::{
    Audio, Block, CallKind, Document, DocumentSource, Foreign, Image, Reasoning, Segment,
    SegmentKind, Source, Text, ToolCall, ToolResult, Video,
};
use crate::protocol::hub::opaque::{self, Opaque, OpaqueKind, Vendor};
use crate::protocol::hub::read::Str;
use crate::protocol::hub::request::{Role, Turn};

/// Decodes the turns. Consecutive contents of the model become one turn: SDKs keep every chunk of a stream as a content
/// of its own.
pub fn turns(contents: Vec<ContentIn<'_>>) -> Vec<Turn> {
    let mut reader = Reader::default();
    let mut turns = Vec::with_capacity(contents.len());
    let mut contents = contents.into_iter().peekable();
    while let Some(content) = contents.next() {
        let mut parts = content.parts;
        let role = role(content.role.as_ref());
        if role == Role::Assistant {
            while let Some(next) = contents.next_if(|next| self::role(next.role.as_ref()) == role) {
                parts.extend(next.parts);
            }
        }
        let mut blocks = reader.blocks(parts);
        if role == Role::Assistant {
            blocks = joined(blocks);
        }
        if !blocks.is_empty() {
            turns.push(Turn {
                role,
                blocks,
                name: None,
            });
        }
        reader.turn += 1;
    }
    turns
}

fn role(name: Option<&Str<'_>>) -> Role {
    match name.map(|name| &**name) {
        Some("model") => Role::Assistant,
        _ => Role::User,
    }
}

/// Joins consecutive texts, which are pieces of one text.
fn joined(blocks: Vec<Block>) -> Vec<Block> {
    let mut joined: Vec<Block> = Vec::with_capacity(blocks.len());
    for block in blocks {
        match (joined.last_mut(), block) {
            (Some(Block::Text(last)), Block::Text(next)) => last.text.push_str(&next.text),
            (_, block) => joined.push(block),
        }
    }
    joined
}

#[derive(Default)]
struct Reader {
    turn: usize,
    /// Calls without a result so far: name and id.
    open: Vec<(String, String)>,
}

impl Reader {
    fn blocks(&mut self, parts: Vec<PartIn<'_>>) -> Vec<Block> {
        let mut blocks = Vec::with_capacity(parts.len());
        // Thoughts are kept until the state comes, which is on a later part.
        let mut thought = Reasoning::default();
        for (index, part) in parts.into_iter().enumerate() {
            let state = part
                .thought_signature
                .as_ref()
                .and_then(|state| carried(state));
            if part.thought == Some(true) {
                thought
                    .visible
                    .extend(
                        part.text
                            .filter(|text| !text.is_empty())
                            .map(|text| Segment {
                                kind: SegmentKind::Summary,
                                text: text.to_owned(),
                            }),
                    );
                if state.is_some() {
                    thought.opaque = state;
                }
                continue;
            }
            let own = match state {
                // Gemini's own state belongs to the call itself.
                Some(state) if state.vendor == Vendor::Gemini => Some(state),
                Some(state) => {
                    thought.opaque = Some(state);
                    None
                }
                None => None,
            };
            if !thought.visible.is_empty() || thought.opaque.is_some() {
                blocks.push(Block::Reasoning(std::mem::take(&mut thought)));
            }
            blocks.extend(self.part(index, part, own));
        }
        if !thought.visible.is_empty() || thought.opaque.is_some() {
            blocks.push(Block::Reasoning(thought));
        }
        blocks
    }

    fn part(&mut self, index: usize, part: PartIn<'_>, state: Option<Opaque>) -> Option<Block> {
        if let Some(call) = part.function_call {
            return Some(Block::ToolCall(self.call(index, &call, state)));
        }
        if let Some(result) = part.function_response {
            return Some(Block::ToolResult(self.result(index, *result)));
        }
        if let Some(blob) = part.inline_data {
            return Some(inline(&blob));
        }
        if let Some(file) = part.file_data {
            return Some(by_reference(&file));
        }
        if let Some(raw) = part.executable_code {
            return Some(foreign("executableCode", raw));
        }
        if let Some(raw) = part.code_execution_result {
            return Some(foreign("codeExecutionResult", raw));
        }
        let text = part.text.filter(|text| !text.is_empty())?;
        Some(Block::Text(Text::plain(text.to_owned())))
    }

    fn call(&mut self, index: usize, call: &CallIn<'_>, state: Option<Opaque>) -> ToolCall {
        let args = call.args.map_or("{}", RawValue::get);
        let id = match &call.id {
            Some(id) if !id.is_empty() => id.to_owned(),
            _ => made_id(&format!("{}.{index}", self.turn), &call.name, args),
        };
        self.open.push((call.name.to_owned(), id.clone()));
        ToolCall {
            id,
            name: call.name.to_owned(),
            namespace: None,
            args: Args::new(args),
            kind: CallKind::Function,
            opaque: state,
            cache: None,
        }
    }

    fn result(&mut self, index: usize, result: ResultIn<'_>) -> ToolResult {
        let name = result.name.as_deref().unwrap_or_default();
        let id = result.id.as_deref().filter(|id| !id.is_empty());
        let by_id = id.and_then(|id| self.open.iter().position(|(_, known)| known == id));
        // Gemini CLI answers calls that had no id with ids of its own.
        let by_name = || self.open.iter().position(|(known, _)| known == name);
        let open = by_id.or_else(by_name);
        let call_id = match (open, id) {
            (Some(at), _) => self.open.remove(at).1,
            (None, Some(id)) => id.to_owned(),
            (None, None) => made_id(&format!("{}.{index}", self.turn), name, ""),
        };
        let (text, is_error) = result.response.map(said).unwrap_or_default();
        let mut blocks = Vec::new();
        if !text.is_empty() {
            blocks.push(Block::Text(Text::plain(text)));
        }
        for part in result.parts {
            blocks.extend(part.inline_data.as_deref().map(inline));
            blocks.extend(part.file_data.as_deref().map(by_reference));
        }
        ToolResult {
            call_id,
            blocks,
            is_error,
            cache: None,
        }
    }
}

/// The result of a tool as text, and whether it is an error, by the member names that Google's SDKs use for both.
fn said(response: &RawValue) -> (String, bool) {
    let Ok(Value::Object(object)) = serde_json::from_str(response.get()) else {
        return (response.get().to_owned(), false);
    };
    let mut members = object.iter();
    match (members.next(), members.next()) {
        (Some((name, value)), None) if matches!(name.as_str(), "output" | "result" | "error") => {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (text, name == "error")
        }
        _ => (response.get().to_owned(), object.contains_key("error")),
    }
}

fn inline(blob: &BlobIn<'_>) -> Block {
    let named = blob.mime_type.as_deref().unwrap_or_default();
    let source = crate::protocol::hub::media::inline(named, &blob.data);
    let kind = match &source {
        Source::Base64 { media_type, .. } => media_type.clone(),
        Source::File { .. } | Source::Url { .. } => String::new(),
    };
    media(&kind, source)
}

fn by_reference(file: &FileIn<'_>) -> Block {
    let media_type = file
        .mime_type
        .as_ref()
        .map(crate::protocol::hub::read::Str::to_owned);
    let uri = file.file_uri.to_owned();
    let source = if uri.starts_with(GOOGLE_FILES) {
        Source::File {
            dialect: Dialect::Gemini,
            id: uri,
        }
    } else {
        Source::Url {
            url: uri,
            media_type: media_type.clone(),
        }
    };
    media(media_type.as_deref().unwrap_or_default(), source)
}

fn media(media_type: &str, source: Source) -> Block {
    match media_type.split('/').next() {
        Some("image") => Block::Image(Image {
            source,
            detail: None,
            cache: None,
        }),
        Some("audio") => Block::Audio(Audio {
            format: media_type
                .split_once('/')
                .map(|(_, format)| format.trim_start_matches("x-").to_owned()),
            source,
        }),
        Some("video") => Block::Video(Video { source }),
        _ => Block::Document(Document {
            source: DocumentSource::Media(source),
            title: None,
            context: None,
            citations: false,
            cache: None,
        }),
    }
}

fn foreign(kind: &str, raw: &RawValue) -> Block {
    Block::Foreign(Foreign {
        dialect: Dialect::Gemini,
        kind: kind.to_owned(),
        raw: raw.to_owned(),
    })
}

/// State on a part: one of Weir's envelopes, or Gemini's own state. The field holds base64 in either alphabet, because
/// SDKs re-encode it.
fn carried(text: &Str<'_>) -> Option<Opaque> {
    if text.is_empty() || SENTINELS.contains(&&**text) {
        return None;
    }
    let alphabets = [base64::alphabet::STANDARD, base64::alphabet::URL_SAFE];
    let envelope = alphabets.iter().find_map(|alphabet| {
        let config =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let bytes = GeneralPurpose::new(alphabet, config).decode(&**text).ok()?;
        opaque::unseal(std::str::from_utf8(&bytes).ok()?)
    });
    Some(envelope.unwrap_or_else(|| Opaque::native(Vendor::Gemini, OpaqueKind::Thought, &**text)))
}

/// Placeholders for missing state.
const SENTINELS: &[&str] = &[
    "skip_thought_signature_validator",
    "context_engineering_is_the_way_to_go",
];

/// The place of uploaded files.
const GOOGLE_FILES: &str = "https://generativelanguage.googleapis.com/";
