//! `accounts[].egress`: a proxy on the way to an upstream.
use crate::config::secret::Secret;

/// A proxy between Weir and an upstream.
#[derive(Clone, Debug)]
pub struct Egress {
    /// How the proxy is spoken to, by the scheme of its URL.
    pub kind: EgressKind,
    /// The proxy's name or address, without brackets.
    pub host: String,
    /// The proxy's TCP port.
    pub port: u16,
    /// User name and password.
    pub credentials: Option<(String, Secret)>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum EgressKind {
    /// HTTP CONNECT.
    Http,
    Socks5,
}
