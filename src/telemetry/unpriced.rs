//! Models that answered and have no price, so that no use is silently counted as free.
//!
//! Clients name models, so only a limited number of models is distinguished; the others are counted together.
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use ahash::HashMap;

use crate::protocol::hub::usage::Usage;

/// The use of models without a price, since the process began.
#[derive(Debug, Default)]
pub struct Unpriced {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    models: HashMap<Box<str>, Unbilled>,
    others: Unbilled,
    /// When the log last had a line about one.
    said: Option<SystemTime>,
}

/// Use without a price.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Unbilled {
    pub requests: u64,
    pub usage: Usage,
}

impl Unbilled {
    fn add(&mut self, more: &Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.usage = self.usage.and(more.usage);
    }
}

impl Unpriced {
    /// Adds the use of a model without a price. `true` = the log shall report it: it is the first use of this model,
    /// and the last such line was some time ago.
    pub(super) fn note(&self, model: &str, usage: &Usage, now: SystemTime) -> bool {
        let one = Unbilled {
            requests: 1,
            usage: *usage,
        };
        let model = &model[..model.floor_char_boundary(LONGEST_NAME)];
        let mut state = self.state();
        if let Some(known) = state.models.get_mut(model) {
            known.add(&one);
            return false;
        }
        if state.models.len() >= MOST_MODELS {
            state.make_room();
        }
        state.models.insert(model.into(), one);
        let quiet = |said: SystemTime| now.duration_since(said).is_ok_and(|since| since < QUIET);
        if state.said.is_some_and(quiet) {
            return false;
        }
        state.said = Some(now);
        true
    }

    /// The models, those with the most tokens first, and the use of all models that are not distinguished.
    pub fn list(&self) -> (Vec<(Box<str>, Unbilled)>, Unbilled) {
        let state = self.state();
        let others = state.others;
        let mut list: Vec<_> = state
            .models
            .iter()
            .map(|(model, sum)| (model.clone(), *sum))
            .collect();
        drop(state);
        list.sort_by(|(one, a), (other, b)| {
            let tokens = b.usage.total().cmp(&a.usage.total());
            tokens.then_with(|| one.cmp(other))
        });
        (list, others)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Removes the name of the model with the least use; its use still counts.
    fn make_room(&mut self) {
        let least = self.models.iter().min_by_key(|(_, sum)| sum.usage.total());
        let least = least.map(|(model, _)| model.clone());
        if let Some(sum) = least.and_then(|model| self.models.remove(&model)) {
            self.others.add(&sum);
        }
    }
}

/// Most models that are distinguished.
const MOST_MODELS: usize = 64;

/// Longest name, in bytes; real names are shorter than 64.
const LONGEST_NAME: usize = 128;

/// The least time between two lines of the log.
const QUIET: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn usage(input: u64) -> Usage {
        Usage {
            input,
            ..Usage::default()
        }
    }

    #[test]
    fn every_token_is_told_and_names_are_bounded() {
        let unpriced = Unpriced::default();
        for number in 0..1000 {
            unpriced.note(&format!("model-{number}"), &usage(number + 1), NOW);
        }
        unpriced.note(&"x".repeat(1 << 20), &usage(10_000), NOW);
        let (list, others) = unpriced.list();
        assert_eq!(list.len(), MOST_MODELS);
        assert_eq!(list[0].0.len(), LONGEST_NAME);
        assert!(list.is_sorted_by_key(|(_, sum)| std::cmp::Reverse(sum.usage.total())));
        let told: u64 = list.iter().map(|(_, sum)| sum.usage.total()).sum();
        assert_eq!(told + others.usage.total(), 500_500 + 10_000);
        let requests: u64 = list.iter().map(|(_, sum)| sum.requests).sum();
        assert_eq!(requests + others.requests, 1001);
    }

    #[test]
    fn the_log_hears_of_a_model_once_and_not_of_many_at_a_time() {
        let unpriced = Unpriced::default();
        assert!(unpriced.note("a", &usage(1), NOW));
        assert!(!unpriced.note("a", &usage(1), NOW + QUIET * 2));
        assert!(unpriced.note("b", &usage(1), NOW + QUIET * 2));
        assert!(!unpriced.note("c", &usage(1), NOW + QUIET * 2 + Duration::from_secs(1)));
        // If the clock is set back, lines are not suppressed for long.
        assert!(unpriced.note("d", &usage(1), NOW));
    }

    #[test]
    fn a_name_is_never_cut_within_a_character() {
        let unpriced = Unpriced::default();
        unpriced.note(&"模".repeat(100), &usage(1), NOW);
        let (list, _) = unpriced.list();
        assert_eq!(list[0].0.chars().count(), LONGEST_NAME / 3);
    }
}
