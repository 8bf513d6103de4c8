//! `POST /admin/api/v1/try`: a person sends a request through the data plane under one of its keys. The answer arrives
//! as server-sent events with the times at which it left Weir.
//!
//! The request is treated like a client's: limits, rewrites, routes, failover, the ledger and the log apply.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::client::HttpSession;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::answer::Answer;
use super::guard::Done;
use super::requests::row_json;
use super::stream::{begin, event};
use super::trial_limiter::{Busy, TrialLimiter, TrialPermit};
use crate::proxy::state::app::App;
use crate::proxy::state::inside::{Conversation, Inside};

/// The request to send. Its body is used byte for byte.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question<'a> {
    key: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// A request that is about to be sent.
pub(super) struct Trial {
    key: Arc<str>,
    request_id: String,
    head: Box<RequestHeader>,
    body: Bytes,
    inside: Inside,
    /// Held until the trial is over.
    _permit: TrialPermit,
}

impl Trial {
    /// Checks the question. `of` identifies the sender, who may have one trial at a time and sixty a minute.
    pub(super) fn begin(
        app: &App,
        (inside, trial_limiter): (&Inside, &Arc<TrialLimiter>),
        of: &str,
        question: &[u8],
    ) -> Result<Self, Answer> {
        let question: Question<'_> = serde_json::from_slice(question)
            .map_err(|error| Answer::fault(400, &format!("{EXPECTED}: {error}")))?;
        let gateway = app.gateway();
        let anonymous = gateway.keys.anonymous();
        let mut keys = gateway.config.keys.iter().chain(anonymous);
        let key = keys
            .find(|key| *key.name == *question.key)
            .map(|key| Arc::clone(&key.name))
            .ok_or_else(|| Answer::fault(404, "no key of that name; GET keys lists them"))?;
        let request_id = app.request_id();
        let head = head(&question, &request_id).map_err(|why| Answer::fault(400, &why))?;
        let permit = trial_limiter
            .enter(of, Instant::now())
            .map_err(|busy| match busy {
                Busy::One => Answer::fault(409, "one request at a time: stop the other one first"),
                Busy::Many(wait) => Answer::fault(429, "60 requests a minute from the console")
                    .retry_after(wait.as_secs() + 1),
            })?;
        Ok(Self {
            key,
            request_id,
            head: Box::new(head),
            body: Bytes::copy_from_slice(question.body.get().as_bytes()),
            inside: Arc::clone(inside),
            _permit: permit,
        })
    }

    /// The entry for the audit log.
    pub(super) fn done(&self) -> Done {
        let answer = Answer::text(200, "");
        Done::changed(answer, "request.try", &self.key).with_change(None, Some(&self.request_id))
    }
}

fn head(question: &Question<'_>, request_id: &str) -> Result<RequestHeader, String> {
    let path = &question.path;
    let length = question.body.get().len();
    let uri: Option<http::Uri> = path.parse().ok();
    if !uri.is_some_and(|uri| uri.path().starts_with('/') && uri.authority().is_none()) {
        return Err(format!("`{path}` is no path; give one like /v1/messages"));
    }
    let mut head = RequestHeader::build("POST", path.as_bytes(), None)
        .map_err(|_| format!("`{path}` is no path; give one like /v1/messages"))?;
    let own = [
        ("host", "console.invalid".to_owned()),
        ("content-type", "application/json".to_owned()),
        ("x-request-id", request_id.to_owned()),
        ("content-length", length.to_string()),
        ("connection", "close".to_owned()),
    ];
    for (name, value) in &question.headers {
        let name: HeaderName = name
            .parse()
            .map_err(|_| format!("`{name}` is no name of a header"))?;
        if own.iter().any(|(own, _)| name == *own) && name != CONTENT_TYPE
            || NOT_TAKEN.contains(&name.as_str())
        {
            return Err(format!(
                "`{name}` is not taken: the key is given by its name, the rest Weir sets"
            ));
        }
        // The message does not contain the value, which may be a secret.
        let value: HeaderValue = value
            .parse()
            .map_err(|_| format!("the value of `{name}` holds what no header can"))?;
        let _ = head.insert_header(name, value);
    }
    for (name, value) in own {
        if name != "content-type" || !head.headers.contains_key(CONTENT_TYPE) {
            head.insert_header(name, value)
                .map_err(|_| "a header could not be written".to_owned())?;
        }
    }
    Ok(head)
}

/// Sends the request and reports what comes, until the answer is over or the person leaves, which ends the request.
pub(super) async fn run(app: &App, session: &mut ServerSession, trial: Trial) {
    if begin(session).await.is_err() {
        return;
    }
    let Conversation { stream, over } = (trial.inside)(Arc::clone(&trial.key));
    let mut reporter = EventReporter::new();
    let sent =
        json!({ "request_id": trial.request_id, "key": &*trial.key, "bytes": trial.body.len() });
    if !tell(session, event("sent", None, &sent.to_string())).await {
        return;
    }
    let mut client = HttpSession::new(Box::new(stream));
    let asked = async {
        client.write_request_header(trial.head).await?;
        client.write_body(&trial.body).await?;
        client.finish_body().await?;
        client.read_response().await
    };
    let answered = tokio::select! {
        _ = session.read_body_or_idle(true) => return,
        answered = asked => answered.is_ok(),
    };
    if answered && let Some(head) = client.resp_header() {
        let headers: Vec<(&str, String)> = head
            .headers
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        reporter.streams = head
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|media| media.as_bytes().starts_with(b"text/event-stream"));
        let data =
            json!({ "at_us": reporter.now(), "status": head.status.as_u16(), "headers": headers });
        if !tell(session, event("head", None, &data.to_string())).await {
            return;
        }
        loop {
            let piece = tokio::select! {
                _ = session.read_body_or_idle(true) => return,
                piece = client.read_body_bytes() => piece,
            };
            let (text, more) = match piece {
                Ok(Some(bytes)) => (reporter.take_in(&bytes), true),
                Ok(None) | Err(_) => (reporter.rest(), false),
            };
            if !text.is_empty() && !tell(session, text).await {
                return;
            }
            if !more {
                break;
            }
        }
    }
    drop(client);
    // The row is written when the request is settled, shortly after the end of its answer.
    let _ = tokio::time::timeout(SETTLES, over).await;
    let row = app.telemetry.recent().find(&trial.request_id);
    let row = row.map_or_else(|| "null".to_owned(), |row| row_json(&row));
    let data = format!(
        "{{\"at_us\":{},\"bytes\":{},\"untold\":{},\"row\":{row}}}",
        reporter.now(),
        reporter.bytes,
        reporter.untold
    );
    let end = event("end", None, &data);
    let _ = session.write_response_body(Bytes::from(end), true).await;
}

async fn tell(session: &mut ServerSession, text: String) -> bool {
    session
        .write_response_body(Bytes::from(text), false)
        .await
        .is_ok()
}

/// Reports the body of the answer, event by event.
struct EventReporter {
    began: Instant,
    streams: bool,
    /// The beginning of an event whose end has not arrived.
    held: Vec<u8>,
    bytes: usize,
    /// The number of events that are counted but not shown, because more than `TOLD` bytes were shown before.
    untold: usize,
}

impl EventReporter {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            streams: false,
            held: Vec::new(),
            bytes: 0,
            untold: 0,
        }
    }

    /// Microseconds since the request was sent.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The events to report for the next bytes.
    fn take_in(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let mut out = String::new();
        while self.streams
            && let Some(end) = end_of_event(&self.held)
        {
            let whole: Vec<u8> = self.held.drain(..end).collect();
            out += &self.one(&whole);
        }
        // A plain answer is reported piece by piece, and so is an event that is too long.
        if !self.held.is_empty() && (!self.streams || self.held.len() > LONGEST_EVENT) {
            let piece = std::mem::take(&mut self.held);
            out += &self.one(&piece);
        }
        out
    }

    /// What to report at the end for the remaining bytes.
    fn rest(&mut self) -> String {
        let rest = std::mem::take(&mut self.held);
        if rest.trim_ascii().is_empty() {
            String::new()
        } else {
            self.one(&rest)
        }
    }

    fn one(&mut self, bytes: &[u8]) -> String {
        self.bytes += bytes.len();
        if self.bytes > TOLD {
            self.untold += 1;
            return String::new();
        }
        let text = String::from_utf8_lossy(bytes);
        let mut name = None;
        let mut data = Vec::new();
        if self.streams {
            for line in text.lines() {
                if let Some(rest) = line.strip_prefix("event:") {
                    name = Some(rest.trim());
                } else if let Some(rest) = line.strip_prefix("data:") {
                    data.push(rest.strip_prefix(' ').unwrap_or(rest));
                } else if line.starts_with(':') {
                    name = name.or(Some("comment"));
                }
            }
        } else {
            data.push(&*text);
        }
        let value = json!({ "at_us": self.now(), "name": name, "data": data.join("\n"), "bytes": bytes.len() });
        event("event", None, &value.to_string())
    }
}

/// Where the first event ends: after an empty line, with any kind of line end.
fn end_of_event(bytes: &[u8]) -> Option<usize> {
    let ends = [b"\n\n".as_slice(), b"\r\n\r\n", b"\r\r"];
    ends.iter()
        .filter_map(|end| {
            let at = bytes.windows(end.len()).position(|window| window == *end)?;
            Some(at + end.len())
        })
        .min()
}

const EXPECTED: &str =
    r#"expected {"key": "NAME", "path": "/v1/…", "body": {…}} and, if wanted, "headers""#;

/// Headers that a trial may not set: credentials of clients, and the framing of the message.
const NOT_TAKEN: [&str; 8] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "transfer-encoding",
    "upgrade",
    "te",
    "expect",
];

/// The most bytes of an answer that are shown; the rest is only counted.
const TOLD: usize = 4 << 20;

/// The most bytes of an event that are held until its end arrives.
const LONGEST_EVENT: usize = 1 << 20;

/// The longest time between the end of an answer and its settlement.
const SETTLES: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_told_by_its_events_wherever_it_is_cut() {
        let mut reporter = EventReporter::new();
        reporter.streams = true;
        assert_eq!(reporter.take_in(b"event: a\ndata: {\"x\""), "");
        let text = reporter.take_in(b":1}\n\ndata: two\r\n\r\n: ping\n\ndata: rest");
        let events: Vec<&str> = text.split_terminator("\n\n").collect();
        assert_eq!(events.len(), 3, "{text}");
        assert!(
            events[0].contains(r#""name":"a""#) && events[0].contains(r#"{\"x\":1}"#),
            "{text}"
        );
        assert!(
            events[1].contains(r#""name":null"#) && events[2].contains(r#""name":"comment""#),
            "{text}"
        );
        assert!(reporter.rest().contains(r#""data":"rest""#));
        assert_eq!(reporter.rest(), "");
    }

    #[test]
    fn a_plain_answer_is_told_as_it_comes_and_a_long_one_is_counted() {
        let mut reporter = EventReporter::new();
        assert!(
            reporter
                .take_in(b"{\"a\":\n\n1}")
                .contains(r#"{\"a\":\n\n1}"#)
        );
        reporter.bytes = TOLD;
        assert_eq!(reporter.take_in(b"more"), "");
        assert_eq!((reporter.untold, reporter.bytes), (1, TOLD + 4));
    }

    #[test]
    fn nobody_smuggles_a_credential_or_a_second_request() {
        let ask = |headers: &str, path: &str| {
            let text = format!(r#"{{"key":"k","path":"{path}","headers":{headers},"body":{{}}}}"#);
            let question: Question<'_> = serde_json::from_str(&text).expect("a question");
            head(&question, "req_1").map(|head| head.headers.clone())
        };
        let headers = ask(r#"{"anthropic-beta":"x"}"#, "/v1/messages?a=b").expect("a head");
        assert_eq!(
            (&headers["content-length"], &headers["anthropic-beta"]),
            (
                &"2".parse::<HeaderValue>().expect("a value"),
                &"x".parse::<HeaderValue>().expect("a value")
            )
        );
        for refused in [
            r#"{"authorization":"Bearer x"}"#,
            r#"{"X-Api-Key":"x"}"#,
            r#"{"content-length":"9"}"#,
            r#"{"transfer-encoding":"chunked"}"#,
            r#"{"a b":"x"}"#,
            r#"{"a":"x\r\nb: c"}"#,
        ] {
            assert!(ask(refused, "/v1/messages").is_err(), "{refused}");
        }
        for path in [
            "v1/messages",
            "http://elsewhere/v1",
            "/v1 HTTP/1.1\\r\\nx: y",
            "",
        ] {
            assert!(ask("{}", path).is_err(), "{path}");
        }
    }
}
