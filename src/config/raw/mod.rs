//! The configuration file, member for member. Doc comments become the descriptions of the JSON Schema.
//!
//! A setting is declared once, here, with its default and its range; `compile` checks references and everything for
//! which a single member is not enough.
pub mod account;
pub mod alerts;
pub mod capabilities;
pub mod limits;
pub mod listening;
mod mapping;
mod measures;
pub mod oauth2;
pub mod oidc;
pub mod prices;
pub mod prometheus;
pub mod responses;
pub mod rewrite;
pub mod routing;
pub mod schema;
pub mod secret;
pub mod setting;
pub mod values;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::config::yaml::decode::{Field, Map, Needed, Section};
use crate::config::{AccessLog, AdminAddr, LogFormat, Role, Runtime};
use account::Account;
use alerts::Alerts;
use capabilities::Capabilities;
use limits::{ClientLimits, Ledger};
use listening::Listener;
use mapping::mapping;
use oidc::Oidc;
use prices::Prices;
use prometheus::Prometheus;
use responses::Responses;
use rewrite::Rewrite;
use routing::{ClientKey, Group, Pool, Project, Route};
use secret::RawSecret;
use setting::{Measure as _, Setting, hours, minutes, seconds};
use values::{
    AccessTarget, AdminAddress, Boolean, HostName, Name, Network, Number, Origin, OutputPath,
    Patience, Sha256, Size, Span, Text, Version, Whole, Word, Words, Zone,
};

mapping!("a configuration: a mapping that begins with `version: 1`"
/// The configuration of weir. Unknown keys are errors.
Raw {
    /// The version of this format: 1.
    #[expect(dead_code, reason = "decoding it is the check")]
    version: Needed<Version>,
    /// Files with parts of the lists (accounts, pools, routes, keys, groups, projects, rewrites, prices, capabilities):
    /// paths, or patterns such as `conf.d/*.yaml`. Relative ones begin at the directory of this file.
    #[expect(dead_code, reason = "the files were read before this is decoded")]
    include: Field<Vec<Field<Text>>>,
    /// Where clients connect. Default: one entry, 127.0.0.1:8080. A change needs a restart.
    listen: Field<Vec<Field<Listener>>>,
    /// The admin plane: metrics, health, status, reload. Absent = none. A change of its address needs a restart.
    admin: Field<Admin>,
    /// The web pages of the admin plane.
    console: Section<Console>,
    /// Settings of the process as a whole.
    server: Section<Server>,
    /// Credentials at upstreams. At least one.
    accounts: Needed<Vec<Field<Account>>>,
    /// Sets of accounts. Default: one named `default` with every account.
    pools: Field<Vec<Field<Pool>>>,
    /// Which request goes to which pool; the first match wins. Default: everything goes to the pool `default`.
    routes: Field<Vec<Field<Route>>>,
    /// Who may call.
    keys: Field<Vec<Field<ClientKey>>>,
    /// Serve requests without a key, as a key named `anonymous`.
    anonymous: Setting<Boolean> = Boolean::or(false),
    /// The page at /me of the data plane, on which the holder of a key sees its use, limits and errors.
    me: Setting<Boolean> = Boolean::or(false),
    /// Groups of keys.
    groups: Field<Vec<Field<Group>>>,
    /// Projects that requests name with `x-weir-project`. Once there is one here, keys may name no others.
    projects: Field<Vec<Field<Project>>>,
    /// What all clients together may ask for at most.
    limits: Field<ClientLimits>,
    /// The time zone whose days and months budgets go by, such as Europe/Berlin.
    timezone: Setting<Zone> = Zone::or(TimeZone::UTC),
    /// A file that remembers what clients used, over restarts. Absent = a restart forgets. A change needs a restart.
    ledger: Field<Ledger>,
    /// Who is told when a budget in USD comes near its end. Absent = nobody.
    alerts: Field<Alerts>,
    /// Client adapters: changes to requests and streams; every match applies, in order.
    rewrites: Field<Vec<Field<Rewrite>>>,
    /// Prices that override the built-in table; the first match wins. A list, or a mapping with `list` and what its currencies are worth.
    prices: Field<Prices>,
    /// What models accept, where the built-in table is wrong or silent. Of several entries that match, the first that
    /// gives a field decides it.
    capabilities: Field<Vec<Field<Capabilities>>>,
    /// Failover.
    retry: Section<Retry>,
    /// Keep-alives for clients that wait for a stream.
    keepalive: Section<Keepalive>,
    /// For clients of OpenAI Responses.
    responses: Section<Responses>,
    /// Logging.
    log: Section<Log>,
    /// A Prometheus server that knows what other processes used.
    prometheus: Field<Prometheus>,
    /// Traces of requests, for OpenTelemetry.
    trace: Field<Trace>,
    /// Responses over WebSocket.
    websocket: Section<WebSocket>,
});

mapping!("the settings of the admin plane"
/// The admin plane.
Admin {
    /// IP address and port, or `unix:/path`.
    addr: Setting<AdminAddress> = AdminAddress::or(AdminAddr::Tcp(DEFAULT_ADMIN)),
    /// Certificate and key, for an IP address and port; absent = plain text.
    tls: Field<listening::Tls>,
    /// Needed for anything that changes state, and for everything when the address is not loopback.
    token: Field<RawSecret>,
    /// Names under which the plane may be asked, beside those of loopback. On a loopback address any other is refused; elsewhere any other is refused once there is one here. Default none.
    hosts: Field<Vec<Field<HostName>>>,
    /// Who may use the admin plane, and for what, at most 1000. Default none.
    tokens: Field<Vec<Field<AdminToken>>>,
    /// An OpenID provider at which people sign in to the console. Default none.
    oidc: Field<Oidc>,
    /// A file that every change made through the plane is written to, one JSON object a line. Default none.
    audit: Field<OutputPath>,
    /// A directory of fragments that the plane itself writes, read after `include`: accounts, keys, groups and projects. Default `conf.d` in $STATE_DIRECTORY (systemd's), else none.
    #[expect(dead_code, reason = "the files were read before this is decoded")]
    fragments: Field<OutputPath>,
});

mapping!("a token: `{ name: NAME, sha256: DIGEST, role: operator }`"
/// Somebody who may use the admin plane.
AdminToken {
    /// Stands in the audit log.
    name: Needed<Name>,
    /// SHA-256 of the token, 64 hex digits.
    sha256: Needed<Sha256>,
    /// viewer reads; operator also drains, enables, resets, reloads and explains; admin may do everything.
    role: Needed<Word<Role>>,
});

impl Words for Role {
    const EXPECTED: &'static str = "a role";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("viewer", Self::Viewer),
        ("operator", Self::Operator),
        ("admin", Self::Admin),
    ];
}

mapping!("the settings of the console"
/// The web pages of the admin plane, and what they look at.
Console {
    /// Whether `/console` is served.
    enabled: Setting<Boolean> = Boolean::or(true),
    /// Requests that are over and kept in memory, in at most 8 MiB; 0 = none.
    recent: Setting<Whole> = Whole::or(5_000).from(0).up_to(100_000),
    /// Whether an admin may read and write the configuration itself through the admin plane.
    edit: Setting<Boolean> = Boolean::or(false),
});

impl Words for Runtime {
    const EXPECTED: &'static str = "a runtime";
    const WORDS: &'static [(&'static str, Self)] =
        &[("shared", Self::Shared), ("per-core", Self::PerCore)];
}

mapping!("the settings of the process"
/// Settings of the process as a whole.
Server {
    /// Worker threads; 0 = one per core. A change needs a restart.
    threads: Setting<Whole> = Whole::or(0).from(0).up_to(1_024),
    /// shared = the threads take work from each other; per-core = each has connections of its own, which suits many cores under an even load. A change needs a restart.
    runtime: Setting<Word<Runtime>> = Word::or(Runtime::Shared),
    /// Longest request body.
    max_body: Setting<Size> = Size::or(32 << 20).from(1 << 10).up_to(1 << 30),
    /// Longest file that passes to a vendor's endpoint for files; a longer one gets 413.
    max_upload: Setting<Size> = Size::or(512 << 20).from(1 << 10).up_to(1 << 40),
    /// Bytes of request bodies held at once, in all; above it 529 or 503 with Retry-After. Default a quarter of the memory limit of the control group, else of the machine's memory.
    max_buffered: Field<Size> = Size::otherwise("leave it out for a quarter of the memory").from(1 << 20),
    /// Requests served at once; above it 529 or 503 with Retry-After.
    max_concurrent_requests: Setting<Whole> = Whole::or(10_000).from(1).up_to(1_000_000),
    /// How long requests are still taken after SIGTERM, while /readyz says 503 already.
    drain_delay: Setting<Span> = Span::or(seconds(5)).up_to(hours(1)),
    /// How long running requests may go on after SIGTERM; 0s = not at all.
    drain_timeout: Setting<Span> = Span::or(minutes(10)).up_to(hours(24)),
    /// Whose X-Forwarded-For is believed. Default none.
    trusted_proxies: Field<Vec<Field<Network>>>,
    /// How long clients may take.
    client_timeouts: Section<listening::ClientTimeouts>,
    /// How many connections and streams clients may have.
    client_limits: Section<listening::ConnectionLimits>,
    /// Cross-origin requests from browsers. Absent = no CORS headers.
    cors: Field<Cors>,
});

mapping!("`{ allow_origins: [ … ] }`"
/// Cross-origin requests from browsers.
Cors {
    /// Exact origins, or `*`.
    allow_origins: Needed<Vec<Field<Origin>>>,
});

mapping!("the settings of failover"
/// Failover.
Retry {
    /// Attempts in all, the first included.
    max_attempts: Setting<Whole> = Whole::or(3).from(1).up_to(10),
    /// Retries may add at most this share of the traffic of the last 10 s.
    budget: Setting<Number> = Number::or(0.2).from(0.0).up_to(1.0),
    /// No attempt begins later than this after the request came.
    deadline: Setting<Span> = Span::or(minutes(1)).above(Duration::ZERO).up_to(hours(1)),
});

mapping!("the settings of keep-alives"
/// Keep-alives for clients that wait for a stream.
Keepalive {
    /// How long after a request the first one goes out if the upstream has not begun to answer: from 1s to 1h, or `off`. From then on the answer has the status 200, and a later failure is an event of the stream.
    before_head: Setting<Patience> = Patience::or(Some(seconds(45))),
});

mapping!("the settings of logging"
/// Logging.
Log {
    /// How the diagnostics of the process are written.
    format: Setting<Word<LogFormat>> = Word::or(LogFormat::Json),
    /// From which level on diagnostics are written.
    level: Setting<Word<Level>> = Word::or(Level("info")),
    /// The access log, one JSON line per request: `stdout`, `off` or the path of a file.
    access: Setting<AccessTarget> = AccessTarget::or(AccessLog::Stdout),
    /// Log request and response bodies, for debugging only.
    bodies: Setting<Boolean> = Boolean::or(false),
});

mapping!("a collector: `{ otlp: URL }`"
/// Where requests are exported to as traces, over OTLP/HTTP in JSON.
Trace {
    /// The collector's base URL, without `/v1/traces`.
    otlp: Needed<Text>,
    /// Sent as `Authorization: Bearer`.
    token: Field<RawSecret>,
    /// The share of requests that are exported, from 0 to 1. One that comes with a `traceparent` goes by that.
    share: Setting<Number> = Number::or(1.0).from(0.0).up_to(1.0),
});

mapping!("the settings of WebSockets"
/// Responses over WebSocket.
WebSocket {
    /// How long a socket may be open. It ends after the response that runs then.
    max_age: Setting<Span> = Span::or(hours(1)).above(Duration::ZERO).up_to(hours(24)),
});

/// A log level, by name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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

impl Level {
    /// Whether there is a level of this name.
    pub fn is(name: &str) -> bool {
        Self::WORDS.iter().any(|(word, _)| *word == name)
    }
}

impl Words for LogFormat {
    const EXPECTED: &'static str = "a log format";
    const WORDS: &'static [(&'static str, Self)] = &[("json", Self::Json), ("text", Self::Text)];
}

const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

/// A mapping from names to texts: headers, say.
pub type Texts<T> = Field<Map<T>>;
