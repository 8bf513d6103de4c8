//! An open loop: requests at a fixed rate, whether or not the answers to the ones before have come.
//!
//! Plain threads on plain sockets, for their clocks are finer than a runtime's. A time is counted from when its request
//! was due, so that one slow answer is seen in those that wait for it.
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::chunked::Body;

/// What to ask, how often, for how long.
pub struct Pace<'a> {
    pub addr: &'a str,
    pub request: &'a [u8],
    /// Requests a second.
    pub rate: u32,
    pub seconds: u32,
}

/// Times of what was answered, and how many were not.
#[derive(Default)]
pub struct Times {
    pub took: Vec<Duration>,
    pub failed: u32,
}

impl Pace<'_> {
    /// Asks. Every thread takes each [`THREADS`]th request, on one connection.
    pub fn run(&self) -> Times {
        let began = Instant::now() + Duration::from_millis(50);
        let mut all = Times::default();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|first| scope.spawn(move || self.share(began, first)))
                .collect();
            for thread in threads {
                let times = thread.join().unwrap_or_default();
                all.took.extend(times.took);
                all.failed += times.failed;
            }
        });
        all
    }

    fn share(&self, began: Instant, first: u32) -> Times {
        let mut times = Times::default();
        let mut socket = None;
        let mut number = first;
        while number < self.rate * self.seconds {
            let due = began + Duration::from_secs(1) * number / self.rate;
            number += THREADS;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            match self.one(&mut socket) {
                Ok(()) => times.took.push(due.elapsed()),
                Err(_) => {
                    socket = None;
                    times.failed += 1;
                }
            }
        }
        times
    }

    fn one(&self, kept: &mut Option<TcpStream>) -> Result<(), String> {
        let text = |fault: std::io::Error| fault.to_string();
        let socket = match kept {
            Some(socket) => socket,
            None => {
                let socket = TcpStream::connect(self.addr).map_err(text)?;
                socket.set_nodelay(true).map_err(text)?;
                socket
                    .set_read_timeout(Some(Duration::from_secs(10)))
                    .map_err(text)?;
                kept.insert(socket)
            }
        };
        socket.write_all(self.request).map_err(text)?;
        let mut buffer = [0; 16 * 1024];
        let mut held = Vec::new();
        let mut body = None;
        loop {
            let read = socket.read(&mut buffer).map_err(text)?;
            if read == 0 {
                return Err("closed in the middle of an answer".to_owned());
            }
            match &mut body {
                None => {
                    held.extend_from_slice(&buffer[..read]);
                    body = Body::after_head(&held)?;
                }
                Some(body) => body.push(&buffer[..read])?,
            }
            if body.as_ref().is_some_and(|body| body.ended) {
                return Ok(());
            }
        }
    }
}

/// At 1,000 requests a second each has 16 ms for one: far more than it takes.
const THREADS: u32 = 16;
