//! The only module that names Pingora and tokio: everything that handles sockets.
//!
//! A room imports only rooms below it in this list:
//!
//! ```text
//! process           listeners, threads, signals, drain
//! edge, admin       the hooks of the data plane; the admin plane
//! websocket          the Responses API on a WebSocket
//! request, relay, …  one request
//! state             what all requests share: configuration in force, certificates, totals
//! client, upstream  the two sides
//! recording         exchanges on a disk, for `weir replay`
//! random, clocks    draws and ids; what time it is
//! ```
mod admin;
mod bridge;
mod charge;
mod client;
pub(crate) mod clocks;
mod counting;
mod edge;
mod offered;
mod own;
mod process;
mod pump;
mod random;
mod reached;
mod recording;
mod relay;
mod request;
mod serving;
pub mod setup;
pub mod simulator;
mod state;
mod uploading;
mod upstream;
mod websocket;

pub use process::{accounts, fleet, server};
pub use state::reload;
