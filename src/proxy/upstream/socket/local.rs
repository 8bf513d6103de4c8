//! An in-memory connection of this process with itself. It turns a message on a client's socket into an ordinary
//! request, and the events of an upstream's socket into an ordinary answer.
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora::http::ResponseHeader;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::links::SocketTurn;

/// The server's end. It looks like a connection of the client whose socket it serves.
#[derive(Debug)]
pub(crate) struct Local {
    stream: DuplexStream,
    client: Option<Arc<SocketDigest>>,
    /// Carries the turn; Pingora passes this value on with the connection.
    known: Option<Arc<ProxyDigest>>,
}

impl Local {
    /// The server's end and the other end. The server's side finds `turn` by [`SocketTurn::of`].
    pub(crate) fn pair(
        client: Option<Arc<SocketDigest>>,
        turn: Option<Arc<SocketTurn>>,
    ) -> (Self, DuplexStream) {
        let (stream, other) = tokio::io::duplex(ROOM);
        let known = turn.and_then(|turn| {
            let head = ResponseHeader::build(200, None).ok()?;
            Some(Arc::new(ProxyDigest::new(
                Box::new(head),
                Some(Box::new(turn)),
            )))
        });
        let server = Self {
            stream,
            client,
            known,
        };
        (server, other)
    }
}

impl AsyncRead for Local {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Local {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Local {
    async fn shutdown(&mut self) {
        // The other end may be gone; then there is nothing left to shut down.
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut self.stream).await;
    }
}

impl UniqueID for Local {
    fn id(&self) -> UniqueIDType {
        0
    }
}

impl Ssl for Local {}

impl GetTimingDigest for Local {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Local {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.known.clone()
    }
}

impl GetSocketDigest for Local {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.client.clone()
    }
}

impl Peek for Local {}

/// The bytes that are buffered in each direction.
const ROOM: usize = 64 << 10;
