//! The only place that names Pingora and tokio: sockets in, sockets out.
mod admin;
mod answer;
mod app;
mod bodies;
mod body;
mod connect;
mod edge;
mod egress;
mod health_check;
mod pump;
mod relay;
pub mod reload;
mod request;
pub mod server;
mod signals;
pub mod simulator;
mod tls;
mod vendor;
