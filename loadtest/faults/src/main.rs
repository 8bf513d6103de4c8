//! The fault soak: the real proxy, under mixed streaming load in all four dialects, in front of accounts that die,
//! throttle, stall, refuse and reset; some clients leave in the middle.
//!
//! It checks that every request gets a complete answer or a well-formed error, that Weir's token counts are what the
//! upstreams stated, that limits, ledger, metrics and access lines say the same to the billionth of a dollar, that memory and file descriptors return to where they were, and that nothing panics. Prints a table;
//! ends with 1 when anything is violated. See docs/PERFORMANCE.md.
mod client;
mod dialect;
mod http;
mod ledger;
mod proxy;
mod random;
mod report;
mod setup;
mod slow;
mod tokens;
mod upstream;
mod weather;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinSet;

use client::Clients;
use ledger::{Ledger, Tokens};
use proxy::{Proxy, Resources};
use random::Random;
use report::{Figures, Report, Seen};
use setup::Setup;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::from_args(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(fault) => {
            eprintln!("faults: {fault}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let ran = tokio::select! {
        ran = soak(&options) => ran,
        // What was started ends with its handles.
        () = told_to_stop() => Err("interrupted".to_owned()),
    };
    match ran {
        Ok(report) => {
            println!("{}", report.text());
            ExitCode::from(u8::from(!report.violations.is_empty()))
        }
        Err(fault) => {
            eprintln!("faults: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Until somebody wants this to end.
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate)] = signals else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// From the command line.
#[derive(Debug)]
struct Options {
    binary: PathBuf,
    duration: Duration,
    warm_up: Duration,
    clients: u64,
    seed: u64,
}

impl Options {
    /// `None` = only the usage was asked for.
    fn from_args(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut given: BTreeMap<String, String> = BTreeMap::new();
        while let Some(name) = args.next() {
            if name == "--help" || name == "-h" {
                return Ok(None);
            }
            let value = args
                .next()
                .ok_or_else(|| format!("{name}: a value is missing"))?;
            given.insert(name, value);
        }
        let mut take =
            |name: &str, default: &str| given.remove(name).unwrap_or_else(|| default.to_owned());
        let binary = take("--weir", "target/release/weir").into();
        let duration = seconds(&take("--duration", "20m"))?;
        let warm_up = take("--warm-up", "");
        let clients = number(&take("--clients", "48"))?;
        let seed = number(&take("--seed", "1"))?;
        if let Some(name) = given.into_keys().next() {
            return Err(format!("{name}: no such option"));
        }
        let warm_up = match warm_up.as_str() {
            "" if judges_memory(duration) => duration.clamp(SHORTEST_JUDGED, SETTLED),
            "" => duration / 5,
            text => seconds(text)?,
        };
        Ok(Some(Self {
            binary,
            duration,
            warm_up,
            clients: clients.max(1),
            seed,
        }))
    }
}

impl Options {
    fn judges_memory(&self) -> bool {
        judges_memory(self.duration)
    }
}

/// A shorter run sees the allocator warm up, not leaks.
fn judges_memory(duration: Duration) -> bool {
    duration >= SHORTEST_JUDGED
}

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("`{text}`: expected a whole number"))
}

/// `90s`, `20m`.
fn seconds(text: &str) -> Result<Duration, String> {
    let fault = || format!("`{text}`: expected a duration such as `90s` or `20m`");
    let (digits, factor) = match (text.strip_suffix('s'), text.strip_suffix('m')) {
        (Some(digits), _) => (digits, 1),
        (_, Some(digits)) => (digits, 60),
        _ => return Err(fault()),
    };
    let number: u64 = digits.parse().map_err(|_| fault())?;
    Ok(Duration::from_secs(number * factor))
}

async fn soak(options: &Options) -> Result<Report, String> {
    let ledger = Arc::new(Ledger::default());
    let setup = Setup::new(&ledger, options.seed).await?;
    let mut proxy = Proxy::start(&options.binary, &setup, ledger.clone(), setup::SECRETS).await?;
    tokio::time::sleep(CALM).await;
    let start = proxy.resources()?;
    eprintln!(
        "faults: weir at {}, admin at {}, {} accounts; warming up for {} s, then {} s",
        proxy.addr,
        proxy.admin,
        setup.upstreams.len(),
        options.warm_up.as_secs(),
        options.duration.as_secs()
    );
    let ids = Arc::new(AtomicU64::new(0));
    if options.judges_memory() {
        fill(options, &proxy, &ledger, &ids).await;
    }
    let soak = Soak {
        options,
        setup: &setup,
        proxy: &proxy,
        ledger: &ledger,
        ids: &ids,
    };
    soak.load(options.warm_up).await?;
    let warm = proxy.resources()?;
    let began = Instant::now();
    soak.load(options.duration).await?;
    let took = began.elapsed();
    let end = proxy.resources()?;
    let figures = Figures::read(&proxy).await?;
    setup.stop();
    let left = descriptors_return(&proxy, start).await?;
    let stopped = proxy.stop().await;
    let seen = Seen {
        setup: &setup,
        sums: &ledger.close(),
        figures: &figures,
        resources: [start, warm, end, left],
        took,
        proxy: &proxy,
        stopped,
        booked: booked(&options.binary, &setup.books),
    };
    Ok(Report::new(options, seen))
}

/// What the ledger of a process that has ended tells: tokens, and billionths of a dollar.
fn booked(binary: &Path, ledger: &Path) -> Result<(Tokens, u64), String> {
    let ended = Command::new(binary)
        .args(["usage", "--json", "--since", "2d", "--ledger"])
        .arg(ledger)
        .output();
    let ended = ended.map_err(|error| format!("weir usage: {error}"))?;
    let told: Value = serde_json::from_slice(&ended.stdout)
        .map_err(|_| format!("weir usage: {}", String::from_utf8_lossy(&ended.stderr)))?;
    let total = |name: &str| told["total"][name].as_u64().unwrap_or(u64::MAX);
    let tokens = Tokens {
        input: total("input"),
        cache_read: total("cache_read"),
        output: total("output"),
    };
    Ok((tokens, total("nano_usd")))
}

/// Fills what Weir remembers of responses, which is bounded: what grows after that is a leak.
async fn fill(options: &Options, proxy: &Proxy, ledger: &Arc<Ledger>, ids: &Arc<AtomicU64>) {
    let clients = Arc::new(clients(proxy, ledger, ids));
    let mut asking = JoinSet::new();
    for _ in 0..options.clients {
        asking.spawn(clients.clone().fill(REMEMBERED));
    }
    while asking.join_next().await.is_some() {}
    ids.store(REMEMBERED, Ordering::Relaxed);
}

fn clients(proxy: &Proxy, ledger: &Arc<Ledger>, ids: &Arc<AtomicU64>) -> Clients {
    Clients {
        weir: proxy.addr,
        key: setup::KEY,
        ledger: ledger.clone(),
        ids: AtomicU64::new(ids.load(Ordering::Relaxed)),
        stop: AtomicBool::new(false),
    }
}

/// What a soak loads, and with what.
#[derive(Debug)]
struct Soak<'a> {
    options: &'a Options,
    setup: &'a Setup,
    proxy: &'a Proxy,
    ledger: &'a Arc<Ledger>,
    ids: &'a Arc<AtomicU64>,
}

impl Soak<'_> {
    /// Bad weather and clients for a while; then fair weather, and quiet.
    async fn load(&self, time: Duration) -> Result<(), String> {
        let Self {
            options,
            setup,
            proxy,
            ledger,
            ids,
        } = *self;
        let running = Arc::new(AtomicBool::new(true));
        let mut background = JoinSet::new();
        for (number, upstream) in setup.upstreams.iter().enumerate() {
            let random = Random::new(options.seed ^ (number as u64 + 1) << 32);
            background.spawn(setup::weather(
                upstream.clone(),
                random,
                proxy.admin,
                running.clone(),
            ));
        }
        background.spawn(upstream::void_tokens(
            setup.endpoint.clone(),
            running.clone(),
        ));
        background.spawn(setup::reloads(
            setup.text.clone(),
            setup.file.clone(),
            running.clone(),
        ));
        let clients = Arc::new(clients(proxy, ledger, ids));
        let mut asking = JoinSet::new();
        for number in 0..options.clients {
            asking.spawn(
                clients
                    .clone()
                    .run(options.seed.wrapping_mul(0x1000) + ids.load(Ordering::Relaxed) + number),
            );
        }
        for number in 0..SLOW_READERS.min(options.clients) {
            let seed = options.seed.wrapping_mul(0x2000) + number;
            asking.spawn(slow::run(clients.clone(), seed));
        }
        tokio::time::sleep(time).await;
        clients.stop.store(true, Ordering::Relaxed);
        running.store(false, Ordering::Relaxed);
        background.shutdown().await;
        for upstream in &setup.upstreams {
            upstream.weather.clear();
        }
        while asking.join_next().await.is_some() {}
        ids.store(clients.ids.load(Ordering::Relaxed), Ordering::Relaxed);
        // Every request has its line, and the allocator has had time to give back what it holds for a moment.
        let deadline = Instant::now() + SETTLING;
        while ledger.open() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(CALM).await;
        Ok(())
    }
}

/// Waits until the file descriptors are back to where they were, and says how many are open then.
async fn descriptors_return(proxy: &Proxy, start: Resources) -> Result<Resources, String> {
    let deadline = Instant::now() + SETTLING;
    loop {
        let now = proxy.resources()?;
        if now.descriptors <= start.descriptors || Instant::now() >= deadline {
            return Ok(now);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Responses whose account Weir remembers, for `previous_response_id`, and some more.
const REMEMBERED: u64 = 70_000;

/// Clients over HTTP/2 of which two streams of three are read slowly.
const SLOW_READERS: u64 = 4;

/// The shortest run whose memory is judged.
const SHORTEST_JUDGED: Duration = Duration::from_mins(2);

/// The longest warm-up: by then the console's ring holds requests of bad weather, with their attempts.
const SETTLED: Duration = Duration::from_mins(5);

/// How long the last access lines and descriptors may take.
const SETTLING: Duration = Duration::from_secs(15);

/// Rest before memory and descriptors are read.
const CALM: Duration = Duration::from_secs(2);

const USAGE: &str =
    "usage: faults [--weir FILE] [--duration 20m] [--warm-up TIME] [--clients 48] [--seed 1]";

#[cfg(test)]
mod tests;
