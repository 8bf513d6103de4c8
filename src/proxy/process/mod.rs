//! The process around the data plane: listeners, threads, signals, drain.
pub mod accounts;
mod admin_door;
mod bind;
mod connection;
mod crew;
mod data_plane;
pub mod fleet;
mod handover;
mod inherited;
mod listen;
mod proxy_protocol;
pub mod server;
mod signals;
mod socket_file;
mod successor;
