//! `accounts`: credentials at upstreams.
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::endpoint::Endpoint;
use super::oauth2::OAuth2;
use super::providers::{Auth, Provider};
use super::{Egress, Glob};
use crate::config::secret::Secret;
use crate::protocol::Dialect;
use crate::protocol::hub::target::PromptCache;

/// A credential at an upstream, and where that is.
#[derive(Debug)]
pub struct Account {
    pub name: Arc<str>,
    /// Position in [`Config::accounts`](super::Config::accounts).
    pub index: usize,
    pub provider: &'static Provider,
    /// What it speaks, preferred first; never empty. `openai` speaks Responses and Chat.
    pub dialects: Vec<Dialect>,
    /// At least one.
    pub endpoints: Vec<Endpoint>,
    pub auth: Auth,
    pub key: Option<Secret>,
    /// Where access tokens come from; then there is no `key`.
    pub oauth2: Option<OAuth2>,
    /// Added to the query of every upstream request (Azure's `api-version`).
    pub query: Vec<(String, String)>,
    /// Added to every upstream request. All are marked sensitive: they may hold credentials.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// 0 = only when asked by name.
    pub weight: u32,
    /// Lower is preferred.
    pub priority: i32,
    pub models: Models,
    pub limits: AccountLimits,
    pub egress: Option<Egress>,
    pub timeouts: Timeouts,
    pub health_check: Option<HealthCheck>,
    /// Whether conversations without a cache marker get their own when they are translated for Anthropic.
    pub prompt_cache: PromptCache,
    /// Whether Chat streams are asked for their usage where the client did not ask.
    pub stream_usage: StreamUsage,
    pub project: Option<Arc<str>>,
}

/// What becomes of a Chat stream whose client did not ask for its usage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamUsage {
    /// Weir asks, and keeps the answer from the client.
    Ask,
    /// The upstream gets what the client sent.
    AsSent,
}

/// Which models an account serves, and under which names.
#[derive(Clone, Debug, Default)]
pub struct Models {
    /// Empty = all, under the client's names.
    pub entries: Vec<ModelEntry>,
}

#[derive(Clone, Debug)]
pub struct ModelEntry {
    pub glob: Glob,
    /// The upstream's name for it; `None` = as asked.
    pub upstream: Option<Arc<str>>,
}

impl Models {
    /// Whether `model` is served, and as what: `None` = not served, `Some(name)` = ask the upstream for `name`.
    pub fn upstream_name<'a>(&'a self, model: &'a str) -> Option<&'a str> {
        if self.entries.is_empty() {
            return Some(model);
        }
        self.entries
            .iter()
            .find(|entry| entry.glob.is_match(model))
            .map(|entry| entry.upstream.as_deref().unwrap_or(model))
    }
}

/// `None` = no limit.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AccountLimits {
    pub concurrency: Option<u32>,
    pub rpm: Option<u32>,
    pub tpm: Option<u64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeouts {
    pub connect: Duration,
    pub first_byte: Duration,
    pub idle: Duration,
    /// From the request being sent to the end of the answer. `None` = as long as it goes on.
    pub total: Option<Duration>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthCheck {
    pub path: String,
    pub interval: Duration,
}
