//! The actions of an operator: reload, drain, enable, reset, test.
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::guard::Done;
use super::words;
use crate::config;
use crate::proxy::state::app::App;
use crate::proxy::state::probing;
use crate::proxy::state::reload::{Handle, Verdict};
use crate::proxy::upstream::probe::Probed;

/// Reloads the configuration, and reports the result.
pub(super) async fn reload(reloads: &Handle) -> Answer {
    match reloads.reload().await {
        Some(Verdict::Applied {
            generation,
            restart,
        }) => Answer::json(
            200,
            &json!({"result": "applied", "generation": generation, "needs_restart": restart}),
        ),
        Some(Verdict::Unchanged) => Answer::json(200, &json!({"result": "unchanged"})),
        Some(Verdict::Rejected(faults)) => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Answer::json(422, &json!({"result": "rejected", "faults": faults}))
        }
        Some(Verdict::NoFile) => Answer::fault(409, "this weir runs without a configuration file"),
        None => Answer::fault(503, "the process is ending"),
    }
}

/// Tests whether an account would serve.
pub(super) async fn test(app: &App, name: &str) -> Answer {
    let Some(probed) = probing::one(app, name).await else {
        return Answer::fault(
            404,
            "no account of that name; GET /status/accounts lists them",
        );
    };
    Answer::json(200, &tested(&probed))
}

/// The result of a test.
pub(super) fn tested(probed: &Probed) -> Value {
    json!({
        "account": probed.account,
        "result": probed.verdict.as_str(),
        "status": probed.status,
        "latency_ms": u64::try_from(probed.latency.as_millis()).unwrap_or(u64::MAX),
        "models": probed.models,
        "detail": probed.detail,
    })
}

/// Sets the level of the diagnostics, until the next configuration comes into force.
pub(super) fn log_level(app: &App, body: &[u8]) -> Done {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        level: String,
    }
    let wanted = serde_json::from_slice(body).ok();
    let known = wanted.filter(|Wanted { level }| config::is_log_level(level));
    let Some(Wanted { level }) = known else {
        return Done::nothing(Answer::fault(
            400,
            r#"expected {"level": "error"}, or warn, info, debug or trace"#,
        ));
    };
    let Some(before) = app.log_level().set(&level) else {
        return Done::nothing(Answer::fault(
            409,
            "RUST_LOG of this process decides the level: start it without",
        ));
    };
    tracing::warn!(from = before, to = level, "the log level was changed");
    let answer = Answer::json(200, &json!({"level": level, "before": before}));
    Done::changed(answer, "log.level", "").with_change(Some(&before), Some(&level))
}

/// The name for the state of an account, if there is an account of that name.
pub(super) fn state(app: &App, name: &str) -> Option<&'static str> {
    let statuses = app.gateway().pool.snapshot(std::time::Instant::now());
    statuses
        .iter()
        .find(|status| &*status.name == name)
        .map(words::word)
}

/// Drains, enables or resets an account.
pub(super) fn account(app: &App, name: &str, verb: &str) -> Answer {
    let gateway = app.gateway();
    let Some(account) = gateway
        .config
        .accounts
        .iter()
        .find(|account| &*account.name == name)
    else {
        return Answer::fault(
            404,
            "no account of that name; GET /status/accounts lists them",
        );
    };
    let pool = &gateway.pool;
    if matches!(verb, "enable" | "reset") {
        app.snapshot().tokens.retry(&account.name);
    }
    match verb {
        "drain" => pool.drain(&account.name),
        "enable" => pool.enable(&account.name),
        "reset" => pool.reset(&account.name),
        _ => {
            return Answer::fault(
                404,
                "an account can be told to drain, enable, reset or test",
            );
        }
    };
    tracing::info!(account = %account.name, verb, "account operation");
    Answer::json(200, &json!({"account": &*account.name, "result": verb}))
}
