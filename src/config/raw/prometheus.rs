//! `prometheus`: where to learn what other processes used.
use std::time::Duration;

use super::Texts;
use super::mapping::mapping;
use super::secret::RawSecret;
use super::setting::{Measure as _, Setting, minutes, seconds};
use crate::config::raw::values::{Span, Text};
use crate::config::yaml::decode::{Field, Needed};

mapping!("a Prometheus server: `{ url: URL }`"
/// A Prometheus server that scrapes every weir of the fleet: what they used counts towards limits, also after a restart.
Prometheus {
    /// Its base URL, without `/api/v1`.
    url: Needed<Text>,
    /// The `instance` label under which it scrapes this weir.
    instance_label: Field<Text>,
    /// How often it is asked.
    poll: Setting<Span> = Span::or(seconds(15)).from(seconds(1)).up_to(minutes(5)),
    /// How long an answer may take.
    timeout: Setting<Span> = Span::or(seconds(5)).above(Duration::ZERO).up_to(minutes(1)),
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
