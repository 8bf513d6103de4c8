//! Why a client's connection or request was turned away before anybody asked what it wants.

/// The `reason` of `weir_client_rejections_total`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Rejection {
    /// The body came more slowly than `server.client_timeouts.body_rate`.
    BodyRate,
    /// `listen[].max_connections`, or as many as descriptors allow.
    Connections,
    /// `server.client_limits.connections_per_address`.
    ConnectionsPerAddress,
    /// Chunks that not every parser reads alike.
    Framing,
    /// `server.client_timeouts.head`.
    HeadTimeout,
    /// `server.max_buffered`.
    Memory,
    /// No header of the PROXY protocol, or not from a trusted proxy.
    ProxyProtocol,
    /// `server.client_limits.requests_per_connection`: the connection was closed after an answer.
    RequestsPerConnection,
    /// `server.client_limits.streams_per_connection`: a stream of HTTP/2 was refused.
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
