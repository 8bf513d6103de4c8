//! The upstreams: one listener for each account, all played by the simulated upstream, each in a weather of its own. What
//! they state of usage goes into the ledger before it is written.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use memchr::memmem;
use serde_json::Value;
use simulated::{Request, Settings, Simulated, Step};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::dialect::Dialect;
use crate::http::Head;
use crate::ledger::{Ledger, Tokens};
use crate::random::Random;
use crate::tokens::TokenEndpoint;
use crate::weather::Weather;

/// One account's upstream.
#[derive(Debug)]
pub struct Upstream {
    pub name: String,
    pub dialect: Dialect,
    pub addr: SocketAddr,
    pub weather: Weather,
    /// Where its access tokens come from, when it has no key.
    pub tokens: Option<Arc<TokenEndpoint>>,
    pub simulated: Arc<Simulated>,
    pub ledger: Arc<Ledger>,
    pub numbers: Arc<AtomicU64>,
    pub faults: AtomicU64,
}

impl Upstream {
    /// Listens, but for the days on which nobody does, until `stop` says so.
    pub async fn serve(self: Arc<Self>, first: TcpListener, mut stop: watch::Receiver<bool>) {
        let mut listener = Some(first);
        loop {
            if self.weather.day().refuses() {
                listener = None;
            } else if listener.is_none() {
                listener = TcpListener::bind(self.addr).await.ok();
            }
            let Some(open) = &listener else {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => continue,
                    _ = stop.changed() => return,
                }
            };
            tokio::select! {
                accepted = open.accept() => if let Ok((stream, _)) = accepted {
                    tokio::spawn(self.clone().connection(stream, stop.clone()));
                },
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stop.changed() => return,
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, mut stop: watch::Receiver<bool>) {
        let mut stream = BufReader::new(stream);
        let mut served = 0_u64;
        loop {
            let read = tokio::select! {
                read = read(&mut stream) => read,
                _ = stop.changed() => return,
            };
            let Some((head, body)) = read else { return };
            // Given up just as it is used again: that must cost the request nothing.
            let number = self.numbers.fetch_add(1, Ordering::Relaxed);
            if served > 0 && Random::new(number ^ STALE).percent(5) {
                return;
            }
            served += 1;
            if self.weather.day().refuses() || !self.answer(&head, &body, &mut stream).await {
                return;
            }
        }
    }

    /// Answers one request; whether the connection may be used again.
    async fn answer(&self, head: &Head, body: &[u8], stream: &mut BufReader<TcpStream>) -> bool {
        let mut words = head.first.split(' ');
        let method = words
            .next()
            .and_then(|method| Method::from_bytes(method.as_bytes()).ok());
        let target = words.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HeaderMap::new();
        for (name, value) in &head.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                headers.append(name, value);
            }
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let day = self.weather.day();
        // Half of the requests get through even on a bad day.
        let faulty = !day.is_fine() && Random::new(number).percent(50);
        let refused = match &self.tokens {
            Some(tokens) => !tokens.is_good(head.get("authorization").unwrap_or_default()),
            None => false,
        };
        let knobs: &[(&str, &str)] = match (refused, faulty) {
            (true, _) => &[("error", "auth")],
            (false, true) => day.knobs,
            (false, false) => &[],
        };
        self.faults.fetch_add(u64::from(faulty), Ordering::Relaxed);
        for (name, value) in knobs {
            let name = HeaderName::try_from(format!("x-sim-{name}"));
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        }
        let request = Request {
            method: &method.unwrap_or(Method::GET),
            path,
            query,
            headers: &headers,
            body,
        };
        if faulty && day.repeats_the_client() {
            return repeat(body, stream).await;
        }
        let script = self.simulated.answer(request, number, 1_800_000_000);
        let id = marker(body);
        if let Some(id) = id {
            self.ledger.attempt(id, &self.name);
        }
        let mut play = Play {
            upstream: self,
            id,
            stated: None,
            held: Vec::new(),
            chunked: script.length.is_none(),
            plain: script.status == 200 && script.length.is_some(),
        };
        for step in script.before {
            if let Some(intact) = play.step(step, stream).await {
                return intact;
            }
        }
        let mut text = format!("HTTP/1.1 {} X\r\n", script.status);
        for (name, value) in &script.headers {
            text.extend([
                name.as_str(),
                ": ",
                value.to_str().unwrap_or_default(),
                "\r\n",
            ]);
        }
        let framing = match script.length {
            Some(length) => format!("content-length: {length}\r\n\r\n"),
            None => "transfer-encoding: chunked\r\n\r\n".to_owned(),
        };
        text.push_str(&framing);
        if stream.write_all(text.as_bytes()).await.is_err() {
            return false;
        }
        for step in script.steps {
            if let Some(intact) = play.step(step, stream).await {
                return intact;
            }
        }
        !play.chunked || stream.write_all(b"0\r\n\r\n").await.is_ok()
    }
}

/// One answer on its way out.
struct Play<'a> {
    upstream: &'a Upstream,
    id: Option<u64>,
    stated: Option<Tokens>,
    held: Vec<u8>,
    chunked: bool,
    /// A plain answer that succeeds.
    plain: bool,
}

impl Play<'_> {
    /// `Some` when the answer ends here: whether the connection may be used again.
    async fn step(&mut self, step: Step, stream: &mut BufReader<TcpStream>) -> Option<bool> {
        match step {
            Step::Send(bytes) => {
                self.note(&bytes);
                let sent = if self.chunked {
                    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
                    chunk.extend_from_slice(&bytes);
                    chunk.extend_from_slice(b"\r\n");
                    stream.write_all(&chunk).await
                } else {
                    stream.write_all(&bytes).await
                };
                sent.is_err().then_some(false)
            }
            Step::Wait(time) => {
                tokio::select! {
                    biased;
                    () = gone(stream) => Some(false),
                    () = tokio::time::sleep(time) => None,
                }
            }
            Step::Stall => {
                gone(stream).await;
                Some(false)
            }
            Step::Truncate => Some(false),
            Step::Reset => {
                let _ = socket2::SockRef::from(stream.get_ref()).set_linger(Some(Duration::ZERO));
                Some(false)
            }
        }
    }

    /// Reads the usage out of what is about to be written.
    fn note(&mut self, bytes: &Bytes) {
        let Some(id) = self.id else { return };
        self.held.extend_from_slice(bytes);
        let dialect = self.upstream.dialect;
        let mut stated = self.stated;
        if self.plain {
            // Until it is whole it says nothing.
            if let Ok(json) = serde_json::from_slice::<Value>(&self.held) {
                stated = dialect.usage(&json, stated);
            }
        } else if self.chunked {
            while let Some(end) = memmem::find(&self.held, b"\n\n") {
                let event: Vec<u8> = self.held.drain(..end + 2).collect();
                let event = String::from_utf8_lossy(&event);
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                let json = data.and_then(|data| serde_json::from_str::<Value>(data).ok());
                if let Some(usage) = json.and_then(|json| dialect.usage(&json, stated)) {
                    stated = Some(usage);
                }
            }
        }
        if stated != self.stated
            && let Some(tokens) = stated
        {
            self.stated = stated;
            self.upstream.ledger.state(id, &self.upstream.name, tokens);
        }
    }
}

/// An error that repeats what the client said, as vendors do. Whether the connection may be used again.
async fn repeat(body: &[u8], stream: &mut BufReader<TcpStream>) -> bool {
    let said = String::from_utf8_lossy(body);
    let from = said.find("go on").unwrap_or(said.len());
    let said = said.get(from..).unwrap_or_default();
    let said = said.split(['"', '\\']).next().unwrap_or_default();
    let error = serde_json::json!({"error": {"message": format!("Slow down: {said}"), "type": "rate_limit_error", "code": 429}});
    let error = error.to_string();
    let answer = format!(
        "HTTP/1.1 429 X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{error}",
        error.len()
    );
    stream.write_all(answer.as_bytes()).await.is_ok()
}

/// Until the peer closes; nothing else comes while an answer is on its way.
async fn gone(stream: &mut BufReader<TcpStream>) {
    use tokio::io::AsyncBufReadExt;
    let _ = stream.fill_buf().await;
}

/// The next request; `None` when there is none.
pub async fn read(stream: &mut BufReader<TcpStream>) -> Option<(Head, Vec<u8>)> {
    let head = Head::read(stream).await.ok()??;
    let body = head.body(true).ok()?.whole(stream).await.ok()?;
    Some((head, body))
}

/// The number of the request, out of its prompt.
fn marker(body: &[u8]) -> Option<u64> {
    let at = memmem::find(body, b"soak-")? + 5;
    let digits = body.get(at..)?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

/// A simulated upstream that lets everybody in.
pub fn simulated() -> Arc<Simulated> {
    Arc::new(Simulated::new(Settings::default()))
}

/// Makes chance of what closes kept connections another than that of the weather.
const STALE: u64 = 0x5741_4c45;

/// How often the weather is looked at where nobody connects.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Tells an account with access tokens that all of them are void, now and then.
pub async fn void_tokens(tokens: Arc<TokenEndpoint>, running: Arc<AtomicBool>) {
    while running.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_secs(7)).await;
        tokens.void();
    }
}
