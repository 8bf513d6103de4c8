//! The text of a configuration: YAML to a tree whose values know where they stand, and typed values out of that tree.
//!
//! Nothing here knows what a configuration holds.
mod agreement;

pub mod at;
pub mod cursor;
pub mod decode;
pub mod document;
pub mod faults;
pub mod fragments;

pub use agreement::check;
