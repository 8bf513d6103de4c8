//! The figures of a report: limits and how they stand, and the price.
use super::Explainer;
use super::report::{LimitPart, PricePart, RatesPart, ReservedPart};
use crate::config::ClientKey;
use crate::exchange::admit::Admitted;
use crate::exchange::limits;
use crate::exchange::operation::Endpoint;
use crate::exchange::refusal::Refusal;
use crate::limits::{Limit, Scope};
use crate::pool::{Pick, Used};
use crate::protocol::hub::usage::Usage;

impl Explainer<'_> {
    /// How many requests the server takes at once.
    pub(super) fn server_limit(&mut self) -> Result<(), Refusal> {
        let most = self.gateway.config.server.max_concurrent_requests;
        let count = self.ask.in_flight;
        let used = count.map(|count| count as f64);
        self.limit("server", "max_concurrent_requests", most as f64, used);
        if count.is_some_and(|count| count >= most) {
            return Err(Refusal::Overloaded);
        }
        Ok(())
    }

    /// The limits of the account that is asked first.
    pub(super) fn own_limits(&mut self, pick: &Pick) {
        let (account, limits) = (&pick.account, &pick.account.limits);
        let scope = format!("account {}", account.name);
        let used = self.used.get(account.index).copied().flatten();
        let used = used.filter(|_| self.ask.in_flight.is_some());
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
        for (limit, cap, used) in all {
            if let Some(cap) = cap {
                self.limit(&scope, limit, cap, used);
            }
        }
    }

    fn limit(&mut self, scope: &str, limit: &'static str, cap: f64, used: Option<f64>) {
        self.report.limits.push(LimitPart {
            scope: scope.to_owned(),
            limit,
            cap,
            used,
            resets_in_seconds: None,
        });
    }

    /// The limits of the key, its group and everyone, before the request is admitted.
    pub(super) fn client_limits(&mut self, key: &ClientKey) {
        let (now, wall) = (self.moment.now, self.moment.wall);
        let live = self.ask.in_flight.is_some();
        let project = self.report.client.as_ref();
        let project = project.and_then(|client| client.project.as_deref());
        let whom = self.gateway.limits.whom(key.index, project);
        let standings = self.gateway.limits.standings(whom, now, wall);
        for (scope, name, standing) in standings {
            let resets = live && standing.limit != Limit::Concurrency;
            self.report.limits.push(LimitPart {
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
            });
        }
    }

    /// What is set aside for a request.
    pub(super) fn reserved(&self, admitted: &Admitted) -> ReservedPart {
        let counted = admitted.call.endpoint != Endpoint::Count
            && self
                .gateway
                .limits
                .need_estimate(admitted.whom(&self.gateway.limits));
        let estimate = counted.then(|| limits::estimate(&self.gateway, admitted));
        ReservedPart {
            account_tokens: admitted.estimated_tokens(),
            tokens: estimate.map(|estimate| estimate.tokens),
            usd: estimate.map(|estimate| estimate.nano_usd as f64 / 1e9),
        }
    }

    /// As the record of a request is priced: by the upstream's name of the model, else by the client's.
    pub(super) fn price(&self, asked: &str) -> PricePart {
        let upstream = self.report.upstream.as_ref();
        let served = upstream.and_then(|upstream| upstream.model.as_deref());
        let prices = &self.gateway.prices;
        let quote = served
            .and_then(|model| prices.quote(model))
            .or_else(|| prices.quote(asked));
        let input = self.report.request.input_tokens;
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
}
