//! What all requests of the process share, and what keeps it up to date: the configuration in force, certificates, the
//! totals of other processes.
pub(super) mod alerts;
pub(super) mod app;
pub(super) mod background;
mod certificates;
pub(super) mod fleet;
pub(super) mod history;
pub(super) mod inside;
pub(super) mod latch;
pub(super) mod log_level;
pub(super) mod notify;
pub(super) mod predecessor;
pub(super) mod probing;
pub mod reload;
pub(super) mod running;
pub(super) mod sources;
pub(super) mod start_error;
pub(super) mod tls;
pub(super) mod traces;
