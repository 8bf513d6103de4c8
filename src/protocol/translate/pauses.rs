//! Continues answers that the upstream paused because its own tools take long: Anthropic's `pause_turn`. A client of
//! that dialect sends the answer back and gets the rest; other dialects cannot express a pause, so Weir does it.
//!
//! ```text
//!  answer ─ … ─ Stop(Pause) ─► paused ─ resume ─► answer ─ … ─ Stop(End)        one answer for the client, usage summed
//!                                 └──── give up ─► Stop(Pause), as far as the client's dialect can say it
//! ```
use crate::protocol::anthropic::stream::Recorder;
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::Event;
use crate::protocol::hub::response::{Response, Spent, Stop};

/// One answer in several rounds.
#[derive(Debug, Default)]
pub struct Pauses {
    recorder: Recorder,
    /// The number of rounds that ended in a pause.
    rounds: u32,
    paused: bool,
    /// The usage of the earlier rounds.
    before: Option<Spent>,
    /// The usage of this round so far.
    round: Option<Spent>,
    /// The number of calls in the earlier rounds: this round counts its own from zero.
    slots: usize,
    /// The number of calls so far.
    seen: usize,
    /// The content of the earlier rounds, if answers are whole.
    whole: Option<Response>,
}

impl Pauses {
    /// Records the upstream's unchanged event.
    pub fn record(&mut self, data: &[u8]) {
        self.recorder.push(data);
    }

    /// Passes events on, except for the ends and beginnings between rounds.
    pub fn on(
        &mut self,
        event: Event<'_>,
        mut next: impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        match event {
            Event::Start(start) if self.rounds > 0 => {
                self.round = start.spent();
                match self.spent() {
                    Some(spent) => next(Event::Usage(Box::new(spent))),
                    None => Ok(()),
                }
            }
            Event::Start(start) => {
                self.round = start.spent();
                next(Event::Start(start))
            }
            Event::Usage(spent) => {
                self.round = Some(*spent);
                next(Event::Usage(self.spent().map_or(spent, Box::new)))
            }
            Event::ToolStart {
                slot,
                id,
                namespace,
                name,
                kind,
            } => {
                let slot = self.slots + slot;
                self.seen = self.seen.max(slot + 1);
                next(Event::ToolStart {
                    slot,
                    id,
                    namespace,
                    name,
                    kind,
                })
            }
            Event::ToolArgs { slot, fragment } => next(Event::ToolArgs {
                slot: self.slots + slot,
                fragment,
            }),
            Event::ToolEnd { slot } => next(Event::ToolEnd {
                slot: self.slots + slot,
            }),
            Event::Stop(Stop::Pause) if self.can_go_on() => {
                self.paused = true;
                Ok(())
            }
            Event::End if self.paused => Ok(()),
            event => next(event),
        }
    }

    /// Adds a whole answer: returns all rounds together, or `None` if the upstream paused.
    pub fn whole(&mut self, body: &[u8], round: Response) -> Option<Response> {
        self.round = round.spent;
        let spent = self.spent();
        let mut answer = match self.whole.take() {
            None => round,
            Some(mut before) => {
                before.blocks.extend(round.blocks);
                before.stop = round.stop;
                before
            }
        };
        answer.spent = spent;
        if answer.stop == Stop::Pause {
            self.recorder.whole(body);
            if self.can_go_on() {
                self.paused = true;
                self.whole = Some(answer);
                return None;
            }
        }
        Some(answer)
    }

    /// Whether the upstream has paused and waits for the next request.
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Begins the next round. Returns the content of the assistant's turn so far, as a JSON array.
    pub fn resume(&mut self) -> Vec<u8> {
        self.paused = false;
        self.rounds += 1;
        self.before = self.spent();
        self.round = None;
        self.slots = self.seen;
        serde_json::to_vec(&self.recorder.content()).unwrap_or_default()
    }

    /// Whether there are earlier rounds of a whole answer.
    pub const fn holds_rounds(&self) -> bool {
        self.whole.is_some()
    }

    /// There is no next round: returns the whole answer so far.
    pub fn give_up(self) -> Option<Response> {
        self.whole
    }

    /// The usage of all rounds.
    pub fn spent(&self) -> Option<Spent> {
        let (before, round) = (self.before, self.round);
        match (before, round) {
            (Some(before), Some(round)) => Some(before.and(round)),
            (before, round) => round.or(before),
        }
    }

    fn can_go_on(&self) -> bool {
        self.rounds < MOST_ROUNDS && self.recorder.is_whole() && !self.recorder.content().is_empty()
    }
}

/// How often an answer is continued at most.
const MOST_ROUNDS: u32 = 5;
