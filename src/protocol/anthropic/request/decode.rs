//! Decodes a client's request in this dialect.
use memchr::memmem;
use serde_json::value::RawValue;

use super::super::wire::{
    FormatIn, MessageIn, MetadataIn, OutputConfigIn, ThinkingIn, ToolChoiceIn,
};
use super::blocks::{Reader, ttl};
use super::changes;
use super::decode_tools::tools;
use crate::protocol::Dialect;
use crate::protocol::anthropic::ATTRIBUTION;
use crate::protocol::hub::block::{Block, Text};
use crate::protocol::hub::error::{RequestFault, Verdict};
use crate::protocol::hub::read::{Object, Path, Str, is_null, without_position};
use crate::protocol::hub::request::{
    Extra, Format, ReasoningMode, Request, Role, Show, Tier, ToolChoice, Turn,
};
use crate::protocol::json::Document;
use crate::protocol::models::effort::Effort;

/// Reads the body of `POST /v1/messages`.
pub fn decode(body: &[u8]) -> Result<Request, RequestFault> {
    read(&Document::new(body))
}

/// The same as [`decode`], for a body that is already parsed into a document.
pub fn read(document: &Document<'_>) -> Result<Request, RequestFault> {
    let members: Object<'_> = document
        .whole()
        .map_err(|error| RequestFault::new("", without_position(&error)))?;
    let mut request = Request::new(Dialect::Anthropic, "");
    for (name, value) in &members.0 {
        if !is_null(value) {
            member(&mut request, name, value, Path::of(document, name))?;
        }
    }
    changes::apply(&mut request)?;
    for (name, missing) in [
        ("model", request.model.is_empty()),
        ("max_tokens", request.max_output.is_none()),
        ("messages", request.turns.is_empty()),
    ] {
        if missing {
            return Err(RequestFault::new(name, "field required"));
        }
    }
    Ok(request)
}

fn member(
    request: &mut Request,
    name: &str,
    value: &RawValue,
    path: Path<'_>,
) -> Result<(), RequestFault> {
    match name {
        "model" => request.model = path.read::<Str<'_>>(value)?.to_owned(),
        "max_tokens" => request.max_output = Some(path.read(value)?),
        "messages" => request.turns = turns(value, &path)?,
        "system" => request.system = system(value, &path)?,
        "cache_control" => request.cache.auto = Some(ttl(&path.read(value)?)),
        "stop_sequences" => request.sampling.stop = path.read(value)?,
        "stream" => request.stream = path.read(value)?,
        "temperature" => request.sampling.temperature = path.read(value)?,
        "top_p" => request.sampling.top_p = path.read(value)?,
        "top_k" => request.sampling.top_k = path.read(value)?,
        "tools" => request.tools = tools(value, &path)?,
        "tool_choice" => tool_choice(request, &path.read(value)?, &path)?,
        "thinking" => thinking(request, &path.read(value)?, &path)?,
        "output_config" => output_config(request, &path.read(value)?, &path)?,
        "output_format" => request.output.format = format(&path.read(value)?, &path)?,
        "metadata" => identity(request, &path.read(value)?),
        "service_tier" => request.tier = tier(&path.read::<Str<'_>>(value)?),
        _ => extra(request, name, value),
    }
    Ok(())
}

fn turns(value: &RawValue, path: &Path<'_>) -> Result<Vec<Turn>, RequestFault> {
    let messages: Vec<&RawValue> = path.read(value)?;
    let mut turns = Vec::with_capacity(messages.len());
    for (index, raw) in messages.into_iter().enumerate() {
        let path = path.index(index);
        let message: MessageIn<'_> = path.read(raw)?;
        let role = match &*message.role {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            other => {
                let message =
                    format!("`{other}` is not a role; use `user`, `assistant` or `system`");
                return Err(path.field("role").fault(message));
            }
        };
        turns.push(Turn {
            role,
            blocks: Reader::new().content(message.content, &path.field("content"))?,
            name: None,
        });
    }
    Ok(turns)
}

fn system(value: &RawValue, path: &Path<'_>) -> Result<Vec<Text>, RequestFault> {
    let mut texts = Vec::new();
    for (index, block) in Reader::new().content(value, path)?.into_iter().enumerate() {
        match block {
            // Claude Code's attribution is different in every conversation and of no use to other vendors.
            Block::Text(text) if index == 0 && text.text.starts_with(ATTRIBUTION) => {}
            Block::Text(text) => texts.push(text),
            _ => return Err(path.index(index).fault("only text blocks are supported")),
        }
    }
    Ok(texts)
}

fn tool_choice(
    request: &mut Request,
    choice: &ToolChoiceIn<'_>,
    path: &Path<'_>,
) -> Result<(), RequestFault> {
    request.tool_choice = Some(match &*choice.kind {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Any,
        "none" => ToolChoice::None,
        "tool" => match &choice.name {
            Some(name) => ToolChoice::Named(name.to_owned()),
            None => return Err(path.field("name").fault("field required")),
        },
        kind => {
            return Err(path
                .field("type")
                .fault(format!("`{kind}` is not supported")));
        }
    });
    if let Some(disabled) = choice.disable_parallel_tool_use {
        request.parallel_tools = Some(!disabled);
    }
    Ok(())
}

fn thinking(
    request: &mut Request,
    thinking: &ThinkingIn<'_>,
    path: &Path<'_>,
) -> Result<(), RequestFault> {
    request.reasoning.mode = match (thinking.kind.as_deref(), thinking.enabled) {
        (Some("between_tools"), _) => ReasoningMode::BetweenTools,
        (Some("disabled"), _) | (None, Some(false)) => ReasoningMode::Off,
        (Some("enabled"), _) => match thinking.budget_tokens {
            Some(budget) => ReasoningMode::Budget(budget),
            None => return Err(path.field("budget_tokens").fault("field required")),
        },
        (None, Some(true)) => match thinking.budget_tokens {
            Some(budget) => ReasoningMode::Budget(budget),
            None => ReasoningMode::Adaptive,
        },
        (None, None) => return Err(path.field("type").fault("field required")),
        // Unknown future modes are probably some way of thinking.
        _ => ReasoningMode::Adaptive,
    };
    request.reasoning.show = match thinking.display.as_deref() {
        Some("summarized") => Show::Summary,
        Some("omitted") => Show::Omitted,
        _ => Show::Default,
    };
    Ok(())
}

fn output_config(
    request: &mut Request,
    config: &OutputConfigIn<'_>,
    path: &Path<'_>,
) -> Result<(), RequestFault> {
    if let Some(effort) = &config.effort {
        request.reasoning.effort = Effort::from_name(effort);
        if request.reasoning.effort.is_none() {
            // An unknown future level: agents send the newest one, and a refusal would break every session.
            request.unknown.push("output_config.effort".to_owned());
        }
    }
    if let Some(wanted) = &config.format {
        request.output.format = format(wanted, &path.field("format"))?;
    }
    if let Some(budget) = config.task_budget {
        request.extras.push(Extra {
            name: "task_budget",
            value: budget.to_owned(),
            verdict: Verdict::Name,
        });
    }
    Ok(())
}

fn format(wanted: &FormatIn<'_>, path: &Path<'_>) -> Result<Format, RequestFault> {
    match (&*wanted.kind, wanted.schema) {
        ("json_schema", Some(schema)) => Ok(Format::JsonSchema {
            name: None,
            description: None,
            schema: schema.to_owned(),
            strict: Some(true),
        }),
        ("json_schema", None) => Err(path.field("schema").fault("field required")),
        (kind, _) => Err(path
            .field("type")
            .fault(format!("`{kind}` is not supported"))),
    }
}

fn identity(request: &mut Request, metadata: &MetadataIn<'_>) {
    let Some(user) = &metadata.user_id else {
        return;
    };
    request.identity.user = Some(user.to_owned());
    request.identity.session = session(user);
}

/// The session in Claude Code's `user_id`: a member of a JSON object; in older versions, the part after `_session_`.
fn session(user: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Parts<'a> {
        #[serde(borrow)]
        session_id: Option<Str<'a>>,
    }
    if let Ok(parts) = serde_json::from_str::<Parts<'_>>(user) {
        return parts.session_id.map(|session| session.to_owned());
    }
    memmem::find(user.as_bytes(), SESSION.as_bytes())
        .map(|at| user[at + SESSION.len()..].to_owned())
}

fn tier(name: &str) -> Option<Tier> {
    match name {
        "auto" => Some(Tier::Auto),
        "standard_only" => Some(Tier::Standard),
        _ => None,
    }
}

fn extra(request: &mut Request, name: &str, value: &RawValue) {
    match EXTRAS.iter().find(|(known, _)| *known == name) {
        // These values request nothing.
        Some(_) if matches!(value.get(), "[]" | "\"standard\"") => {}
        Some((name, verdict)) => request.extras.push(Extra {
            name,
            value: value.to_owned(),
            verdict: *verdict,
        }),
        None => request.unknown.push(name.to_owned()),
    }
}

/// Known fields without a counterpart in other dialects. Claude Code always sends `context_management`, so a refusal of
/// it would break every session.
const EXTRAS: &[(&str, Verdict)] = &[
    ("billing_policy", Verdict::Omit),
    (
        "compaction",
        Verdict::Refuse("compaction needs an Anthropic upstream"),
    ),
    (
        "container",
        Verdict::Refuse("containers need an Anthropic upstream"),
    ),
    ("context_management", Verdict::Name),
    ("diagnostics", Verdict::Omit),
    ("fallback_credit_token", Verdict::Omit),
    ("fallbacks", Verdict::Omit),
    (
        "inference_geo",
        Verdict::Refuse(
            "this upstream cannot promise where it computes; leave the field out or use an Anthropic upstream",
        ),
    ),
    (
        "mcp_servers",
        Verdict::Refuse("MCP servers of the provider need an Anthropic upstream"),
    ),
    (
        "speed",
        Verdict::Refuse(
            "fast mode costs a multiple and is not enabled for this upstream; leave the field out",
        ),
    ),
    (
        "thread",
        Verdict::Refuse(
            "conversations kept by the provider need an Anthropic upstream; send the messages",
        ),
    ),
    ("user_profile_id", Verdict::Omit),
    ("workspace_id", Verdict::Omit),
];

const SESSION: &str = "_session_";
