//! What every target does alike with the parts of a request that it may not know.
use super::block::Block;
use super::error::{Losses, RequestFault};
use super::request::{ReasoningControl, ReasoningMode, Request};
use crate::protocol::models::effort::Effort;
use crate::protocol::models::{Capabilities, Modes, Sampling};

/// The level of effort that is asked for, in levels that the model has. `None` = nothing is asked for, or nothing like it can be
/// had.
pub fn effort(
    control: &ReasoningControl,
    model: &Capabilities,
    losses: &mut Losses,
) -> Option<Effort> {
    let level = match control.mode {
        // The least that a model does which cannot be switched off.
        ReasoningMode::Off => Some(Effort::Minimal),
        ReasoningMode::Budget(tokens) => {
            Some(control.effort.unwrap_or(Effort::from_budget(tokens)))
        }
        // As much as it finds right, of a model that has only levels.
        ReasoningMode::Adaptive | ReasoningMode::BetweenTools => {
            Some(control.effort.unwrap_or(Effort::Medium))
        }
        ReasoningMode::Default => control.effort,
    };
    let nearest = level.and_then(|level| model.reasoning.efforts.nearest(level));
    // Without a level a model that reasons anyway is left to itself.
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

/// Why a request cannot be sent of whose conversation nothing is left.
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

/// Whether the model refuses sampling parameters, given whether it will reason.
pub const fn refuses_sampling(model: &Capabilities, reasons: bool) -> bool {
    match model.sampling {
        Sampling::Refused => true,
        Sampling::RefusedWhileReasoning => reasons,
        Sampling::Any | Sampling::One | Sampling::Unless => false,
    }
}

/// Leaves out a sampling parameter; nobody notices where it says what holds without it.
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

/// The stop strings that a target with room for `native` looks for, and those that have to be looked for here.
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
