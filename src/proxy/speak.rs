//! HTTP on an open connection to an upstream: the request goes out, the head of the answer comes in.
use http::StatusCode;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;

use crate::protocol::json::Pieces;

/// Reads the head of the answer. Interim ones (100, 103) are passed over; a switch of protocols was not asked for.
pub(super) async fn read_head(upstream: &mut HttpSession) -> pingora::Result<()> {
    loop {
        upstream.read_response_header().await?;
        match upstream.response_header().map(|head| head.status) {
            Some(StatusCode::SWITCHING_PROTOCOLS) => {
                return pingora::Error::e_explain(
                    pingora::ErrorType::InvalidHTTPHeader,
                    "a switch of protocols",
                );
            }
            Some(status) if status.is_informational() => {}
            _ => return Ok(()),
        }
    }
}

/// Sends head and body. `false` when the upstream would not take them all.
pub(super) async fn send(
    upstream: &mut HttpSession,
    head: Box<RequestHeader>,
    body: &Pieces,
) -> bool {
    if upstream.write_request_header(head).await.is_err() {
        return false;
    }
    for piece in body {
        let mut rest = piece.clone();
        while !rest.is_empty() {
            // In pieces, each under the write timeout: a slow but moving upstream is not a stuck one.
            let next = rest.split_to(rest.len().min(WRITE_AT_ONCE));
            if upstream.write_request_body(next, false).await.is_err() {
                return false;
            }
        }
    }
    upstream.finish_request_body().await.is_ok()
}

/// Bytes given to one write under the write timeout.
const WRITE_AT_ONCE: usize = 1 << 20;
