//! Sends the head and the body of a request to an HTTP/1 upstream in one write.
//!
//! Pingora writes the head and flushes it before the body can follow, and each write wakes the upstream. So the first
//! write after an answer, which is the head, is held until the body comes, or until something is read. An upstream that
//! refuses a request early and reads no more of it is noticed at once: while a write waits, incoming bytes are read and
//! kept, and an answer that makes the rest of the request useless ends the write.
//!
//! This saves one of six system calls per small request; figures: `docs/PERFORMANCE.md`.
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::http::client::HttpSession;
use pingora::protocols::http::v1::client::HttpSession as Http1Session;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{ALPN, SslDigest, TlsRef};
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that holds the head of each request until more is written or something is read.
#[derive(Debug)]
pub(super) struct Gathered {
    stream: Stream,
    /// The held bytes; those before `sent` have been sent. Its memory is kept from one request to the next.
    held: Vec<u8>,
    sent: usize,
    phase: Phase,
    /// Bytes that arrived while a write was waiting.
    early: Vec<u8>,
}

/// The progress of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// The next write begins a request.
    Fresh,
    /// The head is held, and Pingora has not flushed it yet.
    Head,
    Body,
}

/// Wraps the stream of a new session from Pingora. Sessions from the pool are wrapped already.
pub(super) fn gathered(session: HttpSession) -> HttpSession {
    match session {
        HttpSession::H1(session) => {
            let stream = Gathered::new(session.into_inner());
            HttpSession::H1(Http1Session::new(Box::new(stream)))
        }
        other => other,
    }
}

impl Gathered {
    fn new(stream: Stream) -> Self {
        Self {
            stream,
            held: Vec::new(),
            sent: 0,
            phase: Phase::Fresh,
            early: Vec::new(),
        }
    }

    /// While a write waits: looks for an early answer. An error means that there is one which makes the rest useless,
    /// or that none can come any more.
    fn listen(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        // As long as the head has not been sent, nothing can have answered it.
        while self.early.len() < MOST_EARLY && self.phase != Phase::Fresh {
            let mut room = [0; 1 << 10];
            let mut buffer = ReadBuf::new(&mut room);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                Poll::Ready(Ok(())) => self.early.extend_from_slice(buffer.filled()),
            }
            if refuses(&self.early) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        self.held.get(self.sent..).unwrap_or_default()
    }

    /// Notes that `bytes` were sent; returns how many of them went beyond the head.
    fn went(&mut self, bytes: usize) -> usize {
        let beyond = bytes.saturating_sub(self.rest().len());
        self.sent += bytes - beyond;
        if self.rest().is_empty() {
            self.held.clear();
            self.sent = 0;
        }
        beyond
    }

    /// Writes what is held, with as much of `next` as fits into the same write. Returns how much of `next` that was.
    fn poll_held(&mut self, cx: &mut Context<'_>, next: &[u8]) -> Poll<io::Result<usize>> {
        while !self.held.is_empty() {
            let rest = self.held.get(self.sent..).unwrap_or_default();
            let stream = Pin::new(&mut self.stream);
            let written = if stream.is_write_vectored() {
                let both = [IoSlice::new(rest), IoSlice::new(next)];
                ready!(stream.poll_write_vectored(cx, &both))?
            } else {
                ready!(stream.poll_write(cx, rest))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let beyond = self.went(written);
            if beyond > 0 {
                return Poll::Ready(Ok(beyond));
            }
        }
        Poll::Ready(Ok(0))
    }
}

impl AsyncWrite for Gathered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if refuses(&self.early) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let fresh = self.phase == Phase::Fresh;
        if fresh {
            self.phase = Phase::Head;
        }
        // Small pieces are copied; a large piece is sent in one write with what is held before it.
        if (fresh || !self.held.is_empty()) && self.held.len() + bytes.len() <= COPIED {
            self.held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = match self.poll_held(cx, bytes) {
            Poll::Ready(Ok(0)) if !bytes.is_empty() => {
                Pin::new(&mut self.stream).poll_write(cx, bytes)
            }
            other => other,
        };
        if written.is_pending() {
            self.listen(cx)?;
        }
        written
    }

    /// Flushes everything but a head that nothing has followed yet, which waits for the body.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.phase == Phase::Head {
            self.phase = Phase::Body;
            if !self.held.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        ready!(self.poll_held(cx, &[]))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_held(cx, &[]))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Gathered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.held.is_empty() {
            ready!(self.poll_held(cx, &[]))?;
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        }
        if !self.early.is_empty() {
            let most = self.early.len().min(buffer.remaining());
            buffer.put_slice(self.early.get(..most).unwrap_or_default());
            self.early.drain(..most);
            self.phase = Phase::Fresh;
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.phase = Phase::Fresh;
        }
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Shutdown for Gathered {
    async fn shutdown(&mut self) {
        self.stream.shutdown().await;
    }
}

impl UniqueID for Gathered {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl Ssl for Gathered {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.stream.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

impl GetTimingDigest for Gathered {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.stream.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.stream.get_write_pending_time()
    }
}

impl GetProxyDigest for Gathered {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.stream.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Gathered {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.stream.set_socket_digest(digest);
    }
}

#[async_trait]
impl Peek for Gathered {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        self.stream.try_peek(buffer).await
    }
}

/// Whether these bytes begin with an answer that makes the rest of the request useless. Interim answers are skipped.
fn refuses(mut bytes: &[u8]) -> bool {
    loop {
        match bytes {
            [
                b'H',
                b'T',
                b'T',
                b'P',
                b'/',
                b'1',
                b'.',
                _,
                b' ',
                b'3'..=b'5',
                ..,
            ] => return true,
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'1', ..] => {}
            _ => return false,
        }
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            return false;
        };
        bytes = bytes.get(end + 4..).unwrap_or_default();
    }
}

/// The most bytes of an answer that are read while a write waits.
const MOST_EARLY: usize = 16 << 10;

/// The most bytes that are held: small pieces after a head are worth a copy.
const COPIED: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// Records every write that reaches it, and answers one byte to every read.
    #[derive(Clone, Debug)]
    struct Wire {
        writes: Arc<Mutex<Vec<Vec<u8>>>>,
        flushes: Arc<Mutex<usize>>,
        vectored: bool,
        /// The most bytes that one write takes.
        most: usize,
    }

    impl Wire {
        fn new(vectored: bool, most: usize) -> (Self, Gathered) {
            let wire = Self {
                writes: Arc::default(),
                flushes: Arc::default(),
                vectored,
                most,
            };
            (wire.clone(), Gathered::new(Box::new(wire)))
        }

        fn took(&self) -> Vec<String> {
            let writes = std::mem::take(&mut *self.writes.lock().expect("whole"));
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
            writes.into_iter().map(text).collect()
        }

        fn flushes(&self) -> usize {
            std::mem::take(&mut *self.flushes.lock().expect("whole"))
        }
    }

    impl AsyncWrite for Wire {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = &bytes[..bytes.len().min(self.most)];
            self.writes.lock().expect("whole").push(taken.to_vec());
            Poll::Ready(Ok(taken.len()))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = bytes.iter().flat_map(|part| part.to_vec()).collect();
            self.poll_write(cx, &all)
        }

        fn is_write_vectored(&self) -> bool {
            self.vectored
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            *self.flushes.lock().expect("whole") += 1;
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncRead for Wire {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buffer.put_slice(b"!");
            Poll::Ready(Ok(()))
        }
    }

    #[async_trait]
    impl Shutdown for Wire {
        async fn shutdown(&mut self) {}
    }

    impl UniqueID for Wire {
        fn id(&self) -> UniqueIDType {
            7
        }
    }

    impl Ssl for Wire {}
    impl Peek for Wire {}
    impl GetTimingDigest for Wire {
        fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
            Vec::new()
        }
    }
    impl GetProxyDigest for Wire {
        fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
            None
        }
    }
    impl GetSocketDigest for Wire {
        fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
            None
        }
    }

    async fn write(stream: &mut Gathered, bytes: &[u8]) {
        stream.write_all(bytes).await.expect("written");
        stream.flush().await.expect("flushed");
    }

    async fn read(stream: &mut Gathered) {
        assert_eq!(stream.read_u8().await.expect("read"), b'!');
    }

    #[tokio::test]
    async fn head_and_body_of_every_request_are_one_write() {
        let (wire, mut stream) = Wire::new(true, 1000);
        for _ in 0..2 {
            write(&mut stream, b"head").await;
            assert_eq!((wire.took().len(), wire.flushes()), (0, 0));
            write(&mut stream, b"body").await;
            assert_eq!((wire.took(), wire.flushes()), (vec!["headbody".into()], 1));
            // Later bytes of the same request are not held.
            write(&mut stream, b"more").await;
            assert_eq!((wire.took(), wire.flushes()), (vec!["more".into()], 1));
            read(&mut stream).await;
        }
    }

    #[tokio::test]
    async fn a_body_in_pieces_goes_out_with_its_head() {
        let (wire, mut stream) = Wire::new(true, 1 << 20);
        let long = "x".repeat(COPIED);
        write(&mut stream, b"head").await;
        for piece in ["a", "bc", &long] {
            stream.write_all(piece.as_bytes()).await.expect("written");
        }
        stream.flush().await.expect("flushed");
        assert_eq!(
            (wire.took(), wire.flushes()),
            (vec![format!("headabc{long}")], 1)
        );
    }

    #[tokio::test]
    async fn a_head_without_a_body_goes_out_when_its_answer_is_read() {
        let (wire, mut stream) = Wire::new(true, 1000);
        write(&mut stream, b"head").await;
        read(&mut stream).await;
        assert_eq!((wire.took(), wire.flushes()), (vec!["head".into()], 1));
        write(&mut stream, b"last").await;
        tokio::io::AsyncWriteExt::shutdown(&mut stream)
            .await
            .expect("shut down");
        assert_eq!(wire.took(), ["last"]);
    }

    #[tokio::test]
    async fn nothing_is_lost_or_doubled_when_writes_take_little() {
        for vectored in [true, false] {
            for most in 1..10 {
                let (wire, mut stream) = Wire::new(vectored, most);
                for _ in 0..3 {
                    write(&mut stream, b"head").await;
                    write(&mut stream, b"body").await;
                    read(&mut stream).await;
                    assert_eq!(wire.took().concat(), "headbody", "{vectored} {most}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_connection_stays_itself() {
        let (_, stream) = Wire::new(true, 1);
        assert_eq!(stream.id(), 7);
    }
}
