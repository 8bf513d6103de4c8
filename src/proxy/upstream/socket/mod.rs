//! The Responses API on a WebSocket to an upstream, for accounts that support it.
//!
//! To the relay, a turn on such a socket is an ordinary answer: [`connect`] returns an in-memory HTTP connection, at
//! whose other end [`carry`] sends the request on the socket and writes its events as an SSE stream. So all rules for
//! answers (when they commit, what fails over, what is booked) apply here, too.
mod carry;
pub(crate) mod frames;
mod link;
pub(crate) mod links;
pub(crate) mod local;
mod open;

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use pingora::protocols::http::client::HttpSession;
use pingora::protocols::http::v1::client::HttpSession as Http1Session;

use self::carry::{Began, carry};
use self::links::SocketTurn;
use self::open::{Opened, Opening};
use super::connect::{ConnectFault, Connections};
use super::way::Target;

/// A session with an upstream: with `by` over a WebSocket if the upstream supports it, otherwise an ordinary one.
pub(crate) async fn connect(
    connections: &Arc<Connections>,
    target: &Target,
    by: Option<(Arc<SocketTurn>, Parts)>,
    timeout: Duration,
) -> Result<(HttpSession, bool), ConnectFault> {
    let Some((turn, head)) = by else {
        return connections.session(target, timeout).await;
    };
    let connections = Arc::clone(connections);
    let opening = Opening::new(connections, target.clone(), head, timeout);
    Box::pin(session(turn, opening)).await
}

/// A session for one turn: over an open socket of this client, over a new one, or over plain HTTP if the upstream does
/// not support WebSockets.
async fn session(
    turn: Arc<SocketTurn>,
    opening: Opening,
) -> Result<(HttpSession, bool), ConnectFault> {
    let links = &turn.links;
    let began = if let Some((link, first)) = links.successor(&turn, &opening) {
        Began::Successor(link, first)
    } else if let Some(link) = links.take(&opening, turn.previous()).await {
        Began::Again(link)
    } else if links.are_refused(&opening) {
        return opening.plain().await;
    } else {
        match opening.open().await? {
            Opened::Link(link) => Began::New(link),
            Opened::Other(answer) => Began::Other(answer),
            Opened::NoSockets => {
                links.refuse(&opening);
                return opening.plain().await;
            }
        }
    };
    let (server, client) = local::Local::pair(None, None);
    tokio::spawn(carry(Box::new(server), turn, opening, began));
    Ok((HttpSession::H1(Http1Session::new(Box::new(client))), false))
}
