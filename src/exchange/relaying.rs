//! Upstream bytes → client bytes: what is held, when it commits, how it ends.
//!
//! ```text
//!            head 2xx, event stream      Stream: hold frames ── first content event, 64 KiB or 2 s ──► committed: forward
//!  upstream ─ head 2xx, anything else ─► Whole:  hold all     ── end, or more than 1 MiB ────────────► committed: forward
//!            head not 2xx                Fault:  hold all     ── end ──► the client's own fault, or the attempt failed
//! ```
//!
//! Until the commit nothing has reached the client and another account may still serve. After it nothing is retried,
//! and an answer that breaks off ends in the dialect's terminal error event, never in silence.
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use smallvec::SmallVec;

use super::cover::{self, Cover};
use super::facts::Facts;
use super::headers::{self, has_media_type};
use super::misshapen::{Look, Misshapen};
use super::translated::{EVENTS, JSON, Translated};
pub use super::verdict::{Answer, Ended, Failed, Next};
use super::whole::{MAX_WHOLE, Whole};
use crate::config::secret::Secret;
use crate::outcome::UsageSource;
use crate::pool::{self, Fault};
use crate::protocol::Dialect;
use crate::protocol::hub::usage::Usage;
use crate::protocol::passthrough::Tap;
use crate::protocol::regroup::Regroup;

/// One answer on its way from an upstream to the client.
#[derive(Debug)]
pub struct Relaying {
    /// What the client speaks.
    pub(super) client: Dialect,
    /// What the upstream speaks.
    pub(super) dialect: Dialect,
    pub(super) status: StatusCode,
    /// The upstream's, less what the client is not to see.
    pub(super) headers: HeaderMap,
    /// The account's credential, which no error may show.
    pub(super) secret: Option<Secret>,
    /// What keeps that credential out of everything else.
    pub(super) cover: Option<Cover>,
    pub(super) body: Body,
    /// What may go out now; taken by [`Relaying::take`].
    pub(super) ready: Ready,
    pub(super) committed: bool,
    pub(super) facts: Facts,
    /// What a stream passes through last.
    pub(super) regroup: Option<Box<Regroup>>,
    /// Whether nothing more will become ready.
    pub(super) over: bool,
    /// The id of the request, which its last words name when it breaks off.
    pub(super) request_id: String,
}

/// Bytes for the client, in order.
pub type Ready = SmallVec<[Bytes; 4]>;

#[derive(Debug)]
pub(super) enum Body {
    /// A count, which is checked before it is believed.
    Counted(BytesMut),
    /// Compressed although asked not to: forwarded unread.
    Opaque,
    /// An error: it is read whole before anybody decides.
    Fault(BytesMut),
    /// An event stream that the tap reads along.
    Stream(Box<Tap>),
    /// Not what was asked for, as far as the head says.
    Misshapen(Box<Misshapen<Box<Translated>>>),
    /// Whatever another dialect answers.
    Translated(Box<Translated>),
    /// Anything else that succeeded: held while it is small; of what went by the end is kept, where usage stands.
    Whole(Whole),
}

impl Relaying {
    /// From the head of the answer. `secret` is masked in errors.
    pub fn new(
        dialect: Dialect,
        wants_stream: bool,
        status: StatusCode,
        headers: &HeaderMap,
        secret: Option<Secret>,
    ) -> Self {
        let encoded = headers
            .get(CONTENT_ENCODING)
            .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        let body = if !status.is_success() {
            Body::Fault(BytesMut::new())
        } else if encoded {
            Body::Opaque
        } else if has_media_type(headers, "text/event-stream") {
            if wants_stream {
                Body::Stream(Box::new(Tap::new(dialect)))
            } else {
                Body::Misshapen(Box::new(Misshapen::new(false, None)))
            }
        } else if wants_stream
            && dialect == Dialect::Gemini
            && has_media_type(headers, "application/json")
        {
            // Without `alt=sse` Gemini streams one JSON array.
            Body::Stream(Box::new(Tap::json_array()))
        } else if wants_stream {
            Body::Misshapen(Box::new(Misshapen::new(true, None)))
        } else {
            Body::Whole(Whole::default())
        };
        let readable = !matches!(body, Body::Opaque);
        let cover = readable.then(|| Cover::of(secret.as_ref())).flatten();
        let mut clean = headers::to_client(headers);
        cover::cover_headers(&mut clean, secret.as_ref());
        Self {
            client: dialect,
            dialect,
            status,
            headers: clean,
            cover,
            secret,
            body,
            ready: Ready::new(),
            committed: false,
            facts: Facts::default(),
            regroup: None,
            over: false,
            request_id: String::new(),
        }
    }

    /// The same, of the request with this id.
    #[must_use]
    pub fn called(mut self, request_id: &str) -> Self {
        request_id.clone_into(&mut self.request_id);
        self
    }

    /// The same, of an endpoint beside generation: only JSON is read, and only where it `tells` of use.
    pub(super) fn aside(mut self, tells: bool) -> Self {
        let read = match self.body {
            Body::Fault(_) => true,
            Body::Whole(_) => tells && has_media_type(&self.headers, "application/json"),
            _ => false,
        };
        if !read {
            self.body = Body::Opaque;
            // Downloads are not searched.
            self.cover = None;
        }
        self
    }

    /// As [`Relaying::new`], of an answer that is to be translated.
    pub(super) fn translated(
        client: Dialect,
        upstream: Dialect,
        translated: Translated,
        (status, headers): (StatusCode, &HeaderMap),
        secret: Option<Secret>,
    ) -> Self {
        let stream = translated.is_stream();
        let mut relaying = Self::new(upstream, stream, status, headers, secret);
        relaying.client = client;
        let translated = Box::new(translated);
        if status.is_success() {
            relaying.body = if stream == has_media_type(headers, "text/event-stream") {
                Body::Translated(translated)
            } else {
                Body::Misshapen(Box::new(Misshapen::new(stream, Some(translated))))
            };
        }
        relaying
    }

    /// The status and the headers of the answer, for the client.
    pub fn client_head(&mut self) -> (StatusCode, HeaderMap) {
        let headers = match &self.body {
            Body::Translated(translated) => translated.headers(&self.headers),
            body => {
                let mut headers = std::mem::take(&mut self.headers);
                if matches!(body, Body::Stream(_)) {
                    headers::unbuffered(&mut headers);
                }
                headers
            }
        };
        (self.status, headers)
    }

    /// Whether the head may go (or has gone) out.
    pub fn is_committed(&self) -> bool {
        self.committed
    }

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

    /// Whether the whole answer has been said although the upstream has not closed it yet.
    pub fn is_complete(&self) -> bool {
        match &self.body {
            Body::Stream(tap) => tap.terminal().is_some(),
            Body::Translated(translated) => translated.is_complete(),
            _ => false,
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

    /// The length of the whole body, when all of it is ready before the head goes.
    pub fn known_length(&self) -> Option<usize> {
        match &self.body {
            Body::Translated(translated) if !translated.is_stream() => {
                Some(self.ready.iter().map(Bytes::len).sum())
            }
            Body::Whole(whole) if whole.is_empty() => Some(self.ready.iter().map(Bytes::len).sum()),
            _ => None,
        }
    }

    /// The next bytes of the answer.
    pub fn push(&mut self, chunk: &Bytes, wall: SystemTime) -> Next {
        match self.push_body(chunk, wall) {
            Next::Failed(failed) => Next::Failed(cover::veil(failed, self.secret.as_ref())),
            next => next,
        }
    }

    fn push_body(&mut self, chunk: &Bytes, wall: SystemTime) -> Next {
        match &mut self.body {
            Body::Opaque => {
                self.ready.push(chunk.clone());
                self.commit()
            }
            Body::Counted(held) | Body::Fault(held) => {
                // What is kept of an endless error suffices to class it.
                let room = MAX_WHOLE.saturating_sub(held.len());
                held.extend_from_slice(&chunk[..chunk.len().min(room)]);
                Next::Hold
            }
            Body::Misshapen(misshapen) => match misshapen.push(chunk) {
                Look::Other => Next::Hold,
                Look::TooLong => {
                    let fault = misshapen.fault();
                    Next::Failed(Failed::bare(pool::classify_transport(fault, false)))
                }
                Look::AsAsked => {
                    let held = self.as_asked();
                    self.push_body(&held, wall)
                }
            },
            Body::Stream(_) => self.push_stream(chunk, wall),
            Body::Translated(_) => self.push_translated(chunk, wall),
            Body::Whole(whole) => match whole.push(chunk) {
                Some(ready) => {
                    self.ready.push(ready);
                    self.commit()
                }
                None => Next::Hold,
            },
        }
    }

    /// What seemed misshapen goes on as what was asked for. What was held of it.
    pub(super) fn as_asked(&mut self) -> Bytes {
        let Body::Misshapen(misshapen) = &mut self.body else {
            return Bytes::new();
        };
        let stream = misshapen.wants_stream();
        let (held, then) = misshapen.take();
        self.body = match then {
            Some(translated) => Body::Translated(translated),
            None if stream => Body::Stream(Box::new(Tap::new(self.dialect))),
            None => Body::Whole(Whole::default()),
        };
        let media = if stream { EVENTS } else { JSON };
        self.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(media));
        held
    }

    fn push_stream(&mut self, chunk: &Bytes, wall: SystemTime) -> Next {
        let Body::Stream(tap) = &mut self.body else {
            return Next::Hold;
        };
        let Ok(pieces) = tap.relay(chunk) else {
            return if self.committed {
                Next::Unreadable
            } else {
                Next::Failed(Failed::bare(pool::classify_transport(Fault::Eof, false)))
            };
        };
        self.ready
            .extend(pieces.iter().filter(|piece| !piece.is_empty()).cloned());
        if self.committed {
            return if self.ready.is_empty() {
                Next::Hold
            } else {
                Next::Forward
            };
        }
        if let Some(error) = tap.error()
            && !tap.committed()
        {
            let failure = pool::classify_event(self.dialect, error, wall);
            return Next::Failed(Box::new(Failed {
                failure,
                answer: self.event_as_answer(failure),
            }));
        }
        let held: usize = self.ready.iter().map(Bytes::len).sum();
        if tap.committed() || held > MAX_HELD {
            self.commit()
        } else {
            Next::Hold
        }
    }

    /// The first byte of a stream came long enough ago: the head goes out with what there is.
    pub fn hold_expired(&mut self) -> Next {
        match self.body {
            Body::Stream(_) if !self.committed => self.commit(),
            Body::Translated(_) => self.translated_hold_expired(),
            _ => Next::Hold,
        }
    }

    /// What was used, as far as the upstream said.
    pub fn usage(&mut self) -> Option<(Usage, UsageSource)> {
        match &self.body {
            Body::Stream(tap) => self.facts.learn(tap),
            Body::Translated(translated) => translated.teach(&mut self.facts),
            _ => {}
        }
        self.facts.usage
    }

    /// What translation left out of request and answer, and the rules that the answer broke.
    pub fn losses(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        match &self.body {
            Body::Translated(translated) => translated.losses(),
            _ => (Vec::new(), Vec::new()),
        }
    }

    /// About how many tokens the answer holds, where nobody says: one for each event of a stream.
    pub fn estimated_output(&self) -> u64 {
        match &self.body {
            Body::Stream(tap) if self.committed => tap.events(),
            Body::Translated(translated) if self.committed => translated.estimated_output(),
            _ => 0,
        }
    }

    /// The service tier that the upstream says it used, which decides the price.
    pub fn service_tier(&self) -> Option<&str> {
        self.facts.service_tier.as_deref()
    }

    /// The id of the response, where a later request may continue it.
    pub fn response_id(&self) -> Option<&str> {
        match self.dialect {
            Dialect::OpenaiResponses => self.facts.response_id.as_deref(),
            _ => None,
        }
    }

    pub(super) fn commit(&mut self) -> Next {
        self.committed = true;
        Next::Forward
    }
}

/// How long an upstream may keep an answer open after its last word.
const LINGER: Duration = Duration::from_secs(1);

/// Frames held before the commit, bytes: an opening event is a few hundred.
pub(super) const MAX_HELD: usize = 64 << 10;
