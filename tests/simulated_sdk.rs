//! The official SDKs against the simulated upstream itself, so that a failure through Weir is known to be Weir's.
//!
//! A player of scripts that needs nothing but the standard library, and against it the runner that the environment
//! names: `WEIR_CLIENT_TESTS=tests/clients/run.sh`. The SDKs come from PyPI and npm, so they are not part of a plain
//! `cargo test`.
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use simulated::{Request, Script, Settings, Simulated, Step};

#[test]
fn official_sdks_understand_the_simulated_upstream() {
    let url = serve();
    assert!(get(&url, "/health").contains("\"ok\""));
    if let Some(runner) = std::env::var_os("WEIR_CLIENT_TESTS") {
        let status = Command::new(runner)
            .args(["--direct", &url])
            .status()
            .expect("the runner starts");
        assert!(status.success(), "the client tests failed: {status}");
    }
}

/// Serves a simulated upstream on a free port until the process ends.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let simulated = Arc::new(Simulated::new(Settings {
        keys: vec!["direct".to_owned()],
        only_listed_models: true,
        ..Settings::default()
    }));
    let numbers = Arc::new(AtomicU64::new(0));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (simulated, numbers) = (Arc::clone(&simulated), Arc::clone(&numbers));
            thread::spawn(move || connection(&stream, &simulated, &numbers));
        }
    });
    url
}

fn connection(stream: &TcpStream, simulated: &Simulated, numbers: &AtomicU64) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?, words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = headers(&mut reader)?;
        let body = body(&mut reader, &headers)?;
        let request = Request {
            method: &Method::from_bytes(method.as_bytes()).ok()?,
            path,
            query,
            headers: &headers,
            body: &body,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let created = i64::try_from(now.as_secs()).ok()?;
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let script = simulated.answer(request, number, created);
        if !play(stream, script).unwrap_or(false) {
            stream.shutdown(std::net::Shutdown::Both).ok()?;
            return None;
        }
    }
}

fn headers(reader: &mut impl std::io::BufRead) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else {
            return Some(headers);
        };
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_str(value.trim()).ok()?);
    }
}

fn body(reader: &mut impl std::io::BufRead, headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    if headers.contains_key("transfer-encoding") {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let size = u64::from_str_radix(line.trim(), 16).ok()?;
            reader.take(size).read_to_end(&mut body).ok()?;
            reader.read_line(&mut line).ok()?;
            if size == 0 {
                return Some(body);
            }
        }
    }
    let length = headers
        .get("content-length")
        .map_or("0", |value| value.to_str().unwrap_or("0"));
    reader
        .take(length.parse().ok()?)
        .read_to_end(&mut body)
        .ok()?;
    Some(body)
}

/// Plays a script; false when the connection is over.
fn play(mut stream: &TcpStream, script: Script) -> std::io::Result<bool> {
    let chunked = script.length.is_none();
    let mut head = Vec::new();
    write!(head, "HTTP/1.1 {} -\r\n", script.status)?;
    for (name, value) in &script.headers {
        write!(head, "{name}: {}\r\n", value.to_str().unwrap_or_default())?;
    }
    match script.length {
        Some(length) => write!(head, "content-length: {length}\r\n\r\n")?,
        None => write!(head, "transfer-encoding: chunked\r\n\r\n")?,
    }
    let head = Step::Send(head.into());
    let before: VecDeque<_> = script.before.into();
    let mut body = false;
    for step in before.into_iter().chain([head]).chain(script.steps) {
        match step {
            Step::Send(bytes) if body && chunked => {
                write!(stream, "{:x}\r\n", bytes.len())?;
                stream.write_all(&bytes)?;
                stream.write_all(b"\r\n")?;
            }
            Step::Send(bytes) => {
                body = true;
                stream.write_all(&bytes)?;
            }
            Step::Wait(time) => thread::sleep(time),
            Step::Stall => {
                // Until the client leaves.
                stream.read_exact(&mut [0])?;
                return Ok(false);
            }
            Step::Reset | Step::Truncate => return Ok(false),
        }
    }
    if chunked {
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(true)
}

fn get(url: &str, path: &str) -> String {
    let address = url.strip_prefix("http://").expect("an http URL");
    let mut stream = TcpStream::connect(address).expect("the player listens");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").expect("written");
    stream
        .shutdown(std::net::Shutdown::Write)
        .expect("half closed");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    answer
}
