//! OpenAI's models for conversations. Its other models are in `beside_chat.rs`.
//!
//! Cache writes live thirty minutes or twelve hours. Above 272k, input costs twice as much and output one and a half
//! times as much; the rows state the resulting prices.
use super::{LOW_TO_HIGH, others};
use crate::catalog::counting::{Counting, Pictures};
use crate::catalog::price::{by_token, rates, uncached_writes};
use crate::catalog::row::{Row, Source, row};
use crate::catalog::terms::{Fees, Terms};
use crate::protocol::models::effort::Effort::{High, Low, Max, Medium, Minimal, Xhigh};
use crate::protocol::models::effort::Efforts;
use crate::protocol::models::{Capabilities, Modes, Reasoning, Sampling, Traits};

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    row(&["gpt-"], GUIDES).counts(COUNTS),
    row(&["gpt-6"], GUIDES).accepts(GPT_5_6),
    row(&["gpt-6-astra"], PRICING).accepts(GPT_6_ASTRA).costs(by_token(rates(10.0, 12.5, 25.0, 1.0, 50.0), &TERMS).above(272_000, rates(20.0, 25.0, 50.0, 2.0, 75.0))),
    row(&["gpt-6.1-sol"], PRICING).costs(by_token(rates(2.0, 2.5, 5.0, 0.1, 10.0), &TERMS).above(272_000, rates(4.0, 5.0, 10.0, 0.2, 15.0))),
    row(&["gpt-6.1-terra"], PRICING).costs(by_token(rates(1.0, 1.25, 2.5, 0.05, 5.0), &TERMS).above(272_000, rates(2.0, 2.5, 5.0, 0.1, 7.5))),
    row(&["gpt-6-sol"], PRICING).costs(by_token(rates(2.0, 2.5, 5.0, 0.2, 10.0), &TERMS).above(272_000, rates(4.0, 5.0, 10.0, 0.4, 15.0))),
    row(&["gpt-6-luna"], PRICING).costs(by_token(rates(0.1, 0.125, 0.25, 0.01, 0.5), &TERMS).above(272_000, rates(0.2, 0.25, 0.5, 0.02, 0.75))),
    row(&["gpt-5.6-sol", "gpt-5.6"], PRICING).accepts(GPT_5_6).costs(by_token(rates(4.0, 5.0, 10.0, 0.4, 20.0), &TERMS).above(272_000, rates(8.0, 10.0, 20.0, 0.8, 30.0))),
    row(&["gpt-5.6-terra"], PRICING).costs(by_token(rates(2.0, 2.5, 5.0, 0.2, 12.0), &TERMS).above(272_000, rates(4.0, 5.0, 10.0, 0.4, 18.0))),
    row(&["gpt-5.6-luna"], PRICING).costs(by_token(rates(0.2, 0.25, 0.5, 0.02, 1.2), &TERMS).above(272_000, rates(0.4, 0.5, 1.0, 0.04, 1.8))),
    row(&["gpt-5.5"], PRICING).accepts(GPT_5_5).costs(by_token(uncached_writes(5.0, 0.5, 30.0), &TERMS_5_5).above(272_000, uncached_writes(10.0, 1.0, 45.0))),
    // Cache reads have no discount.
    row(&["gpt-5.5-pro"], PRICING).costs(by_token(uncached_writes(30.0, 30.0, 180.0), &TERMS_5_5).above(272_000, uncached_writes(60.0, 60.0, 270.0))),
    row(&["gpt-5.4-pro"], PRICING).costs(by_token(uncached_writes(30.0, 30.0, 180.0), &TERMS).above(272_000, uncached_writes(60.0, 60.0, 270.0))),
    row(&["gpt-5.2-pro"], PRICING).costs(by_token(uncached_writes(21.0, 21.0, 168.0), &TERMS)),
    row(&["gpt-5-pro"], PRICING).costs(by_token(uncached_writes(15.0, 15.0, 120.0), &TERMS)),
    row(&["gpt-5.4"], PRICING).accepts(GPT_5_4).costs(by_token(uncached_writes(2.5, 0.25, 15.0), &TERMS).above(272_000, uncached_writes(5.0, 0.5, 22.5))),
    row(&["gpt-5.4-mini"], PRICING).accepts(GPT_5_4_MINI).costs(by_token(uncached_writes(0.75, 0.075, 4.5), &TERMS)),
    row(&["gpt-5.4-nano"], PRICING).accepts(GPT_5_4_MINI).costs(by_token(uncached_writes(0.2, 0.02, 1.25), &TERMS)),
    row(&["gpt-5.3"], GUIDES).accepts(GPT_5_2),
    row(&["gpt-5.3-codex", "gpt-5.2", "gpt-5.2-codex"], PRICING).accepts(GPT_5_2).costs(by_token(uncached_writes(1.75, 0.175, 14.0), &TERMS)),
    row(&["gpt-5.1"], PRICING).accepts(GPT_5_1).costs(by_token(uncached_writes(1.25, 0.125, 10.0), &TERMS)),
    row(&["gpt-5"], PRICING).accepts(GPT_5).costs(by_token(uncached_writes(1.25, 0.125, 10.0), &TERMS)),
    row(&["gpt-5.1-codex", "gpt-5.1-codex-max", "gpt-5-codex"], PRICING).costs(by_token(uncached_writes(1.25, 0.125, 10.0), &TERMS)),
    row(&["gpt-5-mini"], PRICING).counts(patches(162)).costs(by_token(uncached_writes(0.25, 0.025, 2.0), &TERMS_5_MINI)),
    row(&["gpt-5.1-codex-mini"], PRICING).costs(by_token(uncached_writes(0.25, 0.025, 2.0), &TERMS)),
    row(&["gpt-5-nano"], PRICING).counts(patches(246)).costs(by_token(uncached_writes(0.05, 0.005, 0.4), &TERMS)),
    // The context of a million tokens has a single price; prices for long prompts began with gpt-5.4.
    row(&["gpt-4.1"], PRICING).accepts(GPT_4_1).costs(by_token(uncached_writes(2.0, 0.5, 8.0), &TERMS_4)),
    row(&["gpt-4.1-mini"], PRICING).counts(patches(162)).costs(by_token(uncached_writes(0.4, 0.1, 1.6), &TERMS_4)),
    row(&["gpt-4.1-nano"], PRICING).counts(patches(246)).costs(by_token(uncached_writes(0.1, 0.025, 0.4), &QUICK)),
    row(&["gpt-4o-2024-05-13"], PRICING).costs(by_token(uncached_writes(5.0, 5.0, 15.0), &TERMS_4)),
    row(&["gpt-4-turbo", "gpt-4-turbo-preview", "gpt-4-1106-preview", "gpt-4-0125-preview"], PRICING).costs(by_token(uncached_writes(10.0, 10.0, 30.0), &TERMS)),
    row(&["gpt-4"], PRICING).accepts(GPT_4).counts(TILED).costs(by_token(uncached_writes(30.0, 30.0, 60.0), &TERMS)),
    row(&["gpt-4o"], PRICING).accepts(GPT_4O).costs(by_token(uncached_writes(2.5, 1.25, 10.0), &TERMS_4O)),
    row(&["gpt-4o-mini"], PRICING).counts(FINE_TILES).costs(by_token(uncached_writes(0.15, 0.075, 0.6), &TERMS_4O_MINI)),
    row(&["gpt-3.5"], GUIDES).accepts(GPT_3_5),
    row(&["gpt-3.5-turbo"], PRICING).costs(by_token(uncached_writes(0.5, 0.5, 1.5), &BATCHED)),
    row(&["gpt-3.5-turbo-1106"], PRICING).costs(by_token(uncached_writes(1.0, 1.0, 2.0), &Terms::NONE)),
    row(&["gpt-3.5-turbo-0613", "gpt-3.5-turbo-0301"], others::RETIRED).costs(by_token(uncached_writes(1.5, 1.5, 2.0), &Terms::NONE)),
    row(&["gpt-3.5-turbo-instruct"], PRICING).costs(by_token(uncached_writes(1.5, 1.5, 2.0), &Terms::NONE)),
    row(&["gpt-3.5-turbo-16k"], PRICING).costs(by_token(uncached_writes(3.0, 3.0, 4.0), &Terms::NONE)),
    row(&["o1-pro"], PRICING).costs(by_token(uncached_writes(150.0, 150.0, 600.0), &TERMS)),
    row(&["o1"], PRICING).accepts(O_SERIES).counts(TILED).costs(by_token(uncached_writes(15.0, 7.5, 60.0), &TERMS)),
    row(&["o3-pro"], PRICING).costs(by_token(uncached_writes(20.0, 20.0, 80.0), &TERMS)),
    row(&["o3-mini"], PRICING).costs(by_token(uncached_writes(1.1, 0.55, 4.4), &TERMS)),
    row(&["o3-deep-research"], PRICING).costs(by_token(uncached_writes(10.0, 2.5, 40.0), &TERMS)),
    row(&["o4"], GUIDES).accepts(O_SERIES).counts(patches(172)),
    row(&["o4-mini-deep-research"], PRICING).costs(by_token(uncached_writes(2.0, 0.5, 8.0), &TERMS)),
    row(&["o3"], PRICING).accepts(O_SERIES).counts(TILED).costs(by_token(uncached_writes(2.0, 0.5, 8.0), &TERMS_O3)),
    row(&["o4-mini"], PRICING).costs(by_token(uncached_writes(1.1, 0.275, 4.4), &TERMS_O4_MINI)),
];

// What the models accept.

/// OpenAI's models that do not reason.
const GPT_4O: Capabilities = Capabilities {
    max_output: 16_384,
    ..Capabilities::PLAIN
};

const GPT_4: Capabilities = Capabilities {
    max_output: 4_096,
    ..GPT_4O
};

const GPT_3_5: Capabilities = Capabilities {
    context: 16_385,
    max_output: 4_096,
    ..GPT_4O
};

const GPT_4_1: Capabilities = Capabilities {
    context: 1_047_576,
    max_output: 32_768,
    ..GPT_4O
};

const O_SERIES: Capabilities = Capabilities {
    context: 200_000,
    max_output: 100_000,
    sampling: Sampling::Refused,
    stops: 0,
    reasoning: Reasoning {
        modes: Modes::NONE,
        efforts: LOW_TO_HIGH,
        default_on: true,
        hidden: true,
    },
    ..Capabilities::PLAIN
};

const GPT_5: Capabilities = Capabilities {
    context: 400_000,
    max_output: 128_000,
    reasoning: Reasoning {
        efforts: Efforts::of(&[Minimal, Low, Medium, High]),
        ..O_SERIES.reasoning
    },
    ..O_SERIES
};

const GPT_5_1: Capabilities = Capabilities {
    sampling: Sampling::RefusedWhileReasoning,
    reasoning: Reasoning {
        modes: Modes::OFF,
        efforts: LOW_TO_HIGH,
        default_on: false,
        hidden: true,
    },
    ..GPT_5
};

const GPT_5_2: Capabilities = Capabilities {
    reasoning: Reasoning {
        efforts: Efforts::of(&[Low, Medium, High, Xhigh]),
        ..GPT_5_1.reasoning
    },
    ..GPT_5_1
};

/// From gpt-5.4 on, function tools together with reasoning need Responses.
const GPT_5_4: Capabilities = Capabilities {
    context: 1_050_000,
    traits: Capabilities::PLAIN.traits.and(Traits::TOOLS_NEED_RESPONSES),
    ..GPT_5_2
};

const GPT_5_4_MINI: Capabilities = Capabilities {
    context: 400_000,
    ..GPT_5_4
};

const GPT_5_5: Capabilities = Capabilities {
    reasoning: Reasoning {
        default_on: true,
        ..GPT_5_4.reasoning
    },
    ..GPT_5_4
};

/// Explicit cache breakpoints are accepted, and efforts up to `max`.
const GPT_5_6: Capabilities = Capabilities {
    reasoning: Reasoning {
        efforts: Efforts::of(&[Low, Medium, High, Xhigh, Max]),
        ..GPT_5_5.reasoning
    },
    traits: GPT_5_5.traits.and(Traits::BREAKPOINTS),
    ..GPT_5_5
};

/// Reasoning cannot be switched off.
const GPT_6_ASTRA: Capabilities = Capabilities {
    reasoning: Reasoning {
        modes: Modes::NONE,
        ..GPT_5_6.reasoning
    },
    ..GPT_5_6
};

// How the models count tokens.

const COUNTS: Counting = Counting {
    prose: 1.0,
    code: 1.0,
    cjk: 1.0,
    schema: 0.8,
    pictures: Pictures::Patches { hundredths: 100 },
    ..Counting::UNKNOWN
};

const TILED: Counting = Counting {
    pictures: Pictures::Tiles {
        base: 85,
        tile: 170,
    },
    ..COUNTS
};

const FINE_TILES: Counting = Counting {
    pictures: Pictures::Tiles {
        base: 2_833,
        tile: 5_667,
    },
    ..COUNTS
};

const fn patches(hundredths: u64) -> Counting {
    Counting {
        pictures: Pictures::Patches { hundredths },
        ..COUNTS
    }
}

// What the vendor charges besides tokens.

/// Web search 10 USD and file search 2.50 USD per 1,000 calls, a container of 1 GB 0.03 USD. The preview of web search
/// costs the same on models that reason. Source: platform.openai.com pricing, built-in tools.
const FEES: Fees = Fees {
    web_search: 0.01,
    web_search_preview: 0.01,
    file_search: 0.0025,
    code_session: 0.03,
    ..Fees::NONE
};

/// The preview of web search on models that do not reason: 25 USD per 1,000 calls. The text that it finds is then free;
/// the vendor's token counts exclude it. Source: the same page.
const QUICK_FEES: Fees = Fees {
    web_search_preview: 0.025,
    ..FEES
};

const TERMS: Terms = Terms {
    tiers: &[
        ("batch", 0.5),
        ("flex", 0.5),
        ("priority", 2.0),
        ("fast", 2.0),
        ("ultrafast", 6.0),
    ],
    regions: &[("eu", 1.1), ("us", 1.1)],
    tools: FEES,
    dear_cache: false,
};

/// Models that do not reason and have no priority price of their own.
const QUICK: Terms = Terms {
    tools: QUICK_FEES,
    ..TERMS
};

const TERMS_O3: Terms = Terms {
    tiers: &[("batch", 0.5), ("flex", 0.5), ("priority", 1.75)],
    ..TERMS
};

/// Only batches have a factor.
const BATCHED: Terms = Terms {
    tiers: &[("batch", 0.5)],
    ..Terms::NONE
};

/// The GPT-4 generation: priority costs 1.75 times the price.
const TERMS_4: Terms = Terms {
    tools: QUICK_FEES,
    ..TERMS_O3
};

/// Priority costs 4.25 instead of 2.50. Source: developers.openai.com pricing, priority processing.
const TERMS_4O: Terms = Terms {
    tiers: &[("batch", 0.5), ("flex", 0.5), ("priority", 1.7)],
    ..QUICK
};

/// Priority costs 0.25 instead of 0.15.
const TERMS_4O_MINI: Terms = Terms {
    tiers: &[("batch", 0.5), ("flex", 0.5), ("priority", 5.0 / 3.0)],
    ..QUICK
};

/// Priority costs 0.45 instead of 0.25.
const TERMS_5_MINI: Terms = Terms {
    tiers: &[("batch", 0.5), ("flex", 0.5), ("priority", 1.8)],
    ..TERMS
};

/// Priority costs 2.00 instead of 1.10.
const TERMS_O4_MINI: Terms = Terms {
    tiers: &[("batch", 0.5), ("flex", 0.5), ("priority", 20.0 / 11.0)],
    ..TERMS
};

const TERMS_5_5: Terms = Terms {
    tiers: &[
        ("batch", 0.5),
        ("flex", 0.5),
        ("priority", 2.5),
        ("fast", 2.5),
        ("ultrafast", 6.0),
    ],
    ..TERMS
};

// The sources.

pub(super) const PRICING: Source = Source {
    text: "LiteLLM 1.110.2 price map, citing OpenAI's pricing page, 2026-11",
    as_of: "2026-11",
};

const GUIDES: Source = Source {
    text: "developers.openai.com guides and price pages",
    as_of: "2026-11",
};
