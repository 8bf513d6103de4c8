#![forbid(unsafe_code)]
//! Weir: an edge proxy for LLM traffic.
pub mod config;
pub mod keys;
pub mod outcome;
pub mod pricing;
pub mod protocol;
pub mod telemetry;
