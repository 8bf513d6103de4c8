//! `capabilities`: what models accept, where the built-in table is wrong or silent.
use super::mapping::mapping;
use super::setting::{Measure as _, Otherwise, Rule};
use crate::config::raw::values::{Boolean, Pattern, Whole, Word, Words};
use crate::config::yaml::decode::{Field, Needed};
use crate::protocol::models::effort::Effort;
use crate::protocol::models::{Modes, Sampling};

mapping!("capabilities: `{ model: PATTERN, max_output_tokens: 32768 }`"
/// What some models accept. What is not given stays as the built-in table has it.
Capabilities {
    /// Which models, by the upstream's name.
    model: Needed<Pattern>,
    /// Tokens of prompt and answer together.
    context_window: Field<Whole> = tokens(),
    /// Tokens of one answer.
    max_output_tokens: Field<Whole> = tokens(),
    /// Which sampling parameters are accepted.
    sampling: Field<Word<Sampling>>,
    /// How many stop strings the provider looks for; Weir looks for the others.
    stop_sequences: Field<Whole> = Whole::otherwise(TABLE).up_to(MOST_STOPS),
    /// How reasoning can be switched; an empty list = not at all.
    reasoning_modes: Field<Vec<Field<Word<Modes>>>>,
    /// The levels of effort; an empty list = none.
    reasoning_efforts: Field<Vec<Field<Word<Effort>>>>,
    /// Whether the model reasons when the request does not mention reasoning.
    reasoning_by_default: Field<Boolean>,
    /// Whether reasoning stays hidden unless its display is asked for.
    reasoning_hidden: Field<Boolean>,
    /// Whether opaque reasoning state can only be read by the account that made it.
    reasoning_bound_to_account: Field<Boolean>,
    /// Whether a call of a tool can be forced.
    supports_tool_choice: Field<Boolean>,
    /// Whether schemas of tools and answers are enforced (Anthropic).
    supports_response_schema: Field<Boolean>,
    /// Whether the last message may be the beginning of the answer (Anthropic).
    supports_assistant_prefill: Field<Boolean>,
    /// Whether instructions in mid-conversation are understood; else they become notes in the user's turn.
    supports_mid_conversation_system: Field<Boolean>,
    /// Whether explicit cache breakpoints are understood (OpenAI).
    supports_cache_breakpoints: Field<Boolean>,
    /// Whether reasoning and function tools together only work in Responses (OpenAI).
    tools_need_responses: Field<Boolean>,
});

impl Words for Sampling {
    const EXPECTED: &'static str = "what is accepted of the sampling parameters";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("any", Self::Any),
        ("one", Self::One),
        ("none", Self::Refused),
        ("none-while-reasoning", Self::RefusedWhileReasoning),
    ];
}

impl Words for Modes {
    const EXPECTED: &'static str = "a way to switch reasoning";
    const WORDS: &'static [(&'static str, Self)] = Self::NAMED;
}

impl Words for Effort {
    const EXPECTED: &'static str = "a level of effort";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("minimal", Self::Minimal),
        ("low", Self::Low),
        ("medium", Self::Medium),
        ("high", Self::High),
        ("xhigh", Self::Xhigh),
        ("max", Self::Max),
    ];
}

/// The range is far above any context window.
fn tokens() -> Rule<Whole, Otherwise> {
    Whole::otherwise(TABLE).from(1).up_to(1_000_000_000)
}

/// The highest number of stop strings that any vendor accepts.
const MOST_STOPS: u64 = 8_191;
const TABLE: &str = "leave it out: then the built-in table decides";
