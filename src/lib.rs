#![forbid(unsafe_code)]
//! Weir: an edge proxy for LLM traffic.
//!
//! Weir authenticates clients by key, picks an upstream account from a weighted pool, relays the request byte for byte
//! where both sides speak one dialect and translates it where they do not, fails over before the caller notices, and
//! exposes Prometheus metrics instead of a database.
//!
//! # The life of a request
//!
//! ```text
//! client ──► listener ──► ProxyHttp hooks (proxy::edge) ──► exchange (pure) ──► relay ──► upstream account
//!               request_filter          who are you, may you, which route; read the body, bounded
//!               proxy_upstream_filter   pick an account, send, hold until the answer commits, relay
//!               fail_to_proxy           any refusal or failure, said in the caller's dialect
//!               Drop of the record      settle: metrics, access line, account health
//! ```
//!
//! # The modules
//!
//! A module imports only modules below it in this list; `tests/architecture.rs` holds that, and that Pingora and tokio
//! are named only in `proxy` and `cli`.
//!
//! | module | what it is |
//! | --- | --- |
//! | `cli` | the commands |
//! | `proxy` | sockets in, sockets out: the hooks, the relay, connections, reload, the admin plane |
//! | [`telemetry`] | metrics and the access log, both from one [`outcome::Outcome`] per request |
//! | [`cases`] | exchanges as files that run again: the goldens of the tests, and what `weir run --record` writes |
//! | [`exchange`] | one request as a chain of types: received, admitted, attempted, relaying; every refusal |
//! | [`pool`] | accounts: selection, affinity, health, quota windows, leases |
//! | [`fleet`] | what other processes used, as a Prometheus knows it: questions, answers and their sum |
//! | [`limits`] | what keys, groups and everyone may use and have used; the ledger that remembers it |
//! | [`pricing`] | what a request cost: the prices of catalogue and configuration, and the arithmetic |
//! | [`keys`] | a presented credential to the client it belongs to |
//! | [`credentials`] | access tokens of accounts: when to fetch one, how to ask, what the answer means |
//! | [`config`] | YAML to one immutable [`config::Config`], or every fault at once |
//! | [`outcome`] | the plain record of what happened |
//! | [`moment`] | when something happens, by both clocks |
//! | [`tokens`] | how many tokens a prompt is, where no provider says so |
//! | [`catalog`] | what is known of models: what each accepts, how it counts, what it costs |
//! | [`protocol`] | the four dialects; imports nothing else from this crate |
//!
//! # What always holds
//!
//! * Everything below `proxy` is pure: the time, ids and random draws are arguments. It builds and is tested without
//!   Pingora (`--no-default-features`). One door reads from disk: [`config::load()`](config::load) and what it calls read
//!   the configuration, its fragments, and the secrets and certificates that it names, at start and at reload only.
//! * Same dialect on both sides is byte-exact; an edit touches only the bytes that it must.
//! * Nothing is written to the client before an answer commits; nothing is retried after it.
//! * Everything that grows is bounded by a named constant or a setting.
//! * A request settles exactly once, also when its client vanishes. It keeps the configuration it began with.
//! * Live state is keyed by name and outlives a reload; the configuration is one `Arc` behind one pointer.
pub mod cases;
pub mod catalog;
#[cfg(feature = "server")]
pub mod cli;
pub mod config;
pub mod credentials;
pub mod exchange;
pub mod fleet;
pub mod keys;
pub mod limits;
pub mod moment;
pub mod outcome;
pub mod pool;
pub mod pricing;
pub mod protocol;
#[cfg(feature = "server")]
pub mod proxy;
pub mod telemetry;
pub mod tokens;
