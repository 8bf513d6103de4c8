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

/// A credential at an upstream, with the upstream's address.
#[derive(Debug)]
pub struct Account {
    /// `accounts[].name`: unique, the label in metrics and logs.
    pub name: Arc<str>,
    /// Position in [`Config::accounts`](super::Config::accounts).
    pub index: usize,
    /// `accounts[].provider`: the preset that the rest of the account starts from.
    pub provider: &'static Provider,
    /// The dialects that it speaks, preferred first; never empty. `openai` speaks Responses and Chat.
    pub dialects: Vec<UpstreamDialect>,
    /// `accounts[].base_url` or `accounts[].endpoints`; at least one.
    pub endpoints: Vec<Endpoint>,
    /// How requests carry the credential; default: as the provider requires.
    pub auth: Auth,
    /// `accounts[].key`; `None` = the upstream needs none, or gets access tokens.
    pub key: Option<Secret>,
    /// `accounts[].auth.oauth2`: the source of access tokens; if it is given, there is no `key`.
    pub oauth2: Option<OAuth2>,
    /// Parameters that are added to the query of every upstream request (Azure's `api-version`).
    pub query: Vec<(String, String)>,
    /// Headers that are added to every upstream request. All are marked sensitive, because they may contain
    /// credentials.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The share of requests within its priority, 0 to 10,000; default 1. 0 = only used when it is requested by name.
    pub weight: u32,
    /// The priority, -1,000 to 1,000; default 0. Lower numbers are preferred.
    pub priority: i32,
    /// `accounts[].models`: the models that it serves, with the upstream's names; default: all.
    pub models: Models,
    /// `accounts[].limits`: how much it may be used; default: no limits.
    pub limits: AccountLimits,
    /// `accounts[].egress`: the proxy in front of it; `None` = a direct connection.
    pub egress: Option<Egress>,
    /// `accounts[].timeouts`, with the defaults of each field.
    pub timeouts: Timeouts,
    /// `accounts[].health_check`; `None` = only requests show whether it is healthy.
    pub health_check: Option<HealthCheck>,
    /// Whether conversations without a cache marker get markers when they are translated for Anthropic.
    pub prompt_cache: PromptCache,
    /// Whether Weir requests the usage of Chat streams if the client did not.
    pub stream_usage: StreamUsage,
    /// Whether a client's WebSocket is served by a WebSocket to the account.
    pub websocket: bool,
    /// `accounts[].project`: the project of requests that name none; `None` = no project.
    pub project: Option<Arc<str>>,
}

/// How a Chat stream is treated whose client did not request its usage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamUsage {
    /// Weir requests the usage, and removes it from the client's stream.
    Ask,
    /// The upstream gets the client's request unchanged.
    AsSent,
}

/// The models that an account serves, and the upstream's names for them.
#[derive(Clone, Debug, Default)]
pub struct Models {
    /// Empty = all models, under the client's names.
    pub entries: Vec<ModelEntry>,
}

#[derive(Clone, Debug)]
pub struct ModelEntry {
    /// The client's model names to which this entry applies.
    pub glob: Glob,
    /// The upstream's name; `None` = the client's name.
    pub upstream: Option<Arc<str>>,
}

impl Models {
    /// The upstream's name for `model`; `None` = the account does not serve it.
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

/// The limits of an account. `None` = no limit.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AccountLimits {
    /// Requests at the same time, 1 to 1,000,000; `None` = no limit.
    pub concurrency: Option<u32>,
    /// Requests in any 60 s, at least 1; `None` = no limit.
    pub rpm: Option<u32>,
    /// Tokens in any 60 s, input and output, 1 to 10^12; `None` = no limit.
    pub tpm: Option<u64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// Until a connection, including TLS, is established; up to 5 min, default 5 s.
    pub connect: Duration,
    /// From the end of the request to the head of the answer; up to 1 h, default 120 s.
    pub first_byte: Duration,
    /// Longest pause within an answer; up to 1 h, default 90 s.
    pub idle: Duration,
    /// Longest time in which the upstream reads nothing of a request; up to 5 min, default 1 min.
    pub write: Duration,
    /// From the end of the request to the end of the answer; up to 24 h. `None` = no limit.
    pub total: Option<Duration>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthCheck {
    /// The path of the `GET` request, from the root of the host; a 2xx means healthy.
    pub path: String,
    /// The time between two checks of an endpoint, 100 ms to 1 h; default 5 s.
    pub interval: Duration,
}
