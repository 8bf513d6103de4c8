//! One request that Weir itself sends to a server: health checks, access tokens, Prometheus. The answer is bounded in
//! bytes; the caller bounds the time.
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;

use super::connect::{ConnectFault, Connections};
use super::http::{Broke, read_head, send};
use super::way::Target;
use crate::config::Endpoint;
use crate::exchange::target;
use crate::protocol::json::Pieces;

/// The request to send.
#[derive(Debug)]
pub(super) struct OwnRequest<'a> {
    pub method: Method,
    /// The path, including the query.
    pub path: &'a str,
    pub endpoint: &'a Endpoint,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
    /// The most bytes of an answer that are read.
    pub longest: usize,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum OwnRequestFault {
    /// The request cannot be written as a valid head.
    Unwritable,
    NoConnection(ConnectFault),
    /// The connection broke before the head of an answer came.
    Broke(Broke),
    /// The answer broke off after its head.
    BrokeOff,
    /// The answer, with this status, is longer than `longest`.
    TooLong(u16),
}

impl OwnRequest<'_> {
    /// Sends the request. Returns status and body of the answer.
    pub(super) async fn send(
        &self,
        connections: &Connections,
        target: &Target,
        connect: Duration,
    ) -> Result<(u16, Bytes), OwnRequestFault> {
        let mut target = target.clone();
        loop {
            // Boxed, because the state of a TLS handshake is large.
            let connecting = Box::pin(connections.session(&target, connect));
            let (session, reused) = connecting.await.map_err(OwnRequestFault::NoConnection)?;
            match self.converse(session).await {
                Ok((session, status, body)) => {
                    connections.release(session, &target).await;
                    return Ok((status, body));
                }
                // The server may close an idle connection just as it is taken; that is no evidence against it.
                Err(OwnRequestFault::Broke(Broke::Silent)) if reused => target = target.alone(),
                Err(OwnRequestFault::Broke(Broke::Unprocessed)) if !target.is_alone() => {
                    target = target.alone();
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    async fn converse(
        &self,
        mut session: HttpSession,
    ) -> Result<(HttpSession, u16, Bytes), OwnRequestFault> {
        let h2 = matches!(session, HttpSession::H2(_));
        let head = target::Head {
            method: &self.method,
            path: self.path,
            headers: self.headers.clone(),
            length: match &self.body {
                Some(body) => target::Length::Bytes(body.len() as u64),
                None => target::Length::Nothing,
            },
        };
        let head = head.written(self.endpoint, h2);
        let head = Box::new(RequestHeader::from(
            head.ok_or(OwnRequestFault::Unwritable)?,
        ));
        let body = Pieces::from(self.body.clone().unwrap_or_default());
        // The head is read even if writing failed, because an answer may be waiting.
        let read = match send(&mut session, head, &body, WRITE_TIMEOUT).await.head {
            Some(read) => read,
            None => read_head(&mut session).await,
        };
        read.map_err(OwnRequestFault::Broke)?;
        let head = session
            .response_header()
            .ok_or(OwnRequestFault::Broke(Broke::Silent))?;
        let status = head.status.as_u16();
        let mut answer = BytesMut::new();
        loop {
            match session.read_response_body().await {
                Ok(Some(chunk)) if answer.len() + chunk.len() > self.longest => {
                    return Err(OwnRequestFault::TooLong(status));
                }
                Ok(Some(chunk)) => answer.extend_from_slice(&chunk),
                Ok(None) => return Ok((session, status, answer.freeze())),
                Err(_) => return Err(OwnRequestFault::BrokeOff),
            }
        }
    }
}

/// The longest time for one write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
