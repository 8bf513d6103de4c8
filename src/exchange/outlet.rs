//! The last step of an answer: what is ready goes out, regrouped where a rewrite says so; and what else it leaves to be known.
use std::time::Duration;

use bytes::Bytes;

use super::relaying::{Body, Ready, Relaying};
use super::store;
use crate::protocol::Dialect;
use crate::protocol::passthrough;
use crate::protocol::regroup::{Regroup, Unit};
use crate::protocol::written::Written;

impl Relaying {
    /// Whether pings may go to the client before anything of it: what comes are events, or nothing that it sees.
    pub fn is_bridgeable(&self) -> bool {
        match &self.body {
            Body::Stream(tap) => !tap.is_array(),
            Body::Translated(translated) => translated.is_stream() && !translated.is_array(),
            Body::Fault(_) => true,
            Body::Misshapen(misshapen) => {
                misshapen.wants_stream() && !misshapen.then().is_some_and(|then| then.is_array())
            }
            Body::Counted(_) | Body::Opaque | Body::Whole(_) => false,
        }
    }

    /// How long the upstream may still keep the answer open, once all of it that matters has been said.
    pub fn linger(&self) -> Option<Duration> {
        match &self.body {
            _ if self.is_complete() => Some(LINGER),
            // Usage may follow the last word, and is worth a wait; some servers never send it.
            Body::Stream(tap) if tap.finished() => Some(LINGER),
            Body::Translated(translated) if translated.has_stopped() => Some(LINGER),
            _ => None,
        }
    }

    /// What the model wrote, as far as it came.
    pub fn written(&self) -> Written {
        match &self.body {
            Body::Stream(tap) => tap.written(),
            Body::Translated(translated) => translated.written_by_model(),
            Body::Whole(whole) if !self.committed && !whole.is_empty() => {
                passthrough::written_in(self.dialect, whole.held())
            }
            _ => self.facts.written(),
        }
    }

    /// The id of the response, where a later request may continue it.
    pub fn response_id(&self) -> Option<&str> {
        match self.dialect {
            Dialect::OpenaiResponses => self.facts.response_id(),
            _ => None,
        }
    }

    /// The service tier that the upstream says it used, which decides the price.
    pub fn service_tier(&self) -> Option<&str> {
        self.facts.service_tier()
    }

    /// What translation left out of request and answer, and the rules that the answer broke.
    pub fn losses(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        match &self.body {
            Body::Translated(translated) => translated.losses(),
            _ => (Vec::new(), Vec::new()),
        }
    }

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

    /// The same, with the whole response kept for a later request if it `keeps`.
    pub(super) fn keeping(mut self, keeps: bool) -> Self {
        self.keeps = keeps && self.status.is_success();
        self
    }

    /// The whole response, where it was to be kept and has gone out.
    pub(super) fn response(&self) -> Option<&Bytes> {
        self.response.as_ref()
    }

    /// What may go out now. Nothing, when all of it is text that waits for the rest of its unit.
    pub fn take(&mut self) -> Ready {
        let mut ready = std::mem::take(&mut self.ready);
        if self.keeps
            && let Body::Translated(translated) = &self.body
        {
            let stream = translated.is_stream();
            self.response = ready
                .iter()
                .find_map(|bytes| store::response_in(bytes, stream));
            self.keeps = self.response.is_none();
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

/// How long an upstream may keep an answer open after its last word.
const LINGER: Duration = Duration::from_secs(1);
