//! How often one person may send a request from the console: one at a time, at most sixty a minute.
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Who has a trial in progress, and when the recent ones began.
#[derive(Debug, Default)]
pub(super) struct Turns {
    of: Mutex<HashMap<String, Asker>>,
}

#[derive(Debug, Default)]
struct Asker {
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
pub(super) struct Turn {
    turns: Arc<Turns>,
    of: String,
}

impl Turns {
    /// A turn for `of`, if it may begin one now.
    pub(super) fn enter(self: &Arc<Self>, of: &str, now: Instant) -> Result<Turn, Busy> {
        let mut askers = self.lock();
        for asker in askers.values_mut() {
            asker.began.retain(|began| now < *began + A_MINUTE);
        }
        askers.retain(|_, asker| asker.busy || !asker.began.is_empty());
        let asker = askers.entry(of.to_owned()).or_default();
        if asker.busy {
            return Err(Busy::One);
        }
        if let Some(first) = asker
            .began
            .front()
            .filter(|_| asker.began.len() >= A_MINUTES_TRIALS)
        {
            return Err(Busy::Many(
                (*first + A_MINUTE).saturating_duration_since(now),
            ));
        }
        asker.busy = true;
        asker.began.push_back(now);
        Ok(Turn {
            turns: Arc::clone(self),
            of: of.to_owned(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Asker>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(asker) = self.turns.lock().get_mut(&self.of) {
            asker.busy = false;
        }
    }
}

const A_MINUTE: Duration = Duration::from_mins(1);
const A_MINUTES_TRIALS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_asker_has_one_trial_at_a_time_and_sixty_a_minute() {
        let (turns, now) = (Arc::new(Turns::default()), Instant::now());
        let first = turns.enter("a", now).expect("a turn");
        assert_eq!(turns.enter("a", now).expect_err("busy"), Busy::One);
        drop(turns.enter("b", now).expect("another's turn"));
        drop(first);
        for _ in 1..A_MINUTES_TRIALS {
            drop(turns.enter("a", now).expect("a turn"));
        }
        assert!(matches!(turns.enter("a", now), Err(Busy::Many(_))));
        assert!(turns.enter("a", now + A_MINUTE).is_ok());
    }
}
