//! What was asked of an upstream, as far as it decides how its answer is read and told.
use super::translated::Translated;
use crate::config::secret::Secret;
use crate::exchange::batches::Reader;
use crate::protocol::passthrough::Trade;
use crate::protocol::regroup::Unit;
use crate::protocol::{Dialect, UpstreamDialect};

/// What was asked.
#[derive(Debug)]
pub(in crate::exchange) struct Asked {
    /// What the client speaks.
    pub client: Dialect,
    /// What the upstream speaks.
    pub upstream: UpstreamDialect,
    /// Whether a stream was asked for.
    pub stream: bool,
    pub kind: Kind,
    /// Whether the client is not to see the usage of its stream, because only Weir asked for it.
    pub hides_usage: bool,
    /// The account's credential, which is covered wherever it stands in the answer.
    pub secret: Option<Secret>,
    /// How the text of a stream is regrouped.
    pub regroup: Option<Unit>,
    /// What reads the results of a batch along.
    pub results: Option<Box<Reader>>,
}

/// What kind of question it was.
#[derive(Debug)]
pub(in crate::exchange) enum Kind {
    /// In the client's own dialect, whose bytes pass.
    Same,
    /// In another dialect.
    Translated {
        translated: Box<Translated>,
        /// Whether the whole response is kept for a later request.
        keeps: bool,
    },
    /// For a count of tokens.
    Count,
    /// At an endpoint beside generation: only JSON is read, and only where it `tells` of use, or `makes` a thing.
    Aside {
        tells: bool,
        makes: bool,
        /// What is sold there.
        trade: Option<Trade>,
    },
}

impl Kind {
    /// Whether it is at an endpoint beside generation.
    pub(super) fn is_aside(&self) -> bool {
        matches!(self, Self::Aside { .. })
    }

    /// Whether the answer may tell what was used.
    pub(super) fn tells(&self) -> bool {
        !matches!(self, Self::Aside { tells: false, .. })
    }

    /// What is sold there, beside answers.
    pub(super) fn trade(&self) -> Option<Trade> {
        match self {
            Self::Aside { trade, .. } => *trade,
            _ => None,
        }
    }

    /// Whether the whole response is kept for a later request.
    pub(super) fn keeps(&self) -> bool {
        matches!(self, Self::Translated { keeps: true, .. })
    }
}
