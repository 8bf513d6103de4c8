//! What the end of an answer depends on.
use crate::protocol::hub::block::{Block, CallKind};
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::response::{Calls, Refusal, Stop};

/// What the answer has contained so far.
#[derive(Debug)]
pub struct Tally {
    calls: Calls,
    refused: bool,
    searches: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            calls: Calls::None,
            refused: false,
            searches: 0,
        }
    }
}

impl Tally {
    /// Records a whole block.
    pub fn note(&mut self, block: &Block) {
        match block {
            Block::ToolCall(call) => match call.kind {
                CallKind::Server(_) => {}
                CallKind::Freeform => self.called(true),
                CallKind::Function => self.called(call.args.is_whole()),
            },
            Block::Refusal(_) => self.refused = true,
            _ => {}
        }
    }

    /// Records a search that the provider ran.
    pub const fn search(&mut self) {
        self.searches += 1;
    }

    /// Records a call. If any call was cut off, that remains recorded.
    pub fn called(&mut self, whole: bool) {
        self.calls = if whole && self.calls != Calls::Cut {
            Calls::Whole
        } else {
            Calls::Cut
        };
    }

    /// Records a refusal.
    pub const fn refuse(&mut self) {
        self.refused = true;
    }

    /// Whether a call was cut off.
    pub fn is_cut(&self) -> bool {
        self.calls == Calls::Cut
    }

    /// The number of searches that the provider ran.
    pub const fn searches(&self) -> u64 {
        self.searches
    }

    /// The stop, corrected by what was recorded.
    pub fn stop(&self, said: Stop) -> Result<Stop, Violation> {
        let said = match said {
            Stop::End if self.refused => Stop::Refusal(Refusal::default()),
            stop => stop,
        };
        let stop = said.given(self.calls);
        // Incomplete arguments are legitimate only if the whole answer was cut off.
        if self.is_cut() && stop == Stop::ToolUse {
            return Err(Violation::bad_arguments());
        }
        Ok(stop)
    }
}
