//! The rig of the stories: a scripted upstream, the real proxy behind a guard, a plain client.
//!
//! Nothing here waits for time to pass: [`eventually`] polls something observable, with a generous deadline.
pub mod client;
pub mod dialects;
pub mod http2;
pub mod network;
pub mod process;
pub mod prometheus;
pub mod proxies;
pub mod refusing;
pub mod upstream;
pub mod weir;
pub mod wire;

use std::io::BufRead;
use std::time::{Duration, Instant};

pub use client::{Answer, Call};
pub use dialects::{ALL, Lines, sample};
pub use http2::{Http2Upstream, Say};
pub use process::Process;
pub use refusing::Refusing;
pub use upstream::Upstream;
pub use weir::{KEY, TOKEN, Weir, account, accounts, configuration};
pub use wire::Wire;

/// Polls until `look` sees something.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Header lines in their order, names in lower case.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    pub fn get(&self, name: &str) -> Option<&str> {
        let line = self.0.iter().find(|(known, _)| known == name);
        line.map(|(_, value)| value.as_str())
    }
}

/// A first line and headers; `None` when the connection ends before them.
pub fn read_head(reader: &mut impl BufRead) -> Option<(String, Headers)> {
    let mut line = || {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        line.ends_with('\n').then(|| line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        if line.is_empty() {
            return Some((first, Headers(headers)));
        }
        let (name, value) = line.split_once(':').expect("a header line");
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// One chunk of a chunked body; `None` = its regular end. An error = it broke off.
pub fn read_chunk(reader: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let size = line.trim().split(';').next().unwrap_or_default();
    let size = usize::from_str_radix(size, 16).map_err(std::io::Error::other)?;
    let mut chunk = vec![0; size + 2];
    reader.read_exact(&mut chunk)?;
    chunk.truncate(size);
    Ok((size > 0).then_some(chunk))
}

/// A whole chunked body.
pub fn read_body(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = read_chunk(reader)? {
        body.extend(chunk);
    }
    Ok(body)
}

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
