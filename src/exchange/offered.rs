//! Which models upstreams list, for accounts that are configured without `models`. Upstreams are asked when a client
//! asks for a list, in the background if an older list is known, and at most every few minutes. Survives reloads.
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::{Account, Config};

/// The lists of upstreams, by account.
#[derive(Debug, Default)]
pub struct Offered {
    lists: Mutex<HashMap<Arc<str>, List>>,
}

/// The list of one upstream.
#[derive(Debug)]
struct List {
    /// The origin that was asked.
    origin: Arc<str>,
    /// The listed models; `None` = the upstream has not answered yet.
    models: Option<Arc<BTreeSet<String>>>,
    /// When the upstream was last asked.
    asked: Instant,
}

/// The accounts to be asked now.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Due {
    /// The names of the accounts.
    pub accounts: Vec<Arc<str>>,
    /// Whether nothing is known yet of at least one of them.
    pub is_first: bool,
}

impl Offered {
    /// The accounts to be asked now. From here on they count as asked.
    pub fn due(&self, config: &Config, now: Instant) -> Due {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if lists.len() > config.accounts.len() {
            lists.retain(|name, _| config.accounts.iter().any(|own| own.name == *name));
        }
        let mut due = Due::default();
        for account in config.accounts.iter().filter(|account| lists_none(account)) {
            if due.accounts.len() >= MOST_AT_ONCE {
                break;
            }
            let Some(origin) = origin(account) else {
                continue;
            };
            match lists.get_mut(&account.name) {
                Some(list) if list.origin == *origin => {
                    let pause = if list.models.is_some() { FRESH } else { AGAIN };
                    if now.saturating_duration_since(list.asked) < pause {
                        continue;
                    }
                    list.asked = now;
                }
                _ => {
                    due.is_first = true;
                    let list = List {
                        origin: Arc::clone(origin),
                        models: None,
                        asked: now,
                    };
                    lists.insert(Arc::clone(&account.name), list);
                }
            }
            due.accounts.push(Arc::clone(&account.name));
        }
        due
    }

    /// The account of this name, which was due, lists these models.
    pub fn note(&self, account: &str, models: Vec<String>) {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(list) = lists.get_mut(account) {
            list.models = Some(Arc::new(models.into_iter().collect()));
        }
    }

    /// The models that the upstream of an account lists, if the account itself lists none and the upstream has
    /// answered.
    pub(super) fn of(&self, account: &Account) -> Option<Arc<BTreeSet<String>>> {
        if !lists_none(account) {
            return None;
        }
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let list = lists.get(&account.name)?;
        let is_there = origin(account).is_some_and(|origin| list.origin == *origin);
        list.models.clone().filter(|_| is_there)
    }
}

fn lists_none(account: &Account) -> bool {
    account.models.entries.is_empty()
}

fn origin(account: &Account) -> Option<&Arc<str>> {
    Some(&account.endpoints.first()?.origin)
}

/// How long a list is used before the upstream is asked again.
const FRESH: Duration = Duration::from_mins(10);
/// How soon an upstream that has not answered is asked again.
const AGAIN: Duration = Duration::from_mins(1);
/// The most accounts that are asked at a time.
const MOST_AT_ONCE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn of(url: &str) -> Config {
        let text = format!(
            "version: 1\nanonymous: true\naccounts:\n  - {{ name: a, provider: simulated, dialect: gemini, base_url: \"{url}\" }}\n  \
             - {{ name: b, provider: simulated, dialect: gemini, base_url: \"{url}\", models: [m] }}\n"
        );
        config::parse("test", &text, &|_| None).expect("a configuration")
    }

    #[test]
    fn an_upstream_is_asked_now_and_then_and_only_where_the_account_lists_nothing() {
        let (offered, config) = (Offered::default(), of("http://127.0.0.1:9"));
        let (now, a) = (Instant::now(), &config.accounts[0]);
        let due =
            |config: &Config, seconds| offered.due(config, now + Duration::from_secs(seconds));
        let asks = |is_first| Due {
            accounts: vec!["a".into()],
            is_first,
        };
        assert_eq!(due(&config, 0), asks(true));
        assert_eq!(due(&config, 59), Due::default());
        assert_eq!(due(&config, 60), asks(false));
        assert_eq!(offered.of(a), None);
        offered.note("a", vec!["m".to_owned()]);
        assert!(offered.of(a).is_some_and(|list| list.contains("m")));
        assert_eq!(due(&config, 659), Due::default());
        assert_eq!(due(&config, 660), asks(false));
        // While the upstream is asked again, and when it fails to answer, its earlier list counts.
        assert!(offered.of(a).is_some());
        offered.note("stranger", vec!["m".to_owned()]);
        // At another address it is another upstream.
        let moved = of("http://127.0.0.1:10");
        assert_eq!(offered.of(&moved.accounts[0]), None);
        assert_eq!(due(&moved, 661), asks(true));
        assert_eq!(offered.of(&config.accounts[1]), None);
    }
}
