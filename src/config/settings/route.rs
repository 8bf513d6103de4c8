//! `routes`: conditions on a request, and the pool for it. Rewrites have conditions of the same kind.
use std::sync::Arc;

use http::HeaderName;

use super::Glob;
use crate::protocol::Dialect;

/// One route: when it matches, the pool and the model.
#[derive(Clone, Debug)]
pub struct Route {
    /// The conditions on the request; empty = it always matches.
    pub when: When,
    /// The pool, as a position in [`Config::pools`](super::Config::pools).
    pub pool: usize,
    /// The new name of the model; `None` = it keeps its name.
    pub model: Option<Arc<str>>,
    /// The only account of the pool to use, also with weight 0; `None` = the pool chooses.
    pub account: Option<Arc<str>>,
}

/// The conditions on a request; all given ones must hold.
#[derive(Clone, Debug, Default)]
pub struct When {
    /// The client's name of the model.
    pub model: Option<Glob>,
    /// The client's dialect.
    pub dialect: Option<Dialect>,
    /// The name of the client's key.
    pub key: Option<Glob>,
    /// The group of that key; a key without one does not match.
    pub group: Option<Glob>,
    /// The `user-agent` header; a request without one does not match.
    pub user_agent: Option<Glob>,
    /// Headers with the patterns of their values; each must be present and match.
    pub header: Vec<(HeaderName, Glob)>,
    /// Whether a stream is requested.
    pub stream: Option<bool>,
    /// The project of the request; a request without one does not match.
    pub project: Option<Glob>,
    /// The share of a budget that must be exceeded, from 0 to 1.
    pub budget_used_over: Option<f64>,
    /// Whether the request asks for reasoning. For this condition and the next three, the body must be decoded.
    pub thinking: Option<bool>,
    /// The estimated number of prompt tokens that must be exceeded.
    pub input_tokens_over: Option<u64>,
    /// Whether the prompt contains images.
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
