//! Plain proxying of the endpoints that Weir does not interpret (files, batches, embeddings, …), through Pingora's
//! native path: the credential is swapped, nothing else.
//!
//! What such an endpoint makes (a file, a batch) lives on one account, so the account is chosen by the client's key:
//! the same key finds its things again.
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::Session;

use super::app::App;
use crate::config::{AffinityBy, ClientKey};
use crate::exchange::refusal::Refusal;
use crate::exchange::{Gateway, headers, target};
use crate::outcome::{Attempt, End, FailureClass, Outcome};
use crate::pool::affinity::{self, Traces};
use crate::pool::{ErrorFacts, Exhausted, Fault, Pick, Verdict, Want, classify, classify_transport};
use crate::protocol::Dialect;
use crate::protocol::error;

/// One request to a vendor endpoint.
pub(super) struct Vendor {
    gateway: Arc<Gateway>,
    key: Arc<ClientKey>,
    dialect: Dialect,
    pool: usize,
    pick: Option<Pick>,
    picked_at: Instant,
    refused: Option<Refusal>,
    /// What the client gets instead of the upstream's body.
    replacement: Option<Bytes>,
    failure: Option<FailureClass>,
    answered: bool,
}

impl Vendor {
    pub(super) fn new(gateway: Arc<Gateway>, key: Arc<ClientKey>, dialect: Dialect, pool: usize) -> Self {
        Self {
            gateway,
            key,
            dialect,
            pool,
            pick: None,
            picked_at: Instant::now(),
            refused: None,
            replacement: None,
            failure: None,
            answered: false,
        }
    }

    /// Chooses the account and finds its address.
    pub(super) fn peer(&mut self, app: &App, path: &str) -> Result<Box<HttpPeer>> {
        let now = Instant::now();
        let traces = Traces { key: Some(&self.key.name), ..Traces::default() };
        // `GET /v1/responses/{id}` belongs to the account that made the response.
        let response = path.strip_prefix("/v1/responses/").and_then(|rest| rest.split('/').next());
        let want = Want {
            pool: self.pool,
            pools: self.key.pools.as_deref(),
            model: "",
            any_model: true,
            dialect: Some(self.dialect),
            account: None,
            session: affinity::session(&traces, AffinityBy::Key),
            previous_response: response,
            tried: &[],
            tokens: 0,
            draw: app.draw(),
            insist: true,
        };
        let pick = match self.gateway.pool.pick(&want, now) {
            Ok(pick) => pick,
            Err(exhausted) => return self.refuse(refusal(self.dialect, &exhausted)),
        };
        let found = app.upstreams.target(&pick.account, pick.endpoint, &[]);
        self.picked_at = now;
        self.pick = Some(pick);
        match found {
            Some(target) => Ok(Box::new(target.peer.clone())),
            None => {
                self.fail(FailureClass::Transport, Fault::Dns, app);
                let class = FailureClass::Transport;
                self.refuse(Refusal::UpstreamFailed { class, retry_after: None })
            }
        }
    }
}
