//! Reload: validates everything, then swaps one pointer; after any fault it keeps what is in force and reports why.
//!
//! There are three triggers: the file (or a file that it refers to) changed, `SIGHUP`, `POST /admin/reload`. One task
//! serves them all, so two reloads never race. Changes are found by reading the files' metadata every 400 ms and not by
//! inotify, because this also works with Kubernetes' symlink swaps, atomic renames, bind mounts and network file
//! systems.
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};

use super::{app::App, notify};
use crate::config::diagnostic::Diagnostic;
use crate::config::{self, Config};

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Made without a file (`weir demo`, or from API keys in the environment), so there is nothing to reload.
    Fixed,
    File(PathBuf),
}

/// Requests reloads and reports their results.
#[derive(Clone, Debug)]
pub struct Handle {
    requests: mpsc::Sender<oneshot::Sender<Verdict>>,
}

/// The result of a reload.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The configuration is in force now. `restart` names settings that changed but need a restart.
    Applied {
        generation: u64,
        restart: Vec<&'static str>,
    },
    /// Text and secrets are the same as those in force.
    Unchanged,
    /// Not applied.
    Rejected(Vec<Diagnostic>),
    /// There is no file to read.
    NoFile,
}

impl Handle {
    /// Reloads and waits for the result. `None` when the process is ending.
    pub async fn reload(&self) -> Option<Verdict> {
        let (answer, verdict) = oneshot::channel();
        self.requests.send(answer).await.ok()?;
        verdict.await.ok()
    }
}

/// Starts the task that watches and reloads. `seen` is the state of the files when they were read.
pub(crate) fn spawn(app: Arc<App>, source: Source, seen: Seen) -> Handle {
    let (requests, inbox) = mpsc::channel(8);
    tokio::spawn(watch(app, source, seen, inbox));
    Handle { requests }
}

async fn watch(
    app: Arc<App>,
    source: Source,
    seen: Seen,
    mut inbox: mpsc::Receiver<oneshot::Sender<Verdict>>,
) {
    let Source::File(path) = source else {
        while let Some(answer) = inbox.recv().await {
            let _ = answer.send(Verdict::NoFile);
        }
        return;
    };
    let mut seen = seen.0;
    let mut settling = None;
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            request = inbox.recv() => {
                let Some(answer) = request else { return };
                // The state is taken before the files are read, so that a later change is read again.
                seen = look(&app, &path).await;
                let verdict = reload(&app, &path).await;
                let _ = answer.send(verdict);
            }
            // A process that is about to end keeps its configuration; its successor reads the file.
            _ = ticks.tick(), if !app.is_draining() => {
                let now = look(&app, &path).await;
                if now == seen {
                    settling = None;
                } else if settling.as_ref() == Some(&now) {
                    // The same state twice: the writer has finished.
                    settling = None;
                    seen = now;
                    reload(&app, &path).await;
                } else {
                    settling = Some(now);
                }
            }
        }
    }
}

async fn reload(app: &Arc<App>, path: &Path) -> Verdict {
    notify::reloading();
    let loading = path.to_owned();
    let loaded = tokio::task::spawn_blocking(move || config::load(&loading)).await;
    let verdict = match loaded {
        Ok(Ok(config)) => match apply(app, config).await {
            Ok(verdict) => verdict,
            Err(why) => Verdict::Rejected(vec![unusable(path, why)]),
        },
        Ok(Err(faults)) => Verdict::Rejected(faults),
        Err(_) => Verdict::Rejected(Vec::new()),
    };
    report(app, path, &verdict);
    notify::ready(&status(app, &verdict));
    verdict
}

/// Puts a configuration into force. `Err` says which part of it cannot be used; then nothing has changed.
async fn apply(app: &Arc<App>, config: Config) -> Result<Verdict, String> {
    let current = app.gateway();
    let is_same = current.config.is_same_as(&config);
    if !is_same {
        writable(&current.config, &config)?;
    }
    app.certificates().renew(&config)?;
    if is_same {
        return Ok(Verdict::Unchanged);
    }
    let restart = needs_restart(&app.started().1, &config);
    drop(current);
    let configured = app.telemetry.configure(&config);
    configured.map_err(|(file, error)| {
        format!(
            "the access log {} cannot be opened: {error}",
            file.display()
        )
    })?;
    let generation = app.telemetry.status().generation + 1;
    app.history.keep(&config, generation, SystemTime::now());
    app.swap(config).await;
    app.reloaded();
    Ok(Verdict::Applied {
        generation,
        restart,
    })
}

/// Whether the ledger of a new configuration can be opened by the restart that it needs. Nothing is created.
fn writable(old: &Config, new: &Config) -> Result<(), String> {
    let path = |config: &Config| config.ledger.as_ref().map(|ledger| ledger.path.clone());
    let Some(ledger) = path(new).filter(|ledger| path(old).as_ref() != Some(ledger)) else {
        return Ok(());
    };
    let opened = match std::fs::OpenOptions::new().append(true).open(&ledger) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let dir = ledger.parent().filter(|dir| !dir.as_os_str().is_empty());
            std::fs::metadata(dir.unwrap_or(Path::new("."))).map(|_| ())
        }
        opened => opened.map(|_| ()),
    };
    opened.map_err(|error| format!("the ledger {} cannot be opened: {error}", ledger.display()))
}

/// A fault that has no place in the text.
fn unusable(file: &Path, why: String) -> Diagnostic {
    Diagnostic {
        file: file.display().to_string(),
        line: 0,
        column: 0,
        path: String::new(),
        message: why,
        hint: Some("mend it and reload: the configuration in force stays until then".to_owned()),
    }
}

fn report(app: &App, path: &Path, verdict: &Verdict) {
    let file = path.display();
    match verdict {
        Verdict::Applied {
            generation,
            restart,
        } => {
            let gateway = app.gateway();
            app.telemetry
                .reload_applied(&gateway.config.hash, *generation, SystemTime::now());
            for warning in &gateway.config.warnings {
                tracing::warn!("{warning}");
            }
            tracing::info!(%file, generation, "configuration reloaded");
            if !restart.is_empty() {
                tracing::warn!(%file, settings = restart.join(", "), "changed settings that need a restart to take effect");
            }
        }
        Verdict::Rejected(faults) => {
            app.telemetry.reload_rejected(faults, SystemTime::now());
            for fault in faults {
                tracing::error!(%file, "configuration rejected, keeping the one in force: {fault}");
            }
        }
        Verdict::Unchanged => {
            app.telemetry.reload_unchanged();
            tracing::debug!(%file, "configuration unchanged");
        }
        Verdict::NoFile => {}
    }
}

/// The line that `systemctl status` shows.
fn status(app: &App, verdict: &Verdict) -> String {
    let generation = app.telemetry.status().generation;
    match verdict {
        Verdict::Rejected(faults) => {
            let fault = faults.first().map(ToString::to_string).unwrap_or_default();
            let line = fault.lines().next().unwrap_or("it could not be loaded");
            format!("serving generation {generation}; the file was rejected: {line}")
        }
        _ => format!("serving generation {generation}"),
    }
}

/// The names of changed settings that are read only at start.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let admin = |config: &Config| config.admin.as_ref().map(|admin| admin.addr.clone());
    let mut changed = Vec::new();
    if old.listen != new.listen {
        changed.push("listen");
    }
    if admin(old) != admin(new) {
        changed.push("admin.addr");
    }
    let tls = |config: &Config| config.admin.as_ref().and_then(|admin| admin.tls.clone());
    if tls(old) != tls(new) {
        changed.push("admin.tls");
    }
    if old.server.threads != new.server.threads {
        changed.push("server.threads");
    }
    if old.server.runtime != new.server.runtime {
        changed.push("server.runtime");
    }
    let streams = |config: &Config| config.server.client_limits.streams_per_connection;
    if streams(old) != streams(new) {
        changed.push("server.client_limits.streams_per_connection");
    }
    if old.ledger != new.ledger {
        changed.push("ledger");
    }
    if old.log.format != new.log.format {
        changed.push("log.format");
    }
    changed
}

/// The metadata of the configuration file and of every file that it refers to.
async fn look(app: &App, path: &Path) -> Vec<Option<Stat>> {
    let files = files(&app.gateway().config, path);
    let stats = tokio::task::spawn_blocking(move || files.iter().map(|file| stat(file)).collect());
    stats.await.unwrap_or_default()
}

fn files(config: &Config, path: &Path) -> Vec<PathBuf> {
    let mut files = vec![path.to_owned()];
    files.extend(config.files.iter().cloned());
    files
}

/// The state of a configuration's files at some time.
#[derive(Debug)]
pub(crate) struct Seen(Vec<Option<Stat>>);

impl Seen {
    /// The present state, just after the files were read.
    pub(crate) fn now(source: &Source, config: &Config) -> Self {
        match source {
            Source::File(path) => {
                let files = files(config, path);
                Self(files.iter().map(|file| stat(file)).collect())
            }
            Source::Fixed => Self(Vec::new()),
        }
    }
}

#[derive(Debug, Eq, PartialEq)]
struct Stat {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

fn stat(path: &Path) -> Option<Stat> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(path).ok()?;
    Some(Stat {
        device: meta.dev(),
        inode: meta.ino(),
        length: meta.len(),
        modified: (meta.mtime(), meta.mtime_nsec()),
    })
}

/// The interval of checks. A change counts when two checks agree, so it takes effect within a second of the write.
const LOOK_EVERY: Duration = Duration::from_millis(400);
