//! The process around the data plane: listeners, threads, signals, drain.
pub mod accounts;
mod connection;
mod listen;
mod proxy_protocol;
pub mod server;
mod signals;
mod socket_file;
