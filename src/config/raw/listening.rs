//! `listen`, and what `server` says about connections of clients.
use std::time::Duration;

use super::mapping::mapping;
use super::setting::{Measure as _, Otherwise, Rule, Setting, hours, minutes, seconds};
use super::values::{Address, FilePath, Size, Span, Whole, Word, Words};
use crate::config::yaml::decode::{Field, Needed};
use crate::config::{ProxyProtocol, TlsVersion};

mapping!("a listener: `{ addr: 0.0.0.0:8080 }`"
/// An address to listen on.
Listener {
    /// IP address and port. HTTP/1.1 and h2c; with `tls` HTTP/1.1 and h2 by ALPN.
    addr: Needed<Address>,
    /// Certificate and key; absent = plain text.
    tls: Field<Tls>,
    /// The version of the PROXY protocol (HAProxy) with which every connection begins. Only connections from `server.trusted_proxies` are accepted. Absent = connections do not begin with it.
    proxy_protocol: Field<Word<ProxyProtocol>>,
    /// Connections at once. Absent = as many as the descriptors of the process allow.
    max_connections: Field<Whole> = connections(),
});

mapping!("`{ cert: FILE, key: FILE }`"
/// A certificate and its key, PEM.
Tls {
    /// The certificate, followed by its chain.
    cert: Needed<FilePath>,
    /// The private key, unencrypted.
    key: Needed<FilePath>,
    /// The oldest version of TLS that is spoken.
    min_version: Setting<Word<TlsVersion>> = Word::or(TlsVersion::V12),
    /// The certificate authorities, PEM, whose client certificates are accepted. A client may connect without one; with one it is the key whose `keys[].certificate` names it. The admin plane then answers only clients with a certificate, except on /livez and /readyz. Absent = no certificate is requested.
    client_ca: Field<FilePath>,
});

mapping!("how long clients may take: `{ head: 30s }`"
/// How long clients may take.
ClientTimeouts {
    /// From the first byte of a request's head to its last.
    head: Setting<Span> = Span::or(seconds(30)).above(Duration::ZERO).up_to(minutes(10)),
    /// From one answer to the next request.
    keepalive: Setting<Span> = Span::or(seconds(75)).from(seconds(1)).up_to(hours(1)),
    /// Bytes per second at which a body must arrive, over any 30 s; 0B = at any rate, if it does not pause for so long.
    body_rate: Setting<Size> = Size::or(1 << 10).up_to(1 << 30),
    /// A TLS handshake.
    tls: Setting<Span> = Span::or(seconds(10)).above(Duration::ZERO).up_to(minutes(10)),
});

mapping!("how many connections and streams clients may have: `{ streams_per_connection: 100 }`"
/// How many connections and streams clients may have.
ConnectionLimits {
    /// Requests at once on one HTTP/2 connection.
    streams_per_connection: Setting<Whole> = Whole::or(100).from(1).up_to(10_000),
    /// Connections at once from one address; `server.trusted_proxies` are exempt. Absent = any number: whole companies share an address.
    connections_per_address: Field<Whole> = connections(),
    /// Requests that one connection carries before it is closed after an answer; `server.trusted_proxies` are exempt. Absent = any number.
    requests_per_connection: Field<Whole> = connections(),
});

fn connections() -> Rule<Whole, Otherwise> {
    Whole::otherwise("leave it out for no limit of its own")
        .from(1)
        .up_to(1_000_000)
}

impl Words for ProxyProtocol {
    const EXPECTED: &'static str = "a version of the PROXY protocol";
    const WORDS: &'static [(&'static str, Self)] = &[("v1", Self::V1), ("v2", Self::V2)];
}

impl Words for TlsVersion {
    const EXPECTED: &'static str = "a version of TLS";
    const WORDS: &'static [(&'static str, Self)] = &[("1.2", Self::V12), ("1.3", Self::V13)];
}
