//! What the proxy stands in front of: the upstreams, their weather, the configuration and its reloads.
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::dialect::ALL;
use crate::ledger::Ledger;
use crate::proxy::{ADMIN_TOKEN, admin};
use crate::random::Random;
use crate::tokens::{TOKEN, TokenEndpoint};
use crate::upstream::{Upstream, simulated};
use crate::weather::Weather;

#[derive(Debug)]
pub struct Setup {
    pub upstreams: Vec<Arc<Upstream>>,
    pub endpoint: Arc<TokenEndpoint>,
    pub text: String,
    pub file: PathBuf,
    /// Weir's ledger.
    pub books: PathBuf,
    /// What the proxy is to see in place of `/etc/hosts`.
    pub hosts: Option<PathBuf>,
    stop: watch::Sender<bool>,
    _directory: tempfile::TempDir,
}

impl Setup {
    /// Three accounts for each dialect, one of them with access tokens; everything listens when this returns.
    pub async fn new(ledger: &Arc<Ledger>, seed: u64) -> Result<Self, String> {
        let text = |error: std::io::Error| error.to_string();
        let (stop, stopped) = watch::channel(false);
        let (simulated, numbers) = (simulated(), Arc::new(AtomicU64::new(seed)));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
        let endpoint = TokenEndpoint::new(listener.local_addr().map_err(text)?);
        tokio::spawn(endpoint.clone().serve(listener, stopped.clone()));
        let mut upstreams = Vec::new();
        for dialect in ALL {
            for number in 1..=ACCOUNTS {
                let listener = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
                let upstream = Arc::new(Upstream {
                    name: format!("{}-{number}", dialect.word()),
                    dialect,
                    addr: listener.local_addr().map_err(text)?,
                    weather: Weather::default(),
                    tokens: (number == ACCOUNTS).then(|| endpoint.clone()),
                    simulated: simulated.clone(),
                    ledger: ledger.clone(),
                    numbers: numbers.clone(),
                    faults: AtomicU64::new(0),
                });
                tokio::spawn(upstream.clone().serve(listener, stopped.clone()));
                upstreams.push(upstream);
            }
        }
        let directory = tempfile::tempdir().map_err(text)?;
        let file = directory.path().join("weir.yaml");
        let hosts = directory.path().join("hosts");
        std::fs::write(&hosts, HOSTS).map_err(text)?;
        let hosts = can_replace_hosts().then_some(hosts);
        let books = directory.path().join("ledger");
        let configuration = configuration(&upstreams, &endpoint, hosts.is_some(), &books);
        std::fs::write(&file, &configuration).map_err(text)?;
        Ok(Self {
            upstreams,
            endpoint,
            text: configuration,
            file,
            books,
            hosts,
            stop,
            _directory: directory,
        })
    }

    /// Closes every connection of the upstreams.
    pub fn stop(&self) {
        let _ = self.stop.send(true);
    }
}

/// How the configuration names an upstream. Where it can be arranged, its name has dead addresses beside the good one.
fn host(addr: SocketAddr, dual: bool) -> String {
    if dual {
        format!("{DUAL}:{}", addr.port())
    } else {
        addr.to_string()
    }
}

fn configuration(
    upstreams: &[Arc<Upstream>],
    endpoint: &TokenEndpoint,
    dual: bool,
    ledger: &Path,
) -> String {
    let mut text = format!(
        "version: 1\nledger: {{ path: \"{}\" }}\n\
         prices: [{{ model: \"*\", input: 1, cache_read: 0.1, output: 5 }}]\n\
         listen: [{{ addr: \"127.0.0.1:0\" }}]\nadmin: {{ addr: \"127.0.0.1:0\", token: {ADMIN_TOKEN} }}\n\
         server: {{ drain_timeout: 10s }}\nlog: {{ access: stdout }}\nresponses: {{ store: {{ max_bytes: 1MiB }} }}\nkeys: [{{ name: soak, key: {KEY}, limits: {{ concurrency: 10000, tpm: 1000000000 }} }}]\n\
         retry: {{ max_attempts: 4, budget: 0.5, deadline: 20s }}\naccounts:\n",
        ledger.display()
    );
    for upstream in upstreams {
        let base = match upstream.dialect.word() {
            "anthropic" | "gemini" => "",
            _ => "/v1",
        };
        let credential = if upstream.tokens.is_some() {
            format!(
                "auth: {{ oauth2: {{ token_url: \"http://{}/token\", client_id: soak, client_secret: {CLIENT_SECRET} }} }}",
                endpoint.addr
            )
        } else {
            format!("key: {ACCOUNT_KEY}{}", upstream.name)
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  - {{ name: {}, provider: simulated, dialect: {}, base_url: \"http://{}{base}\", {credential}, \
             timeouts: {{ connect: 1s, first_byte: 2s, idle: 2s }} }}",
            upstream.name,
            upstream.dialect.word(),
            host(upstream.addr, dual),
        );
    }
    text.push_str("pools:\n  - { name: any }\n");
    for dialect in ALL {
        let word = dialect.word();
        let names: Vec<String> = (1..=ACCOUNTS)
            .map(|number| format!("{word}-{number}"))
            .collect();
        let _ = writeln!(
            text,
            "  - {{ name: {word}, accounts: [{}], fallback: any }}",
            names.join(", ")
        );
    }
    text.push_str("routes:\n");
    for dialect in ALL {
        let word = dialect.word();
        let _ = writeln!(text, "  - {{ when: {{ model: to-{word} }}, pool: {word} }}");
    }
    text.push_str("  - { pool: any }\n");
    text
}

/// Changes the weather of one account every few seconds. What only an operator can mend is mended when it is over.
pub async fn weather(
    upstream: Arc<Upstream>,
    random: Random,
    plane: SocketAddr,
    running: Arc<AtomicBool>,
) {
    while running.load(Ordering::Relaxed) {
        let before = upstream.weather.day();
        let after = upstream.weather.change(&random);
        let verb = if before.is_refusal_of_the_key() && !after.is_refusal_of_the_key() {
            Some("enable")
        } else if after.is_fine() && random.percent(50) {
            Some("reset")
        } else {
            None
        };
        if let Some(verb) = verb {
            let path = format!("/admin/accounts/{}/{verb}", upstream.name);
            // A plane that is gone shows elsewhere.
            let _ = admin(plane, "POST", &path).await;
        }
        tokio::time::sleep(Duration::from_millis(random.between(500, 3000))).await;
    }
}

/// Writes the configuration anew every few seconds, each time with another weight.
pub async fn reloads(text: String, file: PathBuf, running: Arc<AtomicBool>) {
    let mut weight = 1;
    while running.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_secs(4)).await;
        weight = 3 - weight;
        let changed = text.replacen(
            "provider: simulated",
            &format!("weight: {weight}, provider: simulated"),
            1,
        );
        let fresh = file.with_extension("new");
        let written = std::fs::write(&fresh, changed).and_then(|()| std::fs::rename(&fresh, &file));
        if written.is_err() {
            return;
        }
    }
}

/// Whether a process can be given a hosts file of its own.
fn can_replace_hosts() -> bool {
    let tried = Command::new("unshare")
        .args(["--map-root-user", "--mount", "true"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

/// A name with three addresses, of which one is alive: no route leads to the first (RFC 6666), nobody answers at the second
/// (RFC 5737).
const DUAL: &str = "dual.soak.test";
const HOSTS: &str =
    "100::1 dual.soak.test\n192.0.2.1 dual.soak.test\n127.0.0.1 dual.soak.test localhost\n";

/// Of the clients.
pub const KEY: &str = "soak-client-key-4711";

/// What every account's key begins with.
const ACCOUNT_KEY: &str = "soak-account-key-";

const CLIENT_SECRET: &str = "soak-client-secret";

/// What must not occur in anything that Weir writes.
pub const SECRETS: &[&str] = &[KEY, ACCOUNT_KEY, CLIENT_SECRET, TOKEN, ADMIN_TOKEN];

/// Of each dialect.
const ACCOUNTS: u64 = 3;
