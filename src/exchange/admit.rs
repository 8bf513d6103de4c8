//! Received → Admitted: who is calling, may they, which model, which route.
//!
//! Two steps, because the body of a stranger is not even read: [`authenticate`] on the head, [`admit`] on the body.
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderMap;

use super::Gateway;
use super::operation::{Endpoint, ModelCall};
use super::refusal::Refusal;
use super::route::{self, Facts};
use crate::config::{AffinityBy, ClientKey};
use crate::keys::KeyFault;
use crate::pool::affinity::{self, Session, Traces};
use crate::protocol::Dialect;
use crate::protocol::json::{self, Members};

/// A request that may be served, and where.
#[derive(Debug)]
pub struct Admitted {
    pub key: Arc<ClientKey>,
    pub call: ModelCall,
    /// The model as the client named it.
    pub model: String,
    /// The model that the route asks for instead.
    pub renamed: Option<Arc<str>>,
    pub stream: bool,
    /// What affinity goes by; `None` = no session.
    pub session: Option<Session>,
    /// The response that this one continues: its state lives on one account.
    pub previous_response: Option<String>,
    /// Position of the matching route.
    pub route: Option<usize>,
    /// Position of the pool.
    pub pool: usize,
    pub body: Bytes,
    /// The members of `body`.
    pub members: Members,
}

impl Admitted {
    /// The model to look for in the pool.
    pub fn wanted_model(&self) -> &str {
        self.renamed.as_deref().unwrap_or(&self.model)
    }

    /// Tokens to reserve in an account's own limit until the real use is known: four bytes to a token.
    pub fn estimated_tokens(&self) -> u64 {
        match self.call.endpoint {
            Endpoint::Count => 0,
            _ => self.body.len() as u64 / 4,
        }
    }
}

/// Finds the client of a request.
pub fn authenticate(
    gateway: &Gateway,
    headers: &HeaderMap,
    query: Option<&str>,
    now: SystemTime,
) -> Result<Arc<ClientKey>, Refusal> {
    gateway
        .keys
        .identify(headers, query, now)
        .map_err(|fault| match fault {
            KeyFault::Expired => Refusal::KeyExpired,
            KeyFault::Missing => Refusal::KeyMissing,
            KeyFault::Unknown => Refusal::KeyUnknown,
        })
}

/// Reads what decides about a request out of its body, and routes it.
pub fn admit(
    gateway: &Gateway,
    key: Arc<ClientKey>,
    call: ModelCall,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Admitted, Refusal> {
    let asked = read(call, body)?;
    may_use_model(&key, &asked.model)?;
    let facts = asked.facts(gateway, &key, headers);
    let (route, pool) = route::choose(gateway, &facts)?;
    let Asked {
        call,
        body,
        members,
        model,
        stream,
    } = asked;
    let renamed = route
        .and_then(|index| gateway.config.routes.get(index))
        .and_then(|route| route.model.clone());
    let previous_response = optional_string(&members, &body, "previous_response_id");
    let by = gateway
        .config
        .pools
        .get(pool)
        .map_or(AffinityBy::None, |pool| pool.affinity);
    let session = match by {
        AffinityBy::None => None,
        by => with_traces(&call, &key, headers, &members, &body, |traces| {
            affinity::session(traces, by)
        }),
    };
    Ok(Admitted {
        key,
        call,
        model,
        renamed,
        stream,
        session,
        previous_response,
        route,
        pool,
        body,
        members,
    })
}

/// A request whose body has been read.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) call: ModelCall,
    pub(super) body: Bytes,
    /// The members of `body`.
    pub(super) members: Members,
    pub(super) model: String,
    pub(super) stream: bool,
}

/// Reads what a call asks for.
pub(super) fn read(call: ModelCall, body: Bytes) -> Result<Asked, Refusal> {
    let members = json::scan(&body).map_err(Refusal::Json)?;
    let model = match &call.path_model {
        Some(model) => model.clone(),
        None => required_string(&members, &body, "model")?,
    };
    let stream = match call.path_stream {
        Some(stream) => stream,
        None => call.endpoint != Endpoint::Count && optional_bool(&members, &body, "stream")?,
    };
    Ok(Asked {
        call,
        body,
        members,
        model,
        stream,
    })
}

impl Asked {
    /// What routes are matched against.
    pub(super) fn facts<'a>(
        &'a self,
        gateway: &'a Gateway,
        key: &'a ClientKey,
        headers: &'a HeaderMap,
    ) -> Facts<'a> {
        Facts {
            key,
            call: &self.call,
            model: &self.model,
            stream: self.stream,
            headers,
            body: &self.body,
            tokens: &gateway.tokens,
            needs: OnceCell::new(),
        }
    }
}

/// The pool for an endpoint that is not routed by model: the one that the key is bound to, else the default.
pub fn vendor_pool(gateway: &Gateway, key: &ClientKey) -> Result<usize, Refusal> {
    if key.models.is_some() {
        return Err(Refusal::VendorForbidden);
    }
    route::default_pool(gateway, key).ok_or(Refusal::NoRoute)
}

fn may_use_model(key: &ClientKey, model: &str) -> Result<(), Refusal> {
    match &key.models {
        Some(globs) if !globs.iter().any(|glob| glob.is_match(model)) => {
            Err(Refusal::ModelForbidden {
                model: model.to_owned(),
            })
        }
        _ => Ok(()),
    }
}

/// What the session of a request can be told by.
pub(super) fn with_traces<T>(
    call: &ModelCall,
    key: &ClientKey,
    headers: &HeaderMap,
    members: &Members,
    body: &[u8],
    read: impl FnOnce(&Traces<'_>) -> T,
) -> T {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let metadata_user_id = match call.dialect {
        Dialect::Anthropic => members.value(body, "metadata").and_then(user_id),
        _ => None,
    };
    let prompt_cache_key = optional_string(members, body, "prompt_cache_key");
    let conversation = members
        .value(body, "conversation")
        .and_then(conversation_id);
    let previous_response = optional_string(members, body, "previous_response_id");
    read(&Traces {
        claude_session: header("x-claude-code-session-id"),
        metadata_user_id: metadata_user_id.as_deref(),
        codex_session: header("session-id")
            .or_else(|| header("session_id"))
            .or_else(|| header("thread-id")),
        prompt_cache_key: prompt_cache_key.as_deref(),
        conversation: conversation.as_deref(),
        previous_response_id: previous_response.as_deref(),
        key: Some(&key.name),
    })
}

/// `metadata.user_id`; the object is small, a client that makes it large has no session.
fn user_id(metadata: &[u8]) -> Option<String> {
    if metadata.len() > MAX_SMALL_MEMBER {
        return None;
    }
    let members = json::scan(metadata).ok()?;
    optional_string(&members, metadata, "user_id")
}

/// `conversation` is an id or an object with one.
fn conversation_id(value: &[u8]) -> Option<String> {
    if value.len() > MAX_SMALL_MEMBER {
        return None;
    }
    match serde_json::from_slice::<String>(value) {
        Ok(id) => Some(id),
        Err(_) => optional_string(&json::scan(value).ok()?, value, "id"),
    }
}

fn required_string(members: &Members, body: &[u8], name: &'static str) -> Result<String, Refusal> {
    let fault = Refusal::Member {
        name,
        expected: "a string that is not empty",
    };
    match members.string(body, name) {
        Some(text) if !text.is_empty() => Ok(text.into_owned()),
        _ => Err(fault),
    }
}

fn optional_string(members: &Members, body: &[u8], name: &str) -> Option<String> {
    members.string(body, name).map(std::borrow::Cow::into_owned)
}

/// Absent and `null` are false, as the vendors read it.
fn optional_bool(members: &Members, body: &[u8], name: &'static str) -> Result<bool, Refusal> {
    match members.value(body, name) {
        None | Some(b"null" | b"false") => Ok(false),
        Some(b"true") => Ok(true),
        Some(_) => Err(Refusal::Member {
            name,
            expected: "true or false",
        }),
    }
}

/// Members that are parsed for a session id, bytes.
const MAX_SMALL_MEMBER: usize = 16 << 10;
