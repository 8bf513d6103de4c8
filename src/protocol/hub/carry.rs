//! Conversions that are the same for every target, for parts of a request that a target may not support.
use super::block::Block;
use super::error::{Losses, RequestFault};
use super::request::{ReasoningControl, ReasoningMode, Request};
use crate::protocol::models::effort::Effort;
use crate::protocol::models::{Capabilities, Modes, Sampling};

/// The requested level of effort, as the nearest level that the model has. `None` = no effort is requested, or the
/// model has no fitting level.
pub fn effort(
    control: &ReasoningControl,
    model: &Capabilities,
    losses: &mut Losses,
) -> Option<Effort> {
    let level = match control.mode {
        // For a model whose reasoning cannot be switched off, the lowest level.
        ReasoningMode::Off => Some(Effort::Minimal),
        ReasoningMode::Budget(tokens) => {
            Some(control.effort.unwrap_or(Effort::from_budget(tokens)))
        }
        // The model has only levels, so its own choice is approximated by a medium one.
        ReasoningMode::Adaptive | ReasoningMode::BetweenTools => {
            Some(control.effort.unwrap_or(Effort::Medium))
        }
        ReasoningMode::Default => control.effort,
    };
    let nearest = level.and_then(|level| model.reasoning.efforts.nearest(level));
    // If the request names no level, a model that reasons by default decides by itself, unless it has the medium level.
    let as_it_is = control.effort.is_none()
        && model.reasoning.default_on
        && matches!(
            control.mode,
            ReasoningMode::Adaptive | ReasoningMode::BetweenTools
        );
    if as_it_is && nearest.is_none_or(|nearest| nearest != Effort::Medium) {
        return None;
    }
    if level.is_some() && nearest.is_none() && control.mode != ReasoningMode::Off {
        losses.name("reasoning");
    }
    nearest
}

/// The fault for a request whose conversation is empty after conversion.
pub fn nothing_left(request: &Request) -> RequestFault {
    let unknown = request.blocks().find_map(|block| match block {
        Block::Foreign(foreign) => Some(foreign.kind.as_str()),
        _ => None,
    });
    let message = match unknown {
        Some(kind) => format!(
            "this upstream does not take `{kind}`, and there is nothing else to answer; send something else, or use another model"
        ),
        None => "there is nothing to answer: all content is empty".to_owned(),
    };
    RequestFault::new("messages", message)
}

/// Whether the model can be told not to reason.
pub const fn can_be_off(model: &Capabilities) -> bool {
    model.reasoning.modes.has(Modes::OFF)
}

/// Whether the model refuses sampling parameters; `reasons`: whether it will reason.
pub const fn refuses_sampling(model: &Capabilities, reasons: bool) -> bool {
    match model.sampling {
        Sampling::Refused => true,
        Sampling::RefusedWhileReasoning => reasons,
        Sampling::Any | Sampling::One | Sampling::Unless => false,
    }
}

/// Leaves out a sampling parameter. A neutral value, which has no effect anyway, is not counted as a notable loss.
pub fn drop_sampling(name: &'static str, value: Option<f64>, losses: &mut Losses) {
    let neutral = match name {
        "temperature" | "top_p" => Some(1.0),
        "frequency_penalty" | "presence_penalty" => Some(0.0),
        _ => None,
    };
    let distance = value.zip(neutral).map(|(value, neutral)| value - neutral);
    if distance.is_some_and(|distance| distance.abs() < f64::EPSILON) {
        losses.omit(name);
    } else {
        losses.name(name);
    }
}

/// The stop strings that the target looks for itself, at most `native`, and those that Weir has to look for.
pub fn stops(request: &Request, native: usize) -> (Vec<&str>, Vec<String>) {
    let mut stops: Vec<&str> = request
        .sampling
        .stop
        .iter()
        .map(String::as_str)
        .filter(|stop| !stop.is_empty())
        .collect();
    let rest = stops.split_off(native.min(stops.len()));
    (stops, rest.into_iter().map(str::to_owned).collect())
}
