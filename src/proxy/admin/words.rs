//! The name for the state of an account. It is decided only here, so that pages, `weir health` and alerts agree.
use std::time::Duration;

use crate::outcome::FailureClass;
use crate::pool::status::Part;
use crate::pool::{AccountStatus, State};

/// `usable`, `part` (some endpoints or model classes are out), `easing`, `probing`, `throttled`, `quota`,
/// `unreachable`, `refused` (the key) or `drained`.
pub(super) fn word(status: &AccountStatus) -> &'static str {
    let word = of(status.state, status.reason);
    let out = |part: &Part| part.state == State::Benched;
    if word == "usable" && (status.endpoints.iter().any(out) || status.models.iter().any(out)) {
        "part"
    } else {
        word
    }
}

/// The same for an endpoint or a model class.
pub(super) fn part(part: &Part) -> &'static str {
    of(part.state, part.reason)
}

fn of(state: State, reason: Option<FailureClass>) -> &'static str {
    match (state, reason) {
        (State::Usable, _) => "usable",
        (State::Easing, _) => "easing",
        (State::HalfOpen, _) => "probing",
        (State::Drained, _) => "drained",
        (State::Benched, Some(FailureClass::Auth)) => "refused",
        (State::Benched, Some(FailureClass::Quota)) => "quota",
        (
            State::Benched,
            Some(
                FailureClass::Throttled
                | FailureClass::ThrottledBlind
                | FailureClass::Overloaded
                | FailureClass::Slow,
            ),
        ) => "throttled",
        (State::Benched, _) => "unreachable",
    }
}

/// The length of a window with this name; `None` for a window of a minute or of unknown length.
pub(super) fn window_length(name: &str) -> Option<Duration> {
    if name.contains("5h") {
        Some(Duration::from_hours(5))
    } else if name.contains("7d") {
        Some(Duration::from_hours(7 * 24))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_by_itself_and_what_needs_a_person_differ() {
        let benched = |class| of(State::Benched, Some(class));
        assert_eq!(benched(FailureClass::Throttled), "throttled");
        assert_eq!(benched(FailureClass::Overloaded), "throttled");
        assert_eq!(benched(FailureClass::Quota), "quota");
        assert_eq!(benched(FailureClass::Auth), "refused");
        assert_eq!(benched(FailureClass::Transport), "unreachable");
        assert_eq!(of(State::Drained, Some(FailureClass::Auth)), "drained");
        assert_eq!(of(State::Easing, None), "easing");
    }

    #[test]
    fn the_length_of_a_window_follows_from_its_name() {
        assert_eq!(window_length("5h"), Some(Duration::from_hours(5)));
        assert_eq!(window_length("7d_opus"), Some(Duration::from_hours(168)));
        assert_eq!(window_length("requests"), None);
    }
}
