//! The superset of the four dialects: what is common to their requests, answers and events.
pub mod usage;
