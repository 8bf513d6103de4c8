//! The proxy under test: the real binary in a process of its own, and what can be seen of it from outside.
use std::io::{BufRead as _, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::http::Head;
use crate::ledger::Ledger;
use crate::setup::Setup;

/// The running proxy; dropping it kills it.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    pub addr: SocketAddr,
    pub admin: SocketAddr,
    log: Arc<Mutex<Log>>,
}

/// What is judged is what Weir holds, not what jemalloc keeps to be quick: pages that nobody uses are given back at once, there is one
/// arena for all threads and not one for each with holes of its own, and threads keep no large pieces for themselves.
const PLAIN: &str = "dirty_decay_ms:0,muzzy_decay_ms:0,narenas:1,lg_tcache_max:12";

/// What it wrote to standard error.
#[derive(Debug, Default)]
struct Log {
    lines: u64,
    /// Panics, and secrets in the open.
    faults: Vec<String>,
}

/// What the operating system says of it.
#[derive(Clone, Copy, Debug)]
pub struct Resources {
    pub resident: u64,
    pub descriptors: usize,
}

/// The binary, with a hosts file of its own if there is one. The process stays the same.
fn command(binary: &Path, hosts: Option<&Path>) -> Command {
    let Some(hosts) = hosts else {
        return Command::new(binary);
    };
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg("mount --bind \"$0\" /etc/hosts && exec \"$@\"")
        .arg(hosts)
        .arg(binary);
    command
}

impl Proxy {
    /// Starts it with the configuration of this setup. `secrets` must not occur in anything that it writes.
    pub async fn start(
        binary: &Path,
        setup: &Setup,
        ledger: Arc<Ledger>,
        secrets: &'static [&'static str],
    ) -> Result<Self, String> {
        let mut child = command(binary, setup.hosts.as_deref())
            .args(["run", "-c"])
            .arg(&setup.file)
            .env_remove("RUST_LOG")
            .env("_RJEM_MALLOC_CONF", PLAIN)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let log = Arc::new(Mutex::new(Log::default()));
        let (tell, told) = channel();
        let mut proxy = Self {
            child,
            addr: NOWHERE,
            admin: NOWHERE,
            log: log.clone(),
        };
        if let Some((stdout, stderr)) = stdout.zip(stderr) {
            std::thread::spawn(move || follow_log(stderr, &log, secrets, &tell));
            std::thread::spawn(move || follow_access_log(stdout, &ledger, secrets));
        }
        let deadline = Instant::now() + START;
        while proxy.addr == NOWHERE || proxy.admin == NOWHERE {
            match told.try_recv() {
                Ok((true, admin)) => proxy.admin = admin,
                Ok((false, addr)) => proxy.addr = addr,
                Err(_) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(_) => return Err("weir did not say where it listens".to_owned()),
            }
        }
        for _ in 0..200 {
            if matches!(proxy.get("/livez").await, Ok((200, _))) {
                return Ok(proxy);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("weir does not serve".to_owned())
    }

    pub async fn get(&self, path: &str) -> Result<(u16, String), String> {
        admin(self.admin, "GET", path).await
    }

    /// What a key holder is told of itself.
    pub async fn usage(&self, key: &str) -> Result<Value, String> {
        let (_, text) = call(self.addr, key, "GET", "/v1/usage").await?;
        serde_json::from_str(&text).map_err(|_| format!("/v1/usage: {text}"))
    }

    pub fn resources(&self) -> Result<Resources, String> {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status =
            std::fs::read_to_string(proc.join("status")).map_err(|error| error.to_string())?;
        let resident = status
            .lines()
            .find_map(|line| {
                line.strip_prefix("VmRSS:")?
                    .trim()
                    .strip_suffix(" kB")?
                    .parse::<u64>()
                    .ok()
            })
            .ok_or("no VmRSS")?;
        let descriptors = std::fs::read_dir(proc.join("fd"))
            .map_err(|error| error.to_string())?
            .count();
        Ok(Resources {
            resident: resident * 1024,
            descriptors,
        })
    }

    /// What it wrote that it should not have, and how many lines there were.
    pub fn log_faults(&self) -> (u64, Vec<String>) {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        (log.lines, log.faults.clone())
    }

    /// Asks it to end, and waits for that.
    pub async fn stop(&mut self) -> Result<(), String> {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        told.map_err(|error| format!("kill: {error}"))?;
        let deadline = Instant::now() + END;
        loop {
            match self.child.try_wait().map_err(|error| error.to_string())? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("weir ended with {status}")),
                None if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                None => return Err("weir did not end after SIGTERM".to_owned()),
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // One that has ended is only waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One call of the admin plane.
pub async fn admin(addr: SocketAddr, method: &str, path: &str) -> Result<(u16, String), String> {
    call(addr, ADMIN_TOKEN, method, path).await
}

async fn call(
    addr: SocketAddr,
    token: &str,
    method: &str,
    path: &str,
) -> Result<(u16, String), String> {
    let call = async {
        let mut stream = BufReader::new(TcpStream::connect(addr).await?);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {token}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let head = Head::read(&mut stream)
            .await?
            .ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let body = head.body(false)?.whole(&mut stream).await?;
        let status = head
            .first
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Ok::<_, std::io::Error>((
            status.unwrap_or(0),
            String::from_utf8_lossy(&body).into_owned(),
        ))
    };
    match tokio::time::timeout(START, call).await {
        Ok(answer) => answer.map_err(|error| format!("{path}: {error}")),
        Err(_) => Err(format!("{path}: no answer")),
    }
}

/// The sum of the series of a metric whose labels hold all of `labels`.
pub fn sum(text: &str, name: &str, labels: &[&str]) -> f64 {
    text.lines()
        .filter_map(|line| line.rsplit_once(' '))
        .filter(|(series, _)| series.split('{').next() == Some(name))
        .filter(|(series, _)| labels.iter().all(|label| series.contains(label)))
        .filter_map(|(_, value)| value.parse::<f64>().ok())
        .sum()
}

/// Reads the log to its end; tells the addresses, and whether it is that of the admin plane.
fn follow_log(
    from: impl Read,
    log: &Mutex<Log>,
    secrets: &[&str],
    tell: &Sender<(bool, SocketAddr)>,
) {
    for line in std::io::BufReader::new(from).lines().map_while(Result::ok) {
        {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.lines += 1;
            let leaks = secrets.iter().any(|secret| line.contains(secret));
            // Every answer of 500 and above has its line; those the clients judge.
            let error = line.contains("\"level\":\"ERROR\"")
                && !line.contains("\"message\":\"a request failed\"");
            let bad = leaks || error || line.contains("panicked");
            if bad && log.faults.len() < MOST_FAULTS {
                log.faults.push(line.clone());
            }
        }
        let Ok(json) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        let is_admin = match json["message"].as_str() {
            Some("listening") => false,
            Some("admin plane listening") => true,
            _ => continue,
        };
        if let Some(addr) = json["addr"].as_str().and_then(|addr| addr.parse().ok()) {
            // Nobody waits any more when the soak is over.
            let _ = tell.send((is_admin, addr));
        }
    }
}

fn follow_access_log(from: impl Read, ledger: &Ledger, secrets: &[&str]) {
    for line in std::io::BufReader::new(from).lines().map_while(Result::ok) {
        if secrets.iter().any(|secret| line.contains(secret)) {
            ledger.violate("a secret in the access log", line.clone());
        }
        match serde_json::from_str(&line) {
            Ok(json) => ledger.line(json),
            Err(_) => ledger.violate("an access line that is not JSON", line),
        }
    }
}

/// Not known yet.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

pub const ADMIN_TOKEN: &str = "soak-admin-token-0815";

/// How long it may take to start, or to answer its admin plane.
const START: Duration = Duration::from_secs(20);

/// How long it may take to end once nothing is in flight.
const END: Duration = Duration::from_secs(20);

/// Bad lines that are kept for the report.
const MOST_FAULTS: usize = 20;
