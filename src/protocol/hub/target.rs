//! Whom a request is translated for: the model's capabilities and the habits of the account's provider.
use super::error::Losses;
use super::opaque::Vendor;
use crate::protocol::models::Capabilities;

/// One candidate upstream for a request.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The upstream's name for the model.
    pub model: &'a str,
    pub capabilities: &'a Capabilities,
    pub quirks: &'a Quirks,
    /// The account's name: opaque state may be bound to it. Empty = nothing is.
    pub account: &'a str,
}

impl Target<'_> {
    /// Whether it understands tools whose input is free text; else they become functions with one string.
    pub fn takes_freeform(&self) -> bool {
        self.quirks.openai_fields
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
    /// On every assistant message with tool calls, and it must not be missing (DeepSeek).
    Required,
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
    };

    /// DeepSeek: reasoning must come back on every tool turn.
    pub const DEEPSEEK: Self = Self {
        reasoning_replay: ReasoningReplay::Required,
        reasoning_switch: ReasoningSwitch::Thinking,
        think_tags: false,
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

    /// Mistral's own service.
    pub const MISTRAL: Self = Self {
        tool_ids: ToolIds::Nine,
        reasoning_replay: ReasoningReplay::Never,
        ..Self::COMPATIBLE
    };
}
