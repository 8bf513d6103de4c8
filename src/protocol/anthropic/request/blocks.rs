//! Content blocks in the form of this dialect, as they occur in requests and in answers.
use serde_json::value::RawValue;

use super::super::wire::{BlockIn, CacheIn, SourceIn};
use crate::protocol::Dialect;
use crate::protocol::hub::args::Args;
use crate::protocol::hub::block::{
    Block, CallKind, Citation, Document, DocumentSource, Foreign, Hosted, Image, Reasoning,
    SearchResult, Segment, SegmentKind, ServerToolResult, Source, Text, ToolCall, ToolResult, Ttl,
};
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::media;
use crate::protocol::hub::opaque::{self, Opaque, OpaqueKind, Vendor};
use crate::protocol::hub::read::{Path, Str, is_string};

/// Reads content blocks.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// The number of nested containers that may still be entered.
    depth: u8,
}

impl Reader {
    /// A reader for the content of a message.
    pub const fn new() -> Self {
        Self { depth: DEEPEST }
    }

    /// Reads content that is a string or a list of blocks. Empty text is left out: clients send it back, but providers
    /// refuse it.
    pub fn content(self, value: &RawValue, path: &Path<'_>) -> Result<Vec<Block>, RequestFault> {
        if is_string(value) {
            let text: Str<'_> = path.read(value)?;
            return Ok(if text.is_empty() {
                Vec::new()
            } else {
                vec![Block::Text(Text::plain(text.to_owned()))]
            });
        }
        let values: Vec<&RawValue> = path.read(value)?;
        let mut blocks = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            blocks.extend(self.block(value, &path.index(index))?);
        }
        Ok(blocks)
    }

    /// Reads one block; `None` for empty text.
    pub fn block(self, value: &RawValue, path: &Path<'_>) -> Result<Option<Block>, RequestFault> {
        let block: BlockIn<'_> = path.read(value)?;
        let cache = block.cache_control.as_ref().map(ttl);
        Ok(Some(match &*block.kind {
            "text" => {
                let text = need(block.text, path, "text")?;
                if text.is_empty() {
                    return Ok(None);
                }
                let citations = match block.citations {
                    Some(citations) => self::citations(citations, path)?,
                    None => Vec::new(),
                };
                Block::Text(Text {
                    text: text.to_owned(),
                    citations,
                    cache,
                })
            }
            "image" => Block::Image(Image {
                source: place(block.source, path)?,
                detail: None,
                cache,
            }),
            "document" => Block::Document(Document {
                source: self.document(block.source, path)?,
                title: block.title.map(|title| title.to_owned()),
                context: block.context.map(|context| context.to_owned()),
                citations: is_enabled(block.citations),
                cache,
            }),
            "search_result" => Block::SearchResult(SearchResult {
                source: match block.source {
                    Some(source) => path.read::<Str<'_>>(source)?.to_owned(),
                    None => String::new(),
                },
                title: block
                    .title
                    .map(|title| title.to_owned())
                    .unwrap_or_default(),
                blocks: self.inner(block.content, path)?,
                citations: is_enabled(block.citations),
                cache,
            }),
            "thinking" => thinking(block),
            "redacted_thinking" => Block::Reasoning(Reasoning {
                visible: Vec::new(),
                opaque: block.data.map(|data| carried(&data, OpaqueKind::Redacted)),
                id: None,
            }),
            "tool_use" => Block::ToolCall(ToolCall {
                id: need(block.id, path, "id")?.to_owned(),
                name: need(block.name, path, "name")?.to_owned(),
                namespace: None,
                args: Args::new(block.input.map(RawValue::get).unwrap_or_default()),
                kind: CallKind::Function,
                opaque: None,
                cache,
            }),
            "tool_result" => Block::ToolResult(ToolResult {
                call_id: need(block.tool_use_id, path, "tool_use_id")?.to_owned(),
                blocks: self.inner(block.content, path)?,
                is_error: block.is_error.unwrap_or(false),
                cache,
            }),
            "tool_reference" => {
                Block::ToolReference(need(block.tool_name, path, "tool_name")?.to_owned())
            }
            _ => provided(&block, value, path)?,
        }))
    }

    fn inner(
        self,
        content: Option<&RawValue>,
        path: &Path<'_>,
    ) -> Result<Vec<Block>, RequestFault> {
        let Some(content) = content else {
            return Ok(Vec::new());
        };
        let depth = self
            .depth
            .checked_sub(1)
            .ok_or_else(|| path.fault("content is nested too deeply"))?;
        Self { depth }.content(content, &path.field("content"))
    }

    fn document(
        self,
        source: Option<&RawValue>,
        path: &Path<'_>,
    ) -> Result<DocumentSource, RequestFault> {
        let path = path.field("source");
        let raw = source.ok_or_else(|| path.fault("field required"))?;
        let source: SourceIn<'_> = path.read(raw)?;
        Ok(match &*source.kind {
            "text" => DocumentSource::Text(need(source.data, &path, "data")?.to_owned()),
            "content" => DocumentSource::Blocks(self.inner(source.content, &path)?),
            _ => DocumentSource::Media(self::source(source, &path)?),
        })
    }
}

fn thinking(block: BlockIn<'_>) -> Block {
    let signature = block.signature.filter(|signature| !signature.is_empty());
    Block::Reasoning(Reasoning {
        visible: vec![Segment {
            kind: SegmentKind::Raw,
            text: block
                .thinking
                .map(|text| text.to_owned())
                .unwrap_or_default(),
        }],
        opaque: signature.map(|signature| carried(&signature, OpaqueKind::Signature)),
        id: None,
    })
}

/// Reads a block that belongs to a tool which the provider ran, or a block of an unknown type.
fn provided(block: &BlockIn<'_>, value: &RawValue, path: &Path<'_>) -> Result<Block, RequestFault> {
    if &*block.kind == "server_tool_use" {
        let name = need(block.name.clone(), path, "name")?.to_owned();
        return Ok(Block::ToolCall(ToolCall {
            id: need(block.id.clone(), path, "id")?.to_owned(),
            kind: CallKind::Server(hosted(&name)),
            name,
            namespace: None,
            args: Args::new(block.input.map(RawValue::get).unwrap_or_default()),
            opaque: None,
            cache: None,
        }));
    }
    let raw = Foreign {
        dialect: Dialect::Anthropic,
        kind: block.kind.to_owned(),
        raw: value.to_owned(),
    };
    Ok(match (hosted_result(&block.kind), &block.tool_use_id) {
        (Some(kind), Some(call_id)) => Block::ServerToolResult(ServerToolResult {
            kind,
            call_id: call_id.to_owned(),
            pages: Vec::new(),
            raw,
        }),
        _ => Block::Foreign(raw),
    })
}

/// The hosted tool that a server tool of this name is.
pub fn hosted(name: &str) -> Hosted {
    match name {
        "web_search" => Hosted::WebSearch,
        "web_fetch" => Hosted::WebFetch,
        "code_execution" | "bash_code_execution" | "text_editor_code_execution" => {
            Hosted::CodeExecution
        }
        name if name.starts_with("tool_search") => Hosted::ToolSearch,
        _ => Hosted::Other,
    }
}

/// The hosted tool whose result a block of this type is.
pub fn hosted_result(kind: &str) -> Option<Hosted> {
    match kind {
        "mcp_tool_result" => Some(Hosted::Mcp),
        "tool_result" => None,
        kind => kind.strip_suffix("_tool_result").map(hosted),
    }
}

/// How long a marked block stays cached.
pub fn ttl(cache: &CacheIn<'_>) -> Ttl {
    match cache.ttl.as_deref() {
        Some("5m") => Ttl::Short,
        Some("1h") => Ttl::Long,
        _ => Ttl::Default,
    }
}

/// The value of a field that the block's type requires.
pub fn need<'a>(
    value: Option<Str<'a>>,
    path: &Path<'_>,
    name: &str,
) -> Result<Str<'a>, RequestFault> {
    value.ok_or_else(|| path.field(name).fault("field required"))
}

/// One citation.
pub fn citation(raw: &RawValue) -> Result<Citation, serde_json::Error> {
    let fields: CitationIn<'_> = serde_json::from_str(raw.get())?;
    Ok(match (&*fields.kind, fields.url) {
        ("web_search_result_location", Some(url)) => Citation::Url {
            url: url.to_owned(),
            title: fields
                .title
                .map(|title| title.to_owned())
                .unwrap_or_default(),
            cited_text: fields
                .cited_text
                .map(|text| text.to_owned())
                .unwrap_or_default(),
            index: fields.encrypted_index.map(|index| index.to_owned()),
        },
        (kind, _) => Citation::Foreign(Foreign {
            dialect: Dialect::Anthropic,
            kind: kind.to_owned(),
            raw: raw.to_owned(),
        }),
    })
}

#[derive(serde::Deserialize)]
struct CitationIn<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    url: Option<Str<'a>>,
    #[serde(borrow)]
    title: Option<Str<'a>>,
    #[serde(borrow)]
    cited_text: Option<Str<'a>>,
    #[serde(borrow)]
    encrypted_index: Option<Str<'a>>,
}

fn citations(raw: &RawValue, path: &Path<'_>) -> Result<Vec<Citation>, RequestFault> {
    let path = path.field("citations");
    let values: Vec<&RawValue> = path.read(raw)?;
    values
        .into_iter()
        .enumerate()
        .map(|(index, value)| {
            citation(value).map_err(|error| path.index(index).fault(error.to_string()))
        })
        .collect()
}

fn is_enabled(citations: Option<&RawValue>) -> bool {
    #[derive(serde::Deserialize)]
    struct Enabled {
        enabled: Option<bool>,
    }
    citations
        .and_then(|raw| serde_json::from_str::<Enabled>(raw.get()).ok())
        .and_then(|citations| citations.enabled)
        .unwrap_or(false)
}

/// State from a field of this dialect: one of Weir's envelopes, or Anthropic's own state.
fn carried(text: &str, kind: OpaqueKind) -> Opaque {
    opaque::unseal(text).unwrap_or_else(|| Opaque::native(Vendor::Anthropic, kind, text))
}

fn place(source: Option<&RawValue>, path: &Path<'_>) -> Result<Source, RequestFault> {
    let path = path.field("source");
    let raw = source.ok_or_else(|| path.fault("field required"))?;
    let source: SourceIn<'_> = path.read(raw)?;
    self::source(source, &path)
}

fn source(source: SourceIn<'_>, path: &Path<'_>) -> Result<Source, RequestFault> {
    Ok(match &*source.kind {
        "base64" => media::inline(
            &need(source.media_type, path, "media_type")?,
            &need(source.data, path, "data")?,
        ),
        "url" => Source::Url {
            url: need(source.url, path, "url")?.to_owned(),
            media_type: None,
        },
        "file" => Source::File {
            dialect: Dialect::Anthropic,
            id: need(source.file_id, path, "file_id")?.to_owned(),
        },
        kind => {
            return Err(path
                .field("type")
                .fault(format!("`{kind}` is not supported")));
        }
    })
}

/// Most containers within each other: for example a result that contains a document that contains blocks.
const DEEPEST: u8 = 4;
