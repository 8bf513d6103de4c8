//! Every refusal and every failure that a client sees in Weir's own words.
//!
//! There is one enum and one table: [`Refusal::wire`] decides kind and wording, `protocol::error` makes the envelope of
//! the caller's dialect. A refusal never contains an upstream's key, address or body.
use std::time::Duration;

use http::HeaderValue;
use http::header::{ALLOW, RETRY_AFTER};

use super::failure_messages::{exhausted, upstream_failed, whole_seconds};
use super::path;
use super::verdict::{self, Answer};
use crate::limits;
use crate::outcome::{End, FailureClass, Limit, Scope};
use crate::protocol::Dialect;
use crate::protocol::error::{self, ErrorKind, WireError};
use crate::protocol::json;

/// Why Weir does not give the answer that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// No pool that the key may use has the account that the request names.
    AccountUnknown {
        account: String,
    },
    /// The body is larger than this setting allows.
    BodyTooLarge {
        limit: usize,
        setting: &'static str,
    },
    /// The client was too slow in sending its body.
    BodyTimeout,
    /// The body could not be read or decoded.
    BodyUnreadable {
        why: String,
    },
    /// Readers may disagree on where the request goes or where it ends.
    Framing {
        why: &'static str,
    },
    /// The body is not JSON that can be read safely.
    Json(json::Fault),
    KeyCertificate,
    KeyExpired,
    KeyMissing,
    KeyUnknown,
    /// A limit of the key, of its group, of its project or of everyone is reached.
    Limited(limits::Refusal),
    /// The bodies held in memory have reached `server.max_buffered`.
    MemoryFull,
    /// A required member is missing or has the wrong type.
    Member {
        name: &'static str,
        expected: &'static str,
    },
    /// The key's `models` do not allow the model.
    ModelForbidden {
        model: String,
    },
    /// No account of the pool serves the model.
    ModelUnknown {
        model: String,
    },
    /// There is no route and no pool for this key.
    NoRoute,
    NotFound {
        path: String,
    },
    /// A web page of another origin sent the request without a key.
    OriginForbidden,
    /// The path can be read in more than one way.
    Path(path::Fault),
    /// The path with its query is longer than an upstream accepts.
    PathTooLong {
        limit: usize,
    },
    /// There are more requests at once than `server.max_concurrent_requests` allows.
    Overloaded,
    /// The key's `pools` do not allow the pool of the route.
    PoolForbidden,
    /// The key's `projects` do not allow the project.
    ProjectForbidden {
        project: String,
    },
    /// The process is ending.
    Draining,
    /// Every account that could serve the request is out, for this reason.
    Exhausted {
        class: FailureClass,
        retry_after: Option<Duration>,
    },
    /// The operator has drained everything that could serve the request: every account, or Weir itself.
    Drained,
    /// The request asks for something that the account's dialect cannot express.
    Untranslatable {
        param: String,
        message: String,
    },
    /// The last attempt failed and no other account may be tried.
    UpstreamFailed {
        class: FailureClass,
        retry_after: Option<Duration>,
    },
    /// An endpoint that is not routed by model was called with a key that is bound to models.
    VendorForbidden,
    /// No account in the pool speaks the dialect of the endpoint.
    VendorUnserved {
        dialect: Dialect,
    },
    /// `GET /v1/responses` without an upgrade to a WebSocket.
    WebSocket,
    WrongMethod {
        allowed: &'static str,
    },
}

impl Refusal {
    /// The answer in the caller's dialect.
    pub fn answer(&self, dialect: Dialect, request_id: &str) -> Answer {
        let mut wire = self.wire();
        wire.request_id = Some(request_id.to_owned());
        let status = match self {
            // For this status Codex falls back to plain HTTP at once, for others only slowly.
            Self::WebSocket => 426,
            Self::PathTooLong { .. } => 414,
            _ => error::status(dialect, wire.kind),
        };
        let mut answer = Answer::json(status, error::encode(dialect, &wire));
        if let Some(after) = wire.retry_after {
            answer
                .headers
                .insert(RETRY_AFTER, whole_seconds(after).into());
        }
        if let Some(retry) = self.should_retry() {
            let value = HeaderValue::from_static(if retry { "true" } else { "false" });
            answer.headers.insert("x-should-retry", value);
        }
        if let Self::WrongMethod { allowed } = self {
            answer
                .headers
                .insert(ALLOW, HeaderValue::from_static(allowed));
        }
        answer
    }

    /// A body that is read as a whole is too large.
    pub const fn too_large(limit: usize) -> Self {
        Self::BodyTooLarge {
            limit,
            setting: "server.max_body",
        }
    }

    /// There is nothing at this path. A path that is shown is cut to a length that fits into a log.
    pub fn not_found(path: &str) -> Self {
        Self::NotFound {
            path: path.chars().take(LONGEST_SHOWN).collect(),
        }
    }

    /// How the request ended, for the record.
    pub const fn end(&self) -> End {
        match self {
            Self::Drained | Self::Draining => End::Drained,
            Self::Exhausted { class, .. } | Self::UpstreamFailed { class, .. } => match class {
                FailureClass::Slow => End::Timeout,
                _ => End::UpstreamError,
            },
            _ => End::Refused,
        }
    }

    /// The error that ends a client's answer which broke off. In a dialect whose errors have no place for the request
    /// id, the message names it.
    pub fn last_words(end: End, client: Dialect, request_id: &str) -> WireError {
        Self::broken_off(end).in_stream(client, request_id)
    }

    /// The refusal as an error within a stream that has begun.
    pub fn in_stream(&self, client: Dialect, request_id: &str) -> WireError {
        verdict::in_stream(self.wire(), client, request_id)
    }

    /// Weir's own limit that was reached, and whose it is.
    pub const fn limit(&self) -> Option<(Scope, Limit)> {
        match self {
            Self::Limited(refusal) => Some((refusal.scope, refusal.limit)),
            Self::Overloaded => Some((Scope::Global, Limit::Concurrency)),
            _ => None,
        }
    }

    /// The refusal that stands for an answer that broke off.
    pub fn broken_off(end: End) -> Self {
        let class = match end {
            End::Drained => return Self::Draining,
            End::Idle | End::Timeout => FailureClass::Slow,
            _ => FailureClass::Truncated,
        };
        Self::UpstreamFailed {
            class,
            retry_after: None,
        }
    }

    /// The error to be sent, independent of the dialect.
    pub fn wire(&self) -> WireError {
        let mut wire = WireError::new(self.kind(), self.message());
        match self {
            Self::Member { name, .. } => wire.param = Some((*name).to_owned()),
            Self::Untranslatable { param, .. } if !param.is_empty() => {
                wire.param = Some(param.clone());
            }
            Self::Draining | Self::MemoryFull | Self::Overloaded => wire.retry_after = Some(SOON),
            Self::Drained => wire.retry_after = Some(WHEN_DRAINED),
            Self::Limited(refusal) => wire.retry_after = refusal.retry_after.or(Some(SOON)),
            Self::Exhausted { class, retry_after }
            | Self::UpstreamFailed { class, retry_after } => {
                // A model that was too slow once may be fast the next time.
                let soon = (*class == FailureClass::Slow).then_some(SOON);
                wire.retry_after = retry_after.or(soon);
            }
            _ => {}
        }
        wire
    }

    const fn kind(&self) -> ErrorKind {
        match self {
            Self::BodyTooLarge { .. } => ErrorKind::TooLarge,
            Self::BodyTimeout => ErrorKind::RequestTimeout,
            Self::BodyUnreadable { .. }
            | Self::Framing { .. }
            | Self::Json(_)
            | Self::Member { .. }
            | Self::Path(_)
            | Self::PathTooLong { .. }
            | Self::WebSocket => ErrorKind::InvalidRequest,
            Self::Untranslatable { .. } => ErrorKind::Unsupported,
            Self::WrongMethod { .. } => ErrorKind::MethodNotAllowed,
            Self::KeyCertificate | Self::KeyExpired | Self::KeyMissing | Self::KeyUnknown => {
                ErrorKind::Authentication
            }
            Self::AccountUnknown { .. } => ErrorKind::InvalidRequest,
            Self::ModelForbidden { .. }
            | Self::OriginForbidden
            | Self::PoolForbidden
            | Self::ProjectForbidden { .. }
            | Self::VendorForbidden => ErrorKind::Permission,
            Self::ModelUnknown { .. } => ErrorKind::ModelNotFound,
            Self::Limited(refusal) if refusal.is_final() => ErrorKind::Quota,
            Self::Limited(_) => ErrorKind::RateLimit,
            Self::NoRoute | Self::NotFound { .. } | Self::VendorUnserved { .. } => {
                ErrorKind::NotFound
            }
            Self::Draining | Self::MemoryFull | Self::Overloaded => ErrorKind::Overloaded,
            Self::Drained => ErrorKind::Unavailable,
            Self::Exhausted { class, .. } | Self::UpstreamFailed { class, .. } => class.kind(),
        }
    }

    fn message(&self) -> String {
        match self {
            Self::AccountUnknown { account } => format!(
                "no account of the pools that this API key may use is named {account:?} (`x-weir-account`)"
            ),
            Self::BodyTooLarge { limit, setting } => {
                format!(
                    "the request body is larger than {limit} bytes, which is what this proxy accepts (`{setting}`)"
                )
            }
            Self::BodyTimeout => "the request body did not arrive in time; send it again".into(),
            Self::BodyUnreadable { why } => format!("the request body cannot be read: {why}"),
            Self::Framing { why } => format!("this request is not framed as it must be: {why}"),
            Self::Json(fault) => fault.to_string(),
            Self::KeyCertificate => {
                "this API key is only good with its client certificate; connect to the listener that asks for one, and show it".into()
            }
            Self::KeyExpired | Self::KeyUnknown => {
                "this API key is not valid here; ask the operator of this proxy for one".into()
            }
            Self::KeyMissing => {
                "no API key was sent; send it as `Authorization: Bearer KEY` or `x-api-key: KEY`"
                    .into()
            }
            Self::Limited(refusal) => refusal.to_string(),
            Self::Member { name, expected } => format!("`{name}` must be {expected}"),
            Self::ModelForbidden { model } => {
                format!(
                    "this API key may not use the model `{model}`; GET /v1/models lists what it may use"
                )
            }
            Self::ModelUnknown { model } => {
                format!("the model `{model}` is not served here; GET /v1/models lists what is")
            }
            Self::NoRoute => {
                "no route leads anywhere for this request; GET /v1/models lists what is served"
                    .into()
            }
            Self::MemoryFull => {
                "this proxy is holding as large requests as it may; try again shortly".into()
            }
            Self::NotFound { path } => format!(
                "there is nothing at {path}; models are called at /v1/messages, /v1/chat/completions, /v1/responses and /v1beta/models/MODEL:generateContent, and GET /v1 lists all endpoints"
            ),
            Self::OriginForbidden => {
                "web pages of other origins are served only with an API key, or when `server.cors.allow_origins` names theirs"
                    .into()
            }
            Self::Path(fault) => format!("this path cannot be served: {fault}"),
            Self::PathTooLong { limit } => {
                format!("the path and its query are longer than {limit} bytes")
            }
            Self::Draining => "this proxy is being restarted; send the request again".into(),
            Self::Overloaded => {
                "this proxy is serving as many requests as it may; try again shortly".into()
            }
            Self::Drained => {
                "whatever could serve this is being taken out of service; try again shortly".into()
            }
            Self::Untranslatable { param, message } if param.is_empty() => message.clone(),
            Self::Untranslatable { param, message } => format!("{param}: {message}"),
            Self::PoolForbidden => {
                "this API key may not use the pool that this request is routed to".into()
            }
            Self::ProjectForbidden { project } => {
                let project: String = project.chars().take(64).collect();
                format!(
                    "this API key may not use the project {project:?} (`x-weir-project`); GET /v1/projects lists what it may use"
                )
            }
            Self::Exhausted { class, retry_after } => exhausted(*class, *retry_after),
            Self::UpstreamFailed { class, .. } => upstream_failed(*class).into(),
            Self::VendorForbidden => {
                "this API key is bound to certain models, and this endpoint names none; the operator can open it with `files: true` of the key"
                    .into()
            }
            Self::VendorUnserved { dialect } => {
                format!("no account here speaks {dialect}, to which this endpoint belongs")
            }
            Self::WebSocket => {
                "this takes an upgrade to a WebSocket (version 13, HTTP/1.1); otherwise POST /v1/responses".into()
            }
            Self::WrongMethod { allowed } => format!("this path takes {allowed}"),
        }
    }

    /// The value of `x-should-retry`, where the SDK's default would be wrong: `false` where the same request would be
    /// refused again. Claude Code retries even a 401 for minutes.
    fn should_retry(&self) -> Option<bool> {
        match self {
            Self::Exhausted {
                class: FailureClass::Quota,
                retry_after,
            }
            | Self::UpstreamFailed {
                class: FailureClass::Quota,
                retry_after,
            } => Some(retry_after.is_some_and(|after| after <= NEAR)),
            Self::Exhausted { class, .. } | Self::UpstreamFailed { class, .. } => match class {
                FailureClass::Auth | FailureClass::ClientFault | FailureClass::ContextLength => {
                    Some(false)
                }
                _ => None,
            },
            Self::Limited(refusal) => refusal.is_final().then_some(false),
            // These conditions pass by themselves; 426 is for a client that continues with plain HTTP.
            Self::BodyTimeout
            | Self::BodyUnreadable { .. }
            | Self::Drained
            | Self::Draining
            | Self::MemoryFull
            | Self::Overloaded
            | Self::WebSocket => None,
            Self::AccountUnknown { .. }
            | Self::BodyTooLarge { .. }
            | Self::Json(_)
            | Self::KeyCertificate
            | Self::KeyExpired
            | Self::KeyMissing
            | Self::KeyUnknown
            | Self::Member { .. }
            | Self::ModelForbidden { .. }
            | Self::ModelUnknown { .. }
            | Self::NoRoute
            | Self::NotFound { .. }
            | Self::OriginForbidden
            | Self::Path(_)
            | Self::PathTooLong { .. }
            | Self::PoolForbidden
            | Self::ProjectForbidden { .. }
            | Self::Untranslatable { .. }
            | Self::VendorForbidden
            | Self::VendorUnserved { .. }
            | Self::Framing { .. }
            | Self::WrongMethod { .. } => Some(false),
        }
    }
}

/// The most characters of a path in a refusal.
const LONGEST_SHOWN: usize = 256;

/// The wait for a client where capacity may become free at any time.
const SOON: Duration = Duration::from_secs(1);

/// The wait for a client during an operator's work: another process or account takes over within seconds.
const WHEN_DRAINED: Duration = Duration::from_secs(5);

/// A quota that resets within this time is worth an SDK's own retry.
const NEAR: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn should_retry(refusal: &Refusal) -> Option<String> {
        let answer = refusal.answer(Dialect::Anthropic, "req-1");
        let value = answer.headers.get("x-should-retry")?;
        value.to_str().ok().map(str::to_owned)
    }

    #[test]
    fn what_a_retry_cannot_mend_says_so() {
        for refusal in [
            Refusal::KeyUnknown,
            Refusal::KeyCertificate,
            Refusal::KeyExpired,
            Refusal::KeyMissing,
            Refusal::too_large(1),
            Refusal::ModelForbidden { model: "m".into() },
            Refusal::UpstreamFailed {
                class: FailureClass::Auth,
                retry_after: None,
            },
        ] {
            assert_eq!(
                should_retry(&refusal).as_deref(),
                Some("false"),
                "{refusal:?}"
            );
        }
    }

    #[test]
    fn what_passes_by_itself_is_left_to_the_sdk() {
        for refusal in [
            Refusal::Overloaded,
            Refusal::BodyTimeout,
            Refusal::UpstreamFailed {
                class: FailureClass::Transport,
                retry_after: None,
            },
        ] {
            assert_eq!(should_retry(&refusal), None, "{refusal:?}");
        }
    }
}
