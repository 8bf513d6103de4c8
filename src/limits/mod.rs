//! Limits: how much of something may happen in a span of time.
pub mod window;
