//! One `response.create`: an ordinary request to this same process, whose events become messages.
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::http::RequestHeader;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::protocols::{SocketDigest, Stream};
use tokio::sync::mpsc;

use crate::exchange::socket::answer::Answer;
use crate::exchange::socket::said::{self, Lane};
use crate::protocol::sse::Frames;
use crate::proxy::upstream::socket::links::SocketTurn;
use crate::proxy::upstream::socket::local::Local;

/// Serves a connection of the data plane to its end.
pub(crate) type Serve =
    Arc<dyn Fn(Stream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What all requests of a socket have in common.
pub(super) struct Caller {
    target: Vec<u8>,
    headers: HeaderMap,
    client: Option<Arc<SocketDigest>>,
    serve: Serve,
    /// The most bytes of an answer that are remembered.
    most: usize,
}

/// A message of a turn to its socket.
pub(super) enum TurnMessage {
    /// An event for the client.
    Event(String),
    /// The turn is over.
    End(Ended),
}

/// How a turn ended.
pub(super) struct Ended {
    pub lane: Lane,
    /// What the turn continued, its new input, and its result; `None` = it cannot be continued.
    pub remembered: Option<Remembered>,
}

pub(super) struct Remembered {
    pub id: String,
    pub previous: Option<String>,
    pub input: Bytes,
    pub output: Bytes,
}

/// The task of a turn.
pub(super) struct Task {
    pub lane: Lane,
    pub body: Bytes,
    pub previous: Option<String>,
    /// The new items of the input.
    pub input: Bytes,
    /// What the upstream side needs to know about the turn.
    pub turn: Arc<SocketTurn>,
}

impl Caller {
    /// The caller that opened a socket with this request.
    pub(super) fn new(
        request: &RequestHeader,
        client: Option<Arc<SocketDigest>>,
        serve: Serve,
        most: usize,
    ) -> Self {
        let target = request
            .uri
            .path_and_query()
            .map_or("/v1/responses", |target| target.as_str());
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        for (name, value) in &request.headers {
            if !is_of_the_socket(name, value) {
                headers.append(name.clone(), value.clone());
            }
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        Self {
            target: target.as_bytes().to_vec(),
            headers,
            client,
            serve,
            most,
        }
    }

    /// The headers of the upgrade, with its credentials.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The query of its URL, which may contain a key.
    pub(super) fn query(&self) -> Option<&str> {
        let target = std::str::from_utf8(&self.target).ok()?;
        Some(target.split_once('?')?.1)
    }

    /// Sends the request and reports the events of its answer.
    pub(super) async fn run(self: Arc<Self>, task: Task, tell: mpsc::Sender<TurnMessage>) {
        let mut answer = Answer::new(self.most);
        // If the client has left, there is nobody to report to.
        let Some(()) = self.ask(&task, &mut answer, &tell).await else {
            return;
        };
        if !answer.has_ended() {
            let _ = tell
                .send(TurnMessage::Event(said::cut_off(&task.lane)))
                .await;
        }
        let Task {
            lane,
            previous,
            input,
            ..
        } = task;
        let remembered = answer.remembered().map(|(id, output)| Remembered {
            id,
            previous,
            input,
            output,
        });
        let _ = tell
            .send(TurnMessage::End(Ended { lane, remembered }))
            .await;
    }

    /// Sends the request and passes events on. `None` = the socket is gone.
    async fn ask(
        &self,
        task: &Task,
        answer: &mut Answer,
        tell: &mpsc::Sender<TurnMessage>,
    ) -> Option<()> {
        let (server, client) = Local::pair(self.client.clone(), Some(Arc::clone(&task.turn)));
        // This task ends when the other end is closed, which happens when the turn is over or dropped with the socket.
        tokio::spawn((self.serve)(Box::new(server)));
        let mut http = HttpSession::new(Box::new(client));
        if self.send(&mut http, &task.body).await.is_err() || http.read_response().await.is_err() {
            return Some(());
        }
        let status = http.get_status().map_or(502, |status| status.as_u16());
        let is_stream = http
            .get_header(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        if !is_stream {
            let event = refused(&mut http, &task.lane, status).await;
            answer.observe(&event);
            return tell.send(TurnMessage::Event(event)).await.ok();
        }
        let mut frames = Frames::new();
        // The last event is held until the end of the answer. By then the turn has given back its place, so that a
        // client that continues at once does not block itself.
        let mut last = Vec::new();
        while let Ok(Some(chunk)) = http.read_body_bytes().await {
            let mut events = Vec::new();
            let cut = frames.push(&chunk, |frame| {
                // Comments only keep a connection alive; a WebSocket has pings for that.
                if let Ok(data) = std::str::from_utf8(&frame.data)
                    && !data.is_empty()
                    && data != "[DONE]"
                {
                    answer.observe(data);
                    events.push(said::routed(&task.lane, data));
                }
            });
            if answer.has_ended() {
                last.append(&mut events);
            }
            for event in events {
                tell.send(TurnMessage::Event(event)).await.ok()?;
            }
            if cut.is_err() {
                break;
            }
        }
        for event in last {
            tell.send(TurnMessage::Event(event)).await.ok()?;
        }
        Some(())
    }

    async fn send(&self, http: &mut HttpSession, body: &[u8]) -> pingora::Result<()> {
        let mut head = RequestHeader::build("POST", &self.target, Some(self.headers.len() + 1))?;
        for (name, value) in &self.headers {
            head.append_header(name.clone(), value.clone())?;
        }
        head.insert_header(CONTENT_LENGTH, body.len())?;
        http.write_request_header(Box::new(head)).await?;
        // A refused request may be answered before its whole body is read.
        if http.write_body(body).await.is_ok() {
            let _ = http.finish_body().await;
        }
        Ok(())
    }
}

/// The event for an answer that is not a stream: a refusal, or an upstream's error.
async fn refused(http: &mut HttpSession, lane: &Lane, status: u16) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = http.read_body_bytes().await {
        if body.len() + chunk.len() > LONGEST_ERROR {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    let headers: Vec<(String, String)> = http
        .resp_header()
        .into_iter()
        .flat_map(|head| &head.headers)
        .filter(|(name, _)| !NOT_SAID.contains(name))
        .filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect();
    said::failed(lane, status, &body, &headers)
}

/// Whether a header concerns the socket or a body that the upgrade does not have, and not the caller's request.
fn is_of_the_socket(name: &HeaderName, value: &HeaderValue) -> bool {
    let name = name.as_str();
    let is_beta = name == "openai-beta" && value.as_bytes().starts_with(b"responses_websockets=");
    is_beta || name.starts_with("sec-websocket-") || OF_THE_SOCKET.contains(&name)
}

const OF_THE_SOCKET: [&str; 15] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // These belong to one response, not to the socket.
    "x-request-id",
    "idempotency-key",
];

/// Headers that describe the framing of an answer.
const NOT_SAID: [HeaderName; 4] = [
    http::header::CONNECTION,
    http::header::CONTENT_LENGTH,
    http::header::TRANSFER_ENCODING,
    http::header::CONTENT_TYPE,
];

/// The most bytes of an error that are read.
const LONGEST_ERROR: usize = 1 << 20;
