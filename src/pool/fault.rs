//! What can go wrong below HTTP, or between the head and the end of an answer.
use crate::outcome::Cause;

/// What went wrong below HTTP, or between the head and the end of an answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fault {
    /// No connection was made within `timeouts.connect`.
    Connect,
    /// The name of the host does not resolve.
    Dns,
    /// The stream ended without its terminal marker.
    Eof,
    /// No response head came within `timeouts.first_byte`.
    FirstByte,
    /// The upstream was silent for longer than `timeouts.idle`.
    Idle,
    /// A whole answer came where a stream was asked for.
    NotAStream,
    /// The peer does not speak HTTP.
    NotHttp,
    /// The peer refused the connection.
    Refused,
    /// The connection broke.
    Reset,
    /// The egress proxy demands other credentials.
    ProxyAuth,
    /// The egress proxy does not let connections through to the host.
    ProxyRefused,
    /// The TLS handshake failed.
    Tls,
    TlsExpired,
    TlsName,
    TlsUnknownCa,
    /// A stream came where a whole answer was asked for.
    UnaskedStream,
    /// The answer has a content coding that Weir cannot decode, or is not what its headers say.
    Undecodable,
    /// No address of the host can be reached.
    Unreachable,
    /// The upstream accepted no more bytes of the request for `timeouts.write`.
    Write,
}

impl Fault {
    /// The cause of an attempt that fails because of this fault.
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
