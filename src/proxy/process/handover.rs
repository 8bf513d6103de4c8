//! The messages between two processes while one takes over from the other.
//!
//! ```text
//! old ── starts `weir run … --upgrade`, a socket as its standard input ──► new
//! old ── Hello: the listening sockets ──► new          loads the configuration, prepares everything
//! new ── Ready ──► old
//! old ── State: benches, windows, sessions, what was used ──► new          accepts
//! new ── Serving ──► old          accepts no more, and lets what it began end
//! old ── Main, then Used as it is ──► new          until the old one has ended, and closes the socket
//! ```
//!
//! Each message is a line of JSON. A message that cannot be parsed comes from another version and is skipped.
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::limits::Handed;
use crate::pool::PoolMemo;

/// Accompanies the listening sockets: the name of each, in the same order.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Hello {
    pub names: Vec<String>,
}

/// A message from the old process to the new one.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToNew {
    State(Box<State>),
    /// The service manager now regards the new process as the main one.
    Main,
    Used(Vec<Handed>),
    Metrics(String),
}

/// The state of the old process.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct State {
    pub pool: PoolMemo,
    pub used: Vec<Handed>,
}

/// A message from the new process to the old one.
#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToOld {
    Ready,
    Serving,
    Metrics,
}

/// Sends the sockets. This cannot block, because nothing else has been sent yet.
pub(super) fn send_sockets(
    to: &UnixStream,
    hello: &Hello,
    sockets: &[BorrowedFd<'_>],
) -> io::Result<()> {
    if sockets.len() > MOST_SOCKETS {
        let why = format!("more than {MOST_SOCKETS} listeners");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let mut line = serde_json::to_vec(hello)?;
    line.push(b'\n');
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(sockets)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let sent = sendmsg(
        to.as_fd(),
        &[IoSlice::new(&line)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    if sent < line.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(())
}

/// Waits for the sockets.
pub(super) fn receive_sockets(from: &UnixStream) -> io::Result<(Hello, Vec<OwnedFd>)> {
    let mut line = vec![0; LONGEST_HELLO];
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        from.as_fd(),
        &mut [IoSliceMut::new(&mut line)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut sockets = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            sockets.extend(passed);
        }
    }
    let hello = serde_json::from_slice(line.get(..received.bytes).unwrap_or_default())?;
    Ok((hello, sockets))
}

/// Both directions of the rest of the conversation. Call it inside the runtime.
pub(super) fn converse(stream: UnixStream) -> io::Result<(Heard, OwnedWriteHalf)> {
    stream.set_nonblocking(true)?;
    let (read, write) = tokio::net::UnixStream::from_std(stream)?.into_split();
    Ok((Heard(BufReader::new(read)), write))
}

/// Reads the messages of the other side.
#[derive(Debug)]
pub(super) struct Heard(BufReader<OwnedReadHalf>);

impl Heard {
    /// The next message that can be parsed; `None` when the other side has gone. Not cancel-safe: if it is dropped
    /// while waiting, no further message can be read.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut bounded = (&mut self.0).take(LONGEST_LINE);
            let length = bounded.read_until(b'\n', &mut line).await.ok()?;
            if length == 0 || line.last() != Some(&b'\n') {
                return None;
            }
            match serde_json::from_slice(&line) {
                Ok(message) => return Some(message),
                Err(error) => {
                    tracing::debug!(%error, "a message of the other process is not understood");
                }
            }
        }
    }
}

/// Sends a message.
pub(super) async fn say<T: Serialize>(to: &mut OwnedWriteHalf, message: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line).await
}

/// The most listeners of both planes that can be handed over.
pub(super) const MOST_SOCKETS: usize = 64;

const SPACE: usize = rustix::cmsg_space!(ScmRights(MOST_SOCKETS));

/// The most bytes of a hello: an address and a name for each socket.
const LONGEST_HELLO: usize = 64 << 10;

/// The most bytes of a message. The state of all sessions takes a few MiB.
const LONGEST_LINE: u64 = 256 << 20;
