//! A short identifier for a long text.
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The first `digits` hex digits of the SHA-256 of `text`.
pub fn digest(text: &str, digits: usize) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text) {
        write!(hex, "{byte:02x}").expect("invariant: writing to a String cannot fail");
    }
    hex.truncate(digits);
    hex
}
