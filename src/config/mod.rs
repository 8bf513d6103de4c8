//! The configuration: YAML in, one immutable [`Config`] out, or every fault at once.
//!
//! Two shapes: `raw` mirrors the file field for field, [`Config`] is what the program uses; `compile` is the one
//! function between them and [`load()`] the one door. `Config` has no serde.
pub mod diagnostic;
pub mod oauth2;
pub mod paths;
pub mod providers;
pub mod rewrite;
pub mod secret;

mod agreement;
mod clients;
mod compile;
mod cursor;
mod decode;
mod document;
mod egress;
mod faults;
mod glob;
mod load;
mod models;
mod prometheus;
mod raw;
mod route;
mod schema;
mod values;

use std::fmt::{self, Debug, Formatter};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use jiff::tz::TimeZone;

use crate::protocol::Dialect;
use oauth2::OAuth2;
use providers::{Auth, Provider};
use secret::Secret;

pub use clients::{ClientKey, ClientLimits, Group, Ledger};
pub use egress::{Egress, EgressKind};
pub use glob::{Glob, GlobError};
pub use load::{demo, from_environment, load, parse};
pub use models::{ModelCapabilities, Price};
pub use prometheus::Prometheus;
pub use route::{Route, When};
pub use schema::schema;
pub use values::valid_name;

/// A valid configuration, compiled. Only [`load()`] and [`parse`] make one; the other makers write YAML and pass through them.
#[derive(Debug)]
pub struct Config {
    /// SHA-256 of the file's bytes, 64 hex digits.
    pub hash: String,
    /// Things that work but deserve a word: inline secrets, say. Printed by `weir check` and logged at load.
    pub warnings: Vec<diagnostic::Diagnostic>,
    pub listen: Vec<Listener>,
    pub admin: Option<Admin>,
    pub server: Server,
    /// In the order of the file; [`Account::index`] is the position here.
    pub accounts: Vec<Arc<Account>>,
    /// In the order of the file; never empty: without `pools` there is one named `default` with every account.
    pub pools: Vec<Pool>,
    pub routes: Vec<Route>,
    pub keys: Vec<Arc<ClientKey>>,
    pub groups: Vec<Group>,
    /// Of all clients together.
    pub limits: ClientLimits,
    /// Where days and months begin.
    pub timezone: TimeZone,
    pub ledger: Option<Ledger>,
    pub rewrites: Vec<rewrite::Rewrite>,
    pub prometheus: Option<Prometheus>,
    /// Whether requests without a key are served, as a key named `anonymous`.
    pub anonymous: bool,
    pub prices: Vec<Price>,
    pub capabilities: Vec<ModelCapabilities>,
    pub retry: Retry,
    pub log: Log,
    /// Every project name that occurs in the configuration (accounts, keys and routes): the only values of that label.
    pub projects: Vec<Arc<str>>,
    /// Where every request goes when there are no `routes`, as a position in `pools`; `None` when there are some.
    pub default_pool: Option<usize>,
    /// Every other file that it was made from: secrets, certificates. A change of one of them asks for a reload.
    pub files: Vec<PathBuf>,
    fingerprint: Fingerprint,
}

impl Config {
    /// Whether `other` was made from the same file and the same secrets: a reload of it would change nothing.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

/// SHA-256 over the file and every secret it refers to. Never shown: with the file at hand it would let one try out
/// guesses at a short secret.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Fingerprint([u8; 32]);

impl Debug for Fingerprint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// One `listen` entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listener {
    pub addr: SocketAddr,
    pub tls: Option<TlsFiles>,
}

/// Certificate chain and key, PEM, on disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// The `admin` section.
#[derive(Clone, Debug)]
pub struct Admin {
    pub addr: AdminAddr,
    pub token: Option<Secret>,
    /// Names under which it may be asked, in lower case, without ports; those of loopback are not among them.
    pub hosts: Vec<String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AdminAddr {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// The `server` section.
#[derive(Clone, Debug)]
pub struct Server {
    /// 0 = one per core.
    pub threads: usize,
    pub max_body: usize,
    pub max_concurrent_requests: usize,
    pub drain_timeout: Duration,
    pub trusted_proxies: Vec<ipnet::IpNet>,
    pub cors: Option<Cors>,
}

#[derive(Clone, Debug)]
pub struct Cors {
    /// Exact origins, or `*`.
    pub allow_origins: Vec<String>,
}

/// A credential at an upstream, and where that is.
#[derive(Debug)]
pub struct Account {
    pub name: Arc<str>,
    /// Position in [`Config::accounts`].
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
    pub project: Option<Arc<str>>,
}

/// One base URL of an account.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Endpoint {
    /// Scheme and authority, as given: `https://api.anthropic.com`. The name in logs, and the key of its health.
    pub origin: Arc<str>,
    pub tls: bool,
    /// For SNI, `Host` and resolution, without brackets.
    pub host: String,
    pub port: u16,
    /// `host[:port]` as it belongs into `Host`.
    pub authority: String,
    /// Without a trailing slash; may be empty.
    pub path: String,
    pub weight: u32,
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
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthCheck {
    pub path: String,
    pub interval: Duration,
}

/// A set of accounts and how to choose among them.
#[derive(Clone, Debug)]
pub struct Pool {
    pub name: Arc<str>,
    /// Positions in [`Config::accounts`], in declared order.
    pub accounts: Vec<usize>,
    pub select: Select,
    pub affinity: AffinityBy,
    /// Position in [`Config::pools`]; `compile` refuses cycles.
    pub fallback: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Select {
    Failover,
    LeastBusy,
    Random,
    RoundRobin,
    #[default]
    Weighted,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AffinityBy {
    Key,
    None,
    #[default]
    Session,
}

/// The `retry` section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    /// Retries may add at most this share of the traffic of the last 10 s.
    pub budget: f64,
    pub deadline: Duration,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    pub format: LogFormat,
    /// error, warn, info, debug or trace.
    pub level: String,
    pub access: AccessLog,
    pub bodies: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    #[default]
    Json,
    Text,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum AccessLog {
    File(PathBuf),
    Off,
    #[default]
    Stdout,
}
