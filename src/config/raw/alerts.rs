//! `alerts`: who is told of budgets that come near their end.
use super::mapping::mapping;
use super::secret::{RawSecret, RawValue};
use super::values::Number;
use crate::config::yaml::decode::{Field, Needed};

mapping!("alerts: `{ webhook: { url: URL } }`"
/// Who is told when a budget in USD of a key, a group, a project or everyone comes near its end.
Alerts {
    /// Where each alert is posted to.
    webhook: Needed<Webhook>,
    /// Shares of a budget at which it is told, from above 0 to 1, at most 10. Default 0.8 and 1.
    at: Field<Vec<Field<Number>>>,
});

mapping!("a webhook: `{ url: URL, secret: { env: NAME } }`"
/// An HTTP server that takes alerts.
Webhook {
    /// The whole URL; one that is a secret itself is kept elsewhere: `{ env: NAME }` or `{ file: PATH }`.
    url: Needed<RawValue>,
    /// What signatures are made with. Absent = none are.
    secret: Field<RawSecret>,
});
