//! The request to an upstream, as far as it decides how its answer is read and written.
use super::translated::Translated;
use crate::config::secret::Secret;
use crate::exchange::batches::Reader;
use crate::protocol::passthrough::Product;
use crate::protocol::regroup::Unit;
use crate::protocol::{Dialect, UpstreamDialect};

/// The request whose answer is relayed.
#[derive(Debug)]
pub(in crate::exchange) struct RelayedRequest {
    /// The client's dialect.
    pub client: Dialect,
    /// The upstream's dialect.
    pub upstream: UpstreamDialect,
    /// Whether a stream was asked for.
    pub stream: bool,
    pub kind: Kind,
    /// Whether the usage of the stream is hidden from the client, because only Weir asked for it.
    pub hides_usage: bool,
    /// The account's credential, which is masked wherever it occurs in the answer.
    pub secret: Option<Secret>,
    /// How the text of a stream is regrouped.
    pub regroup: Option<Unit>,
    /// The reader of batch results.
    pub results: Option<Box<Reader>>,
}

/// The kind of request.
#[derive(Debug)]
pub(in crate::exchange) enum Kind {
    /// In the client's own dialect; its bytes pass unchanged.
    Same,
    /// In another dialect.
    Translated {
        translated: Box<Translated>,
        /// Whether the complete response is stored for a later request.
        keeps: bool,
    },
    /// A count of tokens.
    Count,
    /// At an endpoint other than generation. Only JSON is read, and only where it may state usage (`tells`) or name a
    /// new object (`makes`).
    VendorCall {
        tells: bool,
        makes: bool,
        /// What the endpoint sells by another unit than tokens.
        product: Option<Product>,
    },
}

impl Kind {
    /// Whether the request is for an endpoint other than generation.
    pub(super) fn is_vendor_call(&self) -> bool {
        matches!(self, Self::VendorCall { .. })
    }

    /// Whether the answer may state usage.
    pub(super) fn tells(&self) -> bool {
        !matches!(self, Self::VendorCall { tells: false, .. })
    }

    /// What the endpoint sells by another unit than tokens.
    pub(super) fn product(&self) -> Option<Product> {
        match self {
            Self::VendorCall { product, .. } => *product,
            _ => None,
        }
    }

    /// Whether the complete response is stored for a later request.
    pub(super) fn keeps(&self) -> bool {
        matches!(self, Self::Translated { keeps: true, .. })
    }
}
