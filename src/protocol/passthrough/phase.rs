//! Where an answer stands: what the readers of all dialects have in common.
use super::Ending;

/// Where the answer stands. The table is in the head of the room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Phase {
    #[default]
    Opening,
    Content,
    Finished,
    Complete,
    Failed {
        committed: bool,
    },
}

impl Phase {
    pub(super) fn content(self) -> Self {
        match self {
            Self::Opening => Self::Content,
            other => other,
        }
    }

    pub(super) fn finished(self) -> Self {
        match self {
            Self::Opening | Self::Content => Self::Finished,
            other => other,
        }
    }

    /// Another choice goes on after one has finished, or the same one after all.
    pub(super) fn reopened(self) -> Self {
        match self {
            Self::Finished => Self::Content,
            other => other,
        }
    }

    pub(super) fn complete(self) -> Self {
        match self {
            Self::Failed { .. } => self,
            _ => Self::Complete,
        }
    }

    pub(super) fn failed(self) -> Self {
        match self {
            Self::Opening => Self::Failed { committed: false },
            Self::Failed { .. } => self,
            _ => Self::Failed { committed: true },
        }
    }

    /// The container of the answer has no end, whatever its last element said.
    pub(super) fn cut_off(self) -> Self {
        match self {
            Self::Finished | Self::Complete => Self::Content,
            other => other,
        }
    }

    pub(super) fn ending(self) -> Ending {
        match self {
            Self::Opening | Self::Content => Ending::Truncated,
            Self::Finished | Self::Complete => Ending::Complete,
            Self::Failed { .. } => Ending::Failed,
        }
    }
}
