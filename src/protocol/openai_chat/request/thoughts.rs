//! Earlier reasoning, in the form in which the target expects it back.
use serde_json::value::RawValue;

use super::super::wire::MessageOut;
use crate::protocol::hub::block::Reasoning;
use crate::protocol::hub::error::Losses;
use crate::protocol::hub::opaque::{OpaqueKind, Vendor};
use crate::protocol::hub::target::{ReasoningReplay, Target};

/// Adds `reasoning` to the assistant's message.
pub fn replay(
    reasoning: &Reasoning,
    replay: ReasoningReplay,
    target: &Target<'_>,
    message: &mut MessageOut<'_>,
    losses: &mut Losses,
) {
    let state = reasoning.opaque.as_ref();
    let list = state.filter(|state| state.kind == OpaqueKind::Details);
    if let Some(list) = list.filter(|_| replay != ReasoningReplay::Never) {
        let entries: Option<Vec<Box<RawValue>>> = list
            .is_list_of(target)
            .then(|| serde_json::from_str(&list.payload).ok())
            .flatten();
        match entries {
            Some(entries) => {
                message.reasoning_details.extend(entries);
                // The list contains the text.
                if replay == ReasoningReplay::Welcome {
                    return;
                }
            }
            None => losses.name("reasoning_details"),
        }
    }
    let from_another_kind = state.is_some_and(|state| state.vendor != Vendor::Other);
    let text = reasoning.text();
    match replay {
        ReasoningReplay::Never => losses.omit("thinking"),
        ReasoningReplay::Welcome | ReasoningReplay::Tags if from_another_kind => {
            losses.omit("thinking");
        }
        _ if text.is_empty() => losses.omit("thinking"),
        ReasoningReplay::Tags => {
            let tagged = format!("<think>\n{text}\n</think>\n\n");
            message.thought.get_or_insert_default().push_str(&tagged);
        }
        ReasoningReplay::Required | ReasoningReplay::Welcome => {
            let all = message.reasoning_content.get_or_insert_default();
            if !all.is_empty() {
                all.push_str("\n\n");
            }
            all.push_str(&text);
        }
    }
}
