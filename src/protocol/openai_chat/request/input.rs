//! Decodes the conversation that a client sends.
use serde_json::value::RawValue;

use super::super::response::{arguments, signature};
use super::super::wire::{FileIn, ImageUrlIn, MessageIn, PartIn, ToolCallIn};
use super::declared::ttl;
use crate::protocol::Dialect;
use crate::protocol::hub::args::Args;
use crate::protocol::hub::block::{
    Audio, Block, CallKind, Document, DocumentSource, Foreign, Image, Reasoning, Segment,
    SegmentKind, Source, Text, ToolCall, ToolResult, Ttl,
};
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::media;
use crate::protocol::hub::opaque::{self, Opaque, OpaqueKind, Vendor};
use crate::protocol::hub::read::{Path, Str, is_string};
use crate::protocol::hub::request::{Request, Role, Turn};

/// Decodes `messages` into the system text and the turns of `request`.
pub fn messages(
    request: &mut Request,
    value: &RawValue,
    path: &Path<'_>,
) -> Result<(), RequestFault> {
    let values: Vec<&RawValue> = path.read(value)?;
    // Calls in the form before tools have no ids, and neither have those of some servers. They are numbered, and
    // results are matched by name.
    let mut unanswered: Vec<(String, String)> = Vec::new();
    let mut numbered = 0_usize;
    for (index, raw) in values.into_iter().enumerate() {
        let path = path.index(index);
        let message: MessageIn<'_> = path.read(raw)?;
        let mut blocks = Vec::new();
        let role = match &*message.role {
            "system" | "developer" => Role::System,
            "user" | "tool" | "function" => Role::User,
            "assistant" => Role::Assistant,
            other => return Err(path.field("role").fault(format!("`{other}` is not a role"))),
        };
        if role == Role::Assistant {
            blocks.extend(reasoning(&message, &path)?);
        }
        content(&message, &path, &mut blocks)?;
        if let (Some(control), Some(last)) = (&message.cache_control, blocks.last_mut()) {
            set_cache(last, ttl(control));
        }
        if let Some(refusal) = message.refusal.filter(|refusal| !refusal.is_empty()) {
            blocks.push(Block::Refusal(refusal.to_owned()));
        }
        for (index, mut tool_call) in message.tool_calls.into_iter().flatten().enumerate() {
            if tool_call.id.as_ref().is_none_or(|id| id.is_empty()) {
                tool_call.id = Some(Str(format!("call_fn_{numbered}").into()));
                numbered += 1;
            }
            let block = call(tool_call, &path.field("tool_calls").index(index))?;
            if let Block::ToolCall(call) = &block {
                unanswered.push((call.name.clone(), call.id.clone()));
            }
            blocks.push(block);
        }
        if let Some(function) = message.function_call {
            let name = function
                .name
                .as_ref()
                .map(crate::protocol::hub::read::Str::to_owned)
                .unwrap_or_default();
            let id = format!("call_fn_{numbered}");
            numbered += 1;
            unanswered.push((name.clone(), id.clone()));
            blocks.push(tool_call(
                id,
                name,
                arguments(&function).into_owned(),
                CallKind::Function,
            ));
        }
        let name = message.name.map(|name| name.to_owned());
        if matches!(&*message.role, "tool" | "function") {
            let call_id = match message.tool_call_id {
                Some(id) if !id.is_empty() => {
                    let id = id.to_owned();
                    let at = unanswered.iter().position(|(_, known)| *known == id);
                    at.map(|at| unanswered.remove(at));
                    id
                }
                _ => answered(&mut unanswered, name.as_deref()),
            };
            blocks = vec![Block::ToolResult(ToolResult {
                call_id,
                blocks,
                is_error: false,
                cache: None,
            })];
        }
        if role == Role::System && request.turns.is_empty() {
            request
                .system
                .extend(blocks.into_iter().filter_map(|block| match block {
                    Block::Text(text) => Some(text),
                    _ => None,
                }));
        } else {
            request.turns.push(Turn { role, blocks, name });
        }
    }
    Ok(())
}

/// The id of the oldest call with this name that has no result yet; without a name, of the oldest such call.
fn answered(unanswered: &mut Vec<(String, String)>, name: Option<&str>) -> String {
    let at = unanswered
        .iter()
        .position(|(called, _)| name.is_none_or(|name| called == name));
    at.map(|at| unanswered.remove(at).1).unwrap_or_default()
}

fn content(
    message: &MessageIn<'_>,
    path: &Path<'_>,
    blocks: &mut Vec<Block>,
) -> Result<(), RequestFault> {
    let Some(raw) = message.content else {
        return Ok(());
    };
    let path = path.field("content");
    if is_string(raw) {
        let text: Str<'_> = path.read(raw)?;
        if !text.is_empty() {
            blocks.push(Block::Text(Text::plain(text.to_owned())));
        }
        return Ok(());
    }
    let values: Vec<&RawValue> = path.read(raw)?;
    for (index, raw) in values.into_iter().enumerate() {
        let path = path.index(index);
        blocks.extend(part(path.read(raw)?, raw, &path)?);
    }
    Ok(())
}

fn part(part: PartIn<'_>, raw: &RawValue, path: &Path<'_>) -> Result<Option<Block>, RequestFault> {
    let cache = part
        .cache_control
        .or(part.prompt_cache_breakpoint)
        .as_ref()
        .map(ttl);
    let required = |name: &str| path.field(name).fault("field required");
    Ok(match part.kind.as_deref().unwrap_or("text") {
        "text" | "input_text" | "output_text" => {
            let text = part.text.ok_or_else(|| required("text"))?;
            (!text.is_empty()).then(|| {
                Block::Text(Text {
                    text: text.to_owned(),
                    citations: Vec::new(),
                    cache,
                })
            })
        }
        "refusal" => part
            .refusal
            .map(|refusal| Block::Refusal(refusal.to_owned())),
        "image_url" | "input_image" => {
            let image = part.image_url.ok_or_else(|| required("image_url"))?;
            // Chat prescribes an object; Responses and some clients use a string.
            let (url, detail) = if is_string(image) {
                (path.read::<Str<'_>>(image)?, None)
            } else {
                let image: ImageUrlIn<'_> = path.field("image_url").read(image)?;
                (image.url, image.detail)
            };
            Some(Block::Image(Image {
                source: source(&url, &path.field("image_url"))?,
                detail: detail.map(|detail| detail.to_owned()),
                cache,
            }))
        }
        "file" => Some(file(part.file.ok_or_else(|| required("file"))?, path)?),
        "input_audio" => {
            let audio = part.input_audio.ok_or_else(|| required("input_audio"))?;
            let format = audio.format.map(|format| format.to_owned());
            Some(Block::Audio(Audio {
                source: media::inline(
                    &format!("audio/{}", format.as_deref().unwrap_or("wav")),
                    &audio.data,
                ),
                format,
            }))
        }
        kind => Some(Block::Foreign(Foreign {
            dialect: Dialect::OpenaiChat,
            kind: kind.to_owned(),
            raw: raw.to_owned(),
        })),
    })
}

fn file(file: FileIn<'_>, path: &Path<'_>) -> Result<Block, RequestFault> {
    let source = match (file.file_data, file.file_id) {
        (Some(data), _) => source(&data, &path.field("file.file_data"))?,
        (None, Some(id)) => Source::File {
            dialect: Dialect::OpenaiChat,
            id: id.to_owned(),
        },
        (None, None) => return Err(path.field("file.file_data").fault("field required")),
    };
    Ok(Block::Document(Document {
        source: DocumentSource::Media(source),
        title: file.filename.map(|name| name.to_owned()),
        context: None,
        citations: false,
        cache: None,
    }))
}

/// The source for a URL; a `data:` URL contains the data itself.
fn source(url: &str, path: &Path<'_>) -> Result<Source, RequestFault> {
    media::by_url(url).map_err(|fault| path.fault(fault))
}

fn call(call: ToolCallIn<'_>, path: &Path<'_>) -> Result<Block, RequestFault> {
    let required = |name: &str| path.field(name).fault("field required");
    let id = call.id.ok_or_else(|| required("id"))?.to_owned();
    if let Some(custom) = call.custom {
        let name = custom
            .name
            .ok_or_else(|| required("custom.name"))?
            .to_owned();
        let input = custom
            .input
            .map(|input| input.to_owned())
            .unwrap_or_default();
        return Ok(tool_call(id, name, input, CallKind::Freeform));
    }
    let opaque = call.extra_content.and_then(signature);
    let function = call.function.ok_or_else(|| required("function"))?;
    let args = arguments(&function).into_owned();
    let name = function
        .name
        .ok_or_else(|| required("function.name"))?
        .to_owned();
    Ok(match tool_call(id, name, args, CallKind::Function) {
        Block::ToolCall(call) => Block::ToolCall(ToolCall { opaque, ..call }),
        block => block,
    })
}

fn tool_call(id: String, name: String, args: String, kind: CallKind) -> Block {
    Block::ToolCall(ToolCall {
        id,
        name,
        namespace: None,
        args: Args::new(args),
        kind,
        opaque: None,
        cache: None,
    })
}

/// Reasoning that a client sends back, in any of the fields for it. If one field has opaque state, the others only
/// repeat its text and are ignored.
fn reasoning(message: &MessageIn<'_>, path: &Path<'_>) -> Result<Vec<Block>, RequestFault> {
    let mut carried = Vec::new();
    for (name, list) in [
        (THINKING_BLOCKS, message.thinking_blocks),
        ("reasoning_details", message.reasoning_details),
    ] {
        let Some(raw) = list.filter(|_| carried.is_empty()) else {
            continue;
        };
        let entries: Vec<ThoughtIn<'_>> = path.field(name).read(raw)?;
        carried.extend(
            entries
                .into_iter()
                .filter_map(|entry| entry.into_block(name == THINKING_BLOCKS)),
        );
    }
    if !carried.is_empty() {
        return Ok(carried);
    }
    let plain = message.reasoning.filter(|raw| is_string(raw));
    let text = match (&message.reasoning_content, plain) {
        (Some(text), _) if !text.is_empty() => text.to_owned(),
        (_, Some(raw)) => path.read::<Str<'_>>(raw)?.to_owned(),
        (Some(_) | None, None) => return Ok(Vec::new()),
    };
    Ok(vec![block(text, None)])
}

/// An entry of `thinking_blocks` (LiteLLM's, in the form of Anthropic's blocks) or of `reasoning_details`
/// (OpenRouter's).
#[derive(serde::Deserialize)]
struct ThoughtIn<'a> {
    #[serde(borrow)]
    thinking: Option<Str<'a>>,
    #[serde(borrow)]
    text: Option<Str<'a>>,
    #[serde(borrow)]
    signature: Option<Str<'a>>,
    #[serde(borrow)]
    data: Option<Str<'a>>,
}

impl ThoughtIn<'_> {
    /// `None` without state of a known vendor. `native`: Anthropic's own state may occur without an envelope.
    fn into_block(self, native: bool) -> Option<Block> {
        let text = self
            .thinking
            .or(self.text)
            .map(|text| text.to_owned())
            .unwrap_or_default();
        let (state, kind) = match (self.signature, self.data) {
            (Some(signature), _) if !signature.is_empty() => (signature, OpaqueKind::Signature),
            (_, Some(data)) if !data.is_empty() => (data, OpaqueKind::Redacted),
            _ => return None,
        };
        let native = native.then(|| Opaque::native(Vendor::Anthropic, kind, state.to_owned()));
        Some(block(text, Some(opaque::unseal(&state).or(native)?)))
    }
}

fn block(text: String, opaque: Option<Opaque>) -> Block {
    Block::Reasoning(Reasoning {
        visible: vec![Segment {
            kind: SegmentKind::Raw,
            text,
        }],
        opaque,
        id: None,
    })
}

const THINKING_BLOCKS: &str = "thinking_blocks";

fn set_cache(block: &mut Block, ttl: Ttl) {
    match block {
        Block::Text(Text { cache, .. })
        | Block::Image(Image { cache, .. })
        | Block::Document(Document { cache, .. }) => {
            *cache = Some(ttl);
        }
        _ => {}
    }
}
