//! Encodes a request to an upstream of this dialect.
use super::super::schema;
use super::super::wire::{GenerationOut, PartOut, RequestOut, SystemOut, ThinkingOut};
use super::{contents, tools};
use crate::protocol::hub::carry;
use crate::protocol::hub::error::{Losses, RequestFault};
use crate::protocol::hub::request::{Format, ReasoningMode, Request, Show, Tier};
use crate::protocol::hub::target::{Encoded, Target};
use crate::protocol::hub::{estimate, write};
use crate::protocol::models::Modes;
use crate::protocol::models::effort::{Effort, Efforts};

/// Writes `request` for `target`. The model and the delivery belong in the path, which is not written here.
pub fn encode(request: &Request, target: &Target<'_>) -> Result<Encoded, RequestFault> {
    let mut losses = Losses::default();
    request.settle_extras(&[], &mut losses)?;
    if request.max_output == Some(0) {
        let message = "this upstream cannot just warm its cache; ask for at least 1";
        return Err(RequestFault::new("max_tokens", message));
    }
    // The generation of models that has reasoning levels also signs its calls.
    let signs = target.capabilities.reasoning.efforts != Efforts::NONE;
    let (stop_sequences, stops) = carry::stops(request, target.capabilities.stops);
    let generation = generation(request, target, stop_sequences, &mut losses)?;
    let mut out = RequestOut {
        system_instruction: system(request, &mut losses),
        contents: contents::contents(request, target, signs, &mut losses)?,
        tools: Vec::new(),
        tool_config: None,
        generation_config: generation,
        service_tier: request.tier.and_then(|tier| match tier {
            Tier::Flex => Some("flex"),
            Tier::Fast | Tier::Priority => Some("priority"),
            Tier::Standard => Some("standard"),
            Tier::Auto | Tier::Scale => None,
        }),
    };
    tools::encode(request, &mut losses, &mut out)?;
    for (name, present) in [
        ("user", request.identity.user.is_some()),
        ("prompt_cache_key", request.cache.key.is_some()),
        ("cache_control", request.cache.auto.is_some()),
    ] {
        if present {
            losses.omit(name);
        }
    }
    if request.output.verbosity.is_some() {
        losses.name("verbosity");
    }
    let body = write::to_sized_vec(&out, estimate::bytes(request)).map_err(|error| {
        RequestFault::new("", format!("the request cannot be written: {error}"))
    })?;
    Ok(Encoded {
        body,
        headers: Vec::new(),
        dropped: losses,
        stops,
    })
}

fn system<'a>(request: &'a Request, losses: &mut Losses) -> Option<SystemOut<'a>> {
    if request.system.is_empty() {
        return None;
    }
    if request.system.iter().any(|text| text.cache.is_some()) {
        losses.omit("cache_control");
    }
    let parts = request.system.iter().map(|text| PartOut::text(&text.text));
    Some(SystemOut {
        parts: parts.collect(),
    })
}

fn generation<'a>(
    request: &'a Request,
    target: &Target<'_>,
    stop_sequences: Vec<&'a str>,
    losses: &mut Losses,
) -> Result<Option<GenerationOut<'a>>, RequestFault> {
    let sampling = &request.sampling;
    let (response_mime_type, response_json_schema) = match &request.output.format {
        Format::Text => (None, None),
        Format::JsonObject => (Some(JSON), None),
        Format::JsonSchema { schema, .. } => (
            Some(JSON),
            Some(schema::fit(schema, "output_config.format.schema")?),
        ),
    };
    let out = GenerationOut {
        temperature: sampling.temperature.as_ref(),
        top_p: sampling.top_p.as_ref(),
        top_k: sampling.top_k.as_ref(),
        seed: sampling.seed.as_ref(),
        max_output_tokens: request.max_output,
        stop_sequences,
        presence_penalty: sampling.presence_penalty.as_ref(),
        frequency_penalty: sampling.frequency_penalty.as_ref(),
        response_mime_type,
        response_json_schema,
        thinking_config: thinking(request, target, losses),
    };
    let says_nothing = serde_json::to_string(&out).is_ok_and(|text| text == "{}");
    Ok((!says_nothing).then_some(out))
}

/// A level for newer models, a budget for older ones; thoughts are included where the client wants to see them.
fn thinking(request: &Request, target: &Target<'_>, losses: &mut Losses) -> Option<ThinkingOut> {
    let control = &request.reasoning;
    let accepts = target.capabilities.reasoning;
    let asked = matches!(
        control.mode,
        ReasoningMode::Adaptive | ReasoningMode::BetweenTools | ReasoningMode::Budget(_)
    );
    let thinks = accepts.efforts != Efforts::NONE || accepts.modes.has(Modes::BUDGET);
    if !thinks {
        if asked || control.effort.is_some() {
            losses.name("reasoning");
        }
        return None;
    }
    let shown = control.show == Show::Summary || (asked && control.show == Show::Default);
    let mut out = ThinkingOut {
        include_thoughts: shown && control.mode != ReasoningMode::Off,
        ..ThinkingOut::default()
    };
    if accepts.efforts == Efforts::NONE {
        out.thinking_budget = budget(request, target);
    } else {
        out.thinking_level = carry::effort(control, target.capabilities, losses).map(level);
    }
    (out != ThinkingOut::default()).then_some(out)
}

fn budget(request: &Request, target: &Target<'_>) -> Option<i64> {
    let can_be_off = carry::can_be_off(target.capabilities);
    let (least, most) = if can_be_off {
        (0, 24_576)
    } else {
        (128, 32_768)
    };
    let control = &request.reasoning;
    let tokens = match (control.mode, control.effort) {
        (ReasoningMode::Off, _) => 0,
        (ReasoningMode::Budget(tokens), _) => tokens,
        (_, Some(effort)) => match effort {
            Effort::Minimal => 512,
            Effort::Low => 1024,
            Effort::Medium => 8192,
            Effort::High => 24_576,
            Effort::Xhigh | Effort::Max => most,
        },
        // The model decides how much it reasons.
        (ReasoningMode::Adaptive | ReasoningMode::BetweenTools, None) => return Some(-1),
        (ReasoningMode::Default, None) => return None,
    };
    i64::try_from(tokens.clamp(least, most)).ok()
}

const fn level(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal => "MINIMAL",
        Effort::Low => "LOW",
        Effort::Medium => "MEDIUM",
        Effort::High => "HIGH",
        Effort::Xhigh | Effort::Max => "XHIGH",
    }
}

const JSON: &str = "application/json";
