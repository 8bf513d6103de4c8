//! The processes under test: the real proxy, and the simulated upstream behind it.
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running process whose output is kept; killed when it is dropped.
pub struct Process {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Process {
    fn start(binary: &Path, args: &[&str]) -> Result<Self, String> {
        let mut child = Command::new(binary)
            .args(args)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|fault| format!("{}: {fault}", binary.display()))?;
        let said = Arc::new(Mutex::new(String::new()));
        if let Some(stdout) = child.stdout.take() {
            keep(stdout, &said);
        }
        if let Some(stderr) = child.stderr.take() {
            keep(stderr, &said);
        }
        Ok(Self { child, said })
    }

    pub fn said(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.clone()
    }

    /// Waits for what `find` finds in what it said.
    pub async fn says<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> Result<T, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = find(&self.said()) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                return Err(format!("never: {what}\n{}", self.said()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn signal(&self, name: &str) -> Result<(), String> {
        signal(&self.child.id().to_string(), name)
    }

    /// Waits for its end.
    pub async fn ends(&mut self) -> Result<ExitStatus, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().map_err(|fault| fault.to_string())? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(format!("it does not end\n{}", self.said()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already where everything went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn signal(pid: &str, name: &str) -> Result<(), String> {
    let sent = Command::new("kill").args(["-s", name, pid]).status();
    match sent {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("kill -s {name} {pid}: {status}")),
        Err(fault) => Err(format!("kill: {fault}")),
    }
}

fn keep(from: impl Read + Send + 'static, said: &Arc<Mutex<String>>) {
    let said = said.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_str(&line);
            said.push('\n');
        }
    });
}

/// The proxy in front of a simulated upstream.
pub struct Setup {
    pub weir: Process,
    pub addr: String,
    _upstream: Process,
    _dir: TempDir,
}

impl Setup {
    pub async fn start(binary: &Path) -> Result<Self, String> {
        let upstream = Process::start(binary, &["upstream", "--addr", "127.0.0.1:0"])?;
        let url = upstream
            .says("the upstream listens", |said| {
                let (_, url) = said.split_once("listens on ")?;
                url.contains('\n')
                    .then(|| url.lines().next().unwrap_or_default().to_owned())
            })
            .await?;
        let dir = tempfile::tempdir().map_err(|fault| fault.to_string())?;
        let file = dir.path().join("weir.yaml");
        std::fs::write(&file, yaml(&url)).map_err(|fault| fault.to_string())?;
        let weir = Process::start(binary, &["run", "-c", &file.to_string_lossy()])?;
        let addr = weir
            .says("weir listens", |said| {
                said.contains("\"serving\"").then_some(())?;
                let (_, line) = said.split_once("\"listening\",\"addr\":\"")?;
                line.split('"').next().map(str::to_owned)
            })
            .await?;
        Ok(Self {
            weir,
            addr,
            _upstream: upstream,
            _dir: dir,
        })
    }
}

fn yaml(upstream: &str) -> String {
    format!(
        "version: 1
listen: [{{ addr: \"127.0.0.1:0\" }}]
server: {{ drain_delay: 1s, drain_timeout: 2m }}
accounts: [{{ name: a, provider: anthropic, base_url: \"{upstream}\", key: sk-of-the-account }}]
keys: [{{ name: team, key: {KEY}, limits: {{ rpm: 1000000, usd_per_day: 1000000 }} }}]
log: {{ access: \"off\" }}
"
    )
}

pub const KEY: &str = "the-key-of-the-client";

/// For a start, an end, a hand-over, on a machine that is kept busy.
const PATIENCE: Duration = Duration::from_mins(3);
