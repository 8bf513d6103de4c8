//! A request, independent of its dialect.
use serde_json::Number;
use serde_json::value::RawValue;

use super::block::{Block, Hosted, Text, Ttl};
use super::error::{Losses, RequestFault, Verdict};
use crate::protocol::Dialect;
use crate::protocol::models::effort::Effort;

/// A client's request. Decoders fill it, encoders read it; it is never changed in between, so one decoded request
/// serves every attempt.
#[derive(Clone, Debug)]
pub struct Request {
    pub client: Dialect,
    /// As the client wrote it.
    pub model: String,
    /// The leading system text, in blocks, because cache breakpoints belong to blocks.
    pub system: Vec<Text>,
    pub turns: Vec<Turn>,
    pub tools: Vec<Tool>,
    pub tool_choice: Option<ToolChoice>,
    pub parallel_tools: Option<bool>,
    pub sampling: Sampling,
    /// Most output tokens; `None` = the client states no limit. `Some(0)` is Anthropic's cache warm-up.
    pub max_output: Option<u64>,
    pub reasoning: ReasoningControl,
    pub output: Output,
    pub cache: CacheControl,
    pub identity: Identity,
    pub tier: Option<Tier>,
    pub stream: bool,
    /// The form of the answer.
    pub reply: Reply,
    /// Known fields without a counterpart here, each with a verdict for targets that cannot accept it.
    pub extras: Vec<Extra>,
    /// The names of unknown top-level fields.
    pub unknown: Vec<String>,
}

impl Request {
    /// Whether the request has a field that no target of another dialect accepts.
    pub fn is_refused_by_extras(&self) -> bool {
        let refuses = |extra: &Extra| matches!(extra.verdict, Verdict::Refuse(_));
        self.extras.iter().any(refuses)
    }

    /// An empty request of `client` for `model`.
    pub fn new(client: Dialect, model: impl Into<String>) -> Self {
        Self {
            client,
            model: model.into(),
            system: Vec::new(),
            turns: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_tools: None,
            sampling: Sampling::default(),
            max_output: None,
            reasoning: ReasoningControl::default(),
            output: Output::default(),
            cache: CacheControl::default(),
            identity: Identity::default(),
            tier: None,
            stream: false,
            reply: Reply::default(),
            extras: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Handles what no target of another dialect accepts: extras by their verdicts, except for the `handled` ones;
    /// unknown fields; and requests for more than one plain answer.
    pub fn settle_extras(&self, handled: &[&str], losses: &mut Losses) -> Result<(), RequestFault> {
        for extra in self
            .extras
            .iter()
            .filter(|extra| !handled.contains(&extra.name))
        {
            match extra.verdict {
                Verdict::Name => losses.name(extra.name),
                Verdict::Omit => losses.omit(extra.name),
                Verdict::Refuse(reason) => return Err(RequestFault::new(extra.name, reason)),
            }
        }
        if !self.unknown.is_empty() {
            losses.omit("unknown");
        }
        let sampling = &self.sampling;
        for (param, wished) in [
            ("n", sampling.candidates.is_some_and(|n| n > 1)),
            ("logprobs", sampling.logprobs),
            ("logit_bias", sampling.logit_bias.is_some()),
        ] {
            if wished {
                return Err(RequestFault::new(
                    param,
                    "not supported by this upstream; leave it out",
                ));
            }
        }
        Ok(())
    }

    /// Every block, without nested ones.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.turns.iter().flat_map(|turn| &turn.blocks)
    }
}

/// A known field that has no place in [`Request`].
#[derive(Clone, Debug)]
pub struct Extra {
    pub name: &'static str,
    pub value: Box<RawValue>,
    /// What happens to the field if the target has no use for it.
    pub verdict: Verdict,
}

#[derive(Clone, Debug)]
pub struct Turn {
    pub role: Role,
    pub blocks: Vec<Block>,
    /// The name of the speaker, which only some dialects have.
    pub name: Option<String>,
}

/// Who speaks. Tool results are blocks of a user turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    Assistant,
    /// An instruction in the middle of the conversation. It is never moved to the front, where it would break the
    /// cached prefix.
    System,
    User,
}

#[derive(Clone, Debug)]
pub enum Tool {
    Freeform(Freeform),
    Function(Function),
    Hosted(HostedTool),
}

impl Tool {
    /// The name by which a call or a choice refers to it.
    pub fn name(&self) -> &str {
        match self {
            Self::Freeform(tool) => &tool.name,
            Self::Function(tool) => &tool.name,
            Self::Hosted(tool) => &tool.name,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Function {
    pub name: String,
    pub namespace: Option<String>,
    pub description: Option<String>,
    /// JSON Schema of the arguments, as the client wrote it; `None` = no parameters.
    pub schema: Option<Box<RawValue>>,
    pub strict: Option<bool>,
    pub cache: Option<Ttl>,
    /// The tool is not offered until a `ToolReference` names it.
    pub deferred: bool,
    /// Arguments may be streamed before they are known to be valid.
    pub eager: bool,
    pub examples: Option<Box<RawValue>>,
    /// It was a tool of the client's vendor before it became a function; the client sees calls in the original form.
    pub own: bool,
}

/// A tool whose input is free text (OpenAI's `custom`).
#[derive(Clone, Debug)]
pub struct Freeform {
    pub name: String,
    pub description: Option<String>,
    /// OpenAI's `format` object: plain text, or a grammar.
    pub format: Option<Box<RawValue>>,
}

/// A tool whose meaning the vendor defines.
#[derive(Clone, Debug)]
pub struct HostedTool {
    pub kind: Hosted,
    pub name: String,
    pub dialect: Dialect,
    pub raw: Box<RawValue>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ToolChoice {
    /// Only these tools; `required` = at least one of them must be called.
    Allowed {
        required: bool,
        names: Vec<String>,
    },
    Any,
    Auto,
    Named(String),
    None,
}

/// `None` = the provider's default. Numbers keep the client's spelling.
#[derive(Clone, Debug, Default)]
pub struct Sampling {
    pub temperature: Option<Number>,
    pub top_p: Option<Number>,
    pub top_k: Option<Number>,
    pub seed: Option<Number>,
    /// The number of answers.
    pub candidates: Option<u64>,
    pub stop: Vec<String>,
    pub logprobs: bool,
    pub top_logprobs: Option<u64>,
    pub presence_penalty: Option<Number>,
    pub frequency_penalty: Option<Number>,
    /// `None` also if it was empty.
    pub logit_bias: Option<Box<RawValue>>,
}

#[derive(Clone, Debug, Default)]
pub struct ReasoningControl {
    pub mode: ReasoningMode,
    /// Independent of `mode`: Anthropic accepts both.
    pub effort: Option<Effort>,
    pub show: Show,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ReasoningMode {
    /// The model decides how much it reasons.
    Adaptive,
    /// Anthropic's `between_tools`.
    BetweenTools,
    /// At most this many reasoning tokens.
    Budget(u64),
    /// The client states no mode.
    #[default]
    Default,
    Off,
}

/// How much of the reasoning the client wants to see.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Show {
    #[default]
    Default,
    Omitted,
    Summary,
}

#[derive(Clone, Debug, Default)]
pub struct Output {
    pub format: Format,
    /// OpenAI's `low`, `medium`, `high`.
    pub verbosity: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub enum Format {
    /// Any JSON object, without a schema.
    JsonObject,
    JsonSchema {
        /// OpenAI requires a name, Anthropic has none.
        name: Option<String>,
        description: Option<String>,
        schema: Box<RawValue>,
        strict: Option<bool>,
    },
    #[default]
    Text,
}

#[derive(Clone, Debug, Default)]
pub struct CacheControl {
    /// The provider places the breakpoints, with this lifetime.
    pub auto: Option<Ttl>,
    /// OpenAI's `prompt_cache_key`.
    pub key: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// An opaque string for the end user.
    pub user: Option<String>,
    /// The id of the conversation, if the client states one.
    pub session: Option<String>,
}

/// The service tier, requested or granted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tier {
    Auto,
    Fast,
    Flex,
    Priority,
    Scale,
    Standard,
}

impl Tier {
    /// The tier's name in the price table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fast => "fast",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Scale => "scale",
            Self::Standard => "standard",
        }
    }
}

/// The form of the answer, as far as the client's dialect leaves it to the request.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub shape: Shape,
    /// Chat: whether the client wants the usage chunk.
    pub include_usage: bool,
    /// Responses: settings that the answer repeats.
    pub echo: Echo,
    /// Responses: hosted tools of OpenAI's that this client runs itself, and that the upstream knows as functions of
    /// these names.
    pub client_tools: Vec<&'static str>,
    /// Gemini: a stream is one JSON array.
    pub array: bool,
    /// Gemini: whether thoughts are shown.
    pub include_thoughts: bool,
}

/// Fields of a request that its answer repeats unchanged.
#[derive(Clone, Debug, Default)]
pub struct Echo(Vec<(String, Box<RawValue>)>);

impl Echo {
    /// Adds a field, as JSON on one line: the value is written into events, which line ends would split.
    pub fn push(&mut self, name: &str, value: &RawValue) {
        let compact = serde_json::from_str::<serde_json::Value>(value.get())
            .and_then(|value| serde_json::value::to_raw_value(&value));
        if let Ok(value) = compact {
            self.0.push((name.to_owned(), value));
        }
    }

    /// The value of this field.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| &**value)
    }
}

/// The variant of the client's dialect.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Shape {
    /// `functions` and `function_call` instead of tools.
    LegacyFunctions,
    #[default]
    Modern,
    /// `POST /v1/completions`.
    TextCompletion,
}
