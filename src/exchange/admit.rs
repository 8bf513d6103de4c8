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
use super::origin;
use super::refusal::Refusal;
use super::rewrite::{self, Applied, Received};
use super::route::{self, Facts};
use super::session::Said;
use crate::config::{AffinityBy, ClientKey};
use crate::keys::KeyFault;
use crate::limits::{Limits, Whom};
use crate::pool::affinity::{self, Session, Traces};
use crate::protocol::json::{self, Members};

/// A request that may be served, and where.
#[derive(Debug)]
pub struct Admitted {
    pub key: Arc<ClientKey>,
    /// What it is for, whose limits it is under.
    pub project: Option<Arc<str>>,
    pub call: ModelCall,
    /// The model as the client named it, or a rewrite.
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
    /// What has been rewritten, `body` included.
    pub rewrites: Applied,
    pub body: Bytes,
    /// The members of `body`.
    pub members: Members,
}

impl Admitted {
    /// Whose limits it is under.
    pub fn whom(&self, limits: &Limits) -> Whom {
        limits.whom(self.key.index, self.project.as_deref())
    }

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

/// Rewrites a request, reads what decides about it out of its body, and routes it.
pub fn admit(
    gateway: &Gateway,
    key: Arc<ClientKey>,
    call: ModelCall,
    headers: &HeaderMap,
    body: Bytes,
    now: SystemTime,
) -> Result<Admitted, Refusal> {
    let project = origin::project(&gateway.config, &key, headers)?;
    let mut received = read(call, body)?;
    let rewrites = rewrite::apply(gateway, &key, headers, &mut received, now)?;
    let asked = received.asked()?;
    // Of what is left after the rewrites: none of them leads around the models of a key.
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
    let said = Said::read(call.dialect, headers, |name| {
        Some(body.slice(members.span(&body, name)?))
    });
    let by = gateway
        .config
        .pools
        .get(pool)
        .map_or(AffinityBy::None, |pool| pool.affinity);
    let traces = Traces {
        given: rewrites.session.as_deref(),
        key: Some(&key.name),
        ..said.traces()
    };
    let session = affinity::session(&traces, by);
    let previous_response = said.previous_response().map(str::to_owned);
    Ok(Admitted {
        key,
        project,
        call,
        model,
        renamed,
        stream,
        session,
        previous_response,
        route,
        pool,
        rewrites,
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

/// Reads a call, for its rewrites.
pub(super) fn read(call: ModelCall, body: Bytes) -> Result<Received, Refusal> {
    let members = json::scan(&body).map_err(Refusal::Json)?;
    let stream = match call.path_stream {
        Some(stream) => stream,
        None => call.endpoint != Endpoint::Count && optional_bool(&members, &body, "stream")?,
    };
    Ok(Received {
        call,
        body,
        members,
        stream,
    })
}

impl Received {
    /// What the call asks for, after its rewrites.
    pub(super) fn asked(self) -> Result<Asked, Refusal> {
        let model = match &self.call.path_model {
            Some(model) => model.clone(),
            None => required_string(&self.members, &self.body, "model")?,
        };
        Ok(Asked {
            call: self.call,
            body: self.body,
            members: self.members,
            model,
            stream: self.stream,
        })
    }
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
