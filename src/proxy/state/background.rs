//! Books what is done later: responses that were made in the background, and videos, that no client has fetched, and the results of
//! batches.
//! What is waited for stands beside the ledger, from where a restart and other processes on the same file know of it.
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;

use super::app::{App, Snapshot};
use crate::exchange::background::{Claim, Response};
use crate::exchange::batches::Results;
use crate::limits::ledger::{self, Attribution, Notes};
use crate::limits::{BudgetHold, Used, nano_usd};
use crate::outcome::{End, Outcome, UsageSource};
use crate::protocol::Dialect;
use crate::protocol::hub::usage::Stated;
use crate::protocol::passthrough::{self, Video, VideoState};
use crate::protocol::written::Written;
use crate::proxy::clocks;
use crate::proxy::upstream::probe;

/// Starts looking for what is due. Runs as long as the process lives.
pub(crate) fn begin(app: &Arc<App>) {
    let mut known = None;
    if let Some(ledger) = &app.ledger {
        app.snapshot()
            .gateway
            .background
            .keep_in(Arc::clone(ledger));
        tokio::task::block_in_place(|| recall(app, &mut known));
    }
    tokio::spawn(follow(Arc::clone(app), known));
}

async fn follow(app: Arc<App>, mut known: Option<(u64, u64)>) {
    loop {
        tokio::time::sleep(EVERY).await;
        // After a handover, the new process does this.
        if app.is_draining() {
            continue;
        }
        if app.ledger.is_some() {
            tokio::task::block_in_place(|| recall(&app, &mut known));
        }
        let snapshot = app.snapshot();
        for claim in snapshot.gateway.background.due(Instant::now()) {
            look(&app, &snapshot, claim).await;
        }
    }
}

/// Takes over what is recorded beside the ledger, if the file has changed since `known`.
fn recall(app: &App, known: &mut Option<(u64, u64)>) {
    let snapshot = app.snapshot();
    let gateway = &snapshot.gateway;
    let Some(settings) = &gateway.config.ledger else {
        return;
    };
    let mark = ledger::mark(&settings.path);
    if mark == *known {
        return;
    }
    *known = mark;
    let moment = clocks::moment();
    let seconds = moment.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let notes = match Notes::read(&settings.path, seconds.as_secs()) {
        Ok(notes) => notes,
        Err(error) => {
            tracing::warn!(%error, "what is to be booked later cannot be read");
            return;
        }
    };
    for note in notes.open.values() {
        if let Some(account) = &note.account {
            gateway.pool.recall_object(&note.id, account, moment.now);
        }
    }
    gateway
        .background
        .recall(&notes, moment, |key, project, nano_usd| {
            let mut keys = gateway.config.keys.iter();
            let key = keys.find(|known| &*known.name == key);
            key.map_or_else(BudgetHold::default, |key| {
                let principal = gateway.limits.principal(key.index, project);
                gateway.limits.hold(principal, nano_usd)
            })
        });
}

/// Books what the results of a batch state.
pub(crate) fn book_results(app: &App, results: Vec<Results>, path: &str) {
    let snapshot = app.snapshot();
    for result in results {
        let booking = Booking {
            who: &result.who,
            limited: result.project.as_ref(),
            used: Used {
                usage: result.usage,
                nano_usd: result.nano_usd.unwrap_or_default(),
            },
            is_priced: result.nano_usd.is_some(),
            source: UsageSource::Reported,
            refused: result.refused,
        };
        let mut outcome = Outcome::new(End::Complete);
        outcome.client_dialect = Some(result.dialect);
        outcome.upstream_dialect = Some(result.dialect.upstream());
        path.clone_into(&mut outcome.path);
        outcome.model_asked = result.who.model.as_ref().map(ToString::to_string);
        outcome.via = Some("batch");
        settle(app, &snapshot, &booking, outcome);
    }
}

/// What is booked, and to whom it is attributed.
struct Booking<'a> {
    who: &'a Attribution,
    /// The project whose limits apply.
    limited: Option<&'a Arc<str>>,
    used: Used,
    is_priced: bool,
    source: UsageSource,
    /// Whether stated figures were rejected as impossible.
    refused: bool,
}

/// What the account reports about a response.
enum ResponseState {
    /// The response is finished: what it used (`None` = nothing, because it failed) and its service tier.
    Done(Option<(Stated, UsageSource)>, Option<String>),
    /// The account does not know the response any more.
    Gone,
    NotYet,
}

async fn look(app: &App, snapshot: &Snapshot, mut claim: Claim) {
    let Some(response) = claim.response() else {
        return;
    };
    match ask(app, snapshot, response).await {
        ResponseState::Done(used, tier) => {
            if let Some(used) = used {
                book(app, snapshot, response, used, tier.as_deref());
            }
            claim.done();
        }
        ResponseState::Gone => {
            book(app, snapshot, response, estimated(response), None);
            claim.done();
        }
        ResponseState::NotYet => {
            if !claim.postpone(Instant::now())
                && let Some(response) = claim.response()
            {
                book(app, snapshot, response, estimated(response), None);
                claim.done();
            }
        }
    }
}

fn estimated(response: &Response) -> (Stated, UsageSource) {
    (response.estimated(), UsageSource::Estimated)
}

async fn ask(app: &App, snapshot: &Snapshot, response: &Response) -> ResponseState {
    let mut accounts = snapshot.gateway.config.accounts.iter();
    let account = response.who.account.as_deref();
    let account = account.and_then(|name| accounts.find(|account| &*account.name == name));
    let Some(account) = account else {
        return ResponseState::Gone;
    };
    let path = response.path();
    let (upstreams, tokens) = (&snapshot.upstreams, &snapshot.tokens);
    let asking = probe::get(account, upstreams, tokens, &app.connections, &path);
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok((200..=299, body))) if response.video.is_some() => watch(&body),
        Ok(Ok((200..=299, body))) => {
            let tokens = &snapshot.gateway.tokens;
            read(&body, |written| response.unstated(tokens, written))
        }
        Ok(Ok((404 | 410, _))) => ResponseState::Gone,
        _ => ResponseState::NotYet,
    }
}

/// `unstated` is the use of a finished response that states none.
fn read(body: &Bytes, unstated: impl FnOnce(&Written) -> Option<Stated>) -> ResponseState {
    let answer = passthrough::read_answer(Dialect::OpenaiResponses, body);
    if answer.pending || answer.response_id.is_none() {
        return ResponseState::NotYet;
    }
    let reported = answer.usage.map(|stated| (stated, UsageSource::Reported));
    let used = reported.or_else(|| {
        let written = passthrough::written_in(Dialect::OpenaiResponses, body);
        Some((unstated(&written)?, UsageSource::Estimated))
    });
    ResponseState::Done(used, answer.service_tier)
}

fn watch(body: &[u8]) -> ResponseState {
    match Video::read(body) {
        Some(video) if video.state != VideoState::Pending => {
            let used = video.used().map(|stated| (stated, UsageSource::Reported));
            ResponseState::Done(used, None)
        }
        _ => ResponseState::NotYet,
    }
}

/// Books the use everywhere, as that of a request which no client sent.
fn book(
    app: &App,
    snapshot: &Snapshot,
    response: &Response,
    (stated, source): (Stated, UsageSource),
    tier: Option<&str>,
) {
    let gateway = &snapshot.gateway;
    let who = &response.who;
    let price = |model: &str| {
        let prices = &gateway.prices;
        prices.bill(model, &stated.usage, tier, &stated.extras)
    };
    let usd = who.model.as_deref().and_then(price);
    let usd = usd.or_else(|| price(&response.asked));
    let booking = Booking {
        who,
        limited: response.project.as_ref(),
        used: Used {
            usage: stated.usage,
            nano_usd: usd.map_or(0, nano_usd),
        },
        is_priced: usd.is_some(),
        source,
        refused: stated.extras.refused,
    };
    let mut outcome = Outcome::new(End::Complete);
    let dialect = match response.video {
        Some(_) => Dialect::OpenaiChat,
        None => Dialect::OpenaiResponses,
    };
    outcome.client_dialect = Some(dialect);
    outcome.upstream_dialect = Some(dialect.upstream());
    outcome.path = response.path();
    outcome.model_asked = Some(response.asked.clone());
    outcome.via = Some("background");
    settle(app, snapshot, &booking, outcome);
}

/// Books the use in limits, ledger, metrics and access log. `outcome` contains the other values that metrics and log
/// show.
fn settle(app: &App, snapshot: &Snapshot, booking: &Booking<'_>, mut outcome: Outcome) {
    let (gateway, at) = (&snapshot.gateway, clocks::moment());
    let (who, used) = (booking.who, &booking.used);
    let mut keys = gateway.config.keys.iter();
    if let Some(key) = keys.find(|key| key.name == who.key) {
        let project = booking.limited.map(|project| &**project);
        let principal = gateway.limits.principal(key.index, project);
        gateway.limits.book(principal, used, at);
    }
    if let Some(ledger) = &app.ledger {
        ledger.record(who.clone(), booking.limited, used, at.wall);
    }
    outcome.request_id = app.request_id();
    outcome.key = Some(Arc::clone(&who.key));
    outcome.project.clone_from(&who.project);
    outcome.account.clone_from(&who.account);
    "GET".clone_into(&mut outcome.method);
    outcome.model_served = who.model.as_ref().map(ToString::to_string);
    outcome.status = 200;
    outcome.usage = Some(used.usage);
    outcome.usage_source = Some(booking.source);
    outcome.usage_refused = booking.refused;
    outcome.cost_usd = booking.is_priced.then(|| used.nano_usd as f64 / 1e9);
    app.telemetry.settle(outcome, at.wall);
}

/// The interval between two checks for what is due.
const EVERY: Duration = Duration::from_secs(5);

/// The longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &'static str) -> &'static str {
        match read(&Bytes::from_static(body.as_bytes()), |_| None) {
            ResponseState::Done(Some(_), _) => "used",
            ResponseState::Done(None, _) => "nothing",
            ResponseState::Gone => "gone",
            ResponseState::NotYet => "not yet",
        }
    }

    #[test]
    fn only_a_response_that_is_done_says_what_it_used() {
        for (body, expected) in [
            (
                r#"{"id":"r","object":"response","status":"queued","output":[],"usage":null}"#,
                "not yet",
            ),
            (
                r#"{"id":"r","object":"response","status":"in_progress","output":[]}"#,
                "not yet",
            ),
            (
                r#"{"id":"r","object":"response","status":"completed","output":[],"usage":{"input_tokens":1,"output_tokens":2}}"#,
                "used",
            ),
            (
                r#"{"id":"r","object":"response","status":"incomplete","output":[],"usage":{"input_tokens":1,"output_tokens":2}}"#,
                "used",
            ),
            (
                r#"{"id":"r","object":"response","status":"failed","error":{"code":"server_error","message":"x"},"output":[],"usage":null}"#,
                "nothing",
            ),
            ("<html>", "not yet"),
            ("", "not yet"),
        ] {
            assert_eq!(said(body), expected, "{body}");
        }
    }
}
