//! Shows the fragments.
use http::header::ETAG;
use serde_json::{Map, Value, json};

use super::plan::is_configured;
use super::secrets::masked;
use super::text::{Fragment, List};
use super::{Place, disk, tag};
use crate::proxy::admin::answer::Answer;
use crate::proxy::state::app::App;
use crate::proxy::state::reload::Source;

/// Where changes are written, whether that is possible, and what exists.
pub(in crate::proxy::admin) fn overview(app: &App, source: &Source) -> Answer {
    let place = match Place::of(app, source) {
        Ok(place) => place,
        Err(why) => {
            let none = json!({ "directory": null, "writable": false, "why": why, "lists": {} });
            return Answer::json(200, &none);
        }
    };
    let why = disk::writable(&place.directory).err();
    let mut lists = Map::new();
    for list in List::ALL {
        let file = place.file(list);
        let read = disk::read(&file);
        let text = read.as_ref().ok().and_then(Option::as_deref);
        let parsed = text.map_or(Ok(Fragment::default()), |text| Fragment::parse(list, text));
        let fault = match (&read, &parsed) {
            (Err(error), _) => Some(error.to_string()),
            (_, Err(line)) => Some(format!("line {line} is not of Weir's making")),
            _ => None,
        };
        let fragment = parsed.unwrap_or_default();
        let names: Vec<&str> = fragment
            .items()
            .iter()
            .map(super::text::Item::name)
            .collect();
        lists.insert(
            list.as_str().to_owned(),
            json!({
                "file": file.display().to_string(),
                "revision": disk::revision(text),
                "names": names,
                "fault": fault,
            }),
        );
    }
    Answer::json(
        200,
        &json!({
            "directory": place.directory.display().to_string(),
            "writable": why.is_none(),
            "why": why,
            "lists": lists,
        }),
    )
}

/// One item: its settings if it was made here, otherwise only that it exists.
pub(in crate::proxy::admin) fn one(app: &App, source: &Source, list: List, name: &str) -> Answer {
    let place = Place::of(app, source).ok();
    let text = place.and_then(|place| disk::read(&place.file(list)).ok().flatten());
    let revision = disk::revision(text.as_deref());
    let fragment = text.and_then(|text| Fragment::parse(list, &text).ok());
    let item = fragment.as_ref().and_then(|fragment| fragment.find(name));
    let told = match item {
        Some(item) => json!({
            "name": name,
            "made": "here",
            "revision": revision,
            "settings": masked(list, &item.settings),
            "changed": item.note,
        }),
        None if is_configured(&app.gateway().config, list, name) => {
            json!({ "name": name, "made": "configuration", "revision": revision, "settings": Value::Null, "changed": null })
        }
        None => {
            let list = list.as_str();
            return Answer::fault(404, &format!("none of that name; GET {list} lists them"));
        }
    };
    Answer::json(200, &told).with(ETAG, tag(&revision))
}
