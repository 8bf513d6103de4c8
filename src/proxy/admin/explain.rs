//! `POST /admin/explain`: what would happen to a request in the present state.
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::Answer;
use crate::exchange::explain::{self, ExplainedRequest};
use crate::proxy::state::app::App;

/// The question. Its body is used byte for byte.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question<'a> {
    path: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    key: Option<String>,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// Answers a question of at most [`limit`] bytes. It runs on a blocking thread, because reading a large request takes a
/// while.
pub(super) async fn answer(app: &Arc<App>, question: Bytes) -> Answer {
    let app = Arc::clone(app);
    let answer = tokio::task::spawn_blocking(move || explain(&app, &question)).await;
    answer.unwrap_or_else(|_| Answer::fault(500, "the request could not be explained"))
}

/// The most bytes of a question: a request with the longest body, and the JSON around it.
pub(super) fn limit(app: &App) -> usize {
    let body = app.gateway().config.server.max_body;
    body.saturating_add(MAX_AROUND)
}

fn explain(app: &App, question: &Bytes) -> Answer {
    let question: Question<'_> = match serde_json::from_slice(question) {
        Ok(question) => question,
        Err(error) => return Answer::fault(400, &format!("{EXPECTED}: {error}")),
    };
    let headers = match headers(&question.headers) {
        Ok(headers) => headers,
        Err(why) => return Answer::fault(400, &why),
    };
    let explained = ExplainedRequest {
        path: question.path.as_deref(),
        headers: &headers,
        key: question.key.as_deref(),
        body: Bytes::copy_from_slice(question.body.get().as_bytes()),
        in_flight: Some(app.in_flight()),
    };
    match explain::explain(&app.gateway(), &explained, app.occasion()) {
        Ok(report) => Answer::json(200, &report),
        Err(why) => Answer::fault(400, &why),
    }
}

fn headers(given: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let header = |(name, value): (&String, &String)| {
        let name: HeaderName = name
            .parse()
            .map_err(|_| format!("`{name}` is no name of a header"))?;
        // The message does not contain the value, which may be a secret.
        let value: HeaderValue = value
            .parse()
            .map_err(|_| format!("the value of `{name}` holds what no header can"))?;
        Ok((name, value))
    };
    given.iter().map(header).collect()
}

const EXPECTED: &str = r#"expected {"body": {…}} and, if wanted, "path", "headers" and "key""#;

/// The most bytes of a question apart from its body.
const MAX_AROUND: usize = 64 << 10;
