//! What an entry says of tokens: for each service tier and each threshold, a price of each kind.
//!
//! A member's name is a kind, a threshold and a tier: `input_cost_per_token_above_272k_tokens_priority`. Some entries say their
//! thresholds in a list instead, `tiered_pricing`.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::unsaid::Unsaid;
use super::super::{Listed, ListedTier, rounded};
use crate::catalog::{Long, MediaRates, Rates};
use crate::config::UnitPrices;

/// All prices of the tokens of one model.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// By service tier (empty: the ordinary one) and threshold (0: none).
    pages: BTreeMap<(String, u64), Page>,
    /// Members with a price that has no place in an entry.
    left: Vec<String>,
}

/// USD per million tokens, of each kind of which something is said.
#[derive(Clone, Copy, Debug, Default)]
struct Page {
    input: Option<f64>,
    output: Option<f64>,
    cache_read: Option<f64>,
    cache_write_5m: Option<f64>,
    cache_write_1h: Option<f64>,
    audio_input: Option<f64>,
    image_input: Option<f64>,
    audio_output: Option<f64>,
    image_output: Option<f64>,
}

impl Book {
    pub(super) fn of(entry: &Value) -> Self {
        let mut book = Self::default();
        for (name, value) in entry.as_object().into_iter().flatten() {
            match (Member::of(name), price(value)) {
                (Some(member), Some(usd)) => {
                    let page = book.pages.entry((member.tier, member.above)).or_default();
                    page.set(member.kind, usd);
                }
                (None, Some(usd)) if usd > 0.0 && is_left(entry, name, usd) => {
                    book.left.push(name.clone());
                }
                _ => {}
            }
        }
        book.take_ranges(entry);
        book
    }

    /// What prompts of a length cost, where the prices stand in a list.
    fn take_ranges(&mut self, entry: &Value) {
        let list = entry.get("tiered_pricing").and_then(Value::as_array);
        for range in list.into_iter().flatten() {
            let from = range.pointer("/range/0").and_then(Value::as_f64);
            let Some(from) = from.filter(|from| (0.0..=MOST_TOKENS).contains(from)) else {
                continue;
            };
            for (name, value) in range.as_object().into_iter().flatten() {
                let Some(usd) = price(value).filter(|_| name != "range") else {
                    continue;
                };
                match Member::of(name) {
                    Some(member) if member.above == 0 => {
                        let page = self.pages.entry((member.tier, whole(from))).or_default();
                        page.fill(member.kind, usd);
                    }
                    _ if usd > 0.0 && is_left(range, name, usd) => {
                        self.left.push(format!("tiered_pricing.{name}"));
                    }
                    _ => {}
                }
            }
        }
    }

    /// As the entry of a map. `None` = nothing is said of what text or pieces cost.
    pub(super) fn listed(mut self, units: UnitPrices) -> Option<Listed> {
        let page = self.page("", 0);
        if page.input.is_none() && units.is_empty() {
            return None;
        }
        let rates = page.ordinary();
        let long = self.thresholds("").into_iter();
        let long: Vec<Long> = long
            .map(|above| self.page("", above).long(above, &rates, None))
            .collect();
        let names: BTreeSet<&str> = self.pages.keys().map(|(tier, _)| tier.as_str()).collect();
        let tiers = names.into_iter().filter(|name| !name.is_empty());
        let tiers = tiers.map(|name| self.tier(name, &rates, &long)).collect();
        let mut unsaid = Unsaid::default();
        for ((tier, above), page) in &self.pages {
            unsaid.note(tier, *above, page.said());
        }
        self.left.sort_unstable();
        self.left.dedup();
        Some(Listed {
            rates,
            long,
            tiers,
            media: page.media(),
            units,
            left: std::mem::take(&mut self.left),
            unsaid,
        })
    }

    /// A tier: what is not said of it costs as much of the ordinary price as its input does.
    fn tier(&self, name: &str, ordinary: &Rates, longs: &[Long]) -> ListedTier {
        let page = self.page(name, 0);
        let rates = page.beside(ordinary);
        let mut thresholds = self.thresholds(name);
        thresholds.extend(longs.iter().map(|long| long.above));
        let long = thresholds.into_iter().map(|above| {
            let beside = longs.iter().find(|long| long.above == above);
            let scaled = beside.map(|long| long.scaled(ordinary, &rates));
            self.page(name, above).long(above, &rates, scaled.as_ref())
        });
        ListedTier {
            name: name.to_owned(),
            rates,
            long: long.collect(),
            media: page.media(),
        }
    }

    fn page(&self, tier: &str, above: u64) -> Page {
        let page = self.pages.get(&(tier.to_owned(), above));
        page.copied().unwrap_or_default()
    }

    fn thresholds(&self, tier: &str) -> BTreeSet<u64> {
        let pages = self.pages.keys();
        let own = pages.filter(|(name, above)| name == tier && *above > 0);
        own.map(|(_, above)| *above).collect()
    }
}

impl Page {
    fn set(&mut self, kind: Kind, usd: f64) {
        let (field, is_write) = self.field(kind);
        // Nothing is written for nothing: a zero stands where the vendor names no price.
        if !is_write || usd > 0.0 {
            *field = Some(usd);
        }
    }

    /// As [`Self::set`], where nothing is said yet.
    fn fill(&mut self, kind: Kind, usd: f64) {
        if self.field(kind).0.is_none() {
            self.set(kind, usd);
        }
    }

    /// The price of a kind, and whether it is one of writing to a cache.
    fn field(&mut self, kind: Kind) -> (&mut Option<f64>, bool) {
        match kind {
            Kind::Input => (&mut self.input, false),
            Kind::Output => (&mut self.output, false),
            Kind::CacheRead => (&mut self.cache_read, false),
            Kind::CacheWrite => (&mut self.cache_write_5m, true),
            Kind::CacheWriteLong => (&mut self.cache_write_1h, true),
            Kind::AudioInput => (&mut self.audio_input, false),
            Kind::ImageInput => (&mut self.image_input, false),
            Kind::AudioOutput => (&mut self.audio_output, false),
            Kind::ImageOutput => (&mut self.image_output, false),
        }
    }

    /// In the order of [`Rates::kinds`].
    fn said(&self) -> [Option<f64>; 5] {
        [
            self.input,
            self.cache_write_5m,
            self.cache_write_1h,
            self.cache_read,
            self.output,
        ]
    }

    /// The rates of the model itself.
    fn ordinary(&self) -> Rates {
        let input = self.input.unwrap_or(0.0);
        let write = self.cache_write_5m.unwrap_or(input);
        Rates {
            input,
            cache_write_5m: write,
            cache_write_1h: self.cache_write_1h.unwrap_or(write),
            cache_read: self.cache_read.unwrap_or(input),
            // Where nothing but pictures is written.
            output: self.output.or(self.image_output).unwrap_or(0.0),
        }
    }

    /// These rates, and those of which nothing is said in the ratio to the input that `others` have.
    fn beside(&self, others: &Rates) -> Rates {
        let input = self.input.unwrap_or(others.input);
        let factor = if others.input > 0.0 {
            input / others.input
        } else {
            1.0
        };
        self.or(&others.times(factor), input)
    }

    /// The rates of longer prompts: `scaled` says what is not said, else the ratio to the input that `shorter` have.
    fn long(&self, above: u64, shorter: &Rates, scaled: Option<&Long>) -> Long {
        let rates = match scaled.map(|long| &long.rates) {
            Some(scaled) => self.or(scaled, self.input.unwrap_or(scaled.input)),
            None => self.beside(shorter),
        };
        let media = scaled.map_or(MediaRates::TEXT, |long| long.media);
        Long {
            above,
            rates,
            media: self.media().or(&media),
        }
    }

    fn or(&self, rest: &Rates, input: f64) -> Rates {
        Rates {
            input: rounded(input),
            cache_write_5m: rounded(self.cache_write_5m.unwrap_or(rest.cache_write_5m)),
            cache_write_1h: rounded(self.cache_write_1h.unwrap_or(rest.cache_write_1h)),
            cache_read: rounded(self.cache_read.unwrap_or(rest.cache_read)),
            output: rounded(self.output.unwrap_or(rest.output)),
        }
    }

    fn media(&self) -> MediaRates {
        MediaRates {
            audio_input: self.audio_input,
            image_input: self.image_input,
            audio_output: self.audio_output,
            image_output: self.image_output,
        }
    }
}

/// What a member is the price of.
#[derive(Debug, PartialEq)]
struct Member {
    kind: Kind,
    /// Tokens; 0 = any prompt.
    above: u64,
    /// As answers state it; empty = the ordinary one.
    tier: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Input,
    Output,
    CacheRead,
    CacheWrite,
    CacheWriteLong,
    AudioInput,
    ImageInput,
    AudioOutput,
    ImageOutput,
}

impl Member {
    fn of(name: &str) -> Option<Self> {
        let (rest, kind) = KINDS
            .iter()
            .find_map(|(start, kind)| Some((name.strip_prefix(start)?, *kind)))?;
        let (above, rest) = match rest.strip_prefix("_above_") {
            Some(rest) => {
                let (thousands, rest) = rest.split_once("k_tokens")?;
                let above = thousands.parse::<u64>().ok()?.checked_mul(1_000)?;
                (above, rest)
            }
            None => (0, rest),
        };
        let tier = match rest.strip_prefix('_') {
            Some("batches") => "batch",
            Some(tier) if tier.bytes().all(|byte| byte.is_ascii_lowercase()) => tier,
            None if rest.is_empty() => "",
            _ => return None,
        };
        (above <= whole(MOST_TOKENS)).then(|| Self {
            kind,
            above,
            tier: tier.to_owned(),
        })
    }
}

/// Whether a member beside the tokens' prices is one that an entry cannot say.
fn is_left(entry: &Value, name: &str, usd: f64) -> bool {
    let same = |other: &str| {
        let other = entry.get(other).and_then(price);
        other.is_some_and(|other| (other - usd).abs() <= 1e-6 * usd)
    };
    let is_said = match name {
        "input_cost_per_token_cache_hit" => same("cache_read_input_token_cost"),
        "output_cost_per_reasoning_token" => same("output_cost_per_token"),
        "cache_read_input_audio_token_cost" | "cache_read_input_image_token_cost" => {
            same("cache_read_input_token_cost")
        }
        _ => false,
    };
    // Units of somebody's currency, and the pieces and tools of which the map does not tell enough.
    let is_token = name.contains("token") && name.contains("cost") && !name.contains("_dbu_");
    is_token && !is_said
}

/// USD per million tokens.
fn price(value: &Value) -> Option<f64> {
    let usd = value.as_f64()?;
    (0.0..1.0).contains(&usd).then(|| rounded(usd * 1e6))
}

/// A bound of tokens, which some entries write as a float.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 1e9"
)]
fn whole(tokens: f64) -> u64 {
    tokens as u64
}

/// Longer prompts do not exist.
const MOST_TOKENS: f64 = 1e9;

/// How the names of members begin; of two that begin alike, the longer one first.
const KINDS: [(&str, Kind); 10] = [
    ("input_cost_per_token", Kind::Input),
    ("output_cost_per_token", Kind::Output),
    ("cache_read_input_token_cost", Kind::CacheRead),
    (
        "cache_creation_input_token_cost_above_12hr",
        Kind::CacheWriteLong,
    ),
    (
        "cache_creation_input_token_cost_above_1hr",
        Kind::CacheWriteLong,
    ),
    ("cache_creation_input_token_cost", Kind::CacheWrite),
    ("input_cost_per_audio_token", Kind::AudioInput),
    ("input_cost_per_image_token", Kind::ImageInput),
    ("output_cost_per_audio_token", Kind::AudioOutput),
    ("output_cost_per_image_token", Kind::ImageOutput),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_member_is_a_kind_a_threshold_and_a_tier() {
        for (name, expected) in [
            ("input_cost_per_token", Some((Kind::Input, 0, ""))),
            (
                "output_cost_per_token_batches",
                Some((Kind::Output, 0, "batch")),
            ),
            (
                "cache_read_input_token_cost_above_32k_tokens",
                Some((Kind::CacheRead, 32_000, "")),
            ),
            (
                "cache_creation_input_token_cost_above_1hr_above_200k_tokens",
                Some((Kind::CacheWriteLong, 200_000, "")),
            ),
            (
                "cache_creation_input_token_cost_above_12hr_above_272k_tokens_ultrafast",
                Some((Kind::CacheWriteLong, 272_000, "ultrafast")),
            ),
            (
                "input_cost_per_audio_token_above_200k_tokens_flex",
                Some((Kind::AudioInput, 200_000, "flex")),
            ),
            ("input_cost_per_token_cache_hit", None),
            ("input_cost_per_token_above_xk_tokens", None),
            (
                "input_cost_per_token_above_99999999999999999999k_tokens",
                None,
            ),
            ("input_cost_per_token_above_2000000k_tokens", None),
            ("output_cost_per_reasoning_token", None),
            ("input_cost_per_tokens", None),
            ("", None),
        ] {
            let expected = expected.map(|(kind, above, tier)| Member {
                kind,
                above,
                tier: tier.to_owned(),
            });
            assert_eq!(Member::of(name), expected, "{name}");
        }
    }
}
