//! An answer of another dialect on its way to the client: what `relaying` and `ending` do for bytes that pass, done
//! through a translator.
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::facts::Facts;
use super::headers;
use super::refusal::Refusal;
use super::relaying::{Answer, Body, Ended, Failed, MAX_HELD, Next, Relaying};
use crate::outcome::{End, FailureClass, UsageSource};
use crate::pool::{self, Failure, Fault, Hints};
use crate::protocol::error::{self, ErrorKind, ParsedError, WireError};
use crate::protocol::hub::request::Tier;
use crate::protocol::hub::usage::Stated;
use crate::protocol::translate::{self, Terminal, Translator};
use crate::protocol::written::Written;

/// A translator and what it has written or still collects.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) translator: Translator,
    /// Written, and not yet ready for the client.
    out: BytesMut,
    /// A plain answer is translated when it is whole.
    whole: Option<BytesMut>,
    /// The media type of the client's answer.
    media: &'static str,
}

impl Translated {
    pub(super) fn new(translator: Translator, stream: bool, media: &'static str) -> Self {
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

    /// Whether all was said, although the upstream has not closed yet.
    pub(super) fn is_complete(&self) -> bool {
        self.is_stream() && self.translator.terminal().is_some()
    }

    pub(super) fn is_paused(&self) -> bool {
        matches!(self.translator.terminal(), Some(Terminal::Paused))
    }

    /// What the client still gets of an answer that stays paused.
    pub(super) fn give_up(&mut self) -> Option<Bytes> {
        if self.is_stream() {
            self.translator.give_up(&mut self.out);
            self.written()
        } else {
            Some(self.translator.give_up_whole().into())
        }
    }

    /// Whether the model has stopped, and only usage and the terminal marker are missing.
    pub(super) fn has_stopped(&self) -> bool {
        self.is_stream() && self.translator.stopped()
    }

    /// The head for the client: made anew, because the upstream's speaks of its own dialect and account.
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
            headers.insert(HeaderName::from_static("x-upstream-request-id"), id.clone());
        }
        headers
    }

    pub(super) fn ping(&mut self) -> Bytes {
        self.translator.ping(&mut self.out);
        self.written().unwrap_or_default()
    }

    pub(super) fn teach(&self, facts: &mut Facts) {
        let whole = matches!(self.translator.terminal(), Some(Terminal::Complete));
        let source = if whole {
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

    pub(super) fn written_by_model(&self) -> Written {
        self.translator.written()
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

    fn written(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| self.out.split().freeze())
    }
}

impl Relaying {
    pub(super) fn push_translated(&mut self, chunk: &Bytes, wall: SystemTime) -> Next {
        let Body::Translated(translated) = &mut self.body else {
            return Next::Hold;
        };
        if let Some(whole) = &mut translated.whole {
            if whole.len() + chunk.len() > MAX_ANSWER {
                return Next::Failed(Failed::bare(pool::classify_transport(Fault::Eof, false)));
            }
            whole.extend_from_slice(chunk);
            return Next::Hold;
        }
        translated.translator.push(chunk, &mut translated.out);
        if self.committed {
            self.ready.extend(translated.written());
            return if self.ready.is_empty() {
                Next::Hold
            } else {
                Next::Forward
            };
        }
        if let Some(Terminal::Failed(said)) = translated.translator.terminal()
            && !translated.translator.committed()
        {
            let said = said.clone();
            return Next::Failed(self.failed_by(&said, wall));
        }
        let ended = translated.translator.terminal().is_some();
        if !ended && !translated.translator.committed() && translated.out.len() <= MAX_HELD {
            return Next::Hold;
        }
        self.ready.extend(translated.written());
        self.commit()
    }

    pub(super) fn translated_hold_expired(&mut self) -> Next {
        match &mut self.body {
            Body::Translated(translated) if translated.is_stream() && !self.committed => {
                self.ready.extend(translated.written());
                self.commit()
            }
            _ => Next::Hold,
        }
    }

    pub(super) fn end_translated(&mut self, wall: SystemTime) -> Result<Ended, Box<Failed>> {
        let Body::Translated(translated) = &mut self.body else {
            return Ok(Ended::well());
        };
        if let Some(whole) = &mut translated.whole {
            let body = std::mem::take(whole);
            return match translated.translator.response(&body) {
                // It paused: nothing goes out before the rest is here.
                Ok(answer) if answer.is_empty() => Ok(Ended::well()),
                Ok(answer) => {
                    self.ready.push(answer.into());
                    self.committed = true;
                    Ok(Ended::well())
                }
                Err(said) => {
                    let said = self.reworded(&body, said);
                    Err(self.failed_by(&said, wall))
                }
            };
        }
        translated.translator.finish(&mut translated.out);
        let terminal = translated.translator.terminal().cloned();
        let committed = self.committed || translated.translator.committed();
        let written = translated.written();
        match terminal {
            Some(Terminal::Failed(said)) if !committed => Err(self.failed_by(&said, wall)),
            Some(Terminal::Truncated) | None if !committed => {
                Err(Failed::bare(pool::classify_transport(Fault::Eof, false)))
            }
            terminal => {
                self.committed = true;
                self.ready.extend(written);
                Ok(match terminal {
                    Some(Terminal::Complete | Terminal::Paused) => Ended::well(),
                    Some(Terminal::Failed(said)) => Ended {
                        end: End::UpstreamError,
                        failure: Some(self.meaning(&said, wall)),
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

    /// A committed stream broke off: the client is told in its own dialect.
    pub(super) fn break_translated(&mut self, end: End, fault: Fault) -> Ended {
        let Body::Translated(translated) = &mut self.body else {
            return Ended::well();
        };
        if translated.translator.stopped() {
            // All was said before it broke: at most usage and the terminal marker are missing.
            translated.translator.finish(&mut translated.out);
            self.ready.extend(translated.written());
        }
        let terminal = translated.translator.terminal();
        if matches!(terminal, Some(Terminal::Complete | Terminal::Paused)) {
            return Ended::well();
        }
        let last_words = Refusal::last_words(end, self.client, &self.request_id);
        translated
            .translator
            .terminal_error(&last_words, &mut translated.out);
        self.ready.extend(translated.written());
        Ended::broken(end, fault)
    }

    /// The upstream's own error in the client's dialect, if it is the client's business.
    pub(super) fn translated_error(&self, failure: Failure, said: &ParsedError) -> Option<Answer> {
        self.shown(failure, &translate::error(self.client, said))
    }

    fn failed_by(&self, said: &WireError, wall: SystemTime) -> Box<Failed> {
        let failure = self.meaning(said, wall);
        let answer = self.shown(failure, said);
        Box::new(Failed { failure, answer })
    }

    /// What an error within the answer means to the pool.
    fn meaning(&self, said: &WireError, wall: SystemTime) -> Failure {
        let hints = Hints::of_event(self.dialect, said);
        pool::classify(said.kind, &hints, &HeaderMap::new(), wall)
    }

    fn shown(&self, failure: Failure, said: &WireError) -> Option<Answer> {
        let theirs = matches!(
            failure.class,
            FailureClass::ClientFault | FailureClass::ContextLength
        );
        if !theirs && said.kind != ErrorKind::NoAnswer {
            return None;
        }
        let status = error::status(self.client, said.kind);
        Some(Answer::json(status, error::encode(self.client, said)))
    }

    /// The error of a body that came with a 200, with all that the body says.
    fn reworded(&self, body: &[u8], said: WireError) -> WireError {
        match error::parse_event(self.dialect, body) {
            Some(parsed) => translate::error(self.client, &parsed),
            None => said,
        }
    }
}

/// The media type of plain answers, and of a Gemini stream without server-sent events.
pub(super) const JSON: &str = "application/json";

/// The media type of streams.
pub(super) const EVENTS: &str = "text/event-stream; charset=utf-8";

/// Longest plain answer that is translated, bytes.
const MAX_ANSWER: usize = 32 << 20;
