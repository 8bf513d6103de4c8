//! What an operator sees: metrics, one access line per request, and how the last reload went.
pub mod access_log;
pub mod metrics;
pub mod verdict;

mod families;
mod handles;
mod names;
mod process;
mod registrar;

use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::config::{self, Config};
use crate::outcome::Outcome;
use access_log::AccessLog;
use metrics::{Live, Metrics};

/// Metrics, access log and reload status of the process. Outlives every configuration.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Metrics,
    access_log: AccessLog,
    status: Mutex<ReloadStatus>,
}

/// Which configuration is in force, and what became of the last attempt to replace it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReloadStatus {
    /// Configurations applied since the start, the first included.
    pub generation: u64,
    /// SHA-256 of the one in force.
    pub applied_hash: String,
    /// Since when it is.
    pub applied_at: SystemTime,
    /// Why the last attempt was rejected, one fault per line, and when; `None` when it was not.
    pub last_error: Option<(String, SystemTime)>,
}

impl Telemetry {
    /// Starts with the first configuration. An error is about the file of the access log.
    pub fn new(config: &Config, now: SystemTime) -> Result<Self, (PathBuf, io::Error)> {
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), REVISION);
        let target = &config.log.access;
        let access_log = AccessLog::start(target, metrics.access_log_dropped())
            .map_err(|error| (path(target), error))?;
        let status = ReloadStatus {
            generation: 1,
            applied_hash: config.hash.clone(),
            applied_at: now,
            last_error: None,
        };
        metrics.configure(config);
        metrics.reload_applied(&status.applied_hash, status.generation, now);
        Ok(Self {
            metrics,
            access_log,
            status: Mutex::new(status),
        })
    }

    /// A request is over: counts it and logs it. To be called once per request.
    pub fn settle(&self, outcome: &Outcome, now: SystemTime) {
        self.metrics.record(outcome);
        self.access_log.record(outcome, now);
    }

    /// Makes the names of a new configuration known, and moves the access log to where it says. To be called before
    /// requests see the configuration. A log that cannot be opened is reported, and stays where it was.
    pub fn configure(&self, config: &Config) {
        self.metrics.configure(config);
        if let Err(error) = self.access_log.open(&config.log.access) {
            let file = path(&config.log.access);
            tracing::error!(file = %file.display(), %error, "the access log cannot be opened, and stays where it was");
        }
    }

    /// A reload was successful.
    pub fn reload_applied(&self, hash: &str, generation: u64, now: SystemTime) {
        self.metrics.reload_applied(hash, generation, now);
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = ReloadStatus {
            generation,
            applied_hash: hash.to_owned(),
            applied_at: now,
            last_error: None,
        };
    }

    /// A reload found what is in force already. The access log is opened anew all the same: it may have been rotated.
    pub fn reload_unchanged(&self) {
        self.metrics.reload_unchanged();
        self.status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last_error = None;
        self.reopen();
    }

    /// A reload found faults. The access log is opened anew all the same: it may have been rotated.
    pub fn reload_rejected(&self, faults: &[impl Display], now: SystemTime) {
        self.metrics.reload_rejected();
        let text: Vec<_> = faults.iter().map(ToString::to_string).collect();
        let error = Some((text.join("\n"), now));
        self.status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last_error = error;
        self.reopen();
    }

    /// How the last reload went.
    pub fn status(&self) -> ReloadStatus {
        self.status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The text that Prometheus scrapes, of type [`Metrics::CONTENT_TYPE`].
    pub fn render(&self, live: &Live<'_>) -> String {
        self.metrics.render(live)
    }

    /// Waits until the access log is written, but not for ever: the process is about to end.
    pub fn flush(&self) {
        if !self.access_log.flush(LAST_LINES) {
            tracing::warn!("the access log takes no lines: the last ones are lost");
        }
    }

    fn reopen(&self) {
        if let Err(error) = self.access_log.reopen() {
            tracing::error!(%error, "the access log cannot be opened anew, and stays where it was");
        }
    }
}

fn path(target: &config::AccessLog) -> PathBuf {
    match target {
        config::AccessLog::File(path) => path.clone(),
        config::AccessLog::Off | config::AccessLog::Stdout => PathBuf::from("stdout"),
    }
}

/// The commit that is built, if the build says so.
const REVISION: &str = match option_env!("WEIR_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// How long the end of the process waits for the access log.
const LAST_LINES: Duration = Duration::from_secs(5);
