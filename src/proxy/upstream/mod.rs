//! The upstream's side: addresses, connections, egress proxies, health checks, and the requests that Weir itself sends.
pub(super) mod accounts;
mod addresses;
pub(super) mod collector;
pub(super) mod connect;
mod dial;
mod egress;
mod gathered;
pub(super) mod health_check;
pub(super) mod http;
pub(super) mod identity;
mod own_request;
pub(super) mod probe;
pub(super) mod prometheus;
pub(super) mod socket;
pub(super) mod tokens;
pub(super) mod way;
pub(super) mod webhook;
