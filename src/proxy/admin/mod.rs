//! The admin plane: its own listener, never on the data port.
//!
//! What changes state always needs the token, from wherever it comes: a peer on 127.0.0.1 is no authenticated peer.
//! Reading needs it too unless the plane listens on loopback or on a Unix socket.
mod explain;
mod host;
mod status;

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use pingora::services::listening::Service;
use serde::Serialize;
use serde_json::json;
use subtle::ConstantTimeEq;

use super::client::body::{self, BodyFault};
use super::state::app::App;
use super::state::reload::{Handle, Source, Verdict};
use crate::config::{Admin, AdminAddr};
use crate::protocol::Dialect;
use crate::telemetry::metrics::Metrics;

/// The admin plane as a service, without its listener.
pub(super) fn service(app: Arc<App>, reloads: Handle, source: Source) -> Service<Plane> {
    Service::new(
        "admin".to_owned(),
        Plane {
            app,
            reloads,
            source,
        },
    )
}

pub(super) struct Plane {
    app: Arc<App>,
    reloads: Handle,
    source: Source,
}

#[async_trait]
impl ServeHttp for Plane {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        if let Err(refusal) = self.is_meant(session) {
            body::discard(session).await;
            return refusal.into_response();
        }
        let head = session.req_header();
        let (method, path) = (head.method.clone(), head.uri.path().to_owned());
        let presented = head
            .headers
            .get(AUTHORIZATION)
            .map(|value| value.as_bytes().to_vec());
        if method == Method::POST && path == EXPLAIN {
            return self
                .explain(session, presented.as_deref())
                .await
                .into_response();
        }
        // No other request of this plane has a body that matters; what is sent is read, so that the connection stays usable.
        if session.drain_request_body().await.is_err() {
            session.set_keepalive(None);
        }
        let answer = self.answer(&method, &path, presented.as_deref()).await;
        answer.into_response()
    }
}

/// A status, a media type and a body.
struct Answer {
    status: u16,
    media: &'static str,
    body: Vec<u8>,
    allow: Option<&'static str>,
}

impl Plane {
    async fn answer(&self, method: &Method, path: &str, presented: Option<&[u8]>) -> Answer {
        let reads = method == Method::GET || method == Method::HEAD;
        if !reads && method != Method::POST {
            return Answer::wrong_method("GET, HEAD, POST");
        }
        // Probes of a supervisor carry no token, and tell nothing that an open port does not.
        if reads && path == "/livez" {
            return Answer::text(200, "ok\n");
        }
        if reads && path == "/readyz" {
            return self.ready();
        }
        if let Err(refusal) = self.authorize(reads, presented) {
            return refusal;
        }
        if reads {
            self.read(path)
        } else {
            self.change(path).await
        }
    }

    /// Refuses what a page of another site made a browser send.
    fn is_meant(&self, session: &ServerSession) -> Result<(), Answer> {
        let (gateway, head) = (self.app.gateway(), session.req_header());
        let Some(admin) = &gateway.config.admin else {
            return Ok(());
        };
        host::check(admin, &head.uri, &head.headers).map_err(|stranger| match stranger {
            host::Stranger::Host => Answer::fault(
                421,
                "the admin plane is not asked under this name: ask 127.0.0.1, or add the name to `admin.hosts`",
            ),
            host::Stranger::Origin => Answer::fault(
                403,
                "a page of another origin sent this: the admin plane answers its own pages and clients that send no `Origin`",
            ),
        })
    }

    fn read(&self, path: &str) -> Answer {
        match path {
            "/metrics" => self.metrics(),
            "/status" => Answer::json(200, &status::overview(&self.app)),
            "/status/accounts" => Answer::json(200, &status::accounts(&self.app)),
            "/status/config" => Answer::json(200, &status::config(&self.app, &self.source)),
            "/admin/reload" | EXPLAIN => Answer::wrong_method("POST"),
            _ => Answer::fault(
                404,
                "nothing here; try /metrics, /livez, /readyz, /status, /status/config, /status/accounts",
            ),
        }
    }

    async fn change(&self, path: &str) -> Answer {
        match path {
            "/admin/reload" => self.reload().await,
            "/metrics" | "/livez" | "/readyz" | "/status" | "/status/config"
            | "/status/accounts" => Answer::wrong_method("GET, HEAD"),
            _ => match path
                .strip_prefix("/admin/accounts/")
                .and_then(|rest| rest.rsplit_once('/'))
            {
                Some((account, verb)) => self.account(account, verb),
                None => Answer::fault(
                    404,
                    "nothing here; try /admin/reload, /admin/explain or /admin/accounts/NAME/{drain,enable,reset}",
                ),
            },
        }
    }

    /// Changes nothing, so that it is a way of reading.
    async fn explain(&self, session: &mut ServerSession, presented: Option<&[u8]>) -> Answer {
        if let Err(refusal) = self.authorize(true, presented) {
            body::discard(session).await;
            return refusal;
        }
        match body::read(session, explain::limit(&self.app)).await {
            Ok(question) => explain::answer(&self.app, question).await,
            Err(fault) => {
                session.set_keepalive(None);
                match fault {
                    BodyFault::Refused(refusal) => {
                        let answer = refusal.answer(Dialect::OpenaiChat, "");
                        Answer::fault(answer.status, &refusal.wire().message)
                    }
                    BodyFault::Gone => Answer::fault(400, "the body broke off"),
                }
            }
        }
    }

    fn metrics(&self) -> Answer {
        // Thousands of keys have tens of thousands of series: no request waits for that text.
        let text = tokio::task::block_in_place(|| status::metrics(&self.app));
        Answer {
            status: 200,
            media: Metrics::CONTENT_TYPE,
            body: text.into_bytes(),
            allow: None,
        }
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

    async fn reload(&self) -> Answer {
        match self.reloads.reload().await {
            Some(Verdict::Applied {
                generation,
                restart,
            }) => Answer::json(
                200,
                &json!({"result": "applied", "generation": generation, "needs_restart": restart}),
            ),
            Some(Verdict::Unchanged) => Answer::json(200, &json!({"result": "unchanged"})),
            Some(Verdict::Rejected(faults)) => {
                let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                Answer::json(422, &json!({"result": "rejected", "faults": faults}))
            }
            Some(Verdict::NoFile) => {
                Answer::fault(409, "this weir runs without a configuration file")
            }
            None => Answer::fault(503, "the process is ending"),
        }
    }

    fn account(&self, name: &str, verb: &str) -> Answer {
        let gateway = self.app.gateway();
        let Some(account) = gateway
            .config
            .accounts
            .iter()
            .find(|account| &*account.name == name)
        else {
            return Answer::fault(
                404,
                "no account of that name; GET /status/accounts lists them",
            );
        };
        let pool = &gateway.pool;
        if matches!(verb, "enable" | "reset") {
            self.app.snapshot().tokens.retry(&account.name);
        }
        match verb {
            "drain" => pool.drain(&account.name),
            "enable" => pool.enable(&account.name),
            "reset" => pool.reset(&account.name),
            _ => return Answer::fault(404, "an account can be told to drain, enable or reset"),
        };
        tracing::info!(account = %account.name, verb, "account operation");
        Answer::json(200, &json!({"account": &*account.name, "result": verb}))
    }

    fn authorize(&self, reads: bool, presented: Option<&[u8]>) -> Result<(), Answer> {
        let gateway = self.app.gateway();
        let Some(admin) = &gateway.config.admin else {
            return Err(Answer::fault(
                403,
                "the admin plane is being taken out of the configuration",
            ));
        };
        if reads && is_local(admin) {
            return Ok(());
        }
        let Some(token) = &admin.token else {
            return Err(Answer::fault(
                403,
                "this needs a token and none is configured: set `admin.token`",
            ));
        };
        let expected = format!("Bearer {}", token.expose());
        let matches =
            presented.is_some_and(|presented| bool::from(presented.ct_eq(expected.as_bytes())));
        if matches {
            Ok(())
        } else {
            Err(Answer::fault(
                401,
                "send the admin token as `Authorization: Bearer TOKEN`",
            ))
        }
    }
}

/// What would happen to a request.
const EXPLAIN: &str = "/admin/explain";

/// Whether only this host can reach the plane.
fn is_local(admin: &Admin) -> bool {
    match &admin.addr {
        AdminAddr::Tcp(addr) => addr.ip().is_loopback(),
        AdminAddr::Unix(_) => true,
    }
}

impl Answer {
    fn json(status: u16, value: &impl Serialize) -> Self {
        let mut body = serde_json::to_vec_pretty(value).unwrap_or_default();
        body.push(b'\n');
        Self {
            status,
            media: "application/json",
            body,
            allow: None,
        }
    }

    fn text(status: u16, text: &str) -> Self {
        Self {
            status,
            media: "text/plain; charset=utf-8",
            body: text.into(),
            allow: None,
        }
    }

    fn fault(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "error": message }))
    }

    fn wrong_method(allow: &'static str) -> Self {
        let mut answer = Self::fault(405, &format!("this path takes {allow}"));
        answer.allow = Some(allow);
        answer
    }

    fn into_response(self) -> Response<Vec<u8>> {
        let mut response = Response::new(self.body);
        *response.status_mut() = http::StatusCode::from_u16(self.status).unwrap_or_default();
        let length = response.body().len();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media));
        headers.insert(CONTENT_LENGTH, length.into());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == 401 {
            headers.insert(
                http::header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer"),
            );
        }
        response
    }
}
