//! `rewrites`: conditions, and changes that are safe.
//!
//! A rewrite may not change `/stream`, because the client must be able to read the answer that it requested; it may
//! only replace `/model` as a whole; and it may not change headers that carry credentials or belong to a connection.
use bytes::Bytes;
use http::HeaderName;

use super::names::Names;
use super::routes::Known;
use super::{Compiler, items, label};
use crate::config::When;
use crate::config::raw::Raw;
use crate::config::raw::rewrite as raw;
use crate::config::raw::values::{Pattern, Text};
use crate::config::settings::rewrite::{Condition, Range, Rewrite};
use crate::config::yaml::at::At;
use crate::config::yaml::decode::{Field, Map};
use crate::protocol::json::Pointer;
use crate::protocol::system::Addition;

impl Compiler<'_, '_> {
    pub(super) fn rewrites(&mut self, raw: &Raw, known: &Known<'_>) -> Option<Vec<Rewrite>> {
        // Nothing refers to the names of rewrites, but they must be unique.
        let _ = Names::of(
            &raw.rewrites,
            |rewrite| &rewrite.name,
            "a rewrite",
            self.faults,
        );
        let mut rewrites = Vec::new();
        let mut complete = !raw.rewrites.is_wrong();
        for item in items(&raw.rewrites) {
            let rewrite = item.get().and_then(|raw| self.rewrite(raw));
            complete &= rewrite.is_some();
            if rewrite.as_ref().is_some_and(Rewrite::is_idle) {
                let message = "found a rewrite that changes nothing, expected `system`, `set`, `default`, `clamp`, `remove`, `headers`, `session` or `stream`";
                self.faults.warn(item.at(), message, None);
            }
            rewrites.extend(rewrite);
            let conditions = item.get().and_then(|raw| raw.when.get());
            let conditions = conditions.map(|when| when.0.as_slice()).unwrap_or_default();
            for when in conditions.iter().filter_map(Field::get) {
                self.warn_of_no_match(&when.key, known.keys.as_deref(), "key");
                self.warn_of_no_match(&when.group, known.groups.as_deref(), "group");
            }
        }
        complete.then_some(rewrites)
    }

    fn rewrite(&mut self, raw: &raw::Rewrite) -> Option<Rewrite> {
        let when = self.rewrite_conditions(&raw.when);
        let system = self.addition(&raw.system);
        let set = self.values(&raw.set, Change::Set);
        let default = self.values(&raw.default, Change::Set);
        let clamp = self.ranges(&raw.clamp);
        let remove = items(&raw.remove).iter().filter_map(|field| {
            let pointer = &field.get()?.0;
            self.may_change(field.at(), pointer, Change::Other);
            Some(pointer.clone())
        });
        let remove = remove.collect();
        let (mut headers_set, mut headers_removed) = (Vec::new(), Vec::new());
        if let Some(headers) = raw.headers.get() {
            headers_set = self.headers(&headers.set);
            headers_removed = self.removed_headers(&headers.remove);
        }
        let rotate = raw
            .session
            .get()
            .and_then(|session| Some(session.rotate.get()?.0));
        Some(Rewrite {
            name: label(&raw.name)?,
            when: when?,
            system,
            set,
            default,
            clamp,
            remove,
            headers_removed,
            headers_set,
            rotate,
            regroup: raw
                .stream
                .get()
                .and_then(|stream| stream.by.get())
                .map(|word| word.0),
        })
    }

    fn rewrite_conditions(
        &mut self,
        field: &Field<raw::OneOrMore<raw::RewriteWhen>>,
    ) -> Option<Vec<Condition>> {
        if field.is_wrong() {
            return None;
        }
        let list = field
            .get()
            .map(|list| list.0.as_slice())
            .unwrap_or_default();
        if field.is_given() && list.is_empty() {
            let hint = "leave it out: then the rewrite always applies".to_owned();
            let message = "found an empty list, expected at least one condition";
            self.faults.add_with(field.at(), message, Some(hint));
        }
        // All conditions are compiled, so that every fault is found.
        let conditions: Vec<Option<Condition>> = list
            .iter()
            .map(|item| {
                let raw = item.get()?;
                let when = self.rewrite_when(raw);
                Some(Condition {
                    when: when?,
                    body_has: raw.body_has.get().map(|pointer| pointer.0.clone()),
                })
            })
            .collect();
        conditions.into_iter().collect()
    }

    fn rewrite_when(&mut self, raw: &raw::RewriteWhen) -> Option<When> {
        // A condition that was refused must not become one that always holds.
        let wrong = [
            raw.model.is_wrong(),
            raw.dialect.is_wrong(),
            raw.key.is_wrong(),
            raw.group.is_wrong(),
            raw.user_agent.is_wrong(),
            raw.header.is_wrong(),
            raw.stream.is_wrong(),
            raw.project.is_wrong(),
            raw.body_has.is_wrong(),
        ];
        let header = self.matched_headers(&raw.header);
        let glob = |field: &Field<Pattern>| field.get().map(|pattern| pattern.0.clone());
        (!wrong.contains(&true)).then(|| When {
            model: glob(&raw.model),
            dialect: raw.dialect.get().map(|word| word.0),
            key: glob(&raw.key),
            group: glob(&raw.group),
            user_agent: raw.user_agent.get().map(|pattern| pattern.0.clone()),
            header,
            stream: raw.stream.get().map(|stream| stream.0),
            project: glob(&raw.project),
            ..When::default()
        })
    }

    fn addition(&mut self, field: &Field<raw::SystemPrompt>) -> Addition {
        let Some(raw) = field.get() else {
            return Addition::default();
        };
        let mut text = |field: &Field<Text>| {
            let Text(text) = field.get()?;
            if text.trim().is_empty() {
                self.faults.add(
                    field.at(),
                    "found an empty text, expected words for the model",
                );
            }
            Some(text.clone())
        };
        Addition {
            prepend: text(&raw.prepend),
            append: text(&raw.append),
        }
    }

    fn values(
        &mut self,
        field: &Field<Map<raw::RawJson>>,
        change: Change,
    ) -> Vec<(Pointer, Bytes)> {
        let mut values = Vec::new();
        for (at, text, value) in entries(field) {
            let pointer = self.changed_pointer(at, text, change);
            let Some(raw::RawJson(value)) = value.get() else {
                continue;
            };
            let Some(pointer) = pointer else {
                continue;
            };
            let named = value.as_str().is_some_and(|name| !name.is_empty());
            if pointer.as_str() == "/model" && !named {
                let message = "found no text, expected the name of a model";
                self.faults.add(at, message);
            }
            values.push((pointer, value.to_string().into()));
        }
        values
    }

    fn ranges(&mut self, field: &Field<Map<Vec<Field<raw::RawNumber>>>>) -> Vec<(Pointer, Range)> {
        let mut ranges = Vec::new();
        for (at, text, range) in entries(field) {
            let pointer = self.changed_pointer(at, text, Change::Other);
            let Some(bounds) = range.get() else {
                continue;
            };
            let numbers: Vec<_> = bounds.iter().filter_map(Field::get).collect();
            match *numbers.as_slice() {
                [low, high] if low.0.as_f64() <= high.0.as_f64() => {
                    let range = Range {
                        low: low.0.clone(),
                        high: high.0.clone(),
                    };
                    ranges.extend(pointer.map(|pointer| (pointer, range)));
                }
                // One of the bounds has a fault already.
                _ if numbers.len() < bounds.len() => {}
                [_, _] => {
                    let message = "found the higher bound first, expected `[low, high]`";
                    self.faults.add(range.at(), message);
                }
                _ => {
                    let found = bounds.len();
                    let message = format!("found {found} numbers, expected two: `[low, high]`");
                    self.faults.add(range.at(), message);
                }
            }
        }
        ranges
    }

    fn changed_pointer(&mut self, at: &At, text: &str, change: Change) -> Option<Pointer> {
        match Pointer::parse(text) {
            Ok(pointer) => {
                self.may_change(at, &pointer, change);
                Some(pointer)
            }
            Err(hint) => {
                let message =
                    "found a key that is no JSON pointer, expected one such as `/max_tokens`";
                self.faults.add_with(at, message, Some(hint.to_owned()));
                None
            }
        }
    }

    /// Refuses changes to certain members. Some upstreams ignore the case of names, so another case cannot circumvent
    /// this.
    fn may_change(&mut self, at: &At, pointer: &Pointer, change: Change) {
        let member = pointer.member().replace('\u{17f}', "s");
        let hint = if member.eq_ignore_ascii_case("stream") {
            "whether the answer is a stream is for the client to say: it must be able to read it"
        } else if !member.eq_ignore_ascii_case("model") {
            return;
        } else if member != "model" || !pointer.inside().is_empty() {
            "the name of the model is at `/model`"
        } else if change == Change::Other {
            "the name of the model can be replaced with `set`, or given with `default`"
        } else {
            return;
        };
        let message = format!("found `{pointer}`, expected what a rewrite may change");
        self.faults.add_with(at, message, Some(hint.to_owned()));
    }

    fn removed_headers(&mut self, field: &Field<Vec<Field<Text>>>) -> Vec<HeaderName> {
        let mut names = Vec::new();
        for field in items(field) {
            let Some(Text(text)) = field.get() else {
                continue;
            };
            if let Some(name) = self.header_name(field.at(), text) {
                self.refuse_header(field.at(), &name, "removed");
                names.push(name);
            }
        }
        names
    }
}

fn entries<T>(field: &Field<Map<T>>) -> &[(At, String, Field<T>)] {
    field.get().map(|map| map.0.as_slice()).unwrap_or_default()
}

/// The kind of change.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Change {
    Set,
    Other,
}
