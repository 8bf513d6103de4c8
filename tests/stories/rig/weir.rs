//! The real proxy in this process, behind a guard that stops it and waits for its end.
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;
use weir::config;
use weir::protocol::Dialect;
use weir::proxy::reload::Source;
use weir::proxy::server::{Server, StartError, Stop, Until};

use super::{Answer, Call, Lines, Upstream, eventually};

/// A running proxy.
pub struct Weir {
    addrs: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    dir: TempDir,
    stop: mpsc::Sender<Stop>,
    running: Option<JoinHandle<Result<(), StartError>>>,
}

impl Weir {
    /// With a configuration that needs to say only what the story is about: see [`configuration`].
    pub fn start(yaml: &str) -> Self {
        Self::try_start(yaml).expect("weir starts")
    }

    pub fn try_start(yaml: &str) -> Result<Self, StartError> {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("token"), TOKEN).expect("a file");
        let path = dir.path().join("weir.yaml");
        std::fs::write(&path, configuration(dir.path(), yaml)).expect("a file");
        Self::on(dir, &path)
    }

    /// With a configuration file that lies somewhere below `dir`.
    pub fn on(dir: TempDir, path: &Path) -> Result<Self, StartError> {
        let config = config::load(path).unwrap_or_else(|faults| {
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            panic!("{}", faults.join("\n"))
        });
        let server = Server::bind(config, Source::File(path.to_owned()))?;
        let (addrs, admin) = (server.addrs(), server.admin_addr());
        let (stop, told) = mpsc::channel(2);
        let running = std::thread::spawn(move || server.run(Until::Told(told)));
        // The sockets are bound: who connects now waits until they are served.
        Ok(Self {
            addrs,
            admin,
            dir,
            stop,
            running: Some(running),
        })
    }

    /// One account named `a` in front of `upstream`.
    pub fn before(upstream: &Upstream, lines: &Lines) -> Self {
        Self::start(&accounts(&[account("a", lines, upstream, "")]))
    }

    pub fn addr(&self) -> SocketAddr {
        self.addrs[0]
    }

    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    pub fn file(&self) -> PathBuf {
        self.path("weir.yaml")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What a configuration file of this proxy says, with the sections that the story leaves out.
    pub fn text(&self, yaml: &str) -> String {
        configuration(self.dir.path(), yaml)
    }

    /// Replaces the configuration the way editors and tools do, by a rename.
    pub fn rewrite(&self, yaml: &str) {
        let fresh = self.path("weir.yaml.new");
        std::fs::write(&fresh, self.text(yaml)).expect("a file");
        std::fs::rename(fresh, self.file()).expect("a rename");
    }

    pub fn call(&self, method: &str, target: &str) -> Call {
        Call::new(self.addr(), method, target).key(KEY)
    }

    pub fn get(&self, target: &str) -> Call {
        self.call("GET", target)
    }

    pub fn post(&self, target: &str, body: impl AsRef<[u8]>) -> Call {
        let call = self.call("POST", target);
        call.header("content-type", "application/json").body(body)
    }

    /// The plain question of a dialect.
    pub fn ask(&self, lines: &Lines) -> Call {
        self.post(lines.path, lines.ask)
    }

    /// The same, to be streamed.
    pub fn ask_stream(&self, lines: &Lines) -> Call {
        self.post(lines.stream_path, lines.ask_stream)
    }

    /// A call of the admin plane, without its token.
    pub fn admin(&self, method: &str, target: &str) -> Call {
        Call::new(self.admin_addr(), method, target)
    }

    pub fn admin_addr(&self) -> SocketAddr {
        self.admin.expect("an admin plane")
    }

    /// `POST` on the admin plane, with the token.
    pub fn tell(&self, target: &str) -> Answer {
        self.admin("POST", target).key(TOKEN).send()
    }

    pub fn status(&self, target: &str) -> Value {
        self.admin("GET", target).send().is(200).json()
    }

    /// An account in `/status/accounts`.
    pub fn account(&self, name: &str) -> Value {
        let accounts = self.status("/status/accounts");
        let list = accounts.as_array().expect("a list");
        let found = list.iter().find(|account| account["name"] == name);
        found.unwrap_or_else(|| panic!("{accounts}")).clone()
    }

    /// The sum of the series of a metric that have these labels.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let metrics = self.admin("GET", "/metrics").send().is(200);
        let series = metrics.text().lines().filter(|line| !line.starts_with('#'));
        series
            .filter_map(|line| line.rsplit_once(' '))
            .filter(|(series, _)| series.split('{').next() == Some(name))
            .filter(|(series, _)| {
                let has = |(name, value)| series.contains(&format!("{name}=\"{value}\""));
                labels.iter().copied().all(has)
            })
            .map(|(_, value)| value.parse::<f64>().expect("a number"))
            .sum()
    }

    /// Waits until a metric has this value.
    #[track_caller]
    pub fn until_metric(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        eventually(&format!("{name}{labels:?} is {value}"), || {
            ((self.metric(name, labels) - value).abs() < 1e-9).then_some(())
        });
    }

    /// Waits for a line of the access log that `fits`.
    pub fn line(&self, fits: impl Fn(&Value) -> bool) -> Value {
        eventually("the access line is written", || {
            self.lines().into_iter().find(|line| fits(line))
        })
    }

    /// The access log so far.
    pub fn lines(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.path("access.log")).unwrap_or_default();
        let whole = log.lines().filter(|line| line.ends_with('}'));
        whole
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// Whether everything still works: what every bad day ends with.
    #[track_caller]
    pub fn is_well(&self) {
        self.get("/health").send().is(200);
    }

    /// Tells it to stop; it goes on until it has drained.
    pub fn drain(&self) {
        self.stop.try_send(Stop::Drain).expect("weir listens");
    }

    /// Tells it to stop at once.
    pub fn halt(&self) {
        let _ = self.stop.try_send(Stop::Now);
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.running.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for its end.
    pub fn join(&mut self) -> Result<(), StartError> {
        let running = self.running.take().expect("joined once");
        running.join().expect("no panic")
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        self.halt();
        if let Some(running) = self.running.take() {
            let ended = running.join();
            if !std::thread::panicking() {
                ended.expect("no panic").expect("it served");
            }
        }
    }
}

/// An entry of `accounts:` that speaks like `lines`; `more` is further YAML for it: `, weight: 2`.
pub fn account(name: &str, lines: &Lines, upstream: &Upstream, more: &str) -> String {
    let (provider, base) = match lines.dialect {
        Dialect::Anthropic => ("anthropic", ""),
        Dialect::OpenaiChat => ("openai-compatible", "/v1"),
        Dialect::OpenaiResponses => ("openai", "/v1"),
        Dialect::Gemini => ("gemini", ""),
    };
    let url = upstream.url();
    format!(
        "{{ name: {name}, provider: {provider}, base_url: \"{url}{base}\", key: \"secret-of-{name}\"{more} }}"
    )
}

/// The section `accounts:`.
pub fn accounts(entries: &[String]) -> String {
    entries
        .iter()
        .fold("accounts:\n".to_owned(), |mut yaml, entry| {
            writeln!(yaml, "  - {entry}").expect("text");
            yaml
        })
}

/// The whole text of a configuration file: `yaml`, with the sections that it leaves out. Files of its own are in `dir`.
pub fn configuration(dir: &Path, yaml: &str) -> String {
    let dir = dir.display();
    let defaults = [
        ("version", "1".to_owned()),
        ("listen", "[{ addr: \"127.0.0.1:0\" }]".to_owned()),
        (
            "admin",
            format!("{{ addr: \"127.0.0.1:0\", token: {{ file: \"{dir}/token\" }} }}"),
        ),
        ("log", format!("{{ access: \"{dir}/access.log\" }}")),
        (
            "keys",
            format!("[{{ name: team, key: \"{KEY}\", debug: true }}]"),
        ),
    ];
    let mut text = String::new();
    for (section, value) in defaults {
        let given = |line: &str| line.split(':').next() == Some(section);
        if !yaml.lines().any(given) {
            writeln!(text, "{section}: {value}").expect("text");
        }
    }
    text + yaml
}

/// The key of the client.
pub const KEY: &str = "the-key-of-the-client";

/// The token of the admin plane.
pub const TOKEN: &str = "the-token-of-the-admin-plane";
