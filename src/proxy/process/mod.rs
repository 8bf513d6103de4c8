//! The process around the data plane: listeners, threads, signals, drain.
pub mod server;
mod signals;
mod socket_file;
