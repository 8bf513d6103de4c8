//! A real Prometheus that scrapes proxies of the rig.
//!
//! `scripts/prerequisites.sh prometheus` brings one. Where there is none its stories are left out, except in CI, where
//! nobody would read that they were.
use std::cell::RefCell;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Answer, Call, Weir, eventually};

/// A running Prometheus; killed when dropped.
pub struct Prometheus {
    program: PathBuf,
    dir: tempfile::TempDir,
    addr: SocketAddr,
    child: RefCell<Child>,
    /// Instance and address.
    targets: RefCell<Vec<(String, SocketAddr)>>,
}

impl Prometheus {
    /// `None` where there is no Prometheus to start.
    pub fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// With a history, as OpenMetrics with times.
    pub fn start_with(history: &str) -> Option<Self> {
        let program = program()?;
        let dir = tempfile::tempdir().expect("a directory");
        if !history.is_empty() {
            fill(&program, dir.path(), history);
        }
        let config = "global: { scrape_interval: 1s }\nscrape_configs:\n  - job_name: weir\n    \
                      file_sd_configs: [{ files: [targets.json], refresh_interval: 1s }]\n";
        std::fs::write(dir.path().join("prometheus.yml"), config).expect("a file");
        std::fs::write(dir.path().join("targets.json"), "[]").expect("a file");
        // Nothing keeps a port free until Prometheus has it: another test may be faster.
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let addr = free.local_addr().expect("a bound socket");
            drop(free);
            let mut child = spawn(&program, dir.path(), addr);
            if is_ready(&mut child, addr) {
                return Some(Self {
                    program,
                    addr,
                    child: RefCell::new(child),
                    dir,
                    targets: RefCell::default(),
                });
            }
        }
        let log = std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
        panic!("Prometheus does not start:\n{log}");
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn get(&self, target: &str) -> Answer {
        Call::new(self.addr, "GET", target).send()
    }

    /// Scrapes `weir` as `instance` from now on, in place of what was so called before.
    pub fn scrape(&self, instance: &str, weir: &Weir) {
        let mut targets = self.targets.borrow_mut();
        targets.retain(|(known, _)| known != instance);
        targets.push((instance.to_owned(), weir.admin_addr()));
        let mut list = String::new();
        for (instance, addr) in &*targets {
            let comma = if list.is_empty() { "" } else { "," };
            write!(
                list,
                "{comma}{{\"targets\":[\"{addr}\"],\"labels\":{{\"instance\":\"{instance}\"}}}}"
            )
            .expect("text");
        }
        let fresh = self.dir.path().join("targets.new");
        std::fs::write(&fresh, format!("[{list}]")).expect("a file");
        std::fs::rename(fresh, self.dir.path().join("targets.json")).expect("a rename");
    }

    /// Ends it at once.
    pub fn kill(&self) {
        let mut child = self.child.borrow_mut();
        child.kill().expect("a child");
        child.wait().expect("a child");
    }

    /// Starts it again, with what it had stored.
    pub fn restart(&self) {
        let mut child = spawn(&self.program, self.dir.path(), self.addr);
        assert!(is_ready(&mut child, self.addr), "Prometheus starts again");
        *self.child.borrow_mut() = child;
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn fill(program: &Path, dir: &Path, history: &str) {
    let file = dir.join("history");
    std::fs::write(&file, format!("{history}# EOF\n")).expect("a file");
    let done = Command::new(program.with_file_name("promtool"))
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([file, dir.join("data")])
        .output()
        .expect("promtool runs");
    assert!(done.status.success(), "{done:?}");
}

fn spawn(program: &Path, dir: &Path, addr: SocketAddr) -> Child {
    let log = std::fs::File::create(dir.join("log")).expect("a file");
    let file = |name: &str| dir.join(name).display().to_string();
    Command::new(program)
        .arg(format!("--config.file={}", file("prometheus.yml")))
        .arg(format!("--storage.tsdb.path={}", file("data")))
        .arg(format!("--web.listen-address={addr}"))
        .arg("--storage.tsdb.retention.time=40d")
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("Prometheus runs")
}

/// Waits until it answers; `false` when it has ended instead.
fn is_ready(child: &mut Child, addr: SocketAddr) -> bool {
    eventually("Prometheus is ready", || {
        if child.try_wait().expect("a child").is_some() {
            return Some(false);
        }
        std::net::TcpStream::connect(addr).ok()?;
        // Whoever has the port may be someone else: only Prometheus answers this so.
        let ready = Call::new(addr, "GET", "/-/ready").send();
        (ready.status == 200 && ready.text().contains("Prometheus")).then_some(true)
    })
}

fn program() -> Option<PathBuf> {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/prometheus/usr/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain([unpacked])
        .map(|directory| directory.join("prometheus"))
        .find(|program| program.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI tests with a Prometheus: scripts/prerequisites.sh prometheus"
        );
        eprintln!("left out: there is no Prometheus here; scripts/prerequisites.sh prometheus");
    }
    found
}
