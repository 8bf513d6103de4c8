//! Sign-in and sign-out: exchanges a token, or a code that the process printed, for a session cookie.
use std::time::{Instant, SystemTime};

use http::HeaderValue;
use http::header::SET_COOKIE;
use pingora::protocols::http::ServerSession;
use serde::Deserialize;
use serde_json::json;

use super::answer::Answer;
use super::guard::{Done, Guard, is_own_page};
use super::times::precise;
use super::{access, sessions};
use crate::proxy::state::app::App;
use crate::proxy::state::sources::random_text;

/// The addresses of the data plane, which the console shows in its set-up instructions for clients.
fn listen(app: &App) -> Vec<serde_json::Value> {
    let gateway = app.gateway();
    let listeners = gateway.config.listen.iter();
    listeners
        .map(|listener| {
            json!({
                "host": listener.addr.ip().to_string(),
                "everywhere": listener.addr.ip().is_unspecified(),
                "port": listener.addr.port(),
                "tls": listener.tls.is_some(),
            })
        })
        .collect()
}

/// Who is signed in, and for how long.
pub(super) fn session(
    app: &App,
    guard: &Guard,
    session: &ServerSession,
    who: &access::Who,
) -> Answer {
    let cookie = access::cookie(&session.req_header().headers);
    let left = cookie.and_then(|cookie| guard.sessions().left(cookie, Instant::now()));
    Answer::json(
        200,
        &json!({
            "name": &*who.name,
            "role": who.role.as_str(),
            "instance": app.instance(),
            "version": env!("CARGO_PKG_VERSION"),
            "listen": listen(app),
            "server_time": precise(SystemTime::now()),
            "idle_left_s": left.map(|left| left.0),
            "left_s": left.map(|left| left.1),
        }),
    )
}

/// Exchanges a token, or a code that the process printed, for a session.
pub(super) async fn sign_in(
    app: &App,
    guard: &Guard,
    session: &ServerSession,
    body: &[u8],
) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct SignIn {
        token: String,
    }
    let headers = &session.req_header().headers;
    if let Err(refusal) = is_own_page(headers) {
        return refusal;
    }
    let Ok(SignIn { token }) = serde_json::from_slice(body) else {
        return Answer::fault(400, r#"expected {"token": "…"}"#);
    };
    let gateway = app.gateway();
    let Some(admin) = &gateway.config.admin else {
        return Answer::nothing_here();
    };
    let Some(cookie) = random_text() else {
        return Answer::fault(500, "no randomness");
    };
    let begun = guard
        .sessions()
        .begin(admin, token.trim().as_bytes(), &cookie, Instant::now());
    let Some((name, role)) = begun else {
        return guard.wrong(session, "this token is not known").await;
    };
    // `Secure` only behind HTTPS: without it a browser would also send the cookie in plain text; with it, a browser
    // would drop the cookie on plain HTTP to any host but loopback.
    let secure = headers
        .get("x-forwarded-proto")
        .is_some_and(|proto| proto == "https");
    let secure = if secure { "; Secure" } else { "" };
    let value = format!(
        "{}={cookie}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}",
        access::COOKIE_NAME,
        sessions::LIVES.as_secs()
    );
    let who = access::Who {
        name,
        role,
        via: access::Via::Session,
    };
    let answer = Answer::json(
        200,
        &json!({ "name": &*who.name, "role": who.role.as_str() }),
    );
    let done = Done::changed(answer, "sign_in", &who.name.clone());
    guard.note(session, &who, &done);
    match HeaderValue::from_str(&value) {
        Ok(value) => done.answer.with(SET_COOKIE, value),
        Err(_) => Answer::fault(500, "no cookie"),
    }
}

pub(super) fn sign_out(guard: &Guard, session: &ServerSession) -> Answer {
    let headers = &session.req_header().headers;
    if let Err(refusal) = is_own_page(headers) {
        return refusal;
    }
    if let Some(cookie) = access::cookie(headers) {
        guard.sessions().end(cookie);
    }
    let gone = format!(
        "{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0",
        access::COOKIE_NAME
    );
    let answer = Answer::json(200, &json!({ "result": "signed out" }));
    match HeaderValue::from_str(&gone) {
        Ok(gone) => answer.with(SET_COOKIE, gone),
        Err(_) => answer,
    }
}
