//! Keeps a waiting client's stream alive before its answer begins: sends the ping of the client's dialect at intervals.
//!
//! The first ping sends the head (200, an event stream) but commits no answer, so failover continues behind it. If
//! every attempt fails, the stream ends with the error event of the dialect.
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use pingora::protocols::http::ServerSession;

use super::client::answer::client_head;
use crate::exchange::headers;
use crate::protocol::Dialect;
use crate::protocol::passthrough;

/// Keeps the connection of one waiting client alive.
pub(super) struct Bridge<'a> {
    /// The bytes of a ping. The first one is sent with the head.
    ping: &'static [u8],
    /// When the next ping is due; `None` = never.
    due: Option<Instant>,
    /// Whether the head has gone out.
    has_begun: bool,
    /// Weir's own headers, for the head.
    own_headers: &'a HeaderMap,
}

/// The client closed the connection.
pub(super) struct Gone;

impl<'a> Bridge<'a> {
    /// A bridge for a client of this dialect. The first ping is due after `patience` without the head of the upstream's
    /// answer; `None` = no ping before that head. Only streams are bridged.
    pub(super) fn new(
        (dialect, stream): (Dialect, bool),
        arrived: Instant,
        patience: Option<Duration>,
        own_headers: &'a HeaderMap,
    ) -> Self {
        let ping = if stream {
            passthrough::ping(dialect)
        } else {
            b""
        };
        Self {
            ping,
            due: patience
                .filter(|_| !ping.is_empty())
                .map(|patience| arrived + patience),
            has_begun: false,
            own_headers,
        }
    }

    /// The head of an upstream's stream came at `now`: from then on pings are due at regular intervals.
    pub(super) fn stream_began(&mut self, now: Instant) {
        if !self.ping.is_empty() {
            let next = now + PING_EVERY;
            self.due = Some(self.due.map_or(next, |due| due.min(next)));
        }
    }

    /// The answer begins: from here on the pump sends the pings.
    pub(super) const fn end(&mut self) {
        self.due = None;
    }

    /// Whether the head of the answer has gone out.
    pub(super) const fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Waits until the next ping is due.
    pub(super) async fn due(&self) {
        match self.due {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }

    /// Writes a ping, and before it the head if that has not been sent.
    pub(super) async fn ping(&mut self, client: &mut ServerSession) -> Result<(), Gone> {
        self.due = Some(Instant::now() + PING_EVERY);
        if !std::mem::replace(&mut self.has_begun, true) {
            let mut headers = HeaderMap::with_capacity(8);
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENTS));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            headers::unbuffered(&mut headers);
            let head = client_head(client, StatusCode::OK, headers, self.own_headers, None);
            client.write_response_header(head).await.map_err(|_| Gone)?;
        }
        let ping = Bytes::from_static(self.ping);
        client
            .write_response_body(ping, false)
            .await
            .map_err(|_| Gone)
    }
}

/// The interval of pings. Claude Code gives up after 300 s and shows a banner after 20 s.
pub(super) const PING_EVERY: Duration = Duration::from_secs(15);

const EVENTS: &str = "text/event-stream; charset=utf-8";
