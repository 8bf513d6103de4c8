//! What a model accepts: data, by the beginning of its name.
//!
//! Sources, as of November 2026: the vendors' model pages and migration guides, and the types of their SDKs (see
//! `docs/dialects/models.md`). A model that no row knows is taken for a plain one: no reasoning controls,
//! everything else is forwarded, and the upstream may refuse.
use effort::{Effort, Efforts};
use serde::{Deserialize, Serialize};

pub mod effort;
mod overrides;
mod table;

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

/// The capabilities of `model`, whatever its provider's prefix (`anthropic/`), region and date.
pub fn capabilities(model: &str) -> Capabilities {
    let name = family(model);
    table::ROWS
        .iter()
        .filter(|(prefix, _)| name.starts_with(prefix))
        .max_by_key(|(prefix, _)| prefix.len())
        .map_or(table::PLAIN, |(_, capabilities)| *capabilities)
}

/// Whether a row of the table is about this model.
pub fn is_known(model: &str) -> bool {
    let name = family(model);
    table::ROWS
        .iter()
        .any(|(prefix, _)| name.starts_with(prefix))
}

/// The name without what does not matter to what the model is: a provider's prefix, a region, a date, the spelling of the
/// version (`claude-opus-4.5` is `claude-opus-4-5`).
pub fn family(model: &str) -> String {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.find("claude-").map_or(name, |at| &name[at..]);
    let name = name.split(['@', ':']).next().unwrap_or(name);
    let name = name.to_ascii_lowercase();
    let name = if name.starts_with("claude") {
        name.replace('.', "-")
    } else {
        name
    };
    match name.rsplit_once('-') {
        Some((head, date)) if date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit()) => {
            head.to_owned()
        }
        _ => name,
    }
}

const LOW_TO_HIGH: Efforts = Efforts::of(&[Effort::Low, Effort::Medium, Effort::High]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whatever_surrounds_them() {
        for name in [
            "claude-opus-4-5",
            "claude-opus-4-5-20251101",
            "anthropic/claude-opus-4.5",
            "us.anthropic.claude-opus-4-5-20251101-v1:0",
            "claude-opus-4-5@20251101",
        ] {
            assert_eq!(
                capabilities(name),
                capabilities("claude-opus-4-5"),
                "{name}"
            );
            assert_ne!(capabilities(name), table::PLAIN, "{name}");
        }
    }

    #[test]
    fn the_longest_row_wins() {
        assert!(
            !capabilities("claude-opus-5-5")
                .traits
                .has(Traits::FORCED_TOOLS)
        );
        assert!(
            capabilities("claude-opus-5")
                .traits
                .has(Traits::FORCED_TOOLS)
        );
        assert_eq!(capabilities("gpt-5").sampling, Sampling::Refused);
        assert_eq!(
            capabilities("gpt-5.1").sampling,
            Sampling::RefusedWhileReasoning
        );
    }

    #[test]
    fn an_unknown_model_is_a_plain_one() {
        assert_eq!(capabilities("my-own-model"), table::PLAIN);
    }

    #[test]
    fn no_row_is_listed_twice() {
        for (index, (prefix, _)) in table::ROWS.iter().enumerate() {
            assert!(
                table::ROWS[..index]
                    .iter()
                    .all(|(other, _)| other != prefix),
                "{prefix}"
            );
        }
    }
}
