//! `accounts`: credentials at upstreams.
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::endpoint::Endpoint;
use super::oauth2::OAuth2;
use super::providers::{Auth, Provider};
use super::{Egress, Glob};
use crate::config::secret::Secret;
use crate::protocol::UpstreamDialect;
use crate::protocol::hub::target::PromptCache;

/// A credential at an upstream, and where that is.
#[derive(Debug)]
pub struct Account {
    /// `accounts[].name`: unique, the label in metrics and logs.
    pub name: Arc<str>,
    /// Position in [`Config::accounts`](super::Config::accounts).
    pub index: usize,
    /// `accounts[].provider`: the preset that the rest of the account starts from.
    pub provider: &'static Provider,
    /// What it speaks, preferred first; never empty. `openai` speaks Responses and Chat.
    pub dialects: Vec<UpstreamDialect>,
    /// At least one.
    pub endpoints: Vec<Endpoint>,
    /// How requests carry the credential; default: as the provider wants it.
    pub auth: Auth,
    /// `accounts[].key`; `None` = the upstream wants none, or gets access tokens.
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
    /// `accounts[].models`: what it serves, and under which names; default: everything.
    pub models: Models,
    /// `accounts[].limits`: what is asked of it at most; default: no limits.
    pub limits: AccountLimits,
    /// `accounts[].egress`: the proxy on the way to it; `None` = a direct connection.
    pub egress: Option<Egress>,
    /// `accounts[].timeouts`, with the defaults of each.
    pub timeouts: Timeouts,
    /// `accounts[].health_check`; `None` = only requests show whether it is well.
    pub health_check: Option<HealthCheck>,
    /// Whether conversations without a cache marker get their own when they are translated for Anthropic.
    pub prompt_cache: PromptCache,
    /// Whether Chat streams are asked for their usage where the client did not ask.
    pub stream_usage: StreamUsage,
    /// Whether clients on a WebSocket are served by one to the account.
    pub websocket: bool,
    /// `accounts[].project`: the project of requests that name none; `None` = no label.
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
    /// The client's names that it is for.
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
    /// Requests at once, 1 to 1,000,000; `None` = no limit.
    pub concurrency: Option<u32>,
    /// Requests in any 60 s, at least 1; `None` = no limit.
    pub rpm: Option<u32>,
    /// Tokens in any 60 s, input and output, 1 to 10^12; `None` = no limit.
    pub tpm: Option<u64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// Until a connection stands, TLS included; up to 5 min, default 5 s.
    pub connect: Duration,
    /// From the request being sent to the head of the answer; up to 1 h, default 120 s.
    pub first_byte: Duration,
    /// Silence within an answer; up to 1 h, default 90 s.
    pub idle: Duration,
    /// While nothing more of a request is taken; up to 5 min, default 1 min.
    pub write: Duration,
    /// From the request being sent to the end of the answer. `None` = as long as it goes on.
    pub total: Option<Duration>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthCheck {
    /// What is asked for with `GET`, from the root of the host; 2xx is well.
    pub path: String,
    /// From one question to the next, 100 ms to 1 h; default 5 s.
    pub interval: Duration,
}
