//! What the configuration states about models: prices and capabilities.
use std::sync::Arc;

use super::Glob;
use crate::protocol::models::Overrides;

/// The price of models, in USD per million tokens.
#[derive(Clone, Debug)]
pub struct Price {
    /// The model names to which it applies, the upstream's or the client's.
    pub model: Glob,
    /// US dollars per million tokens of the prompt.
    pub input: f64,
    /// US dollars per million tokens of the answer, reasoning included.
    pub output: f64,
    /// US dollars per million tokens that are read from a cache; `None` = as `input`.
    pub cache_read: Option<f64>,
    /// US dollars per million tokens that are written to a cache for 5 minutes; `None` = as `input`.
    pub cache_write_5m: Option<f64>,
    /// US dollars per million tokens that are written to a cache for one hour; `None` = as `input`.
    pub cache_write_1h: Option<f64>,
    /// Whether the amounts are dollars; `false` = the exchange rate of their currency is unknown, and the models have
    /// no price.
    pub is_known: bool,
    /// Further terms, besides the prices of tokens.
    pub terms: PriceTerms,
}

/// Terms besides the prices of tokens. An absent term comes from the built-in table.
#[derive(Clone, Debug, Default)]
pub struct PriceTerms {
    /// The prices of requests with longer prompts, by rising thresholds.
    pub long: Option<Vec<LongPrice>>,
    /// Service tiers with their prices.
    pub tiers: Vec<(String, TierPrice)>,
    /// Regions of inference with their factors.
    pub regions: Vec<(String, f64)>,
    /// Fees of the tools that the vendor runs.
    pub tools: ToolPrices,
    /// Prices of audio and images.
    pub media: MediaPrices,
    /// Prices in units other than tokens.
    pub units: UnitPrices,
    /// The source of the price, for people.
    pub source: Option<Arc<str>>,
}

/// USD per million tokens of a request whose prompt is longer than `above` tokens.
#[derive(Clone, Copy, Debug)]
pub struct LongPrice {
    /// The threshold: tokens of the whole prompt.
    pub above: u64,
    /// US dollars per million input tokens outside every cache.
    pub input: f64,
    /// US dollars per million output tokens, reasoning included.
    pub output: f64,
    /// For input tokens read from a cache; `None` = the ratio to `input` is that of the ordinary price.
    pub cache_read: Option<f64>,
    /// For input tokens written to a cache for five minutes; `None` = as for `cache_read`.
    pub cache_write_5m: Option<f64>,
    /// For input tokens written to a cache for one hour; `None` = as for `cache_read`.
    pub cache_write_1h: Option<f64>,
    /// For audio and images; `None` = the price below every threshold.
    pub media: MediaPrices,
}

/// The price of a service tier.
#[derive(Clone, Debug)]
pub enum TierPrice {
    /// The ordinary price times this factor.
    Factor(f64),
    /// Its own prices.
    Own(Box<OwnPrices>),
}

/// USD per million tokens on one service tier.
#[derive(Clone, Debug, Default)]
pub struct OwnPrices {
    /// For input tokens outside every cache; `None` = the ordinary price.
    pub input: Option<f64>,
    /// For output tokens, reasoning included; `None` = the ratio to `input` is that of the ordinary price.
    pub output: Option<f64>,
    /// For input tokens read from a cache; `None` = as for `output`.
    pub cache_read: Option<f64>,
    /// For input tokens written to a cache for five minutes; `None` = as for `output`.
    pub cache_write_5m: Option<f64>,
    /// For input tokens written to a cache for one hour; `None` = as for `output`.
    pub cache_write_1h: Option<f64>,
    /// For audio and images; `None` = the ratio to text is that of the ordinary price.
    pub media: MediaPrices,
    /// The prices of requests with longer prompts on this tier; `None` = the ratio of the ordinary price, at its
    /// thresholds.
    pub long: Option<Vec<LongPrice>>,
}

/// US dollars for a thousand calls of tools that the vendor runs. `None` = as in the built-in table.
#[derive(Clone, Copy, Debug, Default)]
pub struct ToolPrices {
    /// Web searches.
    pub web_search: Option<f64>,
    /// Searches with OpenAI's older tool of this name.
    pub web_search_preview: Option<f64>,
    /// File searches.
    pub file_search: Option<f64>,
    /// Containers that run code.
    pub code_session: Option<f64>,
    /// Queries to a map.
    pub maps: Option<f64>,
}

/// USD per million tokens of audio and of images.
#[derive(Clone, Copy, Debug, Default)]
pub struct MediaPrices {
    /// Audio in the prompt.
    pub audio_input: Option<f64>,
    /// Images in the prompt.
    pub image_input: Option<f64>,
    /// Audio in the answer.
    pub audio_output: Option<f64>,
    /// Images in the answer.
    pub image_output: Option<f64>,
}

/// USD for units other than tokens. `None` = as in the built-in table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnitPrices {
    /// US dollars for a generated image.
    pub image: Option<f64>,
    /// US dollars for a generated image of another quality, size, or both.
    pub images: Vec<(String, f64)>,
    /// US dollars for a minute of transcribed audio.
    pub audio_minute: Option<f64>,
    /// US dollars for a million characters of text that is turned into speech.
    pub characters: Option<f64>,
    /// US dollars for a thousand searches of a reranker.
    pub searches: Option<f64>,
    /// US dollars for a second of a video.
    pub video_second: Option<f64>,
    /// US dollars for a second of a video of another size.
    pub videos: Vec<(String, f64)>,
}

impl UnitPrices {
    /// Whether there is a price of images.
    pub fn sells_images(&self) -> bool {
        self.image.is_some() || !self.images.is_empty()
    }

    /// Whether it says what videos cost.
    pub fn sells_videos(&self) -> bool {
        self.video_second.is_some() || !self.videos.is_empty()
    }

    /// What it says of everything but kinds of pictures and videos, by the names of the configuration.
    pub fn named(&self) -> [(&'static str, Option<f64>); 5] {
        [
            ("image", self.image),
            ("audio_minute", self.audio_minute),
            ("characters", self.characters),
            ("searches", self.searches),
            ("video_second", self.video_second),
        ]
    }

    /// Adds the price of an image of this kind. The price of the usual size is also that of an ordinary image, unless
    /// there is one.
    pub fn add_picture(&mut self, kind: String, usd: f64) {
        if kind == USUAL_SIZE {
            self.image.get_or_insert(usd);
        }
        if !self.images.iter().any(|(known, _)| *known == kind) {
            self.images.push((kind, usd));
            self.images.sort_by(|one, other| one.0.cmp(&other.0));
        }
    }

    /// Whether there is no price.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The usual size of images.
const USUAL_SIZE: &str = "1024x1024";

/// The capabilities of some models, where they differ from the built-in table.
#[derive(Clone, Debug)]
pub struct ModelCapabilities {
    /// The upstream's model names to which it applies.
    pub model: Glob,
    /// The capabilities that are given; all others come from the built-in table.
    pub overrides: Overrides,
}
