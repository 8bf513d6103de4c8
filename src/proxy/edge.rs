//! Implements `ProxyHttp`: the hooks in the order in which Pingora calls them, each a few lines long.
//!
//! ```text
//! request_filter          who calls, what they may, what they want; reads the body; sends Weir's own answers
//! proxy_upstream_filter   the relay: the answer has been written when this returns
//! fail_to_proxy           answers a failure that nobody has answered yet, in the caller's dialect
//! logging                 nothing: the record settles itself when the exchange is dropped
//! ```
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use pingora::modules::http::HttpModules;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};

use super::bridge::Bridge;
use super::client::{certified, shown};
use super::clocks;
use super::offered;
use super::own;
use super::reached::Left;
use super::recording::request::Recording;
use super::relay::Relay;
use super::request::{Exchange, Stage};
use super::serving::Serving;
use super::state::app::App;
use super::uploading::Uploading;
use super::websocket;
use crate::cases::recorded::Skipped;
use crate::config::ClientKey;
use crate::exchange::admit::{self, Arrived};
use crate::exchange::attempts::Attempts;
use crate::exchange::operation::{self, Local, ModelCall, Operation};
use crate::exchange::refusal::Refusal;
use crate::exchange::relaying::Answer;
use crate::exchange::{Gateway, framing, limits, local, me, origin};
use crate::outcome::{End, FailureClass};

/// The data plane.
pub(super) struct Edge {
    app: Arc<App>,
    /// The key under which all requests run, whatever they carry, because they come from inside the process.
    acting_as: Option<Arc<str>>,
    /// Serves the requests that arrive on a WebSocket. `None` for the edge that serves those requests.
    sockets: Option<websocket::Serve>,
}

impl Edge {
    pub(super) fn new(app: Arc<App>, sockets: Option<websocket::Serve>) -> Self {
        Self {
            app,
            acting_as: None,
            sockets,
        }
    }

    /// An edge for requests that a person sends from the console under the key of this name.
    pub(super) fn acting_as(app: Arc<App>, key: Arc<str>) -> Self {
        Self {
            app,
            acting_as: Some(key),
            sockets: None,
        }
    }

    /// Everything before an upstream is involved. `Err` is the refusal that the client gets.
    async fn receive(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
    ) -> Result<Received, Refusal> {
        if session.as_http1().is_some() {
            let head = session.req_header();
            if let Some(refusal) = framing::fault(head.version, &head.headers) {
                session.set_keepalive(None);
                return Err(refusal);
            }
        }
        let head = session.req_header();
        let target = head
            .uri
            .path_and_query()
            .map_or(0, |target| target.as_str().len());
        if target > LONGEST_TARGET {
            return Err(Refusal::PathTooLong {
                limit: LONGEST_TARGET,
            });
        }
        let operation = operation::operation(&head.method, head.uri.path(), &head.headers);
        if let Operation::Model(call) = &operation {
            exchange.record.outcome.client_dialect = Some(call.dialect);
        }
        if let Operation::Local(local) = &operation
            && local.is_public()
        {
            let has_page = exchange.snapshot.gateway.config.me;
            return match local {
                Local::Me(_) if !has_page => Err(Refusal::not_found(head.uri.path())),
                Local::Absent => {
                    let nothing = Refusal::not_found(head.uri.path());
                    let id = &exchange.record.outcome.request_id;
                    Ok(Received::Answer(nothing.answer(exchange.dialect, id)))
                }
                local => Ok(Received::Answer(self.public(local))),
            };
        }
        let config = exchange.snapshot.gateway.config.clone();
        let cors = config.server.cors.as_ref();
        if let Some(preflight) = origin::preflight(cors, &head.method, &head.headers) {
            return Ok(Received::Answer(preflight));
        }
        let limit = config.server.max_concurrent_requests;
        exchange.in_flight = Some(
            self.app
                .enter(limit, exchange.arrived)
                .ok_or(Refusal::Overloaded)?,
        );
        let (gateway, wall) = (&exchange.snapshot.gateway, SystemTime::now());
        let key = match &self.acting_as {
            None => {
                let names = certified::names(session.digest());
                admit::recognise(gateway, &head.headers, head.uri.query(), &names, wall)?
            }
            Some(name) => admit::stand_in(gateway, name, wall)?,
        };
        origin::check(gateway, &key, &head.headers)?;
        exchange.record.outcome.key = Some(key.name.clone());
        exchange.record.outcome.project =
            origin::project(&exchange.snapshot.gateway.config, &key, &head.headers)?;
        exchange.key = Some(key.clone());
        exchange.show();
        let gateway = exchange.snapshot.gateway.clone();
        match operation {
            Operation::Local(Local::MeRecent) if gateway.config.me => {
                Ok(Received::Answer(own::recent(&self.app, &key)))
            }
            Operation::Local(Local::MeRecent) => Err(Refusal::not_found(head.uri.path())),
            Operation::Local(local) => {
                if local.lists_models() {
                    offered::freshen(&self.app, &gateway).await;
                }
                let at = clocks::moment();
                let caller = local::Caller {
                    key: &key,
                    headers: &head.headers,
                    project: exchange.record.outcome.project.as_deref(),
                    query: head.uri.query(),
                };
                let answer = local::answer(&gateway, caller, &local, at)?;
                Ok(Received::Answer(answer))
            }
            Operation::Model(call) => match stored(&gateway, &key, &call) {
                Some(answer) => Ok(Received::Answer(answer)),
                None => self.receive_call(session, exchange, key, call).await,
            },
            Operation::WebSocket => {
                let serve = self.sockets.as_ref().ok_or(Refusal::WebSocket)?;
                websocket::serve(&self.app, serve, session, exchange).await?;
                Ok(Received::Gone)
            }
            Operation::WrongMethod { allowed } => Err(Refusal::WrongMethod { allowed }),
            Operation::Path(fault) => Err(Refusal::Path(fault)),
            Operation::Unknown => Err(Refusal::not_found(head.uri.path())),
        }
    }

    async fn receive_call(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        key: Arc<ClientKey>,
        mut call: ModelCall,
    ) -> Result<Received, Refusal> {
        let server = &exchange.snapshot.gateway.config.server;
        let body = if Uploading::is_wanted(&mut call, server)? {
            Bytes::new()
        } else {
            match exchange.read_body(&self.app, session).await? {
                Some(body) => body,
                None => return Ok(Received::Gone),
            }
        };
        exchange.record.outcome.bytes_in = body.len() as u64;
        if exchange.snapshot.gateway.config.log.bodies {
            let id = &exchange.record.outcome.request_id;
            let body = shown::shown(&body, None);
            tracing::info!(request_id = %id, %body, "request body");
            self.app.telemetry.bodies().asked(id, body);
        }
        let headers = &session.req_header().headers;
        let at = clocks::moment();
        let gateway = exchange.snapshot.gateway.clone();
        let arrived = Arrived {
            call,
            headers,
            query: session.req_header().uri.query(),
            body,
        };
        let admitted = admit::admit(&gateway, key, arrived, at.wall)?;
        exchange.note(&admitted);
        let permit = limits::admit(&gateway, &admitted, at)?;
        match permit {
            Some(permit) => exchange.charge(&self.app, &admitted.key, permit),
            None => exchange.state_limits(),
        }
        let query = session.req_header().uri.query();
        let attempts = Attempts::new(gateway, admitted, query, exchange.arrived)
            .in_trace(exchange.record.outcome.trace);
        exchange.stage = Stage::Relay(Box::new(attempts));
        Ok(Received::Forward)
    }

    /// Answers `/`, `/health` and `/ready`, which need neither a key nor an upstream.
    fn public(&self, local: &Local) -> Answer {
        let gateway = self.app.gateway();
        let ready = !self.app.is_draining() && gateway.pool.is_usable(Instant::now());
        match local {
            Local::Index => local::index(),
            Local::OpenApi => local::openapi(),
            Local::Me(file) => me::file(*file),
            Local::Ready if !ready => Answer::json(503, r#"{"status":"unavailable"}"#),
            _ => Answer::json(200, r#"{"status":"ok"}"#),
        }
    }
}

/// A stored response that is kept in this process and not at an upstream.
fn stored(gateway: &Gateway, key: &ClientKey, call: &ModelCall) -> Option<Answer> {
    let vendor_call = call.vendor_call.as_deref()?;
    let get = vendor_call.method == Method::GET;
    if !get && vendor_call.method != Method::DELETE {
        return None;
    }
    let store = &gateway.store;
    store.answer(&key.name, get, &vendor_call.path, SystemTime::now())
}

enum Received {
    Answer(Answer),
    Forward,
    Gone,
}

#[async_trait]
impl ProxyHttp for Edge {
    /// Boxed, because Pingora moves it by value from step to step.
    type CTX = Box<Exchange>;

    fn new_ctx(&self) -> Self::CTX {
        Box::new(Exchange::new(
            self.app.snapshot(),
            self.app.telemetry.clone(),
        ))
    }

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {
        // No modules: an answer is not compressed, so that its events are not held back.
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        exchange: &mut Self::CTX,
    ) -> Result<bool> {
        exchange.begin(&self.app, session);
        if self.acting_as.is_some() {
            exchange.record.outcome.via = Some("console");
        }
        let answer = match self.receive(session, exchange).await {
            Ok(Received::Forward) => return Ok(false),
            Ok(Received::Gone) => {
                return down(ErrorType::ConnectionClosed, "the client left");
            }
            Ok(Received::Answer(answer)) => {
                exchange.record.outcome.end = End::Complete;
                answer
            }
            Err(refusal) => {
                if let Some(recorder) = self.app.recorder() {
                    recorder.skip(Skipped::Refused);
                }
                exchange.refuse(&refusal)
            }
        };
        exchange.write(session, answer).await?;
        Ok(true)
    }

    async fn proxy_upstream_filter(
        &self,
        session: &mut Session,
        exchange: &mut Self::CTX,
    ) -> Result<bool> {
        let Stage::Relay(attempts) = &mut exchange.stage else {
            return Ok(true);
        };
        let request_id = exchange.record.outcome.request_id.clone();
        let waits = (attempts.dialect(), attempts.wants_stream());
        let server = &exchange.snapshot.gateway.config.server;
        let upload = Uploading::new(server, attempts.upload());
        let head = session.req_header();
        let recording = Recording::new(
            self.app.recorder(),
            &exchange.snapshot.gateway.config,
            (&head.headers, head.uri.query()),
            &request_id,
        );
        let serving = Serving {
            app: &self.app,
            client: &mut session.downstream_session,
            attempts,
            outcome: &mut exchange.record.outcome,
            arrived: exchange.arrived,
            waited: exchange.waited,
            request_id: &request_id,
            own_headers: &exchange.own_headers,
            bridge: Bridge::new(
                waits,
                exchange.arrived,
                exchange.snapshot.gateway.config.keepalive.before_head,
                &exchange.own_headers,
            ),
            charge: &mut exchange.charge,
            sent: exchange.snapshot.gateway.config.log.bodies.then(Vec::new),
            recording,
            upload,
        };
        let mut relay = Relay {
            serving,
            upstreams: &exchange.snapshot.upstreams,
            tokens: &exchange.snapshot.tokens,
            run: exchange
                .in_flight
                .as_ref()
                .map(|in_flight| &**in_flight.run()),
            secret: None,
        };
        let left = tokio::select! {
            left = relay.run() => Some(left),
            // A relay that has begun to answer ends the answer itself, at once.
            () = self.app.until_well_cut() => None,
        };
        let left = match left {
            None if relay.serving.bridge.has_begun() => {
                Some(relay.serving.refuse(&Refusal::Draining).await)
            }
            left => left,
        };
        exchange.waited = relay.serving.waited;
        if let Some(sent) = &relay.serving.sent {
            let body = shown::shown(sent, relay.secret.as_ref());
            tracing::info!(%request_id, %body, "answer body");
            self.app.telemetry.bodies().answered(&request_id, body);
        }
        let Some(left) = left else {
            exchange.record.outcome.end = End::Drained;
            if session.response_written().is_some() {
                session.shutdown().await;
                return down(ErrorType::ConnectionClosed, "the process ends");
            }
            let answer = exchange.refuse(&Refusal::Draining);
            session.set_keepalive(None);
            exchange.write(session, answer).await?;
            return Ok(false);
        };
        match left {
            Left::Intact => Ok(false),
            Left::Close => {
                session.set_keepalive(None);
                Ok(false)
            }
            Left::Abort => {
                session.shutdown().await;
                down(ErrorType::ConnectionClosed, "the answer ended early")
            }
        }
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _exchange: &mut Self::CTX,
    ) -> Result<Box<HttpPeer>> {
        Error::e_explain(
            ErrorType::InternalError,
            "every request is answered before Pingora would ask for a peer",
        )
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        exchange: &mut Self::CTX,
    ) -> FailToProxy {
        let failed = |error_code| FailToProxy {
            error_code,
            can_reuse_downstream: false,
        };
        let gone = *error.esource() == ErrorSource::Downstream
            && !matches!(error.etype(), ErrorType::HTTPStatus(_));
        if gone || session.response_written().is_some() {
            return failed(0);
        }
        let refusal = Refusal::UpstreamFailed {
            class: FailureClass::ServerError,
            retry_after: None,
        };
        let answer = exchange.refuse(&refusal);
        let status = answer.status;
        session.set_keepalive(None);
        // The client may be gone by now; then nobody needs the answer.
        let _ = exchange.write(session, answer).await;
        failed(status)
    }

    fn suppress_error_log(
        &self,
        _session: &Session,
        _exchange: &Self::CTX,
        _error: &Error,
    ) -> bool {
        // The access line reports the error, with the id of the request.
        true
    }

    async fn logging(
        &self,
        _session: &mut Session,
        _error: Option<&Error>,
        _exchange: &mut Self::CTX,
    ) {
        // The record settles itself when the exchange is dropped.
    }
}

/// An error on the client's side, after which the connection is closed.
fn down<T>(etype: ErrorType, why: &'static str) -> Result<T> {
    let mut error = Error::explain(etype, why);
    error.as_down();
    Err(error)
}

/// The longest path with query, in bytes. Servers in front of the vendors accept 8 to 32 KiB including all headers.
const LONGEST_TARGET: usize = 16 << 10;
