//! Works a change out, checks it, and writes it.
use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::{Map, Value};

use super::secrets::{self, masked};
use super::text::{Fragment, Item, List};
use super::{ChangeRequest, Place, Verb, disk, refused, unwritable};
use crate::config::{self, Config, name};
use crate::keys;
use crate::proxy::admin::answer::Answer;
use crate::proxy::admin::times::timestamp;
use crate::proxy::state::app::App;
use crate::proxy::state::sources::{random_bytes, random_text};

/// A change in which the checker finds no fault. When it is dropped, it leaves nothing behind.
pub(super) struct Plan {
    /// The name of the changed item.
    pub name: String,
    pub file: PathBuf,
    /// The item before and after the change, with secrets masked.
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub warnings: Vec<String>,
    /// A new client key, to be shown once.
    pub key: Option<String>,
    /// The configuration that would be in force.
    pub config: Config,
    old: Option<String>,
    new: String,
    secrets: disk::Written,
}

/// The file and its content before a change.
pub(super) struct Back(PathBuf, Option<String>);

/// Works a change out. Its secrets are already written to disk, so that the checker finds them.
pub(super) fn plan(app: &App, place: &Place, request: &ChangeRequest<'_>) -> Result<Plan, Answer> {
    let list = request.list;
    let file = place.file(list);
    let old = disk::read(&file).map_err(|error| unwritable(&file, &error))?;
    let revision = disk::revision(old.as_deref());
    if let Some(seen) = &request.revision
        && *seen != revision
    {
        return Err(Answer::fault(
            412,
            &format!(
                "{} has changed since you read it ({seen}, now {revision}): read it again",
                file.display()
            ),
        ));
    }
    let mut fragment = match &old {
        None => Fragment::default(),
        Some(text) => Fragment::parse(list, text).map_err(|line| {
            Answer::fault(
                409,
                &format!(
                    "{}:{line}: somebody else has written this, so that it stays as it is: move it to a file of your own under `include`, and take this one away",
                    file.display()
                ),
            )
        })?,
    };
    let before = fragment.find(&request.name).cloned();
    if request.verb != Verb::Create && before.is_none() {
        return Err(absent(app, place, request));
    }
    let old_settings = before.as_ref().map(|item| &item.settings);
    let (mut given, key) = given(request, old_settings)?;
    disk::make(&place.directory).map_err(|error| unwritable(&place.directory, &error))?;
    let (mut after, mut written) = (None, disk::Written::default());
    let mut name = request.name.clone();
    if request.verb == Verb::Delete {
        fragment.remove(&request.name);
    } else {
        named(request, &mut given)?;
        let no_randomness = || Answer::fault(503, "the system has no randomness");
        let mut randomness = true;
        // An absolute path, because the process may have been started in any directory.
        let directory = std::path::absolute(&place.directory);
        let directory = directory.unwrap_or_else(|_| place.directory.clone());
        let mut path = || {
            let random = random_text();
            randomness &= random.is_some();
            disk::secret(&directory, &random.unwrap_or_default())
        };
        let kept = secrets::kept(list, given, old_settings, &mut path)
            .map_err(|why| Answer::fault(422, &why))?;
        if !randomness {
            return Err(no_randomness());
        }
        written = disk::Written::new(&kept.fresh)
            .map_err(|error| unwritable(&place.directory, &error))?;
        let item = Item {
            settings: kept.settings,
            note: format!("{} {}", timestamp(SystemTime::now()), request.who),
        };
        item.name().clone_into(&mut name);
        if request.verb == Verb::Create {
            is_free(app, place, &fragment, (list, &name))?;
        }
        after = Some(masked(list, &item.settings));
        fragment.put(item);
    }
    let new = fragment.text(list);
    let config = config::check_fragment(&place.configuration, &file, &new)
        .map_err(|faults| refused(&faults))?;
    let admin = config.admin.as_ref();
    if admin.and_then(|admin| admin.fragments.as_ref()) != Some(&place.directory) {
        return Err(Answer::fault(
            409,
            "the configuration on disk names another `admin.fragments` than the one in force: reload it first",
        ));
    }
    Ok(Plan {
        name,
        file,
        before: before.map(|item| masked(list, &item.settings)),
        after,
        warnings: fresh_warnings(app, &config),
        key,
        config,
        old,
        new,
        secrets: written,
    })
}

/// The warnings that the configuration in force does not have already; the others are not caused by the change.
fn fresh_warnings(app: &App, config: &Config) -> Vec<String> {
    let gateway = app.gateway();
    let known: Vec<String> = gateway
        .config
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect();
    let all = config.warnings.iter().map(ToString::to_string);
    all.filter(|warning| !known.contains(warning)).collect()
}

/// The requested settings, and a key if one was generated for them.
fn given(
    request: &ChangeRequest<'_>,
    old: Option<&Map<String, Value>>,
) -> Result<(Map<String, Value>, Option<String>), Answer> {
    let body = request.body.trim_ascii();
    let is_empty = body.is_empty() && matches!(request.verb, Verb::Rotate | Verb::Delete);
    let body = if is_empty { b"{}".as_slice() } else { body };
    let body: Map<String, Value> = serde_json::from_slice(body).map_err(|error| {
        let message = format!("expected the settings as a JSON object: {error}");
        Answer::fault(400, &message)
    })?;
    let mut settings = match request.verb {
        Verb::Create | Verb::Replace => body,
        Verb::Delete => return Ok((Map::new(), None)),
        Verb::Patch | Verb::Rotate => {
            let mut settings = old.map(|old| masked(request.list, old));
            let all = settings.as_mut().and_then(Value::as_object_mut);
            let mut all = all.map(std::mem::take).unwrap_or_default();
            for (name, value) in body {
                all.insert(name, value);
            }
            all
        }
    };
    settings.retain(|_, value| !value.is_null());
    if request.list != List::Keys {
        if request.verb == Verb::Rotate && !has_secret(request.body) {
            return Err(Answer::fault(
                400,
                r#"expected the new credential: {"key": "…"} or {"keys": ["…"]}"#,
            ));
        }
        return Ok((settings, None));
    }
    let is_given = |name: &str| settings.contains_key(name);
    let makes = match request.verb {
        Verb::Create => !is_given("key") && !is_given("sha256"),
        Verb::Rotate => !is_given("key"),
        _ => false,
    };
    if !makes {
        return Ok((settings, None));
    }
    let random =
        random_bytes().ok_or_else(|| Answer::fault(503, "the system has no randomness"))?;
    let key = keys::generate(random);
    settings.remove("sha256");
    settings.insert("key".to_owned(), key.clone().into());
    Ok((settings, Some(key)))
}

fn has_secret(body: &[u8]) -> bool {
    let body: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let is_new = |value: &Value| !value.is_null() && value != secrets::MASK;
    ["key", "keys"]
        .iter()
        .any(|name| body.get(*name).is_some_and(is_new))
}

/// Puts the name first. The name in the path and the name in the body must be the same.
fn named(request: &ChangeRequest<'_>, given: &mut Map<String, Value>) -> Result<(), Answer> {
    let name = given.shift_remove("name");
    let name = match (request.verb, name) {
        (Verb::Create, Some(Value::String(name))) if !name.is_empty() => {
            name::normal(&name).into_owned()
        }
        (Verb::Create, _) => return Err(Answer::fault(400, "expected a `name`")),
        (_, None) => request.name.clone(),
        (_, Some(Value::String(name))) if name::normal(&name) == request.name => {
            request.name.clone()
        }
        _ => {
            return Err(Answer::fault(
                400,
                "nothing is renamed: figures and limits go by the name. Make another, and take this one away",
            ));
        }
    };
    let rest = std::mem::take(given);
    given.insert("name".to_owned(), name.into());
    given.extend(rest);
    Ok(())
}

fn is_free(
    app: &App,
    place: &Place,
    fragment: &Fragment,
    (list, name): (List, &str),
) -> Result<(), Answer> {
    let noun = list.noun();
    if fragment.find(name).is_some() {
        return Err(Answer::fault(
            409,
            &format!(
                "there is {} {noun} `{name}` already: PUT {}/{name} changes it",
                article(list),
                list.as_str()
            ),
        ));
    }
    if is_configured(&app.gateway().config, list, name) {
        return Err(elsewhere(place, list, name));
    }
    Ok(())
}

/// The answer for an item that is not in the fragment: it exists nowhere, or in a file that Weir does not manage.
fn absent(app: &App, place: &Place, request: &ChangeRequest<'_>) -> Answer {
    if is_configured(&app.gateway().config, request.list, &request.name) {
        return elsewhere(place, request.list, &request.name);
    }
    let list = request.list.as_str();
    let noun = request.list.noun();
    Answer::fault(
        404,
        &format!("no {noun} of that name; GET {list} lists them"),
    )
}

fn elsewhere(place: &Place, list: List, name: &str) -> Answer {
    Answer::fault(
        409,
        &format!(
            "the {} `{name}` stands in {} or a file that it includes: change it there. What is made here lives in {}",
            list.noun(),
            place.configuration.display(),
            place.directory.display()
        ),
    )
}

const fn article(list: List) -> &'static str {
    match list {
        List::Accounts => "an",
        _ => "a",
    }
}

/// Whether the configuration in force has the item.
pub(super) fn is_configured(config: &Config, list: List, name: &str) -> bool {
    match list {
        List::Accounts => config.accounts.iter().any(|one| &*one.name == name),
        List::Groups => config.groups.iter().any(|one| &*one.name == name),
        List::Keys => config.keys.iter().any(|one| &*one.name == name),
        List::Pools => config.pools.iter().any(|one| &*one.name == name),
        List::Projects => config.projects.iter().any(|one| &*one.name == name),
    }
}

impl Plan {
    pub(super) fn before_revision(&self) -> String {
        disk::revision(self.old.as_deref())
    }

    pub(super) fn after_revision(&self) -> String {
        disk::revision(Some(&self.new))
    }

    /// Writes the change, unless the file has changed since the plan was made.
    pub(super) fn write(self, place: &Place, list: List) -> Result<Back, Answer> {
        let Self {
            file,
            old,
            new,
            secrets,
            ..
        } = self;
        let told = |error: std::io::Error| unwritable(&file, &error);
        if disk::read(&file).map_err(told)? != old {
            return Err(Answer::fault(
                412,
                &format!("{} has changed meanwhile: read it again", file.display()),
            ));
        }
        disk::replace(&file, &new).map_err(told)?;
        secrets.keep();
        sweep(place, list);
        Ok(Back(file, old))
    }
}

impl Back {
    /// Restores the previous file.
    pub(super) fn restore(self, place: &Place, list: List) -> Result<(), Answer> {
        let Self(file, old) = self;
        let done = match old {
            Some(text) => disk::replace(&file, &text),
            None => std::fs::remove_file(&file),
        };
        done.map_err(|error| unwritable(&file, &error))?;
        sweep(place, list);
        Ok(())
    }
}

/// Deletes unused secrets. A failure does no harm and is only logged.
fn sweep(place: &Place, list: List) {
    if list != List::Accounts {
        return;
    }
    let file = place.file(list);
    let mut backup = file.clone().into_os_string();
    backup.push(disk::BACKUP);
    let texts: Result<Vec<_>, _> = [file, backup.into()]
        .iter()
        .map(|path| disk::read(path))
        .collect();
    let swept = texts.and_then(|texts| {
        let texts: Vec<String> = texts.into_iter().flatten().collect();
        disk::sweep(&place.directory, &texts)
    });
    if let Err(error) = swept {
        tracing::warn!(directory = %place.directory.display(), %error, "old secrets cannot be taken away");
    }
}
