//! What an upstream does on its side of the connection.
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use base64::Engine as _;

/// The answering side of one connection. Writing to a peer that has left is no error: scripts go on to their end.
pub struct Wire {
    stream: TcpStream,
    over: bool,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            over: false,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
        let _ = self.stream.flush();
    }

    /// Switches to a WebSocket, as the request with these headers asked for.
    pub fn socket(&mut self, headers: &super::Headers) -> tungstenite::WebSocket<TcpStream> {
        self.over = true;
        let key = headers.get("sec-websocket-key").expect("an upgrade");
        let joined = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let sha1 = &ring::digest::SHA1_FOR_LEGACY_USE_ONLY;
        let accept = base64::engine::general_purpose::STANDARD
            .encode(ring::digest::digest(sha1, joined.as_bytes()));
        self.raw(format!(
            "HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
        ));
        let stream = self.stream.try_clone().expect("a living socket");
        tungstenite::WebSocket::from_raw_socket(stream, tungstenite::protocol::Role::Server, None)
    }

    /// A whole answer with a length.
    pub fn answer(&mut self, status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").expect("text");
        }
        head += "\r\n";
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        self.raw(bytes);
    }

    pub fn json(&mut self, status: u16, body: impl AsRef<[u8]>) {
        self.answer(status, &[("content-type", "application/json")], body);
    }

    /// The head of an event stream.
    pub fn stream(&mut self) {
        self.raw(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        );
    }

    /// One chunk of it.
    pub fn chunk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.raw(chunk);
    }

    /// Its end.
    pub fn end(&mut self) {
        self.raw("0\r\n\r\n");
    }

    /// A whole stream, event by event.
    pub fn events(&mut self, events: &[&str]) {
        self.stream();
        for event in events {
            self.chunk(event);
        }
        self.end();
    }

    /// Closes in good order, whatever was said before.
    pub fn close(&mut self) {
        self.over = true;
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Closes with a reset as soon as the play is over: the peer's read fails instead of ending.
    pub fn reset(&mut self) {
        self.over = true;
        let socket = socket2::SockRef::from(&self.stream);
        socket
            .set_linger(Some(Duration::ZERO))
            .expect("a living socket");
    }

    /// Reads until the peer closes, or breaks off; how many bytes came.
    pub fn swallow(&mut self) -> usize {
        self.over = true;
        let (mut came, mut rest) = (0, vec![0; 1 << 16]);
        while let Ok(bytes @ 1..) = self.stream.read(&mut rest) {
            came += bytes;
        }
        came
    }

    /// Reads so many bytes, in a play that begins before the body is read.
    pub fn swallow_some(&mut self, bytes: usize) {
        let mut some = vec![0; bytes];
        self.stream.read_exact(&mut some).expect("so much comes");
    }

    /// Waits until the peer closes; whether it did in time.
    pub fn closes_within(&mut self, patience: Duration) -> bool {
        self.over = true;
        self.stream
            .set_read_timeout(Some(patience))
            .expect("a living socket");
        let mut rest = [0; 64];
        loop {
            match self.stream.read(&mut rest) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset};
                    return matches!(error.kind(), ConnectionReset | ConnectionAborted);
                }
            }
        }
    }
}
