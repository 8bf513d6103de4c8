//! What can go wrong on the way to an answer, below HTTP and between its head and its end.
use crate::outcome::Cause;

/// What went wrong below HTTP, or between a head and its end.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fault {
    /// No connection within `timeouts.connect`.
    Connect,
    /// The name does not resolve.
    Dns,
    /// The stream ended without its terminal marker.
    Eof,
    /// No head within `timeouts.first_byte`.
    FirstByte,
    /// Silence for longer than `timeouts.idle`.
    Idle,
    /// A whole answer came where a stream was asked for.
    NotAStream,
    /// What answered is no HTTP.
    NotHttp,
    /// The peer refused the connection.
    Refused,
    /// The connection broke.
    Reset,
    /// The egress proxy wants other credentials.
    ProxyAuth,
    /// The egress proxy lets nothing through to the host.
    ProxyRefused,
    /// The handshake failed.
    Tls,
    TlsExpired,
    TlsName,
    TlsUnknownCa,
    /// A stream came where a whole answer was asked for.
    UnaskedStream,
    /// The answer is coded in a way that cannot be read here, or is not what it says.
    Undecodable,
    /// No address of the host can be reached.
    Unreachable,
    /// Nothing more of the request was taken for `timeouts.write`.
    Write,
}

impl Fault {
    /// What is behind an attempt that fails for it.
    pub(super) const fn cause(self) -> Cause {
        match self {
            Self::Connect => Cause::ConnectTimeout,
            Self::Dns => Cause::Dns,
            Self::Eof => Cause::BrokeOff,
            Self::FirstByte => Cause::FirstByteTimeout,
            Self::Idle => Cause::IdleTimeout,
            Self::NotAStream => Cause::NotAStream,
            Self::NotHttp => Cause::NotHttp,
            Self::ProxyAuth => Cause::ProxyAuth,
            Self::ProxyRefused => Cause::ProxyRefused,
            Self::Refused => Cause::Refused,
            Self::Reset => Cause::Reset,
            Self::Tls => Cause::Tls,
            Self::TlsExpired => Cause::TlsExpired,
            Self::TlsName => Cause::TlsName,
            Self::TlsUnknownCa => Cause::TlsUnknownCa,
            Self::UnaskedStream => Cause::UnaskedStream,
            Self::Undecodable => Cause::Undecodable,
            Self::Unreachable => Cause::Unreachable,
            Self::Write => Cause::WriteTimeout,
        }
    }
}
