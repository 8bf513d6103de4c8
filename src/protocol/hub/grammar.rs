//! Enforces the order of events in one stream, in one place in front of every encoder.
//!
//! ```text
//!            Start            Stop             End
//!  Before ─────────► Open ─────────► Stopped ─────────► Ended  ◄── Error, from anywhere
//!     │               ▲ │ ToolStart(s), ToolArgs(s), ToolEnd(s), content
//!     └── content ────┘ └─┘
//!         (a Start without anything is put in front)
//! ```
//!
//! | event | Before | Open | Stopped | Ended |
//! | --- | --- | --- | --- | --- |
//! | `Start` | passes | breach | breach | nothing |
//! | content | begins, passes | passes | nothing | nothing |
//! | `ToolStart(s)` | begins, passes | passes; breach if `s` was begun before | nothing | nothing |
//! | `ToolArgs(s)`, `ToolEnd(s)` | breach | passes; breach if `s` is not open | nothing | nothing |
//! | `Stop` | begins, passes | passes; ends every slot | nothing | nothing |
//! | `Usage` | begins, passes | passes | passes | nothing |
//! | `Ping`, `Repair` | passes | passes | passes | nothing |
//! | `End` | begins, passes | passes | passes | nothing |
//! | `Error` | passes | passes | passes | nothing |
//!
//! A breach ends the stream: nothing after it passes, except for the `Error` that reports it.
use super::error::Violation;
use super::event::{Event, Start};

/// Checks the events of one stream.
#[derive(Debug, Default)]
pub struct Grammar {
    state: State,
    /// The calls so far: the slot, and whether the call is open.
    calls: Vec<(usize, bool)>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    #[default]
    Before,
    /// A rule was broken: only the error that reports it may follow.
    Broken,
    Ended,
    Open,
    Stopped,
}

impl Grammar {
    /// Passes an event on if the rules allow it now.
    pub fn on(
        &mut self,
        event: Event<'_>,
        mut next: impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        match (self.state, &event) {
            (State::Ended, _) => return Ok(()),
            (_, Event::Error(_)) => self.state = State::Ended,
            (State::Broken, _) => return Ok(()),
            (_, Event::Ping | Event::Repair(_)) => {}
            (State::Before, Event::Start(_)) => self.state = State::Open,
            (_, Event::Start(_)) => {
                return self.broken("second_message_start", "the upstream began twice");
            }
            (State::Before, _) => {
                self.state = State::Open;
                next(Event::Start(Start::default()))?;
                return self.on(event, next);
            }
            (_, Event::Usage(_)) => {}
            (_, Event::End) => self.state = State::Ended,
            (State::Stopped, _) => return Ok(()),
            (State::Open, Event::Stop(_)) => {
                self.state = State::Stopped;
                self.calls.clear();
            }
            (State::Open, Event::ToolStart { slot, .. }) => {
                if self.calls.iter().any(|(known, _)| known == slot) {
                    return self.broken("call_twice", "the upstream began one call twice");
                }
                self.calls.push((*slot, true));
            }
            (State::Open, Event::ToolArgs { slot, .. }) => {
                if !self.calls.iter().rev().any(|call| *call == (*slot, true)) {
                    return self.broken(
                        "delta_outside_block",
                        "the upstream sent arguments of a tool call that is not open",
                    );
                }
            }
            (State::Open, Event::ToolEnd { slot }) => {
                let call = self
                    .calls
                    .iter_mut()
                    .rev()
                    .find(|call| **call == (*slot, true));
                let Some((_, open)) = call else {
                    return self.broken(
                        "delta_outside_block",
                        "the upstream ended a tool call that is not open",
                    );
                };
                *open = false;
            }
            (State::Open, _) => {}
        }
        let result = next(event);
        if result.is_err() && self.state != State::Ended {
            self.state = State::Broken;
        }
        result
    }

    fn broken(&mut self, rule: &'static str, message: &str) -> Result<(), Violation> {
        self.state = State::Broken;
        Err(Violation::new(rule, message))
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;
    use crate::protocol::error::{ErrorKind, WireError};
    use crate::protocol::hub::block::CallKind;
    use crate::protocol::hub::response::Stop;

    fn event(name: &str) -> Event<'static> {
        let (name, slot) = match name.split_once(' ') {
            Some((name, slot)) => (name, slot.parse().unwrap()),
            None => (name, 0),
        };
        match name {
            "start" => Event::Start(Start::default()),
            "text" => Event::TextDelta(Cow::Borrowed("x")),
            "call" => Event::ToolStart {
                slot,
                id: Cow::Borrowed("a"),
                namespace: None,
                name: Cow::Borrowed("a"),
                kind: CallKind::Function,
            },
            "args" => Event::ToolArgs {
                slot,
                fragment: Cow::Borrowed("{}"),
            },
            "close" => Event::ToolEnd { slot },
            "stop" => Event::Stop(Stop::End),
            "usage" => Event::Usage(Box::default()),
            "ping" => Event::Ping,
            "end" => Event::End,
            "error" => Event::Error(WireError::new(ErrorKind::Api, "x")),
            other => panic!("no event `{other}`"),
        }
    }

    fn name(event: &Event<'_>) -> String {
        match event {
            Event::Start(_) => "start".to_owned(),
            Event::TextDelta(_) => "text".to_owned(),
            Event::ToolStart { slot, .. } => format!("call {slot}"),
            Event::ToolArgs { slot, .. } => format!("args {slot}"),
            Event::ToolEnd { slot } => format!("close {slot}"),
            Event::Stop(_) => "stop".to_owned(),
            Event::Usage(_) => "usage".to_owned(),
            Event::Ping => "ping".to_owned(),
            Event::End => "end".to_owned(),
            Event::Error(_) => "error".to_owned(),
            other => panic!("{other:?}"),
        }
    }

    /// The events that pass, and the rules that the events break.
    fn run(events: &[&str]) -> (Vec<String>, Vec<&'static str>) {
        let mut grammar = Grammar::default();
        let (mut passed, mut broken) = (Vec::new(), Vec::new());
        for said in events {
            let result = grammar.on(event(said), |event| {
                passed.push(name(&event));
                Ok(())
            });
            broken.extend(result.err().map(|violation| violation.rule));
        }
        (passed, broken)
    }

    #[track_caller]
    fn check(events: &str, passed: &str, broken: &[&str]) {
        let split = |text: &'static str| text.split(", ").collect::<Vec<_>>();
        let events: &'static str = events.to_owned().leak();
        let passed: &'static str = passed.to_owned().leak();
        assert_eq!(
            run(&split(events)),
            (
                split(passed).into_iter().map(str::to_owned).collect(),
                broken.to_vec()
            )
        );
    }

    #[test]
    fn what_is_in_order_passes() {
        let whole =
            "start, text, call 0, call 1, args 1, args 0, close 0, close 1, stop, usage, ping, end";
        check(whole, whole, &[]);
    }

    #[test]
    fn a_head_is_made_up_where_there_is_none() {
        check("ping, text, end", "ping, start, text, end", &[]);
        check("end", "start, end", &[]);
        check("error", "error", &[]);
    }

    #[test]
    fn nothing_follows_the_stop_but_usage_and_the_end() {
        check(
            "start, stop, text, call 0, stop, usage, end, text, error",
            "start, stop, usage, end",
            &[],
        );
    }

    #[test]
    fn every_breach_is_told_once_and_only_its_error_follows() {
        check(
            "start, text, start, text, error",
            "start, text, error",
            &["second_message_start"],
        );
        check("start, args 3, text", "start", &["delta_outside_block"]);
        check("start, close 3", "start", &["delta_outside_block"]);
        check(
            "call 0, close 0, args 0",
            "start, call 0, close 0",
            &["delta_outside_block"],
        );
        check(
            "call 0, close 0, call 0",
            "start, call 0, close 0",
            &["call_twice"],
        );
    }

    proptest! {
        #[test]
        fn whatever_comes_what_passes_is_in_order(events in proptest::collection::vec(prop_oneof![
            Just("start"), Just("text"), Just("call 0"), Just("call 1"), Just("args 0"), Just("args 1"),
            Just("close 0"), Just("close 1"), Just("stop"), Just("usage"), Just("ping"), Just("end"), Just("error"),
        ], 0..24)) {
            let (passed, broken) = run(&events);
            prop_assert!(broken.len() <= 1);
            let said: Vec<&str> = passed.iter().map(String::as_str).filter(|name| *name != "ping").collect();
            let (again, breaches) = run(&said);
            prop_assert_eq!(again, said.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
            prop_assert!(breaches.is_empty());
            let starts = said.iter().filter(|name| **name == "start").count();
            prop_assert!(starts <= 1);
            prop_assert!(starts == 0 || said[0] == "start");
        }
    }
}
