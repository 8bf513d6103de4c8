//! Encodes a request to an upstream of this dialect.
use std::borrow::Cow;

use serde_json::Number;

use super::super::wire::{
    BlockOut, CacheOut, FormatOut, MetadataOut, OutputConfigOut, RequestOut, ToolOut,
};
use super::reasoning::thinking;
use super::tools::{tool_choice, tools};
use super::{caching, messages};
use crate::protocol::hub::block::Text;
use crate::protocol::hub::digest::digest;
use crate::protocol::hub::error::{Losses, RequestFault};
use crate::protocol::hub::opaque::Vendor;
use crate::protocol::hub::request::{Format, Request, Tier};
use crate::protocol::hub::schema;
use crate::protocol::hub::target::{Encoded, Target};
use crate::protocol::hub::{estimate, write};
use crate::protocol::models::effort::Effort;
use crate::protocol::models::{Capabilities, Sampling, Traits};

/// Writes `request` for `target`.
pub fn encode(request: &Request, target: &Target<'_>) -> Result<Encoded, RequestFault> {
    let mut losses = Losses::default();
    request.settle_extras(&[], &mut losses)?;
    let most = most(request, target);
    // A client may ask for more than that, up to the most that the model can write.
    let ceiling = request.max_output.map_or(most, |named| {
        named.max(most).min(target.capabilities.max_output)
    });
    let mut out = RequestOut {
        model: target.model,
        max_tokens: request.max_output.unwrap_or(most),
        cache_control: request.cache.auto.map(CacheOut::of),
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
    let effort = thinking(request, target, ceiling, &mut losses, &mut out);
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
    caching::mark_all(request, target, &mut losses, &mut out);
    keep_last_breakpoints(&mut out);
    let version = version(target, &out);
    let body = write::to_sized_vec(&out, estimate::bytes(request)).map_err(|error| {
        RequestFault::new("", format!("the request cannot be written: {error}"))
    })?;
    Ok(Encoded {
        body,
        headers: vec![("anthropic-version", version)],
        dropped: losses,
        stops,
    })
}

/// The largest `max_tokens` to send: the most that the model can write. Models before Claude 4.5, and servers of other
/// vendors, refuse a value that together with the prompt exceeds the window. For those, it is at most what the prompt
/// leaves.
fn most(request: &Request, target: &Target<'_>) -> u64 {
    let model = target.capabilities;
    let is_checked =
        target.quirks.vendor != Vendor::Anthropic || model.sampling == Sampling::Unless;
    if is_checked {
        room(estimate::prompt(request), model)
    } else {
        model.max_output
    }
}

/// The output tokens that a prompt of about this many tokens leaves. The prompt is counted a quarter larger, for
/// safety.
fn room(prompt: u64, model: &Capabilities) -> u64 {
    let left = model.context.saturating_sub(prompt + prompt / 4);
    model.max_output.min(left.max(LEAST_ROOM))
}

/// The API version. The present one refuses sampling parameters even at their defaults; servers of other vendors know
/// only the old one.
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
        cache_control: text.cache.map(CacheOut::of),
    })
}

/// Sets the schema that the upstream enforces. Where it cannot enforce one, the model is instructed in words instead.
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

/// Limits the temperature to 1; the other dialects allow up to 2.
fn at_most_one(temperature: &Number) -> Number {
    match temperature.as_f64() {
        Some(value) if value > 1.0 => Number::from(1),
        _ => temperature.clone(),
    }
}

/// Sets the stop strings. Anthropic refuses stop strings of white space only, and Weir cannot look for them itself
/// without cutting every answer.
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
        // No personal data is sent: an e-mail address is replaced by its hash.
        user_id: if user.contains('@') {
            Cow::Owned(digest(user, 64))
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

/// If there are more breakpoints than the upstream accepts, keeps the last ones, which cover the most. The automatic
/// one counts too.
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

/// Most cache breakpoints in one request.
const MOST_BREAKPOINTS: usize = 4;

/// Output tokens that are always requested, however full the window seems: the estimate may be wrong.
const LEAST_ROOM: u64 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_the_client_did_not_name_fits_beside_its_prompt() {
        let model = Capabilities {
            context: 200_000,
            max_output: 64_000,
            ..Capabilities::PLAIN
        };
        assert_eq!(room(1_000, &model), model.max_output);
        let left = room(140_000, &model);
        assert_eq!(left, model.context - 175_000);
        assert!(left < model.max_output && left > LEAST_ROOM);
        // Even a huge estimate does not reduce the request to nothing.
        assert_eq!(room(u64::MAX / 4, &model), LEAST_ROOM);
    }
}
