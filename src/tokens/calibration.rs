//! Corrects an estimate by real usage: one ratio per model.
use super::recent::Recent;

/// The ratios. A model has one from the first request for an estimate on.
#[derive(Debug)]
pub(super) struct Calibration {
    models: Recent<Box<str>, Ratio>,
}

/// Actual tokens divided by estimated ones, smoothed.
#[derive(Clone, Copy, Debug)]
struct Ratio {
    value: f64,
    /// The number of samples behind it, up to [`SETTLED`].
    samples: u32,
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            models: Recent::new(MODELS),
        }
    }
}

impl Calibration {
    /// The estimate, corrected by the model's ratio. From now on the model counts as wanted.
    pub(super) fn corrected(&mut self, model: &str, estimate: u64) -> u64 {
        if model.len() > LONGEST_NAME {
            return estimate.max(1);
        }
        let ratio = self.models.get(model).unwrap_or_else(|| {
            let fresh = Ratio {
                value: 1.0,
                samples: 0,
            };
            self.models.put(model.into(), fresh);
            fresh
        });
        scaled(estimate, ratio.value).max(1)
    }

    /// Whether an estimate of this model has been requested.
    pub(super) fn is_wanted(&mut self, model: &str) -> bool {
        self.models.get(model).is_some()
    }

    /// Whether another sample of this model is worth its cost.
    pub(super) fn wants(&mut self, model: &str, draw: u64) -> bool {
        let known = self.models.get(model);
        known.is_some_and(|ratio| ratio.samples < SETTLED || draw.is_multiple_of(ONE_IN))
    }

    /// The same as [`Calibration::wants`], for any model, whether or not an estimate of it has been requested.
    pub(super) fn is_unsettled(&mut self, model: &str, draw: u64) -> bool {
        let known = self.models.get(model);
        known.is_none_or(|ratio| ratio.samples < SETTLED) || draw.is_multiple_of(ONE_IN)
    }

    /// The same as [`Calibration::learn`], for any model, whether or not an estimate of it has been requested.
    pub(super) fn teach(&mut self, model: &str, estimate: u64, actual: u64) {
        if model.len() <= LONGEST_NAME && self.models.get(model).is_none() {
            let fresh = Ratio {
                value: 1.0,
                samples: 0,
            };
            self.models.put(model.into(), fresh);
        }
        self.learn(model, estimate, actual);
    }

    /// Adds a sample. The first samples are averaged; later ones change the ratio by a tenth of the difference.
    pub(super) fn learn(&mut self, model: &str, estimate: u64, actual: u64) {
        let Some(mut ratio) = self.models.get(model) else {
            return;
        };
        if estimate < LEAST_ESTIMATE || actual == 0 {
            return; // Overheads outweigh the text, so the ratio would mislead for other prompts.
        }
        let seen = (actual as f64 / estimate as f64).clamp(LOWEST, HIGHEST);
        ratio.samples = (ratio.samples + 1).min(SETTLED);
        let share = (1.0 / f64::from(ratio.samples)).max(EWMA_SHARE);
        ratio.value += (seen - ratio.value) * share;
        self.models.put(model.into(), ratio);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float saturates, and none here is negative"
)]
pub(super) fn scaled(tokens: u64, factor: f64) -> u64 {
    (tokens as f64 * factor).round() as u64
}

/// The number of models with a ratio; up to twice as many are kept.
const MODELS: usize = 512;
/// Longest name, in bytes. Clients choose names; a longer one is not kept.
pub(super) const LONGEST_NAME: usize = 256;
/// After this many samples, samples are taken less often, and each has the same weight.
const SETTLED: u32 = 24;
/// After that, one in this many answers is a sample.
const ONE_IN: u64 = 16;
/// The weight of a new sample in a settled ratio.
const EWMA_SHARE: f64 = 0.1;
/// Prompts with fewer tokens are not used as samples.
const LEAST_ESTIMATE: u64 = 32;
/// Bounds of a ratio: one strange answer (from a server that states nonsense) must not ruin it.
const LOWEST: f64 = 0.25;
const HIGHEST: f64 = 4.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// Reproducible pseudo-random numbers from 0 to 1.
    fn noise(seed: u64) -> f64 {
        let mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }

    #[test]
    fn it_converges_within_tens_of_requests_and_follows_a_change() {
        let mut calibration = Calibration::default();
        assert_eq!(calibration.corrected("m", 1000), 1000);
        let teach = |calibration: &mut Calibration, ratio: f64, times: u64| {
            for round in 0..times {
                let spread = 0.95 + 0.1 * noise(round);
                calibration.learn("m", 1000, scaled(1000, ratio * spread));
            }
        };
        teach(&mut calibration, 1.35, 20);
        let settled = calibration.corrected("m", 100_000);
        assert!((132_000..138_000).contains(&settled), "{settled}");
        teach(&mut calibration, 0.9, 60);
        let moved = calibration.corrected("m", 100_000);
        assert!((87_000..93_000).contains(&moved), "{moved}");
        assert_eq!(calibration.corrected("other", 1000), 1000);
    }

    #[test]
    fn a_model_that_nobody_asks_about_costs_nothing() {
        let mut calibration = Calibration::default();
        assert!(!calibration.wants("m", 0));
        calibration.learn("m", 100, 200);
        assert_eq!(calibration.corrected("m", 100), 100);
        assert!((0..16).all(|draw| calibration.wants("m", draw)));
        for _ in 0..SETTLED {
            calibration.learn("m", 100, 200);
        }
        let sampled = (0..1600).filter(|draw| calibration.wants("m", *draw));
        assert_eq!(sampled.count(), 100);
    }

    #[test]
    fn a_name_without_end_is_not_kept() {
        let mut calibration = Calibration::default();
        let name = "m".repeat(LONGEST_NAME + 1);
        assert_eq!(calibration.corrected(&name, 7), 7);
        assert!(!calibration.is_wanted(&name));
    }

    #[test]
    fn nonsense_moves_little() {
        let mut calibration = Calibration::default();
        calibration.corrected("m", 1);
        for _ in 0..40 {
            calibration.learn("m", 1000, 1000);
        }
        calibration.learn("m", 1000, u64::MAX);
        calibration.learn("m", 1000, 0);
        calibration.learn("m", 3, 30);
        let after = calibration.corrected("m", 1000);
        assert!((1000..=1300).contains(&after), "{after}");
    }
}
