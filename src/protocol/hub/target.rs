//! The upstream that a request is translated for: the model's capabilities and the provider's quirks.
use super::error::Losses;
use super::vendor::Vendor;
use crate::protocol::models::{Capabilities, Traits};

/// One candidate upstream for a request.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The upstream's name for the model.
    pub model: &'a str,
    pub capabilities: &'a Capabilities,
    pub quirks: &'a Quirks,
    /// The account's name, because opaque state may be bound to it. Empty = no state is bound to an account.
    pub account: &'a str,
    /// Whether cache markers are added if the client sets none (Anthropic).
    pub prompt_cache: PromptCache,
}

/// How conversations without cache markers are treated at a provider that caches only marked prompts.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum PromptCache {
    /// Markers with the provider's default lifetime are added (five minutes).
    #[default]
    Auto,
    /// Markers for one hour are added.
    Hour,
    /// No markers are added.
    Off,
    /// No markers are added, because the provider refused markers for this model.
    Refused,
}

impl Target<'_> {
    /// Whether the target has tools with free text as input; else these become functions with one string.
    pub fn takes_freeform(&self) -> bool {
        self.quirks.openai_fields
    }

    /// The resolution at which an image is read. Providers other than OpenAI know only three values; all others mean a
    /// high resolution.
    pub fn detail<'a>(&self, asked: Option<&'a str>) -> Option<&'a str> {
        match asked {
            Some(word) if self.quirks.openai_fields || matches!(word, "auto" | "low" | "high") => {
                asked
            }
            Some(_) => Some("high"),
            None => None,
        }
    }

    /// Whether an instruction in the middle of the conversation keeps its role. What is known of the model decides;
    /// else the provider does.
    pub const fn takes_system_anywhere(&self) -> bool {
        let traits = self.capabilities.traits;
        traits.has(Traits::SYSTEM_IN_TURNS)
            || (self.quirks.system_anywhere && !traits.has(Traits::SYSTEM_FIRST))
    }
}

/// A translated request.
#[derive(Clone, Debug)]
pub struct Encoded {
    pub body: Vec<u8>,
    /// Headers that the upstream's dialect requires (`anthropic-version`).
    pub headers: Vec<(&'static str, &'static str)>,
    pub dropped: Losses,
    /// Stop strings that the target cannot look for, so that Weir must cut the answer there.
    pub stops: Vec<String>,
}

/// How a provider deviates from the dialect that it speaks. The presets are the constants below; an account may
/// override single values.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Quirks {
    /// The vendor whose opaque state this provider creates and accepts.
    pub vendor: Vendor,
    /// Chat: the role of an instruction.
    pub system_role: SystemRole,
    /// Chat: `functions` or `tools`.
    pub vintage: Vintage,
    /// Chat: the name of the output limit.
    pub output_limit: OutputLimit,
    /// Chat: whether history contains `reasoning_content`.
    pub reasoning_replay: ReasoningReplay,
    /// Chat: how reasoning is controlled.
    pub reasoning_switch: ReasoningSwitch,
    /// Chat: whether the text of an answer may begin with `<think>…</think>`.
    pub think_tags: bool,
    /// The form of tool-call ids that is accepted.
    pub tool_ids: ToolIds,
    /// Whether `top_k` is accepted although the dialect does not have it.
    pub top_k: bool,
    /// Whether OpenAI's own fields are accepted: `safety_identifier`, `prompt_cache_key`, `verbosity`, `service_tier`.
    pub openai_fields: bool,
    /// Chat, Responses: whether instructions are accepted anywhere. The templates of open models accept them only in
    /// the first message.
    pub system_anywhere: bool,
}

/// The role of an instruction in Chat.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SystemRole {
    Developer,
    System,
}

/// The age of a Chat provider.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Vintage {
    /// `functions` and `function_call`; no `stream_options`.
    Functions,
    Tools,
}

/// The name of the output limit in Chat.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OutputLimit {
    MaxCompletionTokens,
    MaxTokens,
}

/// Whether earlier reasoning is sent back as `reasoning_content`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReasoningReplay {
    Never,
    /// On every assistant message with tool calls; these providers refuse a message without it (DeepSeek, Kimi).
    Required,
    /// In `<think>` tags in front of the text, where the model wrote it (MiniMax).
    Tags,
    /// Wherever there is reasoning.
    Welcome,
}

/// How a Chat provider lets reasoning be controlled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReasoningSwitch {
    /// `reasoning_effort`.
    Effort,
    /// `thinking: {"type": "enabled" | "disabled"}` (DeepSeek, Kimi, GLM).
    Thinking,
}

/// The form of tool-call ids.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ToolIds {
    /// Letters, digits, `_` and `-`, at most this many.
    AtMost(usize),
    /// Exactly nine letters and digits (Mistral).
    Nine,
    /// `functions.NAME:N`, numbered through the conversation. Other ids confuse Kimi.
    Numbered,
}

impl Quirks {
    /// Anthropic itself.
    pub const ANTHROPIC: Self = Self {
        vendor: Vendor::Anthropic,
        ..Self::COMPATIBLE
    };

    /// OpenAI itself, and Azure.
    pub const OPENAI: Self = Self {
        vendor: Vendor::Openai,
        system_role: SystemRole::Developer,
        output_limit: OutputLimit::MaxCompletionTokens,
        reasoning_replay: ReasoningReplay::Never,
        think_tags: false,
        tool_ids: ToolIds::AtMost(40),
        openai_fields: true,
        system_anywhere: true,
        ..Self::COMPATIBLE
    };

    /// Google itself.
    pub const GEMINI: Self = Self {
        vendor: Vendor::Gemini,
        ..Self::COMPATIBLE
    };

    /// Chat before there were tools.
    pub const OPENAI_LEGACY: Self = Self {
        vintage: Vintage::Functions,
        reasoning_replay: ReasoningReplay::Never,
        think_tags: false,
        ..Self::COMPATIBLE
    };

    /// Any provider that speaks a dialect without being its vendor.
    pub const COMPATIBLE: Self = Self {
        vendor: Vendor::Other,
        system_role: SystemRole::System,
        vintage: Vintage::Tools,
        output_limit: OutputLimit::MaxTokens,
        reasoning_replay: ReasoningReplay::Welcome,
        reasoning_switch: ReasoningSwitch::Effort,
        think_tags: true,
        tool_ids: ToolIds::AtMost(64),
        top_k: false,
        openai_fields: false,
        system_anywhere: false,
    };

    /// DeepSeek: reasoning must come back on every tool turn.
    pub const DEEPSEEK: Self = Self {
        reasoning_replay: ReasoningReplay::Required,
        reasoning_switch: ReasoningSwitch::Thinking,
        think_tags: false,
        system_anywhere: true,
        ..Self::COMPATIBLE
    };

    /// Moonshot (Kimi) and BigModel (GLM).
    pub const THINKING: Self = Self {
        reasoning_switch: ReasoningSwitch::Thinking,
        think_tags: false,
        ..Self::COMPATIBLE
    };

    /// Servers of open models: vLLM, Ollama, SiliconFlow.
    pub const OPEN_MODELS: Self = Self {
        top_k: true,
        ..Self::COMPATIBLE
    };

    /// The same quirks for a model with these habits, which belong to the model whichever provider serves it. The
    /// services of vendors with opaque state keep their own.
    #[must_use]
    pub fn with(&self, habits: &[Habit]) -> Self {
        let mut quirks = self.clone();
        if self.vendor != Vendor::Other {
            return quirks;
        }
        for habit in habits {
            match habit {
                Habit::Replays(replay) => quirks.reasoning_replay = *replay,
                Habit::Ids(ids) => quirks.tool_ids = *ids,
                Habit::Signs(vendor) => quirks.vendor = *vendor,
            }
        }
        quirks
    }

    /// Mistral's own service.
    pub const MISTRAL: Self = Self {
        tool_ids: ToolIds::Nine,
        reasoning_replay: ReasoningReplay::Never,
        ..Self::COMPATIBLE
    };
}

/// What a family of models needs wherever it is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Habit {
    /// It wants ids of tool calls in this form.
    Ids(ToolIds),
    /// It wants its earlier reasoning so.
    Replays(ReasoningReplay),
    /// Its opaque state is this vendor's, even behind an intermediary.
    Signs(Vendor),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_habit_is_the_models_whoever_serves_it() {
        let habits = [
            Habit::Ids(ToolIds::Numbered),
            Habit::Replays(ReasoningReplay::Required),
        ];
        let quirks = Quirks::OPEN_MODELS.with(&habits);
        assert_eq!(quirks.reasoning_replay, ReasoningReplay::Required);
        assert_eq!(quirks.tool_ids, ToolIds::Numbered);
        assert_eq!(quirks.with(&[]), quirks);
    }

    #[test]
    fn a_vendors_own_service_keeps_its_own() {
        let numbered = [Habit::Ids(ToolIds::Numbered)];
        assert_eq!(Quirks::OPENAI.with(&numbered), Quirks::OPENAI);
    }
}
