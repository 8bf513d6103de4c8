//! `trace`: where traces of requests are exported to.
use http::HeaderValue;

use super::endpoint::Endpoint;

/// An OpenTelemetry collector.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The base URL, without `/v1/traces`.
    pub endpoint: Endpoint,
    /// The share of requests without a trace of their own that are exported, from 0 to 1.
    pub share: f64,
    /// The `authorization` header, marked sensitive.
    pub authorization: Option<HeaderValue>,
}
