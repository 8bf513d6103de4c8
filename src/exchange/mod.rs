//! One request, pure: a chain of types, each of which can only be made by the step before.
//!
//! ```text
//! Received ──admit──► Admitted ──dispatch──► Dispatched ──relaying──► Relaying ──► Outcome
//!     └─────────────────────┴────── Refusal ──────┴─────────────────────┘
//! ```
//!
//! Time, ids and random draws are arguments; bytes come in and go out. `proxy` drives it and does the I/O.
pub mod admit;
pub mod dispatch;
pub mod headers;
pub mod local;
pub mod operation;
pub mod origin;
pub mod refusal;
pub mod relaying;

use std::sync::Arc;

use crate::config::Config;
use crate::keys::KeyIndex;
use crate::pool::Pool;
use crate::pricing::PriceTable;

/// What a configuration means for a request: built whole, swapped as one `Arc`; a request keeps the one it began with.
#[derive(Debug)]
pub struct Gateway {
    pub config: Config,
    pub keys: KeyIndex,
    pub prices: PriceTable,
    /// Live state: outlives the configuration.
    pub pool: Arc<Pool>,
}

impl Gateway {
    /// Builds everything that a request needs from `config`, around the live state in `pool`.
    pub fn build(config: Config, pool: Arc<Pool>) -> Self {
        let keys = KeyIndex::new(&config);
        let prices = PriceTable::new(&config.prices);
        Self {
            config,
            keys,
            prices,
            pool,
        }
    }
}
