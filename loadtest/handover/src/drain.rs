//! SIGTERM with streams open, again and again.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::Options;
use crate::client::{Shared, question};
use crate::process::Setup;

/// Whether nothing was lost.
pub async fn run(options: &mut Options) -> Result<bool, String> {
    let binary = options.binary();
    let streams = options.number("--streams", 10_000)?;
    let at_once = options.number("--at-once", 500)?.clamp(1, streams.max(1));
    options.end()?;
    let mut faults: Vec<String> = Vec::new();
    let mut whole = 0;
    let mut rounds = 0;
    let mut left = streams;
    while left > 0 {
        let now = left.min(at_once);
        left -= now;
        rounds += 1;
        let mut setup = Setup::start(&binary).await?;
        let outcome = round(&mut setup, now).await?;
        whole += now - u32::try_from(outcome.len()).unwrap_or(now).min(now);
        faults.extend(outcome);
    }
    println!(
        "drain: {streams} streams over HTTP/2 in {rounds} rounds, {whole} whole, {} faults",
        faults.len()
    );
    faults
        .iter()
        .take(5)
        .for_each(|fault| println!("drain: {fault}"));
    Ok(faults.is_empty())
}

/// What went wrong.
async fn round(setup: &mut Setup, streams: u32) -> Result<Vec<String>, String> {
    let begun = Arc::new(AtomicU32::new(0));
    let mut connections = Vec::new();
    let mut asked = Vec::new();
    for number in 0..streams {
        if number % PER_CONNECTION == 0 {
            connections.push(Shared::connect(&setup.addr).await?);
        }
        let connection = connections.last().ok_or("no connection")?;
        let begun = begun.clone();
        let body = question(
            &format!("{number} [[sim output-tokens=200 chunk-delay=50ms]]"),
            true,
        );
        asked.push(connection.stream(body, move || {
            begun.fetch_add(1, Ordering::Relaxed);
        }));
    }
    while begun.load(Ordering::Relaxed) < streams && asked.iter().any(|one| !one.is_finished()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let busy = Busy::start();
    setup.weir.signal("TERM")?;
    let mut faults = Vec::new();
    for one in asked {
        let ended = one.await.map_err(|fault| fault.to_string())?;
        faults.extend(ended.err());
    }
    for connection in connections {
        faults.extend(connection.ends().await.err());
    }
    drop(busy);
    let status = setup.weir.ends().await?;
    if !status.success() {
        faults.push(format!("it ended with {status}"));
    }
    Ok(faults)
}

/// A machine with other things to do: a thread for every core that does nothing but compute.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..cores {
            let stop = stop.clone();
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(stop)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

const PER_CONNECTION: u32 = 50;
