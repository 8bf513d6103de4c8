//! The text of a configuration: parses YAML into a tree with positions, and decodes that tree into typed values.
//!
//! Nothing here knows the settings of a configuration.
mod agreement;

pub mod at;
pub mod cursor;
pub mod decode;
pub mod document;
pub mod faults;
pub mod fragments;

pub use agreement::check;
