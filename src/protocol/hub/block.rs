//! Content blocks, of which the turns of a conversation consist.
use serde_json::value::RawValue;

use super::args::Args;
use super::opaque::Opaque;
use crate::protocol::Dialect;

/// One block of content.
#[derive(Clone, Debug)]
pub enum Block {
    Audio(Audio),
    Document(Document),
    /// Content that only its own dialect understands. Never interpreted.
    Foreign(Foreign),
    Image(Image),
    Reasoning(Reasoning),
    /// A refusal, in the model's words.
    Refusal(String),
    SearchResult(SearchResult),
    /// The result of a tool that the provider ran.
    ServerToolResult(ServerToolResult),
    Text(Text),
    ToolCall(ToolCall),
    /// Anthropic's tool search: the name of a deferred tool that is now loaded.
    ToolReference(String),
    ToolResult(ToolResult),
    Video(Video),
}

impl Block {
    /// Bytes of text in it that the model wrote.
    pub fn written(&self) -> usize {
        match self {
            Self::Text(text) => text.text.len(),
            Self::Refusal(text) => text.len(),
            Self::Reasoning(reasoning) => reasoning
                .visible
                .iter()
                .map(|segment| segment.text.len())
                .sum(),
            Self::ToolCall(call) => call.name.len() + call.args.raw.len(),
            _ => 0,
        }
    }

    /// Whether there is a cache breakpoint after it.
    pub const fn has_cache_mark(&self) -> bool {
        match self {
            Self::Document(Document { cache, .. })
            | Self::Image(Image { cache, .. })
            | Self::SearchResult(SearchResult { cache, .. })
            | Self::Text(Text { cache, .. })
            | Self::ToolCall(ToolCall { cache, .. })
            | Self::ToolResult(ToolResult { cache, .. }) => cache.is_some(),
            _ => false,
        }
    }
}

/// How long a marked prefix stays cached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ttl {
    /// The vendor's default.
    Default,
    /// Five minutes (Anthropic) or thirty (OpenAI).
    Short,
    /// One hour (Anthropic) or twelve (OpenAI).
    Long,
}

#[derive(Clone, Debug, Default)]
pub struct Text {
    pub text: String,
    /// Only for text that the model wrote.
    pub citations: Vec<Citation>,
    /// A cache breakpoint after this block.
    pub cache: Option<Ttl>,
}

impl Text {
    /// Text without citations and cache breakpoint.
    pub fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }
}

/// The source of a passage.
#[derive(Clone, Debug)]
pub enum Citation {
    /// A location that only its own dialect can express.
    Foreign(Foreign),
    Url {
        url: String,
        title: String,
        cited_text: String,
        /// The vendor's own index (Anthropic's `encrypted_index`).
        index: Option<String>,
    },
}

/// Media: the data itself, or its place.
#[derive(Clone, Debug)]
pub enum Source {
    Base64 {
        media_type: String,
        data: String,
    },
    /// An id at one vendor; it is invalid at every other.
    File {
        dialect: Dialect,
        id: String,
    },
    Url {
        url: String,
        media_type: Option<String>,
    },
}

impl Source {
    /// The scheme of a URL that only one cloud can open; `None` for any other source.
    pub fn in_a_cloud(&self) -> Option<&str> {
        match self {
            Self::Url { url, .. }
                if !url.starts_with("http://") && !url.starts_with("https://") =>
            {
                Some(url.split(':').next().unwrap_or(url))
            }
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Image {
    pub source: Source,
    /// OpenAI's `low`, `high`, `auto`, `original`.
    pub detail: Option<String>,
    pub cache: Option<Ttl>,
}

#[derive(Clone, Debug)]
pub struct Document {
    pub source: DocumentSource,
    pub title: Option<String>,
    pub context: Option<String>,
    /// Whether the model shall cite from it.
    pub citations: bool,
    pub cache: Option<Ttl>,
}

#[derive(Clone, Debug)]
pub enum DocumentSource {
    Blocks(Vec<Block>),
    /// In practice a PDF.
    Media(Source),
    Text(String),
}

#[derive(Clone, Debug)]
pub struct Audio {
    pub source: Source,
    /// OpenAI's `wav`, `mp3`.
    pub format: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Video {
    pub source: Source,
}

#[derive(Clone, Debug)]
pub struct SearchResult {
    /// A URL or a name.
    pub source: String,
    pub title: String,
    pub blocks: Vec<Block>,
    pub citations: bool,
    pub cache: Option<Ttl>,
}

/// One contiguous piece of reasoning.
#[derive(Clone, Debug, Default)]
pub struct Reasoning {
    pub visible: Vec<Segment>,
    pub opaque: Option<Opaque>,
    /// The vendor's id of the item (`rs_…`).
    pub id: Option<String>,
}

impl Reasoning {
    /// All visible segments, separated as paragraphs.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for segment in self
            .visible
            .iter()
            .filter(|segment| !segment.text.is_empty())
        {
            if !text.is_empty() {
                text.push_str("\n\n");
            }
            text.push_str(&segment.text);
        }
        text
    }
}

#[derive(Clone, Debug)]
pub struct Segment {
    pub kind: SegmentKind,
    pub text: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SegmentKind {
    /// The chain of thought itself.
    Raw,
    /// The vendor's summary of the chain of thought.
    Summary,
}

#[derive(Clone, Debug)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// The namespace, which only Responses has for tools.
    pub namespace: Option<String>,
    pub args: Args,
    pub kind: CallKind,
    /// Gemini's thought signature of this call.
    pub opaque: Option<Opaque>,
    pub cache: Option<Ttl>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallKind {
    /// The arguments are free text (OpenAI's `custom` tools).
    Freeform,
    Function,
    /// The provider runs it; the client sends no result.
    Server(Hosted),
}

/// A tool that a provider runs itself, or defines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hosted {
    Bash,
    CodeExecution,
    Computer,
    FileSearch,
    ImageGeneration,
    Mcp,
    Memory,
    Other,
    TextEditor,
    ToolSearch,
    WebFetch,
    WebSearch,
}

#[derive(Clone, Debug)]
pub struct ToolResult {
    pub call_id: String,
    pub blocks: Vec<Block>,
    pub is_error: bool,
    pub cache: Option<Ttl>,
}

#[derive(Clone, Debug)]
pub struct ServerToolResult {
    pub kind: Hosted,
    pub call_id: String,
    /// The pages that a web search found, if they are known apart from the vendor's own form.
    pub pages: Vec<Page>,
    pub raw: Foreign,
}

/// A web page.
#[derive(Clone, Debug)]
pub struct Page {
    pub url: String,
    pub title: String,
}

/// A value of one dialect, kept unchanged.
#[derive(Clone, Debug)]
pub struct Foreign {
    pub dialect: Dialect,
    /// Its `type`.
    pub kind: String,
    pub raw: Box<RawValue>,
}
