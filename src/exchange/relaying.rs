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
use std::time::SystemTime;

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
use crate::protocol::coding::{Coding, Decoder};
use crate::protocol::hub::usage::Stated;
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
    /// Where it came compressed: what follows reads it plain, and so does the client.
    decoder: Option<Decoder>,
    pub(super) body: Body,
    /// What may go out now; taken by [`Relaying::take`].
    pub(super) ready: Ready,
    pub(super) committed: bool,
    pub(super) facts: Facts,
    /// Whether it is of an endpoint beside generation, whose answers hold what they hold.
    pub(super) aside: bool,
    /// Whether the answer may tell what was used.
    tells: bool,
    /// Whether the whole response is to be kept, and it, once it went by.
    pub(super) keeps: bool,
    pub(super) response: Option<Bytes>,
    /// What a stream passes through last.
    pub(super) regroup: Option<Box<Regroup>>,
    /// Whether nothing more will become ready.
    pub(super) over: bool,
    /// The id of the request, which its last words name when it breaks off.
    pub(super) request_id: String,
    /// See [`Relaying::refuses_stream_options`].
    refuses_stream_options: bool,
    /// See [`Relaying::refuses_markers`].
    refuses_markers: bool,
    /// Whether the client is not to see the usage of its stream.
    hides_usage: bool,
}

/// Bytes for the client, in order.
pub type Ready = SmallVec<[Bytes; 4]>;

#[derive(Debug)]
pub(super) enum Body {
    /// A count, which is checked before it is believed.
    Counted(BytesMut),
    /// Compressed in a way that cannot be read, although asked not to: forwarded as it came.
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
        let coding = Coding::of(headers);
        let body = if !status.is_success() {
            Body::Fault(BytesMut::new())
        } else if matches!(coding, Coding::Unknown) {
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
        let decoder = match coding {
            Coding::Known(decoder) => {
                clean.remove(CONTENT_ENCODING);
                Some(decoder)
            }
            Coding::Plain | Coding::Unknown => None,
        };
        Self {
            client: dialect,
            dialect,
            status,
            headers: clean,
            cover,
            decoder,
            secret,
            aside: false,
            tells: true,
            keeps: false,
            response: None,
            body,
            ready: Ready::new(),
            committed: false,
            facts: Facts::new(headers),
            regroup: None,
            over: false,
            request_id: String::new(),
            refuses_stream_options: false,
            refuses_markers: false,
            hides_usage: false,
        }
    }

    /// The same, of the request with this id.
    #[must_use]
    pub fn called(mut self, request_id: &str) -> Self {
        request_id.clone_into(&mut self.request_id);
        self
    }

    /// The same, of an endpoint beside generation: only JSON is read, and only where it `tells` of use, or `makes` a thing.
    pub(super) fn aside(mut self, tells: bool, makes: bool) -> Self {
        self.aside = true;
        self.tells = tells;
        let read = match self.body {
            Body::Fault(_) => true,
            Body::Whole(_) => (tells || makes) && has_media_type(&self.headers, "application/json"),
            // Pictures and sound that come as events: they pass at once, and the end says what was used.
            Body::Stream(_) | Body::Misshapen(_)
                if tells && has_media_type(&self.headers, "text/event-stream") =>
            {
                self.body = Body::Whole(Whole::passing());
                true
            }
            _ => false,
        };
        if !read {
            self.body = Body::Opaque;
            // A file, a sound or a picture is not searched.
            let text = has_media_type(&self.headers, "application/json")
                || has_media_type(&self.headers, "text/event-stream");
            self.cover = self.cover.filter(|_| text);
        }
        self
    }

    /// The same, of a stream whose usage only Weir asked for.
    #[must_use]
    pub(super) fn hiding_usage(mut self) -> Self {
        self.hides_usage = true;
        self.body = match self.body {
            Body::Stream(tap) => Body::Stream(Box::new(tap.hiding_usage())),
            other => other,
        };
        self
    }

    /// An error of the upstream's: whether it is about what Weir had added to the request.
    pub(super) fn note_refusal(&mut self, stream_options: bool, markers: bool) {
        self.refuses_stream_options = stream_options;
        self.refuses_markers = markers;
    }

    /// Whether the answer may tell what was used.
    pub(super) fn may_tell(&self) -> bool {
        self.tells
    }

    /// Whether the upstream refused because it was asked what its stream uses.
    pub(super) fn refuses_stream_options(&self) -> bool {
        self.refuses_stream_options
    }

    /// What the answer tells of that lives at the account.
    pub(super) fn thing(&self) -> Option<&str> {
        self.facts.thing()
    }

    /// Whether the upstream refused because of the cache markers in the request.
    pub(super) fn refuses_markers(&self) -> bool {
        self.refuses_markers
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

    /// Whether the whole answer has been said although the upstream has not closed it yet.
    pub fn is_complete(&self) -> bool {
        match &self.body {
            Body::Stream(tap) => tap.terminal().is_some(),
            Body::Translated(translated) => translated.is_complete(),
            _ => false,
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
        let pushed = match &mut self.decoder {
            None => self.push_body(chunk, wall),
            Some(decoder) => match decoder.push(chunk) {
                Ok(plain) if plain.is_empty() => Next::Hold,
                Ok(plain) => self.push_body(&plain, wall),
                Err(_) => self.unreadable(),
            },
        };
        match pushed {
            Next::Failed(failed) => Next::Failed(cover::veil(failed, self.secret.as_ref())),
            next => next,
        }
    }

    fn unreadable(&self) -> Next {
        if self.committed {
            Next::Unreadable
        } else {
            Next::Failed(Failed::bare(pool::classify_transport(Fault::Eof, false)))
        }
    }

    pub(super) fn push_body(&mut self, chunk: &Bytes, wall: SystemTime) -> Next {
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
                    if self.committed {
                        self.facts.pass(ready.len());
                    } else {
                        self.facts.begin(self.dialect, &ready);
                    }
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
            None if stream && self.hides_usage => {
                Body::Stream(Box::new(Tap::new(self.dialect).hiding_usage()))
            }
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
            return self.unreadable();
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
    pub fn usage(&mut self) -> Option<(Stated, UsageSource)> {
        match &self.body {
            Body::Stream(tap) => self.facts.learn(tap),
            Body::Translated(translated) => translated.teach(&mut self.facts),
            _ => {}
        }
        self.facts.used()
    }

    /// Whether the answer is a response that is still being made, in the background; `None` = it does not say.
    pub(super) fn pending(&self) -> Option<bool> {
        self.facts.pending()
    }

    pub(super) fn commit(&mut self) -> Next {
        self.committed = true;
        Next::Forward
    }
}

/// Frames held before the commit, bytes: an opening event is a few hundred.
pub(super) const MAX_HELD: usize = 64 << 10;
