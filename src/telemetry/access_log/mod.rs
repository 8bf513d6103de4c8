//! The access log: one JSON line per request, written by its own thread.
mod line;
mod writer;

pub use line::line;
pub use writer::AccessLog;
