//! Encodes a request to an upstream of this dialect.
use super::super::wire::{
    CacheOptionsOut, JsonSchemaOut, RequestOut, ResponseFormatOut, StreamOptionsOut, TypeOut,
};
use super::{messages, tools};
use crate::protocol::hub::carry;
use crate::protocol::hub::digest::digest;
use crate::protocol::hub::error::{Losses, RequestFault};
use crate::protocol::hub::request::{Format, ReasoningMode, Request, Tier};
use crate::protocol::hub::schema;
use crate::protocol::hub::target::{Encoded, OutputLimit, ReasoningSwitch, Target, Vintage};
use crate::protocol::hub::{estimate, write};
use crate::protocol::models::effort::Effort;
use crate::protocol::models::{Modes, Traits};

/// Writes `request` for `target`.
pub fn encode(request: &Request, target: &Target<'_>) -> Result<Encoded, RequestFault> {
    let mut losses = Losses::default();
    request.settle_extras(&[], &mut losses)?;
    if request.max_output == Some(0) {
        let message = "0 only warms the cache of an Anthropic upstream; ask for at least 1";
        return Err(RequestFault::new("max_tokens", message));
    }
    let mut out = RequestOut {
        model: target.model,
        stream: request.stream,
        ..RequestOut::default()
    };
    out.messages = messages::encode(request, target, &mut losses)?;
    tools::encode(request, target, &mut losses, &mut out)?;
    if request.stream && target.quirks.vintage == Vintage::Tools {
        out.stream_options = Some(StreamOptionsOut {
            include_usage: true,
        });
    }
    match target.quirks.output_limit {
        OutputLimit::MaxCompletionTokens => out.max_completion_tokens = request.max_output,
        OutputLimit::MaxTokens => out.max_tokens = request.max_output,
    }
    let reasons = reasoning(request, target, &mut losses, &mut out);
    sampling(request, target, reasons, &mut losses, &mut out);
    let (native, emulated) = carry::stops(request, target.capabilities.stops);
    out.stop = native;
    out.response_format = format(request, &mut losses)?;
    vendor_fields(request, target, &mut losses, &mut out);
    let body = write::to_sized_vec(&out, estimate::bytes(request)).map_err(|error| {
        RequestFault::new("", format!("the request cannot be written: {error}"))
    })?;
    Ok(Encoded {
        body,
        headers: Vec::new(),
        dropped: losses,
        stops: emulated,
    })
}

/// Sets the reasoning controls, and returns whether the model will reason.
fn reasoning<'a>(
    request: &Request,
    target: &Target<'a>,
    losses: &mut Losses,
    out: &mut RequestOut<'a>,
) -> bool {
    let control = &request.reasoning;
    let accepts = target.capabilities.reasoning;
    let off = control.mode == ReasoningMode::Off;
    if target.quirks.reasoning_switch == ReasoningSwitch::Thinking {
        let wanted = control.effort.is_some() || control.mode != ReasoningMode::Default;
        if wanted && accepts.modes.has(Modes::OFF) {
            let kind = if off { "disabled" } else { "enabled" };
            out.thinking = Some(TypeOut { kind });
        }
        return if wanted { !off } else { accepts.default_on };
    }
    if off && carry::can_be_off(target.capabilities) {
        out.reasoning_effort = Some("none");
        return false;
    }
    let nearest = carry::effort(control, target.capabilities, losses);
    let reasons = nearest.is_some() || accepts.default_on;
    let calls = !out.tools.is_empty();
    if reasons && calls && target.capabilities.traits.has(Traits::TOOLS_NEED_RESPONSES) {
        // This model refuses function tools together with reasoning; the client needs its tools more.
        if accepts.modes.has(Modes::OFF) {
            out.reasoning_effort = Some("none");
        }
        if nearest.is_some() {
            losses.name("reasoning");
        }
        return false;
    }
    out.reasoning_effort = nearest.map(Effort::as_str);
    reasons
}

fn sampling<'a>(
    request: &'a Request,
    target: &Target<'a>,
    reasons: bool,
    losses: &mut Losses,
    out: &mut RequestOut<'a>,
) {
    let sampling = &request.sampling;
    let refused = carry::refuses_sampling(target.capabilities, reasons);
    let all = [
        ("temperature", &sampling.temperature, &mut out.temperature),
        ("top_p", &sampling.top_p, &mut out.top_p),
        (
            "presence_penalty",
            &sampling.presence_penalty,
            &mut out.presence_penalty,
        ),
        (
            "frequency_penalty",
            &sampling.frequency_penalty,
            &mut out.frequency_penalty,
        ),
    ];
    for (name, value, field) in all {
        let Some(value) = value else {
            continue;
        };
        if refused {
            carry::drop_sampling(name, value.as_f64(), losses);
        } else {
            *field = Some(value);
        }
    }
    if sampling.top_k.is_some() {
        if target.quirks.top_k {
            out.top_k = sampling.top_k.as_ref();
        } else {
            losses.name("top_k");
        }
    }
    out.seed = sampling.seed.as_ref();
}

fn format<'a>(
    request: &'a Request,
    losses: &mut Losses,
) -> Result<Option<ResponseFormatOut<'a>>, RequestFault> {
    Ok(match &request.output.format {
        Format::Text => None,
        Format::JsonObject => Some(ResponseFormatOut {
            kind: "json_object",
            json_schema: None,
        }),
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
            Some(ResponseFormatOut {
                kind: "json_schema",
                json_schema: Some(JsonSchemaOut {
                    name: name.as_deref().unwrap_or(SCHEMA_NAME),
                    description: description.as_deref(),
                    schema: schema::portable(wanted, "output_config.format.schema")?,
                    strict: strict.unwrap_or(false) && suits,
                }),
            })
        }
    })
}

/// Sets the fields that only OpenAI itself understands; other providers may refuse unknown fields.
fn vendor_fields<'a>(
    request: &'a Request,
    target: &Target<'_>,
    losses: &mut Losses,
    out: &mut RequestOut<'a>,
) {
    let identity = &request.identity;
    let key = request.cache.key.as_ref().or(identity.session.as_ref());
    if !target.quirks.openai_fields {
        for (name, present) in [
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
        if request.output.verbosity.is_some() {
            losses.name("verbosity");
        }
        return;
    }
    out.safety_identifier = identity
        .user
        .as_deref()
        .map(|user| digest(user, LONGEST_KEY));
    out.prompt_cache_key = key.map(|key| {
        if key.len() <= LONGEST_KEY {
            key.clone()
        } else {
            digest(key, LONGEST_KEY)
        }
    });
    out.verbosity = request.output.verbosity.as_deref();
    out.service_tier = request.tier.map(|tier| match tier {
        Tier::Auto => "auto",
        Tier::Standard => "default",
        Tier::Flex => "flex",
        Tier::Scale => "scale",
        Tier::Priority | Tier::Fast => "priority",
    });
    if request.cache.auto.is_some() {
        if target.capabilities.traits.has(Traits::BREAKPOINTS) {
            out.prompt_cache_options = Some(CacheOptionsOut {
                mode: "implicit",
                ttl: messages::CACHE_TTL,
            });
        } else {
            losses.omit("cache_control");
        }
    }
}

/// The name of a schema for which the client states none.
const SCHEMA_NAME: &str = "structured_output";

/// Longest `safety_identifier` and `prompt_cache_key` that every route accepts.
const LONGEST_KEY: usize = 64;
