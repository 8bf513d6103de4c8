//! `prometheus`: where to learn what other processes used.
use super::Texts;
use super::secret::RawSecret;
use crate::config::decode::{Field, Needed, mapping};
use crate::config::values::{Span, Text};

mapping!("a Prometheus server: `{ url: URL }`"
/// A Prometheus server that scrapes every weir of the fleet: what they used counts towards limits, also after a restart.
Prometheus {
    /// Its base URL, without `/api/v1`.
    url: Needed<Text>,
    /// The `instance` label under which it scrapes this weir.
    instance_label: Field<Text>,
    /// How often it is asked: 1s to 5m. Default 15s.
    poll: Field<Span>,
    /// How long an answer may take: at most 60s. Default 5s.
    timeout: Field<Span>,
    /// Labels and the values that series must have to be counted: `{ job: weir }`.
    matchers: Texts<Text>,
    /// Sent as `Authorization: Bearer`.
    token: Field<RawSecret>,
    /// Sent as `Authorization: Basic`.
    basic_auth: Field<BasicAuth>,
});

mapping!("`{ username: NAME, password: { env: NAME } }`"
/// A user and a password.
BasicAuth {
    /// The user.
    username: Needed<Text>,
    /// The password.
    password: Needed<RawSecret>,
});
