//! Gemini. Reasoning is charged as output.
use super::LOW_TO_HIGH;
use crate::catalog::counting::{Counting, Pictures};
use crate::catalog::price::{MediaRates, by_token, uncached_writes};
use crate::catalog::row::{Row, Source, row};
use crate::catalog::terms::{Fees, Terms};
use crate::protocol::hub::opaque::Vendor;
use crate::protocol::hub::target::Habit;
use crate::protocol::models::effort::Effort::{High, Low, Medium, Minimal};
use crate::protocol::models::effort::Efforts;
use crate::protocol::models::{Capabilities, Modes, Reasoning};

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    row(&["gemini"], GUIDES).wants(&[Habit::Signs(Vendor::Gemini)]),
    row(&["gemini-"], GUIDES).accepts(GEMINI_3).counts(COUNTS),
    row(&["gemini-4-argon"], PRICING).costs(by_token(uncached_writes(2.0, 0.1, 10.0), &TERMS)),
    row(&["gemini-3.1-pro"], GUIDES).accepts(GEMINI_3_1_PRO),
    row(&["gemini-3-pro"], GUIDES).accepts(GEMINI_3_PRO),
    row(&["gemini-3.1-pro-preview", "gemini-pro-latest"], PRICING).costs(by_token(uncached_writes(2.0, 0.2, 12.0), &DEAR_CACHE).above(200_000, uncached_writes(4.0, 0.4, 18.0))),
    row(&["gemini-flash-latest", "gemini-3.8-flash", "gemini-3.7-flash", "gemini-3.6-flash"], PRICING).costs(by_token(uncached_writes(0.75, 0.075, 3.75), &TERMS)),
    row(&["gemini-3.5-flash"], PRICING).costs(by_token(uncached_writes(1.5, 0.15, 9.0), &TERMS)),
    row(&["gemini-3.5-flash-lite", "gemini-flash-lite-latest"], PRICING).costs(by_token(uncached_writes(0.3, 0.03, 2.5), &TERMS)),
    row(&["gemini-3.1-flash-lite"], PRICING).costs(by_token(uncached_writes(0.25, 0.025, 1.5), &TERMS).media(MediaRates::heard(0.5))),
    row(&["gemini-3-flash-preview"], PRICING).costs(by_token(uncached_writes(0.5, 0.05, 3.0), &DEAR_CACHE).media(MediaRates::heard(1.0))),
    row(&["gemini-2"], GUIDES).counts(COUNTS_2),
    row(&["gemini-2.5"], GUIDES).accepts(GEMINI_2_5),
    row(&["gemini-2.5-pro"], PRICING).accepts(GEMINI_2_5_PRO).costs(by_token(uncached_writes(1.25, 0.125, 10.0), &TERMS_2).above(200_000, uncached_writes(2.5, 0.25, 15.0))),
    row(&["gemini-2.5-flash"], PRICING).costs(by_token(uncached_writes(0.3, 0.03, 2.5), &TERMS_2).media(MediaRates::heard(1.0))),
    row(&["gemini-2.5-flash-lite"], PRICING).costs(by_token(uncached_writes(0.1, 0.01, 0.4), &TERMS_2).media(MediaRates::heard(0.3))),
    row(&["gemini-2.5-flash-image"], PRICING).costs(by_token(uncached_writes(0.3, 0.03, 2.5), &TERMS_2).media(MediaRates::drawn(30.0))),
    row(&["gemini-3-pro-image", "gemini-3-pro-image-preview"], PRICING).costs(by_token(uncached_writes(2.0, 0.2, 12.0), &TERMS).above(200_000, uncached_writes(4.0, 0.4, 18.0)).media(MediaRates::drawn(120.0))),
    row(&["gemini-3.1-flash-image", "gemini-3.1-flash-image-preview"], PRICING).costs(by_token(uncached_writes(0.5, 0.05, 3.0), &TERMS).media(MediaRates::drawn(60.0))),
    row(&["gemini-2.5-flash-preview-tts", "gemini-2.5-flash-tts"], PRICING).costs(by_token(uncached_writes(0.5, 0.5, 10.0), &EMBEDDING)),
    row(&["gemini-2.5-pro-preview-tts", "gemini-2.5-pro-tts"], PRICING).costs(by_token(uncached_writes(1.0, 0.125, 20.0), &EMBEDDING).media(MediaRates::heard(0.7))),
    row(&["gemini-3.8-flash-tts"], PRICING).costs(by_token(uncached_writes(0.5, 0.125, 9.0), &TERMS)),
    row(&["gemini-3.8-flash-lite-tts"], PRICING).costs(by_token(uncached_writes(0.5, 0.125, 6.0), &TERMS)),
    row(&["gemini-3.1-flash-tts-preview"], PRICING).costs(by_token(uncached_writes(1.0, 1.0, 20.0), &EMBEDDING)),
    row(&["gemini-2.0"], GUIDES).accepts(GEMINI_OLD),
    row(&["gemini-1"], GUIDES).accepts(GEMINI_OLD).counts(COUNTS_2),
    row(&["gemini-embedding-001"], PRICING).costs(by_token(uncached_writes(0.15, 0.15, 0.0), &EMBEDDING)),
];

// What the models accept.

const GEMINI_2_5: Capabilities = Capabilities {
    context: 1_048_576,
    max_output: 65_536,
    stops: 5,
    reasoning: Reasoning {
        modes: Modes::BUDGET.and(Modes::OFF).and(Modes::ADAPTIVE),
        efforts: Efforts::NONE,
        default_on: true,
        hidden: true,
    },
    ..Capabilities::PLAIN
};

/// Reasoning cannot be switched off.
const GEMINI_2_5_PRO: Capabilities = Capabilities {
    reasoning: Reasoning {
        modes: Modes::BUDGET.and(Modes::ADAPTIVE),
        ..GEMINI_2_5.reasoning
    },
    ..GEMINI_2_5
};

/// Reasoning has levels instead of budgets.
const GEMINI_3: Capabilities = Capabilities {
    reasoning: Reasoning {
        modes: Modes::ADAPTIVE,
        efforts: Efforts::of(&[Minimal, Low, Medium, High]),
        default_on: true,
        hidden: true,
    },
    ..GEMINI_2_5
};

const GEMINI_3_PRO: Capabilities = Capabilities {
    reasoning: Reasoning {
        efforts: Efforts::of(&[Low, High]),
        ..GEMINI_3.reasoning
    },
    ..GEMINI_3
};

const GEMINI_3_1_PRO: Capabilities = Capabilities {
    reasoning: Reasoning {
        efforts: LOW_TO_HIGH,
        ..GEMINI_3.reasoning
    },
    ..GEMINI_3
};

/// Gemini before 2.5.
const GEMINI_OLD: Capabilities = Capabilities {
    max_output: 8_192,
    reasoning: Reasoning::NONE,
    ..GEMINI_2_5
};

// How the models count tokens.

const COUNTS: Counting = Counting {
    prose: 1.05,
    code: 1.10,
    cjk: 1.0,
    schema: 0.8,
    pictures: Pictures::Fixed(1_120),
    page: 560,
    ..Counting::UNKNOWN
};

const COUNTS_2: Counting = Counting {
    pictures: Pictures::GeminiTiles,
    page: 258,
    ..COUNTS
};

// What the vendor charges besides tokens.

/// Batches and flex cost half, priority 1.8 times the price. Grounding with Google Search and with Google Maps from
/// Gemini 3 on: 14 USD per 1,000 queries beyond the free ones. Source: ai.google.dev, flex and priority inference and
/// the batch API.
const TERMS: Terms = Terms {
    tiers: &[("batch", 0.5), ("flex", 0.5), ("priority", 1.8)],
    tools: Fees {
        web_search: 0.014,
        maps: 0.014,
        ..Fees::NONE
    },
    ..Terms::NONE
};

/// The terms of models whose cache reads cost the same on the cheaper tiers.
const DEAR_CACHE: Terms = Terms {
    dear_cache: true,
    ..TERMS
};

/// Gemini 2: 35 USD per 1,000 prompts that were grounded with Search, 25 USD with Maps, beyond the free ones.
const TERMS_2: Terms = Terms {
    tools: Fees {
        web_search: 0.035,
        maps: 0.025,
        once: true,
        ..Fees::NONE
    },
    ..DEAR_CACHE
};

const EMBEDDING: Terms = Terms {
    tiers: &[("batch", 0.5)],
    ..Terms::NONE
};

// The sources.

pub(super) const PRICING: Source = Source {
    text: "LiteLLM 1.110.2 price map, citing Gemini Developer API pricing, 2026-11",
    as_of: "2026-11",
};

const GUIDES: Source = Source {
    text: "ai.google.dev guides and price pages",
    as_of: "2026-11",
};
