//! How an answer ends: whole, failed before it began, or broken off half-way.
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::cover;
use super::refusal::Refusal;
use super::relaying::{Answer, Body, Ended, Failed, Next, Relaying};
use super::{markers, stream_usage, things};
use crate::outcome::{End, FailureClass};
use crate::pool::{self, Failure, Fault, Hints};
use crate::protocol::error;
use crate::protocol::passthrough::{self, Ending};

impl Relaying {
    /// The upstream closed the answer in good order. `Err` when nothing has reached the client and nothing shall.
    pub fn end(&mut self, wall: SystemTime) -> Result<Ended, Box<Failed>> {
        let ended = self
            .end_body(wall)
            .map_err(|failed| cover::veil(failed, self.secret.as_ref()));
        self.over = !self.is_paused();
        ended
    }

    fn end_body(&mut self, wall: SystemTime) -> Result<Ended, Box<Failed>> {
        match &mut self.body {
            Body::Opaque => {
                self.committed = true;
                Ok(Ended::well())
            }
            Body::Counted(held) => {
                let body = std::mem::take(held).freeze();
                self.end_counted(body)
            }
            Body::Fault(held) => {
                let body = std::mem::take(held).freeze();
                self.end_fault(&body, wall)
            }
            Body::Misshapen(_) => self.end_misshapen(wall),
            Body::Stream(tap) => {
                let finish = tap.finish();
                if !finish.rest.is_empty() {
                    self.ready.push(finish.rest);
                }
                self.end_stream(finish.ending, wall)
            }
            Body::Translated(_) => self.end_translated(wall),
            Body::Whole(whole) => {
                let body = whole.take();
                self.end_whole(body, wall)
            }
        }
    }

    /// It is told again in the right shape, if it can be; else it is an error of the upstream's, or none that has words.
    fn end_misshapen(&mut self, wall: SystemTime) -> Result<Ended, Box<Failed>> {
        let Body::Misshapen(misshapen) = &mut self.body else {
            return Ok(Ended::well());
        };
        let (fault, stream) = (misshapen.fault(), misshapen.wants_stream());
        let said = stream.then(|| passthrough::read_answer(self.dialect, misshapen.held()).error);
        let said = said.flatten();
        if said.is_none()
            && let Some(reshaped) = misshapen.reshaped(self.dialect)
        {
            self.as_asked();
            if let Next::Failed(failed) = self.push_body(&reshaped, wall) {
                return Err(failed);
            }
            return self.end_body(wall);
        }
        let unfit = pool::classify_transport(fault, false);
        let failure = said.map_or(unfit, |error| {
            let hints = Hints::of(self.dialect, &error);
            pool::classify(error.kind, &hints, &self.headers, wall)
        });
        Err(Failed::bare(Failure {
            cause: failure.cause.or(unfit.cause),
            ..failure
        }))
    }

    fn end_stream(&mut self, ending: Ending, wall: SystemTime) -> Result<Ended, Box<Failed>> {
        let Body::Stream(tap) = &self.body else {
            return Ok(Ended::well());
        };
        let event = tap
            .error()
            .map(|error| pool::classify_event(self.dialect, error, wall));
        self.facts.learn(tap);
        match ending {
            Ending::Complete => {
                self.committed = true;
                Ok(Ended::well())
            }
            Ending::Failed if self.committed => Ok(Ended {
                end: End::UpstreamError,
                failure: event,
                abort: false,
            }),
            Ending::Failed => {
                let failure = event.unwrap_or_else(|| pool::classify_transport(Fault::Eof, false));
                Err(Box::new(Failed {
                    failure,
                    answer: self.event_as_answer(failure),
                }))
            }
            Ending::Truncated => self.broke(End::UpstreamEof, Fault::Eof),
        }
    }

    fn end_whole(&mut self, body: Bytes, wall: SystemTime) -> Result<Ended, Box<Failed>> {
        if self.committed {
            self.facts.end(self.dialect, &body);
            return Ok(Ended::well());
        }
        let answer = passthrough::read_answer(self.dialect, &body);
        if let Some(error) = answer.error.as_ref().filter(|_| !self.aside) {
            let hints = Hints::of(self.dialect, error);
            let failure = pool::classify(error.kind, &hints, &self.headers, wall);
            return Err(Failed::bare(failure));
        }
        if self.may_tell() {
            self.facts.read(self.dialect, &body, answer);
        }
        self.facts.note_thing(if self.aside {
            things::made(self.dialect, &body)
        } else {
            things::container(self.dialect, &body)
        });
        self.ready.push(body);
        self.committed = true;
        Ok(Ended::well())
    }

    fn end_fault(&mut self, body: &[u8], wall: SystemTime) -> Result<Ended, Box<Failed>> {
        let status = self.status.as_u16();
        self.note_refusal(
            stream_usage::is_refusal(status, body),
            markers::is_refusal(status, body),
        );
        let parsed = error::parse(self.dialect, status, body);
        let hints = Hints::of(self.dialect, &parsed);
        let failure = pool::classify(parsed.kind, &hints, &self.headers, wall);
        if self.client != self.dialect {
            let answer = self.translated_error(failure, &parsed);
            return Err(Box::new(Failed { failure, answer }));
        }
        let theirs = matches!(
            failure.class,
            FailureClass::ClientFault | FailureClass::ContextLength
        );
        let broken = matches!(failure.class, FailureClass::ServerError) && parsed.is_json;
        // Clients mend themselves by the wording of these, so it passes as it came.
        let body = cover::cover(body, self.secret.as_ref());
        let body = if theirs {
            body
        } else {
            Bytes::from(error::mask(&body, "").into_owned())
        };
        let answer = (theirs || broken).then(|| Answer {
            status: if theirs { status } else { 502 },
            headers: self.headers.clone(),
            body,
        });
        Err(Box::new(Failed { failure, answer }))
    }

    /// The upstream broke off, was silent for too long, or cannot be read.
    pub fn broke(&mut self, end: End, fault: Fault) -> Result<Ended, Box<Failed>> {
        self.over = !self.is_paused();
        if !self.committed {
            return Err(Failed::bare(pool::classify_transport(fault, false)));
        }
        if matches!(self.body, Body::Translated(_)) {
            return Ok(self.break_translated(end, fault));
        }
        let Body::Stream(tap) = &mut self.body else {
            return Ok(Ended {
                abort: true,
                ..Ended::broken(end, fault)
            });
        };
        let finish = tap.finish();
        self.facts.learn(tap);
        // All was said before it broke.
        if finish.ending == Ending::Complete {
            self.ready.push(finish.rest);
            return Ok(Ended::well());
        }
        let last_words = Refusal::last_words(end, self.client, &self.request_id);
        self.ready.push(tap.terminal_error(&last_words));
        Ok(Ended::broken(end, fault))
    }

    /// An error event before the commit, as the HTTP error that it stands for. Only the client's own faults are shown.
    pub(super) fn event_as_answer(&self, failure: Failure) -> Option<Answer> {
        if !matches!(
            failure.class,
            FailureClass::ClientFault | FailureClass::ContextLength
        ) {
            return None;
        }
        let Body::Stream(tap) = &self.body else {
            return None;
        };
        let parsed = tap.error()?;
        let wire = parsed.to_wire();
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Some(Answer {
            status: error::status(self.dialect, wire.kind),
            headers,
            body: error::encode(self.dialect, &wire),
        })
    }
}
