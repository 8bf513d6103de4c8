//! Reasoning controls in the form that the model accepts.
use super::super::wire::{RequestOut, ThinkingOut};
use super::messages;
use crate::protocol::hub::error::Losses;
use crate::protocol::hub::opaque::Vendor;
use crate::protocol::hub::request::{ReasoningMode, Request, Show, ToolChoice};
use crate::protocol::hub::target::Target;
use crate::protocol::models::effort::{Effort, Efforts};
use crate::protocol::models::{Modes, Reasoning};

/// Sets `thinking` and returns the effort. At most `most` output tokens may be requested.
pub fn thinking(
    request: &Request,
    target: &Target<'_>,
    most: u64,
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
            // In the other dialects, reasoning is shown without a request for it.
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
        // Anthropic refuses a budget together with a forced call, and in a tool loop whose thinking is lost.
        losses.name("reasoning");
        return None;
    }
    let budget = match control.mode {
        ReasoningMode::Budget(tokens) => tokens,
        _ => wanted.budget(),
    };
    set_budget(budget, most, losses, out);
    nearest(control.effort)
}

/// The reasoning controls that the target accepts. Servers of other vendors know only the old form.
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

/// The budget must leave room for the answer: `max_tokens` is raised up to `most`, then the budget is lowered.
fn set_budget(budget: u64, most: u64, losses: &mut Losses, out: &mut RequestOut<'_>) {
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

/// The smallest reasoning budget that is accepted, in tokens.
const LEAST_BUDGET: u64 = 1_024;

/// Tokens that are kept for the answer beside a reasoning budget.
const LEAST_VISIBLE: u64 = 4_096;
