//! What all requests of the process share, and what keeps it up to date: the configuration in force, certificates, the
//! totals of other processes.
pub(super) mod app;
pub(super) mod fleet;
pub(super) mod history;
pub(super) mod inside;
pub(super) mod notify;
pub mod reload;
pub(super) mod start_error;
pub(super) mod tls;
