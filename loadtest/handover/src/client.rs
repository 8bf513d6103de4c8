//! Clients that notice everything: of HTTP/1.1 on kept connections, of HTTP/2 with many streams on one.
use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::process::KEY;

/// What an answer says of what it took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    pub requests: u64,
    pub input: u64,
    pub output: u64,
}

impl Used {
    pub fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.input += other.input;
        self.output += other.output;
    }

    fn of_usage(usage: &Value) -> Self {
        let figure = |name: &str| usage[name].as_u64().unwrap_or_default();
        Self {
            requests: 1,
            input: figure("input_tokens"),
            output: figure("output_tokens"),
        }
    }

    /// Of a stream of events: what it states last.
    fn of_events(events: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(events);
        if !text.contains("event: message_stop") {
            let end = text.len().saturating_sub(200);
            return Err(format!(
                "a stream without its end: …{}",
                text.get(end..).unwrap_or_default()
            ));
        }
        let stated = text.lines().rev().find_map(|line| {
            let event: Value = serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
            (event["type"] == "message_delta").then(|| Self::of_usage(&event["usage"]))
        });
        stated.ok_or_else(|| "a stream without usage".to_owned())
    }

    /// What the key is told of today.
    pub async fn of_key(addr: &str) -> Result<Self, String> {
        let mut kept = Kept::new(addr);
        let answer = kept
            .call(&format!(
                "GET /v1/usage HTTP/1.1\r\nhost: {addr}\r\nx-api-key: {KEY}\r\n\r\n"
            ))
            .await?;
        let answer: Value = serde_json::from_slice(&answer).map_err(text)?;
        let today = &answer["key"]["today"];
        let figure = |value: &Value| value.as_u64().unwrap_or_default();
        Ok(Self {
            requests: figure(&today["requests"]),
            input: figure(&today["tokens"]["input"]),
            output: figure(&today["tokens"]["output"]),
        })
    }
}

pub fn question(words: &str, stream: bool) -> String {
    json!({"model": "claude-sonnet-5", "max_tokens": 4096, "stream": stream, "messages": [{"role": "user", "content": words}]}).to_string()
}

fn post(addr: &str, body: &str) -> String {
    format!(
        "POST /v1/messages HTTP/1.1\r\nhost: {addr}\r\nx-api-key: {KEY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn text(fault: impl std::fmt::Display) -> String {
    fault.to_string()
}

/// An HTTP/1.1 connection that is kept until an answer says that it closes.
pub struct Kept {
    addr: String,
    socket: Option<TcpStream>,
    /// How many there have been.
    pub opened: u32,
}

impl Kept {
    pub fn new(addr: &str) -> Self {
        Self {
            addr: addr.to_owned(),
            socket: None,
            opened: 0,
        }
    }

    /// One question that is answered whole.
    pub async fn ask(&mut self, body: &str) -> Result<Used, String> {
        let answer = self.call(&post(&self.addr, body)).await?;
        let answer: Value = serde_json::from_slice(&answer).map_err(text)?;
        Ok(Used::of_usage(&answer["usage"]))
    }

    async fn call(&mut self, request: &str) -> Result<Vec<u8>, String> {
        let mut socket = if let Some(socket) = self.socket.take() {
            socket
        } else {
            self.opened += 1;
            let socket = TcpStream::connect(&self.addr).await.map_err(text)?;
            socket.set_nodelay(true).map_err(text)?;
            socket
        };
        socket.write_all(request.as_bytes()).await.map_err(text)?;
        let (head, mut body) = head(&mut socket).await?;
        let length: usize = value(&head, "content-length")
            .and_then(|length| length.parse().ok())
            .ok_or("an answer without a length")?;
        while body.len() < length {
            if socket.read_buf(&mut body).await.map_err(text)? == 0 {
                return Err("cut in the middle of an answer".to_owned());
            }
        }
        if !head.starts_with("http/1.1 200") {
            return Err(format!("{head}{}", String::from_utf8_lossy(&body)));
        }
        if value(&head, "connection") != Some("close") {
            self.socket = Some(socket);
        }
        Ok(body)
    }
}

/// A stream over HTTP/1.1; `begun` hears when its first bytes are there.
pub async fn stream(addr: &str, body: &str, begun: impl FnOnce()) -> Result<Used, String> {
    let mut socket = TcpStream::connect(addr).await.map_err(text)?;
    socket
        .write_all(post(addr, body).as_bytes())
        .await
        .map_err(text)?;
    let (head, mut events) = head(&mut socket).await?;
    if !head.starts_with("http/1.1 200") {
        return Err(head);
    }
    begun();
    while !events.ends_with(b"\r\n0\r\n\r\n") {
        if socket.read_buf(&mut events).await.map_err(text)? == 0 {
            return Err("cut in the middle of a stream".to_owned());
        }
    }
    Used::of_events(&events)
}

/// The head of an answer in lower case, and what came of its body.
async fn head(socket: &mut TcpStream) -> Result<(String, Vec<u8>), String> {
    let mut held = Vec::new();
    loop {
        if let Some(end) = memchr::memmem::find(&held, b"\r\n\r\n") {
            let body = held.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&held).to_lowercase(), body));
        }
        if socket.read_buf(&mut held).await.map_err(text)? == 0 {
            return Err("closed before an answer".to_owned());
        }
    }
}

fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
}

/// An HTTP/2 connection without TLS.
pub struct Shared {
    addr: String,
    sender: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Shared {
    pub async fn connect(addr: &str) -> Result<Self, String> {
        let socket = TcpStream::connect(addr).await.map_err(text)?;
        let (sender, connection) = h2::client::Builder::new()
            .initial_window_size(1 << 20)
            .initial_connection_window_size(16 << 20)
            .handshake(socket)
            .await
            .map_err(text)?;
        Ok(Self {
            addr: addr.to_owned(),
            sender,
            connection: tokio::spawn(connection),
        })
    }

    /// A stream, which must end with `END_STREAM`; `begun` hears when its first bytes are there.
    pub fn stream(
        &self,
        body: String,
        begun: impl FnOnce() + Send + 'static,
    ) -> JoinHandle<Result<Used, String>> {
        let (addr, sender) = (self.addr.clone(), self.sender.clone());
        tokio::spawn(async move {
            let request = Request::post(format!("http://{addr}/v1/messages"))
                .header("x-api-key", KEY)
                .header("content-type", "application/json")
                .body(())
                .map_err(text)?;
            let mut sender = sender.ready().await.map_err(text)?;
            let (answer, mut sending) = sender.send_request(request, false).map_err(text)?;
            // Else the connection would stay for this clone.
            drop(sender);
            sending.send_data(body.into(), true).map_err(text)?;
            let answer = answer.await.map_err(text)?;
            if answer.status() != 200 {
                return Err(answer.status().to_string());
            }
            let mut body = answer.into_body();
            let mut events = Vec::new();
            let mut begun = Some(begun);
            while let Some(piece) = body.data().await {
                let piece = piece.map_err(|fault| format!("cut: {fault}"))?;
                body.flow_control()
                    .release_capacity(piece.len())
                    .map_err(text)?;
                events.extend_from_slice(&piece);
                if let Some(begun) = begun.take() {
                    begun();
                }
            }
            if !body.is_end_stream() {
                return Err("no END_STREAM".to_owned());
            }
            Used::of_events(&events)
        })
    }

    /// Waits until the other side has closed it: without an error, when it says GOAWAY first.
    pub async fn ends(self) -> Result<(), String> {
        drop(self.sender);
        self.connection.await.map_err(text)?.map_err(text)
    }
}
