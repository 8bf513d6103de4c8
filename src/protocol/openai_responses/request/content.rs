//! Decodes the parts of a client's messages and results.
use serde_json::value::RawValue;

use super::super::wire::{BreakpointIn, ImageUrlIn, PartIn};
use crate::protocol::Dialect;
use crate::protocol::hub::block::{
    Audio, Block, Document, DocumentSource, Foreign, Image, Source, Text, Ttl,
};
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::media;
use crate::protocol::hub::read::{Path, Str, is_array, is_string};

/// Decodes content that is a string or a list of parts. Empty text is left out.
pub fn blocks(value: &RawValue, path: &Path<'_>) -> Result<Vec<Block>, RequestFault> {
    if is_string(value) {
        let text: Str<'_> = path.read(value)?;
        let block = (!text.is_empty()).then(|| Block::Text(Text::plain(text.to_owned())));
        return Ok(block.into_iter().collect());
    }
    let values: Vec<&RawValue> = path.read(value)?;
    let mut blocks = Vec::with_capacity(values.len());
    for (index, raw) in values.into_iter().enumerate() {
        let path = path.index(index);
        blocks.extend(block(raw, &path.read(raw)?, &path)?);
    }
    Ok(blocks)
}

/// The parts of a list; none for any other value.
pub fn parts<'a>(value: &'a RawValue, path: &Path<'_>) -> Result<Vec<PartIn<'a>>, RequestFault> {
    if is_array(value) {
        path.read(value)
    } else {
        Ok(Vec::new())
    }
}

fn block(
    raw: &RawValue,
    part: &PartIn<'_>,
    path: &Path<'_>,
) -> Result<Option<Block>, RequestFault> {
    let cache = part.prompt_cache_breakpoint.as_ref().map(ttl);
    let own = |text: &Option<Str<'_>>| text.as_ref().map(crate::protocol::hub::read::Str::to_owned);
    Ok(Some(match &*part.kind {
        "input_text" | "output_text" | "text" | "summary_text" => {
            let text = own(&part.text).unwrap_or_default();
            if text.is_empty() {
                return Ok(None);
            }
            Block::Text(Text {
                text,
                citations: Vec::new(),
                cache,
            })
        }
        "refusal" => Block::Refusal(own(&part.refusal).unwrap_or_default()),
        "input_image" | "image_url" => Block::Image(Image {
            source: match (&part.image_url, &part.file_id) {
                (Some(url), _) => picture(url, &path.field("image_url"))?,
                (None, Some(id)) => file(id),
                (None, None) => return Err(path.field("image_url").fault("field required")),
            },
            detail: own(&part.detail),
            cache,
        }),
        "input_file" => Block::Document(Document {
            source: DocumentSource::Media(match (&part.file_data, &part.file_url, &part.file_id) {
                (Some(data), ..) if data.contains(':') => place(data, &path.field("file_data"))?,
                (Some(data), ..) => media::inline("application/pdf", data),
                (None, Some(url), _) => place(url, &path.field("file_url"))?,
                (None, None, Some(id)) => file(id),
                (None, None, None) => return Err(path.field("file_data").fault("field required")),
            }),
            title: own(&part.filename),
            context: None,
            citations: false,
            cache,
        }),
        "input_audio" => {
            let Some(audio) = &part.input_audio else {
                return Err(path.field("input_audio").fault("field required"));
            };
            Block::Audio(Audio {
                source: media::inline(&format!("audio/{}", &*audio.format), &audio.data),
                format: Some(audio.format.to_owned()),
            })
        }
        kind => Block::Foreign(Foreign {
            dialect: Dialect::OpenaiResponses,
            kind: kind.to_owned(),
            raw: raw.to_owned(),
        }),
    }))
}

/// The lifetime of a marked part.
pub fn ttl(mark: &BreakpointIn<'_>) -> Ttl {
    match mark.ttl.as_deref() {
        Some("30m") => Ttl::Short,
        Some("12h") => Ttl::Long,
        _ => Ttl::Default,
    }
}

fn file(id: &Str<'_>) -> Source {
    Source::File {
        dialect: Dialect::OpenaiResponses,
        id: id.to_owned(),
    }
}

/// Decodes an image: a URL, or an object with one, as in Chat.
fn picture(image: &RawValue, path: &Path<'_>) -> Result<Source, RequestFault> {
    if is_string(image) {
        return place(&path.read::<Str<'_>>(image)?, path);
    }
    let image: ImageUrlIn<'_> = path.read(image)?;
    place(&image.url, &path.field("url"))
}

/// The source for a URL; a `data:` URL contains the data itself.
fn place(url: &str, path: &Path<'_>) -> Result<Source, RequestFault> {
    media::by_url(url).map_err(|fault| path.fault(fault))
}
