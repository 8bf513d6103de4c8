//! Configurations and requests in one line each.
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use weir::config::providers::{Auth, Provider};
use weir::config::{
    Account, AccountLimits, AffinityBy, Endpoint, Glob, ModelEntry, Models, Pool as PoolConfig,
    Select, StreamUsage, Timeouts,
};
use weir::moment::Moment;
use weir::outcome::FailureClass;
use weir::pool::affinity::{Session, hash};
use weir::pool::{Exhausted, Failure, Pick, Pool, Scope, Want};
use weir::protocol::UpstreamDialect;
use weir::protocol::hub::target::PromptCache;

pub const SECOND: Duration = Duration::from_secs(1);

pub fn at(now: Instant, wall: SystemTime) -> Moment {
    Moment { now, wall }
}

/// An account called `name` at its own endpoint.
pub fn account(name: &str) -> Account {
    Account {
        name: name.into(),
        index: 0,
        provider: Provider::from_name("simulated").expect("a built-in provider"),
        dialects: vec![UpstreamDialect::Anthropic],
        endpoints: vec![endpoint(&format!("https://{name}.example"))],
        auth: Auth::XApiKey,
        key: None,
        oauth2: None,
        query: Vec::new(),
        headers: Vec::new(),
        weight: 1,
        priority: 0,
        models: Models::default(),
        limits: AccountLimits::default(),
        egress: None,
        timeouts: Timeouts {
            connect: SECOND,
            first_byte: SECOND,
            idle: SECOND,
            write: SECOND,
            total: None,
        },
        health_check: None,
        prompt_cache: PromptCache::Auto,
        stream_usage: StreamUsage::AsSent,
        websocket: false,
        project: None,
    }
}

pub fn accounts(names: &[&str]) -> Vec<Account> {
    names.iter().map(|name| account(name)).collect()
}

pub fn endpoint(origin: &str) -> Endpoint {
    Endpoint {
        origin: origin.into(),
        tls: true,
        host: origin.trim_start_matches("https://").into(),
        port: 443,
        authority: origin.trim_start_matches("https://").into(),
        path: String::new(),
        weight: 1,
    }
}

pub fn models(entries: &[(&str, Option<&str>)]) -> Models {
    let entries = entries.iter().map(|(glob, upstream)| ModelEntry {
        glob: Glob::new(glob).unwrap(),
        upstream: upstream.map(Into::into),
    });
    Models {
        entries: entries.collect(),
    }
}

/// The accounts of a configuration, and one pool of all of them.
#[derive(Debug)]
pub struct Parts {
    pub accounts: Vec<Arc<Account>>,
    pub pools: Vec<PoolConfig>,
}

impl Parts {
    pub fn pool(&self, before: Option<&Pool>) -> Pool {
        Pool::of(&self.accounts, &self.pools, before)
    }
}

pub fn config(accounts: Vec<Account>, select: Select) -> Parts {
    let all = (0..accounts.len()).collect();
    let accounts = accounts.into_iter().enumerate();
    Parts {
        accounts: accounts
            .map(|(index, account)| Arc::new(Account { index, ..account }))
            .collect(),
        pools: vec![pool("default", all, select)],
    }
}

pub fn pool(name: &str, accounts: Vec<usize>, select: Select) -> PoolConfig {
    PoolConfig {
        name: name.into(),
        accounts,
        select,
        affinity: AffinityBy::Session,
        fallback: None,
    }
}

/// A pool of these accounts, and a time to start from.
pub fn build(accounts: Vec<Account>, select: Select) -> (Pool, Instant) {
    (config(accounts, select).pool(None), Instant::now())
}

pub fn want() -> Want<'static> {
    Want {
        pool: 0,
        pools: None,
        model: "claude-sonnet-4-5",
        vendor_family: None,
        dialect: Some(UpstreamDialect::Anthropic),
        prefers: None,
        inexpressible: &[],
        account: None,
        session: None,
        previous_response: None,
        tried: &[],
        prices: None,
        tokens: 0,
        draw: 0,
        insist: false,
    }
}

pub fn session(number: u64) -> Session {
    Session(hash(format!("session-{number}").as_bytes()))
}

pub fn in_session(number: u64) -> Want<'static> {
    Want {
        session: Some(session(number)),
        ..want()
    }
}

/// One request that succeeds at once; the name of its account.
pub fn serve(pool: &Pool, want: &Want<'_>, now: Instant) -> Result<Arc<str>, Exhausted> {
    let mut pick = pool.pick(want, now)?;
    pick.lease.committed(now);
    pick.lease.completed(now);
    Ok(Arc::clone(&pick.account.name))
}

/// One request to a named account that fails.
pub fn fail(pool: &Pool, name: &str, failure: &Failure, now: Instant) {
    let want = Want {
        account: Some(name),
        ..want()
    };
    let mut pick = pool.pick(&want, now).expect("usable until now");
    pick.lease.failed(failure, now, 0);
}

pub fn failure(class: FailureClass, scope: Scope, retry_after: Option<u64>) -> Failure {
    Failure {
        class,
        scope,
        retry_after: retry_after.map(Duration::from_secs),
        at_once: false,
        cause: None,
        is_named: false,
        doubt: None,
        is_echo: false,
        worded: None,
    }
}

pub fn throttled(seconds: u64) -> Failure {
    failure(FailureClass::Throttled, Scope::Account, Some(seconds))
}

pub fn name(picked: Result<Pick, Exhausted>) -> Arc<str> {
    Arc::clone(&picked.expect("an account").account.name)
}
