//! Access tokens for accounts without a key: fetched before they are needed, one refresh at a time per account.
//!
//! One task per account asks its token endpoint when `credentials::Lifecycle` says so. Requests use the existing token
//! and wait only when there is none. The token endpoint is reached like the account's upstream: same egress, same
//! trusted authorities, same connector.
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use http::Method;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::connect::{ConnectFault, Connections};
use super::own_request::{OwnRequest, OwnRequestFault};
use super::way::{Target, Way};
use crate::config::oauth2::OAuth2;
use crate::config::{Account, Config};
use crate::credentials::{self, Fault, Granted, Lifecycle, Need, Status, Token, TokenRequest};
use crate::pool::Failure;
use crate::proxy::random::Random;
use crate::telemetry::Telemetry;

/// The token sources of one configuration, by the names of their accounts.
#[derive(Default)]
pub(crate) struct AccessTokens(HashMap<Arc<str>, Arc<Source>>);

/// What is needed to fetch tokens.
pub(crate) struct Means {
    pub connections: Arc<Connections>,
    pub telemetry: Arc<Telemetry>,
    pub random: Arc<Random>,
}

/// The token of one account. It outlives reloads as long as the `oauth2` settings stay the same.
struct Source {
    state: Mutex<State>,
    /// Wakes the task, which then checks the state again or ends.
    wake: Arc<Notify>,
    /// Tells waiting requests that a refresh is over.
    news: Notify,
}

struct State {
    /// The account as in the latest configuration; its egress and timeouts may have changed.
    account: Arc<Account>,
    lifecycle: Lifecycle,
}

impl AccessTokens {
    /// The tokens of a configuration. A source that is unchanged since `before` keeps its token.
    pub(crate) fn of(config: &Config, before: &Self, means: &Arc<Means>) -> Self {
        let with_tokens = config
            .accounts
            .iter()
            .filter_map(|account| Some((account, account.oauth2.as_ref()?)));
        let sources = with_tokens.map(|(account, settings)| {
            let known = before.0.get(&account.name);
            let source = match known.filter(|source| source.is_for(settings)) {
                Some(source) => {
                    source.state.lock().account = account.clone();
                    source.retry();
                    source.clone()
                }
                None => Source::start(account, settings, means),
            };
            (account.name.clone(), source)
        });
        Self(sources.collect())
    }

    /// The token for a request to `account`; `None` when the account has a key or needs none. Waits only when there is
    /// no token, and no longer than a connection may take.
    pub(crate) async fn token(&self, account: &Account) -> Result<Option<Token>, Failure> {
        if account.oauth2.is_none() {
            return Ok(None);
        }
        let Some(source) = self.0.get(&account.name) else {
            return Err(Failure::no_token(false, SHORTEST_BENCH));
        };
        let patience = account.timeouts.connect;
        match tokio::time::timeout(patience, source.token()).await {
            Ok(token) => token.map(Some),
            // The refresh continues with its own timeout. Meanwhile other requests do not wait for it in vain.
            Err(_) => Err(Failure::no_token(false, patience.max(SHORTEST_BENCH))),
        }
    }

    /// The upstream refused the credential. Returns whether a retry is worthwhile, because the credential was a token
    /// that can be replaced.
    pub(crate) fn rejected(&self, account: &Account, token: Option<&Token>) -> bool {
        let Some((source, token)) = self.0.get(&account.name).zip(token) else {
            return false;
        };
        let again = source
            .state
            .lock()
            .lifecycle
            .rejected(token, Instant::now());
        if again {
            tracing::info!(account = %account.name, "the upstream refused the access token: fetching another");
            source.wake.notify_one();
        }
        again
    }

    /// Ends the backoff of an account's token endpoint.
    pub(crate) fn retry(&self, account: &str) {
        if let Some(source) = self.0.get(account) {
            source.retry();
        }
    }

    /// The state of an account's token; `None` when the account does not use tokens.
    pub(crate) fn status(&self, account: &str, now: Instant) -> Option<Status> {
        let source = self.0.get(account)?;
        Some(source.state.lock().lifecycle.status(now))
    }
}

impl Source {
    fn start(account: &Arc<Account>, settings: &OAuth2, means: &Arc<Means>) -> Arc<Self> {
        let source = Arc::new(Self {
            state: Mutex::new(State {
                account: account.clone(),
                lifecycle: Lifecycle::new(&settings.grant),
            }),
            wake: Arc::default(),
            news: Notify::new(),
        });
        let (weak, wake) = (Arc::downgrade(&source), source.wake.clone());
        tokio::spawn(keep_fresh(weak, wake, means.clone()));
        source
    }

    fn is_for(&self, settings: &OAuth2) -> bool {
        self.state.lock().account.oauth2.as_ref() == Some(settings)
    }

    fn retry(&self) {
        self.state.lock().lifecycle.retry();
        self.wake.notify_one();
    }

    async fn token(&self) -> Result<Token, Failure> {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            // From here on no notification is missed.
            news.as_mut().enable();
            let need = self.state.lock().lifecycle.need(Instant::now());
            match need {
                Need::Token(token) => return Ok(token),
                Need::None { fault, wait } => {
                    let refused = matches!(fault, Fault::Refused(_));
                    return Err(Failure::no_token(refused, wait.max(SHORTEST_BENCH)));
                }
                Need::Wait => {}
            }
            self.wake.notify_one();
            news.await;
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

/// Keeps fetching tokens, as long as the source is in use.
async fn keep_fresh(source: Weak<Source>, wake: Arc<Notify>, means: Arc<Means>) {
    loop {
        let wait = {
            let Some(source) = source.upgrade() else {
                return;
            };
            refresh_if_due(&source, &means).await;
            let now = Instant::now();
            let due = source.state.lock().lifecycle.due(now);
            due.map_or(LONGEST_SLEEP, |due| due.saturating_duration_since(now))
        };
        tokio::select! {
            () = tokio::time::sleep(wait.min(LONGEST_SLEEP)) => {}
            () = wake.notified() => {}
        }
    }
}

async fn refresh_if_due(source: &Source, means: &Means) {
    let (account, request) = {
        let mut state = source.state.lock();
        let state = &mut *state;
        let Some(settings) = &state.account.oauth2 else {
            return;
        };
        if !state.lifecycle.begin(Instant::now()) {
            return;
        }
        let request =
            credentials::request(settings, state.lifecycle.refresh_token(), SystemTime::now());
        (state.account.clone(), request)
    };
    let fetched = match &request {
        Ok(request) => tokio::time::timeout(PATIENCE, fetch(&means.connections, &account, request))
            .await
            .unwrap_or_else(|_| Err(failed("no answer in time"))),
        Err(fault) => Err(fault.clone()),
    };
    match &fetched {
        Ok(_) => tracing::debug!(account = %account.name, "access token refreshed"),
        Err(fault) => {
            let why = fault.detail();
            tracing::warn!(account = %account.name, %why, "no access token");
        }
    }
    means
        .telemetry
        .token_refresh(&account.name, fetched.is_ok());
    {
        let lifecycle = &mut source.state.lock().lifecycle;
        match fetched {
            Ok(granted) => lifecycle.granted(granted, Instant::now(), means.random.draw()),
            Err(fault) => lifecycle.failed(fault, Instant::now(), means.random.draw()),
        }
    }
    source.news.notify_waiters();
}

/// Sends one request to the token endpoint.
async fn fetch(
    connections: &Connections,
    account: &Account,
    request: &TokenRequest,
) -> Result<Granted, Fault> {
    let settings = account
        .oauth2
        .as_ref()
        .ok_or_else(|| failed("no settings"))?;
    let own_request = OwnRequest {
        method: Method::POST,
        path: &settings.token_url.path,
        endpoint: &settings.token_url,
        headers: request.headers.clone(),
        body: Some(request.body.clone()),
        longest: LONGEST_ANSWER,
    };
    let target = Target::new(Arc::new(Way::new(account, &settings.token_url, None)));
    let answered = own_request.send(connections, &target, account.timeouts.connect);
    let (status, body) = answered.await.map_err(|fault| failed(no_answer(fault)))?;
    credentials::answer(request, status, &body)
}

fn failed(why: &str) -> Fault {
    Fault::Failed(why.to_owned())
}

const fn no_answer(fault: OwnRequestFault) -> &'static str {
    match fault {
        OwnRequestFault::NoConnection(ConnectFault::Dns) => {
            "the name of the token endpoint has no address"
        }
        OwnRequestFault::NoConnection(ConnectFault::Refused) => {
            "the token endpoint refuses connections"
        }
        OwnRequestFault::NoConnection(ConnectFault::Timeout) => {
            "the token endpoint cannot be reached in time"
        }
        OwnRequestFault::NoConnection(ConnectFault::Tls) => {
            "the TLS handshake with the token endpoint failed"
        }
        OwnRequestFault::NoConnection(ConnectFault::TlsExpired) => {
            "the certificate of the token endpoint has expired or is not valid yet"
        }
        OwnRequestFault::NoConnection(ConnectFault::TlsName) => {
            "the certificate of the token endpoint is for another name"
        }
        OwnRequestFault::NoConnection(ConnectFault::TlsUnknownCa) => {
            "the certificate of the token endpoint is of an authority that is not trusted here"
        }
        OwnRequestFault::NoConnection(ConnectFault::ProxyAuth) => {
            "the egress proxy to the token endpoint wants other credentials"
        }
        OwnRequestFault::NoConnection(ConnectFault::ProxyRefused) => {
            "the egress proxy lets nothing through to the token endpoint"
        }
        OwnRequestFault::NoConnection(ConnectFault::Unreachable) => {
            "no address of the token endpoint can be reached"
        }
        OwnRequestFault::Unwritable => "the request cannot be written",
        OwnRequestFault::Broke(_) => "the connection broke before an answer",
        OwnRequestFault::BrokeOff | OwnRequestFault::TooLong(_) => {
            "an answer that breaks off or has no end"
        }
    }
}

/// The longest time for a refresh.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most bytes of an answer; real ones stay below 8 KiB.
const LONGEST_ANSWER: usize = 64 << 10;

/// The shortest time for which an account without a token is benched.
const SHORTEST_BENCH: Duration = Duration::from_secs(1);

/// The longest sleep of the task when nobody wakes it.
const LONGEST_SLEEP: Duration = Duration::from_hours(1);
