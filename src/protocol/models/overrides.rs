//! Changes to what the catalogue says of a model, field by field: what an operator knows better.
use super::{Capabilities, Modes, Sampling, Traits};
use crate::protocol::models::effort::Efforts;

/// `None` = as the catalogue has it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Overrides {
    pub context: Option<u64>,
    pub max_output: Option<u64>,
    pub sampling: Option<Sampling>,
    pub stops: Option<usize>,
    pub modes: Option<Modes>,
    pub efforts: Option<Efforts>,
    pub default_on: Option<bool>,
    pub hidden: Option<bool>,
    /// Each with whether it holds.
    pub traits: Vec<(Traits, bool)>,
}

impl Overrides {
    /// Puts what is given here over `capabilities`.
    pub fn apply(&self, capabilities: &mut Capabilities) {
        set(&mut capabilities.context, self.context);
        set(&mut capabilities.max_output, self.max_output);
        set(&mut capabilities.sampling, self.sampling);
        set(&mut capabilities.stops, self.stops);
        set(&mut capabilities.reasoning.modes, self.modes);
        set(&mut capabilities.reasoning.efforts, self.efforts);
        set(&mut capabilities.reasoning.default_on, self.default_on);
        set(&mut capabilities.reasoning.hidden, self.hidden);
        for (traits, holds) in &self.traits {
            capabilities.traits = if *holds {
                capabilities.traits.and(*traits)
            } else {
                capabilities.traits.without(*traits)
            };
            if traits.has(Traits::SYSTEM_IN_TURNS) && !holds {
                // Said, and not only not known: it overrules the provider too.
                capabilities.traits = capabilities.traits.and(Traits::SYSTEM_FIRST);
            }
        }
    }
}

fn set<T: Copy>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
