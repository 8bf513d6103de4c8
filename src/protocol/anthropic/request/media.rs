//! Images and files in the form of this dialect.
use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::wire::{BlockOut, CacheOut, SourceOut};
use crate::protocol::hub::block::{Image, Source};
use crate::protocol::hub::error::{Losses, RequestFault};
use crate::protocol::hub::media::sniff;

/// An image as a block.
pub fn image<'a>(image: &'a Image, losses: &mut Losses) -> Result<BlockOut<'a>, RequestFault> {
    if image
        .detail
        .as_deref()
        .is_some_and(|detail| detail != "auto")
    {
        losses.omit("image_url.detail");
    }
    if let Some(scheme) = image.source.in_a_cloud() {
        return Err(unsupported(&format!("`{scheme}:` URLs")));
    }
    let source = match &image.source {
        Source::Base64 { media_type, data } => {
            // Clients often state the wrong type, and Anthropic refuses a mismatch.
            let media_type = sniff(data).unwrap_or(media_type);
            if !IMAGE_TYPES.contains(&media_type) {
                return Err(unsupported(&format!("images of type `{media_type}`")));
            }
            SourceOut::Base64 { media_type, data }
        }
        Source::Url { url, .. } => SourceOut::Url { url },
        Source::File { .. } => return Err(unsupported("files of another provider")),
    };
    Ok(BlockOut::Image {
        source,
        cache_control: image.cache.map(CacheOut::of),
    })
}

/// A file as the source of a document.
pub fn file(source: &Source) -> Result<SourceOut<'_>, RequestFault> {
    if let Some(scheme) = source.in_a_cloud() {
        return Err(unsupported(&format!("`{scheme}:` URLs")));
    }
    match source {
        Source::Url { url, .. } => Ok(SourceOut::Url { url }),
        Source::File { .. } => Err(unsupported("files of another provider")),
        Source::Base64 { media_type, data } if media_type == PDF => {
            Ok(SourceOut::Base64 { media_type, data })
        }
        Source::Base64 { media_type, data } => {
            let bytes = STANDARD
                .decode(data)
                .ok()
                .filter(|_| media_type.starts_with("text/"));
            let Some(text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) else {
                return Err(unsupported(&format!("files of type `{media_type}`")));
            };
            Ok(SourceOut::Text {
                media_type: "text/plain",
                data: Cow::Owned(text),
            })
        }
    }
}

/// The fault for content that this dialect cannot express.
pub fn unsupported(what: &str) -> RequestFault {
    RequestFault::new(
        "messages",
        format!("this upstream does not take {what}; send something else, or use another model"),
    )
}

const PDF: &str = "application/pdf";

const IMAGE_TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];
