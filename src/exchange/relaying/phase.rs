//! The kind of an answer, by its head and its first bytes. Each phase is a type of its own; this file has what all of
//! them share.
//!
//! ```text
//!            head 2xx, event stream      Tapped: hold frames ── first content event, 64 KiB or 2 s ──► committed: forward
//!  upstream ─ head 2xx, anything else ─► Whole:  hold all     ── end, or more than 1 MiB ────────────► committed: forward
//!            head not 2xx                Error:  hold all     ── end ──► the client's own fault, or the attempt failed
//! ```
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use super::buffered::{CountBody, ErrorBody};
use super::carried::Head;
use super::facts::Facts;
use super::misshapen::Misshapen;
use super::passing::Passing;
use super::request::Kind;
use super::tapped::Tapped;
use super::translated::Translated;
use super::whole::Whole;
use crate::exchange::headers::{is_event_stream, is_json};
use crate::protocol::Dialect;
use crate::protocol::passthrough::{self, Product};
use crate::protocol::sound::Spoken;
use crate::protocol::written::Written;

#[derive(Debug)]
pub(super) enum Phase {
    Counted(CountBody),
    /// Of no concern here, but for how long speech is: forwarded as it came.
    Passing(Passing),
    Error(ErrorBody),
    /// An event stream in the client's dialect, which a tap reads.
    Tapped(Box<Tapped>),
    /// Not the requested shape, according to the head.
    Misshapen(Box<Misshapen<Box<Translated>>>),
    /// Any answer in another dialect.
    Translated(Box<Translated>),
    /// Any other success: held while it is small; of a larger one the end is kept, because usage is stated there.
    Whole(Whole),
}

impl Phase {
    /// The phase of a success with these headers, in answer to a request of this kind.
    pub(super) fn of(
        kind: Kind,
        (dialect, stream, hides_usage): (Dialect, bool, bool),
        headers: &HeaderMap,
    ) -> Self {
        let (json, events) = (is_json(headers), is_event_stream(headers));
        match kind {
            Kind::Count => Self::Counted(CountBody::default()),
            Kind::Translated { translated, .. } => {
                if stream == events {
                    Self::Translated(translated)
                } else {
                    Self::Misshapen(Box::new(Misshapen::new(stream, Some(translated))))
                }
            }
            // Pictures and sound that come as events are passed on at once; their end states the usage.
            Kind::VendorCall { tells: true, .. } if events => Self::Whole(Whole::passing()),
            Kind::VendorCall { tells, makes, .. } if (tells || makes) && json && !stream => {
                Self::Whole(Whole::default())
            }
            Kind::VendorCall {
                product: Some(Product::Speech),
                ..
            } => Self::Passing(Passing::speech()),
            Kind::VendorCall { .. } => Self::Passing(Passing::default()),
            Kind::Same if stream && events => {
                Self::Tapped(Box::new(Tapped::new(dialect, hides_usage)))
            }
            // Without `alt=sse` Gemini streams one JSON array.
            Kind::Same if stream && json && dialect == Dialect::Gemini => {
                Self::Tapped(Box::new(Tapped::json_array()))
            }
            Kind::Same if stream || events => {
                Self::Misshapen(Box::new(Misshapen::new(stream, None)))
            }
            Kind::Same => Self::Whole(Whole::default()),
        }
    }

    pub(super) fn translated(&self) -> Option<&Translated> {
        match self {
            Self::Translated(translated) => Some(translated),
            _ => None,
        }
    }

    pub(super) fn translated_mut(&mut self) -> Option<&mut Translated> {
        match self {
            Self::Translated(translated) => Some(translated),
            _ => None,
        }
    }

    pub(super) fn error(&self) -> Option<&ErrorBody> {
        match self {
            Self::Error(error) => Some(error),
            _ => None,
        }
    }

    /// What was spoken so far, where that is all that can be known of it.
    pub(super) fn spoken(&self) -> Option<&Spoken> {
        match self {
            Self::Passing(passing) => passing.spoken(),
            _ => None,
        }
    }

    /// Whether the client gets a stream; if so, whether it is one JSON array.
    pub(super) fn stream(&self) -> Option<bool> {
        match self {
            Self::Tapped(tapped) => Some(tapped.is_array()),
            Self::Translated(translated) => translated.is_stream().then(|| translated.is_array()),
            Self::Misshapen(misshapen) => misshapen
                .wants_stream()
                .then(|| misshapen.then().is_some_and(|then| then.is_array())),
            Self::Counted(_) | Self::Error(_) | Self::Passing(_) | Self::Whole(_) => None,
        }
    }

    /// Whether the answer is complete although the upstream has not closed it yet.
    pub(super) fn is_complete(&self) -> bool {
        match self {
            Self::Tapped(tapped) => tapped.is_complete(),
            Self::Translated(translated) => translated.is_complete(),
            _ => false,
        }
    }

    /// Whether the upstream has paused its answer and waits for a request for the rest.
    pub(super) fn is_paused(&self) -> bool {
        self.translated().is_some_and(Translated::is_paused)
    }

    /// How long the upstream may keep the answer open once everything that matters has come.
    pub(super) fn linger(&self) -> Option<Duration> {
        // Usage may follow the last content and is worth a wait, but some servers never send it. A stop reason before
        // any content does not count: some gateways state one in every chunk while the model is still thinking.
        let said = match self {
            Self::Tapped(tapped) => {
                tapped.is_complete() || tapped.has_stopped() && tapped.written().is_answer()
            }
            Self::Translated(translated) => {
                translated.is_complete() || translated.has_stopped() && translated.has_answer()
            }
            _ => false,
        };
        said.then_some(LINGER)
    }

    /// What the model wrote, where this phase knows it better than the collected facts do.
    pub(super) fn written(&self, head: &Head, committed: bool) -> Option<Written> {
        match self {
            Self::Tapped(tapped) => Some(tapped.written()),
            Self::Translated(translated) => Some(translated.written_by_model(head.upstream)),
            Self::Whole(whole) if !committed && !whole.is_empty() => {
                Some(passthrough::written_in(head.client, whole.held()))
            }
            _ => None,
        }
    }

    /// Passes on what this phase knows of the usage so far.
    pub(super) fn teach(&self, facts: &mut Facts) {
        match self {
            Self::Tapped(tapped) => tapped.teach(facts),
            Self::Translated(translated) => translated.teach(facts),
            _ => {}
        }
    }

    /// A ping between two events.
    pub(super) fn ping(&mut self) -> Bytes {
        match self {
            Self::Tapped(tapped) => tapped.ping(),
            Self::Translated(translated) => translated.ping(),
            _ => Bytes::new(),
        }
    }
}

/// How long an upstream may keep an answer open after its last content.
const LINGER: Duration = Duration::from_secs(1);
