//! Settings whose feature does not exist yet. Typed all the same, so that the JSON Schema is that of version 1; the
//! decoder refuses them by name before any of this is read.
#![expect(
    dead_code,
    reason = "typed for the JSON Schema; read once the features exist"
)]
use crate::config::decode::{Field, Needed, mapping};
use crate::config::values::Text;

mapping!("`{ url: URL }`"
/// A Prometheus server to read totals from.
Prometheus {
    /// Its base URL.
    url: Needed<Text>,
    /// The `instance` label of this weir.
    instance_label: Field<Text>,
});
