//! A plain client on a raw socket: what it sends is what it says, what it gets is what came.
use std::fmt::Write as _;
use std::io::{BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::{Headers, PATIENCE, read_chunk, read_head};

/// One request to be made. Each goes over a connection of its own.
#[derive(Clone, Debug)]
pub struct Call {
    addr: SocketAddr,
    line: String,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    None,
    Whole(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
    /// Whether the body came to its regular end.
    pub whole: bool,
}

/// An answer that is being read.
pub struct Open {
    pub status: u16,
    pub headers: Headers,
    reader: BufReader<TcpStream>,
    framing: Framing,
    buffer: Vec<u8>,
    whole: Option<bool>,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    Chunked,
    Length(usize),
    UntilClose,
}

impl Call {
    pub fn new(addr: SocketAddr, method: &str, target: &str) -> Self {
        Self {
            addr,
            line: format!("{method} {target} HTTP/1.1"),
            headers: vec![("host".into(), addr.to_string())],
            body: Body::None,
        }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Without the headers of this name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    #[must_use]
    pub fn key(self, key: &str) -> Self {
        let call = self.without("authorization");
        call.header("authorization", &format!("Bearer {key}"))
    }

    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Body::Whole(body.as_ref().to_vec());
        self
    }

    #[must_use]
    pub fn chunks(mut self, chunks: &[&[u8]]) -> Self {
        self.body = Body::Chunked(chunks.iter().map(|chunk| chunk.to_vec()).collect());
        self
    }

    #[must_use]
    pub fn http_1_0(mut self) -> Self {
        self.line = self.line.replace("HTTP/1.1", "HTTP/1.0");
        self
    }

    /// Sends it and reads the whole answer.
    pub fn send(self) -> Answer {
        self.open().rest()
    }

    /// Sends it and reads the head of the answer.
    pub fn open(self) -> Open {
        let stream = self.start();
        Open::read(stream).expect("an answer")
    }

    /// Sends it and hands the connection over.
    pub fn start(self) -> TcpStream {
        let mut stream = TcpStream::connect(self.addr).expect("weir listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a living socket");
        // Weir may answer and close before it has read all: the answer counts.
        let _ = stream.write_all(&self.bytes());
        stream
    }

    /// What goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{}\r\n", self.line);
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").expect("text");
        }
        match &self.body {
            Body::None => head += "\r\n",
            Body::Whole(body) => {
                write!(head, "content-length: {}\r\n\r\n", body.len()).expect("text");
            }
            Body::Chunked(_) => head += "transfer-encoding: chunked\r\n\r\n",
        }
        let mut bytes = head.into_bytes();
        match &self.body {
            Body::None => {}
            Body::Whole(body) => bytes.extend_from_slice(body),
            Body::Chunked(chunks) => {
                for chunk in chunks {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
        bytes
    }
}

impl Open {
    /// Reads the head of an answer; `None` when the connection ends before it.
    pub fn read(stream: TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        loop {
            let (line, headers) = read_head(&mut reader)?;
            let status = line.split(' ').nth(1)?.parse().ok()?;
            if status == 100 {
                continue;
            }
            let framing = if headers.get("transfer-encoding").is_some() {
                Framing::Chunked
            } else if let Some(length) = headers.get("content-length") {
                Framing::Length(length.parse().ok()?)
            } else if status == 204 {
                Framing::Length(0)
            } else {
                Framing::UntilClose
            };
            return Some(Self {
                status,
                headers,
                reader,
                framing,
                buffer: Vec::new(),
                whole: None,
            });
        }
    }

    /// The next event, its blank line included; `None` at the end of the stream.
    pub fn event(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\n\n") {
                let event: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Some(String::from_utf8(event).expect("UTF-8"));
            }
            if self.whole.is_some() {
                return None;
            }
            self.more();
        }
    }

    /// Reads until so many bytes of the body have come.
    pub fn until(&mut self, bytes: usize) {
        while self.whole.is_none() && self.buffer.len() < bytes {
            self.more();
        }
    }

    /// Reads to the end.
    pub fn rest(mut self) -> Answer {
        while self.whole.is_none() {
            self.more();
        }
        Answer {
            status: self.status,
            headers: self.headers,
            body: self.buffer,
            whole: self.whole == Some(true),
        }
    }

    fn more(&mut self) {
        match &mut self.framing {
            Framing::Chunked => match read_chunk(&mut self.reader) {
                Ok(Some(chunk)) => self.buffer.extend(chunk),
                Ok(None) => self.whole = Some(true),
                Err(error) => self.broke(&error),
            },
            Framing::Length(0) => self.whole = Some(true),
            Framing::Length(left) => {
                let mut bytes = vec![0; (*left).min(1 << 16)];
                match self.reader.read(&mut bytes) {
                    Ok(0) => self.whole = Some(false),
                    Ok(count) => {
                        *left -= count;
                        self.buffer.extend_from_slice(&bytes[..count]);
                    }
                    Err(error) => self.broke(&error),
                }
            }
            Framing::UntilClose => match self.reader.read_to_end(&mut self.buffer) {
                Ok(_) => self.whole = Some(true),
                Err(error) => self.broke(&error),
            },
        }
    }

    fn broke(&mut self, error: &std::io::Error) {
        let silent = matches!(
            error.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        );
        assert!(!silent, "the answer stalled after {:?}", self.buffer);
        self.whole = Some(false);
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.status_and_body()))
    }

    /// For messages.
    pub fn status_and_body(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.status_and_body());
        self
    }

    /// The account that served, as a debugging key is told.
    pub fn account(&self) -> &str {
        self.header("x-weir-account").unwrap_or_default()
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
