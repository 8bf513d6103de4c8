//! Evidence against an account or an endpoint, and which of it operators are warned about.
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::outcome::{Cause, FailureClass};

/// The evidence of one failure against an account, a model class or an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Evidence {
    pub class: FailureClass,
    /// The cause, where more is known than the class.
    pub cause: Option<Cause>,
}

impl Evidence {
    /// Evidence by the names that another process wrote. A class that this version does not know becomes `ServerError`.
    pub(super) fn of_words(class: &str, cause: Option<&str>) -> Self {
        let mut classes = FailureClass::ALL.into_iter();
        let class = classes.find(|known| known.as_str() == class);
        let mut causes = Cause::ALL.into_iter();
        Self {
            class: class.unwrap_or(FailureClass::ServerError),
            cause: causes.find(|known| Some(known.as_str()) == cause),
        }
    }

    /// The names of class and cause, for another process.
    pub(super) fn words(self) -> (String, Option<String>) {
        let cause = self.cause.map(|cause| cause.as_str().to_owned());
        (self.class.as_str().to_owned(), cause)
    }

    /// What the evidence means and what to do about it, for the log.
    pub(super) const fn hint(self) -> &'static str {
        if let Some(cause) = self.cause {
            return cause.hint();
        }
        self.class.hint()
    }

    /// Whether an operator has to act. Limits and overload pass by themselves and are frequent.
    const fn is_alarming(self) -> bool {
        self.class.is_alarming()
    }
}

impl From<FailureClass> for Evidence {
    fn from(class: FailureClass) -> Self {
        Self { class, cause: None }
    }
}

/// A failure that counts against an endpoint only when it repeats.
#[derive(Clone, Copy, Debug)]
pub struct Strike {
    pub evidence: Evidence,
    /// Whether this failure alone counts as three in a row: a refused connection.
    pub at_once: bool,
    /// Whether the same request has failed at this endpoint before. One request that breaks a server must not, by its
    /// retries, put the server out for everyone.
    pub repeats: bool,
}

/// The failures of one account: the last one, and the time of the last warning about each kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    last: Option<(Evidence, Instant)>,
    /// The time of the last warning per kind of evidence. The number of kinds is finite.
    told: SmallVec<[(Evidence, Instant); 2]>,
}

impl Failures {
    /// Records a failure. Returns whether a warning is due: at most one per kind of evidence and minute.
    pub(super) fn note(&mut self, evidence: Evidence, now: Instant) -> bool {
        self.last = Some((evidence, now));
        if !evidence.is_alarming() {
            return false;
        }
        match self.told.iter_mut().find(|(told, _)| *told == evidence) {
            Some((_, at)) if now.saturating_duration_since(*at) < SAY_EVERY => false,
            Some((_, at)) => {
                *at = now;
                true
            }
            None => {
                self.told.push((evidence, now));
                true
            }
        }
    }

    /// The last failure, and when it happened.
    pub(super) const fn last(&self) -> Option<(Evidence, Instant)> {
        self.last
    }
}

/// The shortest time between two warnings about one account and one kind of evidence.
const SAY_EVERY: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_kind_there_is_one_warning_a_minute() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let of = |cause| Evidence {
            class: FailureClass::Transport,
            cause: Some(cause),
        };
        assert!(failures.note(of(Cause::Dns), now));
        assert!(!failures.note(of(Cause::Dns), now + SAY_EVERY / 2));
        assert!(failures.note(of(Cause::TlsName), now + SAY_EVERY / 2));
        assert!(failures.note(of(Cause::Dns), now + SAY_EVERY));
        assert_eq!(failures.last(), Some((of(Cause::Dns), now + SAY_EVERY)));
    }

    #[test]
    fn limits_are_no_alarm_but_the_last_failure_all_the_same() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        assert!(!failures.note(FailureClass::Throttled.into(), now));
        assert!(failures.last().is_some());
    }
}
