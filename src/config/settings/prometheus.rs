//! `prometheus`: where to learn what other processes used.
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::endpoint::Endpoint;

/// A Prometheus server that scrapes every process of the fleet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prometheus {
    pub endpoint: Endpoint,
    /// What it calls this host.
    pub instance: Option<Arc<str>>,
    pub poll: Duration,
    pub timeout: Duration,
    /// Labels that series must have to be counted, with their values.
    pub matchers: Vec<(String, String)>,
    /// Marked sensitive.
    pub authorization: Option<HeaderValue>,
}
