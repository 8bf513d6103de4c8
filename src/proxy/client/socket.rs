//! A client's TCP connection, buffered, with the traits that Pingora requires of a stream.
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter, ReadBuf,
};
use tokio::net::TcpStream;

/// Reads ahead up to a given number of bytes, and joins small writes until they are flushed.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: BufReader<BufWriter<TcpStream>>,
    /// Bytes that were peeked at and not read yet.
    peeked: Vec<u8>,
    digest: Arc<SocketDigest>,
}

impl Socket {
    /// `client` is the client's address. At most `ahead` bytes are read before they are asked for.
    pub(crate) fn new(stream: TcpStream, client: SocketAddr, ahead: usize) -> Self {
        let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
        // The digest is new, so its address cannot have been set before.
        let _ = digest.peer_addr.set(Some(PingoraAddr::Inet(client)));
        let writer = BufWriter::with_capacity(WRITE_TOGETHER, stream);
        Self {
            stream: BufReader::with_capacity(ahead.max(1), writer),
            peeked: Vec::new(),
            digest: Arc::new(digest),
        }
    }

    /// Waits for the first byte or for the end of the stream. Readiness alone can be a false alarm, so it peeks.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        let stream = self.stream.get_ref().get_ref();
        stream.peek(&mut [0]).await.map(|_| ())
    }

    /// Peeks until there are `prefix.len()` bytes or until one of them differs. Returns whether all are equal.
    async fn begins_with(&mut self, prefix: &[u8]) -> io::Result<bool> {
        while prefix.starts_with(&self.peeked) && self.peeked.len() < prefix.len() {
            let mut more = [0; 32];
            let room = (prefix.len() - self.peeked.len()).min(more.len());
            let read = self.stream.read(&mut more[..room]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.peeked.extend_from_slice(&more[..read]);
        }
        Ok(self.peeked.starts_with(prefix))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.peeked.is_empty() {
            let count = buf.remaining().min(self.peeked.len());
            buf.put_slice(&self.peeked[..count]);
            self.peeked.drain(..count);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.stream.get_mut()).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.stream.get_mut()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.get_ref().is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for Socket {
    async fn shutdown(&mut self) {
        // The client may have closed the connection already.
        let _ = AsyncWriteExt::shutdown(&mut self.stream).await;
    }
}

impl UniqueID for Socket {
    fn id(&self) -> UniqueIDType {
        self.stream.get_ref().get_ref().as_raw_fd()
    }
}

impl Ssl for Socket {}

impl GetTimingDigest for Socket {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Socket {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Socket {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.digest.clone())
    }
}

#[async_trait]
impl Peek for Socket {
    /// Pingora looks for the HTTP/2 preface here. An HTTP/1 request may be shorter than the preface, so only as many
    /// bytes are awaited as are needed to tell them apart. If it is not the preface, `buf` stays unchanged.
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        if buf.len() == PREFACE.len() && self.begins_with(PREFACE).await? {
            buf.copy_from_slice(PREFACE);
        }
        Ok(true)
    }
}

/// The first bytes of an HTTP/2 connection (RFC 9113, section 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Small writes are joined up to this many bytes: a head and a short body.
const WRITE_TOGETHER: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let client = TcpStream::connect(address).await.expect("it listens");
        let (stream, peer) = listener.accept().await.expect("a connection");
        (client, Socket::new(stream, peer, 0))
    }

    #[tokio::test]
    async fn a_short_request_is_told_from_the_preface_and_nothing_is_lost() {
        let (mut client, mut socket) = pair().await;
        client
            .write_all(b"GET / HTTP/1.0\r\n\r\n")
            .await
            .expect("open");
        let mut seen = [0; 24];
        assert!(socket.try_peek(&mut seen).await.expect("open"));
        assert_ne!(seen, PREFACE);
        let mut all = [0; 18];
        socket.read_exact(&mut all).await.expect("open");
        assert_eq!(&all, b"GET / HTTP/1.0\r\n\r\n");
    }

    #[tokio::test]
    async fn the_preface_is_seen_however_it_arrives() {
        let (mut client, mut socket) = pair().await;
        let sending = async {
            for piece in PREFACE.chunks(5) {
                client.write_all(piece).await.expect("open");
                tokio::task::yield_now().await;
            }
        };
        let mut seen = [0; 24];
        let (peeked, ()) = tokio::join!(socket.try_peek(&mut seen), sending);
        assert!(peeked.expect("open"));
        assert_eq!(seen, PREFACE);
        let mut all = [0; 24];
        socket.read_exact(&mut all).await.expect("open");
        assert_eq!(all, PREFACE);
    }
}
