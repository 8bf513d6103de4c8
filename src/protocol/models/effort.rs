//! How hard a model should think: levels, budgets, and from one to the other.
use serde::{Deserialize, Serialize};

/// A level of effort. "None" is not one of them: it is [`ReasoningMode::Off`](crate::protocol::hub::request::ReasoningMode::Off).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Effort {
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

impl Effort {
    /// Every level, weakest first.
    pub const ALL: [Self; 6] = [
        Self::Minimal,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Xhigh,
        Self::Max,
    ];

    /// The word on every wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The level of that word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.as_str() == name)
    }

    /// The level that a budget of tokens amounts to.
    pub const fn from_budget(tokens: u64) -> Self {
        match tokens {
            0..=512 => Self::Minimal,
            513..=1024 => Self::Low,
            1025..=8192 => Self::Medium,
            8193..=24576 => Self::High,
            _ => Self::Xhigh,
        }
    }

    /// The budget that the level amounts to; [`Effort::Max`] is as much as the model takes.
    pub const fn budget(self) -> u64 {
        match self {
            Self::Minimal => 1024,
            Self::Low => 2048,
            Self::Medium => 8192,
            Self::High => 24576,
            Self::Xhigh => 32768,
            Self::Max => u64::MAX,
        }
    }
}

/// The levels that a model accepts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Efforts(u8);

impl Efforts {
    /// The model takes no level.
    pub const NONE: Self = Self(0);

    /// Exactly these.
    pub const fn of(efforts: &[Effort]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < efforts.len() {
            bits |= 1 << efforts[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// Whether the level is accepted.
    pub const fn has(self, effort: Effort) -> bool {
        self.0 & (1 << effort as u8) != 0
    }

    /// The accepted level that is nearest in meaning. Minimal and xhigh look upwards first (a model without xhigh but with max
    /// means max by it), the others downwards.
    pub fn nearest(self, effort: Effort) -> Option<Effort> {
        if self.has(effort) {
            return Some(effort);
        }
        let down = Effort::ALL
            .into_iter()
            .rev()
            .find(|&e| e < effort && self.has(e));
        let up = Effort::ALL.into_iter().find(|&e| e > effort && self.has(e));
        match effort {
            Effort::Minimal | Effort::Xhigh => up.or(down),
            _ => down.or(up),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Effort::{High, Low, Max, Medium, Minimal, Xhigh};

    #[test]
    fn the_nearest_level_follows_the_vendors() {
        let opus_4_6 = Efforts::of(&[Low, Medium, High, Max]);
        let o3 = Efforts::of(&[Low, Medium, High]);
        assert_eq!(opus_4_6.nearest(Xhigh), Some(Max));
        assert_eq!(o3.nearest(Xhigh), Some(High));
        assert_eq!(o3.nearest(Max), Some(High));
        assert_eq!(o3.nearest(Minimal), Some(Low));
        assert_eq!(Efforts::NONE.nearest(High), None);
    }

    #[test]
    fn budgets_and_levels_agree_in_the_middle() {
        for effort in [Medium, High, Xhigh] {
            assert_eq!(Effort::from_budget(effort.budget()), effort);
        }
    }
}
