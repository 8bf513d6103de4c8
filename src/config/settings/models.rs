//! What the configuration says about models: prices and capabilities.
use std::sync::Arc;

use super::Glob;
use crate::protocol::models::Overrides;

/// USD per million tokens.
#[derive(Clone, Debug)]
pub struct Price {
    /// The names that it is for, the upstream's or the client's.
    pub model: Glob,
    /// US dollars per million tokens of the prompt.
    pub input: f64,
    /// US dollars per million tokens of the answer, reasoning included.
    pub output: f64,
    /// `None` = as `input`.
    pub cache_read: Option<f64>,
    /// US dollars per million tokens that are cached for 5 minutes; `None` = as `input`.
    pub cache_write_5m: Option<f64>,
    /// US dollars per million tokens that are cached for an hour; `None` = as `input`.
    pub cache_write_1h: Option<f64>,
    /// Whether these are dollars: `false` = nobody says what their currency is worth, and the models have no price.
    pub is_known: bool,
    /// What it says beside its rates.
    pub terms: PriceTerms,
}

/// What an entry says beside its rates. What is absent stays as the built-in table has it for the model.
#[derive(Clone, Debug, Default)]
pub struct PriceTerms {
    /// What requests with longer prompts cost, by rising thresholds.
    pub long: Option<Vec<LongPrice>>,
    /// Service tiers, and what each costs.
    pub tiers: Vec<(String, TierPrice)>,
    /// Regions of inference, and the factor of each.
    pub regions: Vec<(String, f64)>,
    /// Fees of the tools that the vendor runs.
    pub tools: ToolPrices,
    /// Prices of sound and of pictures.
    pub media: MediaPrices,
    /// Prices of what is sold by something else than tokens.
    pub units: UnitPrices,
    /// Where the price is from, for people.
    pub source: Option<Arc<str>>,
}

/// USD per million tokens of a request whose prompt is longer than `above` tokens.
#[derive(Clone, Copy, Debug)]
pub struct LongPrice {
    /// Tokens of the whole prompt.
    pub above: u64,
    /// Input tokens outside every cache.
    pub input: f64,
    /// Output tokens, reasoning included.
    pub output: f64,
    /// `None` = in the ratio to `input` that the ordinary price has.
    pub cache_read: Option<f64>,
    /// Input tokens written to a cache for five minutes; `None` as above.
    pub cache_write_5m: Option<f64>,
    /// Input tokens written to a cache for an hour; `None` as above.
    pub cache_write_1h: Option<f64>,
    /// Sound and pictures; `None` = as below every threshold.
    pub media: MediaPrices,
}

/// What a service tier costs.
#[derive(Clone, Debug)]
pub enum TierPrice {
    /// So much of the ordinary price.
    Factor(f64),
    /// Its own prices.
    Own(Box<OwnPrices>),
}

/// USD per million tokens on one service tier.
#[derive(Clone, Debug, Default)]
pub struct OwnPrices {
    /// Input tokens outside every cache; `None` = the ordinary price.
    pub input: Option<f64>,
    /// Output tokens, reasoning included; `None` = in the ratio to `input` that the ordinary price has.
    pub output: Option<f64>,
    /// Input tokens read from a cache; `None` = in the same way.
    pub cache_read: Option<f64>,
    /// Input tokens written to a cache for five minutes; `None` = in the same way.
    pub cache_write_5m: Option<f64>,
    /// Input tokens written to a cache for an hour; `None` = in the same way.
    pub cache_write_1h: Option<f64>,
    /// Sound and pictures; `None` = in the ratio to text that the ordinary price has.
    pub media: MediaPrices,
    /// What requests with longer prompts cost on this tier; `None` = in the ratio of the ordinary price, at its thresholds.
    pub long: Option<Vec<LongPrice>>,
}

/// USD for a thousand calls of tools that the vendor runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct ToolPrices {
    /// For searches of the web.
    pub web_search: Option<f64>,
    /// For searches by OpenAI's older tool of this name.
    pub web_search_preview: Option<f64>,
    /// For searches of files.
    pub file_search: Option<f64>,
    /// For containers in which code runs.
    pub code_session: Option<f64>,
    /// For questions to a map.
    pub maps: Option<f64>,
}

/// USD per million tokens of sound and of pictures.
#[derive(Clone, Copy, Debug, Default)]
pub struct MediaPrices {
    /// Of sound in the prompt.
    pub audio_input: Option<f64>,
    /// Of pictures in the prompt.
    pub image_input: Option<f64>,
    /// Of sound in the answer.
    pub audio_output: Option<f64>,
    /// Of pictures in the answer.
    pub image_output: Option<f64>,
}

/// USD for what is sold by something else than tokens. `None` = as the built-in table has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnitPrices {
    /// US dollars for a picture.
    pub image: Option<f64>,
    /// US dollars for a picture of another quality, size, or both.
    pub images: Vec<(String, f64)>,
    /// US dollars for a minute of sound.
    pub audio_minute: Option<f64>,
    /// US dollars for a million characters.
    pub characters: Option<f64>,
    /// US dollars for a thousand searches.
    pub searches: Option<f64>,
    /// US dollars for a second of a video.
    pub video_second: Option<f64>,
    /// US dollars for a second of a video of another size.
    pub videos: Vec<(String, f64)>,
}

impl UnitPrices {
    /// Whether it says what pictures cost.
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

    /// A picture of this kind costs so much. An ordinary one costs what one of the usual size does, unless that is said.
    pub fn add_picture(&mut self, kind: String, usd: f64) {
        if kind == USUAL_SIZE {
            self.image.get_or_insert(usd);
        }
        if !self.images.iter().any(|(known, _)| *known == kind) {
            self.images.push((kind, usd));
            self.images.sort_by(|one, other| one.0.cmp(&other.0));
        }
    }

    /// Whether it says anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Of pictures.
const USUAL_SIZE: &str = "1024x1024";

/// What some models accept, where the built-in table says otherwise.
#[derive(Clone, Debug)]
pub struct ModelCapabilities {
    /// Of the upstream's names.
    pub model: Glob,
    /// What is said of them; what is not comes from the built-in table.
    pub overrides: Overrides,
}
