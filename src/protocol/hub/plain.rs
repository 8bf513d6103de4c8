//! Content as text, for places and targets that accept nothing else.
use std::borrow::Cow;

use super::block::{Block, DocumentSource, Foreign};

/// The text of a block, or a text that describes it.
pub fn text(block: &Block) -> Cow<'_, str> {
    match block {
        Block::Text(text) => Cow::Borrowed(&text.text),
        Block::Refusal(text) => Cow::Borrowed(text),
        Block::ToolReference(name) => Cow::Owned(format!("[tool loaded: {name}]")),
        Block::SearchResult(result) => {
            let text = joined(&result.blocks);
            Cow::Owned(format!("{}\n{}\n{text}", result.title, result.source))
        }
        Block::Document(document) => {
            let text = match &document.source {
                DocumentSource::Text(text) => Cow::Borrowed(text.as_str()),
                DocumentSource::Blocks(blocks) => Cow::Owned(joined(blocks)),
                DocumentSource::Media(_) => Cow::Borrowed("[document]"),
            };
            let head = [document.title.as_deref(), document.context.as_deref()];
            let lines: Vec<&str> = head.into_iter().flatten().chain([&*text]).collect();
            Cow::Owned(lines.join("\n"))
        }
        Block::Foreign(foreign) => match compaction(foreign) {
            Some(note) => Cow::Owned(note),
            None => Cow::Owned(format!("[{}]", foreign.kind)),
        },
        _ => Cow::Borrowed("[content that this model cannot be shown]"),
    }
}

/// An instruction in the middle of the conversation as a note in the user's turn, for targets that cannot express it
/// otherwise.
pub fn note(block: &Block) -> Cow<'_, str> {
    Cow::Owned(format!("<system-note>\n{}\n</system-note>", text(block)))
}

/// Blocks as text, one per line.
pub fn joined(blocks: &[Block]) -> String {
    blocks.iter().map(text).collect::<Vec<_>>().join("\n")
}

/// Marks text as an error message, for targets without a flag for errors.
pub fn failure(text: String, is_error: bool) -> String {
    if is_error && !text.starts_with("Error") {
        format!("Error: {text}")
    } else {
        text
    }
}

/// Anthropic's summary of a compacted conversation, as a note.
pub fn compaction(foreign: &Foreign) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Compaction {
        content: Option<String>,
    }
    if foreign.kind != "compaction" {
        return None;
    }
    let content = serde_json::from_str::<Compaction>(foreign.raw.get())
        .ok()?
        .content?;
    Some(format!("[summary of the conversation so far]\n{content}"))
}
