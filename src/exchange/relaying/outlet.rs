//! The last step of an answer: what is ready goes out, regrouped where a rewrite says so, and without the account's credential.
use bytes::Bytes;
use smallvec::SmallVec;

use super::cover::Cover;
use crate::exchange::store;
use crate::exchange::verdict::Next;
use crate::protocol::Dialect;
use crate::protocol::regroup::{Regroup, Unit};

/// Bytes for the client, in order.
pub type Ready = SmallVec<[Bytes; 4]>;

/// What is to go out of one answer.
#[derive(Debug)]
pub(super) struct Outlet {
    ready: Ready,
    /// Whether the client may have got something, so that no other account can serve any more.
    committed: bool,
    /// Whether nothing more will become ready.
    over: bool,
    /// What a stream passes through last.
    regroup: Option<Box<Regroup>>,
    /// What keeps the account's credential out.
    cover: Option<Cover>,
    /// Whether the whole response is to be kept when it goes by, and then whether it comes as a stream.
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

    /// The text of the stream is regrouped on its way out to a client of this dialect, to which it may go as one JSON array.
    pub(super) fn regroup(&mut self, unit: Unit, client: Dialect, array: bool) {
        let regroup = if array {
            Regroup::json_array(unit)
        } else {
            Regroup::new(client, unit)
        };
        self.regroup = Some(Box::new(regroup));
    }

    /// The whole response, which may come as a stream, is kept when it goes by.
    pub(super) fn keep(&mut self, stream: bool) {
        self.keeps = Some(stream);
    }

    /// The whole response, where it was to be kept and has gone out.
    pub(super) fn response(&self) -> Option<&Bytes> {
        self.response.as_ref()
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        self.ready.push(bytes);
    }

    pub(super) fn extend(&mut self, bytes: impl IntoIterator<Item = Bytes>) {
        self.ready.extend(bytes);
    }

    /// Bytes that are ready and have not gone out.
    pub(super) fn held(&self) -> usize {
        self.ready.iter().map(Bytes::len).sum()
    }

    /// From now on what is ready goes out.
    pub(super) fn commit(&mut self) -> Next {
        self.committed = true;
        Next::Forward
    }

    pub(super) fn is_committed(&self) -> bool {
        self.committed
    }

    /// What to do after a step of a committed answer.
    pub(super) fn forward(&self) -> Next {
        if self.ready.is_empty() {
            Next::Hold
        } else {
            Next::Forward
        }
    }

    /// Whether this was the last that becomes ready.
    pub(super) fn end(&mut self, over: bool) {
        self.over = over;
    }

    /// What may go out now. Nothing, when all of it is text that waits for the rest of its unit.
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

    /// A keep-alive, where it can be put between what has gone out and what is held.
    pub(super) fn ping(&mut self, ping: Bytes) -> Bytes {
        match &mut self.regroup {
            Some(regroup) => regroup.ping(ping),
            None => ping,
        }
    }
}
