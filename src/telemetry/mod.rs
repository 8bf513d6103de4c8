//! What an operator sees: metrics, and one access line per request. Both read the same [`Outcome`], once.
//!
//! [`Outcome`]: crate::outcome::Outcome
pub mod access_log;
pub mod metrics;
pub mod verdict;

mod families;
mod handles;
mod names;
mod process;
mod registrar;
