//! What the end of an answer depends on.
use crate::protocol::hub::block::{Block, CallKind, Hosted};
use crate::protocol::hub::error::Violation;
use crate::protocol::hub::response::{Calls, Refusal, Stop};

/// What has come together.
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
    /// Takes note of a whole block.
    pub fn note(&mut self, block: &Block) {
        match block {
            Block::ToolCall(call) => match call.kind {
                CallKind::Server(Hosted::WebSearch) => self.searches += 1,
                CallKind::Server(_) => {}
                CallKind::Freeform => self.called(true),
                CallKind::Function => self.called(call.args.is_whole()),
            },
            Block::Refusal(_) => self.refused = true,
            _ => {}
        }
    }

    /// A call was made. One that is cut stays so, whatever follows.
    pub fn called(&mut self, whole: bool) {
        self.calls = if whole && self.calls != Calls::Cut {
            Calls::Whole
        } else {
            Calls::Cut
        };
    }

    /// Something was refused.
    pub const fn refuse(&mut self) {
        self.refused = true;
    }

    /// Whether a call was cut.
    pub fn is_cut(&self) -> bool {
        self.calls == Calls::Cut
    }

    /// Searches that the provider ran.
    pub const fn searches(&self) -> u64 {
        self.searches
    }

    /// The reason in the light of all that.
    pub fn stop(&self, said: Stop) -> Result<Stop, Violation> {
        let said = match said {
            Stop::End if self.refused => Stop::Refusal(Refusal::default()),
            stop => stop,
        };
        let stop = said.given(self.calls);
        // Cut arguments are right only if the whole answer was cut.
        if self.is_cut() && stop == Stop::ToolUse {
            return Err(Violation::bad_arguments());
        }
        Ok(stop)
    }
}
