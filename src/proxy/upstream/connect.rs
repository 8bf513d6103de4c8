//! Sessions with upstreams, pooled or new. The pooled connections of the process belong to one `Connector`.
use std::time::Duration;

use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use pingora::protocols::http::client::HttpSession;
use pingora::{Error, ErrorType};

use super::dial::NO_ADDRESS;
use super::gathered::gathered;
use super::way::{IDLE_FOR, Target};

/// The pooled connections of the process.
pub(crate) struct Connections(Connector);

/// Why no connection came about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ConnectFault {
    /// The name has no address.
    Dns,
    /// No address can be reached, or the egress proxy would not have it.
    Other,
    /// Every address refused.
    Refused,
    Timeout,
    Tls,
}

impl Connections {
    /// `keepalive` idle ones are kept in all.
    pub(crate) fn new(keepalive: usize) -> Self {
        Self(Connector::new(Some(ConnectorOptions::new(keepalive))))
    }

    /// A session with `target`: pooled (`true`) or fresh, within `timeout`.
    pub(crate) async fn session(
        &self,
        target: &Target,
        timeout: Duration,
    ) -> Result<(HttpSession, bool), ConnectFault> {
        match tokio::time::timeout(timeout, self.0.get_http_session(target)).await {
            Ok(Ok((session, true))) => Ok((session, true)),
            Ok(Ok((session, false))) => Ok((gathered(session), false)),
            Ok(Err(error)) => Err(connect_fault(&error)),
            Err(_) => Err(ConnectFault::Timeout),
        }
    }

    /// Puts a session back whose answer was read to its end.
    pub(crate) async fn release(&self, session: HttpSession, target: &Target) {
        self.0
            .release_http_session(session, &target.shared(), Some(IDLE_FOR))
            .await;
    }
}

fn connect_fault(error: &Error) -> ConnectFault {
    match error.etype() {
        ErrorType::ConnectRefused => ConnectFault::Refused,
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => ConnectFault::Timeout,
        ErrorType::TLSHandshakeFailure
        | ErrorType::InvalidCert
        | ErrorType::HandshakeError
        | ErrorType::TLSWantX509Lookup => ConnectFault::Tls,
        etype if *etype == NO_ADDRESS => ConnectFault::Dns,
        _ => ConnectFault::Other,
    }
}
