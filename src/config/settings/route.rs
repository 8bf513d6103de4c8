//! `routes`: conditions on a request, and where they lead. Rewrites have conditions of the same kind.
use std::sync::Arc;

use http::HeaderName;

use super::Glob;
use crate::protocol::Dialect;

/// One route: when it matches, the pool and the model.
#[derive(Clone, Debug)]
pub struct Route {
    pub when: When,
    /// Position in [`Config::pools`](super::Config::pools).
    pub pool: usize,
    /// Renames the model for the upstream.
    pub model: Option<Arc<str>>,
    /// The only account of the pool that is asked, also with weight 0.
    pub account: Option<Arc<str>>,
}

/// All given conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct When {
    pub model: Option<Glob>,
    pub dialect: Option<Dialect>,
    pub key: Option<Glob>,
    pub group: Option<Glob>,
    pub user_agent: Option<Glob>,
    /// Every one must be present and match.
    pub header: Vec<(HeaderName, Glob)>,
    pub stream: Option<bool>,
    pub project: Option<Glob>,
    /// A share, from 0 to 1.
    pub budget_used_over: Option<f64>,
    /// The four that need the request to be read as its dialect reads it.
    pub thinking: Option<bool>,
    pub input_tokens_over: Option<u64>,
    pub images: Option<bool>,
    pub web_search: Option<bool>,
}

impl When {
    /// Whether it always holds.
    pub fn is_empty(&self) -> bool {
        self.model.is_none()
            && self.dialect.is_none()
            && self.key.is_none()
            && self.group.is_none()
            && self.user_agent.is_none()
            && self.header.is_empty()
            && self.stream.is_none()
            && self.project.is_none()
            && self.budget_used_over.is_none()
            && self.thinking.is_none()
            && self.input_tokens_over.is_none()
            && self.images.is_none()
            && self.web_search.is_none()
    }
}
