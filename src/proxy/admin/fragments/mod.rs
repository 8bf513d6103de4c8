//! Accounts, groups, keys, pools and projects that are managed through the admin plane. They are written into
//! [`Admin::fragments`](crate::config::Admin), never into a file that somebody else has made.
//!
//! A change is first worked out completely (`plan`), checked as by `weir check`, and tested if it is an account. Only
//! then is it written, in one rename. The reload that follows decides whether it is in force.
pub(super) mod disk;
mod plan;
mod secrets;
mod show;
mod text;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{HeaderValue, Method};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::answer::Answer;
use super::guard::Done;
use crate::config::diagnostic::Diagnostic;
use crate::proxy::state::app::App;
use crate::proxy::state::probing;
use crate::proxy::state::reload::{Handle, Source, Verdict};
use plan::Plan;
pub(super) use show::{one, overview};
pub(super) use text::List;

/// Allows one change at a time.
#[derive(Debug, Default)]
pub(super) struct Writes(Mutex<()>);

impl Writes {
    /// Waits for the turn to write; the guard ends it.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.lock().await
    }
}

/// The kind of change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verb {
    Create,
    /// Replaces all settings.
    Replace,
    /// Changes some settings; `null` removes one.
    Patch,
    /// Replaces the credential.
    Rotate,
    Delete,
}

impl Verb {
    /// The change that `method` means on this path, if it is a change of a list.
    pub(super) fn of(method: &Method, segments: &[&str]) -> Option<(List, Self)> {
        let list = List::parse(segments.first()?)?;
        let verb = match (method.as_str(), segments) {
            ("POST", [_]) => Self::Create,
            ("PUT", [_, _]) => Self::Replace,
            ("PATCH", [_, _]) => Self::Patch,
            ("DELETE", [_, _]) => Self::Delete,
            ("POST", [_, _, "rotate"]) if matches!(list, List::Keys | List::Accounts) => {
                Self::Rotate
            }
            _ => return None,
        };
        Some((list, verb))
    }
}

/// A change as it was requested.
#[derive(Debug)]
pub(super) struct ChangeRequest<'a> {
    pub list: List,
    pub verb: Verb,
    /// The name of the item; empty for a new one.
    pub name: String,
    pub body: &'a [u8],
    /// The value of `If-Match`: the revision of the file on which the change is based.
    pub revision: Option<String>,
    /// Whether the change is only shown, not made.
    pub dry_run: bool,
    /// Whether an account is tested before it is saved.
    pub test: bool,
    /// The name of the sender.
    pub who: &'a str,
}

/// The directory of the fragments, and the configuration that they belong to.
struct Place {
    configuration: PathBuf,
    directory: PathBuf,
}

impl Place {
    fn of(app: &App, source: &Source) -> Result<Self, String> {
        let Source::File(configuration) = source else {
            return Err("this weir runs without a configuration file, so that nothing can be kept: `weir init` makes one".to_owned());
        };
        let gateway = app.gateway();
        let admin = gateway.config.admin.as_ref();
        let directory = admin.and_then(|admin| admin.fragments.clone());
        let directory = directory.ok_or_else(|| {
            format!(
                "nothing can be changed here: add `fragments: DIR` to `admin` in {}, a directory that weir may write to",
                configuration.display()
            )
        })?;
        Ok(Self {
            configuration: configuration.clone(),
            directory,
        })
    }

    fn file(&self, list: List) -> PathBuf {
        self.directory.join(list.file())
    }
}

/// Makes a change, or explains why it is not made.
pub(super) async fn change(
    (app, reloads, source): (&Arc<App>, &Handle, &Source),
    writes: &Writes,
    request: &ChangeRequest<'_>,
) -> Done {
    match make((app, reloads, source), writes, request).await {
        Ok(done) => done,
        Err(refusal) => Done::nothing(refusal),
    }
}

async fn make(
    (app, reloads, source): (&Arc<App>, &Handle, &Source),
    writes: &Writes,
    request: &ChangeRequest<'_>,
) -> Result<Done, Answer> {
    let place = Place::of(app, source).map_err(|why| Answer::fault(409, &why))?;
    let _turn = writes.turn().await;
    let plan = tokio::task::block_in_place(|| plan::plan(app, &place, request))?;
    let told = told(app, plan, request).await;
    let (plan, mut told) = told?;
    if request.dry_run {
        told["result"] = "dry_run".into();
        return Ok(Done::nothing(
            Answer::json(200, &told).with(http::header::ETAG, tag(&plan.before_revision())),
        ));
    }
    let (from, to) = (plan.before.clone(), plan.after.clone());
    let name = plan.name.clone();
    let back = tokio::task::block_in_place(|| plan.write(&place, request.list))?;
    match reloads.reload().await {
        Some(Verdict::Applied {
            generation,
            restart,
        }) => {
            told["generation"] = generation.into();
            told["needs_restart"] = json!(restart);
        }
        // The file watcher has reloaded the configuration already.
        Some(Verdict::Unchanged) => {
            told["generation"] = app.telemetry.status().generation.into();
            told["needs_restart"] = json!([]);
        }
        Some(Verdict::Rejected(faults)) => {
            tokio::task::block_in_place(|| back.restore(&place, request.list))?;
            return Err(refused(&faults));
        }
        Some(Verdict::NoFile) | None => return Err(Answer::fault(503, "the process is ending")),
    }
    told["result"] = "applied".into();
    let status = if request.verb == Verb::Create {
        201
    } else {
        200
    };
    let revision = told["revision"].as_str().unwrap_or_default().to_owned();
    let answer = Answer::json(status, &told).with(http::header::ETAG, tag(&revision));
    let text = |value: Option<Value>| value.map(|value| shortened(&value.to_string()));
    Ok(
        Done::changed(answer, action(request.list, request.verb), &name)
            .with_change(text(from).as_deref(), text(to).as_deref()),
    )
}

/// The plan's result as JSON, with the test of an account. A failed test is an error.
async fn told(
    app: &Arc<App>,
    mut plan: Plan,
    request: &ChangeRequest<'_>,
) -> Result<(Plan, Value), Answer> {
    let mut told = json!({
        "name": plan.name,
        "file": plan.file.display().to_string(),
        "revision": plan.after_revision(),
        "before": plan.before,
        "after": plan.after,
        "warnings": plan.warnings,
    });
    if let Some(key) = plan.key.take().filter(|_| !request.dry_run) {
        told["key"] = key.into();
    }
    if request.list == List::Accounts && request.verb != Verb::Delete && request.test {
        let tests = probing::those(app, &plan.config, &plan.name).await;
        let failed = tests.iter().find(|test| !test.verdict.is_fine());
        let failed = failed.map(|test| {
            let detail = test.detail.as_deref().unwrap_or("no more is known");
            format!(
                "the test of `{}` says {}: {detail}; nothing is saved (`?test=false` saves it untested)",
                test.account,
                test.verdict.as_str()
            )
        });
        told["test"] = tests.iter().map(super::levers::tested).collect();
        if let Some(why) = failed.filter(|_| !request.dry_run) {
            told["error"] = why.into();
            return Err(Answer::json(422, &told));
        }
    }
    Ok((plan, told))
}

/// The answer with the faults that a change would cause.
pub(super) fn refused(faults: &[Diagnostic]) -> Answer {
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let first = faults.first().map_or("", String::as_str);
    let first = first.lines().next().unwrap_or_default();
    Answer::json(
        422,
        &json!({ "error": format!("the configuration would not load: {first}"), "faults": faults }),
    )
}

fn unwritable(path: &Path, error: &std::io::Error) -> Answer {
    Answer::fault(
        409,
        &format!(
            "{}: {error}; whoever runs weir must be able to write to `admin.fragments`",
            path.display()
        ),
    )
}

pub(super) fn tag(revision: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{revision}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST_AUDITED).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The name of the change in the audit log.
const fn action(list: List, verb: Verb) -> &'static str {
    match (list, verb) {
        (List::Accounts, Verb::Create) => "account.create",
        (List::Accounts, Verb::Replace | Verb::Patch) => "account.change",
        (List::Accounts, Verb::Rotate) => "account.rotate",
        (List::Accounts, Verb::Delete) => "account.delete",
        (List::Groups, Verb::Create) => "group.create",
        (List::Groups, Verb::Delete) => "group.delete",
        (List::Groups, _) => "group.change",
        (List::Keys, Verb::Create) => "key.create",
        (List::Keys, Verb::Replace | Verb::Patch) => "key.change",
        (List::Keys, Verb::Rotate) => "key.rotate",
        (List::Keys, Verb::Delete) => "key.revoke",
        (List::Pools, Verb::Create) => "pool.create",
        (List::Pools, Verb::Delete) => "pool.delete",
        (List::Pools, _) => "pool.change",
        (List::Projects, Verb::Create) => "project.create",
        (List::Projects, Verb::Delete) => "project.delete",
        (List::Projects, _) => "project.change",
    }
}

/// The most characters of an item in the audit log.
const LONGEST_AUDITED: usize = 1_000;
