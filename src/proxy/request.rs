//! The state of one request, from its head to its settlement.
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::protocols::l4::socket::SocketAddr;
use pingora_proxy::Session;

use super::charge::Charge;
use super::client::answer::write_answer;
use super::client::body::{self, BodyFault};
use super::client::buffered::BufferShare;
use super::client::pace::Pace;
use super::client::shown;
use super::clocks;
use super::state::app::{App, InFlight, Snapshot};
use crate::config::ClientKey;
use crate::exchange::admit::Admitted;
use crate::exchange::attempts::Attempts;
use crate::exchange::limits;
use crate::exchange::operation;
use crate::exchange::origin;
use crate::exchange::refusal::Refusal;
use crate::exchange::relaying::Answer;
use crate::limits::{Permit, Principal, Used};
use crate::outcome::{End, Outcome, Trace};
use crate::protocol::Dialect;
use crate::telemetry::Telemetry;
use crate::telemetry::rejection::Rejection;

/// One request, from its head to its settlement.
pub(super) struct Exchange {
    pub(super) arrived: Instant,
    /// Time spent waiting for the client or an upstream.
    pub(super) waited: Duration,
    pub(super) snapshot: Arc<Snapshot>,
    /// Settles when it is dropped, also when the client vanishes or the task is cancelled.
    pub(super) record: Record,
    /// The dialect of the answers that Weir writes itself.
    pub(super) dialect: Dialect,
    /// Headers of every answer: the request id, CORS.
    pub(super) own_headers: HeaderMap,
    /// The calling key, once it is known.
    pub(super) key: Option<Arc<ClientKey>>,
    pub(super) stage: Stage,
    /// What the request occupies of the limits of its key.
    pub(super) charge: Option<Charge>,
    pub(super) in_flight: Option<InFlight>,
    /// The bytes of `server.max_buffered` that its body occupies.
    pub(super) held: Option<BufferShare>,
}

pub(super) enum Stage {
    Relay(Box<Attempts>),
    /// Nothing is admitted: not yet, or not any more.
    Idle,
}

/// The outcome, which reaches telemetry exactly once.
pub(super) struct Record {
    pub(super) outcome: Outcome,
    telemetry: Arc<Telemetry>,
    /// Whether a request has begun. A connection that ends before has nothing to settle.
    begun: bool,
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.begun {
            let outcome = std::mem::replace(&mut self.outcome, Outcome::new(End::ClientGone));
            self.telemetry.settle(outcome, SystemTime::now());
        }
    }
}

impl Exchange {
    /// An exchange of which nothing is known yet.
    pub(super) fn new(snapshot: Arc<Snapshot>, telemetry: Arc<Telemetry>) -> Self {
        Self {
            arrived: Instant::now(),
            waited: Duration::ZERO,
            snapshot,
            record: Record {
                // Until something else is known, the end is that the client is gone: this is right when the exchange is
                // dropped half-way.
                outcome: Outcome::new(End::ClientGone),
                telemetry,
                begun: false,
            },
            dialect: Dialect::OpenaiChat,
            own_headers: HeaderMap::with_capacity(12),
            key: None,
            stage: Stage::Idle,
            charge: None,
            in_flight: None,
            held: None,
        }
    }

    /// The head has arrived: sets ids, dialect, and Weir's own headers.
    pub(super) fn begin(&mut self, app: &App, session: &mut Session) {
        session.set_write_timeout(Some(WRITE_TIMEOUT));
        if session.as_http1().is_some() {
            // Otherwise bytes of a next request would be taken for a protocol error.
            session.set_pipelining_enabled(true);
        }
        let peer = session
            .client_addr()
            .and_then(SocketAddr::as_inet)
            .map(std::net::SocketAddr::ip);
        let head = session.req_header();
        let id =
            origin::sane_request_id(&head.headers).map_or_else(|| app.request_id(), str::to_owned);
        if let Ok(value) = HeaderValue::from_str(&id) {
            self.own_headers
                .insert(const { HeaderName::from_static("x-request-id") }, value);
        }
        origin::add_cors(
            self.snapshot.gateway.config.server.cors.as_ref(),
            &head.headers,
            &mut self.own_headers,
        );
        self.dialect = operation::error_dialect(head.uri.path(), &head.headers);
        let outcome = &mut self.record.outcome;
        outcome.client_ip = origin::client_ip(&self.snapshot.gateway.config, peer, &head.headers);
        outcome.request_id = id;
        outcome.trace = self.snapshot.gateway.config.trace.as_ref().map(|trace| {
            let header = head.headers.get("traceparent");
            let header = header.and_then(|value| value.to_str().ok());
            Trace::of(header, [app.draw(), app.draw(), app.draw()], trace.share)
        });
        head.method.as_str().clone_into(&mut outcome.method);
        head.uri.path().clone_into(&mut outcome.path);
        let agent = head.headers.get(http::header::USER_AGENT);
        outcome.user_agent = agent
            .and_then(|agent| agent.to_str().ok())
            .map(|agent| agent[..agent.floor_char_boundary(LONGEST_AGENT)].to_owned());
        if self.snapshot.gateway.config.console.recent > 0 {
            outcome.headers = Some(shown::headers(&head.headers));
        }
        self.arrived = Instant::now();
        self.record.begun = true;
    }

    /// Marks that the request is not counted: it leaves the requests in flight and gets no access line.
    pub(super) fn leave_unsettled(&mut self) {
        self.record.begun = false;
        self.in_flight = None;
    }

    pub(super) fn note(&mut self, admitted: &Admitted) {
        let outcome = &mut self.record.outcome;
        outcome.model_asked = Some(admitted.model.clone()).filter(|model| !model.is_empty());
        outcome.stream = admitted.stream;
        outcome.messages = admitted.messages();
        outcome.route = admitted.route;
        outcome.rewrites = admitted.rewrites.names(&self.snapshot.gateway.config);
        outcome.pool = self
            .snapshot
            .gateway
            .config
            .pools
            .get(admitted.pool)
            .map(|pool| pool.name.clone());
        outcome.client_dialect = Some(admitted.call.dialect);
        outcome.session = admitted.session.map(|session| session.0);
        let outcome = &self.record.outcome;
        if let Some(in_flight) = &self.in_flight {
            in_flight.run().learn(|seen| {
                seen.model.clone_from(&outcome.model_asked);
                seen.stream = outcome.stream;
                seen.session = outcome.session;
                seen.pool.clone_from(&outcome.pool);
            });
        }
    }

    /// Shows whose request this is to viewers of the running requests.
    pub(super) fn show(&self) {
        let (Some(in_flight), outcome) = (&self.in_flight, &self.record.outcome) else {
            return;
        };
        in_flight.run().learn(|seen| {
            seen.request_id.clone_from(&outcome.request_id);
            seen.path.clone_from(&outcome.path);
            seen.key.clone_from(&outcome.key);
            seen.project.clone_from(&outcome.project);
        });
    }

    /// Reads the whole body, which is held until the exchange is over; `None` when the client is gone.
    pub(super) async fn read_body(
        &mut self,
        app: &App,
        session: &mut Session,
    ) -> Result<Option<Bytes>, Refusal> {
        let server = &self.snapshot.gateway.config.server;
        let began = Instant::now();
        let pace = Pace::new(server.client_timeouts.body_rate, began);
        let held = self.held.insert(app.hold());
        let client = &mut session.downstream_session;
        let body = body::read(client, server.max_body, pace, held).await;
        self.waited += began.elapsed();
        match body {
            Ok(body) => Ok(Some(body)),
            Err(BodyFault::Gone) => Ok(None),
            Err(BodyFault::Refused(refusal)) => {
                match refusal {
                    Refusal::BodyTimeout => app.places.rejected(Rejection::BodyRate),
                    Refusal::MemoryFull => app.places.rejected(Rejection::Memory),
                    _ => {}
                }
                // The rest of the body is unread, so the connection cannot carry another request.
                session.set_keepalive(None);
                Err(refusal)
            }
        }
    }

    pub(super) fn refuse(&mut self, refusal: &Refusal) -> Answer {
        self.record.outcome.end = refusal.end();
        self.record.outcome.detail = Some(refusal.wire().message);
        self.record.outcome.limit = refusal.limit();
        refusal.answer(self.dialect, &self.record.outcome.request_id)
    }

    /// Writes an answer that Weir makes itself.
    pub(super) async fn write(
        &mut self,
        session: &mut Session,
        answer: Answer,
    ) -> pingora::Result<()> {
        self.record.outcome.status = answer.status;
        if self.charge.is_none() {
            self.state_limits();
        }
        match write_answer(&mut session.downstream_session, &answer, &self.own_headers).await {
            Some(bytes) => {
                self.record.outcome.bytes_out += bytes;
                self.linger(session).await;
            }
            None => self.record.outcome.end = End::ClientGone,
        }
        Ok(())
    }

    /// Adds the state of the limits to the headers of every answer to a limited key.
    pub(super) fn state_limits(&mut self) {
        if let Some(key) = &self.key {
            let principal = self.principal(key);
            let (all, headers) = (&self.snapshot.gateway.limits, &mut self.own_headers);
            limits::headers(all, principal, self.dialect, clocks::moment(), headers);
        }
    }

    /// The subjects whose limits a request of `key` is under.
    pub(super) fn principal(&self, key: &ClientKey) -> Principal {
        let project = self.record.outcome.project.as_deref();
        self.snapshot.gateway.limits.principal(key.index, project)
    }

    /// Holds `permit` until the request of `key` is over.
    pub(super) fn charge(&mut self, app: &App, key: &Arc<ClientKey>, permit: Permit) {
        let project = self.record.outcome.project.clone();
        self.charge = Some(Charge::new(
            permit,
            key.clone(),
            project,
            app.ledger.clone(),
        ));
        self.state_limits();
    }

    /// Waits for a client that is still sending, so that it can read its answer. The request no longer counts as in
    /// flight.
    async fn linger(&mut self, session: &mut Session) {
        let client = &mut session.downstream_session;
        if client.is_body_done() || client.finish_body().await.is_err() {
            return;
        }
        self.in_flight = None;
        self.settle_charge();
        let began = Instant::now();
        body::discard(client).await;
        self.waited += began.elapsed();
    }

    /// Gives the permit back and counts what was used, unless the relay has done so.
    fn settle_charge(&mut self) {
        if let Some(charge) = self.charge.take() {
            let (used, who) = match &self.stage {
                Stage::Relay(attempts) => (attempts.used(), attempts.attribution()),
                Stage::Idle => (Used::default(), charge.of_key()),
            };
            charge.settle(&used, who);
        }
    }

    /// Copies what the attempts know into the outcome, and fixes the times.
    fn close(&mut self) {
        self.settle_charge();
        if let Stage::Relay(attempts) = &mut self.stage {
            attempts.describe(&mut self.record.outcome);
        }
        let outcome = &mut self.record.outcome;
        outcome.duration = self.arrived.elapsed();
        outcome.overhead = outcome.duration.saturating_sub(self.waited);
        if outcome.end == End::ClientGone && outcome.status == 0 {
            outcome.status = CLIENT_CLOSED;
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.close();
    }
}

/// The most bytes of the client's `user-agent` that are kept.
const LONGEST_AGENT: usize = 256;

/// The status in logs when the client left before it got one. No client ever sees it.
const CLIENT_CLOSED: u16 = 499;

/// How long one write to a client may take.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);
