//! The admin plane: it has its own listener and never uses the data port.
//!
//! A change always needs an identified sender (by a token, or by the session that it was exchanged for), wherever the
//! request comes from: a peer on 127.0.0.1 is not an authenticated peer. Reading `/status` and `/metrics` needs one
//! too, unless the plane listens on loopback or on a Unix socket; `/admin/api/v1` always does.
mod access;
mod answer;
mod api;
mod attempts;
mod audit;
mod by_model;
mod console;
mod explain;
mod fleet;
mod fragments;
mod guard;
mod host;
mod levers;
mod lists;
mod needs;
mod now;
mod oidc;
mod own_file;
mod ranges;
mod requests;
mod running;
mod sessions;
mod sign_ins;
mod signing;
mod spend;
mod status;
mod stream;
mod texts;
mod times;
mod trial;
mod trial_limiter;
mod words;

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use http::Method;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use pingora::services::listening::Service;

use super::client::body::{self, BodyFault};
use super::client::pace::Pace;
use super::state::app::App;
use super::state::inside::Inside;
use super::state::reload::{Handle, Source};
use crate::protocol::Dialect;
use crate::telemetry::metrics::Metrics;
use answer::Answer;
use guard::{Guard, Need};
use stream::Streams;
use trial_limiter::TrialLimiter;

/// The text for a scrape.
pub(super) fn metrics(app: &App) -> String {
    status::metrics(app)
}

/// The admin plane as a service, without its listener.
pub(super) fn service(plane: Plane) -> Service<Plane> {
    Service::new("admin".to_owned(), plane)
}

/// The admin plane.
pub(super) fn plane(app: Arc<App>, reloads: Handle, source: Source, inside: Inside) -> Plane {
    let guard = Guard::new(app.clone());
    Plane {
        app,
        reloads,
        source,
        guard,
        streams: Arc::default(),
        trial_limiter: Arc::default(),
        writes: fragments::Writes::default(),
        sign_ins: sign_ins::SignIns::default(),
        fleet: fleet::Seen::default(),
        inside,
    }
}

pub(super) struct Plane {
    app: Arc<App>,
    reloads: Handle,
    source: Source,
    guard: Guard,
    streams: Arc<Streams>,
    trial_limiter: Arc<TrialLimiter>,
    writes: fragments::Writes,
    sign_ins: sign_ins::SignIns,
    fleet: fleet::Seen,
    inside: Inside,
}

/// The kind of answer to a request.
enum Reply {
    Whole(Answer),
    Stream(stream::Followed, stream::Place),
    Trial(Box<trial::Trial>),
}

#[async_trait]
impl HttpServerApp for Plane {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let mut stops = shutdown.clone();
        // Another process may have taken over: no client may reach this one through a kept connection.
        tokio::select! {
            biased;
            read = session.read_request() => if !matches!(read, Ok(true)) { return None },
            () = async {
                let _ = stops.wait_for(|stops| *stops).await;
                tokio::time::sleep(FAREWELL).await;
            } => return None,
        }
        session.set_keepalive(if *shutdown.borrow() {
            None
        } else {
            Some(KEEPALIVE_S)
        });
        match self.reply(&mut session).await {
            Reply::Whole(answer) => write(&mut session, answer).await.ok()?,
            Reply::Stream(followed, place) => {
                stream::run(&self.app, &mut session, followed, &mut shutdown.clone()).await;
                drop(place);
                return None;
            }
            Reply::Trial(trial) => {
                trial::run(&self.app, &mut session, *trial).await;
                return None;
            }
        }
        let settings = HttpPersistentSettings::for_session(&session);
        let reused = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(reused, settings))
    }
}

impl Plane {
    async fn reply(&self, session: &mut ServerSession) -> Reply {
        if let Err(refusal) = self.guard.is_meant(session) {
            body::discard(session).await;
            return Reply::Whole(refusal);
        }
        let head = session.req_header();
        let (method, path) = (head.method.clone(), head.uri.path().to_owned());
        if !matches!(path.as_str(), "/livez" | "/readyz")
            && let Err(refusal) = self.guard.is_certified(session)
        {
            body::discard(session).await;
            return Reply::Whole(refusal);
        }
        if let Some(rest) = path.strip_prefix(api::PREFIX) {
            return self.api(session, &method, rest).await;
        }
        if method == Method::POST && path == EXPLAIN {
            return Reply::Whole(self.explain(session).await);
        }
        let page = (method == Method::GET || method == Method::HEAD)
            && self.app.gateway().config.console.enabled;
        let page = page.then(|| console::page(&path, &head.headers)).flatten();
        // The body of any other request is ignored. It is read, so that the connection stays usable.
        if session.drain_request_body().await.is_err() {
            session.set_keepalive(None);
        }
        Reply::Whole(match page {
            Some(page) => page,
            None => self.answer(session, &method, &path).await,
        })
    }

    async fn answer(&self, session: &ServerSession, method: &Method, path: &str) -> Answer {
        let reads = method == Method::GET || method == Method::HEAD;
        if !reads && method != Method::POST {
            return Answer::wrong_method("GET, HEAD, POST");
        }
        // A supervisor's probe carries no token; the answer reveals no more than an open port does.
        if reads && path == "/livez" {
            return Answer::text(200, "ok\n");
        }
        if reads && path == "/readyz" {
            return self.ready();
        }
        let need = match path {
            // These reveal names of keys and sessions, so they always need a viewer at least.
            RUNNING | SESSIONS if reads => Need::Viewer,
            _ if reads => Need::Status,
            _ => Need::Operator,
        };
        let who = match self.guard.admit(session, need).await {
            Ok(who) => who,
            Err(refusal) => return refusal,
        };
        if reads && path == "/metrics" && session.req_header().uri.query() == Some("process=old") {
            return self.old_metrics().await;
        }
        if reads {
            return self.read(path);
        }
        let done = self.change(path).await;
        if let (Some(who), true) = (&who, done.answer.status() < 400) {
            self.guard.note(session, who, &done);
        }
        done.answer
    }

    fn read(&self, path: &str) -> Answer {
        match path {
            "/metrics" => self.metrics(),
            "/status" => Answer::json(200, &status::overview(&self.app)),
            "/status/accounts" => Answer::json(200, &status::accounts(&self.app)),
            "/status/config" => Answer::json(200, &status::config(&self.app, &self.source)),
            RUNNING => Answer::json(200, &running::requests(&self.app)),
            SESSIONS => {
                let told = tokio::task::block_in_place(|| running::sessions(&self.app));
                Answer::json(200, &told)
            }
            "/admin/reload" | EXPLAIN => Answer::wrong_method("POST"),
            _ => Answer::fault(
                404,
                "nothing here; try /console, /metrics, /livez, /readyz, /status, /status/config, /status/accounts, /status/requests, /status/sessions",
            ),
        }
    }

    async fn change(&self, path: &str) -> guard::Done {
        match path {
            "/admin/reload" => api::reload(&self.app, &self.reloads).await,
            "/metrics" | "/livez" | "/readyz" | "/status" | "/status/config"
            | "/status/accounts" | RUNNING | SESSIONS => {
                guard::Done::nothing(Answer::wrong_method("GET, HEAD"))
            }
            _ => match path
                .strip_prefix("/admin/accounts/")
                .and_then(|rest| rest.rsplit_once('/'))
            {
                Some((account, verb)) => api::account(&self.app, &api::named(account), verb).await,
                None => guard::Done::nothing(Answer::fault(
                    404,
                    "nothing here; try /admin/reload, /admin/explain or /admin/accounts/NAME/{drain,enable,reset,test}",
                )),
            },
        }
    }

    /// An explanation changes nothing, so it needs no more than reading does.
    async fn explain(&self, session: &mut ServerSession) -> Answer {
        if let Err(refusal) = self.guard.admit(session, Need::Status).await {
            body::discard(session).await;
            return refusal;
        }
        match read_body(&self.app, session, explain::limit(&self.app)).await {
            Ok(question) => explain::answer(&self.app, question).await,
            Err(refusal) => refusal,
        }
    }

    async fn api(&self, session: &mut ServerSession, method: &Method, path: &str) -> Reply {
        let parts = api::Parts {
            app: &self.app,
            reloads: &self.reloads,
            source: &self.source,
            guard: &self.guard,
            streams: &self.streams,
            trial_limiter: &self.trial_limiter,
            writes: &self.writes,
            sign_ins: &self.sign_ins,
            fleet: &self.fleet,
            inside: &self.inside,
        };
        match api::serve(&parts, session, method, path).await {
            api::Handled::Whole(answer) => Reply::Whole(answer),
            api::Handled::Stream(followed, place) => Reply::Stream(followed, place),
            api::Handled::Trial(trial) => Reply::Trial(trial),
        }
    }

    async fn old_metrics(&self) -> Answer {
        match self.app.predecessor().metrics().await {
            Some(text) => Answer::new(200, Metrics::CONTENT_TYPE, text.into_bytes()),
            None => Answer::fault(404, "this process follows none, or that one has ended"),
        }
    }

    fn metrics(&self) -> Answer {
        // With thousands of keys there are tens of thousands of series: writing that text must not block other
        // requests.
        let text = tokio::task::block_in_place(|| status::metrics(&self.app));
        Answer::new(200, Metrics::CONTENT_TYPE, text.into_bytes())
    }

    fn ready(&self) -> Answer {
        let gateway = self.app.gateway();
        if self.app.is_draining() {
            Answer::text(503, "draining\n")
        } else if gateway.pool.is_usable(Instant::now()) {
            Answer::text(200, "ok\n")
        } else {
            Answer::text(503, "no usable account\n")
        }
    }
}

/// A body of at most `limit` bytes, or the refusal for its sender.
async fn read_body(
    app: &App,
    session: &mut ServerSession,
    limit: usize,
) -> Result<bytes::Bytes, Answer> {
    let mut held = app.hold();
    let pace = Pace::new(0, Instant::now());
    body::read(session, limit, pace, &mut held)
        .await
        .map_err(|fault| {
            session.set_keepalive(None);
            match fault {
                BodyFault::Refused(refusal) => {
                    let answer = refusal.answer(Dialect::OpenaiChat, "");
                    Answer::fault(answer.status, &refusal.wire().message)
                }
                BodyFault::Gone => Answer::fault(400, "the body broke off"),
            }
        })
}

async fn write(session: &mut ServerSession, answer: Answer) -> pingora::Result<()> {
    let (parts, body) = answer.into_response().into_parts();
    session
        .write_response_header(Box::new(ResponseHeader::from(parts)))
        .await?;
    if !body.is_empty() {
        session.write_response_body(body.into(), true).await?;
    }
    Ok(())
}

/// The running requests.
const RUNNING: &str = "/status/requests";

/// The recent sessions.
const SESSIONS: &str = "/status/sessions";

/// Explains what would happen to a request.
const EXPLAIN: &str = "/admin/explain";

/// How long a request may still arrive when the plane stops.
const FAREWELL: std::time::Duration = std::time::Duration::from_secs(1);

/// How long an idle connection is kept, in seconds.
const KEEPALIVE_S: u64 = 60;
