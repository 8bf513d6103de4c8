//! `GET /me/recent`: the last errors of the calling key, in words that reveal nothing about accounts.
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::state::app::App;
use crate::config::ClientKey;
use crate::exchange::relaying::Answer;
use crate::keys::ANONYMOUS;
use crate::telemetry::verdict::Verdict;

/// The errors, newest first.
pub(super) fn recent(app: &App, key: &ClientKey) -> Answer {
    let rows = app.telemetry.recent().from(0);
    let own: Vec<Value> = rows
        .iter()
        .rev()
        .filter(|row| row.outcome().key.as_ref() == Some(&key.name))
        .filter(|row| !matches!(row.verdict(), Verdict::Ok | Verdict::ClientGone))
        // All callers without a key have the same name, so none of them may see the others' errors.
        .filter(|_| &*key.name != ANONYMOUS)
        .take(SHOWN)
        .map(|row| {
            let outcome = row.outcome();
            let since = row.at().duration_since(UNIX_EPOCH).unwrap_or_default();
            let time = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
            let time = jiff::Timestamp::from_second(time);
            json!({
                "time": time.map(|time| time.to_string()).unwrap_or_default(),
                "request_id": outcome.request_id,
                "path": outcome.path,
                "model": outcome.model_asked,
                "status": outcome.status,
                "outcome": row.verdict().as_str(),
                "limit": outcome.limit.map(|(_, limit)| limit.as_str()),
            })
        })
        .collect();
    let body = json!({ "object": "list", "rows": own });
    let mut answer = Answer::json(200, body.to_string());
    let never = http::HeaderValue::from_static("no-store");
    answer.headers.insert(http::header::CACHE_CONTROL, never);
    answer
}

/// The most errors that are shown.
const SHOWN: usize = 30;
