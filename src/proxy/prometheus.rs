//! Asks a Prometheus: one GET per question, bounded in time and in bytes.
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HOST, USER_AGENT};
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;

use super::connect::{Connections, Target};
use crate::config::Prometheus;
use crate::fleet::{Failure, Question, Unanswered, answer};

/// The body of the answer, from a server that understood the question.
pub(super) async fn ask(
    connections: &Connections,
    server: &Prometheus,
    question: &Question,
) -> Result<Bytes, Unanswered> {
    let asking = exchange(connections, server, question);
    let Ok(answered) = tokio::time::timeout(server.timeout, asking).await else {
        let why = format!("no answer within {:?}", server.timeout);
        return Err(Unanswered::new(Failure::Timeout, why));
    };
    let (status, body) = answered?;
    if status == 200 {
        return Ok(body);
    }
    // Prometheus says why in the same form.
    match answer::parse(&body) {
        Err(answer::Fault::Refused(why)) => Err(answer::Fault::Refused(why).into()),
        _ => Err(Unanswered::new(
            Failure::Refused,
            format!("it answered with status {status}"),
        )),
    }
}

async fn exchange(
    connections: &Connections,
    server: &Prometheus,
    question: &Question,
) -> Result<(u16, Bytes), Unanswered> {
    let began = Instant::now();
    let mut failed = unreachable("its name has no address");
    for address in addresses(server).await? {
        let target = target(server, address);
        // The server may close an idle connection just as it is taken: that says nothing.
        for _ in 0..=MAX_STALE {
            let left = server.timeout.saturating_sub(began.elapsed());
            let (session, reused) = match connections.session(&target, left).await {
                Ok(session) => session,
                Err(fault) => {
                    failed = unreachable(&format!("no connection: {fault:?}"));
                    break;
                }
            };
            match converse(session, server, question).await {
                Ok((session, status, body)) => {
                    connections.release(session, &target).await;
                    return Ok((status, body));
                }
                Err(Broke::Early) => {
                    failed = unreachable("the connection broke");
                    if !reused {
                        break;
                    }
                }
                Err(Broke::Late(unanswered)) => return Err(unanswered),
            }
        }
    }
    Err(failed)
}

/// Where a conversation broke off.
enum Broke {
    /// Before anything was answered.
    Early,
    Late(Unanswered),
}

async fn converse(
    mut session: HttpSession,
    server: &Prometheus,
    question: &Question,
) -> Result<(HttpSession, u16, Bytes), Broke> {
    let head = head(server, question).ok_or_else(|| {
        Broke::Late(Unanswered::new(
            Failure::Refused,
            "the question cannot be sent",
        ))
    })?;
    let sent = session.write_request_header(head).await.is_ok()
        && session.finish_request_body().await.is_ok();
    if !sent || session.read_response_header().await.is_err() {
        return Err(Broke::Early);
    }
    let Some(status) = session.response_header().map(|head| head.status.as_u16()) else {
        return Err(Broke::Early);
    };
    let mut body = BytesMut::new();
    loop {
        match session.read_response_body().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > MAX_ANSWER => {
                let why = format!("the answer is longer than {MAX_ANSWER} bytes");
                return Err(Broke::Late(Unanswered::new(Failure::Malformed, why)));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok((session, status, body.freeze())),
            Err(_) => return Err(Broke::Late(unreachable("the answer broke off"))),
        }
    }
}

fn head(server: &Prometheus, question: &Question) -> Option<Box<RequestHeader>> {
    let path = format!("{}{}", server.endpoint.path, question.path());
    let mut head = RequestHeader::build("GET", path.as_bytes(), None).ok()?;
    head.insert_header(HOST, server.endpoint.authority.as_str())
        .ok()?;
    head.insert_header(ACCEPT, "application/json").ok()?;
    head.insert_header(ACCEPT_ENCODING, "identity").ok()?;
    head.insert_header(USER_AGENT, concat!("weir/", env!("CARGO_PKG_VERSION")))
        .ok()?;
    if let Some(authorization) = &server.authorization {
        head.insert_header(AUTHORIZATION, authorization.clone())
            .ok()?;
    }
    Some(Box::new(head))
}

async fn addresses(server: &Prometheus) -> Result<Vec<SocketAddr>, Unanswered> {
    let site = (server.endpoint.host.as_str(), server.endpoint.port);
    let found = tokio::net::lookup_host(site).await;
    let found = found.map_err(|error| unreachable(&format!("its name has no address: {error}")))?;
    Ok(found.take(MAX_ADDRESSES).collect())
}

fn target(server: &Prometheus, address: SocketAddr) -> Target {
    let endpoint = &server.endpoint;
    let mut peer = HttpPeer::new(address, endpoint.tls, endpoint.host.clone());
    peer.options.connection_timeout = Some(server.timeout);
    peer.options.total_connection_timeout = Some(server.timeout);
    peer.options.idle_timeout = Some(IDLE_FOR);
    Target { endpoint: 0, peer }
}

fn unreachable(why: &str) -> Unanswered {
    Unanswered::new(Failure::Unreachable, why)
}

/// Longest answer that is read: as many series as are ever taken in, and their labels.
const MAX_ANSWER: usize = 64 << 20;

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;

/// Pooled connections that may turn out to be closed, in a row.
const MAX_STALE: usize = 2;

/// Prometheus itself keeps idle connections for five minutes; what stands before it, often for one.
const IDLE_FOR: Duration = Duration::from_secs(55);
