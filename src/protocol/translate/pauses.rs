//! Answers that the upstream paused because its own tools take long: Anthropic's `pause_turn`. Who speaks that dialect sends
//! the answer back and gets the rest; a client of another dialect has no word for it, so it is done here.
//!
//! ```text
//!  answer ─ … ─ Stop(Pause) ─► paused ─ resume ─► answer ─ … ─ Stop(End)        one answer for the client, usage summed
//!                                 └──── give up ─► Stop(Pause), as far as the client's dialect can say it
//! ```
use crate::protocol::anthropic::stream::Recorder;
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::event::Event;
use crate::protocol::hub::response::{Response, Spent, Stop};

/// One answer in rounds.
#[derive(Debug, Default)]
pub struct Pauses {
    recorder: Recorder,
    /// Rounds that ended in a pause.
    rounds: u32,
    paused: bool,
    /// What the earlier rounds took.
    before: Option<Spent>,
    /// What this round took so far.
    round: Option<Spent>,
    /// Calls of the earlier rounds: this round numbers its own from zero.
    slots: usize,
    /// Calls up to now.
    seen: usize,
    /// What the earlier rounds said, where answers are whole.
    whole: Option<Response>,
}

impl Pauses {
    /// The upstream's event as it came.
    pub fn record(&mut self, data: &[u8]) {
        self.recorder.push(data);
    }

    /// Passes events on, but for the seams between rounds.
    pub fn on(
        &mut self,
        event: Event<'_>,
        mut next: impl FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        match event {
            Event::Start(start) if self.rounds > 0 => {
                self.round = start.spent;
                match self.spent() {
                    Some(spent) => next(Event::Usage(spent)),
                    None => Ok(()),
                }
            }
            Event::Start(start) => {
                self.round = start.spent;
                next(Event::Start(start))
            }
            Event::Usage(spent) => {
                self.round = Some(spent);
                next(Event::Usage(self.spent().unwrap_or(spent)))
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

    /// A whole answer: the last round with all before it, or `None` when it paused.
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

    /// Whether the upstream waits to be asked to go on.
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Begins the next round. The content of the assistant's turn so far, a JSON array.
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

    /// There is no next round: the whole answer as far as it came.
    pub fn give_up(self) -> Option<Response> {
        self.whole
    }

    /// What all rounds took.
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

/// How often an answer is continued.
const MOST_ROUNDS: u32 = 5;
