//! One request, pure: a chain of types, each of which only the step before can make.
//!
//! ```text
//! Received ──admit──► Admitted ──attempts──► Attempt ──relaying──► Relaying ──► Outcome
//!     └─────────────────────┴────── Refusal ───┴───────────────────┘
//! ```
//!
//! Time, ids and random draws are arguments; bytes come in and go out. `proxy` drives the steps and does the I/O.
mod account_objects;
pub mod admit;
pub mod attempt;
mod attempt_maker;
pub mod attempts;
mod awaited;
pub mod background;
pub mod batches;
mod bill;
mod body_scan;
mod catalogue;
mod charge;
mod codex;
mod counting;
mod echo;
pub mod estimate;
pub mod explain;
mod extent;
mod failure_messages;
mod form;
pub mod framing;
pub mod headers;
mod inexpressible;
pub mod limits;
pub mod local;
mod markers;
pub mod me;
pub mod occasion;
mod offered;
pub mod operation;
mod order;
pub mod origin;
pub mod path;
mod plan;
mod price_factors;
mod product_usage;
mod reading;
mod received;
pub mod refusal;
pub mod relaying;
pub mod rewrite;
mod route;
mod search;
mod serving_record;
mod session;
pub mod socket;
mod step;
pub mod store;
mod stream_usage;
pub mod tape;
pub mod target;
mod translation;
mod usage;
pub mod vendor_call;
mod verdict;

use std::sync::Arc;

use crate::config::Config;
use crate::keys::KeyIndex;
use crate::limits::Limits;
use crate::pool::Pool;
use crate::pricing::PriceTable;
use crate::tokens::Tokens;
use background::BackgroundResponses;
use offered::Offered;
use store::Store;
pub use stream_usage::Unwilling;

/// What a configuration means for requests. It is built as a whole and swapped as one `Arc`; a request keeps the one
/// that it began with.
#[derive(Debug)]
pub struct Gateway {
    pub config: Arc<Config>,
    pub keys: KeyIndex,
    pub limits: Limits,
    pub prices: PriceTable,
    /// Whether the accounts speak more than one dialect, so that a conversation may have been translated before.
    pub mixed: bool,
    /// Whether an account has a limit of tokens, so that prompts are estimated with care.
    pub counts_tokens: bool,
    pub pool: Pool,
    /// What has been learnt about counting tokens. Survives reloads.
    pub tokens: Arc<Tokens>,
    /// Upstreams that refuse to state the usage of a stream.
    pub unwilling: Arc<Unwilling>,
    /// Upstreams that refuse cache markers.
    pub unmarked: Arc<Unwilling>,
    /// Stored answers that clients may continue. Survives reloads that do not turn it off.
    pub store: Arc<Store>,
    /// Responses that are generated in the background. Survives reloads.
    pub background: Arc<BackgroundResponses>,
    /// The models that upstreams list for accounts without `models`. Survives reloads.
    pub offered: Arc<Offered>,
}

impl Gateway {
    /// Builds everything that a request needs from `config`. The live state of the accounts and the use of clients are
    /// taken over from `before`.
    pub fn build(config: Config, before: Option<&Self>) -> Self {
        let config = Arc::new(config);
        let first = config.accounts.first().map(|account| &account.dialects);
        let mixed = config
            .accounts
            .iter()
            .any(|account| Some(&account.dialects) != first);
        let store = before
            .filter(|_| config.responses.is_some())
            .map(|before| Arc::clone(&before.store))
            .unwrap_or_default();
        let mut limits = config.accounts.iter().map(|account| &account.limits);
        Self {
            mixed,
            counts_tokens: limits.any(|limits| limits.tpm.is_some()),
            store,
            keys: KeyIndex::new(&config),
            limits: Limits::of_config(&config, before.map(|before| &before.limits)),
            prices: PriceTable::new(&config.prices),
            pool: Pool::new(&config, before.map(|before| &before.pool)),
            tokens: before
                .map(|before| Arc::clone(&before.tokens))
                .unwrap_or_default(),
            unwilling: Arc::default(),
            unmarked: Arc::default(),
            background: before
                .map(|before| Arc::clone(&before.background))
                .unwrap_or_default(),
            offered: before
                .map(|before| Arc::clone(&before.offered))
                .unwrap_or_default(),
            config,
        }
    }

    /// A copy of the present state, on which a request can be tried without effects.
    #[must_use]
    pub fn shadow(&self) -> Self {
        Self {
            config: Arc::clone(&self.config),
            keys: KeyIndex::new(&self.config),
            limits: self.limits.shadow(),
            prices: PriceTable::new(&self.config.prices),
            mixed: self.mixed,
            counts_tokens: self.counts_tokens,
            pool: self.pool.shadow(),
            // An estimate of a prompt changes nothing, so this is shared.
            tokens: Arc::clone(&self.tokens),
            unwilling: Arc::clone(&self.unwilling),
            unmarked: Arc::clone(&self.unmarked),
            store: Arc::clone(&self.store),
            background: Arc::default(),
            offered: Arc::clone(&self.offered),
        }
    }
}
