//! Watches how long a client's connection takes to send the head of a request, and how requests are framed.
//!
//! It sees bytes, not requests: a head begins with the first byte after the last answer and ends with a blank line. In
//! HTTP/2 only the connection preface counts as a head. Idle connections are limited here only before their first
//! request.
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::blank::Blank;
use super::certified;
use super::frames::Frames;
use super::framing::{Framing, Malformed};
use super::places::Place;
use super::socket::PREFACE;

/// A client's connection, with its timer.
pub(crate) struct Guard {
    inner: Stream,
    patience: Patience,
    phase: Phase,
    framing: Framing,
    /// Bytes after the request that is being answered; they belong to the next one.
    ahead: Vec<u8>,
    /// Whether the rest of the input is malformed and cannot be read.
    malformed: bool,
    answering: Arc<AnsweringFlag>,
    /// The frames that are written, in HTTP/2.
    frames: Option<Frames>,
    timer: Option<Pin<Box<Sleep>>>,
    place: Place,
    /// The names of the client's certificate.
    known: Option<Arc<ProxyDigest>>,
}

/// How long the guard waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// From the start of the connection to its first byte.
    pub first: Duration,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// No byte has ever come, since this time.
    Fresh(Instant),
    /// No byte of the next request has come; an answer may still be in progress.
    Between,
    /// In a head that began at this time.
    Head(Instant, Blank),
    /// Before the HTTP/2 preface, after TLS has agreed on HTTP/2.
    Preface(Instant),
    /// In a body, or before the answer begins; other code limits that time.
    Busy,
    /// HTTP/2, or a connection that was upgraded.
    Streams,
}

impl Guard {
    /// A guard for `inner`. `place` is given back when the connection ends.
    pub(crate) fn new(inner: Stream, patience: Patience, place: Place) -> Self {
        let is_h2 = matches!(inner.selected_alpn_proto(), Some(ALPN::H2));
        Self {
            known: certified::known(&inner),
            inner,
            patience,
            phase: if is_h2 {
                Phase::Preface(Instant::now())
            } else {
                Phase::Fresh(Instant::now())
            },
            framing: Framing::new(),
            ahead: Vec::new(),
            malformed: false,
            answering: Arc::default(),
            frames: is_h2.then(Frames::default),
            timer: None,
            place,
        }
    }

    /// Whether a request is being answered on this connection.
    pub(crate) fn answering(&self) -> Arc<AnsweringFlag> {
        self.answering.clone()
    }

    /// Handles the client's bytes in `buf` after `before`: checks them, and keeps back what follows the end of a
    /// request.
    fn deliver(&mut self, buf: &mut ReadBuf<'_>, before: usize) -> io::Result<()> {
        self.timer = None;
        self.heard(&buf.filled()[before..]);
        if self.phase == Phase::Streams {
            return Ok(());
        }
        match self.framing.take(&mut buf.filled_mut()[before..]) {
            Ok(None) => Ok(()),
            Ok(Some(taken)) => {
                let rest = &buf.filled()[before + taken..];
                drop(self.ahead.splice(..0, rest.iter().copied()));
                buf.set_filled(before + taken);
                self.answering.asked();
                Ok(())
            }
            Err(Malformed(good)) => {
                // The bytes before it are good. The reader of the request answers when it cannot read the rest.
                buf.set_filled(before + good);
                self.malformed = true;
                self.place.malformed();
                if good == 0 {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                Ok(())
            }
        }
    }

    /// While a request is being answered: reads ahead to notice when the client leaves.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.ahead.len() < MOST_AHEAD {
            let mut space = [MaybeUninit::uninit(); 4096];
            let mut read = ReadBuf::uninit(&mut space);
            match Pin::new(&mut self.inner).poll_read(cx, &mut read) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) if read.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => self.ahead.extend_from_slice(read.filled()),
            }
        }
        Poll::Pending
    }

    /// Updates the phase after bytes were read.
    fn heard(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if matches!(self.phase, Phase::Between | Phase::Fresh(_)) && bytes.starts_with(PREFACE) {
            self.frames = Some(Frames::default());
        }
        self.phase = match self.phase {
            // Some clients send an extra line end after a body.
            same @ (Phase::Between | Phase::Fresh(_))
                if bytes.iter().all(u8::is_ascii_whitespace) =>
            {
                same
            }
            Phase::Between | Phase::Fresh(_) if bytes.starts_with(PREFACE) => Phase::Streams,
            Phase::Between | Phase::Fresh(_) => Phase::head(Instant::now(), Blank::No, bytes),
            Phase::Head(since, blank) => Phase::head(since, blank, bytes),
            Phase::Preface(_) | Phase::Streams => Phase::Streams,
            Phase::Busy => Phase::Busy,
        };
    }

    /// Updates the phase before bytes are written: after an answer a request may begin. Interim answers do not count.
    fn said(&mut self, bytes: &[u8]) {
        if bytes.starts_with(b"HTTP/1.1 101") {
            // What follows is not HTTP any more but a WebSocket.
            self.phase = Phase::Streams;
            self.answering.next();
        }
        let is_h2 = matches!(self.phase, Phase::Preface(_) | Phase::Streams);
        if !is_h2 && !bytes.starts_with(b"HTTP/1.1 1") {
            self.phase = Phase::Between;
        }
    }

    /// Counts refused streams in the bytes that were written.
    fn wrote(&mut self, bytes: &[u8]) {
        let refused = self.frames.as_mut().map_or(0, |frames| frames.take(bytes));
        for _ in 0..refused {
            self.place.refused_stream();
        }
    }

    /// Checks whether a silent client has exceeded its time.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.timer.is_none() {
            let end = match self.phase {
                Phase::Head(since, _) | Phase::Preface(since) => since + self.patience.head,
                Phase::Fresh(since) => since + self.patience.first,
                Phase::Between | Phase::Busy | Phase::Streams => return Poll::Pending,
            };
            self.timer = Some(Box::pin(sleep_until(end)));
        }
        let over = self.timer.as_mut().map(|timer| timer.as_mut().poll(cx));
        if over.is_none_or(|over| over.is_pending()) {
            return Poll::Pending;
        }
        self.timer = None;
        if matches!(self.phase, Phase::Fresh(_)) {
            // Reported as if the client had closed, because it has not asked for anything.
            return Poll::Ready(Ok(()));
        }
        self.place.slow_head();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Whether an HTTP/1 request is being answered. The guard sees where a request ends; the connection knows when the next
/// one may begin.
#[derive(Debug, Default)]
pub(crate) struct AnsweringFlag(AtomicBool);

impl AnsweringFlag {
    /// The next request may be read.
    pub(crate) fn next(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn asked(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_answering(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Phase {
    fn head(since: Instant, blank: Blank, bytes: &[u8]) -> Self {
        let blank = blank.after(bytes);
        blank.map_or(Self::Busy, |blank| Self::Head(since, blank))
    }
}

impl AsyncRead for Guard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.malformed {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if self.answering.is_answering() {
            return self.poll_left(cx);
        }
        let before = buf.filled().len();
        if !self.ahead.is_empty() {
            let count = buf.remaining().min(self.ahead.len());
            buf.put_slice(&self.ahead[..count]);
            self.ahead.drain(..count);
            return Poll::Ready(self.deliver(buf, before));
        }
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Pending => self.poll_patience(cx),
            Poll::Ready(Ok(())) => Poll::Ready(self.deliver(buf, before)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for Guard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.said(buf);
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = written {
            self.wrote(&buf[..count]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = bufs.first() {
            self.said(first);
        }
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(mut left)) = written {
            for buf in bufs {
                let here = left.min(buf.len());
                self.wrote(&buf[..here]);
                left -= here;
            }
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for Guard {
    async fn shutdown(&mut self) {
        self.inner.shutdown().await;
    }
}

impl UniqueID for Guard {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Guard {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.inner.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl GetTimingDigest for Guard {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

impl GetProxyDigest for Guard {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.known.clone()
    }
}

impl GetSocketDigest for Guard {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

#[async_trait]
impl Peek for Guard {
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        // The first byte has arrived. The peeked bytes are read, and thereby counted, only later.
        if let Ok(peeked) = tokio::time::timeout(self.patience.head, self.inner.try_peek(buf)).await
        {
            peeked
        } else {
            self.place.slow_head();
            Err(io::ErrorKind::TimedOut.into())
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

/// The most bytes of following requests that are read while one is answered. If a client sends more, its leaving is
/// noticed only later.
const MOST_AHEAD: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blank_line_ends_a_head_however_it_is_cut() {
        let head = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        for cut in 0..head.len() {
            let (one, other) = head.split_at(cut);
            let first = Blank::No.after(one).expect("not yet");
            assert_eq!(first.after(other), None, "{cut}");
        }
        assert_eq!(Blank::No.after(b"GET / HTTP/1.0\n\n"), None);
        assert_eq!(Blank::No.after(b"a\r\nb: \r\n"), Some(Blank::Line));
        assert_eq!(Blank::No.after(b"a\r\n\rb\n"), Some(Blank::Line));
    }
}
