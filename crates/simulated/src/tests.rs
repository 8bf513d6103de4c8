//! The rules of the simulated upstream, all through one door, [`Rig`].
mod content;
mod control;
mod faults;
mod grammar;

use super::*;

/// A simulated upstream and the number of its next request.
struct Rig {
    simulated: Simulated,
    number: u64,
}

/// What a client saw.
#[derive(Debug, Eq, PartialEq)]
struct Seen {
    before: Vec<Step>,
    status: u16,
    headers: Vec<String>,
    body: String,
    /// Every step that is no bytes.
    rest: Vec<Step>,
    writes: usize,
}

impl Rig {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let simulated = Simulated::new(settings);
        Self {
            simulated,
            number: 0,
        }
    }

    fn script(&mut self, method: &Method, target: &str, key: &str, body: &str) -> Script {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", key.parse().expect("a header value"));
        let request = Request {
            method,
            path,
            query,
            headers: &headers,
            body: body.as_bytes(),
        };
        let number = self.number;
        self.number += 1;
        self.simulated.answer(request, number, 1_700_000_000)
    }

    fn post(&mut self, target: &str, body: &str) -> Seen {
        play(self.script(&Method::POST, target, "k-a", body))
    }

    /// An Anthropic request with this prompt.
    fn ask(&mut self, prompt: &str, stream: bool) -> Seen {
        self.post("/v1/messages", &messages(prompt, stream))
    }

    fn stats(&mut self) -> Value {
        parse(&play(self.script(&Method::GET, "/sim/stats", "", "")).body)
    }

    fn control(&mut self, message: &str) -> u16 {
        self.post("/sim/control", message).status
    }
}

/// Plays a script in memory; nothing waits.
fn play(script: Script) -> Seen {
    let mut body = Vec::new();
    let mut rest = Vec::new();
    let mut writes = 0;
    for step in script.steps {
        match step {
            Step::Send(bytes) => {
                writes += 1;
                body.extend_from_slice(&bytes);
            }
            other => rest.push(other),
        }
    }
    let headers = script.headers.iter();
    let headers =
        headers.map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")));
    Seen {
        before: script.before,
        status: script.status,
        headers: headers.collect(),
        body: String::from_utf8(body).expect("UTF-8"),
        rest,
        writes,
    }
}

fn messages(prompt: &str, stream: bool) -> String {
    json!({
        "model": "claude-sonnet-5-5",
        "max_tokens": 100_000,
        "stream": stream,
        "messages": [{"role": "user", "content": prompt}],
    })
    .to_string()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// The text of a whole Anthropic message.
fn text(seen: &Seen) -> String {
    parse(&seen.body)["content"][0]["text"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The `event:` lines of a stream.
fn events(seen: &Seen) -> Vec<&str> {
    seen.body
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect()
}
