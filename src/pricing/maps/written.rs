//! Writes prices in the form of an entry of the configuration.
use serde_json::Value;

use crate::catalog::{Long, MediaRates, Rates};
use crate::config::UnitPrices;

/// The members of an entry or of one of its tiers.
pub(super) fn prices(rates: &Rates, media: &MediaRates, long: &[Long]) -> Vec<String> {
    let mut members = kinds(rates, media);
    let longs = long.iter().map(|long| {
        let members = kinds(&long.rates, &long.media);
        format!("{{ above: {}, {} }}", long.above, members.join(", "))
    });
    let longs: Vec<String> = longs.collect();
    match longs.as_slice() {
        [] => {}
        [long] => members.push(format!("long: {long}")),
        longs => members.push(format!("long: [{}]", longs.join(", "))),
    }
    members
}

/// The name of a tier, without quotes only if no YAML parser reads it as something other than text.
pub(super) fn name(tier: &str) -> String {
    if ["batch", "flex", "priority"].contains(&tier) {
        tier.to_owned()
    } else {
        Value::from(tier).to_string()
    }
}

/// The prices of units other than tokens.
pub(super) fn units(units: &UnitPrices) -> Vec<String> {
    let named = units.named().into_iter();
    let mut members: Vec<String> = named
        .filter_map(|(name, usd)| Some(format!("{name}: {}", usd?)))
        .collect();
    let images = units.images.iter();
    let images: Vec<String> = images
        .map(|(kind, usd)| format!("{}: {usd}", Value::from(kind.as_str())))
        .collect();
    if !images.is_empty() {
        members.push(format!("images: {{ {} }}", images.join(", ")));
    }
    let videos = units.videos.iter();
    let videos: Vec<String> = videos
        .map(|(kind, usd)| format!("{}: {usd}", Value::from(kind.as_str())))
        .collect();
    if !videos.is_empty() {
        members.push(format!("videos: {{ {} }}", videos.join(", ")));
    }
    members
}

fn kinds(rates: &Rates, media: &MediaRates) -> Vec<String> {
    let names = [
        "input",
        "cache_write_5m",
        "cache_write_1h",
        "cache_read",
        "output",
    ];
    let kinds = names.into_iter().zip(rates.kinds());
    let mut members: Vec<String> = kinds.map(|(name, usd)| format!("{name}: {usd}")).collect();
    let media = media.all().into_iter();
    let media = media.filter_map(|(name, usd)| Some(format!("{name}: {}", usd?)));
    let media: Vec<String> = media.collect();
    if !media.is_empty() {
        members.push(format!("media: {{ {} }}", media.join(", ")));
    }
    members
}
