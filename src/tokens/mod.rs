//! How many tokens a prompt is, where no provider says so.
//!
//! ```text
//!  hub::Request ── weigh (every block, tools, images) ──► estimate ── × ratio of the model ──► tokens
//!                    │ text: o200k, cached by block                      ▲
//!                    └ or bytes, where it must be cheap      samples of real usage
//! ```
//!
//! Three estimates with a ratio each: [`Tokens::count`] reads the text with a tokenizer and is for the counting endpoints;
//! [`Tokens::quick`] only measures it and is for routes. Both learn from a sample of the answers that state their usage.
//! [`Tokens::measured`] is for the live path: what passes is measured byte by byte ([`Measure`]), and each model has a
//! ratio for its prompts and one for its answers, learnt from every answer that states its usage.
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

/// What has been learnt about counting. Live state: it passes from one configuration to the next.
#[derive(Debug)]
pub struct Tokens {
    tokenizer: OnceLock<Tokenizer>,
    /// Tokens of a text, by its hash.
    counted: Mutex<Recent<u64, u32>>,
    hasher: RandomState,
    /// Of [`Tokens::count`], by the upstream's name of the model.
    exact: Mutex<Calibration>,
    /// Of [`Tokens::quick`], by the model that the client asked for.
    cheap: Mutex<Calibration>,
    /// Of [`Tokens::measured`], by the upstream's name of the model: prompts and answers.
    prompts: Mutex<Calibration>,
    answers: Mutex<Calibration>,
    /// Accounts whose counting endpoint does not exist, with the model they were asked for, and since when.
    missing: Mutex<Recent<(String, String), Instant>>,
    /// Whether anybody has ever wanted an estimate: without one nothing is learnt, and nothing spent on it.
    wanted: AtomicBool,
    sampling: AtomicBool,
}

/// Which way a text goes. A model reads JSON and templates and writes prose: the two have ratios of their own.
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
    /// The prompt in tokens of `model`, the upstream's name. Milliseconds of work for a long one, and the first call
    /// reads the tokenizer's vocabulary: see [`Tokens::is_ready`].
    pub fn count(&self, request: &Request, model: &str) -> u64 {
        self.wanted.store(true, Ordering::Relaxed);
        let estimate = self.weigh(request, model);
        lock(&self.exact).corrected(model, estimate)
    }

    /// The prompt in tokens of `model`, as the client calls it, from the length of its parts alone.
    pub fn quick(&self, request: &Request, model: &str) -> u64 {
        self.wanted.store(true, Ordering::Relaxed);
        lock(&self.cheap).corrected(model, translate::estimate(request))
    }

    /// The tokens of what was measured, for `model`, the upstream's name. `beside` are tokens that are no text (pictures,
    /// sound): no ratio is applied to them. No text is read, and no vocabulary: this is for the live path.
    pub fn measured(&self, to: Direction, model: &str, text: &Measure, beside: u64) -> u64 {
        let text = match text.tokens() {
            0 => 0,
            tokens => lock(self.ratios(to)).corrected(model, tokens),
        };
        text.saturating_add(beside)
    }

    /// Learns from an answer that states its usage what the text measured really was. `actual` is the whole prompt,
    /// however it was cached, or the whole output with its reasoning; an answer of which a part was never seen (hidden
    /// reasoning, a prompt that lies at the vendor) must not be learnt from.
    pub fn learn(&self, from: Direction, model: &str, text: &Measure, beside: u64, actual: u64) {
        let actual = actual.saturating_sub(beside);
        lock(self.ratios(from)).teach(model, text.tokens(), actual);
    }

    /// Whether one more lesson about this model is worth its price: all of the first few, then one in sixteen. `draw` is
    /// randomness.
    pub fn wants(&self, from: Direction, model: &str, draw: u64) -> bool {
        lock(self.ratios(from)).is_unsettled(model, draw)
    }

    const fn ratios(&self, direction: Direction) -> &Mutex<Calibration> {
        match direction {
            Direction::Prompt => &self.prompts,
            Direction::Answer => &self.answers,
        }
    }

    /// Whether the vocabulary is loaded. Some 100 ms of work if not.
    pub fn is_ready(&self) -> bool {
        self.tokenizer.get().is_some()
    }

    /// Whether the usage of a request for this model should be learnt from: somebody wants estimates for it, and nobody
    /// is learning at this moment. Every one of the first few, then one in sixteen. `draw` is randomness.
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

    /// Whether an account was found to have no counting endpoint for this model, lately.
    pub fn is_missing(&self, account: &str, model: &str, now: Instant) -> bool {
        let known = lock(&self.missing).get(&(account.to_owned(), model.to_owned()));
        known.is_some_and(|since| now.saturating_duration_since(since) < MISSING_FOR)
    }

    fn weigh(&self, request: &Request, model: &str) -> u64 {
        let mut left = MOST_TEXT;
        weigh::prompt(request, model, &mut |text| self.text(text, &mut left))
    }

    /// The tokens of a text; beyond `left` bytes in one request by its length.
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

/// The right to learn from one answer; there is one at a time.
#[derive(Debug)]
pub struct Sampling(Arc<Tokens>);

impl Sampling {
    /// Learns what the prompt of `request` really was. `model` is the upstream's name, `asked` the client's.
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

/// What is behind these locks is whole at every moment, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Texts whose tokens are remembered, twice at most: with the room that maps leave, about 1 MiB.
const CACHED_TEXTS: usize = 16_384;

/// A shorter text is counted as fast as it is looked up.
const LEAST_CACHED: usize = 128;

/// Bytes of text in one request that are read with the tokenizer, at some 30 MB/s.
const MOST_TEXT: usize = 2 << 20;

/// Accounts without a counting endpoint that are remembered, twice at most.
const MISSING: usize = 512;

/// How long an endpoint that did not exist is not asked again.
const MISSING_FOR: Duration = Duration::from_mins(10);

#[cfg(test)]
mod tests;
