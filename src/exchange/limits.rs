//! Applies limits to requests: what is reserved for a request before it is served, and what its answer states about the
//! limits.
//!
//! Counting tokens uses no tokens and costs nothing, so limits do not apply to it, and a client at its limit can still
//! ask how long its prompt is. Files, what a vendor keeps, and moderations whose model has no price cost nothing either: they
//! count as requests, and a spent budget does not keep them out. Any other call of an endpoint that Weir does not interpret counts as one
//! request, and with the tokens that its answer states.
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use super::Gateway;
use super::admit::Admitted;
use super::operation::Endpoint;
use super::price_factors;
use super::product_usage;
use super::refusal::Refusal;
use super::vendor_call::VendorCall;
use crate::limits::{Limit, Limits, Permit, Principal, Standing, Used, nano_usd};
use crate::moment::Moment;
use crate::outcome::Unit;
use crate::pricing::RequestedUsage;
use crate::protocol::Dialect;
use crate::protocol::hub::context::BYTES_PER_TOKEN;
use crate::protocol::hub::usage::{Extras, Usage};
use crate::protocol::translate;
use crate::tokens::Direction;

/// Admits a call of a model, if the limits of its key allow it. `None` = limits do not apply to the call.
pub fn admit(
    gateway: &Gateway,
    admitted: &Admitted,
    at: Moment,
) -> Result<Option<Permit>, Refusal> {
    if admitted.call.endpoint == Endpoint::Count {
        return Ok(None);
    }
    let principal = admitted.principal(&gateway.limits);
    if admitted
        .call
        .vendor_call
        .as_deref()
        .is_some_and(|vendor_call| is_free(gateway, admitted, vendor_call))
    {
        let admission = gateway.limits.admit_free(principal, at);
        return admission.map(Some).map_err(Refusal::Limited);
    }
    let estimate = if gateway.limits.need_estimate(principal) {
        estimate(gateway, admitted)
    } else {
        Used::default()
    };
    let admission = gateway.limits.admit(principal, estimate, at);
    admission.map(Some).map_err(Refusal::Limited)
}

/// Whether the call of this endpoint costs nothing: by its kind, or by the price of its model.
fn is_free(gateway: &Gateway, admitted: &Admitted, vendor_call: &VendorCall) -> bool {
    vendor_call.is_free() || vendor_call.moderates() && estimate(gateway, admitted).nano_usd == 0
}

/// What a request is expected to use. The price is that of the most expensive model that an account may be asked for,
/// without any cache: a mapping of model names must not evade a budget.
pub fn estimate(gateway: &Gateway, admitted: &Admitted) -> Used {
    let stated = product_usage::requested(admitted);
    let (tier, region) = (
        price_factors::tier(admitted),
        price_factors::region(admitted),
    );
    let requested = RequestedUsage {
        usage: Usage {
            input: input(gateway, admitted),
            units: stated.usage.units,
            output: match admitted.call.endpoint {
                // A vector, a picture, a file: whatever it is, it is no text of the model's, but it may be text that is spoken.
                Endpoint::Vendor => product_usage::read_aloud(stated.usage.units.characters),
                _ => price_factors::output(admitted)
                    .map_or(USUAL_OUTPUT, |most| most.min(MOST_OUTPUT))
                    .saturating_mul(price_factors::answers(admitted)),
            },
            ..Usage::default()
        },
        extras: Extras {
            tools: price_factors::tools(admitted),
            ..stated.extras
        },
        tier: tier.as_deref(),
        region: region.as_deref(),
    };
    let usd = dearest(gateway, admitted, &requested)
        .or_else(|| gateway.prices.most(&admitted.model, &requested));
    Used {
        usage: requested.usage,
        nano_usd: usd.map_or(0, nano_usd),
    }
}

/// The highest cost of the request at any account of the wanted pool or its fallbacks.
fn dearest(gateway: &Gateway, admitted: &Admitted, requested: &RequestedUsage<'_>) -> Option<f64> {
    let config = &gateway.config;
    let wanted = admitted.wanted_model();
    let cost = |model: &str| gateway.prices.most(model, requested);
    let may_use = |pool: &usize| match &admitted.key.pools {
        Some(pools) => pools.contains(pool),
        None => true,
    };
    let next = |pool: &usize| config.pools.get(*pool)?.fallback.filter(may_use);
    let pools = std::iter::successors(Some(admitted.pool), next);
    let accounts = pools
        .filter_map(|pool| config.pools.get(pool))
        .flat_map(|pool| &pool.accounts);
    let mut most = None;
    let mut last = None;
    for account in accounts.filter_map(|index| config.accounts.get(*index)) {
        // Most accounts of a pool use the same model name.
        let model = account.models.upstream_name(wanted);
        if let Some(model) = model.filter(|_| last != model) {
            last = Some(model);
            most = cost(model).into_iter().chain(most).reduce(f64::max);
        }
    }
    most
}

/// The estimated input tokens, from the classes of the body's bytes and from earlier prompts of the model. Only a body
/// with media is parsed, because base64 is not text.
pub(super) fn input(gateway: &Gateway, admitted: &Admitted) -> u64 {
    if admitted.holds_media()
        && let Ok(request) = admitted.request()
    {
        return translate::estimate(request);
    }
    // A form contains sound or pictures, and few words.
    if admitted.call.vendor_call.is_some() && admitted.members.is_empty() {
        return 0;
    }
    let (text, bytes) = admitted.measured();
    let model = admitted.wanted_model();
    let tokens = gateway.tokens.measured(Direction::Prompt, model, text, 0);
    // The text between the sampled pieces is assumed to be similar.
    tokens.saturating_mul(admitted.body.len() as u64) / (*bytes).max(1)
}

/// The tokens to reserve in an account's own limit until the real use is known. Where no account has one, they only
/// serve to compare prices, and bytes are enough.
pub(super) fn of_account(gateway: &Gateway, admitted: &Admitted) -> u64 {
    match admitted.call.endpoint {
        Endpoint::Count => 0,
        // A body that is not JSON is not text.
        Endpoint::Vendor if admitted.members.is_empty() => 0,
        _ if gateway.counts_tokens => input(gateway, admitted),
        _ => admitted.body.len() as u64 / BYTES_PER_TOKEN,
    }
}

/// Learns how many tokens the prompt really had, if it is a prompt that is estimated: from every one while little is
/// known of the model, later from some. `draw` is a random number.
pub(super) fn learn(gateway: &Gateway, admitted: &Admitted, actual: u64, draw: u64) {
    let model = admitted.wanted_model();
    if !gateway.tokens.wants(Direction::Prompt, model, draw)
        || admitted.call.vendor_call.is_some()
        || admitted.holds_media()
    {
        return;
    }
    let (text, bytes) = admitted.measured();
    let part = u128::from(actual) * u128::from(*bytes) / (admitted.body.len() as u128).max(1);
    let part = u64::try_from(part).unwrap_or(u64::MAX);
    gateway
        .tokens
        .learn(Direction::Prompt, model, text, 0, part);
}

/// The rate-limit headers of the dialect, for the requests and tokens of a minute, and Weir's own for the budget in USD
/// with the least left. There are none for a key without such limits. Gemini has no such headers, so its clients get
/// those of OpenAI.
pub fn headers(
    limits: &Limits,
    principal: Principal,
    dialect: Dialect,
    at: Moment,
    headers: &mut HeaderMap,
) {
    for limit in [Limit::Requests, Limit::Tokens] {
        if let Some(standing) = limits.tightest(principal, limit, at) {
            add(dialect, &standing, at.wall, headers);
        }
    }
    let budgets = Limit::ALL
        .into_iter()
        .filter(|limit| limit.unit() == Unit::NanoUsd);
    let standings = budgets.filter_map(|limit| limits.tightest(principal, limit, at));
    if let Some(standing) = standings.min_by(|a, b| a.remaining.total_cmp(&b.remaining)) {
        let resets_in = Duration::from_secs(whole_seconds(standing.resets_in));
        insert(
            headers,
            BUDGET_REMAINING,
            format!("{:.6}", standing.remaining),
        );
        insert(headers, BUDGET_RESET, moment(at.wall + resets_in));
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

fn add(dialect: Dialect, standing: &Standing, wall: SystemTime, headers: &mut HeaderMap) {
    let resets_in = whole_seconds(standing.resets_in);
    let reset = match dialect {
        Dialect::Anthropic => moment(wall + Duration::from_secs(resets_in)),
        Dialect::Gemini | Dialect::OpenaiChat | Dialect::OpenaiResponses => span(resets_in),
    };
    let [limit, remaining, resets] = names(dialect, standing.limit);
    headers.insert(limit, whole(standing.cap).into());
    headers.insert(remaining, whole(standing.remaining).into());
    insert(headers, resets, reset);
}

/// The names of the headers for limit, remaining and reset of requests or tokens.
const fn names(dialect: Dialect, limit: Limit) -> [HeaderName; 3] {
    match (dialect, limit) {
        (Dialect::Anthropic, Limit::Tokens) => [
            const { HeaderName::from_static("anthropic-ratelimit-tokens-limit") },
            const { HeaderName::from_static("anthropic-ratelimit-tokens-remaining") },
            const { HeaderName::from_static("anthropic-ratelimit-tokens-reset") },
        ],
        (Dialect::Anthropic, _) => [
            const { HeaderName::from_static("anthropic-ratelimit-requests-limit") },
            const { HeaderName::from_static("anthropic-ratelimit-requests-remaining") },
            const { HeaderName::from_static("anthropic-ratelimit-requests-reset") },
        ],
        (_, Limit::Tokens) => [
            const { HeaderName::from_static("x-ratelimit-limit-tokens") },
            const { HeaderName::from_static("x-ratelimit-remaining-tokens") },
            const { HeaderName::from_static("x-ratelimit-reset-tokens") },
        ],
        (_, _) => [
            const { HeaderName::from_static("x-ratelimit-limit-requests") },
            const { HeaderName::from_static("x-ratelimit-remaining-requests") },
            const { HeaderName::from_static("x-ratelimit-reset-requests") },
        ],
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float saturates, and none here is negative"
)]
fn whole(count: f64) -> u64 {
    count.round() as u64
}

/// The time in RFC 3339, to the second.
pub(super) fn moment(wall: SystemTime) -> String {
    let since = wall
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds)
        .map(|moment| moment.to_string())
        .unwrap_or_default()
}

/// A duration as OpenAI writes it: `6m0s`.
fn span(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let mut text = String::with_capacity(12);
    // Writing into a String cannot fail.
    if hours > 0 {
        let _ = write!(text, "{hours}h");
    }
    if hours > 0 || minutes > 0 {
        let _ = write!(text, "{minutes}m");
    }
    let _ = write!(text, "{}s", seconds % 60);
    text
}

/// Whole seconds, rounded up, so that a reset is never announced too early.
pub(super) fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

const BUDGET_REMAINING: HeaderName = HeaderName::from_static("x-weir-budget-remaining-usd");
const BUDGET_RESET: HeaderName = HeaderName::from_static("x-weir-budget-reset");

/// Tokens reserved for an answer when the request states no maximum.
const USUAL_OUTPUT: u64 = 1024;

/// The most tokens reserved for an answer: clients usually allow for far more than they get.
const MOST_OUTPUT: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(limit: Limit, resets_in: Duration) -> Standing {
        Standing {
            limit,
            cap: 600.0,
            used: 20.0,
            remaining: 580.0,
            resets_in,
        }
    }

    fn check(dialect: Dialect, expected: &[(&str, &str)]) {
        let mut headers = HeaderMap::new();
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1) * 1_794_312_000;
        let resets_in = Duration::from_millis(360_500);
        add(
            dialect,
            &standing(Limit::Tokens, resets_in),
            wall,
            &mut headers,
        );
        let found: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn each_dialect_has_its_own_headers() {
        check(
            Dialect::Anthropic,
            &[
                ("anthropic-ratelimit-tokens-limit", "600"),
                ("anthropic-ratelimit-tokens-remaining", "580"),
                ("anthropic-ratelimit-tokens-reset", "2026-11-10T12:06:01Z"),
            ],
        );
        for dialect in [
            Dialect::OpenaiChat,
            Dialect::OpenaiResponses,
            Dialect::Gemini,
        ] {
            check(
                dialect,
                &[
                    ("x-ratelimit-limit-tokens", "600"),
                    ("x-ratelimit-remaining-tokens", "580"),
                    ("x-ratelimit-reset-tokens", "6m1s"),
                ],
            );
        }
    }

    #[test]
    fn spans_are_written_as_openai_writes_them() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m0s"),
            (3600, "1h0m0s"),
            (3725, "1h2m5s"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
