//! What is to be served: a request that was admitted, with the configuration that it began with. Every attempt looks at it.
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;

use super::Gateway;
use super::admit::Admitted;
use super::echo;
use super::operation::{Endpoint, percent_decode};
use super::side::{Side, Upload};
use super::things;
use super::verdict::Failed;
use crate::outcome::{FailureClass, Trace};
use crate::protocol::Dialect;

/// What is to be served. Only [`Order::keep`] changes it once it stands.
#[derive(Debug)]
pub(super) struct Order {
    pub gateway: Arc<Gateway>,
    pub admitted: Admitted,
    pub query: Option<String>,
    /// When the request began.
    pub began: Instant,
    /// What upstreams are told of the trace that it belongs to.
    pub trace: Option<Trace>,
}

impl Order {
    /// For a request with this query.
    pub(super) fn new(
        gateway: Arc<Gateway>,
        mut admitted: Admitted,
        query: Option<&str>,
        now: Instant,
    ) -> Self {
        if admitted.previous_response.is_none() {
            let names = things::named(&admitted.call, &admitted.body, admitted.landmarks());
            admitted.previous_response = gateway.pool.held(names, now);
        }
        Self {
            gateway,
            admitted,
            query: query.map(str::to_owned),
            began: now,
            trace: None,
        }
    }

    /// The dialect of the client.
    pub(super) fn dialect(&self) -> Dialect {
        self.admitted.call.dialect
    }

    /// Whether the client wrote this phrase anywhere in its request, which had these headers. What passes is not held: it
    /// may hold anything.
    pub(super) fn says(&self, headers: &HeaderMap, phrase: &str) -> bool {
        let admitted = &self.admitted;
        let target = [self.side().map(|side| &side.path), self.query.as_ref()];
        self.upload().is_some()
            || echo::says(&admitted.body, phrase)
            || echo::joins(&admitted.body, phrase)
            || echo::says(admitted.model.as_bytes(), phrase)
            || target
                .into_iter()
                .flatten()
                .any(|text| echo::says(percent_decode(text).as_bytes(), phrase))
            || headers
                .values()
                .any(|value| echo::says(value.as_bytes(), phrase))
    }

    /// What goes to the upstream as it comes from the client, in place of a body that was read before.
    pub(super) fn upload(&self) -> Option<Upload> {
        self.admitted.call.side.as_deref()?.upload
    }

    /// Whether tokens are to be counted and nothing else.
    pub(super) fn is_count(&self) -> bool {
        self.admitted.call.endpoint == Endpoint::Count
    }

    /// Whether it is for an endpoint beside generation.
    pub(super) fn is_aside(&self) -> bool {
        self.admitted.call.endpoint == Endpoint::Side
    }

    /// What the client names that an error says is not known where it was asked for.
    pub(super) fn missed(&self, failed: &Failed) -> Vec<String> {
        let Some(answer) = failed
            .answer
            .as_ref()
            .filter(|_| failed.failure.class == FailureClass::ClientFault)
        else {
            return Vec::new();
        };
        let admitted = &self.admitted;
        let named = things::named(&admitted.call, &admitted.body, admitted.landmarks());
        let names = admitted.previous_response.iter().cloned().chain(named);
        things::missed(answer.status, &answer.body, names)
    }

    /// What it asks for beside generation.
    pub(super) fn side(&self) -> Option<&Side> {
        self.admitted.call.side.as_deref()
    }

    /// Keeps a translated response, if the client may go on from it; its id.
    pub(super) fn keep(&mut self, response: &Bytes) -> Option<String> {
        let bounds = self.gateway.config.responses?;
        let question = self.admitted.question.take()?;
        let (store, key) = (&self.gateway.store, &self.admitted.key.name);
        store.keep(bounds, key, question, response)
    }
}
