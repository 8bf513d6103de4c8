//! What is to be served: an admitted request, with the configuration that it began with. Every attempt uses it.
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;

use super::Gateway;
use super::account_objects;
use super::admit::Admitted;
use super::echo;
use super::operation::{Endpoint, percent_decode};
use super::vendor_call::{Upload, VendorCall};
use super::verdict::Failed;
use crate::outcome::{FailureClass, Trace};
use crate::protocol::Dialect;

/// What is to be served. After it is made, only [`Order::keep`] changes it.
#[derive(Debug)]
pub(super) struct Order {
    pub gateway: Arc<Gateway>,
    pub admitted: Admitted,
    pub query: Option<String>,
    /// When the request began.
    pub began: Instant,
    /// The trace that the request belongs to, which upstreams are told.
    pub trace: Option<Trace>,
}

impl Order {
    /// The order for a request with this query.
    pub(super) fn new(
        gateway: Arc<Gateway>,
        mut admitted: Admitted,
        query: Option<&str>,
        now: Instant,
    ) -> Self {
        if admitted.previous_response.is_none() {
            let names =
                account_objects::named(&admitted.call, &admitted.body, admitted.body_scan());
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

    /// Whether the client wrote this phrase anywhere in its request, including these headers. An uploaded body is not
    /// held, so it is assumed to contain the phrase.
    pub(super) fn says(&self, headers: &HeaderMap, phrase: &str) -> bool {
        let admitted = &self.admitted;
        let target = [
            self.vendor_call().map(|vendor_call| &vendor_call.path),
            self.query.as_ref(),
        ];
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

    /// The body that is passed on as it arrives from the client, instead of one that was read before.
    pub(super) fn upload(&self) -> Option<Upload> {
        self.admitted.call.vendor_call.as_deref()?.upload
    }

    /// Whether the request only counts tokens.
    pub(super) fn is_count(&self) -> bool {
        self.admitted.call.endpoint == Endpoint::Count
    }

    /// Whether the request is for an endpoint other than generation.
    pub(super) fn is_vendor_call(&self) -> bool {
        self.admitted.call.endpoint == Endpoint::Vendor
    }

    /// The names in the request that, according to the error, are not known to the account.
    pub(super) fn missed(&self, failed: &Failed) -> Vec<String> {
        let Some(answer) = failed
            .answer
            .as_ref()
            .filter(|_| failed.failure.class == FailureClass::ClientFault)
        else {
            return Vec::new();
        };
        let admitted = &self.admitted;
        let named = account_objects::named(&admitted.call, &admitted.body, admitted.body_scan());
        let names = admitted.previous_response.iter().cloned().chain(named);
        account_objects::missed(answer.status, &answer.body, names)
    }

    /// The endpoint other than generation that the request is for.
    pub(super) fn vendor_call(&self) -> Option<&VendorCall> {
        self.admitted.call.vendor_call.as_deref()
    }

    /// Stores a translated response, if the client may continue it. Returns its id.
    pub(super) fn keep(&mut self, response: &Bytes) -> Option<String> {
        let bounds = self.gateway.config.responses?;
        let question = self.admitted.question.take()?;
        let (store, key) = (&self.gateway.store, &self.admitted.key.name);
        store.keep(bounds, key, question, response)
    }
}
