//! The access log: one JSON line per request, written by a thread of its own.
mod line;
mod writer;

pub use line::line;
pub use writer::AccessLog;
