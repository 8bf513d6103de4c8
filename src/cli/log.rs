//! The log of the process itself, on standard error. The access log is separate.
use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

use crate::config::{Log, LogFormat};
use crate::proxy::server::SetLevel;

/// Starts logging according to `log`; if `RUST_LOG` is set, it decides the level instead. The returned function changes
/// the level.
pub(super) fn start(log: &Log) -> SetLevel {
    let builder = Subscriber::builder()
        .with_env_filter(filter(&log.level))
        .with_writer(std::io::stderr)
        // A line that cannot be written (because the disk is full, or the collector has gone) is lost. An error message
        // about it would go to the same place, fail too, and end the thread.
        .log_internal_errors(false)
        .with_target(false);
    // A second start in the same process (in tests) keeps the first logger.
    match log.format {
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            let started = builder.try_init().is_ok();
            setter(started, move |filter| handle.reload(filter).is_ok())
        }
        LogFormat::Text => {
            // In a file or a journal, colour codes would be noise.
            let builder = builder.with_ansi(std::io::stderr().is_terminal());
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            let started = builder.try_init().is_ok();
            setter(started, move |filter| handle.reload(filter).is_ok())
        }
    }
}

fn setter(started: bool, set: impl Fn(EnvFilter) -> bool + Send + Sync + 'static) -> SetLevel {
    Box::new(move |level| {
        let is_ours = std::env::var_os(EnvFilter::DEFAULT_ENV).is_none();
        is_ours && started && set(filter(level))
    })
}

fn filter(level: &str) -> EnvFilter {
    // Pingora's own log lines are about its hooks and sessions; Weir logs what an operator needs.
    let pingora = "pingora=off,pingora_core=off,pingora_load_balancing=off,pingora_proxy=off";
    let default = format!("warn,weir={level},{pingora}");
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default))
}
