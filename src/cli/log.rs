//! Diagnostics of the process itself, on standard error. The access log is another thing.
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging as `log` says; `RUST_LOG`, when set, decides the level instead.
pub(super) fn start(log: &Log) {
    // Pingora's own lines speak of hooks and sessions; what an operator needs of them, Weir says itself.
    let default = format!(
        "warn,weir={0},pingora=off,pingora_core=off,pingora_proxy=off",
        log.level
    );
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // A second start in one process (a test's) keeps the first.
    let _ = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.try_init(),
    };
}
