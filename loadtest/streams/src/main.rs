//! Holds many SSE streams open at once through a proxy and counts what arrives; with `--rate`, plain requests at that rate.
//!
//! Each stream is one request on a connection of its own, read to its end. Prints one line of JSON. Stays cheap, for it
//! shares the machine with what it measures: one scan for frame ends per read, no JSON.
mod chunked;
mod paced;

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use chunked::Body;
use paced::{Pace, Times};

#[tokio::main]
async fn main() -> ExitCode {
    let plan = match Plan::from_args() {
        Ok(plan) => Arc::new(plan),
        Err(fault) => {
            eprintln!("streams: {fault}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if let Some(rate) = plan.rate {
        let pace = Pace {
            addr: &plan.addr,
            request: &plan.request,
            rate,
            seconds: plan.seconds,
        };
        let times = tokio::task::block_in_place(|| pace.run());
        let failed = times.failed;
        println!("{}", paced_json(times));
        return ExitCode::from(u8::from(failed > 0));
    }
    let began = Instant::now();
    let tasks: Vec<_> = (0..plan.streams)
        .map(|number| {
            let plan = Arc::clone(&plan);
            tokio::spawn(async move {
                tokio::time::sleep(plan.ramp * number / plan.streams).await;
                let one = tokio::time::timeout(plan.timeout, stream(&plan));
                one.await.unwrap_or_else(|_| Err("timed out".to_owned()))
            })
        })
        .collect();
    let mut report = Report::default();
    for task in tasks {
        report.add(task.await.unwrap_or_else(|panic| Err(panic.to_string())));
    }
    let all = report.complete == plan.streams;
    println!("{}", report.into_json(began.elapsed()));
    ExitCode::from(u8::from(!all))
}

/// What to do, from the command line.
struct Plan {
    addr: String,
    streams: u32,
    /// The streams start spread over this time: a load test of streams is not one of accepting.
    ramp: Duration,
    timeout: Duration,
    /// Bytes that must stand near the end of a complete stream.
    terminal: Vec<u8>,
    request: Vec<u8>,
    /// Requests a second, instead of streams.
    rate: Option<u32>,
    seconds: u32,
}

impl Plan {
    fn from_args() -> Result<Self, String> {
        let mut given: HashMap<String, String> = HashMap::new();
        let mut args = std::env::args().skip(1);
        while let Some(name) = args.next() {
            let value = args
                .next()
                .ok_or_else(|| format!("{name}: a value is missing"))?;
            given.insert(name, value);
        }
        let mut take = |name: &str, default: Option<&str>| {
            let given = given.remove(name).or_else(|| default.map(str::to_owned));
            given.ok_or_else(|| format!("{name} is missing"))
        };
        let number = |text: String| {
            text.parse::<u32>()
                .map_err(|fault| format!("`{text}`: {fault}"))
        };

        let addr = take("--addr", None)?;
        let path = take("--path", Some("/v1/messages"))?;
        let key = take("--key", Some("demo"))?;
        let file = take("--body", None)?;
        let streams = number(take("--streams", Some("500"))?)?;
        let ramp = Duration::from_millis(number(take("--ramp-ms", Some("1000"))?)?.into());
        let timeout = Duration::from_secs(number(take("--timeout-s", Some("60"))?)?.into());
        let rate = number(take("--rate", Some("0"))?)?;
        let seconds = number(take("--seconds", Some("5"))?)?;
        let terminal = take("--terminal", Some("message_stop"))?.into_bytes();
        if let Some(name) = given.into_keys().next() {
            return Err(format!("{name}: no such option"));
        }
        let body = std::fs::read(&file).map_err(|fault| format!("{file}: {fault}"))?;
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: {addr}\r\nx-api-key: {key}\r\nanthropic-version: 2023-06-01\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(&body);
        Ok(Self {
            addr,
            streams,
            ramp,
            timeout,
            terminal,
            request,
            rate: (rate > 0).then_some(rate),
            seconds,
        })
    }
}

/// What one stream brought.
struct Seen {
    events: u64,
    bytes: u64,
    first: Duration,
    whole: Duration,
}

async fn stream(plan: &Plan) -> Result<Seen, String> {
    let text = |fault: std::io::Error| fault.to_string();
    let began = Instant::now();
    let mut socket = TcpStream::connect(&plan.addr).await.map_err(text)?;
    socket.set_nodelay(true).map_err(text)?;
    socket.write_all(&plan.request).await.map_err(text)?;

    let mut buffer = vec![0; 16 * 1024];
    let mut held = Vec::new();
    let mut body = loop {
        let read = socket.read(&mut buffer).await.map_err(text)?;
        if read == 0 {
            return Err("closed before the end of the head".to_owned());
        }
        held.extend_from_slice(&buffer[..read]);
        if let Some(body) = Body::after_head(&held)? {
            break body;
        }
    };
    let mut first = None;
    loop {
        if body.events > 0 {
            first.get_or_insert_with(|| began.elapsed());
        }
        if body.ended {
            break;
        }
        let read = socket.read(&mut buffer).await.map_err(text)?;
        if read == 0 {
            body.close()?;
        } else {
            body.push(&buffer[..read])?;
        }
    }
    if memchr::memmem::find(body.tail(), &plan.terminal).is_none() {
        return Err("ended without its terminal event".to_owned());
    }
    let whole = began.elapsed();
    Ok(Seen {
        events: body.events,
        bytes: body.bytes,
        first: first.unwrap_or(whole),
        whole,
    })
}

#[derive(Default)]
struct Report {
    complete: u32,
    events: u64,
    bytes: u64,
    first: Vec<Duration>,
    whole: Vec<Duration>,
    faults: HashMap<String, u32>,
}

impl Report {
    fn add(&mut self, outcome: Result<Seen, String>) {
        match outcome {
            Ok(seen) => {
                self.complete += 1;
                self.events += seen.events;
                self.bytes += seen.bytes;
                self.first.push(seen.first);
                self.whole.push(seen.whole);
            }
            Err(fault) => *self.faults.entry(fault).or_default() += 1,
        }
    }

    fn into_json(mut self, wall: Duration) -> String {
        let faults: Vec<String> = self
            .faults
            .iter()
            .map(|(fault, n)| format!("{:?}", format!("{n} x {fault}")))
            .collect();
        format!(
            "{{\"complete\":{},\"events\":{},\"bytes\":{},\"wall_s\":{:.3},\"first_ms\":{},\"whole_ms\":{},\"faults\":[{}]}}",
            self.complete,
            self.events,
            self.bytes,
            wall.as_secs_f64(),
            quantiles(&mut self.first),
            quantiles(&mut self.whole),
            faults.join(",")
        )
    }
}

fn paced_json(mut times: Times) -> String {
    times.took.sort_unstable();
    let at = |share: usize| {
        let last = times.took.len().saturating_sub(1);
        let time = times.took.get((times.took.len() * share / 100).min(last));
        time.map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    format!(
        "{{\"requests\":{},\"failed\":{},\"p50_us\":{:.1},\"p99_us\":{:.1},\"max_us\":{:.1}}}",
        times.took.len(),
        times.failed,
        at(50),
        at(99),
        at(100)
    )
}

/// `[p50, p99]` in milliseconds.
fn quantiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: usize| {
        let index = times.len() * share / 100;
        times
            .get(index.min(times.len().saturating_sub(1)))
            .map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    format!("[{:.2},{:.2}]", at(50), at(99))
}

const USAGE: &str = "usage: streams --addr HOST:PORT --body FILE [--path P] [--key K] [--streams N] [--ramp-ms N] \
                     [--timeout-s N] [--terminal TEXT] [--rate N --seconds N]";
