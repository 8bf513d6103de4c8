//! HTTP on an open connection to an upstream: sends a request and reads the head of the answer.
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::StatusCode;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::protocols::http::v2::client::Http2Session;
use pingora::{ErrorType, RetryType};

use crate::config::Timeouts;
use crate::protocol::json::Pieces;

/// How far an upstream had come when the head of an answer could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Broke {
    /// The upstream states that it has not begun with the request (HTTP/2: a refused stream, or a graceful shutdown).
    /// RFC 9113, section 8.7, allows sending the request again.
    Unprocessed,
    /// No byte of an answer had come.
    Silent,
    /// Some bytes of an answer had come, so the request must not be repeated.
    Begun,
    /// What came is not a valid answer of the HTTP version in use.
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

    /// The same for an error of HTTP/2, as Pingora reports it.
    fn of_h2(error: &h2::Error) -> Self {
        let reason = error.reason();
        let is_going = error.is_go_away() && error.is_remote() && reason == Some(Reason::NO_ERROR);
        let is_refused =
            error.is_reset() && error.is_remote() && reason == Some(Reason::REFUSED_STREAM);
        if is_going || is_refused {
            Self::Unprocessed
        } else {
            Self::Silent
        }
    }
}

/// How much of a request was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Sent {
    /// The whole request was sent.
    pub whole: bool,
    /// The upstream accepted nothing more for as long as one write may take.
    pub stuck: bool,
    /// The result of reading the head of the answer, if that happened meanwhile.
    pub head: Option<Result<(), Broke>>,
}

impl Sent {
    /// The upstream did not accept the whole request.
    fn cut(head: Option<Result<(), Broke>>) -> Self {
        Self {
            whole: false,
            stuck: false,
            head,
        }
    }

    /// The same, with the reason that Pingora reports.
    fn cut_by(error: &pingora::Error, head: Option<Result<(), Broke>>) -> Self {
        Self {
            stuck: *error.etype() == ErrorType::WriteTimedout,
            ..Self::cut(head)
        }
    }

    /// How long to wait for the head of the answer.
    pub(crate) fn patience(self, timeouts: &Timeouts) -> Duration {
        let most = timeouts.total.unwrap_or(timeouts.first_byte);
        if self.whole {
            timeouts.first_byte.min(most)
        } else {
            AFTER_WRITE_ERROR
        }
    }
}

/// Whether an answer with this status, before the whole request was sent, makes the rest of the request useless.
fn is_final(status: StatusCode) -> bool {
    !status.is_success() && !status.is_informational()
}

/// Whether a read failed only because the upstream, whose answer is complete, wants no more of the request: RFC 9113,
/// section 8.1.
pub(crate) fn is_enough(error: &pingora::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<h2::Error>();
    cause.is_some_and(|error| {
        error.is_reset() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR)
    })
}

/// Reads the head of the answer. Interim answers (100, 103) are skipped; 101 is not expected.
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

/// Sends head and body, and reads an early answer meanwhile. One write may take as long as `patience`.
pub(crate) async fn send(
    upstream: &mut HttpSession,
    head: Box<RequestHeader>,
    body: &Pieces,
    patience: Duration,
) -> Sent {
    let mut sending = match Sending::begin(upstream, head, patience).await {
        Ok(sending) => sending,
        Err(sent) => return sent,
    };
    for piece in body {
        if let Err(sent) = sending.write(piece.clone()).await {
            return sent;
        }
    }
    sending.finish().await
}

/// A request whose body is sent piece by piece. An upstream that refuses it early is noticed at once: on HTTP/1 by the
/// stream below (see [`super::gathered`]), on HTTP/2 here.
pub(crate) struct Sending<'a> {
    upstream: &'a mut HttpSession,
    /// The stream for the body, on HTTP/2.
    writer: Option<SendStream<Bytes>>,
    /// The result of reading while there was nothing to send.
    read: Option<Result<(), Broke>>,
    /// How long one write may take.
    patience: Duration,
}

impl<'a> Sending<'a> {
    /// Sends the head. One write may take as long as `patience`.
    pub(crate) async fn begin(
        upstream: &'a mut HttpSession,
        head: Box<RequestHeader>,
        patience: Duration,
    ) -> Result<Self, Sent> {
        upstream.set_write_timeout(Some(patience));
        if let Err(error) = upstream.write_request_header(head).await {
            return Err(Sent::cut_by(&error, None));
        }
        let writer = match upstream {
            HttpSession::H2(session) => session.take_request_body_writer(),
            _ => None,
        };
        Ok(Self {
            upstream,
            writer,
            read: None,
            patience,
        })
    }

    /// The result, if the head of an answer has been read already.
    fn heard(&self) -> Option<Result<(), Broke>> {
        self.read.or_else(|| match &*self.upstream {
            HttpSession::H2(session) => session.response_header().map(|_| Ok(())),
            // On HTTP/1 this may be an interim answer.
            _ => None,
        })
    }

    /// Waits until the upstream has answered in a way that makes the rest useless, or cannot answer any more. May be
    /// dropped at any time without losing what arrived.
    pub(crate) async fn refused(&mut self) -> Sent {
        if self.heard().is_none() {
            self.read = Some(read_head(self.upstream).await);
        }
        let status = self.upstream.response_header().map(|head| head.status);
        match self.heard() {
            Some(Ok(())) if !status.is_some_and(is_final) => std::future::pending().await,
            head => Sent::cut(head),
        }
    }

    /// Sends more of the body. `Err` = how far the request came, if it cannot continue.
    pub(crate) async fn write(&mut self, mut rest: Bytes) -> Result<(), Sent> {
        while !rest.is_empty() {
            // In pieces, each with its own timeout, so that a slow upstream is distinguished from a stuck one.
            let most = rest.len().min(WRITE_AT_ONCE);
            match (&mut *self.upstream, &mut self.writer) {
                (HttpSession::H2(session), Some(writer)) => {
                    writer.reserve_capacity(most);
                    let room = tokio::time::timeout(self.patience, room(session, writer)).await;
                    let stuck = room.is_err();
                    let head = session.response_header().map(|_| Ok(()));
                    let (head, room) = match room {
                        Ok(Room::For(bytes)) => (head, bytes),
                        Ok(Room::Broke(broke)) => (Some(Err(broke)), 0),
                        Ok(Room::Answered | Room::Shut) | Err(_) => (head, 0),
                    };
                    let next = rest.split_to(most.min(room));
                    if next.is_empty() || writer.send_data(next, false).is_err() {
                        let cut = Sent::cut(head);
                        return Err(Sent { stuck, ..cut });
                    }
                }
                (upstream, _) => {
                    let next = rest.split_to(most);
                    if let Err(error) = upstream.write_request_body(next, false).await {
                        return Err(Sent::cut_by(&error, self.read));
                    }
                }
            }
        }
        Ok(())
    }

    /// The body is complete.
    pub(crate) async fn finish(mut self) -> Sent {
        let over = match self.writer.as_mut() {
            Some(writer) => Ok(writer.send_data(Bytes::new(), true).is_ok()),
            None => self.upstream.finish_request_body().await.map(|()| true),
        };
        let head = self.heard();
        match over {
            Ok(whole) => Sent {
                whole,
                ..Sent::cut(head)
            },
            Err(error) => Sent::cut_by(&error, head),
        }
    }
}

/// The state of the stream while a body is sent over HTTP/2.
enum Room {
    For(usize),
    /// An answer came that makes the rest useless.
    Answered,
    /// No answer will come.
    Broke(Broke),
    /// Nothing more can be sent.
    Shut,
}

/// Waits until more can be sent, or until nothing more needs to be sent.
async fn room(session: &mut Http2Session, writer: &mut SendStream<Bytes>) -> Room {
    poll_fn(|cx| {
        if session.response_header().is_none() {
            match session.poll_read_response_header(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Room::Broke(Broke::of_h2(&error))),
                Poll::Pending => {}
            }
        }
        let status = session.response_header().map(|head| head.status);
        if status.is_some_and(is_final) {
            return Poll::Ready(Room::Answered);
        }
        match writer.poll_capacity(cx) {
            Poll::Ready(Some(Ok(bytes))) => Poll::Ready(Room::For(bytes)),
            Poll::Ready(_) => Poll::Ready(Room::Shut),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// How long to wait for an answer of an upstream that did not accept the whole request.
const AFTER_WRITE_ERROR: Duration = Duration::from_secs(2);

/// The most bytes in one write under the write timeout.
const WRITE_AT_ONCE: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use pingora::upstreams::peer::HttpPeer;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// The result for an upstream that reads a request, sends these bytes and closes.
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
                &Pieces::from(bytes::Bytes::new()),
                Duration::from_mins(1),
            )
            .await
            .whole
        );
        read_head(&mut session).await
    }

    type Answer = h2::server::SendResponse<Bytes>;

    /// The result of sending 4 MiB to an HTTP/2 upstream that reads none of it and runs `play`.
    async fn early<F>(play: fn(Answer, h2::RecvStream) -> F) -> (Sent, HttpSession)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        early_within(Duration::from_mins(1), play).await
    }

    /// The same, with `patience` as the longest time for one write.
    async fn early_within<F>(
        patience: Duration,
        play: fn(Answer, h2::RecvStream) -> F,
    ) -> (Sent, HttpSession)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        use pingora::connectors::http::v2::{H2HandshakeSettings, handshake};
        let (near, far) = tokio::io::duplex(64 << 10);
        let server = tokio::spawn(async move {
            let mut connection = h2::server::handshake(far).await.expect("a preface");
            let (request, answer) = connection
                .accept()
                .await
                .expect("a request")
                .expect("whole");
            tokio::spawn(play(answer, request.into_body()));
            while connection.accept().await.is_some() {}
        });
        let mut settings = H2HandshakeSettings::new();
        settings.max_streams = 1;
        let connection = handshake(Box::new(near), settings);
        let connection = connection.await.expect("HTTP/2");
        let stream = connection
            .spawn_stream()
            .await
            .expect("well")
            .expect("room");
        let mut session = HttpSession::H2(stream);
        let mut head = RequestHeader::build("POST", b"/", None).expect("a head");
        head.insert_header("host", "a").expect("a name");
        let body = Pieces::from(Bytes::from(vec![b'x'; 4 << 20]));
        let sending = send(&mut session, Box::new(head), &body, patience);
        let sent = tokio::time::timeout(Duration::from_secs(20), sending).await;
        server.abort();
        (sent.expect("at once"), session)
    }

    #[tokio::test]
    async fn an_http_2_upstream_that_refuses_early_is_heard_at_once() {
        let (sent, session) = early(|mut answer: Answer, _body| async move {
            let head = http::Response::builder()
                .status(429)
                .body(())
                .expect("a head");
            let mut stream = answer.send_response(head, false).expect("open");
            stream
                .send_data(Bytes::from_static(b"slow"), true)
                .expect("open");
            std::future::pending::<()>().await;
        })
        .await;
        assert_eq!(sent, Sent::cut(Some(Ok(()))));
        let status = session.response_header().map(|head| head.status.as_u16());
        assert_eq!(status, Some(429));
    }

    #[tokio::test]
    async fn one_that_begins_to_answer_gets_the_whole_request() {
        let (sent, _session) = early(|mut answer: Answer, mut body| async move {
            let head = http::Response::new(());
            let _stream = answer.send_response(head, false).expect("open");
            while let Some(Ok(data)) = body.data().await {
                body.flow_control()
                    .release_capacity(data.len())
                    .expect("open");
            }
            std::future::pending::<()>().await;
        })
        .await;
        assert!(sent.whole, "{sent:?}");
    }

    #[tokio::test]
    async fn one_that_takes_nothing_is_stuck_when_a_write_has_taken_too_long() {
        let (sent, _session) = early_within(Duration::from_millis(50), |answer, body| async move {
            let _held = (answer, body);
            std::future::pending::<()>().await;
        })
        .await;
        assert!(sent.stuck && !sent.whole && sent.head.is_none(), "{sent:?}");
    }

    #[tokio::test]
    async fn one_that_refuses_the_stream_has_processed_nothing() {
        let (sent, _session) = early(|mut answer: Answer, _body| async move {
            answer.send_reset(Reason::REFUSED_STREAM);
            std::future::pending::<()>().await;
        })
        .await;
        assert_eq!(sent.head, Some(Err(Broke::Unprocessed)));
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
