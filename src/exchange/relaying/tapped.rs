//! An event stream in the client's own dialect: its bytes pass, and a tap reads them.
use std::time::SystemTime;

use bytes::Bytes;

use super::carried::{self, Carried, Head};
use super::facts::Facts;
use crate::exchange::refusal::Refusal;
use crate::exchange::verdict::{Ended, Failed, Next};
use crate::outcome::End;
use crate::pool::{self, Failure, Fault};
use crate::protocol::Dialect;
use crate::protocol::passthrough::{Ending, Tap};
use crate::protocol::written::Written;

/// The reader of one stream.
#[derive(Debug)]
pub(super) struct Tapped {
    tap: Tap,
}

impl Tapped {
    /// A reader of server-sent events in this dialect; with `hides`, it removes their usage.
    pub(super) fn new(dialect: Dialect, hides: bool) -> Self {
        let tap = Tap::new(dialect);
        Self {
            tap: if hides { tap.hiding_usage() } else { tap },
        }
    }

    /// A reader of one JSON array.
    pub(super) fn json_array() -> Self {
        Self {
            tap: Tap::json_array(),
        }
    }

    pub(super) fn is_array(&self) -> bool {
        self.tap.is_array()
    }

    /// Whether the answer is complete although the upstream has not closed it yet.
    pub(super) fn is_complete(&self) -> bool {
        self.tap.terminal().is_some()
    }

    /// Whether the model has stopped, so that at most usage and the terminal marker are missing.
    pub(super) fn has_stopped(&self) -> bool {
        self.tap.finished()
    }

    pub(super) fn written(&self) -> Written {
        self.tap.written()
    }

    pub(super) fn ping(&self) -> Bytes {
        Bytes::from_static(self.tap.ping())
    }

    pub(super) fn teach(&self, facts: &mut Facts) {
        facts.learn(&self.tap);
    }

    /// Handles the next bytes.
    pub(super) fn push(&mut self, chunk: &Bytes, carried: &mut Carried, wall: SystemTime) -> Next {
        let Ok(pieces) = self.tap.relay(chunk) else {
            return carried.unreadable(Fault::Eof);
        };
        let outlet = &mut carried.outlet;
        outlet.extend(pieces.iter().filter(|piece| !piece.is_empty()).cloned());
        if outlet.is_committed() {
            return outlet.forward();
        }
        if let Some(error) = self.tap.error()
            && !self.tap.committed()
        {
            let failure = pool::classify_event(carried.head.upstream, error, wall);
            return Next::Failed(self.failed_by(failure, &carried.head));
        }
        if self.tap.committed() || outlet.held() > MAX_HELD {
            outlet.commit()
        } else {
            Next::Hold
        }
    }

    /// The upstream ended the stream properly.
    pub(super) fn end(
        &mut self,
        carried: &mut Carried,
        wall: SystemTime,
    ) -> Result<Ended, Box<Failed>> {
        let finish = self.tap.finish();
        if !finish.rest.is_empty() {
            carried.outlet.push(finish.rest);
        }
        let upstream = carried.head.upstream;
        let event = self
            .tap
            .error()
            .map(|error| pool::classify_event(upstream, error, wall));
        self.teach(&mut carried.facts);
        let committed = carried.outlet.is_committed();
        match finish.ending {
            Ending::Complete => {
                carried.outlet.commit();
                Ok(Ended::well())
            }
            Ending::Failed if committed => Ok(Ended {
                end: End::UpstreamError,
                failure: event,
                abort: false,
            }),
            Ending::Failed => {
                let failure = event.unwrap_or_else(|| pool::classify_transport(Fault::Eof, false));
                Err(self.failed_by(failure, &carried.head))
            }
            Ending::Truncated if committed => Ok(self.broke(End::UpstreamEof, Fault::Eof, carried)),
            Ending::Truncated => Err(Failed::bare(pool::classify_transport(Fault::Eof, false))),
        }
    }

    /// A committed stream broke off: unless the answer was complete, the client gets an error event.
    pub(super) fn broke(&mut self, end: End, fault: Fault, carried: &mut Carried) -> Ended {
        let finish = self.tap.finish();
        self.teach(&mut carried.facts);
        if finish.ending == Ending::Complete {
            carried.outlet.push(finish.rest);
            return Ended::well();
        }
        let head = &carried.head;
        let last_words = Refusal::last_words(end, head.client, &head.request_id);
        carried.outlet.push(self.tap.terminal_error(&last_words));
        Ended::broken(end, fault)
    }

    /// The attempt failed by an error event before the commit. The client sees only faults of its own, as the HTTP
    /// error that stands for them.
    fn failed_by(&self, failure: Failure, head: &Head) -> Box<Failed> {
        let said = self.tap.error();
        let answer = said.and_then(|said| carried::as_answer(failure, said, head));
        Box::new(Failed { failure, answer })
    }
}

/// The most bytes of frames that are held before the commit; an opening event has a few hundred.
pub(super) const MAX_HELD: usize = 64 << 10;
