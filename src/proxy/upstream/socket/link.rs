//! One WebSocket to an upstream: sends messages, receives events, answers pings.
use http::HeaderMap;
use pingora::protocols::http::v1::client::HttpSession as Http1Session;
use tungstenite::protocol::frame::coding::CloseCode;

use super::frames::{Frames, Incoming};

/// An open WebSocket. It carries one turn at a time.
pub(super) struct Link {
    http: Http1Session,
    frames: Frames,
    path: String,
    headers: HeaderMap,
    last: Option<String>,
}

/// The socket is closed.
#[derive(Debug)]
pub(super) struct Gone;

impl Link {
    /// A socket on a connection that has switched protocols; path and headers are those of the upgrade request.
    pub(super) fn new(http: Http1Session, path: String, headers: HeaderMap) -> Self {
        Self {
            http,
            frames: Frames::client(LONGEST_EVENT),
            path,
            headers,
            last: None,
        }
    }

    /// Path and headers with which it was opened.
    pub(super) fn opened_for(&self) -> (&str, &HeaderMap) {
        (&self.path, &self.headers)
    }

    /// The id of the last response on this socket, which the upstream can continue without the history being sent
    /// again.
    pub(super) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// Stores the id of the last response; `None` = it cannot be continued.
    pub(super) fn made(&mut self, response: Option<String>) {
        self.last = response;
    }

    /// Sends a message.
    pub(super) async fn say(&mut self, text: String) -> Result<(), Gone> {
        self.frames.say(text);
        self.flush().await
    }

    /// The next event.
    pub(super) async fn event(&mut self) -> Result<String, Gone> {
        loop {
            self.flush().await?;
            if let Some(event) = self.step().await? {
                return Ok(event);
            }
        }
    }

    /// An event; `None` when something else came, to which [`Link::flush`] may send an answer. May be dropped and
    /// called again; a write may not.
    pub(super) async fn step(&mut self) -> Result<Option<String>, Gone> {
        match self.frames.next() {
            Some(Incoming::Text(text)) => return Ok(Some(text)),
            Some(Incoming::End) => return Err(Gone),
            None => {}
        }
        match self.http.read_body_bytes().await {
            Ok(Some(bytes)) => self.frames.push(&bytes),
            _ => return Err(Gone),
        }
        Ok(None)
    }

    /// Pings the upstream with the next [`Link::flush`].
    pub(super) fn ask(&mut self) {
        self.frames.ping();
    }

    /// Closes the socket properly.
    pub(super) async fn close(mut self) {
        self.frames.close(CloseCode::Normal, "");
        let _ = self.flush().await;
        self.http.shutdown().await;
    }

    /// Sends what is pending, mostly pongs.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        let bytes = self.frames.take();
        if bytes.is_empty() {
            return Ok(());
        }
        self.http
            .write_body(&bytes)
            .await
            .map(drop)
            .map_err(|_| Gone)
    }
}

/// The most bytes of an upstream's event.
const LONGEST_EVENT: usize = 64 << 20;
