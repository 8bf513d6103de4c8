//! The configuration file, member for member. Doc comments become the descriptions of the JSON Schema.
//!
//! Nothing is decided here: defaults, references and ranges are `compile`'s.
pub mod account;
pub mod capabilities;
pub mod limits;
pub mod oauth2;
pub mod prometheus;
pub mod rewrite;
pub mod routing;
pub mod secret;

use super::decode::{Field, Needed, mapping};
use super::values::{
    AccessTarget, Address, AdminAddress, Boolean, FilePath, HostName, Network, Number, Origin,
    Pattern, Size, Span, Version, Whole, Word, Words, Zone,
};
use super::{LogFormat, decode::Map};
use account::Account;
use capabilities::Capabilities;
use limits::{ClientLimits, Ledger};
use prometheus::Prometheus;
use rewrite::Rewrite;
use routing::{ClientKey, Group, Pool, Route};
use secret::RawSecret;

mapping!("a configuration: a mapping that begins with `version: 1`"
/// The configuration of weir. Unknown keys are errors.
Raw {
    /// The version of this format: 1.
    #[expect(dead_code, reason = "decoding it is the check")]
    version: Needed<Version>,
    /// Where clients connect. Default: one entry, 127.0.0.1:8080. A change needs a restart.
    listen: Field<Vec<Field<Listener>>>,
    /// The admin plane: metrics, health, status, reload. Absent = none. A change of its address needs a restart.
    admin: Field<Admin>,
    /// Settings of the process as a whole.
    server: Field<Server>,
    /// Credentials at upstreams. At least one.
    accounts: Needed<Vec<Field<Account>>>,
    /// Sets of accounts. Default: one named `default` with every account.
    pools: Field<Vec<Field<Pool>>>,
    /// Which request goes to which pool; the first match wins. Default: everything goes to the pool `default`.
    routes: Field<Vec<Field<Route>>>,
    /// Who may call.
    keys: Field<Vec<Field<ClientKey>>>,
    /// Serve requests without a key, as a key named `anonymous`. Default false.
    anonymous: Field<Boolean>,
    /// Groups of keys.
    groups: Field<Vec<Field<Group>>>,
    /// What all clients together may ask for at most.
    limits: Field<ClientLimits>,
    /// The time zone whose days and months budgets go by, such as Europe/Berlin. Default UTC.
    timezone: Field<Zone>,
    /// A file that remembers what clients used, over restarts. Absent = a restart forgets. A change needs a restart.
    ledger: Field<Ledger>,
    /// Client adapters: changes to requests and streams; every match applies, in order.
    rewrites: Field<Vec<Field<Rewrite>>>,
    /// Prices that override the built-in table; the first match wins.
    prices: Field<Vec<Field<Price>>>,
    /// What models accept, where the built-in table is wrong or silent. Of several entries that match, the first that
    /// gives a field decides it.
    capabilities: Field<Vec<Field<Capabilities>>>,
    /// Failover.
    retry: Field<Retry>,
    /// Logging.
    log: Field<Log>,
    /// A Prometheus server that knows what other processes used.
    prometheus: Field<Prometheus>,
});

mapping!("a listener: `{ addr: 0.0.0.0:8080 }`"
/// An address to listen on.
Listener {
    /// IP address and port. HTTP/1.1 and h2c; with `tls` HTTP/1.1 and h2 by ALPN.
    addr: Needed<Address>,
    /// Certificate and key; absent = plain text.
    tls: Field<Tls>,
});

mapping!("`{ cert: FILE, key: FILE }`"
/// A certificate and its key, PEM.
Tls {
    /// The certificate, followed by its chain.
    cert: Needed<FilePath>,
    /// The private key, unencrypted.
    key: Needed<FilePath>,
});

mapping!("the settings of the admin plane"
/// The admin plane.
Admin {
    /// IP address and port, or `unix:/path`. Default 127.0.0.1:9090.
    addr: Field<AdminAddress>,
    /// Needed for anything that changes state, and for everything when the address is not loopback.
    token: Field<RawSecret>,
    /// Names under which the plane may be asked, beside those of loopback. On a loopback address any other is refused; elsewhere any other is refused once there is one here. Default none.
    hosts: Field<Vec<Field<HostName>>>,
});

mapping!("the settings of the process"
/// Settings of the process as a whole.
Server {
    /// Worker threads, at most 1024. Default 0 = one per core. A change needs a restart.
    threads: Field<Whole>,
    /// Longest request body, from 1KiB to 1GiB. Default 32MiB.
    max_body: Field<Size>,
    /// Requests served at once, at most 1000000; above it 529 or 503 with Retry-After. Default 10000.
    max_concurrent_requests: Field<Whole>,
    /// How long running requests may go on after SIGTERM. Default 600s.
    drain_timeout: Field<Span>,
    /// Whose X-Forwarded-For is believed. Default none.
    trusted_proxies: Field<Vec<Field<Network>>>,
    /// Cross-origin requests from browsers. Absent = no CORS headers.
    cors: Field<Cors>,
});

mapping!("`{ allow_origins: [ … ] }`"
/// Cross-origin requests from browsers.
Cors {
    /// Exact origins, or `*`.
    allow_origins: Needed<Vec<Field<Origin>>>,
});

mapping!("a price: `{ model: PATTERN, input: USD, output: USD }`"
/// USD per million tokens.
Price {
    /// Which models.
    model: Needed<Pattern>,
    /// Input tokens that were neither read from nor written to a cache.
    input: Needed<Number>,
    /// Output tokens, reasoning included.
    output: Needed<Number>,
    /// Input tokens read from a cache. Default: as input.
    cache_read: Field<Number>,
    /// Input tokens written to a cache for five minutes. Default: as input.
    cache_write_5m: Field<Number>,
    /// Input tokens written to a cache for one hour. Default: as input.
    cache_write_1h: Field<Number>,
});

mapping!("the settings of failover"
/// Failover.
Retry {
    /// Attempts in all, the first included: 1 to 10. Default 3.
    max_attempts: Field<Whole>,
    /// Retries may add at most this share of the traffic: 0 to 1. Default 0.2.
    budget: Field<Number>,
    /// No attempt begins later than this after the request came. Default 60s.
    deadline: Field<Span>,
});

mapping!("the settings of logging"
/// Logging.
Log {
    /// Default json.
    format: Field<Word<LogFormat>>,
    /// Default info.
    level: Field<Word<Level>>,
    /// The access log, one JSON line per request: `stdout`, `off` or the path of a file. Default stdout.
    access: Field<AccessTarget>,
    /// Log request and response bodies, for debugging only. Default false.
    bodies: Field<Boolean>,
});

/// A log level, by name.
#[derive(Clone, Copy, Debug)]
pub struct Level(pub &'static str);

impl Words for Level {
    const EXPECTED: &'static str = "a log level";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("error", Self("error")),
        ("warn", Self("warn")),
        ("info", Self("info")),
        ("debug", Self("debug")),
        ("trace", Self("trace")),
    ];
}

impl Words for LogFormat {
    const EXPECTED: &'static str = "a log format";
    const WORDS: &'static [(&'static str, Self)] = &[("json", Self::Json), ("text", Self::Text)];
}

/// A mapping from names to texts: headers, say.
pub type Texts<T> = Field<Map<T>>;
