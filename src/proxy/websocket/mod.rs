//! The Responses API on a WebSocket: `GET /v1/responses` with an upgrade.
//!
//! A socket is a client of this same process: every `response.create` is sent as a `POST /v1/responses` over an
//! in-memory connection, with the headers of the upgrade. So it is authenticated, limited, routed, failed over and
//! logged like any other request, and there is only one relay. This room does the framing, the order of turns, and the
//! memory of responses. If the account also supports WebSockets, `upstream::socket` carries the turn on one; this room
//! keeps these sockets for the client.
mod socket;
mod turn;

use std::sync::Arc;

use http::header::{CONNECTION, UPGRADE};
use pingora::http::ResponseHeader;
use pingora_proxy::Session;

use self::socket::Socket;
use self::turn::Caller;
use super::client::certified;
use super::request::Exchange;
use super::state::app::App;
use crate::exchange::refusal::Refusal;
use crate::proxy::upstream::socket::frames;

pub(super) use self::turn::Serve;

/// Upgrades the connection and serves the socket to its end. The caller has been authenticated already.
pub(super) async fn serve(
    app: &Arc<App>,
    serve: &Serve,
    session: &mut Session,
    exchange: &mut Exchange,
) -> Result<(), Refusal> {
    if app.closing().is_set() {
        return Err(Refusal::Draining);
    }
    let accepted = accepted(session).ok_or(Refusal::WebSocket)?;
    let Ok(mut head) = ResponseHeader::build(101, Some(8)) else {
        return Err(Refusal::WebSocket);
    };
    let fields = [
        (UPGRADE.as_str(), "websocket"),
        (CONNECTION.as_str(), "Upgrade"),
        ("sec-websocket-accept", &accepted),
    ];
    let own = exchange.own_headers.iter();
    let own = own.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    for (name, value) in fields.into_iter().chain(own) {
        if head.insert_header(name.to_owned(), value).is_err() {
            return Err(Refusal::WebSocket);
        }
    }
    let config = &exchange.snapshot.gateway.config;
    let (most, max_age) = (config.server.max_body, config.websocket.max_age);
    let digest = session
        .digest()
        .and_then(|digest| digest.socket_digest.clone());
    let certificate = certified::names(session.digest());
    let caller = Caller::new(session.req_header(), digest, serve.clone(), most);
    // The requests on the socket are counted and logged one by one; the socket itself is not a request.
    exchange.leave_unsettled();
    let client = &mut session.downstream_session;
    if client.write_response_header(Box::new(head)).await.is_err() {
        return Ok(());
    }
    let (socket, receivers) = Socket::open(app, caller, certificate, most);
    socket.run(client, receivers, max_age).await;
    Ok(())
}

/// The `Sec-WebSocket-Accept` of the answer; `None` when this is not an upgrade to a WebSocket.
fn accepted(session: &Session) -> Option<String> {
    if !session.is_upgrade_req() {
        return None;
    }
    let header = |name: &str| session.req_header().headers.get(name)?.to_str().ok();
    let is_ours = header("upgrade")?.eq_ignore_ascii_case("websocket")
        && header("sec-websocket-version")? == "13";
    frames::accept(header("sec-websocket-key")?).filter(|_| is_ours)
}
