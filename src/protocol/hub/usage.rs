//! Token usage in exclusive buckets (a token is in exactly one of them), and other quantities that affect a price.
use super::advisor::Advisor;
use super::units::{Picture, Units};

/// The usage of one exchange. `input` excludes everything cached; `output` includes `reasoning`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Prompt tokens that were neither read from nor written to a cache.
    pub input: u64,
    /// Prompt tokens read from a cache.
    pub cache_read: u64,
    /// Prompt tokens written to a cache with a lifetime of five minutes (Anthropic) or thirty (OpenAI).
    pub cache_write_5m: u64,
    /// Prompt tokens written to a cache with a lifetime of one hour (Anthropic) or twelve (OpenAI).
    pub cache_write_1h: u64,
    /// All generated tokens, including reasoning.
    pub output: u64,
    /// The reasoning tokens within `output`.
    pub reasoning: u64,
    /// Usage in units other than tokens.
    pub units: Units,
}

impl Usage {
    /// The tokens or units of the kind with this name in metrics. Reasoning is a part of the output and not a kind.
    pub fn of_kind(&mut self, kind: &str) -> Option<&mut u64> {
        Some(match kind {
            "input" => &mut self.input,
            "output" => &mut self.output,
            "cache_read" => &mut self.cache_read,
            "cache_write_5m" => &mut self.cache_write_5m,
            "cache_write_1h" => &mut self.cache_write_1h,
            unit => return self.units.of_kind(unit),
        })
    }

    /// All prompt tokens, cached or not: the number that context windows and price thresholds refer to.
    pub const fn prompt(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
    }

    /// The sum, kind by kind.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self {
            input: self.input.saturating_add(more.input),
            cache_read: self.cache_read.saturating_add(more.cache_read),
            cache_write_5m: self.cache_write_5m.saturating_add(more.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_add(more.cache_write_1h),
            output: self.output.saturating_add(more.output),
            reasoning: self.reasoning.saturating_add(more.reasoning),
            units: self.units.and(more.units),
        }
    }

    /// The usage without the tokens of `part`; the units stay.
    #[must_use]
    pub const fn without(self, part: &Self) -> Self {
        Self {
            input: self.input.saturating_sub(part.input),
            cache_read: self.cache_read.saturating_sub(part.cache_read),
            cache_write_5m: self.cache_write_5m.saturating_sub(part.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_sub(part.cache_write_1h),
            output: self.output.saturating_sub(part.output),
            reasoning: self.reasoning.saturating_sub(part.reasoning),
            units: self.units,
        }
    }

    /// Whether any tokens or units were used.
    pub const fn is_something(&self) -> bool {
        self.total() > 0 || !self.units.is_none()
    }

    /// Whether an answer can have used this much.
    fn is_possible(&self) -> bool {
        let kinds = [
            self.input,
            self.cache_read,
            self.cache_write_5m,
            self.cache_write_1h,
            self.output,
        ];
        kinds.iter().all(|count| *count <= MOST) && self.units.is_possible(MOST)
    }

    /// Prompt and output together.
    pub const fn total(&self) -> u64 {
        self.prompt().saturating_add(self.output)
    }
}

/// The usage that an answer states, as read in its dialect.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stated {
    /// All zero if the stated usage is impossible.
    pub usage: Usage,
    pub extras: Extras,
}

/// What else an answer states that affects its price.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Extras {
    /// The charge that the provider states, in billionths of a dollar.
    pub nano_usd: Option<u64>,
    /// The speed or kind of traffic that the usage itself states, as a name of the price table.
    pub tier: Option<&'static str>,
    /// The region in which the model ran, as a name of the price table.
    pub region: Option<&'static str>,
    pub tools: Tools,
    pub media: Media,
    /// The part of the usage that is an advisor's.
    pub advised: Option<Advised>,
    /// The quality and size of the generated images, on which their price depends.
    pub picture: Picture,
    /// Whether a number was rejected as impossible: negative, far too large, or not a number.
    pub refused: bool,
}

/// Calls of tools that the provider ran; each call is billed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tools {
    pub web_searches: u64,
    /// Searches with OpenAI's older tool, which has its own price.
    pub web_search_previews: u64,
    pub file_searches: u64,
    /// Containers that ran code.
    pub code_sessions: u64,
    /// Queries to a map.
    pub maps: u64,
}

/// The tokens of the prompt and of the answer that are not text and have prices of their own.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Media {
    /// A part of `Usage::input`.
    pub audio_input: u64,
    /// A part of `Usage::input`.
    pub image_input: u64,
    /// A part of `Usage::output`.
    pub audio_output: u64,
    /// A part of `Usage::output`.
    pub image_output: u64,
}

/// The tokens of an advisor. They are included in the answer's usage and charged at the price of the advisor's model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Advised {
    pub model: Advisor,
    pub usage: Usage,
}

impl Advised {
    /// The sum. An answer has one advisor, so the first model is that of both.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self {
            model: self.model,
            usage: self.usage.and(more.usage),
        }
    }
}

impl Stated {
    /// The usage without impossible numbers: one impossible count makes all of `usage` zero.
    pub fn checked(usage: Usage, extras: Extras) -> Self {
        let possible = usage.is_possible();
        let charged = extras.nano_usd.filter(|nano| *nano <= MOST_NANO_USD);
        let tools = if extras.tools.web_searches > MOST {
            Tools::default()
        } else {
            extras.tools
        };
        Self {
            usage: if possible { usage } else { Usage::default() },
            extras: Extras {
                nano_usd: charged,
                media: if possible {
                    extras.media.within(&usage)
                } else {
                    Media::default()
                },
                tools,
                advised: extras.advised.filter(|_| possible),
                refused: extras.refused
                    || !possible
                    || charged != extras.nano_usd
                    || tools != extras.tools,
                ..extras
            },
        }
    }

    /// Whether nothing is stated: the usage is zero, and there is no charge and no tool call.
    pub fn is_nothing(&self) -> bool {
        self.usage == Usage::default()
            && self.extras.nano_usd.is_none()
            && self.extras.tools == Tools::default()
    }

    /// The sum for two requests that together make one answer.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self {
            usage: self.usage.and(more.usage),
            extras: self.extras.and(more.extras),
        }
    }
}

impl Extras {
    /// The sum. It has a charge only if both parts have one.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        let (tools, media) = (self.tools, self.media);
        let nano_usd = self.nano_usd.zip(more.nano_usd);
        Self {
            nano_usd: nano_usd.map(|(one, other)| one.saturating_add(other)),
            tier: more.tier.or(self.tier),
            region: more.region.or(self.region),
            picture: more.picture.or(self.picture),
            tools: Tools {
                web_searches: tools.web_searches.saturating_add(more.tools.web_searches),
                web_search_previews: tools
                    .web_search_previews
                    .saturating_add(more.tools.web_search_previews),
                file_searches: tools.file_searches.saturating_add(more.tools.file_searches),
                code_sessions: tools.code_sessions.saturating_add(more.tools.code_sessions),
                maps: tools.maps.saturating_add(more.tools.maps),
            },
            media: Media {
                audio_input: media.audio_input.saturating_add(more.media.audio_input),
                image_input: media.image_input.saturating_add(more.media.image_input),
                audio_output: media.audio_output.saturating_add(more.media.audio_output),
                image_output: media.image_output.saturating_add(more.media.image_output),
            },
            advised: match (self.advised, more.advised) {
                (Some(one), Some(other)) => Some(one.and(other)),
                (one, other) => one.or(other),
            },
            refused: self.refused || more.refused,
        }
    }
}

impl Media {
    /// Limits the parts to the usage: vendors also count the tokens that were read from a cache.
    fn within(self, usage: &Usage) -> Self {
        let audio_input = self.audio_input.min(usage.input);
        let audio_output = self.audio_output.min(usage.output);
        Self {
            audio_input,
            image_input: self.image_input.min(usage.input - audio_input),
            audio_output,
            image_output: self.image_output.min(usage.output - audio_output),
        }
    }
}

/// The price table's name for a tier, a speed or a kind of traffic.
pub fn tier(name: &str) -> Option<&'static str> {
    let known = TIERS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map(|(_, tier)| *tier)
}

/// The price table's name for a region of inference.
pub fn region(name: &str) -> Option<&'static str> {
    REGIONS
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(name))
}

/// Vendors' names, with the price table's name. Tiers that are not listed have the ordinary price.
const TIERS: [(&str, &str); 13] = [
    ("batch", "batch"),
    ("fast", "fast"),
    ("flex", "flex"),
    ("priority", "priority"),
    ("ultrafast", "ultrafast"),
    // Gemini: the values of `serviceTier` and of Vertex AI's `trafficType`.
    ("SERVICE_TIER_FLEX", "flex"),
    ("SERVICE_TIER_PRIORITY", "priority"),
    ("SERVICE_TIER_BATCH", "batch"),
    ("ON_DEMAND_FLEX", "flex"),
    ("ON_DEMAND_PRIORITY", "priority"),
    ("BATCH", "batch"),
    ("FLEX", "flex"),
    ("PRIORITY", "priority"),
];

const REGIONS: [&str; 2] = ["eu", "us"];

/// An answer that costs more than a million dollars is impossible.
const MOST_NANO_USD: u64 = 1_000_000_000_000_000;

/// More tokens than this are impossible.
pub(super) const MOST: u64 = 1 << 40;
