//! Decodes a client's request in this dialect.
use serde_json::value::RawValue;

use super::super::client_tools::{ClientTool, SEARCH};
use super::super::response::tier;
use super::super::wire::{
    BreakpointIn, FormatIn, ReasoningIn, TextIn, ToolChoiceIn, ToolIn, is_echoed,
};
use super::content;
use super::items::{self, hosted};
use crate::protocol::Dialect;
use crate::protocol::hub::block::{Block, Ttl};
use crate::protocol::hub::error::{RequestFault, Verdict};
use crate::protocol::hub::read::{Object, Path, Str, is_null, is_string, without_position};
use crate::protocol::hub::request::{
    Extra, Format, Freeform, Function, HostedTool, ReasoningMode, Request, Show, Tool, ToolChoice,
};
use crate::protocol::json::Document;
use crate::protocol::models::effort::Effort;

/// Reads the body of `POST /v1/responses`.
pub fn decode(body: &[u8]) -> Result<Request, RequestFault> {
    read(&Document::new(body))
}

/// The same as [`decode`], for a body that is already parsed into a document.
pub fn read(document: &Document<'_>) -> Result<Request, RequestFault> {
    let members: Object<'_> = document
        .whole()
        .map_err(|error| RequestFault::new("", without_position(&error)))?;
    let mut request = Request::new(Dialect::OpenaiResponses, "");
    let mut declared = Vec::new();
    let mut found = Vec::new();
    for (name, value) in &members.0 {
        if !is_null(value) {
            member(
                &mut request,
                &mut declared,
                (name, value),
                Path::of(document, name),
            )?;
        }
    }
    if request.model.is_empty() {
        return Err(RequestFault::new("model", "field required"));
    }
    // `instructions` precede the instructions among the items, wherever they are in the body.
    if let Some(input) = members.get("input") {
        let path = Path::of(document, "input");
        let conversation = items::conversation(input, &path)?;
        declared.extend(conversation.tools);
        found = conversation.found;
        request.turns = conversation.turns;
    }
    let path = Path::of(document, "tools");
    for (index, raw) in declared.into_iter().enumerate() {
        tool(&mut request.tools, None, raw, &path.index(index))?;
    }
    load(&mut request.tools, found)?;
    let own = request.tools.iter().filter_map(|tool| match tool {
        Tool::Function(function) if function.own => ClientTool::of(&function.name),
        _ => None,
    });
    request.reply.client_tools = own.map(|tool| tool.kind).collect();
    Ok(request)
}

/// Declares the tools that tool searches have found. A tool that is declared already, or was found before, is only
/// marked as loaded.
fn load(tools: &mut Vec<Tool>, found: Vec<&RawValue>) -> Result<(), RequestFault> {
    let path = Path::top("input");
    let mut loaded = Vec::new();
    for raw in found {
        tool(&mut loaded, None, raw, &path.field("tools"))?;
    }
    for tool in loaded {
        let Tool::Function(mut new) = tool else {
            continue;
        };
        new.deferred = false;
        let known = tools.iter_mut().find_map(|tool| match tool {
            Tool::Function(known) if known.name == new.name && known.namespace == new.namespace => {
                Some(known)
            }
            _ => None,
        });
        match known {
            Some(known) => known.deferred = false,
            None => tools.push(Tool::Function(new)),
        }
    }
    Ok(())
}

fn member<'a>(
    request: &mut Request,
    declared: &mut Vec<&'a RawValue>,
    (name, value): (&str, &'a RawValue),
    path: Path<'_>,
) -> Result<(), RequestFault> {
    let text = || path.read::<Str<'_>>(value).map(|text| text.to_owned());
    if is_echoed(name) {
        request.reply.echo.push(name, value);
    }
    match name {
        "model" => request.model = text()?,
        "input" => {}
        "instructions" if is_string(value) => {
            let texts = content::blocks(value, &path)?;
            request
                .system
                .extend(texts.into_iter().filter_map(|block| match block {
                    Block::Text(text) => Some(text),
                    _ => None,
                }));
        }
        "max_output_tokens" => request.max_output = Some(path.read(value)?),
        "temperature" => request.sampling.temperature = path.read(value)?,
        "top_p" => request.sampling.top_p = path.read(value)?,
        "top_logprobs" => {
            request.sampling.top_logprobs = path.read(value)?;
            request.sampling.logprobs = request.sampling.top_logprobs.is_some_and(|n| n > 0);
        }
        // Encrypted reasoning is always requested; the other values concern hosted tools.
        "include" => {
            let wanted: Vec<Str<'_>> = path.read(value)?;
            request.sampling.logprobs |= wanted.iter().any(|name| &**name == LOGPROBS);
        }
        "tools" => declared.extend(path.read::<Vec<&RawValue>>(value)?),
        "tool_choice" => request.tool_choice = Some(tool_choice(value, &path)?),
        "parallel_tool_calls" => request.parallel_tools = path.read(value)?,
        "reasoning" => reasoning(request, &path.read(value)?, &path)?,
        "text" => {
            let wanted: TextIn<'_> = path.read(value)?;
            request.output.verbosity = wanted.verbosity.map(|verbosity| verbosity.to_owned());
            if let Some(wanted) = wanted.format {
                request.output.format = format(&wanted, &path.field("format"))?;
            }
        }
        "safety_identifier" => request.identity.user = Some(text()?),
        "user" => {
            let user = text()?;
            request.identity.user.get_or_insert(user);
        }
        "prompt_cache_key" => {
            let key = text()?;
            request.identity.session = Some(key.clone());
            request.cache.key = Some(key);
        }
        "prompt_cache_options" => {
            let options: BreakpointIn<'_> = path.read(value)?;
            if options.mode.as_deref() != Some("explicit") {
                request.cache.auto = Some(content::ttl(&options));
            }
        }
        "prompt_cache_retention" => {
            if text()? == "24h" {
                request.cache.auto = Some(Ttl::Long);
            }
        }
        "service_tier" => request.tier = tier(&text()?),
        "stream" => request.stream = path.read(value)?,
        _ => extra(request, name, value),
    }
    Ok(())
}

/// Decodes one declaration; a namespace has as many tools as members.
fn tool(
    tools: &mut Vec<Tool>,
    namespace: Option<&str>,
    raw: &RawValue,
    path: &Path<'_>,
) -> Result<(), RequestFault> {
    let declared: ToolIn<'_> = path.read(raw)?;
    // Some clients nest functions as in Chat.
    let tool: ToolIn<'_> = match declared.function {
        Some(function) => ToolIn {
            kind: declared.kind,
            ..path.read(function)?
        },
        None => declared,
    };
    let own = |text: &Option<Str<'_>>| text.as_ref().map(crate::protocol::hub::read::Str::to_owned);
    let name = || own(&tool.name).ok_or_else(|| path.field("name").fault("field required"));
    match &*tool.kind {
        "function" => tools.push(Tool::Function(Function {
            name: name()?,
            namespace: namespace.map(str::to_owned),
            description: own(&tool.description),
            schema: tool.parameters.map(ToOwned::to_owned),
            strict: tool.strict,
            deferred: tool.defer_loading.unwrap_or(false),
            ..Function::default()
        })),
        "custom" => tools.push(Tool::Freeform(Freeform {
            name: name()?,
            description: own(&tool.description),
            format: tool.format.map(ToOwned::to_owned),
        })),
        "namespace" if namespace.is_none() => {
            let namespace = name()?;
            for (index, raw) in tool.tools.iter().enumerate() {
                self::tool(tools, Some(&namespace), raw, &path.index(index))?;
            }
        }
        kind if let Some(own) = client_tool(kind, &tool) => tools.push(Tool::Function(Function {
            name: own.kind.to_owned(),
            description: Some(own_text(tool.description.as_ref(), own.description)),
            schema: match tool.parameters {
                Some(schema) => Some(schema.to_owned()),
                None => serde_json::value::to_raw_value(&own.schema()).ok(),
            },
            own: true,
            ..Function::default()
        })),
        kind => tools.push(Tool::Hosted(HostedTool {
            kind: hosted(kind),
            name: kind.to_owned(),
            dialect: Dialect::OpenaiResponses,
            raw: raw.to_owned(),
        })),
    }
    Ok(())
}

/// The client tool of this type, if this client runs it itself.
fn client_tool(kind: &str, tool: &ToolIn<'_>) -> Option<&'static ClientTool> {
    let by_client = match kind {
        SEARCH => tool.execution.as_deref() == Some("client"),
        "shell" => tool
            .environment
            .as_ref()
            .and_then(|place| place.kind.as_deref())
            .is_none_or(|kind| kind == "local"),
        _ => true,
    };
    ClientTool::of(kind).filter(|_| by_client)
}

fn own_text(said: Option<&Str<'_>>, or: &str) -> String {
    said.map_or_else(|| or.to_owned(), Str::to_owned)
}

fn tool_choice(value: &RawValue, path: &Path<'_>) -> Result<ToolChoice, RequestFault> {
    if is_string(value) {
        let mode: Str<'_> = path.read(value)?;
        return match &*mode {
            "auto" => Ok(ToolChoice::Auto),
            "required" => Ok(ToolChoice::Any),
            "none" => Ok(ToolChoice::None),
            mode => Err(path.fault(format!("`{mode}` is not supported"))),
        };
    }
    let choice: ToolChoiceIn<'_> = path.read(value)?;
    Ok(match (&*choice.kind, choice.name) {
        ("allowed_tools", _) => ToolChoice::Allowed {
            required: choice.mode.as_deref() == Some("required"),
            names: choice
                .tools
                .into_iter()
                .map(|tool| tool.name.unwrap_or(tool.kind).to_owned())
                .collect(),
        },
        (_, Some(name)) => ToolChoice::Named(name.to_owned()),
        // A hosted tool is referred to by its type.
        (kind, None) => ToolChoice::Named(kind.to_owned()),
    })
}

fn reasoning(
    request: &mut Request,
    wanted: &ReasoningIn<'_>,
    path: &Path<'_>,
) -> Result<(), RequestFault> {
    if wanted.mode.as_deref() == Some("pro") {
        return Err(path.field("mode").fault("`pro` needs an OpenAI upstream"));
    }
    match wanted.effort.as_deref() {
        None => {}
        Some("none") => request.reasoning.mode = ReasoningMode::Off,
        Some(level) => {
            if let Some(effort) = Effort::from_name(level) {
                request.reasoning.effort = Some(effort);
            } else {
                let message = format!("`{level}` is not a level of effort");
                return Err(path.field("effort").fault(message));
            }
        }
    }
    if wanted.summary.is_some() {
        request.reasoning.show = Show::Summary;
    }
    Ok(())
}

fn format(wanted: &FormatIn<'_>, path: &Path<'_>) -> Result<Format, RequestFault> {
    let own = |text: &Option<Str<'_>>| text.as_ref().map(crate::protocol::hub::read::Str::to_owned);
    match (&*wanted.kind, wanted.schema) {
        ("text", _) => Ok(Format::Text),
        ("json_object", _) => Ok(Format::JsonObject),
        ("json_schema", Some(schema)) => Ok(Format::JsonSchema {
            name: own(&wanted.name),
            description: own(&wanted.description),
            schema: schema.to_owned(),
            strict: wanted.strict,
        }),
        ("json_schema", None) => Err(path.field("schema").fault("field required")),
        (kind, _) => Err(path
            .field("type")
            .fault(format!("`{kind}` is not supported"))),
    }
}

fn extra(request: &mut Request, name: &str, value: &RawValue) {
    match EXTRAS.iter().find(|(known, _)| *known == name) {
        // These values request nothing.
        Some(_) if matches!(value.get(), "[]" | "{}" | "false" | "\"disabled\"") => {}
        Some((name, verdict)) => request.extras.push(Extra {
            name,
            value: value.to_owned(),
            verdict: *verdict,
        }),
        None => request.unknown.push(name.to_owned()),
    }
}

const LOGPROBS: &str = "message.output_text.logprobs";

/// Known fields without a counterpart in other dialects.
const EXTRAS: &[(&str, Verdict)] = &[
    ("access_programs", Verdict::Name),
    (
        "background",
        Verdict::Refuse("answers cannot be fetched later from this upstream; leave the field out"),
    ),
    ("client_metadata", Verdict::Omit),
    ("context_management", Verdict::Name),
    (
        "conversation",
        Verdict::Refuse("conversations are not kept here; send all items in `input`"),
    ),
    ("image", Verdict::Name),
    ("max_tool_calls", Verdict::Name),
    ("metadata", Verdict::Omit),
    ("moderation", Verdict::Name),
    (
        "previous_response_id",
        Verdict::Refuse(
            "this answer is not kept here, or no longer; send all earlier items in `input`, with `\"store\": false` (`previous_response_not_found`)",
        ),
    ),
    (
        "prompt",
        Verdict::Refuse("prompt templates need an OpenAI upstream; send their text"),
    ),
    ("store", Verdict::Omit),
    ("stream_options", Verdict::Omit),
    ("truncation", Verdict::Name),
];
