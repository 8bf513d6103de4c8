//! `listen`, `admin`, `console`, `server`, `retry` and `log`: what concerns the process as a whole.
use std::fmt::{self, Debug, Formatter};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::secret::Secret;

/// One `listen` entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listener {
    /// Where it listens: address and TCP port.
    pub addr: SocketAddr,
    /// `None` = plain HTTP.
    pub tls: Option<TlsFiles>,
    /// What connections from `server.trusted_proxies` begin with.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Connections at once; `None` = no limit of its own.
    pub max_connections: Option<usize>,
}

/// A version of HAProxy's PROXY protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProxyProtocol {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsVersion {
    V12,
    V13,
}

/// Certificate chain and key, PEM, on disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// The chain of certificates, PEM, the server's own first.
    pub cert: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
    /// The oldest version that is spoken; default 1.2.
    pub min_version: TlsVersion,
    /// Authorities of clients, PEM. `None` = no certificate is asked for.
    pub client_ca: Option<PathBuf>,
}

/// How long clients may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientTimeouts {
    /// From the first byte of a head to its last; default 30 s.
    pub head: Duration,
    /// From one answer to the next request; default 75 s.
    pub keepalive: Duration,
    /// Bytes per second at which a body must arrive, over any 30 s; default 1 KiB.
    pub body_rate: usize,
    /// A TLS handshake; default 10 s.
    pub tls: Duration,
}

/// How many connections and streams clients may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConnectionLimits {
    /// Requests at once on one HTTP/2 connection; default 100.
    pub streams_per_connection: u32,
    /// Connections at once from one address that is no trusted proxy; `None` = any number.
    pub connections_per_address: Option<usize>,
    /// Requests that one connection from an address that is no trusted proxy carries; `None` = any number.
    pub requests_per_connection: Option<u32>,
}

/// The `admin` section.
#[derive(Clone, Debug)]
pub struct Admin {
    /// `admin.addr`: an address, or a socket in the file system; default a port of loopback.
    pub addr: AdminAddr,
    /// Only for an address of TCP.
    pub tls: Option<TlsFiles>,
    /// `admin.token`: may do everything; `None` = only `tokens` do, and on loopback whoever reads needs none.
    pub token: Option<Secret>,
    /// Names under which it may be asked, in lower case, without ports; those of loopback are not among them.
    pub hosts: Vec<String>,
    /// `admin.tokens`: further tokens, each with a role.
    pub tokens: Vec<AdminToken>,
    /// Where people sign in, beside the tokens.
    pub oidc: Option<Oidc>,
    /// Where changes are written down.
    pub audit: Option<PathBuf>,
    /// Where accounts, keys, groups and projects that are made through the plane are written; `None` = nowhere.
    pub fragments: Option<PathBuf>,
}

/// An OpenID provider at which people sign in to the console.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// Exactly as the provider calls itself.
    pub issuer: Arc<str>,
    /// What the provider knows Weir as.
    pub client_id: String,
    /// `None` = a public client.
    pub client_secret: Option<Secret>,
    /// The claim that decides about the role.
    pub role_claim: String,
    /// Values of that claim; `*` = any, or none.
    pub roles: Vec<(String, Role)>,
    /// The claim that names somebody; `None` = what providers usually have.
    pub name_claim: Option<String>,
    /// With spaces between them.
    pub scopes: String,
    /// `None` = at the address under which the console was asked.
    pub redirect: Option<String>,
}

impl Oidc {
    /// The highest role of somebody with these values of the claim.
    pub fn role(&self, values: &[String]) -> Option<Role> {
        let fits = |(value, _): &&(String, Role)| value == "*" || values.contains(value);
        self.roles.iter().filter(fits).map(|(_, role)| *role).max()
    }
}

impl Admin {
    /// Where it speaks TLS, and with what.
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
    /// Unique; who did what, in the audit log.
    pub name: Arc<str>,
    /// Of the token.
    pub sha256: [u8; 32],
    /// What it may do.
    pub role: Role,
}

impl Debug for AdminToken {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Without the digest: a short token can be guessed from it.
        f.debug_struct("AdminToken")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// What somebody may do on the admin plane; each may do what those before it may.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Role {
    Viewer,
    Operator,
    Admin,
}

impl Role {
    /// The word of the configuration.
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
    /// Requests kept in memory.
    pub recent: usize,
    /// Whether the operator's own file may be written.
    pub edit: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AdminAddr {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// What the threads of the data plane share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Runtime {
    /// One runtime, whose threads take work from each other.
    Shared,
    /// A runtime, and connections, for each.
    PerCore,
}

/// The `server` section.
#[derive(Clone, Debug)]
pub struct Server {
    /// 0 = one per core.
    pub threads: usize,
    /// What its threads share; default `shared`.
    pub runtime: Runtime,
    /// Bytes of one request's body, 1 KiB to 1 GiB; default 32 MiB.
    pub max_body: usize,
    /// Of what passes to an upstream as it comes, bytes.
    pub max_upload: usize,
    /// Bytes of request bodies held at once, in all. `None` = a quarter of the memory that the process may use.
    pub max_buffered: Option<usize>,
    /// Requests at once, 1 to 1,000,000; default 10,000.
    pub max_concurrent_requests: usize,
    /// How long requests are still taken after `SIGTERM`, while `/readyz` says 503 already.
    pub drain_delay: Duration,
    /// How long requests may still take after `drain_delay`, up to 24 h; default 10 min.
    pub drain_timeout: Duration,
    /// Whose `x-forwarded-for` is believed; default nobody's.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// How long clients may take, with the defaults of each field.
    pub client_timeouts: ClientTimeouts,
    /// What one connection or address may take, with the defaults of each field.
    pub client_limits: ConnectionLimits,
    /// Which pages of browsers may ask; `None` = none.
    pub cors: Option<Cors>,
}

#[derive(Clone, Debug)]
pub struct Cors {
    /// Exact origins, or `*`.
    pub allow_origins: Vec<String>,
}

/// `responses.store`: what is kept of translated answers for clients of OpenAI Responses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ResponseStore {
    /// Of all keys together, bytes.
    pub max_bytes: usize,
    /// From when the request came.
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
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    /// Retries may add at most this share of the traffic of the last 10 s.
    pub budget: f64,
    /// After this time of a request no further attempt is begun; up to 1 h, default 1 min.
    pub deadline: Duration,
}

/// The `keepalive` section.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Keepalive {
    /// How long after a request the client of a stream gets its first sign of life, when the upstream has not begun to
    /// answer; from 1 s to 1 h. `None` = it gets none.
    pub before_head: Option<Duration>,
}

/// The `websocket` section.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WebSocket {
    /// How long a socket may be open.
    pub max_age: Duration,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    /// Of Weir's own log; default JSON.
    pub format: LogFormat,
    /// error, warn, info, debug or trace.
    pub level: String,
    /// Where access lines go; default standard output.
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
