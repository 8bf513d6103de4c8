//! The address of an upstream or of another server that Weir calls.
use std::sync::Arc;

/// One base URL of an account, or the URL of another server.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Endpoint {
    /// Scheme and authority, as given: `https://api.anthropic.com`. It is the name in logs and the key of the health
    /// state.
    pub origin: Arc<str>,
    /// Whether connections use TLS: the scheme is `https`.
    pub tls: bool,
    /// The host name or address for SNI and resolution, without brackets.
    pub host: String,
    /// The TCP port; by default the port of the scheme.
    pub port: u16,
    /// `host[:port]`, for the `Host` header.
    pub authority: String,
    /// The path without a trailing slash; may be empty.
    pub path: String,
    /// Its share among the endpoints of the account, 0 to 10,000; default 1.
    pub weight: u32,
}
