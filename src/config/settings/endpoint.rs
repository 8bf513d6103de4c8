//! Where an upstream, or another server that Weir asks, is found.
use std::sync::Arc;

/// One base URL of an account.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Endpoint {
    /// Scheme and authority, as given: `https://api.anthropic.com`. The name in logs, and the key of its health.
    pub origin: Arc<str>,
    /// Whether it is spoken to by TLS: the scheme is `https`.
    pub tls: bool,
    /// For SNI, `Host` and resolution, without brackets.
    pub host: String,
    /// The TCP port; by default that of the scheme.
    pub port: u16,
    /// `host[:port]` as it belongs into `Host`.
    pub authority: String,
    /// Without a trailing slash; may be empty.
    pub path: String,
    /// Its share among the endpoints of the account, by weight; default 1.
    pub weight: u32,
}
