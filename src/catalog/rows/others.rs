//! DeepSeek, Kimi, GLM, MiniMax, Grok, Qwen and Doubao, and what Mistral's models need.
use super::LOW_TO_HIGH;
use crate::catalog::price::{by_token, rates, uncached_writes};
use crate::catalog::row::{Row, Source, row};
use crate::catalog::terms::Terms;
use crate::protocol::hub::target::{Habit, ReasoningReplay, ToolIds};
use crate::protocol::models::{Capabilities, Modes, Reasoning, Sampling};

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    row(&["deepseek"], PAGES).wants(&[Habit::Replays(ReasoningReplay::Required)]),
    row(&["deepseek-"], PAGES).accepts(DEEPSEEK),
    row(&["deepseek-v4"], PAGES).accepts(DEEPSEEK_V4),
    row(&["deepseek-v4-flash"], PRICING).costs(by_token(uncached_writes(0.3, 0.006, 1.2), &Terms::NONE)),
    row(&["deepseek-v4-pro"], PRICING).costs(by_token(uncached_writes(1.32, 0.044, 3.96), &Terms::NONE)),
    row(&["deepseek-chat"], PRICING).accepts(DEEPSEEK_CHAT).costs(by_token(uncached_writes(0.28, 0.028, 0.42), &Terms::NONE)),
    row(&["deepseek-reasoner"], PRICING).costs(by_token(uncached_writes(0.28, 0.028, 0.42), &Terms::NONE)),
    row(&["deepseek-v3.2"], PRICING).costs(by_token(uncached_writes(0.28, 0.028, 0.4), &Terms::NONE)),
    row(&["deepseek-v3"], PRICING).costs(by_token(uncached_writes(0.27, 0.07, 1.1), &Terms::NONE)),
    row(&["deepseek-r1"], PRICING).costs(by_token(uncached_writes(0.55, 0.14, 2.19), &Terms::NONE)),
    row(&["kimi"], PAGES).wants(&[Habit::Ids(ToolIds::Numbered), Habit::Replays(ReasoningReplay::Required)]),
    row(&["kimi-"], PAGES).accepts(KIMI),
    row(&["kimi-k3"], PRICING).accepts(KIMI_K3).costs(by_token(rates(3.0, 3.0, 6.0, 0.3, 15.0), &Terms::NONE)),
    row(&["kimi-k3.1-pro-highspeed"], PRICING).costs(by_token(rates(4.0, 4.0, 8.0, 0.2, 20.0), &Terms::NONE)),
    row(&["kimi-k3.1-pro"], PRICING).costs(by_token(rates(2.0, 2.0, 4.0, 0.2, 10.0), &Terms::NONE)),
    row(&["kimi-k2.7-code"], PRICING).costs(by_token(uncached_writes(0.95, 0.19, 4.0), &Terms::NONE)),
    row(&["kimi-k2.6"], PRICING).costs(by_token(uncached_writes(0.95, 0.16, 4.0), &Terms::NONE)),
    row(&["kimi-k2.5"], PRICING).accepts(KIMI).costs(by_token(uncached_writes(0.6, 0.1, 3.0), &Terms::NONE)),
    row(&["kimi-k2-0711-preview", "kimi-k2-0905-preview", "kimi-k2-thinking"], RETIRED).costs(by_token(uncached_writes(0.6, 0.15, 2.5), &Terms::NONE)),
    row(&["kimi-k2-turbo-preview", "kimi-k2-thinking-turbo"], RETIRED).costs(by_token(uncached_writes(1.15, 0.15, 8.0), &Terms::NONE)),
    row(&["moonshot-v1-8k", "moonshot-v1-8k-vision"], PRICING).costs(by_token(uncached_writes(0.2, 0.2, 2.0), &Terms::NONE)),
    row(&["moonshot-v1-32k", "moonshot-v1-32k-vision"], PRICING).costs(by_token(uncached_writes(1.0, 1.0, 3.0), &Terms::NONE)),
    row(&["moonshot-v1-128k", "moonshot-v1-128k-vision", "moonshot-v1-auto"], PRICING).costs(by_token(uncached_writes(2.0, 2.0, 5.0), &Terms::NONE)),
    row(&["glm-"], PAGES).accepts(GLM),
    row(&["glm-5.3", "glm-5.2", "glm-5.1"], PRICING).costs(by_token(uncached_writes(1.4, 0.26, 4.4), &Terms::NONE)),
    row(&["glm-5"], PRICING).accepts(GLM_5).costs(by_token(uncached_writes(1.0, 0.2, 3.2), &Terms::NONE)),
    row(&["glm-4.7", "glm-4.6"], PRICING).costs(by_token(uncached_writes(0.6, 0.11, 2.2), &Terms::NONE)),
    row(&["glm-5-code"], PRICING).costs(by_token(uncached_writes(1.2, 0.3, 5.0), &Terms::NONE)),
    row(&["glm-4.5"], PRICING).costs(by_token(uncached_writes(0.6, 0.6, 2.2), &Terms::NONE)),
    row(&["glm-4.5-x"], PRICING).costs(by_token(uncached_writes(2.2, 2.2, 8.9), &Terms::NONE)),
    row(&["glm-4.5-air"], PRICING).costs(by_token(uncached_writes(0.2, 0.2, 1.1), &Terms::NONE)),
    row(&["glm-4.5-airx"], PRICING).costs(by_token(uncached_writes(1.1, 1.1, 4.5), &Terms::NONE)),
    row(&["glm-5.3-flash"], PRICING).costs(by_token(uncached_writes(0.15, 0.03, 0.5), &Terms::NONE)),
    row(&["minimax-m"], PAGES).wants(&[Habit::Replays(ReasoningReplay::Tags)]),
    row(&["MiniMax-M3", "minimax-m3"], PRICING).costs(by_token(uncached_writes(0.3, 0.06, 1.2), &Terms::NONE).above(512_000, uncached_writes(0.6, 0.12, 2.4))),
    row(&["MiniMax-M2.5-lightning", "minimax-m2.5-lightning", "MiniMax-M2.1-lightning", "minimax-m2.1-lightning"], PRICING).costs(by_token(rates(0.3, 0.375, 0.375, 0.03, 2.4), &Terms::NONE)),
    row(&["MiniMax-M2.5", "minimax-m2.5", "MiniMax-M2.1", "minimax-m2.1", "MiniMax-M2", "minimax-m2"], PRICING).costs(by_token(rates(0.3, 0.375, 0.375, 0.03, 1.2), &Terms::NONE)),
    row(&["grok-4.7", "grok-4.6"], PRICING).costs(by_token(uncached_writes(2.0, 0.5, 6.0), &XAI).above(200_000, uncached_writes(4.0, 1.0, 12.0))),
    row(&["grok-4.5"], PRICING).costs(by_token(uncached_writes(2.0, 0.3, 6.0), &Terms::NONE).above(200_000, uncached_writes(4.0, 0.6, 12.0))),
    row(&["grok-4.3", "grok-4.20", "grok-4.20-reasoning", "grok-4.20-non-reasoning", "grok-4.20-multi-agent", "grok-4.20-0309-reasoning", "grok-4.20-0309-non-reasoning", "grok-4.20-reasoning-gv2", "grok-4.20-non-reasoning-gv2", "grok-4.20-beta", "grok-4.20-beta-reasoning", "grok-4.20-beta-non-reasoning", "grok-4.20-beta-latest-reasoning", "grok-4.20-beta-latest-non-reasoning", "grok-4.20-beta-0309-reasoning", "grok-4.20-beta-0309-non-reasoning", "grok-4.20-experimental-beta", "grok-4.20-experimental-beta-reasoning", "grok-4.20-experimental-beta-non-reasoning", "grok-4.20-experimental-beta-0304-reasoning", "grok-4.20-experimental-beta-0304-non-reasoning", "grok-4.20-multi-agent-beta", "grok-4.20-multi-agent-experimental-beta"], PRICING).costs(by_token(uncached_writes(1.25, 0.2, 2.5), &XAI).above(200_000, uncached_writes(2.5, 0.4, 5.0))),
    row(&["grok-code-fast", "grok-code-fast-1"], PRICING).costs(by_token(uncached_writes(1.0, 0.2, 2.0), &Terms::NONE).above(200_000, uncached_writes(2.0, 0.4, 4.0))),
    row(&["codestral", "devstral", "magistral", "ministral", "mistral", "mixtral", "pixtral"], PAGES).wants(&[Habit::Ids(ToolIds::Nine)]),
    row(&["qwen3"], PAGES).accepts(THINKING),
    row(&["qwen-max"], PRICING).costs(by_token(uncached_writes(1.6, 1.6, 6.4), &Terms::NONE)),
    // Snapshots of `qwen-plus` before July 2025 do not accept prompts above this threshold.
    row(&["qwen-plus"], PRICING).costs(by_token(uncached_writes(0.4, 0.4, 1.2), &Terms::NONE).above(256_000, uncached_writes(1.2, 1.2, 3.6))),
    row(&["qwen-turbo"], PRICING).costs(by_token(uncached_writes(0.05, 0.05, 0.2), &Terms::NONE)),
    row(&["qwen-flash"], PRICING).costs(by_token(uncached_writes(0.05, 0.05, 0.4), &Terms::NONE).above(256_000, uncached_writes(0.25, 0.25, 2.0))),
    row(&["qwen-coder"], PRICING).costs(by_token(uncached_writes(0.3, 0.3, 1.5), &Terms::NONE)),
    row(&["qwq-plus"], PRICING).costs(by_token(uncached_writes(0.8, 0.8, 2.4), &Terms::NONE)),
    row(&["qwen3-max"], PRICING).costs(by_token(uncached_writes(1.2, 1.2, 6.0), &Terms::NONE).above(32_000, uncached_writes(2.4, 2.4, 12.0)).above(128_000, uncached_writes(3.0, 3.0, 15.0))),
    row(&["qwen3-coder-plus"], PRICING).costs(by_token(uncached_writes(1.0, 0.1, 5.0), &Terms::NONE).above(32_000, uncached_writes(1.8, 0.18, 9.0)).above(128_000, uncached_writes(3.0, 0.3, 15.0)).above(256_000, uncached_writes(6.0, 0.6, 60.0))),
    row(&["qwen3-coder-flash"], PRICING).costs(by_token(uncached_writes(0.3, 0.08, 1.5), &Terms::NONE).above(32_000, uncached_writes(0.5, 0.12, 2.5)).above(128_000, uncached_writes(0.8, 0.2, 4.0)).above(256_000, uncached_writes(1.6, 0.4, 9.6))),
    row(&["qwen3-vl-plus"], PRICING).costs(by_token(uncached_writes(0.2, 0.2, 1.6), &Terms::NONE).above(32_000, uncached_writes(0.3, 0.3, 2.4)).above(128_000, uncached_writes(0.6, 0.6, 4.8))),
    row(&["qwen3.5-plus"], PRICING).costs(by_token(uncached_writes(0.4, 0.4, 2.4), &Terms::NONE).above(256_000, uncached_writes(0.5, 0.5, 3.0))),
    row(&["qwen3.7-plus"], PRICING).costs(by_token(uncached_writes(0.4, 0.08, 1.6), &Terms::NONE).above(256_000, uncached_writes(1.2, 0.24, 4.8))),
    row(&["qwen3.7-max"], PRICING).costs(by_token(rates(2.5, 3.125, 3.125, 0.5, 7.5), &Terms::NONE)),
    row(&["qwen3.8-max"], PRICING).costs(by_token(uncached_writes(2.0, 0.25, 6.0), &Terms::NONE)),
    row(&["qwen3.8-flash"], PRICING).costs(by_token(rates(0.15, 0.2, 0.2, 0.016, 0.47), &Terms::NONE)),
    row(&["doubao-seed-2.1-pro"], PRICING).costs(by_token(uncached_writes(0.8625, 0.1725, 4.3125), &Terms::NONE)),
];

/// Open models behind a Chat API that reason always or optionally.
const THINKING: Capabilities = Capabilities {
    context: 262_144,
    max_output: 65_536,
    reasoning: Reasoning {
        modes: Modes::ADAPTIVE.and(Modes::OFF),
        efforts: LOW_TO_HIGH,
        default_on: true,
        hidden: false,
    },
    ..Capabilities::PLAIN
};

/// Kimi has a fixed temperature while it reasons.
const KIMI: Capabilities = Capabilities {
    sampling: Sampling::RefusedWhileReasoning,
    ..THINKING
};

const KIMI_K3: Capabilities = Capabilities {
    context: 1_000_000,
    ..KIMI
};

const DEEPSEEK: Capabilities = Capabilities {
    context: 131_072,
    ..THINKING
};

const DEEPSEEK_CHAT: Capabilities = Capabilities {
    reasoning: Reasoning {
        default_on: false,
        ..THINKING.reasoning
    },
    ..DEEPSEEK
};

const DEEPSEEK_V4: Capabilities = Capabilities {
    context: 1_000_000,
    ..THINKING
};

const GLM: Capabilities = Capabilities {
    context: 200_000,
    ..THINKING
};

const GLM_5: Capabilities = Capabilities {
    context: 1_000_000,
    ..THINKING
};

/// Batches cost four fifths. Source: api.x.ai/v1/language-models.
const XAI: Terms = Terms {
    tiers: &[("batch", 0.8)],
    ..Terms::NONE
};

// The sources.

pub(super) const PRICING: Source = Source {
    text: "LiteLLM 1.110.2 price map, citing the vendor's pricing page, 2026-11",
    as_of: "2026-11",
};

pub(super) const RETIRED: Source = Source {
    text: "LiteLLM 1.83.0 price map, citing the vendor's pricing page before the model was retired",
    as_of: "2026-03",
};

const PAGES: Source = Source {
    text: "the vendors' model and price pages",
    as_of: "2026-11",
};
