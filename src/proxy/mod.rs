//! The only place that names Pingora and tokio: sockets in, sockets out.
mod admin;
mod app;
mod body;
mod connect;
mod edge;
mod egress;
mod relay;
pub mod reload;
pub mod server;
mod signals;
pub mod simulator;
mod tls;
mod vendor;
