//! Why a client's connection or request was rejected before the request was examined.

/// The `reason` of `weir_client_rejections_total`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Rejection {
    /// The body arrived more slowly than `server.client_timeouts.body_rate`.
    BodyRate,
    /// `listen[].max_connections`, or the number that the descriptors of the process permit.
    Connections,
    /// `server.client_limits.connections_per_address`.
    ConnectionsPerAddress,
    /// Chunked framing that parsers may interpret differently.
    Framing,
    /// `server.client_timeouts.head`.
    HeadTimeout,
    /// `server.max_buffered`.
    Memory,
    /// The header of the PROXY protocol is missing, or is not from a trusted proxy.
    ProxyProtocol,
    /// `server.client_limits.requests_per_connection`: the connection was closed after an answer.
    RequestsPerConnection,
    /// `server.client_limits.streams_per_connection`: an HTTP/2 stream was refused.
    Streams,
    /// The TLS handshake failed.
    TlsFailed,
    /// `server.client_timeouts.tls`.
    TlsTimeout,
}

impl Rejection {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::BodyRate,
        Self::Connections,
        Self::ConnectionsPerAddress,
        Self::Framing,
        Self::HeadTimeout,
        Self::Memory,
        Self::ProxyProtocol,
        Self::RequestsPerConnection,
        Self::Streams,
        Self::TlsFailed,
        Self::TlsTimeout,
    ];

    /// The name in metrics and docs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BodyRate => "body_rate",
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::Framing => "framing",
            Self::HeadTimeout => "head_timeout",
            Self::Memory => "memory",
            Self::ProxyProtocol => "proxy_protocol",
            Self::RequestsPerConnection => "requests_per_connection",
            Self::Streams => "streams",
            Self::TlsFailed => "tls_failed",
            Self::TlsTimeout => "tls_timeout",
        }
    }
}
