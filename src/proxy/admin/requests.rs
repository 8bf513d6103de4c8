//! `GET /admin/api/v1/requests`: the recent requests under a filter, and single requests.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::answer::Answer;
use super::times::{precise, timestamp};
use crate::proxy::client::shown;
use crate::proxy::state::app::App;
use crate::telemetry::recent::filter::{Filter, Subject};
use crate::telemetry::recent::row::Row;
use crate::telemetry::recent::stats::Stats;

/// The parameters of a query string, decoded.
pub(super) type Query = BTreeMap<String, String>;

/// The rows under a filter, newest first, with statistics over all rows that match.
pub(super) fn list(app: &App, query: &Query) -> Answer {
    let text = query.get("f").map_or("", String::as_str);
    let filter = match Filter::parse(text, &app.gateway().config) {
        Ok(filter) => filter,
        Err(why) => return Answer::fault(400, &why),
    };
    let number = |name: &str, default: u64| match query.get(name) {
        None => Ok(default),
        Some(text) => text
            .parse::<u64>()
            .map_err(|_| Answer::fault(400, &format!("`{name}` wants a number"))),
    };
    let (limit, before) = match (number("limit", 200), number("before", u64::MAX)) {
        (Ok(limit), Ok(before)) => (limit.min(MOST_ROWS), before),
        (Err(fault), _) | (_, Err(fault)) => return fault,
    };
    let rows = fitting(app, &filter, 0);
    let shown: Vec<String> = rows
        .iter()
        .rev()
        .filter(|row| row.seq() < before)
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
        .map(|row| row_json(row))
        .collect();
    let mut body =
        json!({ "server_time": precise(SystemTime::now()), "version": env!("CARGO_PKG_VERSION") });
    for (name, value) in members(app, &rows) {
        body[name] = value;
    }
    // The rows are written as text like in the access log, and not built as JSON values first.
    let text = body.to_string();
    let open = text.strip_suffix('}').unwrap_or(&text);
    let text = format!("{open},\"rows\":[{}]}}\n", shown.join(","));
    Answer::new(200, "application/json", text.into_bytes())
}

/// One request by its id.
pub(super) fn one(app: &App, id: &str) -> Answer {
    let ring = app.telemetry.recent();
    if let Some(row) = ring.find(id) {
        Answer::new(200, "application/json", whole(&row).into_bytes())
    } else {
        let contents = ring.contents();
        Answer::json(
            404,
            &json!({
                "error": format!("no longer in memory: {} requests are held", contents.rows),
                "since": contents.since.map(timestamp),
            }),
        )
    }
}

/// The masked bodies of a request and its answer; they are kept only while `log.bodies` is on.
pub(super) fn bodies(app: &App, id: &str) -> Answer {
    if !app.gateway().config.log.bodies {
        let why = "bodies are kept only with `log: { bodies: true }`";
        return Answer::fault(409, why);
    }
    match app.telemetry.bodies().find(id) {
        Some(kept) => Answer::json(
            200,
            &json!({ "request_id": id, "request": kept.asked, "answer": kept.answered }),
        ),
        None => Answer::fault(404, "no longer in memory, or from before bodies were kept"),
    }
}

/// The rows from number `seq` on that match `filter`, oldest first.
pub(super) fn fitting(app: &App, filter: &Filter, seq: u64) -> Vec<Arc<Row>> {
    let mut rows = app.telemetry.recent().from(seq);
    if !filter.is_empty() {
        rows.retain(|row| filter.holds(Subject::done(row.outcome())));
    }
    rows
}

/// The statistics of `rows`, and how full the ring is.
pub(super) fn members(app: &App, rows: &[Arc<Row>]) -> [(&'static str, Value); 2] {
    let contents = app.telemetry.recent().contents();
    [
        ("ring", ring(app)),
        (
            "stats",
            Stats::of(rows, contents.since, SystemTime::now()).json(),
        ),
    ]
}

/// How full the ring is.
pub(super) fn ring(app: &App) -> Value {
    let contents = app.telemetry.recent().contents();
    json!({
        "held": contents.rows,
        "cap": contents.cap,
        "bytes": contents.bytes,
        "since": contents.since.map(precise),
    })
}

/// The JSON of the access log line, with what the live view needs besides.
pub(super) fn row_json(row: &Row) -> String {
    format!(
        "{{\"seq\":{},\"state\":\"done\",\"started_at\":\"{}\",{}}}",
        row.seq(),
        precise(row.started()),
        row.members()
    )
}

/// A single row, with the headers of the request, which lists omit.
fn whole(row: &Row) -> String {
    let json = row_json(row);
    let headers = row.outcome().headers.as_deref();
    let headers = json!(headers.map(shown::header_lines));
    let open = json.strip_suffix('}').unwrap_or(&json);
    format!("{open},\"headers\":{headers}}}\n")
}

/// The most rows of one answer.
const MOST_ROWS: u64 = 1000;
