//! The errors that prevent the process from serving.
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the process cannot serve.
#[derive(Debug)]
pub enum StartError {
    Bind {
        addr: String,
        error: std::io::Error,
    },
    Runtime(std::io::Error),
    Tls {
        addr: SocketAddr,
        why: String,
    },
    AccessLog {
        path: PathBuf,
        error: std::io::Error,
    },
    Ledger {
        path: PathBuf,
        error: std::io::Error,
    },
    Record {
        path: PathBuf,
        error: std::io::Error,
    },
    /// The process that this one was to follow did not hand over.
    Handover(String),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bind { addr, error } if error.kind() == std::io::ErrorKind::AddrInUse => write!(
                f,
                "cannot listen on {addr}: another process has it (is a weir running already? `ss -ltnp` tells)"
            ),
            Self::Bind { addr, error } => write!(f, "cannot listen on {addr}: {error}"),
            Self::Runtime(error) => write!(f, "cannot start worker threads: {error}"),
            Self::Tls { addr, why } => write!(f, "cannot serve TLS on {addr}: {why}"),
            Self::AccessLog { path, error } => {
                write!(f, "cannot open the access log {}: {error}", path.display())
            }
            Self::Record { path, error } => {
                write!(f, "cannot record exchanges in {}: {error}", path.display())
            }
            Self::Handover(why) => write!(f, "cannot take over: {why}"),
            Self::Ledger { path, error } => {
                write!(f, "cannot open the ledger {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for StartError {}

impl StartError {
    /// Whether the configuration has to change. Any other obstacle may be gone at the next try: a mount that is late, a
    /// port that is still in use.
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::Tls { .. })
    }
}
