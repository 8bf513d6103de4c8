//! The figures of a report: the state of the limits, and the price.
use super::ExplainedRequest;
use super::report::{LimitPart, PricePart, RatesPart, Report, ReservedPart};
use crate::config::Account;
use crate::exchange::Gateway;
use crate::exchange::admit::Admitted;
use crate::exchange::limits;
use crate::exchange::operation::Endpoint;
use crate::limits::{Limit, Principal, Scope};
use crate::moment::Moment;
use crate::pool::Used;
use crate::protocol::hub::usage::Usage;

/// The limit of requests that the server takes at once.
pub(super) fn server_limit(gateway: &Gateway, explained: &ExplainedRequest<'_>) -> LimitPart {
    let most = gateway.config.server.max_concurrent_requests;
    let used = explained.in_flight.map(|count| count as f64);
    part("server", "max_concurrent_requests", most as f64, used)
}

/// The limits of the account that is tried first.
pub(super) fn own_limits(account: &Account, used: Option<Used>) -> Vec<LimitPart> {
    let limits = &account.limits;
    let scope = format!("account {}", account.name);
    let use_of = |of: fn(Used) -> f64| used.map(of);
    let all = [
        (
            "concurrency",
            limits.concurrency.map(f64::from),
            use_of(|used| f64::from(used.in_flight)),
        ),
        (
            "rpm",
            limits.rpm.map(f64::from),
            use_of(|used| used.requests as f64),
        ),
        (
            "tpm",
            limits.tpm.map(|cap| cap as f64),
            use_of(|used| used.tokens as f64),
        ),
    ];
    all.into_iter()
        .filter_map(|(limit, cap, used)| Some(part(&scope, limit, cap?, used)))
        .collect()
}

fn part(scope: &str, limit: &'static str, cap: f64, used: Option<f64>) -> LimitPart {
    LimitPart {
        scope: scope.to_owned(),
        limit,
        cap,
        used,
        resets_in_seconds: None,
    }
}

/// The limits of the key, its group, its project and everyone, before the request is admitted.
pub(super) fn client_limits(
    gateway: &Gateway,
    explained: &ExplainedRequest<'_>,
    principal: Principal,
    moment: Moment,
) -> Vec<LimitPart> {
    let live = explained.in_flight.is_some();
    let standings = gateway.limits.standings(principal, moment);
    let parts = standings.into_iter().map(|(scope, name, standing)| {
        let resets = live && standing.limit != Limit::Concurrency;
        LimitPart {
            scope: match scope {
                Scope::Key => format!("key {name}"),
                Scope::Group => format!("group {name}"),
                Scope::Project => format!("project {name}"),
                Scope::Global => "everyone".to_owned(),
            },
            limit: standing.limit.as_str(),
            cap: standing.cap,
            used: live.then_some(standing.used),
            resets_in_seconds: resets.then_some(standing.resets_in.as_secs_f64()),
        }
    });
    parts.collect()
}

/// What is reserved for a request.
pub(super) fn reserved(gateway: &Gateway, admitted: &Admitted) -> ReservedPart {
    let counted = admitted.call.endpoint != Endpoint::Count
        && gateway
            .limits
            .need_estimate(admitted.principal(&gateway.limits));
    let estimate = counted.then(|| limits::estimate(gateway, admitted));
    ReservedPart {
        account_tokens: limits::of_account(gateway, admitted),
        tokens: estimate.map(|estimate| estimate.usage.total()),
        usd: estimate.map(|estimate| estimate.nano_usd as f64 / 1e9),
    }
}

/// The price, chosen like that of a served request: by the upstream's name of the model, otherwise by the client's.
pub(super) fn price(gateway: &Gateway, report: &Report, asked: &str) -> PricePart {
    let upstream = report.upstream.as_ref();
    let served = upstream.and_then(|upstream| upstream.model.as_deref());
    let prices = &gateway.prices;
    let quote = served
        .and_then(|model| prices.quote(model))
        .or_else(|| prices.quote(asked));
    let input = report.request.input_tokens;
    let usage = input.map(|input| Usage {
        input,
        ..Usage::default()
    });
    PricePart {
        model: quote.map(|quote| quote.model.to_owned()),
        source: quote.map(|quote| quote.source.to_owned()),
        rates: quote.map(|quote| RatesPart {
            input: quote.rates.input,
            output: quote.rates.output,
            cache_read: quote.rates.cache_read,
            cache_write_5m: quote.rates.cache_write_5m,
            cache_write_1h: quote.rates.cache_write_1h,
        }),
        input_usd: quote
            .zip(usage)
            .map(|(quote, usage)| quote.cost(&usage, None, None)),
    }
}
