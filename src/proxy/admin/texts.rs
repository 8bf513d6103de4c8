//! The text of the configuration, with secrets masked: in force, on disk, and of earlier generations.
use serde_json::{Value, json};

use super::answer::Answer;
use super::requests::Query;
use super::times::timestamp;
use crate::config::{self, Shown};
use crate::proxy::state::app::App;
use crate::proxy::state::reload::Source;

/// One text, and the generations that are kept. The query's `of` is `applied`, `disk` or the number of a generation.
pub(super) fn text(app: &App, source: &Source, query: &Query) -> Answer {
    let history = app.history.list();
    let generations: Vec<Value> = history
        .iter()
        .map(|past| {
            json!({
                "generation": past.generation,
                "applied_at": timestamp(past.applied_at),
                "hash": past.hash,
            })
        })
        .collect();
    let of = query.get("of").map_or("applied", String::as_str);
    let files = match of {
        "applied" => files(&app.gateway().config.shown),
        "disk" => {
            let Source::File(path) = source else {
                return Answer::fault(409, "this weir runs without a configuration file");
            };
            match config::shown_on_disk(path) {
                Ok(shown) => files(&shown),
                Err(faults) => {
                    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                    let told = json!({ "error": "it cannot be read", "faults": faults });
                    return Answer::json(422, &told);
                }
            }
        }
        number => {
            let number = number.parse::<u64>().ok();
            match history.iter().find(|past| Some(past.generation) == number) {
                Some(past) => files(&past.files),
                None => {
                    return Answer::fault(
                        404,
                        "expected `of` to be applied, disk or a generation that is still kept: the last ten are",
                    );
                }
            }
        }
    };
    Answer::json(
        200,
        &json!({ "of": of, "files": files, "generations": generations }),
    )
}

fn files(shown: &[Shown]) -> Value {
    let one = |shown: &Shown| json!({ "file": shown.file, "text": shown.text });
    shown.iter().map(one).collect()
}
