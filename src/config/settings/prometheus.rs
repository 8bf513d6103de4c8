//! `prometheus`: where to learn what other processes used.
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::endpoint::Endpoint;

/// A Prometheus server that scrapes every process of the fleet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prometheus {
    /// `prometheus.url`: the server; its path is that of the API without `/api/v1`.
    pub endpoint: Endpoint,
    /// What it calls this host.
    pub instance: Option<Arc<str>>,
    /// From one question to the next, 1 s to 5 min; default 15 s.
    pub poll: Duration,
    /// How long an answer may take, up to 1 min; default 5 s.
    pub timeout: Duration,
    /// Labels that series must have to be counted, with their values.
    pub matchers: Vec<(String, String)>,
    /// Marked sensitive.
    pub authorization: Option<HeaderValue>,
}
