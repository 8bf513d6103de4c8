//! Anthropic's Claude models.
//!
//! Cache writes live five minutes or one hour. The source of the smallest size of a cached prompt is Anthropic's guide
//! to prompt caching.
use super::LOW_TO_HIGH;
use crate::catalog::counting::{Counting, Pictures};
use crate::catalog::price::{by_token, rates};
use crate::catalog::row::{Row, Source, row};
use crate::catalog::terms::{Fees, Terms};
use crate::protocol::models::effort::Effort::{High, Low, Max, Medium, Xhigh};
use crate::protocol::models::effort::Efforts;
use crate::protocol::models::{Capabilities, Modes, Reasoning, Sampling, Traits};

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    // A Claude model without a row of its own counts as one of the newest generation.
    row(&["claude-"], GUIDES).accepts(CLAUDE_5).counts(COUNTS_4_7),
    // The same, but shorter prompts are cached.
    row(&["claude-fable", "claude-haiku-5"], GUIDES).accepts(cached_from(512, CLAUDE_5)),
    row(&["claude-fable-5-2"], SECOND_HAND).accepts(cached_from(512, CLAUDE_UNFORCED)).costs(by_token(rates(8.0, 10.0, 16.0, 0.2, 40.0), &REGIONAL)),
    row(&["claude-mythos-5-2"], ASSUMED).accepts(CLAUDE_UNFORCED).costs(by_token(rates(10.0, 12.5, 20.0, 0.25, 50.0), &REGIONAL)),
    row(&["claude-fable-5-1"], PRICING).accepts(cached_from(512, CLAUDE_UNFORCED)).costs(by_token(rates(10.0, 12.5, 20.0, 0.25, 50.0), &REGIONAL)),
    row(&["claude-mythos-5-1"], PRICING).accepts(CLAUDE_UNFORCED).costs(by_token(rates(10.0, 12.5, 20.0, 0.25, 50.0), &REGIONAL)),
    row(&["claude-fable-5"], PRICING).accepts(cached_from(512, CLAUDE_MYTHOS)).costs(by_token(rates(10.0, 12.5, 20.0, 1.0, 50.0), &REGIONAL)),
    row(&["claude-mythos-5"], PRICING).accepts(CLAUDE_MYTHOS).costs(by_token(rates(10.0, 12.5, 20.0, 1.0, 50.0), &REGIONAL)),
    row(&["claude-opus-5-5"], PRICING).accepts(cached_from(512, CLAUDE_UNFORCED)).costs(by_token(rates(4.0, 5.0, 8.0, 0.2, 20.0), &REGIONAL)),
    row(&["claude-opus-5"], PRICING).accepts(CLAUDE_OPUS_5).counts(counts_with((286, 406))).costs(by_token(rates(5.0, 6.25, 10.0, 0.5, 25.0), &REGIONAL)),
    row(&["claude-opus-4-8"], PRICING).accepts(CLAUDE_OPUS_4_8).counts(counts_with((290, 410))).costs(by_token(rates(5.0, 6.25, 10.0, 0.5, 25.0), &REGIONAL)),
    row(&["claude-opus-4-7"], PRICING).accepts(cached_from(2_048, CLAUDE_4_7)).counts(counts_with((675, 804))).costs(by_token(rates(5.0, 6.25, 10.0, 0.5, 25.0), &REGIONAL)),
    row(&["claude-opus-4-6"], PRICING).accepts(cached_from(4_096, CLAUDE_4_6)).costs(by_token(rates(5.0, 6.25, 10.0, 0.5, 25.0), &REGIONAL)),
    row(&["claude-opus-4-5"], PRICING).accepts(CLAUDE_OPUS_4_5).costs(by_token(rates(5.0, 6.25, 10.0, 0.5, 25.0), &TERMS)),
    // Cache reads cost 0.20 before 2026-10-07.
    row(&["claude-sonnet-5-5"], PRICING).accepts(CLAUDE_SONNET_5_5).costs(by_token(rates(2.0, 2.5, 4.0, 0.1, 10.0), &REGIONAL)),
    row(&["claude-sonnet-5"], PRICING).accepts(CLAUDE_5).costs(by_token(rates(2.0, 2.5, 4.0, 0.2, 10.0), &REGIONAL)),
    row(&["claude-sonnet-4-6"], PRICING).accepts(CLAUDE_4_6).costs(by_token(rates(3.0, 3.75, 6.0, 0.3, 15.0), &REGIONAL)),
    row(&["claude-sonnet-4-5"], PRICING).accepts(CLAUDE_4_5).costs(by_token(rates(3.0, 3.75, 6.0, 0.3, 15.0), &TERMS)),
    row(&["claude-haiku-5-5"], PRICING).accepts(CLAUDE_HAIKU_5_5).costs(by_token(rates(0.1, 0.125, 0.2, 0.01, 0.5), &REGIONAL).above(100_000, rates(0.5, 0.625, 1.0, 0.05, 2.5))),
    // Anthropic itself no longer sells these models, or soon will not. Clients still request them.
    row(&["claude-opus-4-1", "claude-opus-4-0", "claude-opus-4"], PRICING).accepts(CLAUDE_OPUS_4).counts(COUNTS).costs(by_token(rates(15.0, 18.75, 30.0, 1.5, 75.0), &TERMS)),
    row(&["claude-3-opus"], PRICING).accepts(not_reasoning(4_096)).costs(by_token(rates(15.0, 18.75, 30.0, 1.5, 75.0), &TERMS)),
    row(&["claude-sonnet-4-0", "claude-sonnet-4"], PRICING).accepts(CLAUDE_OLD).counts(COUNTS).costs(by_token(rates(3.0, 3.75, 6.0, 0.3, 15.0), &TERMS)),
    row(&["claude-3-7"], GUIDES).accepts(CLAUDE_OLD),
    row(&["claude-3-7-sonnet", "claude-3-5-sonnet"], PRICING).costs(by_token(rates(3.0, 3.75, 6.0, 0.3, 15.0), &TERMS)),
    row(&["claude-3-sonnet"], PRICING).accepts(not_reasoning(4_096)).costs(by_token(rates(3.0, 3.75, 6.0, 0.3, 15.0), &TERMS)),
    row(&["claude-3-5-haiku"], PRICING).accepts(cached_from(2_048, not_reasoning(8_192))).costs(by_token(rates(0.8, 1.0, 1.6, 0.08, 4.0), &TERMS)),
    row(&["claude-3-haiku"], PRICING).accepts(cached_from(2_048, not_reasoning(4_096))).costs(by_token(rates(0.25, 0.3, 0.5, 0.03, 1.25), &TERMS)),
    row(&["claude-haiku-4"], GUIDES).counts(COUNTS),
    row(&["claude-haiku-4-5"], PRICING).accepts(cached_from(4_096, CLAUDE_4_5)).costs(by_token(rates(1.0, 1.25, 2.0, 0.1, 5.0), &TERMS)),
    row(&["claude-3"], GUIDES).accepts(not_reasoning(8_192)).counts(COUNTS),
    row(&["claude-2.0", "claude-2.1"], RETIRED).costs(by_token(rates(8.0, 8.0, 8.0, 8.0, 24.0), &Terms::NONE)),
    row(&["claude-instant-1.2"], RETIRED).costs(by_token(rates(0.8, 0.8, 0.8, 0.8, 2.4), &Terms::NONE)),
    row(&["claude-2"], GUIDES).accepts(not_reasoning(4_096)).counts(COUNTS),
];

// What the models accept.

/// Claude before 4.5: reasoning has a budget or is off; sampling parameters are accepted only without reasoning.
const CLAUDE_OLD: Capabilities = Capabilities {
    context: 200_000,
    max_output: 64_000,
    sampling: Sampling::Unless,
    stops: MANY,
    reasoning: Reasoning {
        modes: Modes::BUDGET.and(Modes::OFF),
        efforts: Efforts::NONE,
        default_on: false,
        hidden: false,
    },
    traits: Capabilities::PLAIN.traits.and(Traits::PREFILL),
    ..Capabilities::PLAIN
};

/// Claude before 3.7, which does not reason.
const fn not_reasoning(max_output: u64) -> Capabilities {
    Capabilities {
        max_output,
        reasoning: Reasoning::NONE,
        ..CLAUDE_OLD
    }
}

const CLAUDE_OPUS_4: Capabilities = Capabilities {
    max_output: 32_000,
    ..CLAUDE_OLD
};

const CLAUDE_4_5: Capabilities = Capabilities {
    sampling: Sampling::One,
    traits: CLAUDE_OLD.traits.and(Traits::STRUCTURED),
    ..CLAUDE_OLD
};

const CLAUDE_OPUS_4_5: Capabilities = Capabilities {
    reasoning: Reasoning {
        efforts: LOW_TO_HIGH,
        ..CLAUDE_4_5.reasoning
    },
    cached_from: 4_096,
    ..CLAUDE_4_5
};

const CLAUDE_4_6: Capabilities = Capabilities {
    context: 1_000_000,
    max_output: 128_000,
    reasoning: Reasoning {
        modes: Modes::ADAPTIVE.and(Modes::BUDGET).and(Modes::OFF),
        efforts: Efforts::of(&[Low, Medium, High, Max]),
        default_on: false,
        hidden: false,
    },
    traits: CLAUDE_4_5.traits.without(Traits::PREFILL),
    ..CLAUDE_4_5
};

/// Claude from 4.7 on: no sampling parameters, no reasoning budgets, and reasoning is hidden unless it is requested.
const CLAUDE_4_7: Capabilities = Capabilities {
    sampling: Sampling::Refused,
    reasoning: Reasoning {
        modes: Modes::ADAPTIVE.and(Modes::OFF),
        efforts: Efforts::of(&[Low, Medium, High, Xhigh, Max]),
        default_on: false,
        hidden: true,
    },
    ..CLAUDE_4_6
};

const CLAUDE_OPUS_4_8: Capabilities = Capabilities {
    traits: CLAUDE_4_7.traits.and(Traits::SYSTEM_IN_TURNS),
    ..CLAUDE_4_7
};

const CLAUDE_5: Capabilities = Capabilities {
    reasoning: Reasoning {
        default_on: true,
        ..CLAUDE_4_7.reasoning
    },
    ..CLAUDE_4_7
};

const CLAUDE_OPUS_5: Capabilities = Capabilities {
    traits: CLAUDE_5.traits.and(Traits::SYSTEM_IN_TURNS),
    cached_from: 512,
    ..CLAUDE_5
};

/// Reasoning cannot be switched off.
const CLAUDE_MYTHOS: Capabilities = Capabilities {
    reasoning: Reasoning {
        modes: Modes::ADAPTIVE,
        ..CLAUDE_5.reasoning
    },
    traits: CLAUDE_5.traits.and(Traits::SYSTEM_IN_TURNS),
    ..CLAUDE_5
};

/// Reasoning cannot be switched off, and a tool call cannot be forced.
const CLAUDE_UNFORCED: Capabilities = Capabilities {
    traits: CLAUDE_MYTHOS.traits.without(Traits::FORCED_TOOLS),
    ..CLAUDE_MYTHOS
};

const CLAUDE_SONNET_5_5: Capabilities = Capabilities {
    reasoning: Reasoning {
        modes: Modes::ADAPTIVE.and(Modes::BETWEEN_TOOLS),
        ..CLAUDE_5.reasoning
    },
    traits: CLAUDE_UNFORCED.traits.and(Traits::ACCOUNT_BOUND),
    cached_from: 512,
    ..CLAUDE_UNFORCED
};

const CLAUDE_HAIKU_5_5: Capabilities = Capabilities {
    traits: CLAUDE_5
        .traits
        .and(Traits::SYSTEM_IN_TURNS)
        .and(Traits::ACCOUNT_BOUND),
    cached_from: 512,
    ..CLAUDE_5
};

/// The same capabilities, but only prompts of at least `tokens` tokens are cached.
const fn cached_from(tokens: u64, others: Capabilities) -> Capabilities {
    Capabilities {
        cached_from: tokens,
        ..others
    }
}

/// A limit on stop strings that no request reaches.
const MANY: usize = 8_191;

// How the models count tokens.

const COUNTS: Counting = Counting {
    prose: 1.20 * SAFETY,
    code: 1.35 * SAFETY,
    cjk: 1.15 * SAFETY,
    schema: 1.0,
    message: 5,
    tool: 8,
    tools: (496, 588),
    request: 0,
    pictures: Pictures::Claude {
        edge: 1568,
        most: 1568,
    },
    page: 2_250,
    reasoning: 2.5,
};

/// From 4.7 on: another tokenizer, and images are shrunk to a larger size.
const COUNTS_4_7: Counting = Counting {
    prose: 1.30 * COUNTS.prose,
    code: 1.30 * COUNTS.code,
    cjk: 1.30 * COUNTS.cjk,
    tools: (354, 474),
    pictures: Pictures::Claude {
        edge: 2576,
        most: 4784,
    },
    page: 3_000,
    ..COUNTS
};

const fn counts_with(tools: (u64, u64)) -> Counting {
    Counting {
        tools,
        ..COUNTS_4_7
    }
}

/// A safety margin. If an estimate is too low, a session overruns its context window; if it is too high, the session is
/// compacted a little early.
const SAFETY: f64 = 1.03;

// What the vendor charges besides tokens.

/// Batches cost half and fast mode double; `priority` is bought by contract, at no price per token. Web searches cost
/// 10 USD per 1,000, and code execution that is used with them is free. Source: platform.claude.com, web search tool.
const TERMS: Terms = Terms {
    tiers: &[("batch", 0.5), ("fast", 2.0)],
    tools: Fees {
        web_search: 0.01,
        ..Fees::NONE
    },
    ..Terms::NONE
};

/// `inference_geo` costs extra from 4.6 on.
const REGIONAL: Terms = Terms {
    regions: &[("us", 1.1)],
    ..TERMS
};

// The sources.

const PRICING: Source = Source {
    text: "platform.claude.com pricing, 2026-08 to 2026-11",
    as_of: "2026-11",
};

const ASSUMED: Source = Source {
    text: "unpublished in 2026-11: assumed to cost what 5.1 costs",
    as_of: "2026-11",
};

const SECOND_HAND: Source = Source {
    text: "assumed: unpublished by Anthropic, from a reseller's page of 2026-11-10",
    as_of: "2026-11",
};

const RETIRED: Source = Source {
    text: "Anthropic's price list until the models were retired; Bedrock asks the same in LiteLLM's 1.110.2 price map",
    as_of: "2026-11",
};

const GUIDES: Source = Source {
    text: "platform.claude.com model pages and guides",
    as_of: "2026-11",
};
