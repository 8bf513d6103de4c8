//! Simulated clients for `weir demo`, so that the console has something to show: a few teams with different behaviour,
//! on real sockets.
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

/// Sends requests to `front` until the process ends.
pub(super) fn start(front: SocketAddr) {
    for lane in 0..LANES {
        std::thread::spawn(move || {
            for number in (lane..).step_by(LANES) {
                let question = question(number);
                // Only the console shows the result.
                let _ = send(front, &question);
                std::thread::sleep(pause(number));
            }
        });
    }
}

/// A complete request.
#[derive(Debug, Eq, PartialEq)]
struct Question {
    bytes: Vec<u8>,
    /// The number of bytes of the answer after which the client leaves; `None` = it reads everything.
    leaves_after: Option<usize>,
}

/// The request with this number. The same number always means the same request.
fn question(number: usize) -> Question {
    let (mut key, path, model) = CALLS[number % CALLS.len()];
    let stream = !number.is_multiple_of(3);
    let tokens = 30 + number * 37 % 170;
    let delay = if number % 19 == 7 {
        1800
    } else {
        120 + number * 53 % 300
    };
    // The used share of the accounts' windows: it rises slowly and starts again.
    let used = 20 + number / 5 % 70;
    let text = format!(
        "[[sim output-tokens={tokens} first-delay={delay}ms chunk-delay=15ms unified=0.{used} rate-limit={}]] {}",
        100 - used,
        ASKED.repeat(1 + number % 7)
    );
    let mut body = match path {
        "/v1/messages" => json!({
            "model": model, "max_tokens": 1024, "stream": stream,
            "system": [{ "type": "text", "text": SYSTEM.repeat(60), "cache_control": { "type": "ephemeral" } }],
            "messages": [{ "role": "user", "content": text }],
        }),
        "/v1/responses" => json!({ "model": model, "stream": stream, "input": text }),
        "/v1/chat/completions" => {
            json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": text }] })
        }
        _ => json!({ "contents": [{ "parts": [{ "text": text }] }] }),
    };
    // Mistakes that every gateway sees: an outdated key, an invalid body, a client that leaves before the end.
    if number % 61 == 17 {
        key = "a-key-of-last-year";
    }
    if number % 53 == 29 {
        body["messages"] = Value::from("none");
    }
    let leaves_after = (stream && number % 43 == 11).then_some(900);
    let body = body.to_string();
    let agent = AGENTS[number / CALLS.len() % AGENTS.len()];
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: weir\r\nx-api-key: {key}\r\nanthropic-version: 2023-06-01\r\nuser-agent: {agent}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body.as_bytes());
    Question {
        bytes,
        leaves_after,
    }
}

/// The pause after a request: busy periods alternate with quiet ones.
fn pause(number: usize) -> Duration {
    let busy = (number / 120).is_multiple_of(2);
    let base = if busy { 250 } else { 700 };
    Duration::from_millis(base + u64::try_from(number * 97 % 400).unwrap_or_default())
}

fn send(front: SocketAddr, question: &Question) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&front, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&question.bytes)?;
    let mut read = 0;
    let mut buffer = [0; 4096];
    while question.leaves_after.is_none_or(|most| read < most) {
        match stream.read(&mut buffer)? {
            0 => break,
            count => read += count,
        }
    }
    Ok(())
}

/// Key, path and model.
const CALLS: [(&str, &str, &str); 10] = [
    ("demo-team-a", "/v1/messages", "claude-sonnet-5"),
    ("demo-team-a", "/v1/messages", "claude-opus-5"),
    ("demo-team-b", "/v1/chat/completions", "gpt-5.5"),
    ("demo-support", "/v1/responses", "gpt-5.5"),
    ("demo-nightly", "/v1/messages", "claude-haiku-4-5"),
    ("demo-team-b", "/v1/messages", "claude-sonnet-5"),
    ("demo-support", "/v1/chat/completions", "claude-sonnet-5"),
    (
        "demo-team-a",
        "/v1beta/models/gemini-2.5-pro:generateContent",
        "gemini-2.5-pro",
    ),
    ("demo-nightly", "/v1/chat/completions", "gpt-5.5"),
    (
        "demo-team-b",
        "/v1beta/models/gemini-2.5-flash:generateContent",
        "gemini-2.5-flash",
    ),
];

const AGENTS: [&str; 3] = [
    "claude-cli/2.1 (external)",
    "openai-python/2.8",
    "curl/8.14",
];

const SYSTEM: &str = "You review diffs. ";

const ASKED: &str = "Review this diff and say in three sentences whether the two locks of the pool can be taken in the same order everywhere. ";

/// The number of simultaneous clients.
const LANES: usize = 3;

const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_differ_and_each_request_is_whole() {
        let mut left = 0;
        for number in 0..500 {
            let question = question(number);
            let text = String::from_utf8(question.bytes).expect("text");
            let (head, body) = text.split_once("\r\n\r\n").expect("a head");
            assert!(
                head.contains(&format!("content-length: {}", body.len())),
                "{head}"
            );
            let body: Value = serde_json::from_str(body).expect("JSON");
            assert!(body.is_object());
            left += usize::from(question.leaves_after.is_some());
            assert!(pause(number) >= Duration::from_millis(250));
        }
        assert!((1..50).contains(&left), "{left}");
        assert_eq!(question(7), question(7));
        assert_ne!(question(7), question(8));
    }
}
