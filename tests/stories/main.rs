//! Stories on real sockets: a scripted upstream, the real proxy, a plain client. Each test is one rule of the
//! contract, told in about ten lines; `rig` does the rest.
mod rig;

mod admin;
mod authentication;
mod bad_days;
mod bodies;
mod capabilities;
mod commands;
mod counting;
mod early;
mod egress;
mod explain;
mod failover;
mod failures;
mod fleet;
mod http2;
mod ledger;
mod limits;
mod local;
mod passthrough;
mod pauses;
mod regrouping;
mod reload;
mod rewrites;
mod routing;
mod shutdown;
mod streaming;
mod telemetry;
mod translation;
mod translation_endings;
mod translation_retries;
mod truncation;
mod upstreams;
mod vendor;
mod wording;
