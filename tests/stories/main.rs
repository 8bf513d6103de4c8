//! Stories on real sockets: a scripted upstream, the real proxy, a plain client. Each test is one rule of the
//! contract, told in about ten lines; `rig` does the rest.
mod rig;

mod authentication;
mod failover;
mod failures;
mod passthrough;
