//! Reads and writes the operator's own configuration file; both need `console.edit: true`.
//!
//! A text is checked as by `weir check`, replaces the file in one rename with the same mode, and is loaded. The
//! previous file stays beside it as a backup.
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use http::header::ETAG;
use serde::Deserialize;
use serde_json::json;

use super::answer::Answer;
use super::fragments::{Writes, disk, refused, tag};
use super::guard::Done;
use crate::config;
use crate::proxy::state::app::App;
use crate::proxy::state::reload::{Handle, Source, Verdict};

/// The text as it is on disk, including any secrets in it.
pub(super) fn read(app: &App, source: &Source) -> Answer {
    let path = match place(app, source) {
        Ok(path) => path,
        Err(refusal) => return refusal,
    };
    match disk::read(&path) {
        Ok(text) => {
            let revision = disk::revision(text.as_deref());
            let told = json!({
                "file": path.display().to_string(),
                "text": text.unwrap_or_default(),
                "revision": revision,
            });
            Answer::json(200, &told).with(ETAG, tag(&revision))
        }
        Err(error) => unreadable(&path, &error),
    }
}

/// A new text for the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewText {
    text: String,
}

/// Writes and loads a text. `seen` is the revision on which it is based.
pub(super) async fn write(
    (app, reloads, source): (&App, &Handle, &Source),
    writes: &Writes,
    body: &[u8],
    seen: Option<String>,
) -> Done {
    let _turn = writes.turn().await;
    match make((app, reloads, source), body, seen).await {
        Ok(done) => done,
        Err(refusal) => Done::nothing(refusal),
    }
}

async fn make(
    (app, reloads, source): (&App, &Handle, &Source),
    body: &[u8],
    seen: Option<String>,
) -> Result<Done, Answer> {
    let path = place(app, source)?;
    let Ok(NewText { text }) = serde_json::from_slice(body) else {
        return Err(Answer::fault(400, r#"expected {"text": "…"}"#));
    };
    let (before, mode) = tokio::task::block_in_place(|| {
        let before = disk::read(&path).map_err(|error| unreadable(&path, &error))?;
        let mode = std::fs::metadata(&path).map_or(0o600, |meta| meta.permissions().mode());
        Ok::<_, Answer>((before, mode & 0o777))
    })?;
    let revision = disk::revision(before.as_deref());
    if seen.is_some_and(|seen| seen != revision) {
        return Err(Answer::fault(
            412,
            "the file is another one than you have seen: read it again",
        ));
    }
    let checked = tokio::task::block_in_place(|| config::check_text(&path, &text));
    let config = checked.map_err(|faults| refused(&faults))?;
    if config.admin.is_none() {
        return Err(Answer::fault(
            422,
            "this text has no `admin`: nobody could take it back from here. Edit the file on its host",
        ));
    }
    let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    let put = |text: &str| {
        let replaced = tokio::task::block_in_place(|| disk::replace_as(&path, text, mode));
        replaced.map_err(|error| unwritable(&path, &error))
    };
    put(&text)?;
    let (generation, restart) = match reloads.reload().await {
        Some(Verdict::Applied {
            generation,
            restart,
        }) => (generation, json!(restart)),
        // The file watcher has loaded it already, or the text is the same.
        Some(Verdict::Unchanged) => (app.telemetry.status().generation, json!([])),
        Some(Verdict::Rejected(faults)) => {
            put(&before.unwrap_or_default())?;
            return Err(refused(&faults));
        }
        Some(Verdict::NoFile) | None => return Err(Answer::fault(503, "the process is ending")),
    };
    let after = disk::revision(Some(&text));
    let told = json!({
        "result": "applied",
        "generation": generation,
        "needs_restart": restart,
        "warnings": warnings,
        "revision": after,
    });
    let answer = Answer::json(200, &told).with(ETAG, tag(&after));
    let name = path.display().to_string();
    Ok(Done::changed(answer, "config.write", &name).with_change(Some(&revision), Some(&after)))
}

/// The path of the file, with links resolved: the file that a link points to is replaced, not the link.
fn place(app: &App, source: &Source) -> Result<PathBuf, Answer> {
    if !app.gateway().config.console.edit {
        return Err(Answer::fault(
            403,
            "the operator's file is not edited from here: `console: { edit: true }` allows it",
        ));
    }
    let Source::File(path) = source else {
        return Err(Answer::fault(
            409,
            "this weir runs without a configuration file: `weir init` makes one",
        ));
    };
    Ok(std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Answer {
    Answer::fault(409, &format!("{}: {error}", path.display()))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Answer {
    let message = format!(
        "{}: {error}; whoever runs weir must be able to write to the directory of the file",
        path.display()
    );
    Answer::fault(409, &message)
}
