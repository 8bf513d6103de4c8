//! WebSocket frames: decodes bytes into messages, and encodes messages. RFC 6455, without extensions.
use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, Bytes, BytesMut};
use tungstenite::error::CapacityError;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

/// One end of a WebSocket.
pub(crate) struct Frames {
    context: WebSocketContext,
    wire: Wire,
}

/// Bytes that arrived, and bytes to be sent.
#[derive(Default)]
struct Wire {
    came: BytesMut,
    to_go: Vec<u8>,
}

/// A message of the other end.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Incoming {
    Text(String),
    /// The other end closed the socket or broke the protocol. Send what is pending; nothing follows.
    End,
}

impl Frames {
    /// The server's end. A message may have at most `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self::of(Role::Server, most)
    }

    /// The client's end. A message may have at most `most` bytes.
    pub(crate) fn client(most: usize) -> Self {
        Self::of(Role::Client, most)
    }

    fn of(role: Role, most: usize) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(most))
            .max_frame_size(Some(most))
            .read_buffer_size(READ_AT_ONCE)
            .write_buffer_size(0);
        Self {
            context: WebSocketContext::new(role, Some(config)),
            wire: Wire::default(),
        }
    }

    /// Adds bytes from the other end.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.wire.came.extend_from_slice(bytes);
    }

    /// The next complete message. Pings are answered on the way.
    pub(crate) fn next(&mut self) -> Option<Incoming> {
        loop {
            match self.context.read(&mut self.wire) {
                Ok(Message::Text(text)) => return Some(Incoming::Text(text.as_str().to_owned())),
                Ok(Message::Binary(_)) => {
                    return Some(self.broken(CloseCode::Unsupported, "messages are text"));
                }
                Ok(Message::Close(_)) => {
                    self.flush();
                    return Some(Incoming::End);
                }
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => self.flush(),
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.flush();
                    return None;
                }
                Err(Error::Capacity(CapacityError::MessageTooLong { max_size, .. })) => {
                    let why = format!("a message has at most {max_size} bytes");
                    return Some(self.broken(CloseCode::Size, &why));
                }
                Err(Error::Utf8(_)) => {
                    return Some(self.broken(CloseCode::Invalid, "text is UTF-8"));
                }
                Err(_) => {
                    return Some(self.broken(CloseCode::Protocol, "this is no WebSocket frame"));
                }
            }
        }
    }

    /// Queues a text message.
    pub(crate) fn say(&mut self, text: String) {
        // Writing to memory fails only after the socket was closed; then nothing more is to be sent.
        let _ = self.context.write(&mut self.wire, Message::text(text));
    }

    /// Queues a ping, to find out whether the other end is alive.
    pub(crate) fn ping(&mut self) {
        let _ = self
            .context
            .write(&mut self.wire, Message::Ping(Bytes::new()));
    }

    /// Queues the end of the socket.
    pub(crate) fn close(&mut self, code: CloseCode, reason: &str) {
        let reason = reason.into();
        let _ = self
            .context
            .close(&mut self.wire, Some(CloseFrame { code, reason }));
        self.flush();
    }

    /// The bytes that are to be sent now.
    pub(crate) fn take(&mut self) -> Bytes {
        self.flush();
        Bytes::from(std::mem::take(&mut self.wire.to_go))
    }

    fn broken(&mut self, code: CloseCode, reason: &str) -> Incoming {
        self.close(code, reason);
        Incoming::End
    }

    fn flush(&mut self) {
        let _ = self.context.flush(&mut self.wire);
    }
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.came.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = buf.len().min(self.came.len());
        self.came.copy_to_slice(&mut buf[..length]);
        Ok(length)
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.to_go.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `Sec-WebSocket-Accept` for the client's `Sec-WebSocket-Key`; `None` when the key is not valid.
pub(crate) fn accept(key: &str) -> Option<String> {
    let key = key.trim();
    STANDARD
        .decode(key)
        .ok()
        .filter(|nonce| nonce.len() == 16)?;
    let joined = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, joined.as_bytes());
    Some(STANDARD.encode(digest))
}

/// The most bytes that are read at once, which an idle socket keeps allocated.
const READ_AT_ONCE: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as a client sends it, masked with zeros.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match u16::try_from(payload.len()) {
            Ok(length) if length < 126 => bytes.push(0x80 | u8::try_from(length).expect("short")),
            Ok(length) => {
                bytes.push(0x80 | 0x7e);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                bytes.push(0x80 | 127);
                bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let accepted = accept("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accepted.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(accept("short"), None);
        assert_eq!(accept("AAAA"), None);
    }

    #[test]
    fn messages_are_whole_however_they_are_cut() {
        let mut wire = frame(0x01, b"one ");
        wire.extend(frame(0x89, b"ping"));
        wire.extend(frame(0x80, b"two"));
        wire.extend(frame(0x81, "ä".repeat(70_000).as_bytes()));
        for step in [1, 7, 4_096, wire.len()] {
            let mut frames = Frames::new(1 << 20);
            let mut said = Vec::new();
            for chunk in wire.chunks(step) {
                frames.push(chunk);
                said.extend(std::iter::from_fn(|| frames.next()));
            }
            assert_eq!(said.len(), 2, "{step}");
            assert_eq!(said[0], Incoming::Text("one two".to_owned()));
            assert_eq!(&frames.take()[..], b"\x8a\x04ping");
        }
    }

    #[test]
    fn both_ends_understand_each_other() {
        let (mut server, mut client) = (Frames::new(1 << 20), Frames::client(1 << 20));
        client.say("ä".repeat(40_000));
        let sent = client.take();
        assert_eq!(sent[1] & 0x80, 0x80, "a client masks");
        server.push(&sent);
        assert_eq!(server.next(), Some(Incoming::Text("ä".repeat(40_000))));
        server.say("back".to_owned());
        client.push(&server.take());
        assert_eq!(client.next(), Some(Incoming::Text("back".to_owned())));
        server.close(CloseCode::Normal, "");
        client.push(&server.take());
        assert_eq!(client.next(), Some(Incoming::End));
    }

    #[test]
    fn who_breaks_the_rules_is_told_which() {
        let unmasked = b"\x81\x02hi".to_vec();
        let code = |wire: &[u8]| {
            let mut frames = Frames::new(100);
            frames.push(wire);
            assert_eq!(frames.next(), Some(Incoming::End));
            let last = frames.take();
            assert_eq!(last[0], 0x88, "{last:?}");
            u16::from_be_bytes([last[2], last[3]])
        };
        assert_eq!(code(&unmasked), 1002);
        assert_eq!(code(&frame(0x82, b"x")), 1003);
        assert_eq!(code(&frame(0x81, b"\xff\xfe")), 1007);
        assert_eq!(code(&frame(0x81, &[b'x'; 101])), 1009);
        assert_eq!(code(&frame(0xc1, b"compressed?")), 1002);
        assert_eq!(code(&frame(0x88, &1000_u16.to_be_bytes())), 1000);
    }
}
