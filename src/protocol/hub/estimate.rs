//! An estimate of a prompt's tokens, for clients that need a number before the upstream states one, or instead.
use serde_json::value::RawValue;

use super::block::{Block, DocumentSource};
use super::context::BYTES_PER_TOKEN;
use super::request::{Request, Tool};

/// The estimated tokens of the prompt; at least 1.
pub fn prompt(request: &Request) -> u64 {
    text(request).div_ceil(BYTES_PER_TOKEN).max(1)
}

/// The approximate size of the encoded request in bytes: its text, and a quarter more for escapes and structure.
pub fn bytes(request: &Request) -> usize {
    let text = usize::try_from(text(request)).unwrap_or(0);
    text + text / 4 + 512
}

/// The bytes of text in the whole request. Every kind of block counts: agents' prompts consist mostly of tools and
/// results.
fn text(request: &Request) -> u64 {
    let system: u64 = request
        .system
        .iter()
        .map(|text| text.text.len() as u64)
        .sum();
    let tools: u64 = request.tools.iter().map(tool).sum();
    let turns: u64 = request
        .turns
        .iter()
        .map(|turn| TURN + turn.blocks.iter().map(block).sum::<u64>())
        .sum();
    system + tools + turns
}

/// The bytes of text that a tool counts as.
fn tool(tool: &Tool) -> u64 {
    let length = |raw: &Option<Box<RawValue>>| raw.as_deref().map_or(0, |raw| raw.get().len());
    let length = match tool {
        Tool::Function(tool) => {
            tool.description.as_deref().map_or(0, str::len) + length(&tool.schema)
        }
        Tool::Freeform(tool) => {
            tool.description.as_deref().map_or(0, str::len) + length(&tool.format)
        }
        Tool::Hosted(tool) => tool.raw.get().len(),
    };
    length as u64 + TURN
}

/// The bytes of text that a block counts as.
fn block(block: &Block) -> u64 {
    let all = |blocks: &[Block]| blocks.iter().map(self::block).sum::<u64>();
    match block {
        Block::Image(_) | Block::Audio(_) | Block::Video(_) => PICTURE,
        Block::Document(document) => match &document.source {
            DocumentSource::Blocks(blocks) => all(blocks),
            DocumentSource::Media(_) => PICTURE * 4,
            DocumentSource::Text(text) => text.len() as u64,
        },
        Block::SearchResult(result) => all(&result.blocks) + result.title.len() as u64,
        Block::ToolResult(result) => all(&result.blocks) + TURN,
        Block::ServerToolResult(result) => result.raw.raw.get().len() as u64,
        Block::Foreign(foreign) => foreign.raw.get().len() as u64,
        Block::ToolReference(name) => name.len() as u64,
        Block::Reasoning(_) | Block::Refusal(_) | Block::Text(_) | Block::ToolCall(_) => {
            block.written() as u64
        }
    }
}

/// The overhead of a turn or a tool besides its text, in bytes of text.
const TURN: u64 = 20;

/// What an image, audio or video counts as, in bytes of text: about 1,500 tokens.
const PICTURE: u64 = 6_000;
