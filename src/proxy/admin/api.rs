//! `/admin/api/v1`: JSON for the console and for any other client. `docs/API.md` describes it.
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::Method;
use pingora::protocols::http::ServerSession;
use serde::Deserialize;
use serde_json::json;

use super::answer::Answer;
use super::fragments::{self, ChangeRequest, List, Verb, Writes};
use super::guard::{Done, Guard, Need};
use super::requests::Query;
use super::stream::{Followed, Place, Streams};
use super::trial::Trial;
use super::trial_limiter::TrialLimiter;
use super::{
    access, explain, fleet, levers, lists, now, oidc, own_file, ranges, read_body, requests,
    sign_ins, signing, spend, status, texts,
};
use crate::config;
use crate::proxy::client::body;
use crate::proxy::state::app::App;
use crate::proxy::state::inside::Inside;
use crate::proxy::state::reload::{Handle, Source};
use crate::telemetry::recent::filter::Filter;

/// What the handlers work with.
pub(super) struct Parts<'a> {
    pub app: &'a Arc<App>,
    pub reloads: &'a Handle,
    pub source: &'a Source,
    pub guard: &'a Guard,
    pub sign_ins: &'a sign_ins::SignIns,
    pub streams: &'a Arc<Streams>,
    pub trial_limiter: &'a Arc<TrialLimiter>,
    pub writes: &'a Writes,
    pub fleet: &'a fleet::Seen,
    pub inside: &'a Inside,
}

pub(super) enum Handled {
    Whole(Answer),
    Stream(Followed, Place),
    Trial(Box<Trial>),
}

/// Serves `path`, which is the part after [`PREFIX`].
pub(super) async fn serve(
    parts: &Parts<'_>,
    session: &mut ServerSession,
    method: &Method,
    path: &str,
) -> Handled {
    let segments: Vec<&str> = path.split('/').collect();
    let query = query(session.req_header().uri.query().unwrap_or_default());
    let reads = method == Method::GET || method == Method::HEAD;
    if reads {
        let _ = session.drain_request_body().await;
        // These serve senders who have not signed in yet.
        let door = match segments.as_slice() {
            ["sign-in"] => Some(oidc::offered(parts.app)),
            ["oidc", "begin"] => Some(oidc::begin(parts.app, parts.sign_ins, session).await),
            ["oidc", "callback"] => {
                Some(oidc::end(parts.app, parts.sign_ins, parts.guard, session, &query).await)
            }
            _ => None,
        };
        if let Some(answer) = door {
            return Handled::Whole(answer);
        }
        return read(parts, session, &segments, &query).await;
    }
    if segments == ["session"] {
        return Handled::Whole(match *method {
            Method::POST => match read_body(parts.app, session, MAX_SIGN_IN).await {
                Ok(body) => signing::sign_in(parts.app, parts.guard, session, &body).await,
                Err(refusal) => refusal,
            },
            Method::DELETE => {
                let _ = session.drain_request_body().await;
                signing::sign_out(parts.guard, session)
            }
            _ => refused(session, Answer::wrong_method("GET, POST, DELETE")).await,
        });
    }
    if let Some(change) = Verb::of(method, &segments) {
        return Handled::Whole(write(parts, session, change, (&segments, &query)).await);
    }
    let (expected, allowed) = match segments.as_slice() {
        ["log-level" | "config"] => (Method::PUT, "GET, PUT"),
        _ => (Method::POST, "GET, POST"),
    };
    if *method != expected {
        return Handled::Whole(refused(session, Answer::wrong_method(allowed)).await);
    }
    let need = match segments.as_slice() {
        ["reload" | "explain" | "try" | "log-level"] | ["accounts", _, _] => Need::Operator,
        // The meaning of a configuration text reveals which files exist on this host.
        ["config"] | ["config", "check"] => Need::Admin,
        _ => return Handled::Whole(refused(session, Answer::nothing_here()).await),
    };
    // An unknown sender must not make Weir read a long body.
    let who = match parts.guard.admit(session, need).await {
        Ok(Some(who)) => who,
        Ok(None) => return Handled::Whole(refused(session, Answer::nothing_here()).await),
        Err(refusal) => return Handled::Whole(refused(session, refusal).await),
    };
    let limit = match segments.as_slice() {
        ["explain"] => explain::limit(parts.app),
        ["config"] | ["config", "check"] => MAX_TEXT,
        _ => MAX_BODY,
    };
    let body = match read_body(parts.app, session, limit).await {
        Ok(body) => body,
        Err(refusal) => return Handled::Whole(refusal),
    };
    let done = match segments.as_slice() {
        ["reload"] => reload(parts.app, parts.reloads).await,
        ["explain"] => Done::nothing(explain::answer(parts.app, body).await),
        ["accounts", name, verb] => account(parts.app, &named(name), verb).await,
        ["config", "check"] => Done::nothing(check(parts.source, &body)),
        ["config"] => {
            let with = (&**parts.app, parts.reloads, parts.source);
            own_file::write(with, parts.writes, &body, seen(session)).await
        }
        ["log-level"] => levers::log_level(parts.app, &body),
        ["try"] => {
            let of = of(session, &who);
            return match Trial::begin(parts.app, (parts.inside, parts.trial_limiter), &of, &body) {
                Ok(trial) => {
                    let done = trial.done();
                    parts.guard.note(session, &who, &done);
                    Handled::Trial(Box::new(trial))
                }
                Err(refusal) => Handled::Whole(refusal),
            };
        }
        _ => Done::nothing(Answer::nothing_here()),
    };
    if done.answer.status() < 400 {
        parts.guard.note(session, &who, &done);
    }
    Handled::Whole(done.answer)
}

/// Changes one of the lists.
async fn write(
    parts: &Parts<'_>,
    session: &mut ServerSession,
    (list, verb): (List, Verb),
    (segments, query): (&[&str], &Query),
) -> Answer {
    let who = match parts.guard.admit(session, Need::Admin).await {
        Ok(Some(who)) => who,
        Ok(None) => return refused(session, Answer::nothing_here()).await,
        Err(refusal) => return refused(session, refusal).await,
    };
    let body = match read_body(parts.app, session, MAX_BODY).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let is_set = |name: &str| query.get(name).is_some_and(|value| value != "false");
    let request = ChangeRequest {
        list,
        verb,
        name: segments.get(1).map(|name| named(name)).unwrap_or_default(),
        body: &body,
        revision: seen(session),
        dry_run: is_set("dry_run"),
        test: query.get("test").is_none_or(|value| value != "false"),
        who: &who.name,
    };
    let with = (parts.app, parts.reloads, parts.source);
    let done = fragments::change(with, parts.writes, &request).await;
    parts.guard.note(session, &who, &done);
    done.answer
}

/// The revision on which a change is based: the value of `If-Match`.
fn seen(session: &ServerSession) -> Option<String> {
    let seen = session.req_header().headers.get(http::header::IF_MATCH)?;
    let tag = seen.to_str().ok()?.trim();
    (tag != "*").then(|| tag.trim_matches('"').to_owned())
}

/// Discards the rest of the body, because the next request on the connection begins after it.
async fn refused(session: &mut ServerSession, refusal: Answer) -> Answer {
    body::discard(session).await;
    refusal
}

/// The identity under which streams and trials are counted: a session, or the holder of a token.
fn of(session: &ServerSession, who: &access::Who) -> String {
    let cookie = access::cookie(&session.req_header().headers);
    cookie.unwrap_or(&who.name).to_owned()
}

async fn read(
    parts: &Parts<'_>,
    session: &ServerSession,
    segments: &[&str],
    query: &Query,
) -> Handled {
    let is_body = matches!(segments, ["requests", _, "bodies"]);
    let need = if is_body || segments == ["audit"] || segments == ["config", "file"] {
        Need::Admin
    } else {
        Need::Viewer
    };
    let who = match parts.guard.admit(session, need).await {
        Ok(Some(who)) => who,
        Ok(None) => return Handled::Whole(Answer::nothing_here()),
        Err(refusal) => return Handled::Whole(refusal),
    };
    let app = parts.app;
    if query.contains_key("follow") {
        let followed = match segments {
            ["now"] => Followed::Now(parts.source.clone()),
            ["requests"] => {
                let text = query.get("f").map_or("", String::as_str);
                match Filter::parse(text, &app.gateway().config) {
                    Ok(filter) => Followed::Requests(filter, resume(session, query)),
                    Err(why) => return Handled::Whole(Answer::fault(400, &why)),
                }
            }
            _ => return Handled::Whole(Answer::nothing_here()),
        };
        return match parts.streams.enter(&of(session, &who)) {
            Some(place) => Handled::Stream(followed, place),
            None => Handled::Whole(
                Answer::fault(503, "too many streams are open: 8 of a session, 32 in all")
                    .retry_after(5),
            ),
        };
    }
    Handled::Whole(match segments {
        ["session"] => signing::session(app, parts.guard, session, &who),
        ["now"] => Answer::json(
            200,
            &tokio::task::block_in_place(|| now::now(app, parts.source)),
        ),
        ["accounts"] => Answer::json(200, &status::accounts(app)),
        ["fleet"] => fleet::fleet(app, parts.fleet).await,
        ["fragments"] => tokio::task::block_in_place(|| fragments::overview(app, parts.source)),
        [list, name] if List::parse(list).is_some() => {
            let list = List::parse(list).unwrap_or(List::Keys);
            tokio::task::block_in_place(|| fragments::one(app, parts.source, list, &named(name)))
        }
        ["config"] => Answer::json(200, &status::config(app, parts.source)),
        ["config", "file"] => tokio::task::block_in_place(|| own_file::read(app, parts.source)),
        ["config", "text"] => tokio::task::block_in_place(|| texts::text(app, parts.source, query)),
        ["requests"] => tokio::task::block_in_place(|| requests::list(app, query)),
        ["requests", id] => requests::one(app, &decoded(id)),
        ["requests", id, "bodies"] => requests::bodies(app, &decoded(id)),
        ["keys"] => tokio::task::block_in_place(|| lists::keys(app, query)),
        ["groups"] => tokio::task::block_in_place(|| lists::groups(app)),
        ["pools"] => tokio::task::block_in_place(|| lists::pools(app)),
        ["projects"] => tokio::task::block_in_place(|| lists::projects(app)),
        ["usage"] => tokio::task::block_in_place(|| spend::usage(app, query)),
        ["usage", "range"] => ranges::range(app, query, millis(SystemTime::now())).await,
        ["log-level"] => Answer::json(
            200,
            &json!({
                "level": app.log_level().current(),
                "configured": app.gateway().config.log.level,
            }),
        ),
        ["audit"] => Answer::json(200, &json!({ "rows": parts.guard.audit().list() })),
        _ => Answer::nothing_here(),
    })
}

/// Reloads the configuration.
pub(super) async fn reload(app: &App, reloads: &Handle) -> Done {
    let before = app.telemetry.status().generation;
    let answer = levers::reload(reloads).await;
    let after = app.telemetry.status().generation;
    Done::changed(answer, "config.reload", "")
        .with_change(Some(&before.to_string()), Some(&after.to_string()))
}

/// Drains, enables, resets or tests an account.
pub(super) async fn account(app: &App, name: &str, verb: &str) -> Done {
    let action = match verb {
        "test" => return Done::nothing(levers::test(app, name).await),
        "drain" => "account.drain",
        "enable" => "account.enable",
        "reset" => "account.reset",
        _ => "",
    };
    let before = levers::state(app, name);
    let answer = levers::account(app, name, verb);
    let after = levers::state(app, name);
    Done::changed(answer, action, name).with_change(before, after)
}

/// The faults that `weir check` would find in a text. Nothing is applied.
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

/// Milliseconds since the epoch.
fn millis(wall: SystemTime) -> u64 {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The number after which a stream resumes when it was interrupted.
fn resume(session: &ServerSession, query: &Query) -> Option<u64> {
    let header = session.req_header().headers.get("last-event-id");
    let header = header.and_then(|value| value.to_str().ok());
    let from = header.or(query.get("since").map(String::as_str));
    from.and_then(|text| text.parse().ok())
}

/// Parses a query string; `+` stands for a space.
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

/// The name in a segment of a path, in its normal form.
pub(super) fn named(segment: &str) -> String {
    config::name::normal(&decoded(segment)).into_owned()
}

/// Percent-decodes a text; invalid escapes stay as they are.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = text.get(at + 1..at + 3).filter(|_| *byte == b'%');
        if let Some(value) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            out.push(value);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// The prefix of every path of the API.
pub(super) const PREFIX: &str = "/admin/api/v1/";

/// The most bytes of a body, except for those of `explain` and of a configuration.
const MAX_BODY: usize = 1 << 20;
/// The most bytes of a configuration text as JSON.
const MAX_TEXT: usize = 17 << 20;

/// The most bytes of a sign-in: a token and the JSON around it.
const MAX_SIGN_IN: usize = 4 << 10;

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
        assert_eq!(named("Ame%CC%81lie"), "Amélie");
    }
}
