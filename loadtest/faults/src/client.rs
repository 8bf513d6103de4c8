//! The clients: each asks one question after the other on a kept connection, reads the answer as its dialect's SDK
//! would, and sometimes leaves in the middle of it.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::dialect::{ALL, Dialect, Reading, StreamEnd};
use crate::http::Head;
use crate::ledger::{Ledger, Tokens};
use crate::random::Random;

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub id: u64,
    pub dialect: Dialect,
    /// What the model's name asks for: an upstream dialect, or any.
    pub pool: Option<Dialect>,
    pub stream: bool,
    /// Whether a Chat stream is to state its usage.
    pub usage: bool,
    pub tokens: Tokens,
    /// Milliseconds between two events.
    pub pace: u64,
    /// Leaves after so many events, or bytes of a plain answer.
    pub leaves: Option<u64>,
    /// What else it says: a vendor's own words for trouble, now and then.
    pub says: &'static str,
    /// Not a part of the soak: fills what Weir remembers.
    pub fills: bool,
}

/// What came of it, as the client sees it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// With this much text, and what it says of its usage.
    Complete { text: u64, usage: Option<Tokens> },
    /// A stream that ended in its dialect's error event.
    Failed,
    /// An HTTP error in the client's dialect.
    Refused { status: u16 },
    /// The client did not stay.
    Left,
    /// Nothing that a client may be given.
    Broken(&'static str),
}

impl Outcome {
    pub fn name(&self) -> String {
        match self {
            Self::Complete { .. } => "complete".to_owned(),
            Self::Failed => "ended in an error event".to_owned(),
            Self::Refused { status } => format!("refused with {status}"),
            Self::Left => "client left".to_owned(),
            Self::Broken(_) => "BROKEN".to_owned(),
        }
    }
}

/// What all clients share.
#[derive(Debug)]
pub struct Clients {
    pub weir: SocketAddr,
    pub key: &'static str,
    pub ledger: Arc<Ledger>,
    pub ids: AtomicU64,
    pub stop: AtomicBool,
}

impl Clients {
    /// One client, until it is told to stop.
    pub async fn run(self: Arc<Self>, seed: u64) {
        let random = Random::new(seed);
        let mut connection = None;
        while !self.stop.load(Ordering::Relaxed) {
            let asked = self.think(&random);
            self.ledger.ask(asked);
            let asking = self.ask(asked, &mut connection);
            let outcome = tokio::time::timeout(PATIENCE, asking).await;
            let outcome = outcome.unwrap_or(Outcome::Broken("no end within a minute"));
            let calm = matches!(outcome, Outcome::Complete { .. } | Outcome::Left);
            self.ledger.settle(asked.id, outcome);
            // Who is refused does not ask again at once, and one of four asks seldom.
            let pause = if seed.is_multiple_of(4) {
                random.between(500, 3000)
            } else if calm {
                random.between(0, 20)
            } else {
                random.between(50, 250)
            };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// One of the clients that fill what Weir remembers: quick plain questions, until there have been `last` in all.
    pub async fn fill(self: Arc<Self>, last: u64) {
        let mut connection = None;
        loop {
            let id = self.ids.fetch_add(1, Ordering::Relaxed);
            if id >= last {
                return;
            }
            let asked = Asked {
                id,
                dialect: Dialect::Responses,
                pool: Some(Dialect::Responses),
                stream: false,
                usage: true,
                tokens: Tokens {
                    input: 1,
                    cache_read: 0,
                    output: 4,
                },
                pace: 0,
                leaves: None,
                says: "",
                fills: true,
            };
            self.ledger.ask(asked);
            let outcome = self.ask(asked, &mut connection).await;
            self.ledger.settle(id, outcome);
        }
    }

    pub fn think(&self, random: &Random) -> Asked {
        let stream = random.percent(80);
        Asked {
            id: self.ids.fetch_add(1, Ordering::Relaxed),
            dialect: *random.pick(&ALL),
            pool: random.percent(75).then(|| *random.pick(&ALL)),
            stream,
            usage: random.percent(75),
            tokens: Tokens {
                input: random.between(1, 5000),
                cache_read: if random.percent(50) {
                    random.between(1, 5000)
                } else {
                    0
                },
                output: random.between(1, 400),
            },
            pace: random.between(0, 12),
            leaves: random.percent(8).then(|| random.between(0, 12)),
            says: if random.percent(20) {
                random.pick::<&str>(&PHRASES)
            } else {
                ""
            },
            fills: false,
        }
    }

    async fn ask(&self, asked: Asked, kept: &mut Option<BufReader<TcpStream>>) -> Outcome {
        let (path, body) = question(&asked);
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\nx-request-id: soak-{}\r\n\
             anthropic-version: 2023-06-01\r\nx-claude-code-session-id: session-{}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.weir,
            self.key,
            asked.id,
            asked.id % 97,
            body.len(),
        );
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => match TcpStream::connect(self.weir).await {
                Ok(stream) => BufReader::new(stream),
                Err(_) => return Outcome::Broken("no connection"),
            },
        };
        if connection.write_all(request.as_bytes()).await.is_err() {
            return Outcome::Broken("the request could not be sent");
        }
        if asked.leaves == Some(0) {
            return Outcome::Left;
        }
        let Ok(Some(head)) = Head::read(&mut connection).await else {
            return Outcome::Broken("the connection ended before an answer");
        };
        let status = head
            .first
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let Some(status) = status else {
            return Outcome::Broken("an answer without a status");
        };
        let events = head
            .get("content-type")
            .is_some_and(|media| media.starts_with("text/event-stream"));
        let outcome = if events {
            read_stream(asked, status, &head, &mut connection).await
        } else {
            read_plain(asked, status, &head, &mut connection).await
        };
        let ended = matches!(outcome, Outcome::Complete { .. } | Outcome::Refused { .. });
        if ended && head.get("connection") != Some("close") {
            *kept = Some(connection);
        }
        outcome
    }
}

pub fn question(asked: &Asked) -> (String, String) {
    let model = asked.pool.map_or("any", Dialect::word);
    let Tokens {
        input,
        cache_read,
        output,
    } = asked.tokens;
    // The simulated upstream does as it is told in the prompt; the number is for the ledger.
    let prompt = format!(
        "soak-{}; [[sim input-tokens={input} cache-read={cache_read} output-tokens={output} reasoning=0 chunk-delay={}]] go on{}",
        asked.id, asked.pace, asked.says
    );
    let (path, body) =
        asked
            .dialect
            .ask(&format!("to-{model}"), &prompt, asked.stream, asked.usage);
    (path, body.to_string())
}

async fn read_plain(
    asked: Asked,
    status: u16,
    head: &Head,
    connection: &mut BufReader<TcpStream>,
) -> Outcome {
    let body = match head.body(false) {
        Ok(body) => body.whole(connection).await,
        Err(_) => return Outcome::Broken("an answer without a usable length"),
    };
    let Ok(body) = body else {
        return Outcome::Broken("a plain answer that broke off");
    };
    judge_plain(asked, status, &body)
}

/// What a whole answer is.
pub fn judge_plain(asked: Asked, status: u16, body: &[u8]) -> Outcome {
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        return Outcome::Broken("a plain answer that is not JSON");
    };
    if status == 200 {
        if asked.stream {
            return Outcome::Broken("a plain answer where a stream was asked for");
        }
        return match asked.dialect.text(&json) {
            Some(text) => Outcome::Complete {
                text: text as u64,
                usage: asked.dialect.usage(&json, None),
            },
            None => Outcome::Broken("a plain answer that is none of its dialect"),
        };
    }
    if !asked.dialect.is_error(&json) {
        return Outcome::Broken("an error that is not worded as the dialect words it");
    }
    // Nothing that this client does is wrong.
    match status {
        429 | 500..=599 => Outcome::Refused { status },
        _ => Outcome::Broken("a status that blames the client"),
    }
}

async fn read_stream(
    asked: Asked,
    status: u16,
    answer: &Head,
    connection: &mut BufReader<TcpStream>,
) -> Outcome {
    if status != 200 || !asked.stream {
        return Outcome::Broken("a stream where none belongs");
    }
    let Ok(mut body) = answer.body(false) else {
        return Outcome::Broken("a stream without framing");
    };
    let mut listening = Listening::new(asked.dialect);
    loop {
        match body.next(connection).await {
            Ok(Some(piece)) => {
                if let Err(why) = listening.push(&piece) {
                    return Outcome::Broken(why);
                }
            }
            Ok(None) => return listening.end(),
            Err(_) => return listening.broke(),
        }
        if asked
            .leaves
            .is_some_and(|leaves| listening.has_heard(leaves))
        {
            return Outcome::Left;
        }
    }
}

/// A stream that is being read.
#[derive(Debug)]
pub struct Listening {
    seen: Reading,
    held: Vec<u8>,
}

impl Listening {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            seen: Reading::new(dialect),
            held: Vec::new(),
        }
    }

    /// The next bytes; or what is wrong with them.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), &'static str> {
        self.held.extend_from_slice(piece);
        while let Some(end) = memchr::memmem::find(&self.held, b"\n\n") {
            let event: Vec<u8> = self.held.drain(..end + 2).collect();
            let event = std::str::from_utf8(&event).map_err(|_| "an event that is not text")?;
            self.seen.event(event)?;
        }
        Ok(())
    }

    /// Whether so many events came, and not the last.
    fn has_heard(&self, events: u64) -> bool {
        self.seen.events >= events && self.seen.end.is_none()
    }

    /// The connection broke.
    pub fn broke(self) -> Outcome {
        // After the error event it may close as it likes.
        if self.seen.end == Some(StreamEnd::Error) {
            return self.end();
        }
        Outcome::Broken("a stream that broke off without a word")
    }

    /// That was all.
    pub fn end(self) -> Outcome {
        if !self.held.is_empty() {
            return Outcome::Broken("half an event at the end");
        }
        let (text, usage) = (self.seen.text as u64, self.seen.usage);
        match self.seen.finish() {
            Some(StreamEnd::Complete) => Outcome::Complete { text, usage },
            Some(StreamEnd::Error) => Outcome::Failed,
            None => Outcome::Broken("a stream without its terminal event"),
        }
    }
}

/// What vendors say of an account in trouble: nobody's business when a client says it.
const PHRASES: [&str; 4] = [
    ". Your credit balance is too low",
    ". Please try again in 9h0m0s",
    ". You exceeded your current quota; insufficient balance",
    ". Incorrect API key provided; the account has been disabled; overloaded",
];

/// However slow an upstream is: Weir's own patience with it is much shorter.
const PATIENCE: Duration = Duration::from_mins(1);
