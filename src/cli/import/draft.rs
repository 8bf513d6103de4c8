//! The configuration while it is built, and its YAML form.
use std::collections::BTreeSet;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::config::secret::hex;
use crate::config::valid_name;

/// A secret from the other gateway's file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Secret {
    /// The name of an environment variable.
    Env(String),
    /// The secret as plain text.
    Plain(String),
}

/// An account. Empty and absent values are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    pub name: String,
    pub provider: &'static str,
    pub dialect: Option<&'static str>,
    pub base_url: Option<String>,
    pub keys: Vec<Secret>,
    pub has_no_key: bool,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub weight: Option<u64>,
    pub priority: Option<i64>,
    /// The client's model name or pattern, and the upstream's name.
    pub models: Vec<(String, Option<String>)>,
    pub concurrency: Option<u64>,
    pub rpm: Option<u64>,
    pub tpm: Option<u64>,
    pub egress: Option<String>,
    /// The time to the head of an answer, in seconds.
    pub first_byte: Option<u64>,
}

/// A pool.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    pub name: String,
    pub accounts: Vec<String>,
    pub select: Option<&'static str>,
    pub fallback: Option<String>,
}

/// A route; `when` is the inside of a YAML flow mapping.
#[derive(Clone, Debug, Default)]
pub struct Route {
    pub when: Vec<(&'static str, String)>,
    pub pool: Option<String>,
    pub model: Option<String>,
}

/// A client key.
#[derive(Clone, Debug, Default)]
pub struct Key {
    pub name: String,
    pub secret: Option<Secret>,
    pub models: Vec<String>,
    pub expires: Option<String>,
    pub rpm: Option<u64>,
    pub concurrency: Option<u64>,
    pub usd_per_day: Option<f64>,
    pub usd_per_month: Option<f64>,
}

/// The configuration so far.
#[derive(Debug, Default)]
pub struct Draft {
    accounts: Vec<Account>,
    names: BTreeSet<String>,
    pub pools: Vec<Pool>,
    pub routes: Vec<Route>,
    keys: Vec<Key>,
    pub max_attempts: Option<u64>,
    /// The address and port at which clients connect.
    pub listen: Option<String>,
    notes: Vec<String>,
}

impl Draft {
    /// Adds an account under a free name; returns that name.
    pub fn account(&mut self, mut account: Account) -> String {
        account.name = self.free(&account.name, "account");
        let name = account.name.clone();
        self.accounts.push(account);
        name
    }

    pub fn key(&mut self, mut key: Key) {
        key.name = self.free(&key.name, "key");
        self.keys.push(key);
    }

    /// Adds a note about something that was not converted exactly.
    pub fn note(&mut self, place: &str, what: &str) {
        self.notes.push(format!("{place} {what}"));
    }

    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    pub fn summary(&self) -> String {
        format!(
            "converted: {} accounts, {} pools, {} routes, {} keys; {} things are not as they were",
            self.accounts.len(),
            self.pools.len(),
            self.routes.len(),
            self.keys.len(),
            self.notes.len()
        )
    }

    /// A valid name that is similar to the wanted one and not yet used.
    fn free(&mut self, wished: &str, otherwise: &str) -> String {
        let mut plain: String = wished
            .chars()
            .map(|char| {
                if char.is_ascii_alphanumeric() || "._-@".contains(char) {
                    char
                } else {
                    '-'
                }
            })
            .take(LONGEST_NAME)
            .collect();
        plain = plain
            .trim_matches(|char: char| !char.is_ascii_alphanumeric())
            .to_owned();
        if valid_name(&plain).is_err() || plain == "anonymous" {
            otherwise.clone_into(&mut plain);
        }
        let mut name = plain.clone();
        let mut count = 1;
        while !self.names.insert(name.clone()) {
            count += 1;
            name = format!("{plain}-{count}");
        }
        name
    }

    /// The configuration as YAML.
    pub fn yaml(&self, source: &str) -> String {
        let mut text = format!(
            "# Made by `weir import` from {}.\n",
            source.replace(['\n', '\r'], " ")
        );
        for note in &self.notes {
            let _ = writeln!(text, "# not as it was: {}", note.replace(['\n', '\r'], " "));
        }
        text += "version: 1\n";
        if let Some(listen) = &self.listen {
            let _ = writeln!(text, "listen: [{{ addr: {} }}]", quoted(listen));
        }
        text += "\naccounts:\n";
        for account in &self.accounts {
            write_account(&mut text, account);
        }
        if !self.pools.is_empty() {
            text += "\npools:\n";
        }
        for pool in &self.pools {
            let mut members = vec![format!("name: {}", quoted(&pool.name))];
            members.push(format!("accounts: {}", list(&pool.accounts)));
            members.extend(pool.select.map(|select| format!("select: {select}")));
            members.extend(
                pool.fallback
                    .as_ref()
                    .map(|pool| format!("fallback: {}", quoted(pool))),
            );
            let _ = writeln!(text, "  - {{ {} }}", members.join(", "));
        }
        if !self.routes.is_empty() {
            text += "\nroutes:\n";
        }
        for route in &self.routes {
            let mut members = Vec::new();
            if !route.when.is_empty() {
                let when: Vec<String> = route
                    .when
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}"))
                    .collect();
                members.push(format!("when: {{ {} }}", when.join(", ")));
            }
            members.extend(
                route
                    .pool
                    .as_ref()
                    .map(|pool| format!("pool: {}", quoted(pool))),
            );
            members.extend(
                route
                    .model
                    .as_ref()
                    .map(|model| format!("model: {}", quoted(model))),
            );
            let _ = writeln!(text, "  - {{ {} }}", members.join(", "));
        }
        if self.keys.is_empty() {
            text += "\n# Nobody could call without it. `weir key new` makes keys.\nkeys:\n  - { name: \"client\", key: { env: WEIR_KEY } }\n";
        } else {
            text += "\nkeys:\n";
        }
        for key in &self.keys {
            write_key(&mut text, key);
        }
        if let Some(attempts) = self.max_attempts {
            let _ = writeln!(
                text,
                "\nretry: {{ max_attempts: {} }}",
                attempts.clamp(1, 10)
            );
        }
        text
    }
}

fn write_account(text: &mut String, account: &Account) {
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "    {name}: {value}");
    };
    let pairs = |pairs: &[(String, String)]| {
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{}: {}", quoted(name), quoted(value)))
            .collect();
        format!("{{ {} }}", pairs.join(", "))
    };
    line("name", &quoted(&account.name));
    line("provider", account.provider);
    if let Some(dialect) = account.dialect {
        line("dialect", dialect);
    }
    if let Some(url) = &account.base_url {
        line("base_url", &quoted(url));
    }
    match account.keys.as_slice() {
        [] if account.has_no_key => line("auth", "none"),
        [] => {}
        [key] => line("key", &secret(key)),
        keys => {
            let keys: Vec<String> = keys.iter().map(secret).collect();
            line("keys", &format!("[{}]", keys.join(", ")));
        }
    }
    for (name, values) in [("query", &account.query), ("headers", &account.headers)] {
        if !values.is_empty() {
            line(name, &pairs(values));
        }
    }
    let numbers = [
        ("weight", account.weight.map(|weight| weight.to_string())),
        (
            "priority",
            account.priority.map(|priority| priority.to_string()),
        ),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            line(name, &number);
        }
    }
    if !account.models.is_empty() {
        if account
            .models
            .iter()
            .all(|(_, upstream)| upstream.is_none())
        {
            let names: Vec<String> = account
                .models
                .iter()
                .map(|(name, _)| name.clone())
                .collect();
            line("models", &list(&names));
        } else {
            let entries: Vec<String> = account
                .models
                .iter()
                .map(|(name, upstream)| {
                    format!(
                        "{}: {}",
                        quoted(name),
                        quoted(upstream.as_ref().unwrap_or(name))
                    )
                })
                .collect();
            line("models", &format!("{{ {} }}", entries.join(", ")));
        }
    }
    let limits = [
        ("concurrency", account.concurrency),
        ("rpm", account.rpm),
        ("tpm", account.tpm),
    ];
    let limits: Vec<String> = limits
        .iter()
        .filter_map(|(name, limit)| Some(format!("{name}: {}", (*limit)?)))
        .collect();
    if !limits.is_empty() {
        line("limits", &format!("{{ {} }}", limits.join(", ")));
    }
    if let Some(egress) = &account.egress {
        line("egress", &quoted(egress));
    }
    if let Some(seconds) = account.first_byte {
        line(
            "timeouts",
            &format!("{{ first_byte: {}s }}", seconds.clamp(1, 3_600)),
        );
    }
    // The first line of the account begins the list item.
    if let Some(start) = text.rfind(&format!("    name: {}\n", quoted(&account.name))) {
        text.replace_range(start..start + 4, "  - ");
    }
}

fn write_key(text: &mut String, key: &Key) {
    let mut members = vec![format!("name: {}", quoted(&key.name))];
    match &key.secret {
        // The digest is enough to recognize the client.
        Some(Secret::Plain(key)) => {
            members.push(format!("sha256: {}", quoted(&hex(&Sha256::digest(key)))));
        }
        Some(other) => members.push(format!("key: {}", secret(other))),
        None => members.push(format!("key: {{ env: {} }}", variable(&key.name))),
    }
    if !key.models.is_empty() {
        members.push(format!("models: {}", list(&key.models)));
    }
    members.extend(
        key.expires
            .as_ref()
            .map(|expires| format!("expires: {}", quoted(expires))),
    );
    let counts = [("rpm", key.rpm), ("concurrency", key.concurrency)];
    let counts = counts
        .iter()
        .filter_map(|(name, count)| Some(format!("{name}: {}", (*count)?)));
    let usd = [
        ("usd_per_day", key.usd_per_day),
        ("usd_per_month", key.usd_per_month),
    ];
    let usd = usd
        .iter()
        .filter_map(|(name, usd)| Some(format!("{name}: {}", (*usd)?)));
    let limits: Vec<String> = counts.chain(usd).collect();
    if !limits.is_empty() {
        members.push(format!("limits: {{ {} }}", limits.join(", ")));
    }
    let _ = writeln!(text, "  - {{ {} }}", members.join(", "));
}

/// The environment variable for the key of this name.
pub fn variable(name: &str) -> String {
    let plain = |char: char| {
        if char.is_ascii_alphanumeric() {
            char.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    format!("KEY_{}", name.chars().map(plain).collect::<String>())
}

fn secret(secret: &Secret) -> String {
    match secret {
        Secret::Env(name) => format!("{{ env: {name} }}"),
        Secret::Plain(text) => quoted(text),
    }
}

fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}

/// A JSON string is also a valid YAML string.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Longest name; this leaves room for a number behind it.
const LONGEST_NAME: usize = 56;
