//! Work that needs the CPU for a while: counting a prompt, and learning from one that was counted. Pure; where it runs is
//! the caller's business.
use std::sync::Arc;

use http::HeaderMap;

use super::dispatch::Dispatch;
use super::reading::Later;
use super::refusal::Refusal;
use super::relaying::Answer;
use crate::outcome::UsageSource;
use crate::protocol::hub::context::BYTES_PER_TOKEN;
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::request::Tool;
use crate::protocol::translate::count;
use crate::tokens::{Direction, Sampling, Tokens};

/// A count that Weir makes itself.
#[derive(Debug)]
pub struct Estimate {
    tokens: Arc<Tokens>,
    prompt: Later,
    /// As the upstream calls it.
    model: Arc<str>,
    /// Of the answer.
    headers: HeaderMap,
    /// Whether a prompt that Weir cannot read is measured instead of refused.
    lenient: bool,
}

impl Estimate {
    /// Of a `prompt` for this `model`, which is the upstream's name; the answer gets these `headers`.
    pub(super) fn new(
        tokens: Arc<Tokens>,
        prompt: Later,
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

    /// From the length alone.
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

/// A prompt of which the upstream said how many tokens it was.
#[derive(Debug)]
pub struct Sample {
    sampling: Sampling,
    prompt: Later,
    model: Arc<str>,
    actual: u64,
}

impl Sample {
    /// Estimates the prompt and compares.
    pub fn learn(self) {
        let Ok(request) = self.prompt.request() else {
            return;
        };
        // What the provider's own tools find becomes part of the prompt unseen.
        let hosted = |tool: &Tool| matches!(tool, Tool::Hosted(_));
        if !request.tools.iter().any(hosted) {
            self.sampling
                .learn(&request, &self.model, self.prompt.model(), self.actual);
        }
    }
}

impl Dispatch {
    /// What can be learnt from the answer that has just been settled: something now and then, and only where estimates
    /// are asked for. `draw` is randomness.
    pub fn sample(&self, draw: u64) -> Option<Sample> {
        let bill = &self.served.bill;
        let Some((usage, UsageSource::Reported)) = bill.answer() else {
            return None;
        };
        let admitted = &self.admitted;
        let model = self.served.model.as_ref()?;
        if let Some((written, actual)) = bill.lesson() {
            let tokens = &self.gateway.tokens;
            tokens.learn(Direction::Answer, model, written.text(), 0, actual);
        }
        // A part of the prompt lies at the vendor.
        let kept = ["previous_response_id", "conversation", "cachedContent"];
        if kept
            .iter()
            .any(|name| admitted.members.has(&admitted.body, name))
        {
            return None;
        }
        super::limits::learn(&self.gateway, admitted, usage.prompt(), draw);
        let sampling = self.gateway.tokens.sample(model, &admitted.model, draw)?;
        Some(Sample {
            sampling,
            prompt: admitted.prompt().later(),
            model: Arc::clone(model),
            actual: usage.prompt(),
        })
    }
}

/// Longest prompt that is counted on an event loop, bytes: a quarter of a millisecond.
const INLINE: usize = 8 << 10;
