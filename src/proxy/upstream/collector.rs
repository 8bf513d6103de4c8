//! Sends traces to a collector: one POST per batch, bounded in time.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};

use super::connect::Connections;
use super::own_request::OwnRequest;
use super::way::{Target, Way};
use crate::config::Trace;

/// A batch that was not accepted: whether a retry may succeed, and why it was not accepted.
#[derive(Debug)]
pub(crate) struct NotTaken {
    pub may_try_again: bool,
    pub why: String,
}

/// Sends `body`, an `ExportTraceServiceRequest` in JSON.
pub(crate) async fn tell(
    connections: &Connections,
    collector: &Trace,
    body: Bytes,
) -> Result<(), NotTaken> {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Some(authorization) = &collector.authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    let own_request = OwnRequest {
        method: Method::POST,
        path: &format!("{}/v1/traces", collector.endpoint.path),
        endpoint: &collector.endpoint,
        headers,
        body: Some(body),
        longest: MAX_ANSWER,
    };
    let target = Target::new(Arc::new(Way::direct(&collector.endpoint, PATIENCE)));
    let answered =
        tokio::time::timeout(PATIENCE, own_request.send(connections, &target, PATIENCE)).await;
    let (may_try_again, why) = match answered {
        Ok(Ok((status, _))) if (200..300).contains(&status) => return Ok(()),
        Ok(Ok((status, _))) => {
            let passing = matches!(status, 429 | 502 | 503 | 504);
            (passing, format!("it answered with status {status}"))
        }
        Ok(Err(fault)) => (true, format!("{fault:?}")),
        Err(_) => (true, format!("no answer within {} s", PATIENCE.as_secs())),
    };
    Err(NotTaken { may_try_again, why })
}

/// The longest time that a collector may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes of an answer that are read.
const MAX_ANSWER: usize = 1 << 20;

const AGENT: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));
