//! Work that needs the CPU for a while: counting a prompt, and learning from one that was counted. Pure; the caller
//! decides on which thread it runs.
use std::sync::Arc;

use http::HeaderMap;

use super::reading::DeferredPrompt;
use super::refusal::Refusal;
use super::relaying::Answer;
use crate::protocol::hub::context::BYTES_PER_TOKEN;
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::request::Tool;
use crate::protocol::translate::count;
use crate::tokens::{Sampling, Tokens};

/// A count that Weir makes itself.
#[derive(Debug)]
pub struct Estimate {
    tokens: Arc<Tokens>,
    prompt: DeferredPrompt,
    /// The model name at the upstream.
    model: Arc<str>,
    /// The headers of the answer.
    headers: HeaderMap,
    /// Whether a prompt that Weir cannot parse is measured by its length instead of refused.
    lenient: bool,
}

impl Estimate {
    /// A count of `prompt` for `model`, which is the upstream's name. `headers` are those of the answer.
    pub(super) fn new(
        tokens: Arc<Tokens>,
        prompt: DeferredPrompt,
        model: Arc<str>,
        headers: HeaderMap,
        lenient: bool,
    ) -> Self {
        Self {
            tokens,
            prompt,
            model,
            headers,
            lenient,
        }
    }

    /// Whether [`Estimate::run`] takes longer than an event loop should.
    pub fn is_heavy(&self) -> bool {
        self.prompt.len() > INLINE || !self.tokens.is_ready()
    }

    /// Reads and counts the prompt.
    pub fn run(&self) -> Result<Answer, Refusal> {
        match self.prompt.request() {
            Ok(request) => Ok(self.answer(self.tokens.count(&request, &self.model))),
            Err(_) if self.lenient => Ok(self.rough()),
            Err(RequestFault { param, message, .. }) => {
                Err(Refusal::Untranslatable { param, message })
            }
        }
    }

    /// A rough count from the length alone.
    pub fn rough(&self) -> Answer {
        self.answer((self.prompt.len() as u64).div_ceil(BYTES_PER_TOKEN).max(1))
    }

    fn answer(&self, tokens: u64) -> Answer {
        Answer {
            status: 200,
            headers: self.headers.clone(),
            body: count::answer(self.prompt.dialect(), tokens).into(),
        }
    }
}

/// A prompt for which the upstream stated the number of tokens.
#[derive(Debug)]
pub struct Sample {
    sampling: Sampling,
    prompt: DeferredPrompt,
    model: Arc<str>,
    actual: u64,
}

impl Sample {
    /// A sample: `prompt` had `actual` tokens for `model`, which is the upstream's name.
    pub(super) fn new(
        sampling: Sampling,
        prompt: DeferredPrompt,
        model: Arc<str>,
        actual: u64,
    ) -> Self {
        Self {
            sampling,
            prompt,
            model,
            actual,
        }
    }

    /// Estimates the prompt, compares, and learns the correction.
    pub fn learn(self) {
        let Ok(request) = self.prompt.request() else {
            return;
        };
        // What the provider's own tools find becomes part of the prompt, and Weir does not see it.
        let hosted = |tool: &Tool| matches!(tool, Tool::Hosted(_));
        if !request.tools.iter().any(hosted) {
            self.sampling
                .learn(&request, &self.model, self.prompt.model(), self.actual);
        }
    }
}

/// The longest prompt, in bytes, that is counted on an event loop: it takes a quarter of a millisecond.
const INLINE: usize = 8 << 10;
