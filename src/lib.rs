#![forbid(unsafe_code)]
//! Weir: an edge proxy for LLM traffic.
pub mod config;
pub mod limits;
pub mod outcome;
pub mod pool;
pub mod protocol;
