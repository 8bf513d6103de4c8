//! `listen`, `admin`, `console`, `server`, `retry` and `log`: settings of the whole process.
use std::fmt::{self, Debug, Formatter};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::secret::Secret;

/// One `listen` entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listener {
    /// The address and TCP port.
    pub addr: SocketAddr,
    /// `None` = plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The PROXY protocol that connections from `server.trusted_proxies` must begin with; `None` = none.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Connections at the same time; `None` = it has no limit of its own.
    pub max_connections: Option<usize>,
}

/// A version of HAProxy's PROXY protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProxyProtocol {
    /// The text form.
    V1,
    /// The binary form.
    V2,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsVersion {
    V12,
    V13,
}

/// The files with the certificate chain and the key, in PEM form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// The certificate chain, PEM, beginning with the server's own certificate.
    pub cert: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
    /// The oldest TLS version that is accepted; default 1.2.
    pub min_version: TlsVersion,
    /// The authorities for client certificates, PEM. `None` = no certificate is requested.
    pub client_ca: Option<PathBuf>,
}

/// Timeouts for clients.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientTimeouts {
    /// From the first byte of a request's head to its last; up to 10 min, default 30 s.
    pub head: Duration,
    /// From the end of an answer to the next request; 1 s to 1 h, default 75 s.
    pub keepalive: Duration,
    /// The rate in bytes per second at which a body must arrive, over any 30 s; default 1 KiB. 0 = any rate.
    pub body_rate: usize,
    /// For a TLS handshake; up to 10 min, default 10 s.
    pub tls: Duration,
}

/// How many connections and streams clients may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConnectionLimits {
    /// Requests at the same time on one HTTP/2 connection; default 100.
    pub streams_per_connection: u32,
    /// Connections at the same time from one address that is not a trusted proxy; `None` = no limit.
    pub connections_per_address: Option<usize>,
    /// Requests on one connection from an address that is not a trusted proxy; `None` = no limit.
    pub requests_per_connection: Option<u32>,
}

/// The `admin` section.
#[derive(Clone, Debug)]
pub struct Admin {
    /// `admin.addr`: a TCP address, or a socket in the file system; default: a loopback port.
    pub addr: AdminAddr,
    /// `admin.tls`; only for a TCP address. `None` = plain HTTP.
    pub tls: Option<TlsFiles>,
    /// `admin.token`: permits everything; `None` = only `tokens` permit changes, and on loopback reading needs no
    /// token.
    pub token: Option<Secret>,
    /// The host names that requests may use, in lower case, without ports; loopback names are always permitted and are
    /// not listed.
    pub hosts: Vec<String>,
    /// `admin.tokens`: further tokens, each with a role.
    pub tokens: Vec<AdminToken>,
    /// `admin.oidc`: the provider at which people sign in; `None` = only tokens are accepted.
    pub oidc: Option<Oidc>,
    /// `admin.audit`: the file in which changes are recorded; `None` = none.
    pub audit: Option<PathBuf>,
    /// The directory for accounts, keys, groups and projects that are created through the plane; `None` = none can be
    /// created.
    pub fragments: Option<PathBuf>,
}

/// An OpenID provider at which people sign in to the console.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// The provider's own URL, exactly as the provider writes it.
    pub issuer: Arc<str>,
    /// Weir's client id at the provider.
    pub client_id: String,
    /// Weir's client secret; `None` = a public client.
    pub client_secret: Option<Secret>,
    /// The claim that determines the role.
    pub role_claim: String,
    /// Values of that claim with their roles; `*` = any value, or none.
    pub roles: Vec<(String, Role)>,
    /// The claim with the person's name; `None` = the claims that providers usually have.
    pub name_claim: Option<String>,
    /// The requested scopes, separated by spaces.
    pub scopes: String,
    /// The URL to which the provider redirects; `None` = it is at the address of the console's request.
    pub redirect: Option<String>,
}

impl Oidc {
    /// The highest role of a person with these values of the claim.
    pub fn role(&self, values: &[String]) -> Option<Role> {
        let fits = |(value, _): &&(String, Role)| value == "*" || values.contains(value);
        self.roles.iter().filter(fits).map(|(_, role)| *role).max()
    }
}

impl Admin {
    /// The TCP address at which it uses TLS, with the files for it.
    pub fn tls_at(&self) -> Option<(SocketAddr, &TlsFiles)> {
        match (&self.addr, &self.tls) {
            (AdminAddr::Tcp(addr), Some(files)) => Some((*addr, files)),
            _ => None,
        }
    }
}

/// Who may use the admin plane.
#[derive(Clone)]
pub struct AdminToken {
    /// The unique name, which the audit log states.
    pub name: Arc<str>,
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// What the token permits.
    pub role: Role,
}

impl Debug for AdminToken {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Without the digest, from which a short token could be guessed.
        f.debug_struct("AdminToken")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// What a person may do on the admin plane; each role includes those before it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Role {
    Viewer,
    Operator,
    Admin,
}

impl Role {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// The `console` section.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Console {
    /// Whether pages are served; default true.
    pub enabled: bool,
    /// The number of finished requests that are kept in memory, up to 100,000; default 5,000. 0 = none.
    pub recent: usize,
    /// Whether an admin may read and write the configuration file through the admin plane; default false.
    pub edit: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AdminAddr {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// How the threads of the data plane share work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Runtime {
    /// All threads share one runtime and take work from each other.
    Shared,
    /// Each thread has a runtime and connections of its own.
    PerCore,
}

/// The `server` section.
#[derive(Clone, Debug)]
pub struct Server {
    /// The number of worker threads, up to 1,024; 0 = one per core.
    pub threads: usize,
    /// How the threads share work; default `shared`.
    pub runtime: Runtime,
    /// The size of one request's body in bytes, 1 KiB to 1 GiB; default 32 MiB.
    pub max_body: usize,
    /// The size in bytes of an upload that is passed to an upstream while it arrives; default 512 MiB.
    pub max_upload: usize,
    /// Bytes of all request bodies that are held at the same time. `None` = a quarter of the memory that the process
    /// may use.
    pub max_buffered: Option<usize>,
    /// Requests at the same time, 1 to 1,000,000; default 10,000.
    pub max_concurrent_requests: usize,
    /// How long requests are still accepted after `SIGTERM`, while `/readyz` already returns 503; up to 1 h, default 5
    /// s.
    pub drain_delay: Duration,
    /// How long running requests may continue after `drain_delay`, up to 24 h; default 10 min.
    pub drain_timeout: Duration,
    /// The proxies whose `x-forwarded-for` is trusted; default none.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Timeouts for clients, with the defaults of each field.
    pub client_timeouts: ClientTimeouts,
    /// Limits per connection and per address, with the defaults of each field.
    pub client_limits: ConnectionLimits,
    /// The web origins whose pages may send requests; `None` = none.
    pub cors: Option<Cors>,
}

#[derive(Clone, Debug)]
pub struct Cors {
    /// Exact origins, or `*`.
    pub allow_origins: Vec<String>,
}

/// `responses.store`: limits for stored answers of clients of OpenAI Responses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ResponseStore {
    /// The size of all stored requests and answers in bytes, for all keys together; default 64 MiB.
    pub max_bytes: usize,
    /// How long an answer is stored, from the arrival of its request; default 24 h.
    pub ttl: Duration,
}

impl Default for ResponseStore {
    fn default() -> Self {
        Self {
            max_bytes: 64 << 20,
            ttl: Duration::from_hours(24),
        }
    }
}

/// The `retry` section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// The number of attempts, including the first, 1 to 10; default 3.
    pub max_attempts: u32,
    /// The share that retries may add to the traffic of the last 10 s, from 0 to 1; default 0.2.
    pub budget: f64,
    /// The time after the arrival of a request after which no further attempt begins; up to 1 h, default 1 min.
    pub deadline: Duration,
}

/// The `keepalive` section.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Keepalive {
    /// The time after the arrival of a request after which the client of a stream gets its first keep-alive if the
    /// upstream has not begun to answer; from 1 s to 1 h. `None` = it gets none.
    pub before_head: Option<Duration>,
}

/// The `websocket` section.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WebSocket {
    /// How long a socket may be open, up to 24 h; default 1 h.
    pub max_age: Duration,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    /// The format of Weir's own log; default JSON.
    pub format: LogFormat,
    /// The level of Weir's own log: error, warn, info, debug or trace.
    pub level: String,
    /// Where the access log is written; default standard output.
    pub access: AccessLog,
    /// Whether bodies are logged, with credentials masked; default false.
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
