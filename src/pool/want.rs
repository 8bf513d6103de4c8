//! A request as the pool sees it, and the resulting choice.
use std::sync::Arc;

use super::affinity::Session;
use super::failure::{Failure, Scope};
use super::lease::Lease;
use super::state::model_class;
use crate::config::Account;
use crate::outcome::Affinity;
use crate::pricing::PriceTable;
use crate::protocol::UpstreamDialect;
use crate::protocol::hub::usage::Usage;

/// What a request requires of an account.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// Position in [`crate::config::Config::pools`]; its fallback pools are followed automatically. After
    /// [`super::Next::Fallback`], pass the fallback itself.
    pub pool: usize,
    /// The pools that the client key may use; `None` = all. A fallback that is not among them is not followed.
    pub pools: Option<&'a [usize]>,
    /// The model, after the route; empty = the request is not about a model.
    pub model: &'a str,
    /// The kind of endpoint, when the request is not for generation; its outcome counts for that kind alone. `None` =
    /// the request is for generation.
    pub vendor_family: Option<&'a str>,
    /// The dialect that the upstream must speak; `None` = any.
    pub dialect: Option<UpstreamDialect>,
    /// The dialects that cannot express the request. An account that speaks no other dialect is excluded.
    pub inexpressible: &'a [Inexpressible],
    /// The dialect that the upstream should preferably speak: within each pool, other accounts serve only when none
    /// that speaks it can.
    pub prefers: Option<UpstreamDialect>,
    /// The only account to consider, also with weight 0.
    pub account: Option<&'a str>,
    /// From [`super::affinity::session`].
    pub session: Option<Session>,
    /// The body's `previous_response_id`: the account that made that response is preferred.
    pub previous_response: Option<&'a str>,
    /// The attempts of this request that failed, from [`Pick::tried`].
    pub tried: &'a [Tried],
    /// The prices that `select: cheapest` compares; `None` = no model has a price there.
    pub prices: Option<&'a PriceTable>,
    /// Estimated tokens, which are reserved in the account's own limit; 0 = unknown.
    pub tokens: u64,
    /// A random number.
    pub draw: u64,
    /// Whether the request passes a full ramp instead of being refused because of it.
    pub insist: bool,
}

impl<'a> Want<'a> {
    /// The name of the shared limit that this request falls under: the class of its model as the upstream names it, or
    /// the kind of endpoint.
    pub(super) fn class(&self, upstream: &'a str) -> &'a str {
        self.vendor_family.unwrap_or_else(|| model_class(upstream))
    }
}

impl Want<'_> {
    /// The probable cost of the request in USD under this upstream model name; infinite where there is no price.
    pub(super) fn cost(&self, model: &str) -> f64 {
        let usage = Usage {
            input: match self.session {
                // The same for all requests of a session, so that a longer request does not move the session.
                Some(_) => USUAL_TOKENS,
                None => self.tokens,
            },
            output: USUAL_TOKENS,
            ..Usage::default()
        };
        let usd = self
            .prices
            .and_then(|prices| prices.cost(model, &usage, None));
        usd.unwrap_or(f64::INFINITY)
    }
}

/// The number of tokens by which prices are compared when nothing is known of a request.
const USUAL_TOKENS: u64 = 1000;

/// A dialect that cannot express a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inexpressible {
    pub dialect: UpstreamDialect,
    /// The upstream's name of the model for which this holds; `None` = for every model.
    pub model: Option<Arc<str>>,
}

impl Inexpressible {
    /// Whether this excludes `dialect` for `model`.
    pub fn covers(&self, dialect: UpstreamDialect, model: &str) -> bool {
        self.dialect == dialect && self.model.as_deref().is_none_or(|own| own == model)
    }
}

/// An attempt of this request that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tried {
    pub account: usize,
    /// The endpoint, when only that one is excluded: another endpoint of the same account may be tried. `None` = the
    /// whole account is excluded.
    pub endpoint: Option<usize>,
}

/// A choice, with the permit to use it.
#[derive(Debug)]
pub struct Pick {
    pub lease: Lease,
    pub account: Arc<Account>,
    /// Position in [`Account::endpoints`].
    pub endpoint: usize,
    /// The upstream's name of the model.
    pub model: Arc<str>,
    /// What affinity did; `None` without a session.
    pub affinity: Option<Affinity>,
    /// The pool that the account was picked from: the wanted one or a fallback.
    pub pool: usize,
}

impl Pick {
    /// The entry for [`Want::tried`] after this failure.
    pub fn tried(&self, failure: &Failure) -> Tried {
        Tried {
            account: self.account.index,
            endpoint: (failure.scope == Scope::Endpoint).then_some(self.endpoint),
        }
    }
}
