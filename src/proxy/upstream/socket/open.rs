//! Opens a WebSocket to an upstream: a connection of its own, and the upgrade.
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::protocols::http::v1::client::HttpSession as Http1Session;

use super::frames;
use super::link::Link;
use crate::proxy::random;
use crate::proxy::upstream::connect::{ConnectFault, Connections};
use crate::proxy::upstream::way::Target;

/// What is needed to open a socket for a request.
pub(super) struct Opening {
    connections: Arc<Connections>,
    target: Target,
    path: String,
    /// The headers of the request, without those about its body.
    headers: HeaderMap,
    timeout: Duration,
}

/// The result of opening a socket.
pub(super) enum Opened {
    Link(Box<Link>),
    /// The upstream gave another answer, which the client gets.
    Other(Answer),
    /// The upstream does not support WebSockets at this place.
    NoSockets,
}

/// An answer other than a switch of protocols.
pub(super) struct Answer {
    /// The status of the answer to the upgrade, or of an error event.
    pub status: u16,
    /// All headers of the answer, including those of its framing.
    pub headers: HeaderMap,
    /// The body, up to [`LONGEST_BODY`] bytes.
    pub body: Vec<u8>,
}

impl Opening {
    pub(super) fn new(
        connections: Arc<Connections>,
        target: Target,
        head: Parts,
        timeout: Duration,
    ) -> Self {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = head.headers;
        for name in OF_A_BODY {
            headers.remove(name);
        }
        Self {
            path: path.to_owned(),
            connections,
            target,
            headers,
            timeout,
        }
    }

    /// An ordinary session with the same upstream.
    pub(super) async fn plain(&self) -> Result<(HttpSession, bool), ConnectFault> {
        self.connections.session(&self.target, self.timeout).await
    }

    /// Whether a socket with this path and these headers can serve the request: place, credentials and all other
    /// lasting headers are the same.
    pub(super) fn is_same(&self, path: &str, headers: &HeaderMap) -> bool {
        let lasting = |headers: &HeaderMap| {
            let mut headers = headers.clone();
            for name in OF_ONE_REQUEST {
                headers.remove(name);
            }
            headers
        };
        self.path == path && lasting(&self.headers) == lasting(headers)
    }

    /// The key under which it is remembered whether the upstream supports sockets.
    pub(super) fn place(&self) -> String {
        format!("{}{}", self.target, self.path)
    }

    /// Opens a socket.
    pub(super) async fn open(&self) -> Result<Opened, ConnectFault> {
        let mut http = self.connections.alone(&self.target, self.timeout).await?;
        let shaking = tokio::time::timeout(HANDSHAKE, self.shake_hands(&mut http));
        // A connection that breaks during the upgrade counts as unreachable, because no request was sent yet.
        let Ok(Some(status)) = shaking.await else {
            return Err(ConnectFault::Unreachable);
        };
        match status {
            101 => {
                http.maybe_upgrade_body_writer();
                Ok(Opened::Link(Box::new(Link::new(
                    http,
                    self.path.clone(),
                    self.headers.clone(),
                ))))
            }
            404 | 405 | 426 | 501 => Ok(Opened::NoSockets),
            status => {
                let headers = http.resp_header().map(|head| head.headers.clone());
                let reading = tokio::time::timeout(HANDSHAKE, body(&mut http));
                Ok(Opened::Other(Answer {
                    status,
                    headers: headers.unwrap_or_default(),
                    body: reading.await.unwrap_or_default(),
                }))
            }
        }
    }

    /// The status of the answer; `None` when there is none, or when the upstream switches to another protocol.
    async fn shake_hands(&self, http: &mut Http1Session) -> Option<u16> {
        let nonce = [random::seed().to_ne_bytes(), random::seed().to_ne_bytes()];
        let key = STANDARD.encode(nonce.concat());
        let mut head =
            RequestHeader::build("GET", self.path.as_bytes(), Some(self.headers.len() + 4)).ok()?;
        for (name, value) in &self.headers {
            head.append_header(name.clone(), value.clone()).ok()?;
        }
        let fields = [
            (CONNECTION.as_str(), "Upgrade"),
            (UPGRADE.as_str(), "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", &key),
        ];
        for (name, value) in fields {
            head.insert_header(name, value).ok()?;
        }
        head.append_header("openai-beta", HeaderValue::from_static(BETA))
            .ok()?;
        http.write_request_header(Box::new(head)).await.ok()?;
        http.read_response().await.ok()?;
        let status = http.get_status()?.as_u16();
        let accepted = http
            .get_header("sec-websocket-accept")
            .and_then(|value| value.to_str().ok());
        let is_ours =
            accepted.is_some_and(|accepted| frames::accept(&key).as_deref() == Some(accepted));
        (status != 101 || is_ours).then_some(status)
    }
}

async fn body(http: &mut Http1Session) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = http.read_body_bytes().await {
        if body.len() + chunk.len() > LONGEST_BODY {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    body
}

/// Headers about the body of a request or about the connection that it came on.
const OF_A_BODY: [HeaderName; 8] = [
    http::header::ACCEPT,
    http::header::ACCEPT_ENCODING,
    http::header::CONNECTION,
    http::header::CONTENT_ENCODING,
    http::header::CONTENT_LENGTH,
    http::header::CONTENT_TYPE,
    http::header::EXPECT,
    http::header::TRANSFER_ENCODING,
];

/// Headers that differ between requests.
const OF_ONE_REQUEST: [&str; 4] = [
    "x-request-id",
    "traceparent",
    "tracestate",
    "idempotency-key",
];

/// The beta header that OpenAI's clients send when they open a socket.
const BETA: &str = "responses_websockets=2026-02-06";

/// The longest time for the upgrade, after the connection is made.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// The most bytes that are read of an answer that is not an upgrade.
const LONGEST_BODY: usize = 1 << 20;
