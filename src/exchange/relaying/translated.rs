//! An answer of another dialect: a translator reads it and writes the client's answer.
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::carried::{self, Carried};
use super::facts::Facts;
use super::tapped::MAX_HELD;
use crate::exchange::headers;
use crate::exchange::refusal::Refusal;
use crate::exchange::translation::JSON;
use crate::exchange::verdict::{Answer, Ended, Failed, Next};
use crate::outcome::{End, UsageSource};
use crate::pool::{self, Failure, Fault, Hints};
use crate::protocol::error::{self, ErrorKind, WireError};
use crate::protocol::hub::request::Tier;
use crate::protocol::hub::usage::Stated;
use crate::protocol::passthrough;
use crate::protocol::translate::{self, Terminal, Translator};
use crate::protocol::written::Written;
use crate::protocol::{Dialect, UpstreamDialect};

/// A translator, with what it has written or still collects.
#[derive(Debug)]
pub(in crate::exchange) struct Translated {
    translator: Translator,
    /// Bytes that are written and not ready for the client yet.
    out: BytesMut,
    /// The bytes of a plain answer, which is translated when it is complete.
    whole: Option<BytesMut>,
    /// The media type of the client's answer.
    media: &'static str,
}

impl Translated {
    /// A translation of an answer that was requested as a stream or not; `media` is the media type of the client's
    /// answer.
    pub(in crate::exchange) fn new(
        translator: Translator,
        stream: bool,
        media: &'static str,
    ) -> Self {
        Self {
            translator,
            out: BytesMut::new(),
            whole: (!stream).then(BytesMut::new),
            media,
        }
    }

    pub(super) fn is_stream(&self) -> bool {
        self.whole.is_none()
    }

    /// Whether the client's stream is one JSON array.
    pub(super) fn is_array(&self) -> bool {
        self.is_stream() && self.media == JSON
    }

    /// Whether the answer is complete although the upstream has not closed it yet.
    pub(super) fn is_complete(&self) -> bool {
        self.is_stream() && self.translator.terminal().is_some()
    }

    pub(super) fn is_paused(&self) -> bool {
        matches!(self.translator.terminal(), Some(Terminal::Paused))
    }

    /// What the client still gets of an answer that remains paused.
    pub(super) fn give_up(&mut self) -> Option<Bytes> {
        if self.is_stream() {
            self.translator.give_up(&mut self.out);
            self.written()
        } else {
            Some(self.translator.give_up_whole().into())
        }
    }

    /// Whether the model has stopped, so that at most usage and the terminal marker are missing.
    pub(super) fn has_stopped(&self) -> bool {
        self.is_stream() && self.translator.stopped()
    }

    /// The headers for the client. They are made anew, because the upstream's belong to its own dialect and account.
    pub(super) fn headers(&self, upstream: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media));
        if self.is_stream() {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            headers::unbuffered(&mut headers);
        }
        let id = upstream
            .get("request-id")
            .or_else(|| upstream.get("x-request-id"));
        if let Some(id) = id {
            headers.insert(
                const { HeaderName::from_static("x-upstream-request-id") },
                id.clone(),
            );
        }
        headers
    }

    pub(super) fn ping(&mut self) -> Bytes {
        self.translator.ping(&mut self.out);
        self.written().unwrap_or_default()
    }

    pub(super) fn teach(&self, facts: &mut Facts) {
        let whole = matches!(self.translator.terminal(), Some(Terminal::Complete));
        let source = if whole && self.translator.is_settled() {
            UsageSource::Reported
        } else {
            UsageSource::Partial
        };
        let spent = self.translator.spent();
        let used = spent.map(|spent| {
            let mut stated = Stated {
                usage: spent.usage,
                extras: spent.extras,
            };
            let searches = &mut stated.extras.tools.web_searches;
            *searches = spent.web_searches.max(*searches);
            (stated, source)
        });
        let tier = spent.and_then(|spent| spent.tier).map(Tier::as_str);
        facts.translate(used, tier, self.translator.written());
    }

    /// What the model wrote, also in the bytes of a plain answer that is not complete yet.
    pub(super) fn written_by_model(&self, upstream: UpstreamDialect) -> Written {
        let held = self.whole.as_ref().filter(|whole| !whole.is_empty());
        held.zip(upstream.of_clients()).map_or_else(
            || self.translator.written(),
            |(whole, dialect)| passthrough::written_in(dialect, whole),
        )
    }

    /// Whether the model has written any of its answer.
    pub(super) fn has_answer(&self) -> bool {
        self.translator.written().is_answer()
    }

    pub(super) fn losses(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        let dropped = self.translator.dropped().into_iter();
        let dropped = dropped
            .filter(|dropped| dropped.notable)
            .map(|dropped| dropped.field);
        let violations = self
            .translator
            .violations()
            .iter()
            .map(|violation| violation.rule);
        (dropped.collect(), violations.collect())
    }

    /// The assistant's turn so far, with which the rest of a paused answer is requested.
    pub(super) fn resume(&mut self) -> Vec<u8> {
        self.translator.resume()
    }

    /// Whether an answer that failed has a beginning that the upstream has already charged for.
    pub(super) fn holds_rounds(&self) -> bool {
        self.translator.holds_rounds()
    }

    /// Handles the next bytes.
    pub(super) fn push(&mut self, chunk: &Bytes, carried: &mut Carried, wall: SystemTime) -> Next {
        if let Some(whole) = &mut self.whole {
            if whole.len() + chunk.len() > MAX_ANSWER {
                return Next::Failed(Failed::bare(pool::classify_transport(Fault::Eof, false)));
            }
            whole.extend_from_slice(chunk);
            return Next::Hold;
        }
        self.translator.push(chunk, &mut self.out);
        if carried.outlet.is_committed() {
            carried.outlet.extend(self.written());
            return carried.outlet.forward();
        }
        if let Some(Terminal::Failed(said)) = self.translator.terminal()
            && !self.translator.committed()
        {
            return Next::Failed(failed_by(said, carried, wall));
        }
        let ended = self.translator.terminal().is_some();
        if !ended && !self.translator.committed() && self.out.len() <= MAX_HELD {
            return Next::Hold;
        }
        carried.outlet.extend(self.written());
        carried.outlet.commit()
    }

    /// The first byte came long enough ago: sends what there is.
    pub(super) fn hold_expired(&mut self, carried: &mut Carried) -> Next {
        if !self.is_stream() || carried.outlet.is_committed() {
            return Next::Hold;
        }
        carried.outlet.extend(self.written());
        carried.outlet.commit()
    }

    /// The upstream ended the answer properly.
    pub(super) fn end(
        &mut self,
        carried: &mut Carried,
        wall: SystemTime,
    ) -> Result<Ended, Box<Failed>> {
        if let Some(whole) = &mut self.whole {
            let body = std::mem::take(whole);
            return match self.translator.response(&body) {
                // The answer paused: nothing is sent before the rest has come.
                Ok(answer) if answer.is_empty() => Ok(Ended::well()),
                Ok(answer) => {
                    carried.outlet.push(answer.into());
                    carried.outlet.commit();
                    Ok(Ended::well())
                }
                Err(said) => {
                    let head = &carried.head;
                    // With everything that a body says which came with status 200.
                    let said = error::parse_event(head.upstream, &body)
                        .map_or(said, |parsed| translate::error(head.client, &parsed));
                    Err(failed_by(&said, carried, wall))
                }
            };
        }
        self.translator.finish(&mut self.out);
        let terminal = self.translator.terminal().cloned();
        let committed = carried.outlet.is_committed() || self.translator.committed();
        let written = self.written();
        match terminal {
            Some(Terminal::Failed(said)) if !committed => Err(failed_by(&said, carried, wall)),
            Some(Terminal::Truncated) | None if !committed => {
                Err(Failed::bare(pool::classify_transport(Fault::Eof, false)))
            }
            terminal => {
                carried.outlet.extend(written);
                carried.outlet.commit();
                Ok(match terminal {
                    Some(Terminal::Complete | Terminal::Paused) => Ended::well(),
                    Some(Terminal::Failed(said)) => Ended {
                        end: End::UpstreamError,
                        failure: Some(meaning(carried.head.upstream, &said, wall)),
                        abort: false,
                    },
                    Some(Terminal::Truncated) | None => Ended {
                        end: End::UpstreamEof,
                        failure: Some(pool::classify_transport(Fault::Eof, true)),
                        abort: false,
                    },
                })
            }
        }
    }

    /// A committed answer broke off: the client gets an error in its own dialect.
    pub(super) fn broke(&mut self, end: End, fault: Fault, carried: &mut Carried) -> Ended {
        if self.translator.stopped() {
            // The answer was complete before it broke off; at most usage and the terminal marker are missing.
            self.translator.finish(&mut self.out);
            carried.outlet.extend(self.written());
        }
        let terminal = self.translator.terminal();
        if matches!(terminal, Some(Terminal::Complete | Terminal::Paused)) {
            return Ended::well();
        }
        let head = &carried.head;
        let last_words = Refusal::last_words(end, head.client, &head.request_id);
        self.translator.terminal_error(&last_words, &mut self.out);
        carried.outlet.extend(self.written());
        Ended::broken(end, fault)
    }

    fn written(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| self.out.split().freeze())
    }
}

/// The attempt failed by an error within the answer, before anything of it was sent.
fn failed_by(said: &WireError, carried: &Carried, wall: SystemTime) -> Box<Failed> {
    let failure = meaning(carried.head.upstream, said, wall);
    let answer = shown(carried.head.client, failure, said);
    Box::new(Failed { failure, answer })
}

/// What an error within the answer means to the pool.
fn meaning(upstream: UpstreamDialect, said: &WireError, wall: SystemTime) -> Failure {
    let hints = Hints::of_event(upstream, said);
    pool::classify(said.kind, &hints, &HeaderMap::new(), wall)
}

/// The upstream's own error in the client's dialect, if the client can do something about it.
pub(super) fn shown(client: Dialect, failure: Failure, said: &WireError) -> Option<Answer> {
    if !carried::is_theirs(failure, said.kind) && said.kind != ErrorKind::NoAnswer {
        return None;
    }
    let status = error::status(client, said.kind);
    let mut answer = Answer::json(status, error::encode(client, said));
    answer.headers = carried::forbidding(answer.headers, said.kind);
    Some(answer)
}

/// The most bytes of a plain answer that is translated.
const MAX_ANSWER: usize = 32 << 20;
