//! What is sent in one attempt, and how its answer is read.
use super::batches::Reader;
use super::markers::Marked;
use super::stream_usage::Sent;
use super::target::UpstreamCall;
use super::translation::Translation;
use crate::protocol::regroup::Unit;

/// What is sent in one attempt, and how its answer is read.
#[derive(Debug)]
pub(super) struct Plan {
    /// The call of the upstream.
    pub call: UpstreamCall,
    pub stream: bool,
    pub sent: Sent,
    /// Whether Weir set cache markers in the body.
    pub marked: Option<Marked>,
    /// Whether the request fetches a response whose use is to be booked.
    pub books: bool,
    /// The reader of the batch results that the request fetches.
    pub results: Option<Box<Reader>>,
    /// How the text of a stream is regrouped.
    pub regroup: Option<Unit>,
    /// What the translation needs in the head, and the translator of the answer.
    pub translation: Option<Box<Translation>>,
}

impl Plan {
    /// A plan for a complete answer in the client's own dialect.
    pub(super) fn of(call: UpstreamCall, sent: Sent) -> Self {
        Self {
            call,
            stream: false,
            sent,
            marked: None,
            books: false,
            results: None,
            regroup: None,
            translation: None,
        }
    }
}
