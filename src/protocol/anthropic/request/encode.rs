//! What is asked of an upstream in this dialect.
use std::borrow::Cow;

use serde_json::Number;
use serde_json::value::RawValue;

use super::super::wire::{
    BlockOut, CacheOut, FormatOut, HostedOut, MetadataOut, OutputConfigOut, RequestOut,
    ThinkingOut, ToolChoiceOut, ToolOut,
};
use super::messages;
use crate::protocol::hub::block::{Block, Hosted, Text, Ttl};
use crate::protocol::hub::effort::{Effort, Efforts};
use crate::protocol::hub::error::{Losses, RequestFault};
use crate::protocol::hub::names::{self, FREEFORM_FIELD};
use crate::protocol::hub::opaque::Vendor;
use crate::protocol::hub::request::{
    Format, Function, ReasoningMode, Request, Show, Tier, Tool, ToolChoice,
};
use crate::protocol::hub::schema;
use crate::protocol::hub::target::{Encoded, Target};
use crate::protocol::models::{Modes, Reasoning, Sampling, Traits};

/// Writes `request` for `target`.
pub fn encode(request: &Request, target: &Target<'_>) -> Result<Encoded, RequestFault> {
    let mut losses = Losses::default();
    request.settle_extras(&[], &mut losses)?;
    let mut out = RequestOut {
        model: target.model,
        max_tokens: request.max_output.unwrap_or(target.capabilities.max_output),
        cache_control: request.cache.auto.map(cache),
        system: request.system.iter().filter_map(system).collect(),
        tools: Vec::new(),
        tool_choice: None,
        messages: messages::encode(request, target, &mut losses)?,
        thinking: None,
        output_config: None,
        temperature: None,
        top_p: None,
        top_k: None,
        stop_sequences: Vec::new(),
        metadata: None,
        service_tier: None,
        stream: request.stream,
    };
    tools(request, &mut losses, &mut out)?;
    let effort = thinking(request, target, &mut losses, &mut out);
    tool_choice(request, target, &mut losses, &mut out)?;
    let schema = format(request, target, &mut losses, &mut out)?;
    if effort.is_some() || schema.is_some() {
        out.output_config = Some(OutputConfigOut {
            effort: effort.map(Effort::as_str),
            format: schema,
        });
    }
    sampling(request, target, &mut losses, &mut out);
    let stops = stops(request, target, &mut losses, &mut out);
    identity(request, &mut losses, &mut out);
    keep_last_breakpoints(&mut out);
    let version = version(target, &out);
    let body = serde_json::to_vec(&out).map_err(|error| {
        RequestFault::new("", format!("the request cannot be written: {error}"))
    })?;
    Ok(Encoded {
        body,
        headers: vec![("anthropic-version", version)],
        dropped: losses,
        stops,
    })
}

/// The marker of that length.
pub(super) const fn cache(ttl: Ttl) -> CacheOut {
    CacheOut {
        kind: "ephemeral",
        ttl: match ttl {
            Ttl::Default => None,
            Ttl::Short => Some("5m"),
            Ttl::Long => Some("1h"),
        },
    }
}

/// The present version refuses sampling parameters even at their defaults; others than Anthropic know only the old one.
fn version(target: &Target<'_>, out: &RequestOut<'_>) -> &'static str {
    let samples = out.temperature.is_some() || out.top_p.is_some() || out.top_k.is_some();
    if samples || target.quirks.vendor != Vendor::Anthropic {
        "2023-06-01"
    } else {
        "2026-10-21"
    }
}

fn system(text: &Text) -> Option<BlockOut<'_>> {
    (!text.text.trim().is_empty()).then(|| BlockOut::Text {
        text: Cow::Borrowed(&text.text),
        citations: Vec::new(),
        cache_control: text.cache.map(cache),
    })
}

fn tools<'a>(
    request: &'a Request,
    losses: &mut Losses,
    out: &mut RequestOut<'a>,
) -> Result<(), RequestFault> {
    for (index, tool) in request.tools.iter().enumerate() {
        if let Some(ToolChoice::Allowed { names, .. }) = &request.tool_choice
            && !names.iter().any(|name| name == tool.name())
        {
            continue;
        }
        let path = format!("tools.{index}");
        match tool {
            Tool::Function(function) => out.tools.push(self::function(function, &path, losses)?),
            Tool::Freeform(tool) => {
                if tool.format.is_some() {
                    losses.name("tools.format");
                }
                let hint = tool
                    .format
                    .as_deref()
                    .map_or("the whole input", RawValue::get);
                let schema = serde_json::json!({
                    "type": "object",
                    "properties": { FREEFORM_FIELD: { "type": "string", "description": hint } },
                    "required": [FREEFORM_FIELD],
                });
                out.tools.push(ToolOut::Custom {
                    name: names::tool_name(None, &tool.name),
                    description: tool.description.as_deref(),
                    input_schema: Cow::Owned(raw(schema.to_string())?),
                    strict: None,
                    cache_control: None,
                });
            }
            Tool::Hosted(tool) if tool.kind == Hosted::WebSearch => {
                out.tools.push(ToolOut::Hosted(HostedOut {
                    kind: "web_search_20250305",
                    name: "web_search",
                }));
            }
            Tool::Hosted(tool) => {
                let forced = matches!(&request.tool_choice, Some(ToolChoice::Named(name)) if *name == tool.name);
                if forced || request.tools.len() == 1 {
                    let message = format!(
                        "`{}` is run by its provider, and this upstream cannot run it",
                        tool.name
                    );
                    return Err(RequestFault::new(path, message));
                }
                losses.name("hosted_tools");
            }
        }
    }
    if out.tools.is_empty() {
        declare_used(request, out)?;
    }
    Ok(())
}

fn function<'a>(
    function: &'a Function,
    path: &str,
    losses: &mut Losses,
) -> Result<ToolOut<'a>, RequestFault> {
    let strict = match (function.strict, function.schema.as_deref()) {
        (Some(true), Some(schema)) if schema::suits_openai_strict(schema) => Some(true),
        (Some(true), _) => {
            losses.name("tools.strict");
            None
        }
        _ => None,
    };
    Ok(ToolOut::Custom {
        name: names::tool_name(function.namespace.as_deref(), &function.name),
        description: function.description.as_deref(),
        input_schema: match function.schema.as_deref() {
            Some(schema) => schema::object(schema, path)?,
            None => Cow::Owned(raw(NO_PARAMETERS.to_owned())?),
        },
        strict,
        cache_control: function.cache.map(cache),
    })
}

/// Calls in the history need their tools declared, even if none is offered any more.
fn declare_used<'a>(request: &'a Request, out: &mut RequestOut<'a>) -> Result<(), RequestFault> {
    let mut declared: Vec<Cow<'a, str>> = Vec::new();
    for block in request.blocks() {
        let Block::ToolCall(call) = block else {
            continue;
        };
        let name = names::tool_name(call.namespace.as_deref(), &call.name);
        if declared.contains(&name) {
            continue;
        }
        out.tools.push(ToolOut::Custom {
            name: name.clone(),
            description: None,
            input_schema: Cow::Owned(raw(NO_PARAMETERS.to_owned())?),
            strict: None,
            cache_control: None,
        });
        declared.push(name);
    }
    if !declared.is_empty() {
        out.tool_choice = Some(ToolChoiceOut {
            kind: "none",
            name: None,
            disable_parallel_tool_use: None,
        });
    }
    Ok(())
}

/// Sets `thinking`, and gives the effort.
fn thinking(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
    out: &mut RequestOut<'_>,
) -> Option<Effort> {
    let control = &request.reasoning;
    let accepts = accepted(target);
    let nearest =
        |effort: Option<Effort>| effort.and_then(|effort| accepts.efforts.nearest(effort));
    let wanted = match (control.mode, control.effort) {
        (ReasoningMode::Default, None) => return None,
        (ReasoningMode::Off, _) => {
            if accepts.modes.has(Modes::OFF) {
                out.thinking = Some(switch("disabled"));
            } else if accepts.modes.has(Modes::BETWEEN_TOOLS) {
                out.thinking = Some(switch("between_tools"));
            } else if accepts.modes.has(Modes::ADAPTIVE) {
                out.thinking = Some(switch("adaptive"));
                return nearest(Some(Effort::Low));
            }
            return None;
        }
        (ReasoningMode::Budget(tokens), effort) => effort.unwrap_or(Effort::from_budget(tokens)),
        (_, effort) => effort.unwrap_or(Effort::Medium),
    };
    let between =
        control.mode == ReasoningMode::BetweenTools && accepts.modes.has(Modes::BETWEEN_TOOLS);
    if between || accepts.modes.has(Modes::ADAPTIVE) {
        let display = match control.show {
            Show::Omitted => None,
            // The other dialects show reasoning without being asked.
            Show::Default | Show::Summary => accepts.hidden.then_some("summarized"),
        };
        out.thinking = Some(ThinkingOut {
            display,
            ..switch(if between { "between_tools" } else { "adaptive" })
        });
        let said = control.effort.is_some() || matches!(control.mode, ReasoningMode::Budget(_));
        return said.then(|| nearest(Some(wanted))).flatten();
    }
    if !accepts.modes.has(Modes::BUDGET) {
        losses.name("reasoning");
        return None;
    }
    let forced = matches!(
        request.tool_choice,
        Some(ToolChoice::Any | ToolChoice::Named(_))
    );
    if forced || messages::is_tool_loop_without_thinking(&out.messages) {
        // A budget is refused together with a forced call, and in a loop whose thinking is lost.
        losses.name("reasoning");
        return None;
    }
    let budget = match control.mode {
        ReasoningMode::Budget(tokens) => tokens,
        _ => wanted.budget(),
    };
    set_budget(budget, target, losses, out);
    nearest(control.effort)
}

/// How the target takes reasoning controls. Others than Anthropic that speak its dialect know only its old form.
fn accepted(target: &Target<'_>) -> Reasoning {
    let accepts = target.capabilities.reasoning;
    if target.quirks.vendor == Vendor::Anthropic || accepts.modes == Modes::NONE {
        return accepts;
    }
    Reasoning {
        modes: Modes::BUDGET.and(Modes::OFF),
        efforts: Efforts::NONE,
        ..accepts
    }
}

/// The budget has to leave room for the answer: the limit is raised as far as the model allows, then the budget lowered.
fn set_budget(budget: u64, target: &Target<'_>, losses: &mut Losses, out: &mut RequestOut<'_>) {
    let most = target.capabilities.max_output;
    let visible = out.max_tokens.clamp(LEAST_VISIBLE, most.max(LEAST_VISIBLE));
    let limit = budget.saturating_add(visible).min(most);
    let budget = budget
        .max(LEAST_BUDGET)
        .min(limit.saturating_sub(LEAST_VISIBLE.min(visible)));
    if budget < LEAST_BUDGET {
        losses.name("reasoning");
        return;
    }
    out.max_tokens = limit.max(budget + 1);
    out.thinking = Some(ThinkingOut {
        budget_tokens: Some(budget),
        ..switch("enabled")
    });
}

const fn switch(kind: &'static str) -> ThinkingOut {
    ThinkingOut {
        kind,
        budget_tokens: None,
        display: None,
    }
}

fn tool_choice<'a>(
    request: &'a Request,
    target: &Target<'_>,
    losses: &mut Losses,
    out: &mut RequestOut<'a>,
) -> Result<(), RequestFault> {
    if out.tools.is_empty() || out.tool_choice.is_some() {
        return Ok(());
    }
    let (kind, name) = match &request.tool_choice {
        None => (None, None),
        Some(
            ToolChoice::Auto
            | ToolChoice::Allowed {
                required: false, ..
            },
        ) => (Some("auto"), None),
        Some(ToolChoice::Any | ToolChoice::Allowed { required: true, .. }) => (Some("any"), None),
        Some(ToolChoice::None) => (Some("none"), None),
        Some(ToolChoice::Named(name)) => (Some("tool"), Some(named(request, name))),
    };
    if matches!(kind, Some("any" | "tool")) && !target.capabilities.traits.has(Traits::FORCED_TOOLS)
    {
        let message = format!(
            "`{}` cannot be forced to call a tool; use `auto`",
            target.model
        );
        return Err(RequestFault::new("tool_choice", message));
    }
    let alone = (request.parallel_tools == Some(false) && kind != Some("none")).then_some(true);
    if kind.is_some() || alone.is_some() {
        out.tool_choice = Some(ToolChoiceOut {
            kind: kind.unwrap_or("auto"),
            name,
            disable_parallel_tool_use: alone,
        });
    }
    if request.parallel_tools == Some(false) && kind == Some("none") {
        losses.omit("parallel_tool_calls");
    }
    Ok(())
}

fn named<'a>(request: &Request, name: &'a str) -> Cow<'a, str> {
    let tool = request.tools.iter().find(|tool| tool.name() == name);
    let namespace = match tool {
        Some(Tool::Function(function)) => function.namespace.as_deref(),
        Some(Tool::Hosted(tool)) if tool.kind == Hosted::WebSearch => {
            return Cow::Borrowed("web_search");
        }
        _ => None,
    };
    names::tool_name(namespace, name)
}

/// The enforced schema; where there is none to enforce, or no way to, the model is told.
fn format(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
    out: &mut RequestOut<'_>,
) -> Result<Option<FormatOut>, RequestFault> {
    let told = match &request.output.format {
        Format::Text => return Ok(None),
        Format::JsonSchema { schema, .. } if target.capabilities.traits.has(Traits::STRUCTURED) => {
            return Ok(Some(FormatOut {
                kind: "json_schema",
                schema: schema::structured_for_anthropic(
                    schema,
                    "response_format.json_schema.schema",
                )?,
            }));
        }
        Format::JsonSchema { schema, .. } => {
            format!(
                "Answer with one JSON object and nothing else. It must match this JSON Schema:\n{schema}"
            )
        }
        Format::JsonObject => "Answer with one JSON object and nothing else.".to_owned(),
    };
    losses.name("response_format");
    out.system.push(BlockOut::Text {
        text: Cow::Owned(told),
        citations: Vec::new(),
        cache_control: None,
    });
    Ok(None)
}

fn sampling<'a>(
    request: &'a Request,
    target: &Target<'_>,
    losses: &mut Losses,
    out: &mut RequestOut<'a>,
) {
    let sampling = &request.sampling;
    let reasons = match &out.thinking {
        Some(thinking) => thinking.kind != "disabled",
        None => target.capabilities.reasoning.default_on,
    };
    let (any, both) = match target.capabilities.sampling {
        Sampling::Any => (true, true),
        Sampling::One => (!reasons, false),
        Sampling::Refused => (false, false),
        Sampling::RefusedWhileReasoning | Sampling::Unless => (!reasons, !reasons),
    };
    if any {
        out.temperature = sampling.temperature.as_ref().map(at_most_one);
        out.top_k = sampling.top_k.as_ref();
        if both || sampling.temperature.is_none() {
            out.top_p = sampling.top_p.as_ref();
        }
    }
    for (field, asked, sent, neutral) in [
        (
            "temperature",
            &sampling.temperature,
            out.temperature.is_some(),
            1.0,
        ),
        ("top_p", &sampling.top_p, out.top_p.is_some(), 1.0),
        ("top_k", &sampling.top_k, out.top_k.is_some(), -1.0),
        ("presence_penalty", &sampling.presence_penalty, false, 0.0),
        ("frequency_penalty", &sampling.frequency_penalty, false, 0.0),
        ("seed", &sampling.seed, false, -1.0),
    ] {
        match asked.as_ref().and_then(Number::as_f64) {
            Some(value) if !sent && (value - neutral).abs() < f64::EPSILON => losses.omit(field),
            Some(_) if !sent => losses.name(field),
            _ => {}
        }
    }
}

/// The other dialects reach up to 2.
fn at_most_one(temperature: &Number) -> Number {
    match temperature.as_f64() {
        Some(value) if value > 1.0 => Number::from(1),
        _ => temperature.clone(),
    }
}

/// Stop strings of white space are refused here, and cannot be looked for elsewhere without cutting every answer.
fn stops<'a>(
    request: &'a Request,
    target: &Target<'_>,
    losses: &mut Losses,
    out: &mut RequestOut<'a>,
) -> Vec<String> {
    let (blank, stops): (Vec<&str>, Vec<&str>) = request
        .sampling
        .stop
        .iter()
        .map(String::as_str)
        .partition(|stop| stop.trim().is_empty());
    if !blank.is_empty() {
        losses.name("stop");
    }
    let native = stops.len().min(target.capabilities.stops);
    let emulated = stops[native..]
        .iter()
        .map(|stop| (*stop).to_owned())
        .collect();
    out.stop_sequences = stops[..native].to_vec();
    emulated
}

fn identity<'a>(request: &'a Request, losses: &mut Losses, out: &mut RequestOut<'a>) {
    out.metadata = request.identity.user.as_deref().map(|user| MetadataOut {
        // No names of people: an address becomes its hash.
        user_id: if user.contains('@') {
            Cow::Owned(names::digest(user, 64))
        } else {
            Cow::Borrowed(user)
        },
    });
    out.service_tier = match request.tier {
        Some(Tier::Auto | Tier::Scale) => Some("auto"),
        Some(Tier::Standard) => Some("standard_only"),
        Some(Tier::Fast | Tier::Flex | Tier::Priority) => {
            losses.name("service_tier");
            None
        }
        None => None,
    };
    if request.cache.key.is_some() {
        losses.omit("prompt_cache_key");
    }
    if request.output.verbosity.is_some() {
        losses.name("verbosity");
    }
}

/// More breakpoints than are accepted: the last ones cover the most. The automatic one takes a place.
fn keep_last_breakpoints(out: &mut RequestOut<'_>) {
    let most = MOST_BREAKPOINTS - usize::from(out.cache_control.is_some());
    let tools = out.tools.iter_mut().filter_map(|tool| match tool {
        ToolOut::Custom { cache_control, .. } => Some(cache_control),
        ToolOut::Hosted(_) => None,
    });
    let system = out.system.iter_mut().filter_map(messages::mark);
    let turns = out
        .messages
        .iter_mut()
        .flat_map(|message| &mut message.content)
        .filter_map(messages::mark);
    let marks: Vec<&mut Option<CacheOut>> = tools
        .chain(system)
        .chain(turns)
        .filter(|mark| mark.is_some())
        .collect();
    let surplus = marks.len().saturating_sub(most);
    for mark in marks.into_iter().take(surplus) {
        *mark = None;
    }
}

fn raw(json: String) -> Result<Box<RawValue>, RequestFault> {
    RawValue::from_string(json).map_err(|error| RequestFault::new("tools", error.to_string()))
}

/// The schema of a tool without parameters: this dialect demands one.
const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;

/// Cache breakpoints that are accepted.
const MOST_BREAKPOINTS: usize = 4;

/// The smallest budget of reasoning that is accepted, in tokens.
const LEAST_BUDGET: u64 = 1_024;

/// Tokens that are left for the answer beside a budget of reasoning.
const LEAST_VISIBLE: u64 = 4_096;
