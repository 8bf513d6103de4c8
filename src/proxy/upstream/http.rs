//! HTTP on an open connection to an upstream: the request goes out, the head of the answer comes in.
use http::StatusCode;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::{ErrorType, RetryType};

use crate::protocol::json::Pieces;

/// How far an upstream had come when no head of an answer could be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Broke {
    /// It says that it has not begun with the request (HTTP/2: a refused stream, or a connection that is being closed in
    /// good order): RFC 9113, section 8.7, lets it be sent again.
    Unprocessed,
    /// Not a byte of an answer had come.
    Silent,
    /// A byte of an answer had come: the request must not be repeated.
    Begun,
    /// What came is no answer that HTTP/1.1 or the asked version of HTTP knows.
    NotHttp,
}

impl Broke {
    fn of(error: &pingora::Error) -> Self {
        let read = error
            .context
            .as_ref()
            .map_or("", |context| context.as_str());
        match read.rsplit_once("bytes already read: ") {
            _ if *error.etype() == ErrorType::InvalidHTTPHeader => Self::NotHttp,
            Some((_, "0")) => Self::Silent,
            Some(_) => Self::Begun,
            None if matches!(error.retry, RetryType::Decided(true)) => Self::Unprocessed,
            None => Self::Silent,
        }
    }
}

/// Reads the head of the answer. Interim ones (100, 103) are passed over; a switch of protocols was not asked for.
pub(crate) async fn read_head(upstream: &mut HttpSession) -> Result<(), Broke> {
    let mut began = false;
    loop {
        let read = upstream.read_response_header().await;
        read.map_err(|error| {
            if began {
                Broke::Begun
            } else {
                Broke::of(&error)
            }
        })?;
        match upstream.response_header().map(|head| head.status) {
            Some(StatusCode::SWITCHING_PROTOCOLS) => return Err(Broke::NotHttp),
            Some(status) if status.is_informational() => began = true,
            _ => return Ok(()),
        }
    }
}

/// Sends head and body. `false` when the upstream would not take them all.
pub(crate) async fn send(
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

#[cfg(test)]
mod tests {
    use super::*;
    use pingora::upstreams::peer::HttpPeer;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// What comes of an upstream that reads a request, says this and closes.
    async fn head_of(answer: &'static [u8]) -> Result<(), Broke> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(answer).await;
        });
        let connector = pingora::connectors::http::Connector::new(None);
        let peer = HttpPeer::new(address, false, String::new());
        let (mut session, _) = connector.get_http_session(&peer).await.expect("connected");
        let head = RequestHeader::build("GET", b"/", None).expect("a head");
        assert!(
            send(
                &mut session,
                Box::new(head),
                &Pieces::from(bytes::Bytes::new())
            )
            .await
        );
        read_head(&mut session).await
    }

    #[tokio::test]
    async fn a_byte_of_an_answer_is_told_from_none() {
        assert_eq!(head_of(b"").await, Err(Broke::Silent));
        assert_eq!(head_of(b"HTTP/1.1 2").await, Err(Broke::Begun));
        assert_eq!(head_of(b"nonsense\r\n\r\n").await, Err(Broke::NotHttp));
        assert_eq!(head_of(b"HTTP/1.1 100 C\r\n\r\n").await, Err(Broke::Begun));
        assert_eq!(head_of(b"HTTP/1.1 200 OK\r\n\r\n").await, Ok(()));
    }
}
