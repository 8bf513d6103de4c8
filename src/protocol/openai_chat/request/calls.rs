//! Tool calls in the form of Chat.
use std::borrow::Cow;

use super::super::wire::{CustomCallOut, ExtraOut, FunctionCallOut, GoogleOut, ToolCallOut};
use crate::protocol::hub::block::{CallKind, ToolCall};
use crate::protocol::hub::names::{self, FREEFORM_FIELD};
use crate::protocol::hub::opaque::{Opaque, Vendor};
use crate::protocol::hub::target::Target;
use crate::protocol::models::effort::Efforts;

/// A call in the form that the target accepts.
pub fn call<'a>(call: &'a ToolCall, target: &Target<'_>) -> ToolCallOut<'a> {
    let id = names::tool_id(&call.id, target.quirks.tool_ids);
    let name = names::tool_name(call.namespace.as_deref(), &call.name);
    if call.kind == CallKind::Freeform {
        if target.takes_freeform() {
            let input = &call.args.raw;
            return ToolCallOut::Custom {
                id,
                custom: CustomCallOut { name, input },
            };
        }
        let arguments = serde_json::json!({ FREEFORM_FIELD: call.args.raw }).to_string();
        let arguments = Cow::Owned(arguments);
        return ToolCallOut::Function {
            id,
            function: FunctionCallOut { name, arguments },
            extra_content: None,
        };
    }
    ToolCallOut::Function {
        id,
        function: FunctionCallOut {
            name,
            arguments: call.args.object(),
        },
        extra_content: None,
    }
}

/// Adds state to a call for a target of Google's: the call's own state, or that of the reasoning before it; for the
/// first call of a turn that the model did not make itself, the placeholder.
pub fn signed<'a>(
    call: ToolCallOut<'a>,
    target: &Target<'_>,
    state: Option<&'a Opaque>,
    first: bool,
) -> ToolCallOut<'a> {
    let signs = target.capabilities.reasoning.efforts != Efforts::NONE;
    let stand_in = (first && signs).then_some(UNSIGNED);
    let google = target.quirks.vendor == Vendor::Gemini;
    let signature = state.map(|opaque| opaque.payload.as_str()).or(stand_in);
    match (call, signature) {
        (ToolCallOut::Function { id, function, .. }, Some(thought_signature)) if google => {
            ToolCallOut::Function {
                id,
                function,
                extra_content: Some(ExtraOut {
                    google: GoogleOut { thought_signature },
                }),
            }
        }
        (call, _) => call,
    }
}

/// The same call in the form before tools.
pub fn legacy(call: ToolCallOut<'_>) -> Option<FunctionCallOut<'_>> {
    match call {
        ToolCallOut::Function { function, .. } => Some(function),
        ToolCallOut::Custom { .. } => None,
    }
}

/// Google's documented placeholder for the state of a call that the model has not made itself.
const UNSIGNED: &str = "skip_thought_signature_validator";
