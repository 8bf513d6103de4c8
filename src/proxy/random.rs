//! Random draws and ids, without system calls and locks.
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers that are random enough for weighted draws, jitter and request ids, but not for cryptography.
#[derive(Debug)]
pub(crate) struct Random(AtomicU64);

impl Random {
    /// A generator with a new seed, so that no two processes draw the same numbers.
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(seed()))
    }

    /// The next number.
    pub(super) fn draw(&self) -> u64 {
        let state = self.0.fetch_add(GOLDEN_GAMMA, Ordering::Relaxed);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// An id for a request that brought none.
    pub(super) fn request_id(&self) -> String {
        // This avoids `format!`, whose cost shows in profiles.
        let mut id = String::with_capacity(36);
        id.push_str("req_");
        for number in [self.draw(), self.draw()] {
            for shift in (0..64).step_by(4).rev() {
                let digit = u32::try_from(number >> shift & 15).unwrap_or_default();
                id.extend(char::from_digit(digit, 16));
            }
        }
        id
    }
}

/// A random seed. The keys of std's hash maps are random per process, so no other crate is needed.
pub(super) fn seed() -> u64 {
    let mut hasher = std::hash::RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish()
}

/// Step of SplitMix64 (Steele, Lea, Flood 2014): consecutive states give independent outputs.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_form_and_differ() {
        let random = Random::new();
        let (one, other) = (random.request_id(), random.request_id());
        assert_eq!(one.len(), "req_".len() + 32);
        assert!(one.starts_with("req_") && one[4..].bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(one, other);
    }
}
