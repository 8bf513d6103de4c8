//! Encodes a request to an upstream of this dialect.
use std::borrow::Cow;

use super::super::wire::{CacheOptionsOut, FormatOut, ReasoningOut, RequestOut, TextOut};
use super::parts::CACHE_TTL;
use super::parts::takes_breakpoints;
use super::{tools, write};
use crate::protocol::hub::carry;
use crate::protocol::hub::digest::digest;
use crate::protocol::hub::error::{Losses, RequestFault};
use crate::protocol::hub::estimate;
use crate::protocol::hub::request::{Format, ReasoningMode, Request, Show, Tier};
use crate::protocol::hub::schema;
use crate::protocol::hub::target::{Encoded, Target};
use crate::protocol::hub::write::to_sized_vec;
use crate::protocol::models::effort::{Effort, Efforts};

/// Writes `request` for `target`.
pub fn encode(request: &Request, target: &Target<'_>) -> Result<Encoded, RequestFault> {
    let mut losses = Losses::default();
    request.settle_extras(&["metadata"], &mut losses)?;
    let prewarm = prewarm(request, target)?;
    let (reasoning, reasons) = reasoning(request, target, &mut losses);
    // Nothing is stored at the vendor, so the reasoning state must be part of the answer.
    let include = if target.quirks.openai_fields && can_reason(target) {
        vec!["reasoning.encrypted_content"]
    } else {
        Vec::new()
    };
    let (_, stops) = carry::stops(request, 0);
    let mut out = RequestOut {
        model: target.model,
        instructions: write::instructions(request, target, &mut losses),
        input: write::items(request, target, &mut losses)?,
        tools: Vec::new(),
        tool_choice: None,
        parallel_tool_calls: None,
        max_output_tokens: request
            .max_output
            .filter(|_| !prewarm)
            .map(|most| most.max(LEAST_OUTPUT)),
        temperature: None,
        top_p: None,
        reasoning,
        text: text(request, target, &mut losses)?,
        include,
        store: false,
        service_tier: None,
        metadata: None,
        safety_identifier: None,
        prompt_cache_key: None,
        prompt_cache_options: None,
        stream: request.stream,
    };
    tools::encode(request, target, &mut losses, &mut out)?;
    sampling(request, target, reasons, &mut losses, &mut out);
    vendor_fields(request, target, prewarm, &mut losses, &mut out);
    let body = to_sized_vec(&out, estimate::bytes(request)).map_err(|error| {
        RequestFault::new("", format!("the request cannot be written: {error}"))
    })?;
    Ok(Encoded {
        body,
        headers: Vec::new(),
        dropped: losses,
        stops,
    })
}

/// Whether the request shall only fill the cache.
fn prewarm(request: &Request, target: &Target<'_>) -> Result<bool, RequestFault> {
    match request.max_output {
        Some(0) if takes_breakpoints(target) => Ok(true),
        Some(0) => Err(RequestFault::new(
            "max_tokens",
            "this upstream cannot just warm its cache; ask for at least 1",
        )),
        _ => Ok(false),
    }
}

fn can_reason(target: &Target<'_>) -> bool {
    target.capabilities.reasoning.efforts != Efforts::NONE
        || target.capabilities.reasoning.default_on
}

/// The reasoning controls, and whether the model will reason. A summary is only requested if the client wants to see
/// one: OpenAI sends it only to verified organizations.
fn reasoning(
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> (Option<ReasoningOut>, bool) {
    let control = &request.reasoning;
    if control.mode == ReasoningMode::Off && carry::can_be_off(target.capabilities) {
        let off = ReasoningOut {
            effort: Some("none"),
            summary: None,
        };
        return (Some(off), false);
    }
    let effort = carry::effort(control, target.capabilities, losses).map(Effort::as_str);
    let asked = matches!(
        control.mode,
        ReasoningMode::Adaptive | ReasoningMode::BetweenTools | ReasoningMode::Budget(_)
    );
    let shown = control.show == Show::Summary || (asked && control.show == Show::Default);
    let summary = (shown && can_reason(target)).then_some("auto");
    let reasons = effort.is_some() || target.capabilities.reasoning.default_on;
    let out = (effort.is_some() || summary.is_some()).then_some(ReasoningOut { effort, summary });
    (out, reasons)
}

fn text<'a>(
    request: &'a Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Option<TextOut<'a>>, RequestFault> {
    let format = match &request.output.format {
        Format::Text => None,
        Format::JsonObject => Some(FormatOut::JsonObject),
        Format::JsonSchema {
            name,
            description,
            schema: wanted,
            strict,
        } => {
            let suits = schema::suits_openai_strict(wanted);
            if *strict == Some(true) && !suits {
                losses.name("output_format.strict");
            }
            Some(FormatOut::JsonSchema {
                name: name.as_deref().unwrap_or(SCHEMA_NAME),
                description: description.as_deref(),
                schema: schema::portable(wanted, "output_config.format.schema")?,
                strict: strict.unwrap_or(false) && suits,
            })
        }
    };
    let mut verbosity = request.output.verbosity.as_deref();
    if verbosity.is_some() && !target.quirks.openai_fields {
        losses.name("verbosity");
        verbosity = None;
    }
    Ok((format.is_some() || verbosity.is_some()).then_some(TextOut { format, verbosity }))
}

fn sampling<'a>(
    request: &'a Request,
    target: &Target<'_>,
    reasons: bool,
    losses: &mut Losses,
    out: &mut RequestOut<'a>,
) {
    let sampling = &request.sampling;
    let refused = carry::refuses_sampling(target.capabilities, reasons);
    for (name, value, field) in [
        ("temperature", &sampling.temperature, &mut out.temperature),
        ("top_p", &sampling.top_p, &mut out.top_p),
    ] {
        match value {
            Some(value) if refused => carry::drop_sampling(name, value.as_f64(), losses),
            value => *field = value.as_ref(),
        }
    }
    for (name, value) in [
        ("presence_penalty", &sampling.presence_penalty),
        ("frequency_penalty", &sampling.frequency_penalty),
        ("top_k", &sampling.top_k),
        ("seed", &sampling.seed),
    ] {
        if let Some(value) = value {
            carry::drop_sampling(name, value.as_f64(), losses);
        }
    }
}

/// Sets the fields that only OpenAI itself understands; other providers may refuse unknown fields.
fn vendor_fields<'a>(
    request: &'a Request,
    target: &Target<'_>,
    prewarm: bool,
    losses: &mut Losses,
    out: &mut RequestOut<'a>,
) {
    let identity = &request.identity;
    let mut extras = request.extras.iter();
    let metadata = extras.find(|extra| extra.name == "metadata");
    if !target.quirks.openai_fields {
        for (name, present) in [
            ("metadata", metadata.is_some()),
            ("user", identity.user.is_some()),
            ("prompt_cache_key", request.cache.key.is_some()),
            ("cache_control", request.cache.auto.is_some()),
            (
                "service_tier",
                request.tier.is_some_and(|tier| tier != Tier::Auto),
            ),
        ] {
            if present {
                losses.omit(name);
            }
        }
        return;
    }
    out.metadata = metadata.map(|extra| &*extra.value);
    out.safety_identifier = identity
        .user
        .as_deref()
        .map(|user| digest(user, LONGEST_KEY));
    let key = request.cache.key.as_deref().or(identity.session.as_deref());
    out.prompt_cache_key = key.map(|key| {
        if key.len() <= LONGEST_KEY {
            Cow::Borrowed(key)
        } else {
            Cow::Owned(digest(key, LONGEST_KEY))
        }
    });
    out.service_tier = request.tier.map(|tier| match tier {
        Tier::Auto => "auto",
        Tier::Standard => "default",
        Tier::Flex => "flex",
        Tier::Scale => "scale",
        Tier::Priority | Tier::Fast => "priority",
    });
    let automatic = request.cache.auto.is_some();
    if automatic && !takes_breakpoints(target) {
        losses.omit("cache_control");
    } else if automatic || prewarm {
        out.prompt_cache_options = Some(CacheOptionsOut {
            mode: automatic.then_some("implicit"),
            ttl: automatic.then_some(CACHE_TTL),
            prewarm,
        });
    }
}

/// The name of a schema for which the client states none.
const SCHEMA_NAME: &str = "structured_output";

/// The smallest output limit that OpenAI accepts, in tokens.
const LEAST_OUTPUT: u64 = 16;

/// Longest `safety_identifier` and `prompt_cache_key` that every route accepts.
const LONGEST_KEY: usize = 64;
