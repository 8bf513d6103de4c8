//! Checks each request to the admin plane: is it meant for the plane, who sends it, may that sender make it.
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::{HeaderMap, Method};
use pingora::protocols::http::ServerSession;
use pingora::protocols::l4::socket::SocketAddr;

use super::access::{self, Via, Who, bearer, cookie, sha256};
use super::answer::Answer;
use super::attempts::{Attempts, Verdict};
use super::audit::{Audit, Change};
use super::host::{self, Stranger};
use super::sessions::Sessions;
use crate::config::{Admin, AdminAddr, Role};
use crate::exchange::origin;
use crate::proxy::state::app::App;

/// Tokens, sessions, wrong tokens and the audit log.
pub(super) struct Guard {
    app: Arc<App>,
    sessions: Sessions,
    attempts: Attempts,
    audit: Audit,
}

/// The least role that a request needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Need {
    /// Figures that need no sign-in where only this host can connect.
    Status,
    Viewer,
    Operator,
    Admin,
}

/// An answer, and what was changed, for the audit log.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) answer: Answer,
    change: Option<(&'static str, String, Option<String>, Option<String>)>,
}

/// Whether the connection has shown a client certificate that was verified.
fn shows_certificate(session: &ServerSession) -> bool {
    let tls = session
        .digest()
        .and_then(|digest| digest.ssl_digest.as_ref());
    tls.is_some_and(|tls| !tls.cert_digest.is_empty())
}

impl Done {
    /// An answer without a change.
    pub(super) fn nothing(answer: Answer) -> Self {
        Self {
            answer,
            change: None,
        }
    }

    /// An answer after `action` was done to `subject`.
    pub(super) fn changed(answer: Answer, action: &'static str, subject: &str) -> Self {
        Self {
            answer,
            change: Some((action, subject.to_owned(), None, None)),
        }
    }

    /// The answer alone.
    pub(super) fn into_answer(self) -> Answer {
        self.answer
    }

    /// Adds the values before and after the change.
    pub(super) fn with_change(mut self, from: Option<&str>, to: Option<&str>) -> Self {
        if let Some(change) = &mut self.change {
            change.2 = from.map(str::to_owned);
            change.3 = to.map(str::to_owned);
        }
        self
    }
}

impl Guard {
    pub(super) fn new(app: Arc<App>) -> Self {
        let sessions = Sessions::default();
        if let Some(code) = app.first_sign_in() {
            sessions.allow_once(code.as_bytes(), Instant::now());
        }
        Self {
            app,
            sessions,
            attempts: Attempts::default(),
            audit: Audit::default(),
        }
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(super) fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Refuses a sender without a client certificate, if the configuration requires one (`client_ca`).
    pub(super) fn is_certified(&self, session: &ServerSession) -> Result<(), Answer> {
        let config = self.app.gateway().config.clone();
        let tls = config.admin.as_ref().and_then(|admin| admin.tls.as_ref());
        let asks = tls.is_some_and(|tls| tls.client_ca.is_some());
        if !asks || shows_certificate(session) {
            return Ok(());
        }
        Err(Answer::fault(
            401,
            "this admin plane answers only clients with a certificate of `admin.tls.client_ca`",
        ))
    }

    /// Refuses a request that a page of another site made a browser send.
    pub(super) fn is_meant(&self, session: &ServerSession) -> Result<(), Answer> {
        let (gateway, head) = (self.app.gateway(), session.req_header());
        let Some(admin) = &gateway.config.admin else {
            return Ok(());
        };
        host::check(admin, &head.uri, &head.headers).map_err(|stranger| match stranger {
            Stranger::Host => Answer::fault(
                421,
                "the admin plane is not asked under this name: ask 127.0.0.1, or add the name to `admin.hosts`",
            ),
            Stranger::Origin => Answer::fault(
                403,
                "a page of another origin sent this: the admin plane answers its own pages and clients that send no `Origin`",
            ),
        })
    }

    /// The sender, if the request is allowed. `None` = an unknown sender reads figures that need no sign-in.
    pub(super) async fn admit(
        &self,
        session: &ServerSession,
        need: Need,
    ) -> Result<Option<Who>, Answer> {
        let gateway = self.app.gateway();
        let Some(admin) = &gateway.config.admin else {
            return Err(Answer::fault(
                403,
                "the admin plane is being taken out of the configuration",
            ));
        };
        if need == Need::Status && is_local(admin) {
            return Ok(None);
        }
        let head = session.req_header();
        let who = if let Some(token) = bearer(&head.headers) {
            match access::holder(admin, &sha256(token)) {
                Some((name, role)) => Who {
                    name,
                    role,
                    via: Via::Token,
                },
                None => return Err(self.wrong(session, "this token is not known").await),
            }
        } else if let Some(found) = cookie(&head.headers)
            .and_then(|cookie| self.sessions.find(admin, cookie, Instant::now()))
        {
            if head.method != Method::GET && head.method != Method::HEAD {
                is_own_page(&head.headers)?;
            }
            Who {
                name: found.0,
                role: found.1,
                via: Via::Session,
            }
        } else if admin.token.is_none() && admin.tokens.is_empty() && admin.oidc.is_none() {
            return Err(Answer::fault(
                403,
                "this needs a token and none is configured: set `admin.tokens` or `admin.token`",
            ));
        } else {
            return Err(Answer::fault(
                401,
                "send a token of `admin.tokens` as `Authorization: Bearer TOKEN`, or sign in at /console",
            ));
        };
        let needed = match need {
            Need::Status | Need::Viewer => Role::Viewer,
            Need::Operator => Role::Operator,
            Need::Admin => Role::Admin,
        };
        if who.role < needed {
            return Err(Answer::fault(
                403,
                &format!(
                    "`{}` is {}; this takes {}",
                    who.name,
                    who.role.as_str(),
                    needed.as_str()
                ),
            ));
        }
        Ok(Some(who))
    }

    /// The answer to a wrong token, after a wait that grows. The attempt is recorded, because somebody may be guessing.
    pub(super) async fn wrong(&self, session: &ServerSession, why: &str) -> Answer {
        let address = self.address(session);
        self.record(&Change {
            who: None,
            address,
            action: "sign_in.refused",
            subject: "",
            from: None,
            to: None,
        });
        let Some(ip) = address else {
            return Answer::fault(401, why);
        };
        match self.attempts.failed(ip, Instant::now()) {
            Verdict::Hold(wait) => {
                tokio::time::sleep(wait).await;
                self.attempts.answered(ip);
                Answer::fault(401, why)
            }
            Verdict::TooMany(wait) => {
                let seconds = wait.as_secs().max(1);
                Answer::fault(429, "too many wrong tokens from this address").retry_after(seconds)
            }
        }
    }

    /// Records what `who` changed.
    pub(super) fn note(&self, session: &ServerSession, who: &Who, done: &Done) {
        let Some((action, subject, from, to)) = &done.change else {
            return;
        };
        self.record(&Change {
            who: Some(who),
            address: self.address(session),
            action,
            subject,
            from: from.as_deref(),
            to: to.as_deref(),
        });
    }

    fn record(&self, change: &Change<'_>) {
        let gateway = self.app.gateway();
        let admin = gateway.config.admin.as_ref();
        let file = admin.and_then(|admin| admin.audit.as_deref());
        self.audit.record(file, change, SystemTime::now());
    }

    fn address(&self, session: &ServerSession) -> Option<IpAddr> {
        let peer = session
            .client_addr()
            .and_then(SocketAddr::as_inet)
            .map(std::net::SocketAddr::ip);
        origin::client_ip(
            &self.app.gateway().config,
            peer,
            &session.req_header().headers,
        )
    }
}

/// Refuses a request with a session's cookie that another site caused: a browser sends the cookie in any case. Only a
/// page of the console can send this header and has this origin (which [`host::check`] compared).
pub(super) fn is_own_page(headers: &HeaderMap) -> Result<(), Answer> {
    let marked = headers
        .get("x-weir-console")
        .is_some_and(|value| value == "1");
    if marked && headers.contains_key(http::header::ORIGIN) {
        Ok(())
    } else {
        Err(Answer::fault(
            403,
            "with a session, changes take `x-weir-console: 1` and the `Origin` of the console",
        ))
    }
}

/// Whether the plane can be reached from this host only.
fn is_local(admin: &Admin) -> bool {
    match &admin.addr {
        AdminAddr::Tcp(addr) => addr.ip().is_loopback(),
        AdminAddr::Unix(_) => true,
    }
}
