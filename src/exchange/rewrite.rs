//! Client adapters: the changes that the configuration makes to a request before it is routed.
//!
//! Every rewrite whose conditions hold is applied, in the order of the configuration. The conditions are checked on the
//! request as the client sent it, so that none depends on another rewrite's changes. Within a rewrite the order is
//! `remove`, `set`, `default`, `clamp`, `system`, `session`.
//!
//! Nothing is added to a request that only counts tokens: no system prompt, no session, no default; `set` only replaces
//! existing members. Providers refuse members that have no meaning for a count.
mod listing;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderMap;

use super::Gateway;
use super::operation::{Endpoint, ModelCall};
use super::reading::Reading;
use super::received::Received;
use super::refusal::Refusal;
use super::route::{self, Facts};
use super::session::{self, StatedSession};
use crate::config::rewrite::Rewrite;
use crate::config::{ClientKey, Config};
use crate::protocol::Dialect;
use crate::protocol::json::{Draft, Pointer, quote, string};
use crate::protocol::regroup::Unit;
pub use listing::listing;

/// The rewrites that apply to a request, and their effects outside its body.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Applied {
    /// Positions in [`Config::rewrites`].
    positions: Vec<usize>,
    /// The session id that was given to a request without one.
    pub session: Option<String>,
    /// How the text of a stream is regrouped; the last rewrite that says so decides.
    pub regroup: Option<Unit>,
}

impl Applied {
    /// Whether no rewrite applies.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// The names of the rewrites, in order.
    pub fn names(&self, config: &Config) -> Vec<Arc<str>> {
        let rewrites = self.rewrites(config);
        rewrites.map(|rewrite| rewrite.name.clone()).collect()
    }

    /// Edits the headers of the request to an upstream.
    pub(super) fn edit_headers(&self, config: &Config, headers: &mut HeaderMap) {
        for rewrite in self.rewrites(config) {
            for name in &rewrite.headers_removed {
                headers.remove(name);
            }
            for (name, value) in &rewrite.headers_set {
                headers.insert(name, value.clone());
            }
        }
    }

    fn rewrites<'a>(&'a self, config: &'a Config) -> impl Iterator<Item = &'a Rewrite> {
        let positions = self.positions.iter();
        positions.filter_map(|position| config.rewrites.get(*position))
    }
}

/// Applies every rewrite whose conditions hold.
pub(super) fn apply(
    gateway: &Gateway,
    key: &ClientKey,
    headers: &HeaderMap,
    received: &mut Received,
    now: SystemTime,
) -> Result<Applied, Refusal> {
    let config = &gateway.config;
    // A request that Weir does not interpret is not rewritten.
    if config.rewrites.is_empty() || received.call.vendor_call.is_some() {
        return Ok(Applied::default());
    }
    let mut applied = Applied {
        positions: matching(gateway, key, headers, received, now),
        ..Applied::default()
    };
    let mut draft = Draft::new(&received.body, &received.members);
    let mut edit = Edit {
        call: &mut received.call,
        draft: &mut draft,
    };
    for position in &applied.positions {
        let Some(rewrite) = config.rewrites.get(*position) else {
            continue;
        };
        edit.apply(rewrite);
        if let Some(rotate) = rewrite.rotate
            && edit.call.endpoint != Endpoint::Count
        {
            let said =
                StatedSession::read(edit.call.dialect, headers, |name| edit.draft.member(name));
            if applied.session.is_none() && said.traces().first().is_none() {
                let id = session::id(&key.name, rotate, now);
                edit.put_session(key, &id);
                applied.session = Some(id);
            }
        }
        applied.regroup = rewrite.regroup.or(applied.regroup);
    }
    if let Some(body) = draft.finish() {
        received.replace(body)?;
    } else if received.call.dialect == Dialect::Gemini && !applied.positions.is_empty() {
        // Its path contains a part of the request, and may have been rewritten.
        received.reading = Reading::default();
    }
    Ok(applied)
}

/// Positions of the rewrites whose conditions hold.
fn matching(
    gateway: &Gateway,
    key: &ClientKey,
    headers: &HeaderMap,
    received: &Received,
    wall: SystemTime,
) -> Vec<usize> {
    let Received {
        call,
        body,
        members,
        stream,
        ..
    } = received;
    let model = match &call.path_model {
        Some(model) => Some(Cow::Borrowed(model.as_str())),
        None => members.string(body, "model"),
    };
    let facts = Facts {
        key,
        call,
        model: model.as_deref().unwrap_or_default(),
        stream: *stream,
        headers,
        prompt: received.prompt(model.as_deref().unwrap_or_default()),
        tokens: &gateway.tokens,
        limits: &gateway.limits,
        wall,
        needs: OnceCell::new(),
    };
    let unchanged = Draft::new(body, members);
    let holds = |rewrite: &Rewrite| {
        let mut any = rewrite.when.iter().map(|condition| {
            let leads = |pointer| unchanged.get(pointer).is_some();
            route::matches(&condition.when, &facts) && condition.body_has.as_ref().is_none_or(leads)
        });
        rewrite.when.is_empty() || any.any(|holds| holds)
    };
    let rewrites = gateway.config.rewrites.iter().enumerate();
    rewrites
        .filter(|(_, rewrite)| holds(rewrite))
        .map(|(position, _)| position)
        .collect()
}

/// A request that is being changed.
struct Edit<'a, 'b> {
    call: &'a mut ModelCall,
    draft: &'a mut Draft<'b>,
}

impl Edit<'_, '_> {
    fn apply(&mut self, rewrite: &Rewrite) {
        for pointer in &rewrite.remove {
            self.draft.remove(pointer);
        }
        for (pointer, value) in &rewrite.set {
            self.set(pointer, value);
        }
        for (pointer, value) in &rewrite.default {
            if !self.has(pointer) {
                self.set(pointer, value);
            }
        }
        for (pointer, range) in &rewrite.clamp {
            let number = self.draft.get(pointer).and_then(|raw| number(&raw));
            if let Some(bound) = number.and_then(|number| range.bound(number)) {
                self.draft.set(pointer, bound.to_string().into());
            }
        }
        // The count is about what the client has; and a request for `/v1/completions` has no system prompt.
        if self.call.endpoint == Endpoint::Generate {
            rewrite.system.apply(self.call.dialect, self.draft);
        }
    }

    fn has(&self, pointer: &Pointer) -> bool {
        self.names_model(pointer) || self.draft.get(pointer).is_some()
    }

    fn set(&mut self, pointer: &Pointer, value: &Bytes) {
        if self.names_model(pointer) {
            // The configuration allows only names as values here.
            self.call.path_model = string(value).map(Cow::into_owned);
            return;
        }
        let counts = self.call.endpoint == Endpoint::Count;
        if !counts || pointer.as_str() == MODEL || self.draft.get(pointer).is_some() {
            self.draft.set(pointer, value.clone());
        }
    }

    /// Whether the pointer means the model in the path. A Gemini request has it there, and its body must not name it,
    /// too.
    fn names_model(&self, pointer: &Pointer) -> bool {
        self.call.path_model.is_some() && pointer.as_str() == MODEL
    }

    /// Writes a session id into the body where the dialect has a place for one.
    fn put_session(&mut self, key: &ClientKey, id: &str) {
        match self.call.dialect {
            Dialect::Anthropic => {
                // The client's own user id is not replaced: it names the user, though not the session.
                if let Ok(pointer) = Pointer::parse("/metadata/user_id")
                    && !self.has(&pointer)
                {
                    let user = session::user_id(&key.name, id);
                    self.draft.set(&pointer, quote(&user));
                }
            }
            Dialect::OpenaiChat | Dialect::OpenaiResponses
                if self.call.endpoint == Endpoint::Generate =>
            {
                self.draft.put("prompt_cache_key", quote(id));
            }
            // These bodies have no place for it: the id only keeps the key at one account.
            Dialect::Gemini | Dialect::OpenaiChat | Dialect::OpenaiResponses => {}
        }
    }
}

fn number(raw: &[u8]) -> Option<f64> {
    std::str::from_utf8(raw).ok()?.parse().ok()
}

/// The pointer to the model's name.
const MODEL: &str = "/model";

#[cfg(test)]
mod tests;
