//! The last step of an answer: what is ready goes out, regrouped where a rewrite says so.
use bytes::Bytes;

use super::relaying::{Body, Ready, Relaying};
use crate::protocol::regroup::{Regroup, Unit};

impl Relaying {
    /// The same, with the text of a stream regrouped.
    pub(super) fn regrouped(mut self, unit: Option<Unit>) -> Self {
        let array = match &self.body {
            Body::Stream(tap) => tap.is_array(),
            Body::Misshapen(misshapen) if misshapen.wants_stream() => {
                misshapen.then().is_some_and(|then| then.is_array())
            }
            Body::Translated(translated) if translated.is_stream() => translated.is_array(),
            _ => return self,
        };
        let regroup = |unit| {
            if array {
                Regroup::json_array(unit)
            } else {
                Regroup::new(self.client, unit)
            }
        };
        self.regroup = unit.map(regroup).map(Box::new);
        self
    }

    /// What may go out now. Nothing, when all of it is text that waits for the rest of its unit.
    pub fn take(&mut self) -> Ready {
        let mut ready = std::mem::take(&mut self.ready);
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

    /// A keep-alive for a client that waits; empty where none can be put.
    pub fn ping(&mut self) -> Bytes {
        let ping = match &mut self.body {
            Body::Stream(tap) if self.committed => Bytes::from_static(tap.ping()),
            Body::Translated(translated) if self.committed => translated.ping(),
            _ => Bytes::new(),
        };
        match &mut self.regroup {
            Some(regroup) => regroup.ping(ping),
            None => ping,
        }
    }
}
