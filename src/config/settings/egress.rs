//! `accounts[].egress`: a proxy on the way to an upstream.
use crate::config::secret::Secret;

/// A proxy between Weir and an upstream.
#[derive(Clone, Debug)]
pub struct Egress {
    pub kind: EgressKind,
    pub host: String,
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
