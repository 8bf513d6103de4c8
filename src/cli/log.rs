//! Diagnostics of the process itself, on standard error. The access log is another thing.
use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

use crate::config::{Config, Log, LogFormat};
use crate::proxy::server::OnReload;

/// Starts logging as `log` says; `RUST_LOG`, when set, decides the level instead. What is returned changes the level
/// when the configuration does.
pub(super) fn start(log: &Log) -> OnReload {
    let builder = Subscriber::builder()
        .with_env_filter(filter(log))
        .with_writer(std::io::stderr)
        .with_target(false);
    // A second start in one process (a test's) keeps the first.
    match log.format {
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            let started = builder.try_init().is_ok();
            on_reload(started, move |filter| handle.reload(filter).is_ok())
        }
        LogFormat::Text => {
            // A file or a journal would keep the codes of the colours as noise.
            let builder = builder.with_ansi(std::io::stderr().is_terminal());
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            let started = builder.try_init().is_ok();
            on_reload(started, move |filter| handle.reload(filter).is_ok())
        }
    }
}

fn on_reload(started: bool, set: impl Fn(EnvFilter) -> bool + Send + Sync + 'static) -> OnReload {
    Box::new(move |config: &Config| {
        if started && !set(filter(&config.log)) {
            tracing::error!("the log level could not be changed");
        }
    })
}

fn filter(log: &Log) -> EnvFilter {
    // Pingora's own lines speak of hooks and sessions; what an operator needs of them, Weir says itself.
    let level = &log.level;
    let pingora = "pingora=off,pingora_core=off,pingora_load_balancing=off,pingora_proxy=off";
    let default = format!("warn,weir={level},{pingora}");
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default))
}
