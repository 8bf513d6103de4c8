//! Writes the heads of answers, and complete answers of Weir's own, to the client.
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;

use crate::exchange::relaying::Answer;

/// Makes the head, with the framing for the client: the length if it is known, otherwise chunks (HTTP/1.1) or the end
/// of the connection (HTTP/1.0). HTTP/2 has its own framing.
pub(crate) fn client_head(
    client: &mut ServerSession,
    status: StatusCode,
    headers: HeaderMap,
    own_headers: &HeaderMap,
    length: Option<usize>,
) -> Box<ResponseHeader> {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = status;
    parts.headers = headers;
    for (name, value) in own_headers {
        parts.headers.insert(name, value.clone());
    }
    let version = client.req_header().version;
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        // An answer without a body needs no framing. RFC 9112, section 6.1, forbids `chunked` here: a client that
        // trusts the header would wait for a chunk that never comes.
    } else if let Some(length) = length {
        parts.headers.insert(CONTENT_LENGTH, length.into());
    } else if version == http::Version::HTTP_11 {
        parts
            .headers
            .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    } else if version < http::Version::HTTP_11 {
        client.set_keepalive(None);
    }
    Box::new(ResponseHeader::from(parts))
}

/// Writes a complete answer. Returns the number of body bytes, or `None` when the client is gone.
pub(crate) async fn write_answer(
    client: &mut ServerSession,
    answer: &Answer,
    own_headers: &HeaderMap,
) -> Option<u64> {
    let bodiless = client.req_header().method == http::Method::HEAD || answer.status == 204;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let length = Some(answer.body.len());
    let head = client_head(client, status, answer.headers.clone(), own_headers, length);
    client.write_response_header(head).await.ok()?;
    let body = if bodiless {
        Bytes::new()
    } else {
        answer.body.clone()
    };
    let written = body.len() as u64;
    client.write_response_body(body, true).await.ok()?;
    Some(written)
}
