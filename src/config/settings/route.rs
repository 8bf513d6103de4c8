//! `routes`: conditions on a request, and where they lead. Rewrites have conditions of the same kind.
use std::sync::Arc;

use http::HeaderName;

use super::Glob;
use crate::protocol::Dialect;

/// One route: when it matches, the pool and the model.
#[derive(Clone, Debug)]
pub struct Route {
    /// What has to hold of the request; empty = it always matches.
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
    /// The client's name of the model.
    pub model: Option<Glob>,
    /// What the client speaks.
    pub dialect: Option<Dialect>,
    /// The name of the client's key.
    pub key: Option<Glob>,
    /// The group of that key; a key without one does not match.
    pub group: Option<Glob>,
    /// The header `user-agent`; a request without one does not match.
    pub user_agent: Option<Glob>,
    /// Every one must be present and match.
    pub header: Vec<(HeaderName, Glob)>,
    /// Whether a stream is asked for.
    pub stream: Option<bool>,
    /// What the request is for; one without a project does not match.
    pub project: Option<Glob>,
    /// A share, from 0 to 1.
    pub budget_used_over: Option<f64>,
    /// The four that need the request to be read as its dialect reads it.
    pub thinking: Option<bool>,
    /// The prompt is estimated at more tokens than this.
    pub input_tokens_over: Option<u64>,
    /// Whether the prompt shows pictures.
    pub images: Option<bool>,
    /// Whether the vendor's own web search is offered to the model.
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
