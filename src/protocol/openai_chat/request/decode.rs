//! Decodes a client's request in this dialect.
use serde_json::Number;
use serde_json::value::RawValue;

use super::super::wire::{CacheControlIn, ResponseFormatIn};
use super::declared::ttl;
use super::{completions, declared, input};
use crate::protocol::Dialect;
use crate::protocol::hub::block::Ttl;
use crate::protocol::hub::error::{RequestFault, Verdict};
use crate::protocol::hub::read::{Object, Path, Str, is_null, is_string, without_position};
use crate::protocol::hub::request::{Extra, Format, ReasoningMode, Request, Shape, Show, Tier};
use crate::protocol::json::Document;
use crate::protocol::models::effort::Effort;

/// Reads the body of `POST /v1/chat/completions` or, with a `prompt`, of `POST /v1/completions`.
pub fn decode(body: &[u8]) -> Result<Request, RequestFault> {
    read(&Document::new(body))
}

/// The same as [`decode`], for a body that is already parsed into a document.
pub fn read(document: &Document<'_>) -> Result<Request, RequestFault> {
    let members: Object<'_> = document
        .whole()
        .map_err(|error| RequestFault::new("", without_position(&error)))?;
    let mut request = Request::new(Dialect::OpenaiChat, "");
    for (name, value) in &members.0 {
        if !is_null(value) {
            member(&mut request, name, value, Path::of(document, name))?;
        }
    }
    if request.model.is_empty() {
        return Err(RequestFault::new("model", "field required"));
    }
    if request.turns.is_empty() && request.system.is_empty() {
        return Err(RequestFault::new(
            "messages",
            "at least one message of the user is required",
        ));
    }
    match request.reply.shape {
        Shape::TextCompletion if request.max_output.is_none() => {
            request.max_output = Some(completions::MAX_TOKENS);
        }
        // The answer has room for only one call.
        Shape::LegacyFunctions => request.parallel_tools = Some(false),
        Shape::Modern | Shape::TextCompletion => {}
    }
    Ok(request)
}

fn member(
    request: &mut Request,
    name: &str,
    value: &RawValue,
    path: Path<'_>,
) -> Result<(), RequestFault> {
    let sampling = &mut request.sampling;
    match name {
        "model" => request.model = path.read::<Str<'_>>(value)?.to_owned(),
        "messages" => input::messages(request, value, &path)?,
        "prompt" => completions::prompt(request, value, &path)?,
        "suffix" | "echo" | "best_of" => completions::refuse(value, &path)?,
        "max_completion_tokens" => {
            if let Some(tokens) = positive(&path.read(value)?) {
                request.max_output = Some(tokens);
            }
        }
        "max_tokens" => request.max_output = request.max_output.or(positive(&path.read(value)?)),
        "temperature" => sampling.temperature = path.read(value)?,
        "top_p" => sampling.top_p = path.read(value)?,
        "top_k" => sampling.top_k = path.read(value)?,
        "seed" => sampling.seed = path.read(value)?,
        "presence_penalty" => sampling.presence_penalty = path.read(value)?,
        "frequency_penalty" => sampling.frequency_penalty = path.read(value)?,
        "stop" if is_string(value) => sampling.stop = vec![path.read(value)?],
        "stop" => sampling.stop = path.read(value)?,
        "n" => sampling.candidates = path.read(value)?,
        // In `/v1/completions` it is a number.
        "logprobs" => sampling.logprobs = value.get() != "false",
        "top_logprobs" => sampling.top_logprobs = path.read(value)?,
        "logit_bias" if value.get() == "{}" => {}
        "logit_bias" => sampling.logit_bias = Some(value.to_owned()),
        "tools" => request.tools.extend(declared::tools(value, &path)?),
        "functions" => {
            request.reply.shape = Shape::LegacyFunctions;
            request.tools.extend(declared::functions(value, &path)?);
        }
        "tool_choice" | "function_call" => {
            request.tool_choice = Some(declared::choice(value, &path)?);
        }
        "parallel_tool_calls" => request.parallel_tools = path.read(value)?,
        "web_search_options" => request.tools.push(declared::web_search(value)),
        "reasoning_effort" => effort(request, &path.read::<Str<'_>>(value)?, &path)?,
        "reasoning" => reasoning(request, &path.read(value)?, &path)?,
        "thinking" => thinking(request, &path.read(value)?),
        "enable_thinking" => {
            request.reasoning.mode = if path.read(value)? {
                ReasoningMode::Adaptive
            } else {
                ReasoningMode::Off
            };
        }
        "response_format" => request.output.format = format(&path.read(value)?, &path)?,
        "verbosity" => request.output.verbosity = path.read(value)?,
        "user" | "safety_identifier" => request.identity.user = path.read(value)?,
        "prompt_cache_key" => {
            let key: String = path.read(value)?;
            request.identity.session = Some(key.clone());
            request.cache.key = Some(key);
        }
        "prompt_cache_options" => request.cache.auto = cache(&path.read(value)?),
        "prompt_cache_retention" => {
            let day = path.read::<Str<'_>>(value)?.0 == "24h";
            request.cache.auto = request.cache.auto.or(day.then_some(Ttl::Long));
        }
        "service_tier" => request.tier = tier(&path.read::<Str<'_>>(value)?),
        "stream" => request.stream = path.read(value)?,
        "stream_options" => {
            request.reply.include_usage = path
                .read::<StreamOptions>(value)?
                .include_usage
                .unwrap_or(false);
        }
        _ => extra(request, name, value),
    }
    Ok(())
}

#[derive(serde::Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

/// Some clients send -1 or 0 for "no limit".
fn positive(number: &Number) -> Option<u64> {
    number.as_u64().filter(|tokens| *tokens > 0)
}

fn effort(request: &mut Request, name: &str, path: &Path<'_>) -> Result<(), RequestFault> {
    if name == "none" {
        request.reasoning.mode = ReasoningMode::Off;
        return Ok(());
    }
    let unknown = || path.fault(format!("`{name}` is not a level of effort"));
    request.reasoning.effort = Some(Effort::from_name(name).ok_or_else(unknown)?);
    Ok(())
}

/// Reasoning controls in OpenRouter's form.
#[derive(serde::Deserialize)]
struct ReasoningIn<'a> {
    #[serde(borrow)]
    effort: Option<Str<'a>>,
    max_tokens: Option<u64>,
    enabled: Option<bool>,
    exclude: Option<bool>,
}

fn reasoning(
    request: &mut Request,
    wanted: &ReasoningIn<'_>,
    path: &Path<'_>,
) -> Result<(), RequestFault> {
    if let Some(name) = &wanted.effort {
        effort(request, name, &path.field("effort"))?;
    }
    let control = &mut request.reasoning;
    match (wanted.enabled, wanted.max_tokens) {
        (Some(false), _) => control.mode = ReasoningMode::Off,
        (_, Some(tokens)) => control.mode = ReasoningMode::Budget(tokens),
        (Some(true), None) => control.mode = ReasoningMode::Adaptive,
        (None, None) => {}
    }
    if wanted.exclude == Some(true) {
        control.show = Show::Omitted;
    }
    Ok(())
}

/// Reasoning controls in the form of DeepSeek, Kimi and GLM, and of clients that follow Anthropic.
#[derive(serde::Deserialize)]
struct ThinkingIn<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Str<'a>>,
    budget_tokens: Option<u64>,
    enabled: Option<bool>,
}

fn thinking(request: &mut Request, wanted: &ThinkingIn<'_>) {
    request.reasoning.mode = match (wanted.kind.as_deref(), wanted.budget_tokens) {
        (Some("disabled"), _) => ReasoningMode::Off,
        (None, _) if wanted.enabled == Some(false) => ReasoningMode::Off,
        (_, Some(tokens)) => ReasoningMode::Budget(tokens),
        _ => ReasoningMode::Adaptive,
    };
}

fn format(wanted: &ResponseFormatIn<'_>, path: &Path<'_>) -> Result<Format, RequestFault> {
    match (&*wanted.kind, &wanted.json_schema) {
        ("text", _) => Ok(Format::Text),
        ("json_object", _) => Ok(Format::JsonObject),
        ("json_schema", Some(wanted)) => {
            let path = path.field("json_schema");
            let schema = wanted
                .schema
                .ok_or_else(|| path.field("schema").fault("field required"))?;
            Ok(Format::JsonSchema {
                name: wanted
                    .name
                    .as_ref()
                    .map(crate::protocol::hub::read::Str::to_owned),
                description: wanted
                    .description
                    .as_ref()
                    .map(crate::protocol::hub::read::Str::to_owned),
                schema: schema.to_owned(),
                strict: wanted.strict,
            })
        }
        ("json_schema", None) => Err(path.field("json_schema").fault("field required")),
        (kind, _) => Err(path
            .field("type")
            .fault(format!("`{kind}` is not supported"))),
    }
}

#[derive(serde::Deserialize)]
struct CacheOptions<'a> {
    #[serde(borrow)]
    mode: Option<Str<'a>>,
    #[serde(borrow, flatten)]
    ttl: CacheControlIn<'a>,
}

fn cache(options: &CacheOptions<'_>) -> Option<Ttl> {
    (options.mode.as_deref() != Some("explicit")).then(|| ttl(&options.ttl))
}

fn tier(name: &str) -> Option<Tier> {
    match name {
        "auto" => Some(Tier::Auto),
        "default" => Some(Tier::Standard),
        "flex" => Some(Tier::Flex),
        "scale" => Some(Tier::Scale),
        "priority" => Some(Tier::Priority),
        "fast" => Some(Tier::Fast),
        _ => None,
    }
}

fn extra(request: &mut Request, name: &str, value: &RawValue) {
    match EXTRAS.iter().find(|(known, _)| *known == name) {
        // Answers are text anyway.
        Some(("modalities", _)) if is_text_only(value) => {}
        Some((name, verdict)) => request.extras.push(Extra {
            name,
            value: value.to_owned(),
            verdict: *verdict,
        }),
        None => request.unknown.push(name.to_owned()),
    }
}

fn is_text_only(modalities: &RawValue) -> bool {
    let names = serde_json::from_str::<Vec<Str<'_>>>(modalities.get());
    names.is_ok_and(|names| names.iter().all(|name| &**name == "text"))
}

/// Known fields without a counterpart in other dialects.
const EXTRAS: &[(&str, Verdict)] = &[
    ("audio", Verdict::Refuse("this upstream does not speak")),
    ("chat_template_kwargs", Verdict::Name),
    ("extra_body", Verdict::Name),
    ("metadata", Verdict::Omit),
    (
        "modalities",
        Verdict::Refuse("this upstream answers in text only"),
    ),
    ("moderation", Verdict::Name),
    ("prediction", Verdict::Omit),
    ("store", Verdict::Omit),
    ("thinking_budget", Verdict::Name),
];
