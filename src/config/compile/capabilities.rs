//! `capabilities`: what models support.
use super::{Compiler, items};
use crate::config::ModelCapabilities;
use crate::config::raw::Raw;
use crate::config::raw::capabilities as raw;
use crate::config::raw::values::{Whole, Word};
use crate::config::yaml::decode::Field;
use crate::protocol::models::effort::{Effort, Efforts};
use crate::protocol::models::{Modes, Overrides, Traits};

impl Compiler<'_, '_> {
    pub(super) fn capabilities(raw: &Raw) -> Option<Vec<ModelCapabilities>> {
        if raw.capabilities.is_wrong() {
            return None;
        }
        let mut all = Vec::new();
        let mut complete = true;
        for item in items(&raw.capabilities) {
            let one = item.get().and_then(model_capabilities);
            complete &= one.is_some();
            all.extend(one);
        }
        complete.then_some(all)
    }
}

fn model_capabilities(raw: &raw::Capabilities) -> Option<ModelCapabilities> {
    let overrides = Overrides {
        context: number(&raw.context_window),
        max_output: number(&raw.max_output_tokens),
        sampling: raw.sampling.get().map(|Word(sampling)| *sampling),
        stops: number(&raw.stop_sequences).and_then(|stops| usize::try_from(stops).ok()),
        modes: words(&raw.reasoning_modes).map(|modes| {
            let both = |all: Modes, mode| all.and(mode);
            modes.into_iter().fold(Modes::NONE, both)
        }),
        efforts: words(&raw.reasoning_efforts).map(|efforts: Vec<Effort>| Efforts::of(&efforts)),
        default_on: raw.reasoning_by_default.get().map(|on| on.0),
        hidden: raw.reasoning_hidden.get().map(|hidden| hidden.0),
        traits: traits(raw),
    };
    Some(ModelCapabilities {
        model: raw.model.get()?.0.clone(),
        overrides,
    })
}

fn number(field: &Field<Whole>) -> Option<u64> {
    field.get().map(|number| number.0)
}

fn traits(raw: &raw::Capabilities) -> Vec<(Traits, bool)> {
    let given = [
        (&raw.reasoning_bound_to_account, Traits::ACCOUNT_BOUND),
        (&raw.supports_tool_choice, Traits::FORCED_TOOLS),
        (&raw.supports_response_schema, Traits::STRUCTURED),
        (&raw.supports_assistant_prefill, Traits::PREFILL),
        (
            &raw.supports_mid_conversation_system,
            Traits::SYSTEM_IN_TURNS,
        ),
        (&raw.supports_cache_breakpoints, Traits::BREAKPOINTS),
        (&raw.tools_need_responses, Traits::TOOLS_NEED_RESPONSES),
    ];
    let given = given.into_iter();
    given
        .filter_map(|(field, traits)| Some((traits, field.get()?.0)))
        .collect()
}

/// The words of a list. A wrong word already has its fault.
fn words<T: Copy>(field: &Field<Vec<Field<Word<T>>>>) -> Option<Vec<T>> {
    let words = field.get()?.iter();
    Some(words.filter_map(|word| Some(word.get()?.0)).collect())
}
