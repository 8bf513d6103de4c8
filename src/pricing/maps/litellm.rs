//! LiteLLM's `model_prices_and_context_window.json`: a member for each price per token or per unit, in dollars.
use serde_json::Value;

use super::{Listed, is_own, rounded};
use crate::config::UnitPrices;

mod book;

use book::Book;

/// The prices of an entry; `None` = it has none, or it is of a mode that is not read.
pub(super) fn read(entry: &Value) -> Option<Listed> {
    let mode = entry.get("mode").and_then(Value::as_str);
    if !matches!(
        mode,
        Some(
            "chat"
                | "completion"
                | "responses"
                | "embedding"
                | "rerank"
                | "image_generation"
                | "image_edit"
                | "audio_transcription"
                | "audio_speech"
                | "video_generation"
        )
    ) {
        return None;
    }
    let mode = mode.unwrap_or_default();
    let mut listed = Book::of(entry).listed(units(entry, mode))?;
    listed.left.extend(unsaid(entry, mode));
    let sold = listed.rates.input > 0.0 || listed.rates.output > 0.0 || !listed.units.is_empty();
    sold.then_some(listed)
}

/// The prices of units other than tokens. Prices of additional input of a chat model, such as `input_cost_per_image`,
/// are left out.
fn units(entry: &Value, mode: &str) -> UnitPrices {
    let each = |name: &str| {
        let usd = entry.get(name)?.as_f64()?;
        (usd > 0.0 && usd < 100.0).then_some(usd)
    };
    let mut units = UnitPrices::default();
    match mode {
        "image_generation" | "image_edit" => {
            units.image = each("output_cost_per_image").or_else(|| each("input_cost_per_image"));
            for (size, name) in [("1k", "1K"), ("2k", "2K"), ("4k", "4K")] {
                if let Some(usd) = each(&format!("output_cost_per_image_{name}")) {
                    units.add_picture(size.to_owned(), usd);
                }
            }
        }
        "audio_transcription" => {
            let second = each("input_cost_per_second").or_else(|| each("output_cost_per_second"));
            units.audio_minute = second.map(|usd| rounded(usd * 60.0));
        }
        "audio_speech" => {
            units.characters = each("input_cost_per_character").map(|usd| rounded(usd * 1e6));
        }
        "rerank" => units.searches = each("input_cost_per_query").map(|usd| rounded(usd * 1e3)),
        "video_generation" => units.video_second = each("output_cost_per_video_per_second"),
        _ => {}
    }
    units
}

/// The names of unit prices that an entry of the configuration cannot state: per request, per image or second of a chat
/// model, per pixel.
fn unsaid(entry: &Value, mode: &str) -> impl Iterator<Item = String> {
    let said: &[&str] = match mode {
        "image_generation" | "image_edit" => &["input_cost_per_image", "output_cost_per_image"],
        "audio_transcription" => &["input_cost_per_second", "output_cost_per_second"],
        "audio_speech" => &["input_cost_per_character"],
        "rerank" => &["input_cost_per_query"],
        "video_generation" => &["output_cost_per_video_per_second"],
        _ => &[],
    };
    let members = entry.as_object().into_iter().flatten();
    let unsaid = members.filter(move |(name, value)| {
        let is_price = name.starts_with("input_cost_per_") || name.starts_with("output_cost_per_");
        // Prices per token are read, or reported as not read, elsewhere.
        let is_piece = is_price && !name.contains("token") && !name.contains("_dbu_");
        let is_said = said.iter().any(|said| name.starts_with(said));
        is_piece && !is_said && value.as_f64().is_some_and(|usd| usd > 0.0)
    });
    unsaid.map(|(name, _)| name.clone())
}

/// The model, the kind and the price of an image, if the entry is for a single kind: `hd/1024-x-1792/dall-e-3`.
pub(super) fn picture(name: &str, entry: &Value) -> Option<(String, String, f64)> {
    let (kind, model) = name.rsplit_once('/')?;
    let (quality, size) = match kind.split_once('/') {
        Some((quality, size)) => (Some(quality), size),
        None => (None, kind),
    };
    let (width, height) = size.split_once("-x-")?;
    let (width, height): (u32, u32) = (width.parse().ok()?, height.parse().ok()?);
    if quality.is_some_and(|quality| !QUALITIES.contains(&quality)) {
        return None;
    }
    let each = |name: &str| {
        entry
            .get(name)?
            .as_f64()
            .filter(|usd| (0.0..100.0).contains(usd))
    };
    let usd = each("input_cost_per_image")
        .or_else(|| each("output_cost_per_image"))
        .or_else(|| Some(each("input_cost_per_pixel")? * f64::from(width) * f64::from(height)))?;
    let size = format!("{width}x{height}");
    let kind = match quality {
        // The standard quality has no name in a kind.
        None | Some("standard") => size,
        Some(quality) => format!("{quality} {size}"),
    };
    Some((model.to_owned(), kind, rounded(usd)))
}

/// The qualities that may stand in front of the size of an image.
const QUALITIES: [&str; 5] = ["standard", "hd", "low", "medium", "high"];

/// The vendor's own name of a model: LiteLLM puts the vendor's name in front of many models' names.
pub(super) fn own_name(name: &str) -> &str {
    match name.split_once('/') {
        Some((vendor, rest))
            if LITELLM_VENDORS.contains(&vendor) && !rest.contains('/') && is_own(vendor, rest) =>
        {
            rest
        }
        _ => name,
    }
}

/// Vendors whose models have the vendor's own names in the map, behind a prefix.
const LITELLM_VENDORS: [&str; 11] = [
    "anthropic",
    "dashscope",
    "deepseek",
    "gemini",
    "minimax",
    "mistral",
    "moonshot",
    "openai",
    "volcengine",
    "xai",
    "zai",
];
