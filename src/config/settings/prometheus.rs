//! `prometheus`: the server that knows what other processes used.
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::endpoint::Endpoint;

/// A Prometheus server that scrapes every process of the fleet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prometheus {
    /// `prometheus.url`: the server; its path does not include `/api/v1`.
    pub endpoint: Endpoint,
    /// The `instance` label of this process.
    pub instance: Option<Arc<str>>,
    /// The time between two queries, 1 s to 5 min; default 15 s.
    pub poll: Duration,
    /// The timeout of a query, up to 1 min; default 5 s.
    pub timeout: Duration,
    /// Labels with the values that a series must have to be counted.
    pub matchers: Vec<(String, String)>,
    /// The `authorization` header, marked sensitive.
    pub authorization: Option<HeaderValue>,
}
