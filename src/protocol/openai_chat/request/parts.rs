//! Parts of messages: blocks as parts, or described as text.
use std::borrow::Cow;

use super::super::wire::{ContentOut, FileOut, MessageOut, PartOut};
use crate::protocol::hub::block::{Document, Source};
use crate::protocol::hub::error::RequestFault;

/// A document as a file.
pub fn file<'a>(document: &'a Document, source: &'a Source) -> Result<PartOut<'a>, RequestFault> {
    let Source::Base64 { media_type, data } = source else {
        return Err(unsupported("documents by URL or file id"));
    };
    let name = document.title.as_deref().unwrap_or("document");
    let extension = if media_type == "application/pdf" {
        ".pdf"
    } else {
        ""
    };
    let filename = if name.ends_with(extension) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("{name}{extension}"))
    };
    Ok(PartOut::File {
        file: FileOut {
            filename,
            file_data: format!("data:{media_type};base64,{data}"),
        },
    })
}

/// The fault for content that this dialect cannot express.
pub fn unsupported(what: &str) -> RequestFault {
    RequestFault::new(
        "messages",
        format!("this upstream does not take {what}; send the data itself, or use another model"),
    )
}

/// Appends to a text.
pub fn append<'a>(text: &mut Cow<'a, str>, more: &'a str) {
    if text.is_empty() {
        *text = Cow::Borrowed(more);
    } else {
        text.to_mut().push_str(more);
    }
}

/// A part of plain text.
pub const fn text_part(text: Cow<'_, str>) -> PartOut<'_> {
    PartOut::Text {
        text,
        prompt_cache_breakpoint: None,
    }
}

/// Plain text becomes one string, because some servers refuse lists. Text with a cache breakpoint must be a part.
pub fn content(parts: Vec<PartOut<'_>>) -> ContentOut<'_> {
    let plain = |part: &PartOut<'_>| {
        matches!(
            part,
            PartOut::Text {
                prompt_cache_breakpoint: None,
                ..
            }
        )
    };
    if !parts.iter().all(plain) {
        return ContentOut::Parts(parts);
    }
    let mut texts = parts.into_iter().filter_map(|part| match part {
        PartOut::Text { text, .. } => Some(text),
        _ => None,
    });
    let first = texts.next().unwrap_or_default();
    ContentOut::Text(texts.fold(first, |all, text| Cow::Owned(format!("{all}\n\n{text}"))))
}

/// If there are more breakpoints than the provider accepts, keeps the last ones, which cover the most.
pub fn keep_last_breakpoints(messages: &mut [MessageOut<'_>]) {
    let marks = messages
        .iter_mut()
        .rev()
        .flat_map(|message| match &mut message.content {
            Some(ContentOut::Parts(parts)) => parts.iter_mut().rev().collect::<Vec<_>>(),
            _ => Vec::new(),
        });
    let marks = marks.filter_map(|part| match part {
        PartOut::ImageUrl {
            prompt_cache_breakpoint,
            ..
        }
        | PartOut::Text {
            prompt_cache_breakpoint,
            ..
        } if prompt_cache_breakpoint.is_some() => Some(prompt_cache_breakpoint),
        _ => None,
    });
    for mark in marks.skip(MOST_BREAKPOINTS) {
        *mark = None;
    }
}

/// Most cache breakpoints that OpenAI accepts.
const MOST_BREAKPOINTS: usize = 4;
