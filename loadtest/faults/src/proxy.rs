//! The proxy under test: the real binary in a process of its own, and what can be seen of it from outside.
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use crate::http::Head;
use crate::ledger::Ledger;

/// The running proxy; dropping it kills it.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    pid: u32,
    pub addr: SocketAddr,
    pub admin: SocketAddr,
    log: Arc<Mutex<Log>>,
}

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

impl Proxy {
    /// Starts it with this configuration file. `secrets` must not occur in anything that it writes.
    pub async fn start(
        binary: &Path,
        config: &Path,
        ledger: Arc<Ledger>,
        secrets: &'static [&'static str],
    ) -> Result<Self, String> {
        let mut child = Command::new(binary)
            .args(["run", "-c"])
            .arg(config)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let pid = child.id().ok_or("weir ended at once")?;
        let (data, told_data) = oneshot::channel();
        let (admin, told_admin) = oneshot::channel();
        let log = Arc::new(Mutex::new(Log::default()));
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(follow_log(stderr, log.clone(), secrets, data, admin));
        }
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(follow_access_log(stdout, ledger, secrets));
        }
        let told = async { Some((told_data.await.ok()?, told_admin.await.ok()?)) };
        let (addr, admin) = tokio::time::timeout(START, told)
            .await
            .ok()
            .flatten()
            .ok_or("weir did not say where it listens")?;
        let proxy = Self {
            child,
            pid,
            addr,
            admin,
            log,
        };
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

    pub fn resources(&self) -> Result<Resources, String> {
        let proc = PathBuf::from(format!("/proc/{}", self.pid));
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
        let pid = self.pid.to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().await;
        told.map_err(|error| format!("kill: {error}"))?;
        match tokio::time::timeout(END, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("weir ended with {status}")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("weir did not end after SIGTERM".to_owned()),
        }
    }
}

/// One call of the admin plane.
pub async fn admin(addr: SocketAddr, method: &str, path: &str) -> Result<(u16, String), String> {
    let call = async {
        let mut stream = BufReader::new(TcpStream::connect(addr).await?);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {ADMIN_TOKEN}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
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

async fn follow_log(
    from: impl tokio::io::AsyncRead + Unpin,
    log: Arc<Mutex<Log>>,
    secrets: &'static [&'static str],
    data: oneshot::Sender<SocketAddr>,
    admin: oneshot::Sender<SocketAddr>,
) {
    let (mut data, mut admin) = (Some(data), Some(admin));
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.lines += 1;
            let leaks = secrets.iter().any(|secret| line.contains(secret));
            let bad = leaks || line.contains("panicked") || line.contains("\"level\":\"ERROR\"");
            if bad && log.faults.len() < MOST_FAULTS {
                log.faults.push(line.clone());
            }
        }
        let Ok(json) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        let addr = json["addr"].as_str().and_then(|addr| addr.parse().ok());
        let told = match json["message"].as_str() {
            Some("listening") => &mut data,
            Some("admin plane listening") => &mut admin,
            _ => continue,
        };
        if let (Some(addr), Some(told)) = (addr, told.take()) {
            let _ = told.send(addr);
        }
    }
}

async fn follow_access_log(
    from: impl tokio::io::AsyncRead + Unpin,
    ledger: Arc<Ledger>,
    secrets: &'static [&'static str],
) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if secrets.iter().any(|secret| line.contains(secret)) {
            ledger.violate("a secret in the access log", line.clone());
        }
        match serde_json::from_str(&line) {
            Ok(json) => ledger.line(json),
            Err(_) => ledger.violate("an access line that is not JSON", line),
        }
    }
}

pub const ADMIN_TOKEN: &str = "soak-admin-token-0815";

/// How long it may take to start, or to answer its admin plane.
const START: Duration = Duration::from_secs(20);

/// How long it may take to end once nothing is in flight.
const END: Duration = Duration::from_secs(20);

/// Bad lines that are kept for the report.
const MOST_FAULTS: usize = 20;
