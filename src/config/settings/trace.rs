//! `trace`: where requests are exported to as traces.
use http::HeaderValue;

use super::endpoint::Endpoint;

/// An OpenTelemetry collector.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Without `/v1/traces`.
    pub endpoint: Endpoint,
    /// Of the requests that come without a trace, from 0 to 1.
    pub share: f64,
    /// Marked sensitive.
    pub authorization: Option<HeaderValue>,
}
