//! `/status/requests` and `/status/sessions`: the running requests, and the recent sessions. They show no content and
//! no session ids that a client chose, only hashes of those ids.
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::times::precise;
use crate::protocol::hub::usage::Usage;
use crate::proxy::clocks;
use crate::proxy::state::app::App;

/// The requests that are being served, the oldest first.
pub(super) fn requests(app: &App) -> Value {
    let (all, at) = (app.running().all(), clocks::moment());
    let shown = all.iter().take(SHOWN).map(|run| {
        let (seen, age) = (run.seen(), run.age(at.now));
        json!({
            "request_id": seen.request_id,
            "started_at": precise(at.wall - age),
            "for_ms": u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            "key": seen.key,
            "project": seen.project,
            "path": seen.path,
            "model": seen.model,
            "stream": seen.stream,
            "session": seen.session.map(hex),
            "pool": seen.pool,
            "account": seen.account,
            "attempts": seen.attempts,
        })
    });
    let shown: Vec<Value> = shown.collect();
    json!({ "running": all.len(), "shown": shown.len(), "requests": shown })
}

/// What is known of a session.
#[derive(Debug)]
struct Session {
    key: Option<Arc<str>>,
    accounts: BTreeSet<Arc<str>>,
    models: BTreeSet<String>,
    first: SystemTime,
    last: SystemTime,
    requests: u64,
    running: u64,
    tokens: u64,
    cost_usd: f64,
}

impl Session {
    fn new(key: Option<Arc<str>>, at: SystemTime) -> Self {
        Self {
            key,
            accounts: BTreeSet::new(),
            models: BTreeSet::new(),
            first: at,
            last: at,
            requests: 0,
            running: 0,
            tokens: 0,
            cost_usd: 0.0,
        }
    }

    fn at(&mut self, from: SystemTime, to: SystemTime) {
        self.first = self.first.min(from);
        self.last = self.last.max(to);
    }

    fn with(&mut self, account: Option<&Arc<str>>, model: Option<&String>) {
        // An agent may use several models. A list longer than this would tell the reader nothing more.
        if self.accounts.len() < NAMES {
            self.accounts.extend(account.cloned());
        }
        if self.models.len() < NAMES {
            self.models.extend(model.cloned());
        }
    }
}

/// The sessions of the running and of the most recent requests, the latest first.
pub(super) fn sessions(app: &App) -> Value {
    let mut sessions: HashMap<u64, Session> = HashMap::new();
    for row in app.telemetry.recent().from(0) {
        let outcome = row.outcome();
        let Some(id) = outcome.session else { continue };
        let new = || Session::new(outcome.key.clone(), row.at());
        let session = sessions.entry(id).or_insert_with(new);
        session.at(row.started(), row.at());
        session.with(outcome.account.as_ref(), outcome.model_asked.as_ref());
        session.requests += 1;
        session.tokens += outcome.usage.as_ref().map_or(0, Usage::total);
        session.cost_usd += outcome.cost_usd.unwrap_or_default();
    }
    let at = clocks::moment();
    for run in app.running().all() {
        let seen = run.seen();
        let Some(id) = seen.session else { continue };
        let new = || Session::new(seen.key.clone(), at.wall);
        let session = sessions.entry(id).or_insert_with(new);
        session.at(at.wall - run.age(at.now), at.wall);
        session.with(seen.account.as_ref(), seen.model.as_ref());
        session.running += 1;
    }
    let known = sessions.len();
    let mut sessions: Vec<(u64, Session)> = sessions.into_iter().collect();
    sessions.sort_by_key(|(id, session)| (std::cmp::Reverse(session.last), *id));
    sessions.truncate(SHOWN);
    let shown: Vec<Value> = sessions
        .into_iter()
        .map(|(id, session)| {
            json!({
                "session": hex(id),
                "key": session.key,
                "accounts": session.accounts,
                "models": session.models,
                "first_at": precise(session.first),
                "last_at": precise(session.last),
                "running": session.running,
                "requests": session.requests,
                "tokens": session.tokens,
                "cost_usd": session.cost_usd,
            })
        })
        .collect();
    json!({ "known": known, "shown": shown.len(), "sessions": shown })
}

/// The session as the access log writes it.
fn hex(session: u64) -> String {
    format!("{session:016x}")
}

/// The most requests or sessions that are shown.
const SHOWN: usize = 1000;

/// The most accounts and models that are shown per session.
const NAMES: usize = 8;
