//! The built-in price table: USD per million tokens, absolute, one row per price.
//!
//! A row says where its figures come from. Prices change: an entry of `prices` in the configuration overrides a row
//! without a new release. What is not here has no price, and its requests are counted as unpriced; prices that
//! vendors state in CNY only (SiliconFlow, BigModel's own platform) must be entered by the operator.
use super::units::UnitRates;
use crate::config::{LongPrice, MediaPrices};
use crate::protocol::hub::usage::{Media, Tools, Usage};

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
    /// No token costs anything.
    pub(super) const FREE: Self = uncached_writes(0.0, 0.0, 0.0);

    /// So much of them.
    pub(super) fn times(&self, factor: f64) -> Self {
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

    /// Whether both are the same but for the noise of floats.
    pub(super) fn is_near(&self, other: &Self) -> bool {
        let mut pairs = self.kinds().into_iter().zip(other.kinds());
        pairs.all(|(one, other)| (one - other).abs() <= 1e-6 * one.max(other).max(1e-3))
    }

    /// Whether no token costs anything.
    pub(super) fn is_free(&self) -> bool {
        self.input <= 0.0 && self.output <= 0.0
    }

    pub(super) fn cost(&self, usage: &Usage) -> f64 {
        let usd_per_million = usage.input as f64 * self.input
            + usage.cache_read as f64 * self.cache_read
            + usage.cache_write_5m as f64 * self.cache_write_5m
            + usage.cache_write_1h as f64 * self.cache_write_1h
            + usage.output as f64 * self.output;
        usd_per_million / 1e6
    }
}

/// The rates of a whole request whose prompt is longer than `above` tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Long {
    /// Tokens of the whole prompt, cached or not.
    pub above: u64,
    /// What every token of such a request costs.
    pub rates: Rates,
    /// What sound and pictures cost in it, where that is something else than in a shorter one.
    pub media: MediaRates,
}

impl Long {
    /// As an entry of the configuration says it, beside its ordinary rates.
    pub(super) fn of_entry(long: &LongPrice, ordinary: &Rates) -> Self {
        let factor = if ordinary.input > 0.0 {
            long.input / ordinary.input
        } else {
            1.0
        };
        let rate = |said: Option<f64>, ordinary: f64| said.unwrap_or(ordinary * factor);
        Self {
            above: long.above,
            rates: Rates {
                input: long.input,
                cache_write_5m: rate(long.cache_write_5m, ordinary.cache_write_5m),
                cache_write_1h: rate(long.cache_write_1h, ordinary.cache_write_1h),
                cache_read: rate(long.cache_read, ordinary.cache_read),
                output: long.output,
            },
            media: MediaRates::of_entry(&long.media),
        }
    }

    /// These rates for a model whose ordinary rates are `new` instead of `old`: each kind of token keeps the ratio
    /// between its two rates.
    pub(super) fn scaled(&self, old: &Rates, new: &Rates) -> Self {
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

/// What service tiers and regions do to a price. Names are those of the vendors' responses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// Service tier or speed, and its factor.
    pub tiers: &'static [(&'static str, f64)],
    /// Region of inference, and its factor.
    pub regions: &'static [(&'static str, f64)],
    /// Tools that the vendor runs.
    pub tools: Fees,
    /// Whether what is read from a cache costs the ordinary price also on tiers that are cheaper.
    pub dear_cache: bool,
}

/// USD for each call of a tool that the vendor runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fees {
    /// For a search of the web.
    pub web_search: f64,
    /// Of the older tool of this name, which costs more on models that do not reason.
    pub web_search_preview: f64,
    /// For a search of files.
    pub file_search: f64,
    /// For a container in which code runs.
    pub code_session: f64,
    /// For grounding with a map.
    pub maps: f64,
    /// Whether a search or a map is paid for once a request, however often it was asked.
    pub once: bool,
}

impl Fees {
    const NONE: Self = Self {
        web_search: 0.0,
        web_search_preview: 0.0,
        file_search: 0.0,
        code_session: 0.0,
        maps: 0.0,
        once: false,
    };

    /// platform.claude.com, web search tool: 10 USD per 1,000 searches; code beside it is free.
    const ANTHROPIC: Self = Self {
        web_search: 0.01,
        ..Self::NONE
    };

    /// platform.openai.com pricing, built-in tools: web search 10 USD and file search 2.50 USD per 1,000 calls, a container of
    /// 1 GB 0.03 USD; the preview of web search costs the same on models that reason.
    const OPENAI: Self = Self {
        web_search: 0.01,
        web_search_preview: 0.01,
        file_search: 0.0025,
        code_session: 0.03,
        ..Self::NONE
    };

    /// The same page: the preview of web search on models that do not reason, 25 USD per 1,000 calls. What it finds is free of
    /// charge then; the vendor's counts leave it out.
    const OPENAI_QUICK: Self = Self {
        web_search_preview: 0.025,
        ..Self::OPENAI
    };

    /// ai.google.dev pricing, grounding with Google Search and with Google Maps from Gemini 3 on: 14 USD per 1,000 queries, after
    /// those that are free.
    const GEMINI: Self = Self {
        web_search: 0.014,
        maps: 0.014,
        ..Self::NONE
    };

    /// The generation of 2: 35 USD per 1,000 prompts that were grounded with Search, 25 USD with Maps, after those that are free.
    const GEMINI_2: Self = Self {
        web_search: 0.035,
        maps: 0.025,
        once: true,
        ..Self::NONE
    };

    pub(super) fn cost(&self, tools: &Tools) -> f64 {
        let asked = |count: u64| if self.once { count.min(1) } else { count } as f64;
        asked(tools.web_searches) * self.web_search
            + tools.web_search_previews as f64 * self.web_search_preview
            + tools.file_searches as f64 * self.file_search
            + tools.code_sessions as f64 * self.code_session
            + asked(tools.maps) * self.maps
    }
}

impl Terms {
    /// One price for everybody.
    pub const NONE: Self = Self {
        tiers: &[],
        regions: &[],
        tools: Fees::NONE,
        dear_cache: false,
    };

    /// ai.google.dev, flex and priority inference and the batch API: half, and one and four fifths.
    const GEMINI: Self = Self {
        tiers: &[("batch", 0.5), ("flex", 0.5), ("priority", 1.8)],
        tools: Fees::GEMINI,
        ..Self::NONE
    };

    /// Models whose context caching costs the same on the cheaper tiers.
    const GEMINI_DEAR_CACHE: Self = Self {
        dear_cache: true,
        ..Self::GEMINI
    };

    const GEMINI_2: Self = Self {
        tools: Fees::GEMINI_2,
        ..Self::GEMINI_DEAR_CACHE
    };

    const GEMINI_EMBEDDING: Self = Self {
        tiers: &[("batch", 0.5)],
        ..Self::NONE
    };

    /// api.x.ai/v1/language-models: batches at four fifths.
    const XAI: Self = Self {
        tiers: &[("batch", 0.8)],
        ..Self::NONE
    };

    /// developers.openai.com pricing: pictures and vectors in batches.
    const OPENAI_BATCH: Self = Self {
        tiers: &[("batch", 0.5)],
        ..Self::NONE
    };

    /// Half for batches, double for fast mode; `priority` is bought by contract, at no price per token.
    const ANTHROPIC: Self = Self {
        tiers: &[("batch", 0.5), ("fast", 2.0)],
        tools: Fees::ANTHROPIC,
        ..Self::NONE
    };

    /// `inference_geo` costs extra from 4.6 on.
    const ANTHROPIC_REGIONAL: Self = Self {
        regions: &[("us", 1.1)],
        ..Self::ANTHROPIC
    };

    const OPENAI: Self = Self {
        tiers: &[
            ("batch", 0.5),
            ("flex", 0.5),
            ("priority", 2.0),
            ("fast", 2.0),
            ("ultrafast", 6.0),
        ],
        regions: &[("eu", 1.1), ("us", 1.1)],
        tools: Fees::OPENAI,
        dear_cache: false,
    };

    /// The generation of 4 sells priority at one and three quarters.
    const OPENAI_4: Self = Self {
        tools: Fees::OPENAI_QUICK,
        ..Self::OPENAI_O3
    };

    const OPENAI_O3: Self = Self {
        tiers: &[("batch", 0.5), ("flex", 0.5), ("priority", 1.75)],
        ..Self::OPENAI
    };

    /// Models that do not reason, without a price of their own for priority.
    const OPENAI_QUICK: Self = Self {
        tools: Fees::OPENAI_QUICK,
        ..Self::OPENAI
    };

    /// developers.openai.com pricing, priority processing: 4.25 for 2.50.
    const OPENAI_4O: Self = Self {
        tiers: &[("batch", 0.5), ("flex", 0.5), ("priority", 1.7)],
        tools: Fees::OPENAI_QUICK,
        ..Self::OPENAI
    };

    /// 0.25 for 0.15.
    const OPENAI_4O_MINI: Self = Self {
        tiers: &[("batch", 0.5), ("flex", 0.5), ("priority", 5.0 / 3.0)],
        tools: Fees::OPENAI_QUICK,
        ..Self::OPENAI
    };

    /// 0.45 for 0.25.
    const OPENAI_5_MINI: Self = Self {
        tiers: &[("batch", 0.5), ("flex", 0.5), ("priority", 1.8)],
        ..Self::OPENAI
    };

    /// 2.00 for 1.10.
    const OPENAI_O4_MINI: Self = Self {
        tiers: &[("batch", 0.5), ("flex", 0.5), ("priority", 20.0 / 11.0)],
        ..Self::OPENAI
    };

    const OPENAI_5_5: Self = Self {
        tiers: &[
            ("batch", 0.5),
            ("flex", 0.5),
            ("priority", 2.5),
            ("fast", 2.5),
            ("ultrafast", 6.0),
        ],
        ..Self::OPENAI
    };

    /// The factor of a service tier; 1 when it has none.
    pub fn tier(&self, name: Option<&str>) -> f64 {
        factor(self.tiers, name)
    }

    /// The factor of a region; 1 when it has none.
    pub fn region(&self, name: Option<&str>) -> f64 {
        factor(self.regions, name)
    }
}

/// USD per million tokens of sound and of pictures, where they cost something else than text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MediaRates {
    /// `None` = as text.
    pub audio_input: Option<f64>,
    /// US dollars per million tokens of pictures in the prompt; `None` = as text.
    pub image_input: Option<f64>,
    /// US dollars per million tokens of sound in the answer; `None` = as text.
    pub audio_output: Option<f64>,
    /// US dollars per million tokens of pictures in the answer; `None` = as text.
    pub image_output: Option<f64>,
}

impl MediaRates {
    /// As text.
    pub const TEXT: Self = Self {
        audio_input: None,
        image_input: None,
        audio_output: None,
        image_output: None,
    };

    const fn audio(input: f64, output: f64) -> Self {
        Self {
            audio_input: Some(input),
            audio_output: Some(output),
            ..Self::TEXT
        }
    }

    const fn heard(input: f64) -> Self {
        Self {
            audio_input: Some(input),
            ..Self::TEXT
        }
    }

    const fn seen(input: f64, output: f64) -> Self {
        Self {
            image_input: Some(input),
            image_output: Some(output),
            ..Self::TEXT
        }
    }

    const fn drawn(output: f64) -> Self {
        Self {
            image_output: Some(output),
            ..Self::TEXT
        }
    }

    /// As an entry of the configuration says them.
    pub(super) fn of_entry(said: &MediaPrices) -> Self {
        Self {
            audio_input: said.audio_input,
            image_input: said.image_input,
            audio_output: said.audio_output,
            image_output: said.image_output,
        }
    }

    /// These, and where they say nothing, those.
    #[must_use]
    pub(super) fn or(&self, rest: &Self) -> Self {
        Self {
            audio_input: self.audio_input.or(rest.audio_input),
            image_input: self.image_input.or(rest.image_input),
            audio_output: self.audio_output.or(rest.audio_output),
            image_output: self.image_output.or(rest.image_output),
        }
    }

    /// For a model whose ordinary rates are `new` instead of `old`: in the same ratio to text.
    pub(super) fn scaled(&self, old: &Rates, new: &Rates) -> Self {
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

    /// So much of them.
    pub(super) fn times(&self, factor: f64) -> Self {
        let times = |rate: Option<f64>| rate.map(|rate| rate * factor);
        Self {
            audio_input: times(self.audio_input),
            image_input: times(self.image_input),
            audio_output: times(self.audio_output),
            image_output: times(self.image_output),
        }
    }

    /// By the names of the configuration.
    pub fn all(&self) -> [(&'static str, Option<f64>); 4] {
        [
            ("audio_input", self.audio_input),
            ("image_input", self.image_input),
            ("audio_output", self.audio_output),
            ("image_output", self.image_output),
        ]
    }

    /// USD beyond what the same tokens would cost as text; below zero where they cost less.
    pub(super) fn beyond(&self, media: &Media, text: &Rates) -> f64 {
        let more = |tokens: u64, rate: Option<f64>, text: f64| {
            rate.map_or(0.0, |rate| tokens as f64 * (rate - text) / 1e6)
        };
        more(media.audio_input, self.audio_input, text.input)
            + more(media.image_input, self.image_input, text.input)
            + more(media.audio_output, self.audio_output, text.output)
            + more(media.image_output, self.image_output, text.output)
    }
}

/// One price and the models that have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Its names, exactly.
    pub ids: &'static [&'static str],
    /// US dollars per million tokens.
    pub rates: Rates,
    /// What prompts above a length cost; `None` = the same.
    pub long: Option<Long>,
    /// What is no text costs.
    pub media: MediaRates,
    /// What is sold by something else than tokens.
    pub units: UnitRates,
    /// What else its vendor bills, and how.
    pub terms: &'static Terms,
    /// The page that says so.
    pub source: &'static str,
}

impl Row {
    const fn above(mut self, above: u64, rates: Rates) -> Self {
        self.long = Some(Long {
            above,
            rates,
            media: MediaRates::TEXT,
        });
        self
    }

    const fn media(mut self, media: MediaRates) -> Self {
        self.media = media;
        self
    }

    const fn units(mut self, units: UnitRates) -> Self {
        self.units = units;
        self
    }
}

const fn row(
    ids: &'static [&'static str],
    rates: Rates,
    terms: &'static Terms,
    source: &'static str,
) -> Row {
    Row {
        ids,
        rates,
        long: None,
        media: MediaRates::TEXT,
        units: UnitRates::NONE,
        terms,
        source,
    }
}

/// What is sold by the piece alone.
const fn pieces(
    ids: &'static [&'static str],
    units: UnitRates,
    terms: &'static Terms,
    source: &'static str,
) -> Row {
    row(ids, uncached_writes(0.0, 0.0, 0.0), terms, source).units(units)
}

/// In the order of the vendors' tables: input, the two cache writes, cache read, output.
const fn rates(input: f64, write: f64, long_write: f64, cache_read: f64, output: f64) -> Rates {
    Rates {
        input,
        cache_write_5m: write,
        cache_write_1h: long_write,
        cache_read,
        output,
    }
}

/// For vendors whose caches fill by themselves: what is written to one costs what input costs.
const fn uncached_writes(input: f64, cache_read: f64, output: f64) -> Rates {
    rates(input, input, input, cache_read, output)
}

fn factor(factors: &[(&str, f64)], name: Option<&str>) -> f64 {
    let named =
        |(known, _): &&(&str, f64)| name.is_some_and(|name| name.eq_ignore_ascii_case(known));
    factors
        .iter()
        .find(named)
        .map_or(1.0, |(_, factor)| *factor)
}

const ANTHROPIC: &str = "platform.claude.com pricing, 2026-08 to 2026-11";
const ASSUMED: &str = "unpublished in 2026-11: assumed to cost what 5.1 costs";
const SECOND_HAND: &str = "assumed: unpublished by Anthropic, from a reseller's page of 2026-11-10";
const OPENAI: &str = "LiteLLM 1.110.2 price map, citing OpenAI's pricing page, 2026-11";
const GEMINI: &str = "LiteLLM 1.110.2 price map, citing Gemini Developer API pricing, 2026-11";
const RETIRED: &str = "OpenAI's and Google's pricing pages until the models were retired, 2026";
const OTHERS: &str = "LiteLLM 1.110.2 price map, citing the vendor's pricing page, 2026-11";

#[rustfmt::skip]
pub(super) const TABLE: &[Row] = &[
    // Anthropic. Cache writes live five minutes and one hour.
    row(&["claude-fable-5-2"], rates(8.0, 10.0, 16.0, 0.2, 40.0), &Terms::ANTHROPIC_REGIONAL, SECOND_HAND),
    row(&["claude-mythos-5-2"], rates(10.0, 12.5, 20.0, 0.25, 50.0), &Terms::ANTHROPIC_REGIONAL, ASSUMED),
    row(&["claude-fable-5-1", "claude-mythos-5-1"], rates(10.0, 12.5, 20.0, 0.25, 50.0), &Terms::ANTHROPIC_REGIONAL, ANTHROPIC),
    row(&["claude-fable-5", "claude-mythos-5"], rates(10.0, 12.5, 20.0, 1.0, 50.0), &Terms::ANTHROPIC_REGIONAL, ANTHROPIC),
    row(&["claude-opus-5-5"], rates(4.0, 5.0, 8.0, 0.2, 20.0), &Terms::ANTHROPIC_REGIONAL, ANTHROPIC),
    row(&["claude-opus-5"], rates(5.0, 6.25, 10.0, 0.5, 25.0), &Terms::ANTHROPIC_REGIONAL, ANTHROPIC),
    row(&["claude-opus-4-8", "claude-opus-4-7", "claude-opus-4-6"], rates(5.0, 6.25, 10.0, 0.5, 25.0), &Terms::ANTHROPIC_REGIONAL, ANTHROPIC),
    row(&["claude-opus-4-5"], rates(5.0, 6.25, 10.0, 0.5, 25.0), &Terms::ANTHROPIC, ANTHROPIC),
    // Cache reads cost 0.20 before 2026-10-07.
    row(&["claude-sonnet-5-5"], rates(2.0, 2.5, 4.0, 0.1, 10.0), &Terms::ANTHROPIC_REGIONAL, ANTHROPIC),
    row(&["claude-sonnet-5"], rates(2.0, 2.5, 4.0, 0.2, 10.0), &Terms::ANTHROPIC_REGIONAL, ANTHROPIC),
    row(&["claude-sonnet-4-6"], rates(3.0, 3.75, 6.0, 0.3, 15.0), &Terms::ANTHROPIC_REGIONAL, ANTHROPIC),
    row(&["claude-sonnet-4-5"], rates(3.0, 3.75, 6.0, 0.3, 15.0), &Terms::ANTHROPIC, ANTHROPIC),
    row(&["claude-haiku-5-5"], rates(0.1, 0.125, 0.2, 0.01, 0.5), &Terms::ANTHROPIC_REGIONAL, ANTHROPIC).above(100_000, rates(0.5, 0.625, 1.0, 0.05, 2.5)),
    // No longer sold by Anthropic itself, or soon so; clients still ask for them.
    row(&["claude-opus-4-1", "claude-opus-4-0", "claude-opus-4", "claude-3-opus"], rates(15.0, 18.75, 30.0, 1.5, 75.0), &Terms::ANTHROPIC, ANTHROPIC),
    row(&["claude-sonnet-4-0", "claude-sonnet-4", "claude-3-7-sonnet", "claude-3-5-sonnet", "claude-3-sonnet"], rates(3.0, 3.75, 6.0, 0.3, 15.0), &Terms::ANTHROPIC, ANTHROPIC),
    row(&["claude-3-5-haiku"], rates(0.8, 1.0, 1.6, 0.08, 4.0), &Terms::ANTHROPIC, ANTHROPIC),
    row(&["claude-3-haiku"], rates(0.25, 0.3, 0.5, 0.03, 1.25), &Terms::ANTHROPIC, ANTHROPIC),
    row(&["claude-haiku-4-5"], rates(1.0, 1.25, 2.0, 0.1, 5.0), &Terms::ANTHROPIC, ANTHROPIC),
    // OpenAI. Cache writes live thirty minutes and twelve hours. Above 272k: input ×2, output ×1.5, written out.
    row(&["gpt-6-astra"], rates(10.0, 12.5, 25.0, 1.0, 50.0), &Terms::OPENAI, OPENAI).above(272_000, rates(20.0, 25.0, 50.0, 2.0, 75.0)),
    row(&["gpt-6.1-sol"], rates(2.0, 2.5, 5.0, 0.1, 10.0), &Terms::OPENAI, OPENAI).above(272_000, rates(4.0, 5.0, 10.0, 0.2, 15.0)),
    row(&["gpt-6.1-terra"], rates(1.0, 1.25, 2.5, 0.05, 5.0), &Terms::OPENAI, OPENAI).above(272_000, rates(2.0, 2.5, 5.0, 0.1, 7.5)),
    row(&["gpt-6-sol"], rates(2.0, 2.5, 5.0, 0.2, 10.0), &Terms::OPENAI, OPENAI).above(272_000, rates(4.0, 5.0, 10.0, 0.4, 15.0)),
    row(&["gpt-6-luna"], rates(0.1, 0.125, 0.25, 0.01, 0.5), &Terms::OPENAI, OPENAI).above(272_000, rates(0.2, 0.25, 0.5, 0.02, 0.75)),
    row(&["gpt-5.6-sol", "gpt-5.6"], rates(4.0, 5.0, 10.0, 0.4, 20.0), &Terms::OPENAI, OPENAI).above(272_000, rates(8.0, 10.0, 20.0, 0.8, 30.0)),
    row(&["gpt-5.6-terra"], rates(2.0, 2.5, 5.0, 0.2, 12.0), &Terms::OPENAI, OPENAI).above(272_000, rates(4.0, 5.0, 10.0, 0.4, 18.0)),
    row(&["gpt-5.6-luna"], rates(0.2, 0.25, 0.5, 0.02, 1.2), &Terms::OPENAI, OPENAI).above(272_000, rates(0.4, 0.5, 1.0, 0.04, 1.8)),
    row(&["gpt-5.5"], uncached_writes(5.0, 0.5, 30.0), &Terms::OPENAI_5_5, OPENAI).above(272_000, uncached_writes(10.0, 1.0, 45.0)),
    // No discount on cache reads.
    row(&["gpt-5.5-pro"], uncached_writes(30.0, 30.0, 180.0), &Terms::OPENAI_5_5, OPENAI).above(272_000, uncached_writes(60.0, 60.0, 270.0)),
    row(&["gpt-5.4-pro"], uncached_writes(30.0, 30.0, 180.0), &Terms::OPENAI, OPENAI).above(272_000, uncached_writes(60.0, 60.0, 270.0)),
    row(&["gpt-5.2-pro"], uncached_writes(21.0, 21.0, 168.0), &Terms::OPENAI, OPENAI),
    row(&["gpt-5-pro"], uncached_writes(15.0, 15.0, 120.0), &Terms::OPENAI, OPENAI),
    row(&["gpt-5.4"], uncached_writes(2.5, 0.25, 15.0), &Terms::OPENAI, OPENAI).above(272_000, uncached_writes(5.0, 0.5, 22.5)),
    row(&["gpt-5.4-mini"], uncached_writes(0.75, 0.075, 4.5), &Terms::OPENAI, OPENAI),
    row(&["gpt-5.4-nano"], uncached_writes(0.2, 0.02, 1.25), &Terms::OPENAI, OPENAI),
    row(&["gpt-5.3-codex", "gpt-5.2", "gpt-5.2-codex"], uncached_writes(1.75, 0.175, 14.0), &Terms::OPENAI, OPENAI),
    row(&["gpt-5.1", "gpt-5", "gpt-5.1-codex", "gpt-5.1-codex-max", "gpt-5-codex"], uncached_writes(1.25, 0.125, 10.0), &Terms::OPENAI, OPENAI),
    row(&["gpt-5-mini"], uncached_writes(0.25, 0.025, 2.0), &Terms::OPENAI_5_MINI, OPENAI),
    row(&["gpt-5.1-codex-mini"], uncached_writes(0.25, 0.025, 2.0), &Terms::OPENAI, OPENAI),
    row(&["gpt-5-nano"], uncached_writes(0.05, 0.005, 0.4), &Terms::OPENAI, OPENAI),
    // Its context of a million tokens is sold at one price; the rule for long prompts came with gpt-5.4.
    row(&["gpt-4.1"], uncached_writes(2.0, 0.5, 8.0), &Terms::OPENAI_4, OPENAI),
    row(&["gpt-4.1-mini"], uncached_writes(0.4, 0.1, 1.6), &Terms::OPENAI_4, OPENAI),
    row(&["gpt-4.1-nano"], uncached_writes(0.1, 0.025, 0.4), &Terms::OPENAI_QUICK, OPENAI),
    row(&["gpt-4o-2024-05-13"], uncached_writes(5.0, 5.0, 15.0), &Terms::OPENAI_4, OPENAI),
    row(&["gpt-4-turbo", "gpt-4-turbo-preview", "gpt-4-1106-preview", "gpt-4-0125-preview"], uncached_writes(10.0, 10.0, 30.0), &Terms::OPENAI, OPENAI),
    row(&["gpt-4"], uncached_writes(30.0, 30.0, 60.0), &Terms::OPENAI, OPENAI),
    row(&["gpt-4o"], uncached_writes(2.5, 1.25, 10.0), &Terms::OPENAI_4O, OPENAI),
    row(&["gpt-4o-mini"], uncached_writes(0.15, 0.075, 0.6), &Terms::OPENAI_4O_MINI, OPENAI),
    row(&["o1-pro"], uncached_writes(150.0, 150.0, 600.0), &Terms::OPENAI, OPENAI),
    row(&["o1"], uncached_writes(15.0, 7.5, 60.0), &Terms::OPENAI, OPENAI),
    row(&["o3-pro"], uncached_writes(20.0, 20.0, 80.0), &Terms::OPENAI, OPENAI),
    row(&["o3-mini"], uncached_writes(1.1, 0.55, 4.4), &Terms::OPENAI, OPENAI),
    row(&["o3-deep-research"], uncached_writes(10.0, 2.5, 40.0), &Terms::OPENAI, OPENAI),
    row(&["o4-mini-deep-research"], uncached_writes(2.0, 0.5, 8.0), &Terms::OPENAI, OPENAI),
    row(&["o3"], uncached_writes(2.0, 0.5, 8.0), &Terms::OPENAI_O3, OPENAI),
    row(&["o4-mini"], uncached_writes(1.1, 0.275, 4.4), &Terms::OPENAI_O4_MINI, OPENAI),
    // Gemini. Thoughts are billed as output.
    row(&["gemini-4-argon"], uncached_writes(2.0, 0.1, 10.0), &Terms::GEMINI, GEMINI),
    row(&["gemini-3.1-pro-preview", "gemini-pro-latest"], uncached_writes(2.0, 0.2, 12.0), &Terms::GEMINI_DEAR_CACHE, GEMINI).above(200_000, uncached_writes(4.0, 0.4, 18.0)),
    row(&["gemini-flash-latest", "gemini-3.8-flash", "gemini-3.7-flash", "gemini-3.6-flash"], uncached_writes(0.75, 0.075, 3.75), &Terms::GEMINI, GEMINI),
    row(&["gemini-3.5-flash"], uncached_writes(1.5, 0.15, 9.0), &Terms::GEMINI, GEMINI),
    row(&["gemini-3.5-flash-lite", "gemini-flash-lite-latest"], uncached_writes(0.3, 0.03, 2.5), &Terms::GEMINI, GEMINI),
    row(&["gemini-3.1-flash-lite"], uncached_writes(0.25, 0.025, 1.5), &Terms::GEMINI, GEMINI).media(MediaRates::heard(0.5)),
    row(&["gemini-3-flash-preview"], uncached_writes(0.5, 0.05, 3.0), &Terms::GEMINI_DEAR_CACHE, GEMINI).media(MediaRates::heard(1.0)),
    row(&["gemini-2.5-pro"], uncached_writes(1.25, 0.125, 10.0), &Terms::GEMINI_2, GEMINI).above(200_000, uncached_writes(2.5, 0.25, 15.0)),
    row(&["gemini-2.5-flash"], uncached_writes(0.3, 0.03, 2.5), &Terms::GEMINI_2, GEMINI).media(MediaRates::heard(1.0)),
    row(&["gemini-2.5-flash-lite"], uncached_writes(0.1, 0.01, 0.4), &Terms::GEMINI_2, GEMINI).media(MediaRates::heard(0.3)),
    row(&["gemini-2.5-flash-image"], uncached_writes(0.3, 0.03, 2.5), &Terms::GEMINI_2, GEMINI).media(MediaRates::drawn(30.0)),
    row(&["gemini-3-pro-image", "gemini-3-pro-image-preview"], uncached_writes(2.0, 0.2, 12.0), &Terms::GEMINI, GEMINI).above(200_000, uncached_writes(4.0, 0.4, 18.0)).media(MediaRates::drawn(120.0)),
    row(&["gemini-3.1-flash-image", "gemini-3.1-flash-image-preview"], uncached_writes(0.5, 0.05, 3.0), &Terms::GEMINI, GEMINI).media(MediaRates::drawn(60.0)),
    row(&["gemini-2.5-flash-preview-tts", "gemini-2.5-flash-tts"], uncached_writes(0.5, 0.5, 10.0), &Terms::GEMINI_EMBEDDING, GEMINI),
    row(&["gemini-2.5-pro-preview-tts", "gemini-2.5-pro-tts"], uncached_writes(1.0, 0.125, 20.0), &Terms::GEMINI_EMBEDDING, GEMINI).media(MediaRates::heard(0.7)),
    row(&["gemini-3.8-flash-tts"], uncached_writes(0.5, 0.125, 9.0), &Terms::GEMINI, GEMINI),
    row(&["gemini-3.8-flash-lite-tts"], uncached_writes(0.5, 0.125, 6.0), &Terms::GEMINI, GEMINI),
    row(&["gemini-3.1-flash-tts-preview"], uncached_writes(1.0, 1.0, 20.0), &Terms::GEMINI_EMBEDDING, GEMINI),
    row(&["gemini-embedding-001"], uncached_writes(0.15, 0.15, 0.0), &Terms::GEMINI_EMBEDDING, GEMINI),
    // OpenAI beside chat: sound, pictures, vectors.
    row(&["gpt-audio", "gpt-audio-1.5"], uncached_writes(2.5, 2.5, 10.0), &Terms::NONE, OPENAI).media(MediaRates::audio(32.0, 64.0)),
    row(&["gpt-audio-mini"], uncached_writes(0.6, 0.6, 2.4), &Terms::NONE, OPENAI).media(MediaRates::audio(10.0, 20.0)),
    row(&["gpt-4o-audio-preview"], uncached_writes(2.5, 2.5, 10.0), &Terms::NONE, OPENAI).media(MediaRates::audio(40.0, 80.0)),
    row(&["gpt-4o-mini-audio-preview"], uncached_writes(0.15, 0.15, 0.6), &Terms::NONE, OPENAI).media(MediaRates::audio(10.0, 20.0)),
    row(&["gpt-4o-transcribe", "gpt-4o-transcribe-diarize"], uncached_writes(2.5, 2.5, 10.0), &Terms::NONE, OPENAI).units(UnitRates::audio_minute(0.006)),
    row(&["gpt-4o-mini-transcribe"], uncached_writes(1.25, 1.25, 5.0), &Terms::NONE, OPENAI).units(UnitRates::audio_minute(0.003)),
    pieces(&["whisper-1"], UnitRates::audio_minute(0.006), &Terms::NONE, OPENAI),
    pieces(&["gpt-transcribe"], UnitRates::audio_minute(0.0045), &Terms::NONE, OPENAI),
    pieces(&["tts-1", "tts-1-1106"], UnitRates::characters(15.0), &Terms::NONE, OPENAI),
    pieces(&["tts-1-hd", "tts-1-hd-1106"], UnitRates::characters(30.0), &Terms::NONE, OPENAI),
    // The map also has 10 for text that is written, which this model never does: all of its output is sound.
    row(&["gpt-4o-mini-tts"], uncached_writes(0.6, 0.6, 12.0), &Terms::NONE, OPENAI),
    pieces(&["dall-e-3"], UnitRates::image(0.04, &[("hd", 0.08), ("1024x1792", 0.08), ("1792x1024", 0.08), ("hd 1024x1792", 0.12), ("hd 1792x1024", 0.12)]), &Terms::NONE, RETIRED),
    pieces(&["dall-e-2"], UnitRates::image(0.02, &[("512x512", 0.018), ("256x256", 0.016)]), &Terms::NONE, RETIRED),
    // Where a server states no tokens: a picture of which nothing is known counts as one of medium quality.
    row(&["gpt-image-1"], uncached_writes(5.0, 1.25, 40.0), &Terms::OPENAI_BATCH, OPENAI).media(MediaRates::seen(10.0, 40.0)).units(UnitRates::image(0.042, &[("low", 0.011), ("high", 0.167), ("low 1024x1536", 0.016), ("low 1536x1024", 0.016), ("medium 1024x1536", 0.063), ("medium 1536x1024", 0.063), ("high 1024x1536", 0.25), ("high 1536x1024", 0.25)])),
    row(&["gpt-image-1-mini"], uncached_writes(2.0, 0.2, 8.0), &Terms::OPENAI_BATCH, OPENAI).media(MediaRates::seen(2.5, 8.0)).units(UnitRates::image(0.011, &[("low", 0.005), ("low 1024x1536", 0.006), ("low 1536x1024", 0.006), ("medium 1024x1536", 0.015), ("medium 1536x1024", 0.015)])),
    row(&["gpt-image-1.5"], uncached_writes(5.0, 1.25, 32.0), &Terms::OPENAI_BATCH, OPENAI).media(MediaRates::seen(8.0, 32.0)).units(UnitRates::image(0.034, &[("low", 0.009), ("high", 0.133), ("low 1024x1536", 0.013), ("low 1536x1024", 0.013), ("medium 1024x1536", 0.05), ("medium 1536x1024", 0.05), ("high 1024x1536", 0.2), ("high 1536x1024", 0.2)])),
    row(&["text-embedding-3-small"], uncached_writes(0.02, 0.02, 0.0), &Terms::OPENAI_BATCH, OPENAI),
    row(&["text-embedding-3-large"], uncached_writes(0.13, 0.13, 0.0), &Terms::OPENAI_BATCH, OPENAI),
    row(&["text-embedding-ada-002"], uncached_writes(0.1, 0.1, 0.0), &Terms::NONE, OPENAI),
    row(&["omni-moderation-latest", "omni-moderation"], uncached_writes(0.0, 0.0, 0.0), &Terms::NONE, OPENAI),
    // Google's pictures by the piece.
    pieces(&["imagen-3.0-generate-001"], UnitRates::image(0.04, &[]), &Terms::NONE, GEMINI),
    pieces(&["imagen-3.0-fast-generate-001"], UnitRates::image(0.02, &[]), &Terms::NONE, GEMINI),
    pieces(&["imagen-3.0-generate-002"], UnitRates::image(0.03, &[]), &Terms::NONE, RETIRED),
    pieces(&["imagen-4.0-generate-001"], UnitRates::image(0.04, &[]), &Terms::NONE, RETIRED),
    pieces(&["imagen-4.0-fast-generate-001"], UnitRates::image(0.02, &[]), &Terms::NONE, RETIRED),
    pieces(&["imagen-4.0-ultra-generate-001"], UnitRates::image(0.06, &[]), &Terms::NONE, RETIRED),
    // OpenAI's videos, by the second.
    pieces(&["sora-2"], UnitRates::video_second(0.1, &[]), &Terms::NONE, OPENAI),
    pieces(&["sora-2-pro"], UnitRates::video_second(0.3, &[("1024x1792", 0.5), ("1792x1024", 0.5)]), &Terms::NONE, OPENAI),
    // Order among documents.
    pieces(&["rerank-v3.5", "rerank-v4.0-fast"], UnitRates::searches(2.0), &Terms::NONE, OTHERS),
    pieces(&["rerank-v4.0-pro"], UnitRates::searches(2.5), &Terms::NONE, OTHERS),
    row(&["rerank-v5.0-fast"], uncached_writes(0.02, 0.02, 0.0), &Terms::NONE, OTHERS),
    row(&["rerank-v5.0-pro"], uncached_writes(0.05, 0.05, 0.0), &Terms::NONE, OTHERS),
    row(&["rerank-2.5", "rerank-3"], uncached_writes(0.05, 0.05, 0.0), &Terms::NONE, OTHERS),
    row(&["rerank-2.5-lite", "rerank-3-lite"], uncached_writes(0.02, 0.02, 0.0), &Terms::NONE, OTHERS),
    row(&["jina-reranker-v3.5", "jina-reranker-m0", "jina-reranker-v2-base-multilingual"], uncached_writes(0.05, 0.05, 0.0), &Terms::NONE, OTHERS),
    // Others' sound and pictures.
    pieces(&["voxtral-mini-latest", "voxtral-mini-2602"], UnitRates::audio_minute(0.003), &Terms::NONE, OTHERS),
    pieces(&["voxtral-mini-tts-2603"], UnitRates::characters(16.0), &Terms::NONE, OTHERS),
    pieces(&["grok-imagine-image"], UnitRates::image(0.02, &[]), &Terms::NONE, OTHERS),
    pieces(&["grok-imagine-image-quality", "grok-imagine-image-quality-latest", "grok-imagine-image-pro"], UnitRates::image(0.05, &[]), &Terms::NONE, OTHERS),
    pieces(&["grok-imagine-image-2.0"], UnitRates::image(0.06, &[("1k", 0.04), ("2k", 0.06)]), &Terms::NONE, OTHERS),
    // Others.
    row(&["deepseek-v4-flash"], uncached_writes(0.3, 0.006, 1.2), &Terms::NONE, OTHERS),
    row(&["deepseek-v4-pro"], uncached_writes(1.32, 0.044, 3.96), &Terms::NONE, OTHERS),
    row(&["deepseek-chat", "deepseek-reasoner"], uncached_writes(0.28, 0.028, 0.42), &Terms::NONE, OTHERS),
    row(&["deepseek-v3.2"], uncached_writes(0.28, 0.028, 0.4), &Terms::NONE, OTHERS),
    row(&["deepseek-v3"], uncached_writes(0.27, 0.07, 1.1), &Terms::NONE, OTHERS),
    row(&["deepseek-r1"], uncached_writes(0.55, 0.14, 2.19), &Terms::NONE, OTHERS),
    row(&["kimi-k3"], rates(3.0, 3.0, 6.0, 0.3, 15.0), &Terms::NONE, OTHERS),
    row(&["kimi-k3.1-pro-highspeed"], rates(4.0, 4.0, 8.0, 0.2, 20.0), &Terms::NONE, OTHERS),
    row(&["kimi-k3.1-pro"], rates(2.0, 2.0, 4.0, 0.2, 10.0), &Terms::NONE, OTHERS),
    row(&["kimi-k2.7-code"], uncached_writes(0.95, 0.19, 4.0), &Terms::NONE, OTHERS),
    row(&["kimi-k2.6"], uncached_writes(0.95, 0.16, 4.0), &Terms::NONE, OTHERS),
    row(&["kimi-k2.5"], uncached_writes(0.6, 0.1, 3.0), &Terms::NONE, OTHERS),
    row(&["glm-5.3", "glm-5.2", "glm-5.1"], uncached_writes(1.4, 0.26, 4.4), &Terms::NONE, OTHERS),
    row(&["glm-5"], uncached_writes(1.0, 0.2, 3.2), &Terms::NONE, OTHERS),
    row(&["glm-4.7", "glm-4.6"], uncached_writes(0.6, 0.11, 2.2), &Terms::NONE, OTHERS),
    row(&["glm-5-code"], uncached_writes(1.2, 0.3, 5.0), &Terms::NONE, OTHERS),
    row(&["glm-4.5"], uncached_writes(0.6, 0.6, 2.2), &Terms::NONE, OTHERS),
    row(&["glm-4.5-x"], uncached_writes(2.2, 2.2, 8.9), &Terms::NONE, OTHERS),
    row(&["glm-4.5-air"], uncached_writes(0.2, 0.2, 1.1), &Terms::NONE, OTHERS),
    row(&["glm-4.5-airx"], uncached_writes(1.1, 1.1, 4.5), &Terms::NONE, OTHERS),
    row(&["glm-5.3-flash"], uncached_writes(0.15, 0.03, 0.5), &Terms::NONE, OTHERS),
    row(&["MiniMax-M3", "minimax-m3"], uncached_writes(0.3, 0.06, 1.2), &Terms::NONE, OTHERS).above(512_000, uncached_writes(0.6, 0.12, 2.4)),
    row(&["MiniMax-M2.5-lightning", "minimax-m2.5-lightning", "MiniMax-M2.1-lightning", "minimax-m2.1-lightning"], rates(0.3, 0.375, 0.375, 0.03, 2.4), &Terms::NONE, OTHERS),
    row(&["MiniMax-M2.5", "minimax-m2.5", "MiniMax-M2.1", "minimax-m2.1", "MiniMax-M2", "minimax-m2"], rates(0.3, 0.375, 0.375, 0.03, 1.2), &Terms::NONE, OTHERS),
    row(&["grok-4.7", "grok-4.6"], uncached_writes(2.0, 0.5, 6.0), &Terms::XAI, OTHERS).above(200_000, uncached_writes(4.0, 1.0, 12.0)),
    row(&["grok-4.5"], uncached_writes(2.0, 0.3, 6.0), &Terms::NONE, OTHERS).above(200_000, uncached_writes(4.0, 0.6, 12.0)),
    row(&["grok-4.3", "grok-4.20", "grok-4.20-reasoning", "grok-4.20-non-reasoning", "grok-4.20-multi-agent"], uncached_writes(1.25, 0.2, 2.5), &Terms::XAI, OTHERS).above(200_000, uncached_writes(2.5, 0.4, 5.0)),
    // By these names only: a dated name of Mistral's may be an older model at another price.
    row(&["mistral-large-latest"], uncached_writes(0.5, 0.05, 1.5), &Terms::NONE, OTHERS),
    row(&["mistral-medium-latest", "mistral-medium-3.5", "magistral-medium-latest"], uncached_writes(1.5, 0.15, 7.5), &Terms::NONE, OTHERS),
    row(&["mistral-small-latest", "magistral-small-latest"], uncached_writes(0.15, 0.015, 0.6), &Terms::NONE, OTHERS),
    row(&["codestral-latest"], uncached_writes(0.3, 0.03, 0.9), &Terms::NONE, OTHERS),
    row(&["devstral-latest", "devstral-medium-latest"], uncached_writes(0.4, 0.04, 2.0), &Terms::NONE, OTHERS),
    row(&["devstral-small-latest"], uncached_writes(0.1, 0.01, 0.3), &Terms::NONE, OTHERS),
    row(&["qwen-max"], uncached_writes(1.6, 1.6, 6.4), &Terms::NONE, OTHERS),
    row(&["qwen3.7-max"], rates(2.5, 3.125, 3.125, 0.5, 7.5), &Terms::NONE, OTHERS),
    row(&["qwen3.8-max"], uncached_writes(2.0, 0.25, 6.0), &Terms::NONE, OTHERS),
    row(&["qwen3.8-flash"], rates(0.15, 0.2, 0.2, 0.016, 0.47), &Terms::NONE, OTHERS),
    row(&["doubao-seed-2.1-pro"], uncached_writes(0.8625, 0.1725, 4.3125), &Terms::NONE, OTHERS),
];
