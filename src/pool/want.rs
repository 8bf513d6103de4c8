//! A request as the pool sees it, and the choice that it gets.
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

/// What a request needs of an account.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// Position in [`crate::config::Config::pools`]; its fallbacks follow by themselves. After
    /// [`super::Next::Fallback`] give the fallback itself.
    pub pool: usize,
    /// The pools that the client key may use; `None` = all. A fallback outside is not followed.
    pub pools: Option<&'a [usize]>,
    /// The model, as the route left it; empty = the request is not about a model.
    pub model: &'a str,
    /// The kind of endpoint beside generation that is asked: what comes of it counts for that kind alone. `None` = an
    /// answer is asked for.
    pub aside: Option<&'a str>,
    /// What the upstream must speak; `None` = anything.
    pub dialect: Option<UpstreamDialect>,
    /// In what the request cannot be said: who speaks nothing else is left out.
    pub without: &'a [Mute],
    /// What the upstream should rather speak: within each pool others serve only when none of those can.
    pub prefers: Option<UpstreamDialect>,
    /// The only account to consider, also with weight 0.
    pub account: Option<&'a str>,
    /// From [`super::affinity::session`].
    pub session: Option<Session>,
    /// The body's `previous_response_id`: the account that made it is preferred.
    pub previous_response: Option<&'a str>,
    /// What has been tried for this request, from [`Pick::tried`].
    pub tried: &'a [Tried],
    /// By which `select: cheapest` compares; `None` = there nothing has a price.
    pub prices: Option<&'a PriceTable>,
    /// Estimated tokens, reserved in the account's own limit; 0 = unknown.
    pub tokens: u64,
    /// Randomness.
    pub draw: u64,
    /// Whether to pass a full ramp rather than be refused because of it.
    pub insist: bool,
}

impl<'a> Want<'a> {
    /// What shares a limit with this request: the class of its model as the upstream calls it, or the kind of endpoint.
    pub(super) fn class(&self, upstream: &'a str) -> &'a str {
        self.aside.unwrap_or_else(|| model_class(upstream))
    }
}

impl Want<'_> {
    /// What the request probably costs where the model has this name; without end where there is no price.
    pub(super) fn cost(&self, model: &str) -> f64 {
        let usage = Usage {
            input: match self.session {
                // The same for all requests of a session, so that a longer one does not move it.
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

/// Tokens that prices are compared by where nothing is known of a request.
const USUAL_TOKENS: u64 = 1000;

/// A dialect in which a request cannot be said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mute {
    pub dialect: UpstreamDialect,
    /// The upstream's name for the model that cannot be told it; `None` = whatever the model.
    pub model: Option<Arc<str>>,
}

impl Mute {
    /// Whether this is among what stands in the way of `dialect` for `model`.
    pub fn covers(&self, dialect: UpstreamDialect, model: &str) -> bool {
        self.dialect == dialect && self.model.as_deref().is_none_or(|own| own == model)
    }
}

/// An attempt of this request that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tried {
    pub account: usize,
    /// The endpoint, when only that one is out: another of the same account may be tried.
    pub endpoint: Option<usize>,
}

/// A choice, with the permit to use it.
#[derive(Debug)]
pub struct Pick {
    pub lease: Lease,
    pub account: Arc<Account>,
    /// Position in [`Account::endpoints`].
    pub endpoint: usize,
    /// What the upstream calls the model.
    pub model: Arc<str>,
    /// What affinity did; `None` without a session.
    pub affinity: Option<Affinity>,
    /// The pool that it came from: the one wanted or a fallback.
    pub pool: usize,
}

impl Pick {
    /// What to put among [`Want::tried`] after this failure.
    pub fn tried(&self, failure: &Failure) -> Tried {
        Tried {
            account: self.account.index,
            endpoint: (failure.scope == Scope::Endpoint).then_some(self.endpoint),
        }
    }
}
