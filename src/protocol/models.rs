//! What a model may accept, and how its name is read. Which model accepts what stands in the catalogue, above this room.
use effort::Efforts;
use serde::{Deserialize, Serialize};

pub mod effort;
pub mod names;
mod overrides;

pub use overrides::Overrides;

/// What one model accepts and needs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Capabilities {
    /// Tokens of prompt and answer together.
    pub context: u64,
    /// Tokens of one answer.
    pub max_output: u64,
    pub sampling: Sampling,
    /// How many stop strings are looked for; 0 = none.
    pub stops: usize,
    pub reasoning: Reasoning,
    pub traits: Traits,
    /// Tokens of a prompt below which nothing is cached, where the client has to ask for it (Anthropic).
    #[serde(default = "usually_cached_from")]
    pub cached_from: u64,
}

impl Capabilities {
    /// A model of which nothing is known: no reasoning controls, everything else is forwarded, and the upstream may refuse.
    pub const PLAIN: Self = Self {
        context: 128_000,
        max_output: 8_192,
        sampling: Sampling::Any,
        stops: 4,
        reasoning: Reasoning::NONE,
        traits: Traits::FORCED_TOOLS,
        cached_from: usually_cached_from(),
    };
}

/// Of most of Anthropic's models, and of a record that was written before they were told apart.
const fn usually_cached_from() -> u64 {
    1_024
}

/// Which sampling parameters are accepted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Sampling {
    /// All of them.
    Any,
    /// `temperature` or `top_p`, and none of them while it reasons (Claude 4.5 and 4.6).
    One,
    /// None.
    Refused,
    /// None while it reasons.
    RefusedWhileReasoning,
    /// All of them, but none while it reasons (Claude before 4.5).
    Unless,
}

/// How reasoning is controlled.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Reasoning {
    pub modes: Modes,
    pub efforts: Efforts,
    /// Whether it reasons when nothing is said.
    pub default_on: bool,
    /// Whether reasoning stays hidden unless its display is asked for.
    pub hidden: bool,
}

impl Reasoning {
    /// It does not reason, or cannot be told how.
    pub const NONE: Self = Self {
        modes: Modes::NONE,
        efforts: Efforts::NONE,
        default_on: false,
        hidden: false,
    };
}

/// The ways in which reasoning can be switched.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Modes(u8);

impl Modes {
    /// No switch at all.
    pub const NONE: Self = Self(0);
    /// As much as the model finds right.
    pub const ADAPTIVE: Self = Self(1);
    /// A budget of tokens.
    pub const BUDGET: Self = Self(2);
    /// Off.
    pub const OFF: Self = Self(4);
    /// Between tool calls only.
    pub const BETWEEN_TOOLS: Self = Self(8);

    /// Each with its name in the configuration.
    pub const NAMED: &[(&str, Self)] = &[
        ("adaptive", Self::ADAPTIVE),
        ("budget", Self::BUDGET),
        ("off", Self::OFF),
        ("between-tools", Self::BETWEEN_TOOLS),
    ];

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `modes` are accepted.
    pub const fn has(self, modes: Self) -> bool {
        self.0 & modes.0 == modes.0
    }
}

/// What else a model can do or demands.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Traits(u8);

impl Traits {
    /// `tool_choice` may force a call.
    pub const FORCED_TOOLS: Self = Self(1);
    /// Instructions in mid-conversation are understood (Anthropic).
    pub const SYSTEM_IN_TURNS: Self = Self(2);
    /// The last message may be the beginning of the answer (Anthropic).
    pub const PREFILL: Self = Self(4);
    /// Explicit cache breakpoints are understood (OpenAI).
    pub const BREAKPOINTS: Self = Self(8);
    /// Reasoning and function tools together only work in Responses (OpenAI).
    pub const TOOLS_NEED_RESPONSES: Self = Self(16);
    /// Opaque reasoning state is bound to the account.
    pub const ACCOUNT_BOUND: Self = Self(32);
    /// Schemas are enforced, of tools and of the answer (Anthropic).
    pub const STRUCTURED: Self = Self(64);
    /// Instructions must come first, whatever the provider takes elsewhere.
    pub const SYSTEM_FIRST: Self = Self(128);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without those.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of `traits` are there.
    pub const fn has(self, traits: Self) -> bool {
        self.0 & traits.0 == traits.0
    }
}
