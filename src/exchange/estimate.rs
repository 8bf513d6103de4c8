//! Work that needs the CPU for a while: counting a prompt, and learning from one that was counted. Pure; where it runs is
//! the caller's business.
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::dispatch::Dispatch;
use super::refusal::Refusal;
use super::relaying::Answer;
use crate::outcome::UsageSource;
use crate::protocol::Dialect;
use crate::protocol::gemini::Delivery;
use crate::protocol::hub::context::BYTES_PER_TOKEN;
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::request::{Request, Tool};
use crate::protocol::json::{self, Edit};
use crate::protocol::translate::{self, count};
use crate::tokens::{Direction, Sampling, Tokens};

/// A count that Weir makes itself.
#[derive(Debug)]
pub struct Estimate {
    pub(super) tokens: Arc<Tokens>,
    pub(super) client: Dialect,
    /// The model as the client calls it.
    pub(super) asked: String,
    /// As the upstream does.
    pub(super) model: Arc<str>,
    pub(super) body: Bytes,
    /// Of the answer.
    pub(super) headers: HeaderMap,
    /// Whether a prompt that Weir cannot read is measured instead of refused.
    pub(super) lenient: bool,
}

impl Estimate {
    /// Whether [`Estimate::run`] takes longer than an event loop should.
    pub fn is_heavy(&self) -> bool {
        self.body.len() > INLINE || !self.tokens.is_ready()
    }

    /// Reads and counts the prompt.
    pub fn run(&self) -> Result<Answer, Refusal> {
        match prompt(self.client, &self.asked, &self.body) {
            Ok(request) => Ok(self.answer(self.tokens.count(&request, &self.model))),
            Err(_) if self.lenient => Ok(self.rough()),
            Err(RequestFault { param, message, .. }) => {
                Err(Refusal::Untranslatable { param, message })
            }
        }
    }

    /// From the length alone.
    pub fn rough(&self) -> Answer {
        self.answer((self.body.len() as u64).div_ceil(BYTES_PER_TOKEN).max(1))
    }

    fn answer(&self, tokens: u64) -> Answer {
        Answer {
            status: 200,
            headers: self.headers.clone(),
            body: count::answer(self.client, tokens).into(),
        }
    }
}

/// A prompt of which the upstream said how many tokens it was.
#[derive(Debug)]
pub struct Sample {
    sampling: Sampling,
    client: Dialect,
    asked: String,
    model: Arc<str>,
    body: Bytes,
    actual: u64,
}

impl Sample {
    /// Estimates the prompt and compares.
    pub fn learn(self) {
        let Ok(request) = prompt(self.client, &self.asked, &self.body) else {
            return;
        };
        // What the provider's own tools find becomes part of the prompt unseen.
        let hosted = |tool: &Tool| matches!(tool, Tool::Hosted(_));
        if !request.tools.iter().any(hosted) {
            self.sampling
                .learn(&request, &self.model, &self.asked, self.actual);
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
            client: self.dialect(),
            asked: admitted.model.clone(),
            model: Arc::clone(model),
            body: admitted.body.clone(),
            actual: usage.prompt(),
        })
    }
}

/// Reads a prompt, also one that is only to be counted.
pub(super) fn prompt(client: Dialect, model: &str, body: &Bytes) -> Result<Request, RequestFault> {
    match client {
        Dialect::Gemini => {
            translate::decode_gemini(count::prompt(client, body), model, Delivery::Whole)
        }
        Dialect::Anthropic => {
            let members = json::scan(body).unwrap_or_default();
            if members.has(body, "max_tokens") {
                return translate::decode(client, body);
            }
            // What is counted has no output, so it needs no limit for it.
            let limit = [("max_tokens", Edit::Set(Bytes::from_static(b"1")))];
            translate::decode(client, &json::set(body, &members, &limit).to_bytes())
        }
        Dialect::OpenaiChat | Dialect::OpenaiResponses => translate::decode(client, body),
    }
}

/// Longest prompt that is counted on an event loop, bytes: a quarter of a millisecond.
const INLINE: usize = 8 << 10;
