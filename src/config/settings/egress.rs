//! `accounts[].egress`: a proxy in front of an upstream.
use crate::config::secret::Secret;

/// A proxy between Weir and an upstream.
#[derive(Clone, Debug)]
pub struct Egress {
    /// The protocol of the proxy, by the scheme of its URL.
    pub kind: EgressKind,
    /// The proxy's host name or address, without brackets.
    pub host: String,
    /// The proxy's TCP port.
    pub port: u16,
    /// User name and password; `None` = the proxy requires none.
    pub credentials: Option<(String, Secret)>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum EgressKind {
    /// HTTP CONNECT.
    Http,
    Socks5,
}
