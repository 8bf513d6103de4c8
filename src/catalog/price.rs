//! What a model costs per token and per unit: absolute prices in USD.
use super::terms::Terms;
use super::units::UnitRates;
use crate::protocol::hub::usage::{Media, Usage};

/// The prices of one model.
#[derive(Clone, Copy, Debug)]
pub struct Price {
    /// US dollars per million tokens.
    pub rates: Rates,
    /// The rates for prompts above a length, if they differ.
    pub long: Longs,
    /// The rates of audio and images.
    pub media: MediaRates,
    /// The prices of units other than tokens.
    pub units: UnitRates,
    /// The other terms of its vendor: service tiers, regions, tools.
    pub terms: &'static Terms,
}

impl Price {
    /// Adds the rates of a whole request whose prompt has more than `above` tokens. Thresholds must be added in
    /// ascending order.
    pub(super) const fn above(mut self, above: u64, rates: Rates) -> Self {
        self.long = self.long.with(Long {
            above,
            rates,
            media: MediaRates::TEXT,
        });
        self
    }

    /// Sets the rates of audio and images.
    pub(super) const fn media(mut self, media: MediaRates) -> Self {
        self.media = media;
        self
    }

    /// Sets the prices of units, which apply unless the request is charged by tokens.
    pub(super) const fn units(mut self, units: UnitRates) -> Self {
        self.units = units;
        self
    }
}

/// The price of a model that is charged by the token.
pub(super) const fn by_token(rates: Rates, terms: &'static Terms) -> Price {
    Price {
        rates,
        long: Longs::NONE,
        media: MediaRates::TEXT,
        units: UnitRates::NONE,
        terms,
    }
}

/// The price of a model that is charged only by the unit.
pub(super) const fn by_piece(units: UnitRates, terms: &'static Terms) -> Price {
    by_token(Rates::FREE, terms).units(units)
}

/// USD per million tokens of each exclusive bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Prompt tokens outside every cache.
    pub input: f64,
    /// Written to the shorter-lived cache: five minutes (Anthropic) or thirty (OpenAI).
    pub cache_write_5m: f64,
    /// Written to the longer-lived cache: one hour (Anthropic) or twelve (OpenAI).
    pub cache_write_1h: f64,
    /// Read from a cache.
    pub cache_read: f64,
    /// Generated, reasoning included.
    pub output: f64,
}

impl Rates {
    /// All tokens are free.
    pub const FREE: Self = uncached_writes(0.0, 0.0, 0.0);

    /// These rates, multiplied by a factor.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        Self {
            input: self.input * factor,
            cache_write_5m: self.cache_write_5m * factor,
            cache_write_1h: self.cache_write_1h * factor,
            cache_read: self.cache_read * factor,
            output: self.output * factor,
        }
    }

    /// In the order of the vendors' tables: input, the two cache writes, cache read, output.
    pub fn kinds(&self) -> [f64; 5] {
        [
            self.input,
            self.cache_write_5m,
            self.cache_write_1h,
            self.cache_read,
            self.output,
        ]
    }

    /// Whether both are the same, apart from rounding of floats.
    pub fn is_near(&self, other: &Self) -> bool {
        let mut pairs = self.kinds().into_iter().zip(other.kinds());
        pairs.all(|(one, other)| (one - other).abs() <= 1e-6 * one.max(other).max(1e-3))
    }

    /// Whether tokens of prompts and answers are free.
    pub fn is_free(&self) -> bool {
        self.input <= 0.0 && self.output <= 0.0
    }

    /// The price of these tokens in US dollars.
    pub fn cost(&self, usage: &Usage) -> f64 {
        let usd_per_million = usage.input as f64 * self.input
            + usage.cache_read as f64 * self.cache_read
            + usage.cache_write_5m as f64 * self.cache_write_5m
            + usage.cache_write_1h as f64 * self.cache_write_1h
            + usage.output as f64 * self.output;
        usd_per_million / 1e6
    }
}

/// In the order of the vendors' tables: input, the two cache writes, cache read, output.
pub(super) const fn rates(
    input: f64,
    write: f64,
    long_write: f64,
    cache_read: f64,
    output: f64,
) -> Rates {
    Rates {
        input,
        cache_write_5m: write,
        cache_write_1h: long_write,
        cache_read,
        output,
    }
}

/// The rates of vendors whose caches fill automatically: cache writes cost as much as input.
pub(super) const fn uncached_writes(input: f64, cache_read: f64, output: f64) -> Rates {
    rates(input, input, input, cache_read, output)
}

/// The rates of longer prompts, by ascending threshold.
#[derive(Clone, Copy, Debug)]
pub struct Longs {
    list: [Long; Self::MOST],
    count: usize,
}

impl Longs {
    /// No thresholds.
    pub(super) const NONE: Self = Self {
        list: [Long {
            above: u64::MAX,
            rates: Rates::FREE,
            media: MediaRates::TEXT,
        }; Self::MOST],
        count: 0,
    };

    /// The number of thresholds that Qwen's models have, the highest of all vendors.
    const MOST: usize = 3;

    const fn with(mut self, long: Long) -> Self {
        self.list[self.count] = long;
        self.count += 1;
        self
    }

    /// All thresholds.
    pub fn as_slice(&self) -> &[Long] {
        self.list.get(..self.count).unwrap_or_default()
    }
}

/// The rates of a whole request whose prompt is longer than `above` tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Long {
    /// The threshold in tokens of the whole prompt, cached or not.
    pub above: u64,
    /// The rates of all tokens of such a request.
    pub rates: Rates,
    /// The rates of audio and images in such a request, if they differ from those in a shorter one.
    pub media: MediaRates,
}

impl Long {
    /// These rates for a model whose ordinary rates are `new` instead of `old`: each kind of token keeps the ratio
    /// between its two rates.
    #[must_use]
    pub fn scaled(&self, old: &Rates, new: &Rates) -> Self {
        let scale =
            |long: f64, old: f64, new: f64| if old > 0.0 { new * (long / old) } else { new };
        let long = &self.rates;
        Self {
            above: self.above,
            rates: Rates {
                input: scale(long.input, old.input, new.input),
                cache_write_5m: scale(long.cache_write_5m, old.cache_write_5m, new.cache_write_5m),
                cache_write_1h: scale(long.cache_write_1h, old.cache_write_1h, new.cache_write_1h),
                cache_read: scale(long.cache_read, old.cache_read, new.cache_read),
                output: scale(long.output, old.output, new.output),
            },
            media: self.media.scaled(old, new),
        }
    }
}

/// USD per million tokens of audio and of images, if they differ from those of text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MediaRates {
    /// US dollars per million tokens of audio in the prompt; `None` = as for text.
    pub audio_input: Option<f64>,
    /// US dollars per million tokens of images in the prompt; `None` = as for text.
    pub image_input: Option<f64>,
    /// US dollars per million tokens of audio in the answer; `None` = as for text.
    pub audio_output: Option<f64>,
    /// US dollars per million tokens of images in the answer; `None` = as for text.
    pub image_output: Option<f64>,
}

impl MediaRates {
    /// All cost as much as text.
    pub const TEXT: Self = Self {
        audio_input: None,
        image_input: None,
        audio_output: None,
        image_output: None,
    };

    /// Rates for audio in the prompt and in the answer.
    pub(super) const fn audio(input: f64, output: f64) -> Self {
        Self {
            audio_input: Some(input),
            audio_output: Some(output),
            ..Self::TEXT
        }
    }

    /// A rate for audio in the prompt.
    pub(super) const fn heard(input: f64) -> Self {
        Self {
            audio_input: Some(input),
            ..Self::TEXT
        }
    }

    /// Rates for images in the prompt and in the answer.
    pub(super) const fn seen(input: f64, output: f64) -> Self {
        Self {
            image_input: Some(input),
            image_output: Some(output),
            ..Self::TEXT
        }
    }

    /// A rate for images in the answer.
    pub(super) const fn drawn(output: f64) -> Self {
        Self {
            image_output: Some(output),
            ..Self::TEXT
        }
    }

    /// These rates; those that are not stated come from `rest`.
    #[must_use]
    pub fn or(&self, rest: &Self) -> Self {
        Self {
            audio_input: self.audio_input.or(rest.audio_input),
            image_input: self.image_input.or(rest.image_input),
            audio_output: self.audio_output.or(rest.audio_output),
            image_output: self.image_output.or(rest.image_output),
        }
    }

    /// These rates for a model whose ordinary rates are `new` instead of `old`: in the same ratio to text.
    #[must_use]
    pub fn scaled(&self, old: &Rates, new: &Rates) -> Self {
        let scale = |rate: Option<f64>, old: f64, new: f64| {
            rate.map(|rate| if old > 0.0 { new * (rate / old) } else { rate })
        };
        Self {
            audio_input: scale(self.audio_input, old.input, new.input),
            image_input: scale(self.image_input, old.input, new.input),
            audio_output: scale(self.audio_output, old.output, new.output),
            image_output: scale(self.image_output, old.output, new.output),
        }
    }

    /// These rates, multiplied by a factor.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        let times = |rate: Option<f64>| rate.map(|rate| rate * factor);
        Self {
            audio_input: times(self.audio_input),
            image_input: times(self.image_input),
            audio_output: times(self.audio_output),
            image_output: times(self.image_output),
        }
    }

    /// The rates with their names in the configuration.
    pub fn all(&self) -> [(&'static str, Option<f64>); 4] {
        [
            ("audio_input", self.audio_input),
            ("image_input", self.image_input),
            ("audio_output", self.audio_output),
            ("image_output", self.image_output),
        ]
    }

    /// The USD by which these tokens cost more than the same number of text tokens; negative if they cost less.
    pub fn beyond(&self, media: &Media, text: &Rates) -> f64 {
        let more = |tokens: u64, rate: Option<f64>, text: f64| {
            rate.map_or(0.0, |rate| tokens as f64 * (rate - text) / 1e6)
        };
        more(media.audio_input, self.audio_input, text.input)
            + more(media.image_input, self.image_input, text.input)
            + more(media.audio_output, self.audio_output, text.output)
            + more(media.image_output, self.image_output, text.output)
    }
}
