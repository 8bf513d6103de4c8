//! Finds a key by its name, without its secret.
use std::sync::Arc;

use crate::config::ClientKey;
use crate::exchange::Gateway;

/// The key of this name, or what is wrong with the name.
pub(super) fn named_key(gateway: &Gateway, name: &str) -> Result<Arc<ClientKey>, String> {
    if let Some(key) = gateway.config.keys.iter().find(|key| &*key.name == name) {
        return Ok(Arc::clone(key));
    }
    gateway
        .keys
        .anonymous()
        .filter(|key| &*key.name == name)
        .cloned()
        .ok_or_else(|| format!("no key is named `{name}`; {}", key_names(gateway)))
}

/// The names of the configured keys, for a message.
pub(super) fn key_names(gateway: &Gateway) -> String {
    let keys = gateway.config.keys.iter().take(MOST_NAMES);
    let names: Vec<&str> = keys.map(|key| &*key.name).collect();
    if names.is_empty() {
        "the configuration has none".into()
    } else {
        format!("the configuration has {}", names.join(", "))
    }
}

/// The most names in a message.
const MOST_NAMES: usize = 20;
