//! Diagnostics of the process itself, on standard error. The access log is another thing.
use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

use crate::config::{Log, LogFormat};
use crate::proxy::server::SetLevel;

/// Starts logging as `log` says; `RUST_LOG`, when set, decides the level instead. What is returned changes the level.
pub(super) fn start(log: &Log) -> SetLevel {
    let builder = Subscriber::builder()
        .with_env_filter(filter(&log.level))
        .with_writer(std::io::stderr)
        // A line that cannot be written (a full disk, a collector that is gone) is lost. To say so where the line could not be
        // said would end the thread that says it.
        .log_internal_errors(false)
        .with_target(false);
    // A second start in one process (a test's) keeps the first.
    match log.format {
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            let started = builder.try_init().is_ok();
            setter(started, move |filter| handle.reload(filter).is_ok())
        }
        LogFormat::Text => {
            // A file or a journal would keep the codes of the colours as noise.
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
    // Pingora's own lines speak of hooks and sessions; what an operator needs of them, Weir says itself.
    let pingora = "pingora=off,pingora_core=off,pingora_load_balancing=off,pingora_proxy=off";
    let default = format!("warn,weir={level},{pingora}");
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default))
}
