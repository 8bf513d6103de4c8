//! How often one person may send a request from the console: one at a time, at most sixty a minute.
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Who has a trial in progress, and when the recent ones began.
#[derive(Debug, Default)]
pub(super) struct TrialLimiter {
    of: Mutex<HashMap<String, PersonTrials>>,
}

#[derive(Debug, Default)]
struct PersonTrials {
    busy: bool,
    began: VecDeque<Instant>,
}

/// Why a trial is refused now.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Busy {
    One,
    Many(Duration),
}

/// The permission for one trial, until it is dropped.
#[derive(Debug)]
pub(super) struct TrialPermit {
    limiter: Arc<TrialLimiter>,
    of: String,
}

impl TrialLimiter {
    /// A permit for a trial of `of`, if it may begin one now.
    pub(super) fn enter(self: &Arc<Self>, of: &str, now: Instant) -> Result<TrialPermit, Busy> {
        let mut persons = self.lock();
        for person in persons.values_mut() {
            person.began.retain(|began| now < *began + A_MINUTE);
        }
        persons.retain(|_, person| person.busy || !person.began.is_empty());
        let person = persons.entry(of.to_owned()).or_default();
        if person.busy {
            return Err(Busy::One);
        }
        if let Some(first) = person
            .began
            .front()
            .filter(|_| person.began.len() >= A_MINUTES_TRIALS)
        {
            return Err(Busy::Many(
                (*first + A_MINUTE).saturating_duration_since(now),
            ));
        }
        person.busy = true;
        person.began.push_back(now);
        Ok(TrialPermit {
            limiter: Arc::clone(self),
            of: of.to_owned(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, PersonTrials>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TrialPermit {
    fn drop(&mut self) {
        if let Some(person) = self.limiter.lock().get_mut(&self.of) {
            person.busy = false;
        }
    }
}

const A_MINUTE: Duration = Duration::from_mins(1);
const A_MINUTES_TRIALS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_has_one_trial_at_a_time_and_sixty_a_minute() {
        let (limiter, now) = (Arc::new(TrialLimiter::default()), Instant::now());
        let first = limiter.enter("a", now).expect("a permit");
        assert_eq!(limiter.enter("a", now).expect_err("busy"), Busy::One);
        drop(limiter.enter("b", now).expect("another's permit"));
        drop(first);
        for _ in 1..A_MINUTES_TRIALS {
            drop(limiter.enter("a", now).expect("a permit"));
        }
        assert!(matches!(limiter.enter("a", now), Err(Busy::Many(_))));
        assert!(limiter.enter("a", now + A_MINUTE).is_ok());
    }
}
