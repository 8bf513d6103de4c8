//! Watches how long the head of a request takes on one client's connection, and how requests are framed.
//!
//! It sees bytes, not requests: a head begins with the first byte after the last answer and ends with a blank line. Under
//! HTTP/2 only the preface is a head. Of idle connections only those that have not asked anything yet are its business.
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

/// A connection and its clock.
pub(crate) struct Guard {
    inner: Stream,
    patience: Patience,
    phase: Phase,
    framing: Framing,
    /// Bytes after a request that is being answered: they are the next one's.
    ahead: Vec<u8>,
    /// Nothing that follows can be read.
    malformed: bool,
    turn: Arc<Turn>,
    /// What is written, under HTTP/2.
    frames: Option<Frames>,
    timer: Option<Pin<Box<Sleep>>>,
    place: Place,
    /// Whose certificate it has shown.
    known: Option<Arc<ProxyDigest>>,
}

/// How long it waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// For the first byte of all.
    pub first: Duration,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// No byte of a request ever, since then.
    Fresh(Instant),
    /// No byte of the next request yet; maybe an answer is still under way.
    Between,
    /// In a head, which began then.
    Head(Instant, Blank),
    /// Before the preface of HTTP/2, which TLS has agreed on.
    Preface(Instant),
    /// In a body, or the answer has not begun: others watch that.
    Busy,
    /// HTTP/2, or what a connection was upgraded to.
    Streams,
}

impl Guard {
    /// `place` is given back when the connection ends.
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
            turn: Arc::default(),
            frames: is_h2.then(Frames::default),
            timer: None,
            place,
        }
    }

    /// Whose turn it is on this connection.
    pub(crate) fn turn(&self) -> Arc<Turn> {
        self.turn.clone()
    }

    /// What was read into `buf` after `before` is the client's: takes note of it, and keeps back what is after the end of
    /// a request.
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
                self.turn.asked();
                Ok(())
            }
            Err(Malformed(good)) => {
                // The head before it is good, and whoever reads it answers when the rest cannot be read.
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

    /// While a request is answered: sees whether the client leaves, whatever it has sent before.
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

    /// Takes note of what was read.
    fn heard(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if matches!(self.phase, Phase::Between | Phase::Fresh(_)) && bytes.starts_with(PREFACE) {
            self.frames = Some(Frames::default());
        }
        self.phase = match self.phase {
            // Some clients end a body with a line end that belongs to nothing.
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

    /// Takes note of what was written: an answer, after which a request may begin. Interim ones are none.
    fn said(&mut self, bytes: &[u8]) {
        if bytes.starts_with(b"HTTP/1.1 101") {
            // What follows is no HTTP any more: a WebSocket.
            self.phase = Phase::Streams;
            self.turn.next();
        }
        let is_h2 = matches!(self.phase, Phase::Preface(_) | Phase::Streams);
        if !is_h2 && !bytes.starts_with(b"HTTP/1.1 1") {
            self.phase = Phase::Between;
        }
    }

    /// Takes note of what has gone out.
    fn wrote(&mut self, bytes: &[u8]) {
        let refused = self.frames.as_mut().map_or(0, |frames| frames.take(bytes));
        for _ in 0..refused {
            self.place.refused_stream();
        }
    }

    /// The client is silent: whether it has been so for too long.
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
            // As if it had closed: nobody has asked anything.
            return Poll::Ready(Ok(()));
        }
        self.place.slow_head();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Whether a request of HTTP/1 is being answered: the guard sees where a request ends, the connection where the next one
/// begins.
#[derive(Debug, Default)]
pub(crate) struct Turn(AtomicBool);

impl Turn {
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
        if self.turn.is_answering() {
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
        // The first byte is there. What is peeked at is read, and so noted, only later.
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

/// Bytes of following requests that are read while one is answered. Whoever sends more is noticed only later when it leaves.
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
