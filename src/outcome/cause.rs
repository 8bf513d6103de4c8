//! The cause of a failure, more precisely than its class: what an operator has to fix.

/// The cause of a failed attempt, if a specific one is known.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Cause {
    /// The answer broke off before its end.
    BrokeOff,
    /// There was no connection within `timeouts.connect`.
    ConnectTimeout,
    /// The host name could not be resolved.
    Dns,
    /// There was no head of an answer within `timeouts.first_byte`.
    FirstByteTimeout,
    /// An HTML page came instead of JSON: something in between answered.
    Html,
    /// The answer paused for longer than `timeouts.idle`.
    IdleTimeout,
    /// A whole answer came instead of the requested stream.
    NotAStream,
    /// The server does not speak HTTP, or another version of it.
    NotHttp,
    /// The egress proxy requires credentials, or refuses the given ones: 407.
    ProxyAuth,
    /// The egress proxy refuses the connection.
    ProxyRefused,
    /// The upstream redirects: `base_url` is not the address of the API.
    Redirect,
    /// The upstream's host refuses connections.
    Refused,
    /// The connection broke.
    Reset,
    /// The TLS handshake failed for another reason than those below.
    Tls,
    /// The certificate has expired, or is not valid yet.
    TlsExpired,
    /// The certificate is for another name.
    TlsName,
    /// The certificate is from an authority that this host does not trust.
    TlsUnknownCa,
    /// A stream came instead of the requested whole answer.
    UnaskedStream,
    /// The answer is compressed in an unsupported way, or differently from what its head states.
    Undecodable,
    /// No address of the host can be reached.
    Unreachable,
    /// The upstream read nothing more of the request for `timeouts.write`.
    WriteTimeout,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 21] = [
        Self::BrokeOff,
        Self::ConnectTimeout,
        Self::Dns,
        Self::FirstByteTimeout,
        Self::Html,
        Self::IdleTimeout,
        Self::NotAStream,
        Self::NotHttp,
        Self::ProxyAuth,
        Self::ProxyRefused,
        Self::Redirect,
        Self::Refused,
        Self::Reset,
        Self::Tls,
        Self::TlsExpired,
        Self::TlsName,
        Self::TlsUnknownCa,
        Self::UnaskedStream,
        Self::Undecodable,
        Self::Unreachable,
        Self::WriteTimeout,
    ];

    /// The word in the access log and in `/status/accounts`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BrokeOff => "broke_off",
            Self::ConnectTimeout => "connect_timeout",
            Self::Dns => "dns",
            Self::FirstByteTimeout => "first_byte_timeout",
            Self::Html => "html",
            Self::IdleTimeout => "idle_timeout",
            Self::NotAStream => "not_a_stream",
            Self::NotHttp => "not_http",
            Self::ProxyAuth => "proxy_auth",
            Self::ProxyRefused => "proxy_refused",
            Self::Redirect => "redirect",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Tls => "tls",
            Self::TlsExpired => "tls_expired",
            Self::TlsName => "tls_name",
            Self::TlsUnknownCa => "tls_unknown_ca",
            Self::UnaskedStream => "unasked_stream",
            Self::Undecodable => "undecodable",
            Self::Unreachable => "unreachable",
            Self::WriteTimeout => "write_timeout",
        }
    }

    /// What it means and what to do, for the log.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::BrokeOff => {
                "the answer ended before its end; look at the upstream and at what stands before it"
            }
            Self::ConnectTimeout => {
                "no connection came about in time; check `base_url` and firewalls, or raise `timeouts.connect`"
            }
            Self::Dns => "the name of the host does not resolve; check `base_url` and the resolver",
            Self::FirstByteTimeout => {
                "no answer began in time; raise `timeouts.first_byte` if the model is that slow"
            }
            Self::Html => {
                "a page came where JSON was expected; check `base_url` and proxies in between"
            }
            Self::IdleTimeout => {
                "the answer stood still for too long; raise `timeouts.idle` if the model is that slow"
            }
            Self::NotAStream => {
                "a whole answer came where a stream was asked for; look whether the upstream streams this model"
            }
            Self::NotHttp => {
                "what answers there speaks no HTTP/1.1; check scheme and port of `base_url`"
            }
            Self::ProxyAuth => "the egress proxy wants other credentials; check `egress`",
            Self::ProxyRefused => {
                "the egress proxy does not let the connection through; check `egress` and its rules"
            }
            Self::Redirect => "the upstream redirects; set `base_url` to where it redirects to",
            Self::Refused => {
                "the host refuses connections; check that the server runs, and the port in `base_url`"
            }
            Self::Reset => {
                "the connection broke; look at the upstream and at what stands before it"
            }
            Self::Tls => "the TLS handshake failed; check that `base_url` speaks TLS on this port",
            Self::TlsExpired => {
                "the certificate has expired or is not valid yet; renew it, or set the clock"
            }
            Self::TlsName => "the certificate is for another name; check the host in `base_url`",
            Self::TlsUnknownCa => {
                "the certificate's authority is not trusted here; add it to the trusted certificates of the system"
            }
            Self::UnaskedStream => {
                "a stream came where a whole answer was asked for; look at what stands between"
            }
            Self::Undecodable => {
                "the answer is compressed although it was asked not to be, in a way that cannot be read; look at what stands between"
            }
            Self::Unreachable => {
                "no address of the host can be reached; check routes and firewalls"
            }
            Self::WriteTimeout => {
                "the upstream took nothing more of the request; look at it and at what stands before it, or raise `timeouts.write` if the line is that slow"
            }
        }
    }
}
