//! The last step of an answer: ready bytes are sent, regrouped if a rewrite says so, and without the account's
//! credential.
use bytes::Bytes;
use smallvec::SmallVec;

use super::cover::Cover;
use crate::exchange::store;
use crate::exchange::verdict::Next;
use crate::protocol::Dialect;
use crate::protocol::regroup::{Regroup, Unit};

/// Bytes for the client, in order.
pub type Ready = SmallVec<[Bytes; 4]>;

/// The bytes of one answer that are to be sent.
#[derive(Debug)]
pub(super) struct Outlet {
    ready: Ready,
    /// Whether the client may have received something, so that no other account can serve the request any more.
    committed: bool,
    /// Whether nothing more will become ready.
    over: bool,
    /// Regroups the text of a stream.
    regroup: Option<Box<Regroup>>,
    /// Masks the account's credential.
    cover: Option<Cover>,
    /// Whether the complete response is to be stored when it passes; if so, whether it comes as a stream.
    keeps: Option<bool>,
    response: Option<Bytes>,
}

impl Outlet {
    pub(super) fn new(cover: Option<Cover>) -> Self {
        Self {
            ready: Ready::new(),
            committed: false,
            over: false,
            regroup: None,
            cover,
            keeps: None,
            response: None,
        }
    }

    /// The text of the stream is regrouped on its way to a client of this dialect; `array` = as one JSON array.
    pub(super) fn regroup(&mut self, unit: Unit, client: Dialect, array: bool) {
        let regroup = if array {
            Regroup::json_array(unit)
        } else {
            Regroup::new(client, unit)
        };
        self.regroup = Some(Box::new(regroup));
    }

    /// The complete response is stored when it passes; `stream` = it comes as a stream.
    pub(super) fn keep(&mut self, stream: bool) {
        self.keeps = Some(stream);
    }

    /// The complete response, if it was to be stored and has been sent.
    pub(super) fn response(&self) -> Option<&Bytes> {
        self.response.as_ref()
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        self.ready.push(bytes);
    }

    pub(super) fn extend(&mut self, bytes: impl IntoIterator<Item = Bytes>) {
        self.ready.extend(bytes);
    }

    /// The number of bytes that are ready and have not been sent.
    pub(super) fn held(&self) -> usize {
        self.ready.iter().map(Bytes::len).sum()
    }

    /// From now on, ready bytes are sent.
    pub(super) fn commit(&mut self) -> Next {
        self.committed = true;
        Next::Forward
    }

    pub(super) fn is_committed(&self) -> bool {
        self.committed
    }

    /// The next step after a step of a committed answer.
    pub(super) fn forward(&self) -> Next {
        if self.ready.is_empty() {
            Next::Hold
        } else {
            Next::Forward
        }
    }

    /// Records whether nothing more becomes ready.
    pub(super) fn end(&mut self, over: bool) {
        self.over = over;
    }

    /// The bytes that may be sent now; empty when all of them are text that waits for the rest of its unit.
    pub(super) fn take(&mut self) -> Ready {
        let mut ready = std::mem::take(&mut self.ready);
        if let Some(stream) = self.keeps {
            self.response = ready
                .iter()
                .find_map(|bytes| store::response_in(bytes, stream));
            self.keeps = self.keeps.filter(|_| self.response.is_none());
        }
        if let Some(regroup) = &mut self.regroup {
            for bytes in ready.drain(..) {
                regroup.push(&bytes);
            }
            if self.over {
                regroup.finish();
            }
            let regrouped = regroup.take();
            ready.extend((!regrouped.is_empty()).then_some(regrouped));
        }
        let Some(cover) = &mut self.cover else {
            return ready;
        };
        let mut shown: Ready = ready.into_iter().map(|bytes| cover.push(bytes)).collect();
        if self.over {
            shown.push(cover.finish());
        }
        shown.retain(|bytes| !bytes.is_empty());
        shown
    }

    /// A ping, if it can be inserted between what has been sent and what is held.
    pub(super) fn ping(&mut self, ping: Bytes) -> Bytes {
        match &mut self.regroup {
            Some(regroup) => regroup.ping(ping),
            None => ping,
        }
    }
}
