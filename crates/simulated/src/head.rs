//! Headers, both ways: the credential and the knobs of a request, the vendor's headers of an answer.
use http::{HeaderMap, HeaderName, HeaderValue};

use super::ids::id;
use super::knobs::Knobs;
use super::vendor::timestamp;
use crate::dialect::Dialect;

/// What matters of a request's head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    headers: &'a HeaderMap,
    /// The credential, however it was presented; empty without one.
    key: &'a str,
    /// `anthropic-version`.
    version: &'a str,
    /// The vendor whose client the caller shows itself to be, where the path leaves it open.
    caller: Dialect,
}

impl<'a> Head<'a> {
    /// The credential, however it was presented; empty without one.
    pub(super) fn key(&self) -> &'a str {
        self.key
    }

    /// `anthropic-version`.
    pub(super) fn version(&self) -> &'a str {
        self.version
    }

    /// The vendor whose client the caller shows itself to be, where the path leaves it open.
    pub(super) fn caller(&self) -> Dialect {
        self.caller
    }

    pub(super) fn read(headers: &'a HeaderMap, query: &'a str) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer =
            || text("authorization").map(|value| value.strip_prefix("Bearer ").unwrap_or(value));
        let in_query = || query.split('&').find_map(|pair| pair.strip_prefix("key="));
        let key = text("x-api-key")
            .or_else(bearer)
            .or_else(|| text("api-key"))
            .or_else(|| text("x-goog-api-key"))
            .or_else(in_query);
        let version = text("anthropic-version");
        Self {
            headers,
            key: key.unwrap_or_default(),
            version: version.unwrap_or_default(),
            caller: if version.is_some() || headers.contains_key("x-api-key") {
                Dialect::Anthropic
            } else if headers.contains_key("x-goog-api-key") {
                Dialect::Gemini
            } else {
                Dialect::OpenaiChat
            },
        }
    }

    /// Sets the knobs of the `x-sim-*` headers.
    pub(super) fn obey(&self, knobs: &mut Knobs) -> Result<(), String> {
        for (name, value) in self.headers {
            if let Some(name) = name.as_str().strip_prefix("x-sim-") {
                knobs.set(name, value.to_str().unwrap_or_default())?;
            }
        }
        Ok(())
    }
}

/// From what the vendor's headers of an answer are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letterhead<'a> {
    pub dialect: Dialect,
    pub number: u64,
    pub created: i64,
    pub knobs: &'a Knobs,
}

impl Letterhead<'_> {
    pub(super) fn request_id(&self) -> String {
        id("req_", self.number, 0)
    }

    /// The headers of an answer.
    pub(super) fn headers(
        &self,
        status: u16,
        kind: &'static str,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = Vec::with_capacity(8);
        headers.push(content_type(kind));
        if kind == SSE {
            headers.push((
                http::header::CACHE_CONTROL,
                HeaderValue::from_static("no-cache"),
            ));
        }
        let mut add = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.push((HeaderName::from_static(name), value));
            }
        };
        match self.dialect {
            Dialect::Anthropic => add("request-id", &self.request_id()),
            Dialect::OpenaiChat | Dialect::OpenaiResponses => {
                add("x-request-id", &self.request_id());
                add("openai-processing-ms", "1");
            }
            Dialect::Gemini => {}
        }
        if status >= 400 {
            if let Some(wait) = self.knobs.retry_after {
                if wait.subsec_millis() != 0 {
                    add("retry-after-ms", &wait.as_millis().to_string());
                }
                add("retry-after", &wait.as_secs_f64().ceil().to_string());
            }
            if let Some(retry) = self.knobs.should_retry {
                add("x-should-retry", if retry { "true" } else { "false" });
            }
        }
        if let Some(percent) = self.knobs.rate_limit {
            self.rate_limits(u64::from(percent), &mut add);
        }
        if let Some(share) = self.knobs.unified {
            self.unified(share, &mut add);
        }
        headers
    }

    /// `percent` of each limit is left, and it is whole again in a minute.
    fn rate_limits(&self, percent: u64, add: &mut impl FnMut(&'static str, &str)) {
        let (requests, tokens) = (REQUESTS, TOKENS);
        let left = |limit: u64| (limit * percent / 100).to_string();
        match self.dialect {
            Dialect::Anthropic => {
                let reset = timestamp(self.created + 60);
                add("anthropic-ratelimit-requests-limit", &requests.to_string());
                add("anthropic-ratelimit-requests-remaining", &left(requests));
                add("anthropic-ratelimit-requests-reset", &reset);
                add("anthropic-ratelimit-tokens-limit", &tokens.to_string());
                add("anthropic-ratelimit-tokens-remaining", &left(tokens));
                add("anthropic-ratelimit-tokens-reset", &reset);
            }
            Dialect::OpenaiChat | Dialect::OpenaiResponses => {
                add("x-ratelimit-limit-requests", &requests.to_string());
                add("x-ratelimit-remaining-requests", &left(requests));
                add("x-ratelimit-reset-requests", "1m0s");
                add("x-ratelimit-limit-tokens", &tokens.to_string());
                add("x-ratelimit-remaining-tokens", &left(tokens));
                add("x-ratelimit-reset-tokens", "1m0s");
            }
            Dialect::Gemini => {}
        }
    }

    /// The windows of an Anthropic subscription, this share of them used.
    fn unified(&self, share: f64, add: &mut impl FnMut(&'static str, &str)) {
        let status = if share >= 1.0 { "rejected" } else { "allowed" };
        let share = share.to_string();
        add("anthropic-ratelimit-unified-status", status);
        add("anthropic-ratelimit-unified-5h-status", status);
        add("anthropic-ratelimit-unified-5h-utilization", &share);
        add(
            "anthropic-ratelimit-unified-5h-reset",
            &(self.created + 5 * 3600).to_string(),
        );
        add("anthropic-ratelimit-unified-7d-status", "allowed");
        add("anthropic-ratelimit-unified-7d-utilization", "0.1");
        add(
            "anthropic-ratelimit-unified-7d-reset",
            &(self.created + 7 * 86_400).to_string(),
        );
    }
}

pub(super) fn content_type(kind: &'static str) -> (HeaderName, HeaderValue) {
    (http::header::CONTENT_TYPE, HeaderValue::from_static(kind))
}

pub(super) const HTML: &str = "text/html";
pub(super) const JSON: &str = "application/json";
pub(super) const SSE: &str = "text/event-stream; charset=utf-8";
/// Per minute, as a middle tier has them.
const REQUESTS: u64 = 1000;
const TOKENS: u64 = 400_000;
