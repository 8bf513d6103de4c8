//! SIGQUIT under load: one process takes over from another.
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::Options;
use crate::client::{Kept, Shared, Used, question, stream};
use crate::process::{Setup, signal};

/// Whether nothing was lost.
pub async fn run(options: &mut Options) -> Result<bool, String> {
    let binary = options.binary();
    let rate = options.number("--rate", 2000)?.max(1);
    let streams = options.number("--streams", 200)?;
    let tokens = options.number("--seconds", 30)? * EVENTS_A_SECOND;
    options.end()?;
    let mut setup = Setup::start(&binary).await?;
    let load = Arc::new(Load::default());

    let mut connections = Vec::new();
    for _ in 0..streams.div_ceil(2).div_ceil(PER_CONNECTION) {
        connections.push(Shared::connect(&setup.addr).await?);
    }
    let long = (0..streams).map(|number| {
        let load = load.clone();
        let body = question(
            &format!("{number} [[sim output-tokens={tokens} chunk-delay=100ms]]"),
            true,
        );
        let begun = move || {
            load.open.fetch_add(1, Ordering::Relaxed);
        };
        // Half of them over HTTP/2.
        if let (1, Some(connection)) = (
            number % 2,
            connections.get((number / 2 / PER_CONNECTION) as usize),
        ) {
            return connection.stream(body, begun);
        }
        let addr = setup.addr.clone();
        tokio::spawn(async move { stream(&addr, &body, begun).await })
    });
    let long: Vec<JoinHandle<Result<Used, String>>> = long.collect();
    while load.open.load(Ordering::Relaxed) < streams && !long.iter().any(JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let began = Instant::now();
    let asking: Vec<_> = (0..ASKERS)
        .map(|number| tokio::spawn(ask(load.clone(), setup.addr.clone(), began, rate, number)))
        .collect();
    tokio::time::sleep(STEADY).await;

    let before = Used::of_key(&setup.addr).await?;
    let told_before = load.used();
    setup.weir.signal("QUIT")?;
    let handed = Instant::now();
    let follower = Follower::of(&setup).await?;
    let took = handed.elapsed();
    for one in long {
        match one.await.map_err(|fault| fault.to_string())? {
            Ok(used) => load.tell(used),
            Err(fault) => load.lose(&load.cut, fault),
        }
    }
    let status = setup.weir.ends().await?;
    tokio::time::sleep(STEADY).await;
    load.stop.store(true, Ordering::Relaxed);
    let mut opened = 0;
    for one in asking {
        opened += one.await.map_err(|fault| fault.to_string())?;
    }
    let lasted = began.elapsed();
    let told = load.used();
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut after = Used::of_key(&setup.addr).await?;
    // What is used is booked by the time the client has its answer, but for the last of them.
    while !same(after, told) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
        after = Used::of_key(&setup.addr).await?;
    }
    follower.stop().await?;

    let (lost, cut) = (
        load.lost.load(Ordering::Relaxed),
        load.cut.load(Ordering::Relaxed),
    );
    let rate = u128::from(told.requests) * 1000 / lasted.as_millis().max(1);
    println!(
        "upgrade: {} requests ({rate} a second, {opened} connections), {lost} lost; {streams} streams, {cut} cut; the other process served after {} ms; the old one ended with {status}",
        told.requests,
        took.as_millis()
    );
    println!(
        "upgrade: before: the key had used {} requests, {} + {} tokens, of which its clients had been told {}",
        before.requests, before.input, before.output, told_before.requests
    );
    println!(
        "upgrade: after: the key had used {} requests, {} + {} tokens; its clients had been told {}, {} + {}",
        after.requests, after.input, after.output, told.requests, told.input, told.output
    );
    load.faults()
        .iter()
        .for_each(|fault| println!("upgrade: {fault}"));
    Ok(lost == 0 && cut == 0 && same(after, told) && status.success())
}

/// Asks its share of the rate over one kept connection; how many connections it took.
async fn ask(load: Arc<Load>, addr: String, began: Instant, rate: u32, number: u32) -> u32 {
    let mut kept = Kept::new(&addr);
    let body = question("Hello", false);
    let mut turn = number;
    while !load.stop.load(Ordering::Relaxed) {
        let due = began + Duration::from_secs(1) * turn / rate;
        turn += ASKERS;
        tokio::time::sleep_until(due.into()).await;
        match kept.ask(&body).await {
            Ok(used) => load.tell(used),
            Err(fault) => load.lose(&load.lost, fault),
        }
    }
    kept.opened
}

fn same(one: Used, other: Used) -> bool {
    (one.requests, one.input, one.output) == (other.requests, other.input, other.output)
}

/// What the clients saw.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    open: AtomicU32,
    lost: AtomicU64,
    cut: AtomicU64,
    used: Mutex<Used>,
    faults: Mutex<Vec<String>>,
}

impl Load {
    fn tell(&self, used: Used) {
        let mut sum = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        sum.add(used);
    }

    fn used(&self) -> Used {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, counter: &AtomicU64, fault: String) {
        counter.fetch_add(1, Ordering::Relaxed);
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.len() < 5 {
            faults.push(fault);
        }
    }

    fn faults(&self) -> Vec<String> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.clone()
    }
}

/// The process that took over, by its id; it is no child of this one. Killed when it was not stopped.
struct Follower(Option<String>);

impl Follower {
    /// Waits until it serves.
    async fn of(setup: &Setup) -> Result<Self, String> {
        let find = |said: &str| {
            (said.matches("\"serving\"").count() == 2).then_some(())?;
            let mut lines = said.lines().rev();
            let line = lines.find(|line| line.contains("started the process that is to follow"))?;
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            Some(line["pid"].to_string())
        };
        let pid = setup.weir.says("another process serves", find).await?;
        Ok(Self(Some(pid)))
    }

    async fn stop(mut self) -> Result<(), String> {
        let pid = self.0.take().unwrap_or_default();
        signal(&pid, "TERM")?;
        let deadline = Instant::now() + Duration::from_mins(1);
        while std::path::Path::new(&format!("/proc/{pid}")).exists() {
            if Instant::now() > deadline {
                return Err("the process that took over does not end".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(pid) = &self.0 {
            // Something failed before; that is what is told.
            let _ = signal(pid, "KILL");
        }
    }
}

/// Of the upstream, which sends about four tokens with each event.
const EVENTS_A_SECOND: u32 = 40;
const PER_CONNECTION: u32 = 50;
const ASKERS: u32 = 64;
/// How long it goes on before and after.
const STEADY: Duration = Duration::from_secs(3);
