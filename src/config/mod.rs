//! The configuration: YAML in, one immutable [`Config`] out, or every fault at once.
//!
//! | module | what it is |
//! | --- | --- |
//! | `load` | the only way to a [`Config`]: from a file, the environment or the demo |
//! | `shown` | a text with its secrets masked |
//! | `sources` | the texts on disk: the configuration and its fragments, read until two readings agree |
//! | `compile` | `raw` → [`Config`]: defaults, references, checks of several members; reads the referenced files |
//! | `raw` | the file, member for member: the schema, and every setting's default and range |
//! | `yaml` | text to a tree with positions, and the decoder |
//! | `settings` | what the program uses; [`Config`] has no serde |
//!
//! A module uses only those below it in this list; `diagnostic`, `name` and `secret` are below all.
pub mod diagnostic;
pub mod name;
pub mod secret;

mod compile;
mod load;
mod raw;
mod settings;
mod shown;
mod sources;
mod yaml;

pub use load::{
    check_fragment, check_text, check_without_secrets, demo, endpoint_at, from_environment,
    has_vendor_key, hash_on_disk, load, parse, prometheus_at, shown_on_disk,
};
pub use raw::schema::schema;
pub use raw::values::{valid_admin_address, valid_name};
pub use settings::*;

/// Whether `log.level` may have this value.
pub fn is_log_level(name: &str) -> bool {
    raw::Level::is(name)
}
