//! A plain record of what happened to one request; telemetry, pool and limits read it.
mod cause;
mod failure;
mod limit;
mod trace;

use std::sync::Arc;
use std::time::Duration;

use crate::protocol::hub::usage::Usage;
use crate::protocol::{Dialect, UpstreamDialect};

pub use cause::Cause;
pub use failure::{Aside, Effect, FailureClass, Next};
pub use limit::{Caps, Limit, Scope, Span, Unit, nano_usd};
pub use trace::Trace;

/// Everything that is known when a request is over. Built exactly once per request.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The id that the client saw in `x-request-id`.
    pub request_id: String,
    /// The name of the client key; `None` when the request was refused before it was known.
    pub key: Option<Arc<str>>,
    /// The project label, only if it occurs in the configuration.
    pub project: Option<Arc<str>>,
    /// What the client speaks; `None` for endpoints outside every dialect.
    pub client_dialect: Option<Dialect>,
    /// What the upstream that answered (or failed last) speaks.
    pub upstream_dialect: Option<UpstreamDialect>,
    /// The HTTP method and path (without query), for the access log.
    pub method: String,
    /// See `method`.
    pub path: String,
    /// The address of the client, `trusted_proxies` applied.
    pub client_ip: Option<std::net::IpAddr>,
    /// What the client says that it is, in at most 256 bytes.
    pub user_agent: Option<String>,
    /// The headers of the request, a line each, without the values of those that carry credentials, long ones cut; `None` where
    /// nobody can look. Whoever shows them masks what else looks like a credential.
    pub headers: Option<Box<[u8]>>,
    /// Messages of the conversation in the request, the new one included; `None` where there is no conversation.
    pub messages: Option<u32>,
    /// What affinity goes by, hashed; `None` = the request has no session.
    pub session: Option<u64>,
    /// The model that the client asked for.
    pub model_asked: Option<String>,
    /// The model that the upstream was asked for.
    pub model_served: Option<String>,
    /// Position of the matching route in the configuration; `None` when none matched.
    pub route: Option<usize>,
    /// Names of the rewrites that applied, in order.
    pub rewrites: Vec<Arc<str>>,
    /// The pool that served.
    pub pool: Option<Arc<str>>,
    /// The account that answered, or failed last.
    pub account: Option<Arc<str>>,
    /// One entry per attempt, in order.
    pub attempts: Vec<AttemptRecord>,
    /// What affinity did for the account that answered; `None` when the request has no session.
    pub affinity: Option<Affinity>,
    /// The HTTP status that the client got; 499 when it left before a head was written.
    pub status: u16,
    /// How it ended.
    pub end: End,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// Tokens, when any usage was seen or estimated.
    pub usage: Option<Usage>,
    /// Where `usage` comes from.
    pub usage_source: Option<UsageSource>,
    /// What Weir had added to the request and the upstream refused, so that it was asked again without.
    pub refused_addition: Option<&'static str>,
    /// Whether the upstream stated figures that cannot be, which were not believed.
    pub usage_refused: bool,
    /// USD; `None` when the model has no price or nothing was used.
    pub cost_usd: Option<f64>,
    /// From the arrival of the request to its first content byte going out.
    pub time_to_first_token: Option<Duration>,
    /// From the arrival of the request to its end.
    pub duration: Duration,
    /// Time in Weir, not waiting for the client or an upstream.
    pub overhead: Duration,
    /// Fields that translation left out and whose absence may be noticed, from a fixed set of names.
    pub dropped: Vec<&'static str>,
    /// Rules of its dialect that the upstream's answer broke, from a fixed set of names.
    pub violations: Vec<&'static str>,
    /// Bytes of the request body as received, and of the answer as sent.
    pub bytes_in: u64,
    /// See `bytes_in`.
    pub bytes_out: u64,
    /// The limit of Weir's own that refused it, if one did, and whose limit that is.
    pub limit: Option<(Scope, Limit)>,
    /// What the refusal or failure was, in a few words, for the access log. Never a secret, never an upstream body.
    pub detail: Option<String>,
    /// Who sent it, when no client did: `console`.
    pub via: Option<&'static str>,
    /// Where it stands in a trace, if traces are exported.
    pub trace: Option<Trace>,
}

impl Outcome {
    /// A request of which nothing is known but how it ends unless something else becomes known.
    pub fn new(end: End) -> Self {
        Self {
            request_id: String::new(),
            key: None,
            project: None,
            client_dialect: None,
            upstream_dialect: None,
            method: String::new(),
            path: String::new(),
            client_ip: None,
            user_agent: None,
            headers: None,
            messages: None,
            session: None,
            model_asked: None,
            model_served: None,
            route: None,
            rewrites: Vec::new(),
            pool: None,
            account: None,
            attempts: Vec::new(),
            affinity: None,
            status: 0,
            end,
            stream: false,
            usage: None,
            usage_source: None,
            refused_addition: None,
            usage_refused: false,
            cost_usd: None,
            time_to_first_token: None,
            duration: Duration::ZERO,
            overhead: Duration::ZERO,
            dropped: Vec::new(),
            violations: Vec::new(),
            bytes_in: 0,
            bytes_out: 0,
            limit: None,
            detail: None,
            via: None,
            trace: None,
        }
    }
}

/// One try at one account.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    /// The account tried.
    pub account: Arc<str>,
    /// `None` when it succeeded.
    pub failure: Option<FailureClass>,
    /// What was behind the failure, where there is more to say than its class.
    pub cause: Option<Cause>,
    /// From the arrival of the request to picking the account.
    pub after: Duration,
    /// From picking the account to its verdict (head and commit, or the failure).
    pub took: Duration,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum End {
    /// The client got a whole answer (which may be an upstream's own 4xx).
    Complete,
    /// The client closed first.
    ClientGone,
    /// The upstream failed or said an error, before or after the answer began.
    UpstreamError,
    /// The upstream's stream ended without its terminal marker.
    UpstreamEof,
    /// The upstream was silent for longer than `timeouts.idle`.
    Idle,
    /// Weir refused: authentication, limits, routing, an unreadable request.
    Refused,
    /// Weir stopped before the answer was whole, or every account is drained.
    Drained,
    /// The upstream did not begin to answer, or did not end, within the time that `timeouts` gives it.
    Timeout,
}

impl End {
    /// Every end, for registering metrics.
    pub const ALL: [Self; 8] = [
        Self::Complete,
        Self::ClientGone,
        Self::UpstreamError,
        Self::UpstreamEof,
        Self::Idle,
        Self::Refused,
        Self::Drained,
        Self::Timeout,
    ];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientGone => "client_gone",
            Self::UpstreamError => "upstream_error",
            Self::UpstreamEof => "upstream_eof",
            Self::Idle => "idle",
            Self::Refused => "refused",
            Self::Drained => "drained",
            Self::Timeout => "timeout",
        }
    }
}

/// What session affinity did.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Affinity {
    /// The session's favourite account served.
    Hit,
    /// First request of this session that this process sees.
    New,
    /// The favourite is out; another account serves for now.
    Detour,
    /// The favourite was out for longer than the prompt cache lives; the session moved.
    Rebind,
}

impl Affinity {
    /// Every result, for registering metrics.
    pub const ALL: [Self; 4] = [Self::Hit, Self::New, Self::Detour, Self::Rebind];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::New => "new",
            Self::Detour => "detour",
            Self::Rebind => "rebind",
        }
    }
}

/// Where usage figures come from.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum UsageSource {
    /// The upstream stated the final usage.
    Reported,
    /// The answer broke off, or the client left it: the figures are what had been stated until then, or what had come of the
    /// answer, whichever is more.
    Partial,
    /// Nothing was stated; counted by Weir.
    Estimated,
}

impl UsageSource {
    /// Every source, for registering metrics.
    pub const ALL: [Self; 3] = [Self::Reported, Self::Partial, Self::Estimated];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Partial => "partial",
            Self::Estimated => "estimated",
        }
    }
}
