//! A plain record of the result of one request; telemetry, pool and limits read it.
mod cause;
mod failure;
mod limit;
mod trace;

use std::sync::Arc;
use std::time::Duration;

use crate::protocol::hub::usage::Usage;
use crate::protocol::{Dialect, UpstreamDialect};

pub use cause::Cause;
pub use failure::{Effect, FailureClass, Next, VendorEffect};
pub use limit::{Caps, Limit, Scope, Span, Unit, nano_usd};
pub use trace::Trace;

/// Everything that is known when a request has ended. Built exactly once per request.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The id that the client saw in `x-request-id`.
    pub request_id: String,
    /// The name of the client key; `None` = the request was refused before the key was known.
    pub key: Option<Arc<str>>,
    /// The project label, only if it occurs in the configuration.
    pub project: Option<Arc<str>>,
    /// The client's dialect; `None` for endpoints outside every dialect.
    pub client_dialect: Option<Dialect>,
    /// The dialect of the upstream that answered or failed last.
    pub upstream_dialect: Option<UpstreamDialect>,
    /// The HTTP method, for the access log.
    pub method: String,
    /// The path without the query, for the access log.
    pub path: String,
    /// The address of the client, after `trusted_proxies` is applied.
    pub client_ip: Option<std::net::IpAddr>,
    /// The client's `user-agent`, at most 256 bytes.
    pub user_agent: Option<String>,
    /// The headers of the request, one per line, without the values of those that carry credentials, and with long ones
    /// cut. `None` = nobody could see them. Code that shows them must also mask other text that looks like a
    /// credential.
    pub headers: Option<Box<[u8]>>,
    /// The number of messages in the request's conversation, including the new one; `None` = there is no conversation.
    pub messages: Option<u32>,
    /// A hash of the session, by which affinity works; `None` = the request has no session.
    pub session: Option<u64>,
    /// The client's name of the requested model.
    pub model_asked: Option<String>,
    /// The upstream's name of the model.
    pub model_served: Option<String>,
    /// The position of the matching route in the configuration; `None` = no route matched.
    pub route: Option<usize>,
    /// Names of the rewrites that applied, in order.
    pub rewrites: Vec<Arc<str>>,
    /// The pool that served the request.
    pub pool: Option<Arc<str>>,
    /// The account that answered, or failed last.
    pub account: Option<Arc<str>>,
    /// One entry per attempt, in order.
    pub attempts: Vec<AttemptRecord>,
    /// What affinity did for the account that answered; `None` = the request has no session.
    pub affinity: Option<Affinity>,
    /// The HTTP status that the client got; 499 = it left before a head was written.
    pub status: u16,
    /// How the exchange ended.
    pub end: End,
    /// Whether the client requested a stream.
    pub stream: bool,
    /// Tokens and other units, if any usage was stated or estimated.
    pub usage: Option<Usage>,
    /// The source of `usage`.
    pub usage_source: Option<UsageSource>,
    /// An addition of Weir's that the upstream refused, so that the request was repeated without it.
    pub refused_addition: Option<&'static str>,
    /// Whether the upstream stated an impossible usage, which was rejected.
    pub usage_refused: bool,
    /// The cost in USD; `None` = the model has no price, or nothing was used.
    pub cost_usd: Option<f64>,
    /// From the arrival of the request to the sending of the first content byte.
    pub time_to_first_token: Option<Duration>,
    /// From the arrival of the request to its end.
    pub duration: Duration,
    /// The time spent in Weir, without waiting for the client or an upstream.
    pub overhead: Duration,
    /// Fields that translation left out and whose absence may be noticed; the names are from a fixed set.
    pub dropped: Vec<&'static str>,
    /// Rules of the dialect that the upstream's answer broke; the names are from a fixed set.
    pub violations: Vec<&'static str>,
    /// Bytes of the request body as received.
    pub bytes_in: u64,
    /// Bytes of the answer as sent.
    pub bytes_out: u64,
    /// The limit of Weir's own because of which it was refused, with the scope.
    pub limit: Option<(Scope, Limit)>,
    /// A short description of the refusal or failure for the access log. It never contains a secret or an upstream's
    /// body.
    pub detail: Option<String>,
    /// The origin of the request if it was not a client: `console`.
    pub via: Option<&'static str>,
    /// The place in a trace, if traces are exported.
    pub trace: Option<Trace>,
}

impl Outcome {
    /// An outcome with this end and no other information.
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

/// One attempt at one account.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    /// The account tried.
    pub account: Arc<str>,
    /// Why it failed; `None` = it succeeded.
    pub failure: Option<FailureClass>,
    /// A more specific cause of the failure, if one is known.
    pub cause: Option<Cause>,
    /// From the arrival of the request to picking the account.
    pub after: Duration,
    /// From picking the account to the result (the head and the commit, or the failure).
    pub took: Duration,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum End {
    /// The client got a whole answer, which may be an upstream's own 4xx.
    Complete,
    /// The client closed the connection before the end.
    ClientGone,
    /// The upstream failed or reported an error, before or after the answer began.
    UpstreamError,
    /// The upstream's stream ended without its terminal marker.
    UpstreamEof,
    /// The upstream sent nothing for longer than `timeouts.idle`.
    Idle,
    /// Weir refused the request: authentication, limits, routing, or an unreadable request.
    Refused,
    /// Weir stopped before the answer was complete, or every account is drained.
    Drained,
    /// The upstream did not begin or did not complete the answer within its `timeouts`.
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
    /// The session's preferred account served.
    Hit,
    /// It is the first request of this session in this process.
    New,
    /// The preferred account is out; another account serves for now.
    Detour,
    /// The preferred account was out for longer than the lifetime of the prompt cache; the session moved to another
    /// account.
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

/// The source of a usage.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum UsageSource {
    /// The upstream stated the final usage.
    Reported,
    /// The answer broke off, or the client left. The usage is the one stated until then, or an estimate of the received
    /// part of the answer, whichever is larger.
    Partial,
    /// The upstream stated nothing; Weir estimated the usage.
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
