//! Queries a Prometheus: one GET per question, bounded in time and in bytes.
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};

use super::connect::{ConnectFault, Connections};
use super::own_request::{OwnRequest, OwnRequestFault};
use super::way::{Target, Way};
use crate::config::Prometheus;
use crate::fleet::{Failure, Question, Unanswered, answer};

/// The body of the answer, if the server understood the question.
pub(crate) async fn ask(
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
    // Prometheus reports errors in the same form.
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
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Some(authorization) = &server.authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    let own_request = OwnRequest {
        method: Method::GET,
        path: &format!("{}{}", server.endpoint.path, question.path()),
        endpoint: &server.endpoint,
        headers,
        body: None,
        longest: MAX_ANSWER,
    };
    let target = Target::new(Arc::new(Way::direct(&server.endpoint, server.timeout)));
    let answered = own_request.send(connections, &target, server.timeout).await;
    answered.map_err(|fault| match fault {
        OwnRequestFault::NoConnection(ConnectFault::Dns) => unreachable("its name has no address"),
        OwnRequestFault::NoConnection(fault) => unreachable(&format!("no connection: {fault:?}")),
        OwnRequestFault::Broke(_) => unreachable("the connection broke"),
        OwnRequestFault::BrokeOff => unreachable("the answer broke off"),
        OwnRequestFault::Unwritable => {
            Unanswered::new(Failure::Refused, "the question cannot be sent")
        }
        OwnRequestFault::TooLong(_) => {
            let why = format!("the answer is longer than {MAX_ANSWER} bytes");
            Unanswered::new(Failure::Malformed, why)
        }
    })
}

fn unreachable(why: &str) -> Unanswered {
    Unanswered::new(Failure::Unreachable, why)
}

/// The most bytes of an answer: enough for the most series that are ever read, with their labels.
const MAX_ANSWER: usize = 64 << 20;

const AGENT: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));
