//! Received → Admitted: who calls, whether they may, which model, which route.
//!
//! There are two steps, because the body of an unknown caller is not even read: [`authenticate`] uses the head,
//! [`admit`] the body.
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderMap;

use super::Gateway;
use super::body_scan::BodyScan;
use super::extent::Extent;
use super::operation::{Endpoint, ModelCall};
use super::origin;
use super::reading::{Prompt, Reading};
pub use super::received::Arrived;
use super::received::{self, Received, RewrittenCall};
use super::refusal::Refusal;
use super::rewrite::{self, Applied};
use super::route;
use super::session::{self, StatedSession};
use super::store::Question;
use super::vendor_call::Place;
use crate::config::{AffinityBy, ClientKey};
use crate::keys::KeyFault;
use crate::limits::{Limits, Principal};
use crate::pool::affinity::{self, Session, Traces};
use crate::protocol::Dialect;
use crate::protocol::gemini::Delivery;
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::request::Request;
use crate::protocol::json::{self, Members, Pieces};
use crate::protocol::measure::Measure;

/// A request that may be served, and the route that it takes.
#[derive(Debug)]
pub struct Admitted {
    pub key: Arc<ClientKey>,
    /// The project of the request, whose limits apply to it.
    pub project: Option<Arc<str>>,
    pub call: ModelCall,
    /// The model as the client or a rewrite named it.
    pub model: String,
    /// The model that the route requests instead.
    pub renamed: Option<Arc<str>>,
    pub stream: bool,
    /// The session for affinity; `None` = no session.
    pub session: Option<Session>,
    /// The id derived from a conversation that names no session.
    pub derived: Option<String>,
    /// The response that this request continues; its state lives at one account.
    pub previous_response: Option<String>,
    /// Position of the matching route.
    pub route: Option<usize>,
    /// Position of the pool.
    pub pool: usize,
    /// The rewrites that were applied, including those of `body`.
    pub rewrites: Applied,
    pub body: Bytes,
    /// The members of `body`.
    pub members: Members,
    /// The place of the model's name in a multipart form.
    pub form: Option<Range<usize>>,
    array: bool,
    reading: Reading,
    /// The measure of the prompt, once it has been asked for.
    extent: Extent,
    /// What is stored with the answer, if the answer is to be stored in this process.
    pub question: Option<Question>,
    /// The only account that may serve the request, because the route or the client asked for it by name.
    pub account: Option<Arc<str>>,
}

impl Admitted {
    /// The measure of a sample of the prompt, and the number of bytes in the sample. It is used for limits, for the
    /// bill and for learning from the answer.
    pub(super) fn measured(&self) -> &(Measure, u64) {
        self.extent.measured(&self.body)
    }

    /// Whether the prompt may contain pictures or documents as data. A request for an endpoint other than generation
    /// has no prompt.
    pub(super) fn holds_media(&self) -> bool {
        self.call.vendor_call.is_none() && self.extent.holds_media(&self.body, self.call.dialect)
    }

    /// What its body contains that matters for the choice of an account.
    pub(super) fn body_scan(&self) -> &BodyScan {
        self.extent.body_scan(&self.body)
    }

    /// The number of messages in the conversation; `None` when the request is not a conversation.
    pub fn messages(&self) -> Option<u32> {
        let name = match self.call.dialect {
            _ if self.call.vendor_call.is_some() => return None,
            Dialect::Anthropic | Dialect::OpenaiChat => "messages",
            Dialect::OpenaiResponses => "input",
            Dialect::Gemini => "contents",
        };
        let text = || self.members.string(&self.body, name).map(|_| 1);
        self.members.elements(&self.body, name).or_else(text)
    }

    /// The subjects whose limits the request is under.
    pub fn principal(&self, limits: &Limits) -> Principal {
        limits.principal(self.key.index, self.project.as_deref())
    }

    /// The model for which the pool is searched.
    pub fn wanted_model(&self) -> &str {
        self.renamed.as_deref().unwrap_or(&self.model)
    }

    /// The body with this model name. A body without a model name stays as it is; a name in the path is replaced there.
    pub(super) fn body_for(&self, model: &str) -> Pieces {
        let renamed =
            self.call.path_model.is_none() && !self.model.is_empty() && *model != *self.model;
        if let Some(span) = self.form.clone().filter(|_| renamed) {
            Pieces::spliced(&self.body, span, Bytes::copy_from_slice(model.as_bytes()))
        } else if renamed && !self.members.is_empty() {
            json::rename(&self.body, &self.members, model)
        } else {
            Pieces::from(self.body.clone())
        }
    }

    /// The request as parsed by its dialect, or why it cannot be parsed.
    pub(super) fn request(&self) -> Result<&Request, &RequestFault> {
        self.prompt().request().map(|request| &**request)
    }

    /// Access to the parsed prompt.
    pub(super) fn prompt(&self) -> Prompt<'_> {
        Prompt {
            reading: &self.reading,
            dialect: self.call.dialect,
            counts: self.call.endpoint == Endpoint::Count,
            model: &self.model,
            delivery: Delivery::of(self.stream, self.array),
            body: &self.body,
            members: &self.members,
        }
    }

    /// Whether the stream is sent as one JSON array.
    pub(super) fn wants_array(&self) -> bool {
        self.array
    }
}

/// Finds the client of a request without a client certificate.
pub fn authenticate(
    gateway: &Gateway,
    headers: &HeaderMap,
    query: Option<&str>,
    now: SystemTime,
) -> Result<Arc<ClientKey>, Refusal> {
    recognise(gateway, headers, query, &[], now)
}

/// Finds the client of a request. `certificate`: the names in the verified certificate of its connection.
pub fn recognise(
    gateway: &Gateway,
    headers: &HeaderMap,
    query: Option<&str>,
    certificate: &[String],
    now: SystemTime,
) -> Result<Arc<ClientKey>, Refusal> {
    gateway
        .keys
        .identify(headers, query, certificate, now)
        .map_err(|fault| match fault {
            KeyFault::Certificate => Refusal::KeyCertificate,
            KeyFault::Expired => Refusal::KeyExpired,
            KeyFault::Missing => Refusal::KeyMissing,
            KeyFault::Unknown => Refusal::KeyUnknown,
        })
}

/// The key of this name, without its credential, for a caller who may act as any key.
pub fn stand_in(gateway: &Gateway, name: &str, now: SystemTime) -> Result<Arc<ClientKey>, Refusal> {
    let configured = gateway.config.keys.iter().find(|key| &*key.name == name);
    let key = configured
        .or_else(|| gateway.keys.anonymous().filter(|key| &*key.name == name))
        .ok_or(Refusal::KeyUnknown)?;
    if key.expires.is_some_and(|at| at <= now) {
        return Err(Refusal::KeyExpired);
    }
    Ok(Arc::clone(key))
}

/// Rewrites a request, reads the deciding members of its body, and routes it.
pub fn admit(
    gateway: &Gateway,
    key: Arc<ClientKey>,
    arrived: Arrived<'_>,
    now: SystemTime,
) -> Result<Admitted, Refusal> {
    let headers = arrived.headers;
    let project = origin::project(&gateway.config, &key, headers)?;
    let mut received = received::read(arrived)?;
    let question = written_out(gateway, &key, &mut received, now)?;
    let rewrites = rewrite::apply(gateway, &key, headers, &mut received, now)?;
    let rewritten = received.rewritten()?;
    // This is checked after the rewrites, so no rewrite can evade the models that the key may use.
    rewritten.is_allowed(&key)?;
    let facts = rewritten.facts(gateway, &key, headers, now);
    let (route, pool) = route::choose(gateway, &facts)?;
    let (account, pool) = route::account(gateway, &facts, route, pool)?;
    let RewrittenCall {
        call,
        body,
        members,
        model,
        stream,
        array,
        form,
        reading,
    } = rewritten;
    let renamed = route
        .and_then(|index| gateway.config.routes.get(index))
        // A route without a condition on the model renames only models for generation, not those for embeddings or
        // pictures.
        .filter(|route| call.vendor_call.is_none() || route.when.model.is_some())
        .and_then(|route| route.model.clone());
    let said = StatedSession::read(call.dialect, headers, |name| {
        Some(body.slice(members.span(&body, name)?))
    });
    let by = gateway
        .config
        .pools
        .get(pool)
        .map_or(AffinityBy::None, |pool| pool.affinity);
    let derived = (by == AffinityBy::Session && call.vendor_call.is_none())
        .then(|| session::derived(call.dialect, &key.name, &body, &members))
        .flatten();
    let traces = Traces {
        given: rewrites.session.as_deref(),
        derived: derived.as_deref(),
        key: Some(&key.name),
        ..said.traces()
    };
    let vendor_call = call.vendor_call.as_deref();
    let session = match vendor_call.map(|vendor_call| &vendor_call.model) {
        None => affinity::session(&traces, by),
        // What such an endpoint creates (a file, a batch) lives at one account, so the same key must get the same
        // account again.
        Some(Place::Nowhere) => affinity::session(&traces, AffinityBy::Key),
        Some(_) => None,
    };
    let previous_response = match vendor_call {
        Some(vendor_call) => vendor_call.response(),
        None => said
            .previous_response()
            .or_else(|| question.as_ref()?.previous()),
    };
    let previous_response = previous_response.map(str::to_owned);
    // Answers that a client of the Responses API may refer to later are stored, unless the client declines.
    let stores =
        call.endpoint == Endpoint::Generate && members.value(&body, "store") != Some(&b"false"[..]);
    let question = question.filter(|_| stores);
    Ok(Admitted {
        key,
        project,
        call,
        model,
        renamed,
        stream,
        session,
        derived,
        previous_response,
        route,
        pool,
        rewrites,
        body,
        members,
        form,
        array,
        reading,
        extent: Extent::default(),
        question,
        account,
    })
}

/// Replaces references to what is stored in this process by its content. Returns what is to be stored of the request
/// itself.
fn written_out(
    gateway: &Gateway,
    key: &ClientKey,
    received: &mut Received,
    now: SystemTime,
) -> Result<Option<Question>, Refusal> {
    let responses = received.call.dialect == Dialect::OpenaiResponses;
    let text = matches!(received.call.endpoint, Endpoint::Generate | Endpoint::Count);
    if gateway.config.responses.is_none() || !responses || !text {
        return Ok(None);
    }
    let store = &gateway.store;
    let read = store.read(&key.name, &received.body, &received.members, now);
    if let Some(body) = read.body {
        let limit = gateway.config.server.max_body;
        if body.len() > limit {
            return Err(Refusal::too_large(limit));
        }
        received.replace(body)?;
    }
    Ok(Some(read.question))
}
