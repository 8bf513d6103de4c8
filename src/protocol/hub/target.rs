//! Whom a request is translated for: the model's capabilities and the habits of the account's provider.
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
    /// The account's name: opaque state may be bound to it. Empty = nothing is.
    pub account: &'a str,
    /// Whether cache markers are set where the client sets none (Anthropic).
    pub prompt_cache: PromptCache,
}

/// What becomes of conversations without a cache marker at a provider that caches only what is marked.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum PromptCache {
    /// Marked for as long as the provider caches without being told (five minutes).
    #[default]
    Auto,
    /// Marked for one hour.
    Hour,
    /// Left as they are.
    Off,
    /// Left as they are, because the provider refused markers for this model.
    Refused,
}

impl Target<'_> {
    /// Whether it understands tools whose input is free text; else they become functions with one string.
    pub fn takes_freeform(&self) -> bool {
        self.quirks.openai_fields
    }

    /// How closely a picture is looked at. Others than OpenAI know three words for it and refuse the rest, all of which ask for more.
    pub fn detail<'a>(&self, asked: Option<&'a str>) -> Option<&'a str> {
        match asked {
            Some(word) if self.quirks.openai_fields || matches!(word, "auto" | "low" | "high") => {
                asked
            }
            Some(_) => Some("high"),
            None => None,
        }
    }

    /// Whether an instruction in mid-conversation may stay one: what is said of the model decides, else the provider.
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
    /// What the upstream's dialect wants beside the body (`anthropic-version`).
    pub headers: Vec<(&'static str, &'static str)>,
    pub dropped: Losses,
    /// Stop strings that the target cannot look for: the answer has to be cut here.
    pub stops: Vec<String>,
}

/// What sets a provider apart from the dialect that it speaks. Data: the presets are constants below, an account may
/// change them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Quirks {
    /// Who mints and accepts opaque reasoning state here.
    pub vendor: Vendor,
    /// Chat: what an instruction's role is called.
    pub system_role: SystemRole,
    /// Chat: `functions` or `tools`.
    pub vintage: Vintage,
    /// Chat: how the output limit is called.
    pub output_limit: OutputLimit,
    /// Chat: `reasoning_content` in history.
    pub reasoning_replay: ReasoningReplay,
    /// Chat: how reasoning is switched.
    pub reasoning_switch: ReasoningSwitch,
    /// Chat: an answer may begin with `<think>…</think>` inside its text.
    pub think_tags: bool,
    /// Which tool-call ids are accepted.
    pub tool_ids: ToolIds,
    /// `top_k` is taken although the dialect has none.
    pub top_k: bool,
    /// OpenAI's own fields are understood: `safety_identifier`, `prompt_cache_key`, `verbosity`, `service_tier`.
    pub openai_fields: bool,
    /// Chat, Responses: instructions may stand anywhere. The templates of open models refuse them behind the first message.
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

/// How Chat providers call the output limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OutputLimit {
    MaxCompletionTokens,
    MaxTokens,
}

/// Whether earlier reasoning is sent back as `reasoning_content`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReasoningReplay {
    Never,
    /// On every assistant message with tool calls, and it must not be missing (DeepSeek, Kimi).
    Required,
    /// In front of the text, in `<think>` tags, where it came from (MiniMax).
    Tags,
    /// Where there is some.
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
    /// Letters, digits, `_` and `-`, at most so many.
    AtMost(usize),
    /// Exactly nine letters and digits (Mistral).
    Nine,
    /// `functions.NAME:N`, numbered through the conversation: Kimi goes astray with others.
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

    /// Chat as it was before tools.
    pub const OPENAI_LEGACY: Self = Self {
        vintage: Vintage::Functions,
        reasoning_replay: ReasoningReplay::Never,
        think_tags: false,
        ..Self::COMPATIBLE
    };

    /// Whatever speaks a dialect without being its vendor.
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

    /// The same for a model with these habits, which are its own whoever serves it. What the vendor's own service is known for stays.
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

/// What a model does wherever it is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Habit {
    /// It wants ids of tool calls in this form.
    Ids(ToolIds),
    /// It wants its earlier reasoning so.
    Replays(ReasoningReplay),
    /// Its opaque state is that of this vendor, also behind an intermediary.
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
