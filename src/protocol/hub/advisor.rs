//! The name of the model that advised the model that answered.

/// The name of an advisor's model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Advisor {
    bytes: [u8; LONGEST],
    length: u8,
}

impl Default for Advisor {
    fn default() -> Self {
        Self {
            bytes: [0; LONGEST],
            length: 0,
        }
    }
}

impl Advisor {
    /// The name; empty if it is longer than `LONGEST`.
    pub fn of(name: &str) -> Self {
        let mut bytes = [0; LONGEST];
        let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
        let Some(place) = bytes.get_mut(..name.len()) else {
            return Self::default();
        };
        place.copy_from_slice(name.as_bytes());
        Self { bytes, length }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length));
        std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }
}

/// The length of the longest name, in bytes.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_whole_or_not_at_all() {
        let longest = "x".repeat(LONGEST);
        let longer = "x".repeat(LONGEST + 1);
        let longest_by_far = "x".repeat(300);
        for (name, kept) in [
            ("claude-opus-4-6", "claude-opus-4-6"),
            ("", ""),
            (longest.as_str(), longest.as_str()),
            (longer.as_str(), ""),
            (longest_by_far.as_str(), ""),
        ] {
            assert_eq!(Advisor::of(name).as_str(), kept);
        }
    }
}
