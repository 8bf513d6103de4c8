//! Plain proxying of the endpoints that Weir does not interpret (files, batches, embeddings, …), through Pingora's
//! native path: the credential is swapped, nothing else.
//!
//! What such an endpoint makes (a file, a batch) lives on one account, so the account is chosen by the client's key:
//! the same key finds its things again.
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};

use super::relay::WRITE_TIMEOUT;
use super::state::app::{App, Snapshot};
use super::upstream::tokens::AccessTokens;
use crate::config::ClientKey;
use crate::credentials::Token;
use crate::exchange::refusal::Refusal;
use crate::exchange::{Gateway, headers, vendor};
use crate::outcome::{Attempt, End, FailureClass, Outcome};
use crate::pool::{Failure, Fault, Hints, Pick, classify, classify_transport};
use crate::protocol::Dialect;
use crate::protocol::error::ErrorKind;

/// One request to a vendor endpoint.
pub(super) struct Vendor {
    gateway: Arc<Gateway>,
    key: Arc<ClientKey>,
    dialect: Dialect,
    pool: usize,
    pick: Option<Pick>,
    /// The credential, where the account has no key of its own.
    token: Option<Token>,
    picked_at: Instant,
    refused: Option<Refusal>,
    /// What the client gets instead of the upstream's body.
    replacement: Option<Bytes>,
    failure: Option<FailureClass>,
}

impl Vendor {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        key: Arc<ClientKey>,
        dialect: Dialect,
        pool: usize,
    ) -> Self {
        Self {
            gateway,
            key,
            dialect,
            pool,
            pick: None,
            token: None,
            picked_at: Instant::now(),
            refused: None,
            replacement: None,
            failure: None,
        }
    }

    /// Chooses the account and finds its address and its credential.
    pub(super) async fn peer(
        &mut self,
        app: &App,
        snapshot: &Snapshot,
        path: &str,
    ) -> Result<Box<HttpPeer>> {
        let now = Instant::now();
        let want = vendor::want(&self.key, self.dialect, self.pool, path, app.draw());
        let pick = match self.gateway.pool.pick(&want, now) {
            Ok(pick) => pick,
            Err(exhausted) => return self.refuse(vendor::refusal(self.dialect, &exhausted)),
        };
        let found = snapshot.upstreams.target(&pick.account, pick.endpoint);
        let token = snapshot.tokens.token(&pick.account).await;
        self.picked_at = now;
        self.pick = Some(pick);
        match token {
            Ok(token) => self.token = token,
            Err(failure) => {
                self.note(&failure, app.draw());
                return self.refuse(unreachable());
            }
        }
        if let Some(target) = found {
            return Ok(Box::new(self.patient(target.http_peer().await)));
        }
        self.failed_below_http(Fault::Dns, app.draw());
        self.refuse(unreachable())
    }

    /// Waits for the upstream as long as the account allows. Pingora has one patience for the head and for each piece
    /// of the body: the longer of the two.
    fn patient(&self, mut peer: HttpPeer) -> HttpPeer {
        if let Some(pick) = &self.pick {
            let timeouts = pick.account.timeouts;
            peer.options.read_timeout = Some(timeouts.first_byte.max(timeouts.idle));
            peer.options.write_timeout = Some(WRITE_TIMEOUT);
        }
        peer
    }

    /// Rewrites the head that Pingora copied from the client.
    pub(super) fn request(&self, request: &mut RequestHeader) -> Result<()> {
        let Some(pick) = &self.pick else {
            return Error::e_explain(ErrorType::InternalError, "no account was picked");
        };
        let parts = vendor::head(
            self.dialect,
            (&pick.account, pick.endpoint, self.token.as_ref()),
            &request.method,
            &request.uri,
            &request.headers,
        );
        let Some(mut parts) = parts else {
            return Error::e_explain(
                ErrorType::InvalidHTTPHeader,
                "no such request can be written",
            );
        };
        parts.version = request.version;
        *request = RequestHeader::from(parts);
        Ok(())
    }

    /// The answer's head, for the client. What says something about the account is replaced.
    pub(super) fn response(
        &mut self,
        response: &mut ResponseHeader,
        tokens: &AccessTokens,
        dialect: Dialect,
        request_id: &str,
        own_headers: &HeaderMap,
        draw: u64,
    ) {
        let status = response.status.as_u16();
        let upstream = response.headers.clone();
        let (now, wall) = (Instant::now(), SystemTime::now());
        if let Some(pick) = &mut self.pick {
            pick.lease.observe(&upstream, now, wall);
            let kind = ErrorKind::of_status(status);
            let hints = Hints::of_status(self.dialect, status);
            let failure = classify(kind, &hints, &upstream, wall);
            if (400..600).contains(&status) {
                self.failure = Some(failure.class);
                // A token that was withdrawn is replaced, and says nothing else about the account.
                if status != 401 || !tokens.rejected(&pick.account, self.token.as_ref()) {
                    pick.lease.failed(&failure, now, draw);
                }
            } else {
                pick.lease.committed(now);
            }
        }
        let mut clean = headers::to_client(&upstream);
        headers::hide_limits(&mut clean);
        if status == 401 || status >= 500 {
            let class = self.failure.unwrap_or(FailureClass::ServerError);
            let refusal = Refusal::UpstreamFailed {
                class,
                retry_after: None,
            };
            let answer = refusal.answer(dialect, request_id);
            let _ = response.set_status(answer.status);
            clean.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            clean.insert(CONTENT_LENGTH, answer.body.len().into());
            self.replacement = Some(answer.body);
        } else {
            for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
                if let Some(value) = upstream.get(&name) {
                    clean.insert(name, value.clone());
                }
            }
        }
        for (name, value) in own_headers {
            clean.insert(name.clone(), value.clone());
        }
        replace_headers(response, clean);
    }

    /// The answer's body, for the client.
    pub(super) fn response_body(&mut self, body: &mut Option<Bytes>, end: bool) {
        if let Some(replacement) = &mut self.replacement {
            *body = if end {
                Some(std::mem::take(replacement))
            } else {
                None
            };
        }
    }

    /// Why there is no answer.
    pub(super) fn failed(&mut self, error: &Error, max_body: usize, draw: u64) -> Refusal {
        if *error.etype() == ErrorType::HTTPStatus(413) {
            return Refusal::BodyTooLarge { limit: max_body };
        }
        if let Some(refusal) = self.refused.take() {
            return refusal;
        }
        let fault = match error.etype() {
            ErrorType::ConnectRefused => Fault::Refused,
            ErrorType::ConnectTimedout => Fault::Connect,
            ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert => Fault::Tls,
            ErrorType::ReadTimedout => Fault::FirstByte,
            _ => Fault::Reset,
        };
        self.failed_below_http(fault, draw);
        Refusal::UpstreamFailed {
            class: self.failure.unwrap_or(FailureClass::Transport),
            retry_after: None,
        }
    }

    /// How it ended.
    pub(super) fn end(&mut self, error: Option<&Error>) -> End {
        match error {
            None if self
                .failure
                .is_some_and(|class| class != FailureClass::ClientFault) =>
            {
                End::UpstreamError
            }
            None => {
                if let Some(pick) = &mut self.pick
                    && self.failure.is_none()
                {
                    pick.lease.completed(Instant::now());
                }
                End::Complete
            }
            Some(error) if *error.etype() == ErrorType::HTTPStatus(413) => End::Refused,
            Some(error) if *error.esource() == ErrorSource::Downstream => End::ClientGone,
            Some(_) => End::UpstreamError,
        }
    }

    /// Time since the account was chosen: Pingora does the rest, and all of that is waiting.
    pub(super) fn waited(&self) -> Duration {
        self.pick
            .as_ref()
            .map_or(Duration::ZERO, |_| self.picked_at.elapsed())
    }

    /// The account that was asked.
    pub(super) fn account(&self) -> Option<Arc<str>> {
        let pick = self.pick.as_ref()?;
        Some(Arc::clone(&pick.account.name))
    }

    /// Takes what is known over into the record of the request.
    pub(super) fn describe(&self, outcome: &mut Outcome) {
        outcome.client_dialect = Some(self.dialect);
        let Some(pick) = &self.pick else { return };
        outcome.upstream_dialect = Some(self.dialect);
        outcome.account = Some(pick.account.name.clone());
        outcome.pool = self
            .gateway
            .config
            .pools
            .get(pick.pool)
            .map(|pool| pool.name.clone());
        outcome.attempts = vec![Attempt {
            account: pick.account.name.clone(),
            failure: self.failure,
            took: self.picked_at.elapsed(),
        }];
    }

    fn failed_below_http(&mut self, fault: Fault, draw: u64) {
        self.note(&classify_transport(fault, false), draw);
    }

    fn note(&mut self, failure: &Failure, draw: u64) {
        self.failure = Some(failure.class);
        if let Some(pick) = &mut self.pick {
            pick.lease.failed(failure, Instant::now(), draw);
        }
    }

    fn refuse<T>(&mut self, refusal: Refusal) -> Result<T> {
        self.refused = Some(refusal);
        Error::e_explain(ErrorType::InternalError, "refused")
    }
}

/// `ResponseHeader` keeps the case of names beside the map: it has to be told of each.
fn replace_headers(response: &mut ResponseHeader, headers: HeaderMap) {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = response.status;
    parts.version = response.version;
    parts.headers = headers;
    *response = ResponseHeader::from(parts);
}

const fn unreachable() -> Refusal {
    Refusal::UpstreamFailed {
        class: FailureClass::Transport,
        retry_after: None,
    }
}
