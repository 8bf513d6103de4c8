//! The phase of an answer, which the readers of all dialects have in common.
use super::Ending;

/// The phase of an answer. The diagram is at the top of [`super`].
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

    /// Another choice continues after one has finished, or the same choice continues after all.
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

    /// The container of the answer is incomplete, whatever its last element states.
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
