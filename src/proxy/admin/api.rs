//! `/admin/api/v1`: JSON, for the console and for anybody else. `docs/API.md` describes it.
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::header::SET_COOKIE;
use http::{HeaderValue, Method};
use pingora::protocols::http::ServerSession;
use serde::Deserialize;
use serde_json::json;

use super::answer::Answer;
use super::guard::{Done, Guard, Need, is_own_page};
use super::requests::Query;
use super::stream::{Followed, Place, Streams};
use super::times::precise;
use super::{access, explain, levers, lists, now, read_body, requests, sessions, status};
use crate::config;
use crate::proxy::state::app::{App, random_text};
use crate::proxy::state::reload::{Handle, Source};
use crate::telemetry::recent::filter::Filter;

/// What it is served from.
pub(super) struct Parts<'a> {
    pub(super) app: &'a Arc<App>,
    pub(super) reloads: &'a Handle,
    pub(super) source: &'a Source,
    pub(super) guard: &'a Guard,
    pub(super) streams: &'a Arc<Streams>,
}

pub(super) enum Served {
    Whole(Answer),
    Stream(Followed, Place),
}

/// Serves `path`, what comes after [`PREFIX`].
pub(super) async fn serve(
    parts: &Parts<'_>,
    session: &mut ServerSession,
    method: &Method,
    path: &str,
) -> Served {
    let segments: Vec<&str> = path.split('/').collect();
    let query = query(session.req_header().uri.query().unwrap_or_default());
    let reads = method == Method::GET || method == Method::HEAD;
    if reads {
        let _ = session.drain_request_body().await;
        return read(parts, session, &segments, &query).await;
    }
    let body = match read_body(parts.app, session, MAX_BODY.max(explain::limit(parts.app))).await {
        Ok(body) => body,
        Err(refusal) => return Served::Whole(refusal),
    };
    if segments == ["session"] {
        return Served::Whole(match *method {
            Method::POST => sign_in(parts, session, &body).await,
            Method::DELETE => sign_out(parts, session),
            _ => Answer::wrong_method("GET, POST, DELETE"),
        });
    }
    if *method != Method::POST {
        return Served::Whole(Answer::wrong_method("GET, POST"));
    }
    let need = match segments.as_slice() {
        ["reload" | "explain"] | ["accounts", _, _] => Need::Operator,
        // What a text would mean tells what files are there.
        ["config", "check"] => Need::Admin,
        _ => return Served::Whole(nothing_here()),
    };
    let who = match parts.guard.admit(session, need).await {
        Ok(Some(who)) => who,
        Ok(None) => return Served::Whole(nothing_here()),
        Err(refusal) => return Served::Whole(refusal),
    };
    let done = match segments.as_slice() {
        ["reload"] => reload(parts.app, parts.reloads).await,
        ["explain"] => Done::nothing(explain::answer(parts.app, body).await),
        ["accounts", name, verb] => account(parts.app, &decoded(name), verb),
        ["config", "check"] => Done::nothing(check(parts.source, &body)),
        _ => Done::nothing(nothing_here()),
    };
    if done.answer.status() < 400 {
        parts.guard.note(session, &who, &done);
    }
    Served::Whole(done.answer)
}

async fn read(
    parts: &Parts<'_>,
    session: &ServerSession,
    segments: &[&str],
    query: &Query,
) -> Served {
    let need = if segments == ["audit"] {
        Need::Admin
    } else {
        Need::Viewer
    };
    let who = match parts.guard.admit(session, need).await {
        Ok(Some(who)) => who,
        Ok(None) => return Served::Whole(nothing_here()),
        Err(refusal) => return Served::Whole(refusal),
    };
    let app = parts.app;
    if query.contains_key("follow") {
        let followed = match segments {
            ["now"] => Followed::Now(parts.source.clone()),
            ["requests"] => {
                let text = query.get("f").map_or("", String::as_str);
                match Filter::parse(text, &app.gateway().config) {
                    Ok(filter) => Followed::Requests(filter, resume(session, query)),
                    Err(why) => return Served::Whole(Answer::fault(400, &why)),
                }
            }
            _ => return Served::Whole(nothing_here()),
        };
        let cookie = access::cookie(&session.req_header().headers);
        return match parts.streams.enter(cookie.unwrap_or(&who.name)) {
            Some(place) => Served::Stream(followed, place),
            None => Served::Whole(
                Answer::fault(503, "too many streams are open: 8 of a session, 32 in all")
                    .retry_after(5),
            ),
        };
    }
    Served::Whole(match segments {
        ["session"] => {
            let cookie = access::cookie(&session.req_header().headers);
            let left =
                cookie.and_then(|cookie| parts.guard.sessions().left(cookie, Instant::now()));
            Answer::json(
                200,
                &json!({
                    "name": &*who.name,
                    "role": who.role.as_str(),
                    "instance": app.instance(),
                    "version": env!("CARGO_PKG_VERSION"),
                    "server_time": precise(SystemTime::now()),
                    "idle_left_s": left.map(|left| left.0),
                    "left_s": left.map(|left| left.1),
                }),
            )
        }
        ["now"] => Answer::json(
            200,
            &tokio::task::block_in_place(|| now::now(app, parts.source)),
        ),
        ["accounts"] => Answer::json(200, &status::accounts(app)),
        ["config"] => Answer::json(200, &status::config(app, parts.source)),
        ["requests"] => tokio::task::block_in_place(|| requests::list(app, query)),
        ["requests", id] => requests::one(app, &decoded(id)),
        ["keys"] => tokio::task::block_in_place(|| lists::keys(app, query)),
        ["groups"] => tokio::task::block_in_place(|| lists::groups(app)),
        ["audit"] => Answer::json(200, &json!({ "rows": parts.guard.audit().list() })),
        _ => nothing_here(),
    })
}

/// Exchanges a token for a session, or a code that the process printed.
async fn sign_in(parts: &Parts<'_>, session: &ServerSession, body: &[u8]) -> Answer {
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
    let gateway = parts.app.gateway();
    let Some(admin) = &gateway.config.admin else {
        return nothing_here();
    };
    let Some(cookie) = random_text() else {
        return Answer::fault(500, "no randomness");
    };
    let begun =
        parts
            .guard
            .sessions()
            .begin(admin, token.trim().as_bytes(), &cookie, Instant::now());
    let Some((name, role)) = begun else {
        return parts.guard.wrong(session, "this token is not known").await;
    };
    // Without `Secure` a browser would send it in plain text, too; with it, plain text on another host than loopback
    // would have none.
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
    parts.guard.note(session, &who, &done);
    match HeaderValue::from_str(&value) {
        Ok(value) => done.answer.with(SET_COOKIE, value),
        Err(_) => Answer::fault(500, "no cookie"),
    }
}

fn sign_out(parts: &Parts<'_>, session: &ServerSession) -> Answer {
    let headers = &session.req_header().headers;
    if let Err(refusal) = is_own_page(headers) {
        return refusal;
    }
    if let Some(cookie) = access::cookie(headers) {
        parts.guard.sessions().end(cookie);
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

/// Reads the configuration again.
pub(super) async fn reload(app: &App, reloads: &Handle) -> Done {
    let before = app.telemetry.status().generation;
    let answer = levers::reload(reloads).await;
    let after = app.telemetry.status().generation;
    Done::changed(answer, "config.reload", "")
        .from_to(Some(&before.to_string()), Some(&after.to_string()))
}

/// Drains, enables or resets an account.
pub(super) fn account(app: &App, name: &str, verb: &str) -> Done {
    let action = match verb {
        "drain" => "account.drain",
        "enable" => "account.enable",
        "reset" => "account.reset",
        _ => "",
    };
    let before = levers::state(app, name);
    let answer = levers::account(app, name, verb);
    let after = levers::state(app, name);
    Done::changed(answer, action, name).from_to(before, after)
}

/// The faults of a text as `weir check` would find them. Nothing is applied.
fn check(source: &Source, body: &[u8]) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Text {
        text: String,
    }
    let Ok(Text { text }) = serde_json::from_slice(body) else {
        return Answer::fault(400, r#"expected {"text": "…"}"#);
    };
    let Source::File(path) = source else {
        return Answer::fault(409, "this weir runs without a configuration file");
    };
    let (faults, warnings) = match config::check_text(path, &text) {
        Ok(config) => (Vec::new(), config.warnings),
        Err(faults) => (faults, Vec::new()),
    };
    let told = |list: Vec<crate::config::diagnostic::Diagnostic>| -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    };
    Answer::json(
        200,
        &json!({ "faults": told(faults), "warnings": told(warnings) }),
    )
}

/// Where a stream goes on after a break.
fn resume(session: &ServerSession, query: &Query) -> Option<u64> {
    let header = session.req_header().headers.get("last-event-id");
    let header = header.and_then(|value| value.to_str().ok());
    let from = header.or(query.get("since").map(String::as_str));
    from.and_then(|text| text.parse().ok())
}

/// A query string; `+` is a space.
fn query(text: &str) -> Query {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| decoded(&text.replace('+', " "));
            (decode(name), decode(value))
        })
        .collect()
}

/// Percent-decoded; what is not valid stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = text.get(at + 1..at + 3).filter(|_| *byte == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

fn nothing_here() -> Answer {
    Answer::fault(404, "nothing here; docs/API.md lists what there is")
}

/// Where it begins.
pub(super) const PREFIX: &str = "/admin/api/v1/";

/// Bytes of the longest body, but for that of `explain`.
const MAX_BODY: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let query = query("f=key:team-a+outcome:trouble&x=%E2%9C%93%zz&follow&f2=a%2Bb");
        assert_eq!(query["f"], "key:team-a outcome:trouble");
        assert_eq!(query["x"], "✓%zz");
        assert_eq!(query["f2"], "a+b");
        assert!(query.contains_key("follow"));
        assert_eq!(decoded("%ff"), "%ff");
    }

    #[test]
    fn cookies_do_not_repeat() {
        assert!(random_text() != random_text());
    }
}
