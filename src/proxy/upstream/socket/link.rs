//! One socket to an upstream: messages out, events in, pings answered.
use http::HeaderMap;
use pingora::protocols::http::v1::client::HttpSession as Http1Session;
use tungstenite::protocol::frame::coding::CloseCode;

use super::frames::{Frames, Said};

/// An open socket. It carries one turn at a time.
pub(super) struct Link {
    http: Http1Session,
    frames: Frames,
    path: String,
    headers: HeaderMap,
    last: Option<String>,
}

/// The socket is no more.
#[derive(Debug)]
pub(super) struct Gone;

impl Link {
    /// On a connection that has switched protocols, asked for by this path and these headers.
    pub(super) fn new(http: Http1Session, path: String, headers: HeaderMap) -> Self {
        Self {
            http,
            frames: Frames::client(LONGEST_EVENT),
            path,
            headers,
            last: None,
        }
    }

    /// What it was opened for.
    pub(super) fn opened_for(&self) -> (&str, &HeaderMap) {
        (&self.path, &self.headers)
    }

    /// The response that was made here last: the upstream goes on from it without being told.
    pub(super) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// Notes what was made here last; `None` = nothing that can be continued.
    pub(super) fn made(&mut self, response: Option<String>) {
        self.last = response;
    }

    /// Says something.
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

    /// An event, or `None` when something else has come, to which [`Link::flush`] may send an answer. May be dropped and begun
    /// again, which a write may not.
    pub(super) async fn step(&mut self) -> Result<Option<String>, Gone> {
        match self.frames.next() {
            Some(Said::Text(text)) => return Ok(Some(text)),
            Some(Said::End) => return Err(Gone),
            None => {}
        }
        match self.http.read_body_bytes().await {
            Ok(Some(bytes)) => self.frames.push(&bytes),
            _ => return Err(Gone),
        }
        Ok(None)
    }

    /// Asks whether the upstream is there, with the next [`Link::flush`].
    pub(super) fn ask(&mut self) {
        self.frames.ping();
    }

    /// Ends it in good order.
    pub(super) async fn close(mut self) {
        self.frames.close(CloseCode::Normal, "");
        let _ = self.flush().await;
        self.http.shutdown().await;
    }

    /// Sends what is to go: pongs, mostly.
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

/// Bytes of the longest event of an upstream.
const LONGEST_EVENT: usize = 64 << 20;
