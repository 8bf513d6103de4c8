//! Answers that are read completely before anything is decided about them: errors, and counts of tokens.
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use super::carried::{Carried, Head, forbidding, is_theirs};
use super::cover;
use super::translated;
use super::whole::MAX_WHOLE;
use crate::exchange::verdict::{Answer, Failed, Next};
use crate::exchange::{markers, stream_usage};
use crate::outcome::FailureClass;
use crate::pool::{self, Fault, Hints};
use crate::protocol::coding::Decoder;
use crate::protocol::error;
use crate::protocol::translate::{self, count};

/// The bytes so far, up to `MAX_WHOLE`; of an endless error this is enough to classify it.
#[derive(Debug, Default)]
struct BodyBuffer(BytesMut);

impl BodyBuffer {
    fn push(&mut self, chunk: &Bytes) -> Next {
        let room = MAX_WHOLE.saturating_sub(self.0.len());
        self.0.extend_from_slice(&chunk[..chunk.len().min(room)]);
        Next::Hold
    }

    fn take(&mut self) -> Bytes {
        self.0.split().freeze()
    }
}

/// The body of an answer whose status is not a success.
#[derive(Debug, Default)]
pub(super) struct ErrorBody {
    held: BodyBuffer,
    refuses_stream_options: bool,
    refuses_markers: bool,
}

impl ErrorBody {
    pub(super) fn push(&mut self, chunk: &Bytes) -> Next {
        self.held.push(chunk)
    }

    /// Whether the upstream refused because the request asks for the usage of its stream.
    pub(super) fn refuses_stream_options(&self) -> bool {
        self.refuses_stream_options
    }

    /// Whether the upstream refused because of the cache markers in the request.
    pub(super) fn refuses_markers(&self) -> bool {
        self.refuses_markers
    }

    /// The body is complete: what it means to the pool, and what the client sees of it. `decoder` has decompressed it.
    pub(super) fn end(
        &mut self,
        head: &Head,
        decoder: Option<&Decoder>,
        wall: SystemTime,
    ) -> Box<Failed> {
        let undecodable = decoder.is_some_and(Decoder::has_failed);
        let body = self.held.take();
        let status = head.status.as_u16();
        self.refuses_stream_options = stream_usage::is_refusal(status, &body);
        self.refuses_markers = markers::is_refusal(status, &body);
        let mut parsed = error::parse(head.upstream, status, &body);
        let hints = Hints::of(head.upstream, &parsed);
        let failure = pool::classify(parsed.kind, &hints, &head.headers, wall);
        if undecodable {
            UNDECODABLE.clone_into(&mut parsed.message);
        }
        if head.upstream != head.client || undecodable {
            let said = translate::error(head.client, &parsed);
            let answer = translated::shown(head.client, failure, &said);
            return Box::new(Failed { failure, answer });
        }
        let theirs = is_theirs(failure, parsed.kind);
        let broken = matches!(failure.class, FailureClass::ServerError) && parsed.is_json;
        // Clients correct themselves by the wording of these errors, so the wording is passed unchanged.
        let body = cover::cover(&body, head.secret.as_ref());
        let body = if theirs {
            body
        } else {
            Bytes::from(error::mask(&body, "").into_owned())
        };
        let answer = (theirs || broken).then(|| Answer {
            status: if theirs { status } else { 502 },
            headers: forbidding(head.headers.clone(), parsed.kind),
            body,
        });
        Box::new(Failed { failure, answer })
    }
}

/// The message in place of an error that cannot be decoded.
const UNDECODABLE: &str = "the upstream refused the request in an answer that is compressed in a way that cannot be read here";

/// A count of tokens, which is checked before it is used.
#[derive(Debug, Default)]
pub(super) struct CountBody {
    held: BodyBuffer,
}

impl CountBody {
    pub(super) fn push(&mut self, chunk: &Bytes) -> Next {
        self.held.push(chunk)
    }

    /// The body is complete: passed unchanged to a client of the same dialect, written anew for others.
    pub(super) fn end(&mut self, carried: &mut Carried) -> Result<(), Box<Failed>> {
        let (body, head) = (self.held.take(), &mut carried.head);
        let Some(tokens) = count::read(head.upstream, &body) else {
            return Err(Failed::bare(pool::classify_transport(Fault::Eof, false)));
        };
        let body = if head.upstream == head.client {
            body
        } else {
            head.headers = HeaderMap::with_capacity(4);
            let json = HeaderValue::from_static("application/json");
            head.headers.insert(CONTENT_TYPE, json);
            count::answer(head.client, tokens).into()
        };
        carried.outlet.push(body);
        carried.outlet.commit();
        Ok(())
    }
}
