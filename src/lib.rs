#![forbid(unsafe_code)]
//! Weir: an edge proxy for LLM traffic.
pub mod config;
pub mod outcome;
pub mod protocol;
pub mod simulated;
