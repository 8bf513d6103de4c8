//! What an operator can see: metrics, one access log line per request, and the result of the last reload.
pub mod access_log;
pub mod alerted;
pub mod bodies;
pub mod metrics;
pub mod recent;
pub mod rejection;
pub mod traces;
pub mod unpriced;
pub mod verdict;

mod families;
mod fleet;
mod handles;
mod names;
mod process;
mod registrar;
#[cfg(test)]
mod samples;

use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus::IntCounter;

use crate::config::{self, Config};
use crate::fleet::Failure;
use crate::outcome::{FailureClass, Outcome};
use crate::protocol::hub::usage::Usage;
use access_log::AccessLog;
use alerted::Alerted;
use bodies::Bodies;
use metrics::{Live, Metrics};
use recent::Recent;
use rejection::Rejection;
use traces::Traces;
use unpriced::Unpriced;

/// Metrics, access log and reload status of the process. It outlives every configuration.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Metrics,
    access_log: AccessLog,
    recent: Recent,
    bodies: Bodies,
    traces: Traces,
    unpriced: Unpriced,
    status: Mutex<ReloadStatus>,
}

/// Logs one line for readers of only the process's own log: what failed, and how each attempt ended.
fn say_failed(outcome: &Outcome) {
    let attempts = outcome.attempts.iter().map(|attempt| {
        let ended = attempt.failure.map_or("ok", FailureClass::as_str);
        match attempt.cause {
            Some(cause) => format!("{}: {ended} ({})", attempt.account, cause.as_str()),
            None => format!("{}: {ended}", attempt.account),
        }
    });
    tracing::error!(
        request_id = %outcome.request_id,
        status = outcome.status,
        end = outcome.end.as_str(),
        key = outcome.key.as_deref(),
        model = outcome.model_asked.as_deref(),
        cause = outcome.detail.as_deref(),
        attempts = attempts.collect::<Vec<_>>().join(", "),
        "a request failed"
    );
}

/// The configuration in force, and the result of the last attempt to replace it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReloadStatus {
    /// The number of configurations applied since the start, including the first.
    pub generation: u64,
    /// The SHA-256 of the configuration in force, in hex digits.
    pub applied_hash: String,
    /// When it was applied.
    pub applied_at: SystemTime,
    /// Why the last attempt was rejected, one fault per line, and when; `None` = it was not rejected.
    pub last_error: Option<(String, SystemTime)>,
}

impl Telemetry {
    /// Starts with the first configuration. An error concerns the file of the access log.
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
        let traces = Traces::new(metrics.traces_dropped());
        Ok(Self {
            metrics,
            access_log,
            recent: Recent::new(config.console.recent),
            bodies: Bodies::default(),
            traces,
            unpriced: Unpriced::default(),
            status: Mutex::new(status),
        })
    }

    /// Counts and logs a finished request. Call it once per request.
    pub fn settle(&self, outcome: Outcome, now: SystemTime) {
        self.metrics.record(&outcome);
        self.access_log.record(&outcome, now);
        if outcome.status >= 500 {
            say_failed(&outcome);
        }
        self.traces.push(&outcome, now);
        self.note_unpriced(&outcome, now);
        self.recent.push(outcome, now);
    }

    /// The traces that wait for export.
    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// Models that answered and have no price.
    pub fn unpriced(&self) -> &Unpriced {
        &self.unpriced
    }

    fn note_unpriced(&self, outcome: &Outcome, now: SystemTime) {
        let Some(usage) = outcome.usage.filter(Usage::is_something) else {
            return;
        };
        let served = outcome.model_served.as_deref();
        let model = served.or(outcome.model_asked.as_deref()).unwrap_or("");
        if outcome.cost_usd.is_none() && self.unpriced.note(model, &usage, now) {
            tracing::warn!(
                model,
                "a model has no price: what is used of it costs nothing in limits, the ledger and metrics; give it one under `prices`"
            );
        }
    }

    /// The bodies of the last requests, while they are logged.
    pub fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    /// The last requests.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Adds the names of a new configuration to the label values, and changes the target of the access log. Call it
    /// before requests use the configuration. An error concerns the file of the access log; then nothing has changed.
    pub fn configure(&self, config: &Config) -> Result<(), (PathBuf, io::Error)> {
        let target = &config.log.access;
        self.access_log
            .open(target)
            .map_err(|error| (path(target), error))?;
        self.metrics.configure(config);
        self.recent.resize(config.console.recent);
        if !config.log.bodies {
            self.bodies.clear();
        }
        Ok(())
    }

    /// Records a request for an access token to the token endpoint of `account`.
    pub fn token_refresh(&self, account: &str, granted: bool) {
        self.metrics.token_refresh(account, granted);
    }

    /// Records a client that was rejected.
    pub fn client_rejected(&self, why: Rejection) {
        self.metrics.client_rejected(why);
    }

    /// Records a successful reload.
    pub fn reload_applied(&self, hash: &str, generation: u64, now: SystemTime) {
        self.metrics.reload_applied(hash, generation, now);
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = ReloadStatus {
            generation,
            applied_hash: hash.to_owned(),
            applied_at: now,
            last_error: None,
        };
    }

    /// Records a reload that changed nothing. The access log is reopened nevertheless, because it may have been
    /// rotated.
    pub fn reload_unchanged(&self) {
        self.metrics.reload_unchanged();
        self.status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last_error = None;
        self.reopen();
    }

    /// Records a reload with faults. The access log is reopened nevertheless, because it may have been rotated.
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

    /// The counter of failed writes of the ledger.
    pub fn ledger_failures(&self) -> IntCounter {
        self.metrics.ledger_failures()
    }

    /// Records an alert about a budget that was sent, or will never be.
    pub fn alerted(&self, what: Alerted) {
        self.metrics.alerted(what);
    }

    /// Records a poll of the configured Prometheus: when it began, and whether Prometheus knows this process; or why it
    /// failed.
    pub fn polled(&self, poll: Result<(SystemTime, bool), Failure>) {
        self.metrics.polled(poll);
    }

    /// The result of the last reload.
    pub fn status(&self) -> ReloadStatus {
        self.status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The text for a Prometheus scrape, of type [`Metrics::CONTENT_TYPE`].
    pub fn render(&self, live: &Live<'_>) -> String {
        self.metrics.render(live)
    }

    /// Waits until the access log is written, for a limited time, because the process is about to end.
    pub fn flush(&self) {
        if !self.access_log.flush(LAST_LINES) {
            tracing::warn!("the access log takes no lines: the last ones are lost");
        }
    }

    /// Reopens the file of the access log, which may have been rotated.
    pub fn reopen(&self) {
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

/// The commit that was built, if the build states it.
const REVISION: &str = match option_env!("WEIR_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// How long the end of the process waits for the access log.
const LAST_LINES: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use metrics::AccountSample;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn config(access: &str, more: &str) -> Config {
        let text = format!(
            "version: 1\n\
             listen: [{{ addr: \"127.0.0.1:8080\" }}]\n\
             log: {{ access: {access:?} }}\n\
             accounts:\n\
             \x20 - {{ name: claude-a, provider: anthropic, key: {{ env: KEY }}, models: {{ sonnet: claude-sonnet-house }} }}\n\
             pools:\n\
             \x20 - {{ name: claude, accounts: [claude-a] }}\n\
             routes: [{{ pool: claude }}]\n\
             {more}"
        );
        let parsed = config::parse("weir.yaml", &text, &|_| Some("secret".to_owned()));
        parsed.unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    const KEY_A: &str = "keys: [{ name: team-a, sha256: 1111111111111111111111111111111111111111111111111111111111111111 }]\n";

    #[test]
    fn a_request_is_counted_and_logged_under_the_names_of_the_configuration() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("access.log");
        let telemetry = Telemetry::new(&config(&path.display().to_string(), KEY_A), NOW);
        let telemetry = telemetry.expect("a log");
        let mut outcome = samples::answered();
        outcome.model_served = Some("claude-sonnet-house".to_owned());
        telemetry.settle(outcome.clone(), NOW);
        telemetry.flush();
        let account = AccountSample {
            account: "claude-a",
            state: "usable",
            ..AccountSample::default()
        };
        let text = telemetry.render(&Live {
            in_flight: 0,
            buffered: 0,
            client_connections: 0,
            accounts: &[account],
            ..Live::default()
        });
        let series = r#"weir_cost_usd_total{account="claude-a",key="team-a",model="claude-sonnet-house"} 0.25"#;
        assert!(text.contains(series), "{text}");
        assert!(text.contains("weir_config_generation 1"), "{text}");
        let log = fs::read_to_string(&path).expect("a log");
        assert_eq!(log.lines().count(), 1);
    }

    #[test]
    fn reloads_move_the_log_and_are_remembered() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let at = |name: &str| path(name).display().to_string();
        let telemetry =
            Telemetry::new(&config(&at("one"), "anonymous: true\n"), NOW).expect("a log");
        let mut outcome = samples::answered();
        outcome.key = Some("anonymous".into());

        let next = config(&at("two"), KEY_A);
        telemetry.configure(&next).expect("a log");
        telemetry.reload_applied(&next.hash, 2, NOW);
        telemetry.settle(outcome.clone(), NOW);
        telemetry.flush();
        assert_eq!(fs::read_to_string(path("one")).expect("a log"), "");
        assert_eq!(
            fs::read_to_string(path("two"))
                .expect("a log")
                .lines()
                .count(),
            1
        );

        // The log was rotated, and the reload that reopens it finds a faulty file.
        fs::rename(path("two"), path("two.1")).expect("rotated");
        telemetry.reload_rejected(&["one fault", "another"], NOW);
        let status = telemetry.status();
        assert_eq!(
            (status.generation, status.applied_hash),
            (2, next.hash.clone())
        );
        assert_eq!(
            status.last_error,
            Some(("one fault\nanother".to_owned(), NOW))
        );
        telemetry.settle(outcome.clone(), NOW);
        telemetry.flush();
        assert_eq!(
            fs::read_to_string(path("two"))
                .expect("a log")
                .lines()
                .count(),
            1
        );

        let (file, _) = telemetry
            .configure(&config(&at("missing/three"), KEY_A))
            .expect_err("no such directory");
        assert_eq!(file, path("missing/three"));
        telemetry.settle(outcome.clone(), NOW);
        telemetry.flush();
        assert_eq!(
            fs::read_to_string(path("two"))
                .expect("a log")
                .lines()
                .count(),
            2
        );

        telemetry.reload_unchanged();
        assert_eq!(telemetry.status().last_error, None);
        let text = telemetry.render(&Live::default());
        assert!(
            text.contains(r#"key="anonymous",model="claude-sonnet-4-5"} 0.75"#),
            "{text}"
        );
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_an_error_at_the_start() {
        let fault = Telemetry::new(&config("/nowhere/access.log", KEY_A), NOW).map(|_| ());
        let (path, error) = fault.expect_err("no such directory");
        assert_eq!(path, PathBuf::from("/nowhere/access.log"));
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
