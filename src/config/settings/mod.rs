//! The settings that the program uses: plain valid values, with every default filled in. Nothing here reads or writes
//! YAML.
mod account;
mod alerts;
mod clients;
mod config;
mod egress;
mod endpoint;
mod glob;
mod models;
mod pool;
mod prometheus;
mod route;
mod service;
mod trace;

pub mod oauth2;
pub mod paths;
pub mod providers;
pub mod rewrite;

pub use account::{Account, AccountLimits, HealthCheck, ModelEntry, Models, StreamUsage, Timeouts};
pub use alerts::{Alerts, Webhook};
pub use clients::{ClientKey, Group, Ledger, NO_DIGEST, Project};
pub use config::{Config, Fingerprint, Shown};
pub use egress::{Egress, EgressKind};
pub use endpoint::Endpoint;
pub use glob::{Glob, GlobError};
pub use models::{
    LongPrice, MediaPrices, ModelCapabilities, OwnPrices, Price, PriceTerms, TierPrice, ToolPrices,
    UnitPrices,
};
pub use pool::{AffinityBy, Pool, Select};
pub use prometheus::Prometheus;
pub use route::{Route, When};
pub use service::{
    AccessLog, Admin, AdminAddr, AdminToken, ClientTimeouts, ConnectionLimits, Console, Cors,
    Keepalive, Listener, Log, LogFormat, Oidc, ProxyProtocol, ResponseStore, Retry, Role, Runtime,
    Server, TlsFiles, TlsVersion, WebSocket,
};
pub use trace::Trace;
