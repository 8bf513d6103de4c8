//! Estimates the number of tokens of a prompt if no provider states it.
//!
//! ```text
//!  hub::Request ── weigh (every block, tools, images) ──► estimate ── × ratio of the model ──► tokens
//!                    │ text: o200k, cached by block                      ▲
//!                    └ or bytes, where it must be cheap      samples of real usage
//! ```
//!
//! There are three estimates, each with a ratio of its own. [`Tokens::count`] splits the text with a tokenizer and is
//! for the counting endpoints; [`Tokens::quick`] only takes its length and is for routes. Both learn from a sample of
//! the answers that state their usage. [`Tokens::measured`] is for the live path: passing text is measured byte by byte
//! ([`Measure`]), and each model has a ratio for its prompts and one for its answers, which learn from every answer
//! that states its usage.
//! See `docs/decisions/token-counts.md`.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use ahash::RandomState;

use crate::protocol::hub::context::BYTES_PER_TOKEN;
use crate::protocol::hub::request::Request;
pub use crate::protocol::measure::Measure;
use crate::protocol::translate;
use calibration::{Calibration, LONGEST_NAME};
use recent::Recent;
use tokenizer::Tokenizer;

mod calibration;
mod image;
mod pdf;
mod recent;
mod tokenizer;
mod weigh;

/// What has been learnt about counting. It is live state that passes from one configuration to the next.
#[derive(Debug)]
pub struct Tokens {
    tokenizer: OnceLock<Tokenizer>,
    /// The tokens of texts, by the hash of the text.
    counted: Mutex<Recent<u64, u32>>,
    hasher: RandomState,
    /// For [`Tokens::count`], by the upstream's name of the model.
    exact: Mutex<Calibration>,
    /// For [`Tokens::quick`], by the client's name of the model.
    cheap: Mutex<Calibration>,
    /// For [`Tokens::measured`], by the upstream's name of the model; prompts and answers have ratios of their own.
    prompts: Mutex<Calibration>,
    answers: Mutex<Calibration>,
    /// Accounts without a counting endpoint, with the model that was requested, and since when this is known.
    missing: Mutex<Recent<(String, String), Instant>>,
    /// Whether an estimate has ever been requested: before that, nothing is learnt, and no work is spent on it.
    wanted: AtomicBool,
    sampling: AtomicBool,
}

/// The direction of a text. A model reads JSON and templates but writes prose, so both have ratios of their own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    Prompt,
    Answer,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            tokenizer: OnceLock::new(),
            counted: Mutex::new(Recent::new(CACHED_TEXTS)),
            hasher: RandomState::new(),
            exact: Mutex::default(),
            cheap: Mutex::default(),
            prompts: Mutex::default(),
            answers: Mutex::default(),
            missing: Mutex::new(Recent::new(MISSING)),
            wanted: AtomicBool::new(false),
            sampling: AtomicBool::new(false),
        }
    }
}

impl Tokens {
    /// The tokens of the prompt for `model`, which is the upstream's name. It takes milliseconds for a long prompt, and
    /// the first call loads the tokenizer's vocabulary: see [`Tokens::is_ready`].
    pub fn count(&self, request: &Request, model: &str) -> u64 {
        self.wanted.store(true, Ordering::Relaxed);
        let estimate = self.weigh(request, model);
        lock(&self.exact).corrected(model, estimate)
    }

    /// The tokens of the prompt for `model`, which is the client's name, from the lengths of its parts alone.
    pub fn quick(&self, request: &Request, model: &str) -> u64 {
        self.wanted.store(true, Ordering::Relaxed);
        lock(&self.cheap).corrected(model, translate::estimate(request))
    }

    /// The tokens of measured text for `model`, which is the upstream's name. `beside` are tokens of images and audio,
    /// to which no ratio is applied. This is for the live path: it reads neither text nor a vocabulary.
    pub fn measured(&self, to: Direction, model: &str, text: &Measure, beside: u64) -> u64 {
        let text = match text.tokens() {
            0 => 0,
            tokens => lock(self.ratios(to)).corrected(model, tokens),
        };
        text.saturating_add(beside)
    }

    /// Learns the real number of tokens of a measured text from an answer that states its usage. `actual` is the whole
    /// prompt, cached or not, or the whole output with its reasoning. Answers of which Weir saw only a part (hidden
    /// reasoning, a prompt that is stored at the vendor) must not be used.
    pub fn learn(&self, from: Direction, model: &str, text: &Measure, beside: u64, actual: u64) {
        let actual = actual.saturating_sub(beside);
        lock(self.ratios(from)).teach(model, text.tokens(), actual);
    }

    /// Whether another sample of this model is worth its cost: yes for the first ones, then for one in sixteen. `draw`
    /// is random.
    pub fn wants(&self, from: Direction, model: &str, draw: u64) -> bool {
        lock(self.ratios(from)).is_unsettled(model, draw)
    }

    const fn ratios(&self, direction: Direction) -> &Mutex<Calibration> {
        match direction {
            Direction::Prompt => &self.prompts,
            Direction::Answer => &self.answers,
        }
    }

    /// Whether the vocabulary is loaded. Otherwise loading it takes about 100 ms.
    pub fn is_ready(&self) -> bool {
        self.tokenizer.get().is_some()
    }

    /// Whether to learn from the usage of a request for this model: estimates of it have been requested, and no other
    /// thread is learning at this moment. Yes for the first ones, then for one in sixteen. `draw` is random.
    pub fn sample(self: &Arc<Self>, model: &str, asked: &str, draw: u64) -> Option<Sampling> {
        let wanted = self.wanted.load(Ordering::Relaxed)
            && (lock(&self.exact).wants(model, draw) || lock(&self.cheap).wants(asked, draw));
        let free = wanted && !self.sampling.swap(true, Ordering::AcqRel);
        free.then(|| Sampling(Arc::clone(self)))
    }

    /// Remembers that an account has no counting endpoint for this model.
    pub fn note_missing(&self, account: &str, model: &str, now: Instant) {
        if model.len() > LONGEST_NAME {
            return;
        }
        lock(&self.missing).put((account.to_owned(), model.to_owned()), now);
    }

    /// Whether an account is known, from the last ten minutes, to have no counting endpoint for this model.
    pub fn is_missing(&self, account: &str, model: &str, now: Instant) -> bool {
        let known = lock(&self.missing).get(&(account.to_owned(), model.to_owned()));
        known.is_some_and(|since| now.saturating_duration_since(since) < MISSING_FOR)
    }

    fn weigh(&self, request: &Request, model: &str) -> u64 {
        let mut left = MOST_TEXT;
        weigh::prompt(request, model, &mut |text| self.text(text, &mut left))
    }

    /// The tokens of a text. If it exceeds the `left` bytes of a request, its length is used instead.
    fn text(&self, text: &str, left: &mut usize) -> u64 {
        if text.len() > *left {
            return (text.len() as u64).div_ceil(BYTES_PER_TOKEN);
        }
        *left -= text.len();
        let tokenizer = self.tokenizer.get_or_init(Tokenizer::load);
        if text.len() < LEAST_CACHED {
            return tokenizer.count(text);
        }
        let hash = self.hasher.hash_one(text);
        if let Some(known) = lock(&self.counted).get(&hash) {
            return known.into();
        }
        let tokens = tokenizer.count(text);
        lock(&self.counted).put(hash, u32::try_from(tokens).unwrap_or(u32::MAX));
        tokens
    }
}

/// The permission to learn from one answer; there is one at a time.
#[derive(Debug)]
pub struct Sampling(Arc<Tokens>);

impl Sampling {
    /// Learns the real number of tokens of the prompt of `request`. `model` is the upstream's name, `asked` the
    /// client's.
    pub fn learn(&self, request: &Request, model: &str, asked: &str, actual: u64) {
        let tokens = &self.0;
        if lock(&tokens.exact).is_wanted(model) {
            let estimate = tokens.weigh(request, model);
            lock(&tokens.exact).learn(model, estimate, actual);
        }
        lock(&tokens.cheap).learn(asked, translate::estimate(request), actual);
    }
}

impl Drop for Sampling {
    fn drop(&mut self) {
        self.0.sampling.store(false, Ordering::Release);
    }
}

/// Locks. The data behind these locks is consistent at every moment, so a panic elsewhere does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Texts whose tokens are cached; up to twice as many are kept. With the overhead of maps this takes about 1 MiB.
const CACHED_TEXTS: usize = 16_384;

/// Shortest text that is cached, in bytes: a shorter one is counted as fast as it is looked up.
const LEAST_CACHED: usize = 128;

/// Most bytes of text in one request that the tokenizer reads, at about 30 MB/s.
const MOST_TEXT: usize = 2 << 20;

/// Accounts without a counting endpoint that are remembered; up to twice as many are kept.
const MISSING: usize = 512;

/// How long a missing endpoint is not called again.
const MISSING_FOR: Duration = Duration::from_mins(10);

#[cfg(test)]
mod tests;
