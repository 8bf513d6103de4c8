//! Changes settings files in place: order, comments and all other content stay as they are.
use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstNode, CstObject, CstObjectProp, CstRootNode};
use toml_edit::{DocumentMut, Item, Table, TableLike};

use super::value::{Target, Value};
use super::{items, lines};

/// The format of a settings file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// `NAME=value`, one per line.
    Env,
    /// JSON; comments and trailing commas are permitted, because the clients permit them.
    Json,
    Toml,
    /// YAML of which only the outermost level is changed: `name: value`, one per line.
    Yaml,
    /// YAML with a list at its outermost level, of which one entry is changed. A path consists of the list and a name
    /// in the entry; the first such name identifies the entry. A path of one name is a line that a new file needs.
    YamlItem,
}

type Path = [&'static str];
type Change = (&'static Path, Value);

/// The text with the changes, or why it cannot be changed. A byte order mark and the kind of line ends are kept.
pub fn apply(
    format: Format,
    text: &str,
    changes: &[Change],
    target: &Target<'_>,
) -> Result<String, String> {
    let bare = text.strip_prefix(BYTE_ORDER).unwrap_or(text);
    Ok(dressed(text, &changed(format, bare, changes, target)?))
}

/// The text with the values that `before` has at these places; values that `before` does not have are removed.
pub fn restore(
    format: Format,
    text: &str,
    before: &str,
    changes: &[Change],
) -> Result<String, String> {
    let bare = text.strip_prefix(BYTE_ORDER).unwrap_or(text);
    let before = before.strip_prefix(BYTE_ORDER).unwrap_or(before);
    Ok(dressed(text, &restored(format, bare, before, changes)?))
}

/// The byte order mark, with which editors of some systems begin a text.
const BYTE_ORDER: char = '\u{feff}';

/// `text` with the byte order mark and the line ends of `like`.
fn dressed(like: &str, text: &str) -> String {
    let ends = like.matches('\n').count();
    let text = if ends > 0 && like.matches("\r\n").count() == ends {
        text.replace("\r\n", "\n").replace('\n', "\r\n")
    } else {
        text.to_owned()
    };
    if like.starts_with(BYTE_ORDER) {
        format!("{BYTE_ORDER}{text}")
    } else {
        text
    }
}

fn changed(
    format: Format,
    text: &str,
    changes: &[Change],
    target: &Target<'_>,
) -> Result<String, String> {
    match format {
        Format::Json => {
            let root = json(text)?;
            for (path, value) in changes {
                if let Value::Unless(number) = value {
                    if json_at(&root, path).is_none() {
                        set_json(&root, path, CstInputValue::Number(number.to_string()))?;
                    }
                    continue;
                }
                set_json(&root, path, json_value(value.text(target)))?;
            }
            Ok(root.to_string())
        }
        Format::Toml => {
            let mut document = toml(text)?;
            for (path, value) in changes {
                let value = match value.text(target) {
                    Some(text) => toml_edit::value(text),
                    None => toml_edit::value(true),
                };
                set_toml(&mut document, path, value)?;
            }
            Ok(document.to_string())
        }
        Format::Env | Format::Yaml => {
            let mut text = text.to_owned();
            for (path, value) in changes {
                let name = path.last().copied().unwrap_or_default();
                let value = value.text(target).unwrap_or_else(|| "true".to_owned());
                text = lines::set(format == Format::Env, &text, name, &value)?;
                if format == Format::Yaml {
                    says(&text, name, &value)?;
                }
            }
            Ok(text)
        }
        Format::YamlItem => {
            let (mut text, mut list, mut entry) = (text.to_owned(), "", Vec::new());
            let is_new = text.trim().is_empty();
            for (path, value) in changes {
                let value = value.text(target).unwrap_or_else(|| "true".to_owned());
                match path {
                    [name] if is_new => text = lines::set(false, &text, name, &value)?,
                    [of, name] => {
                        list = of;
                        entry.push(lines::yaml(name, &value));
                    }
                    _ => {}
                }
            }
            let text = items::set(&text, list, &entry)?;
            let read: Result<serde_yaml::Value, _> = serde_yaml::from_str(&text);
            match read.ok().and_then(|root| root.get(list)?.get(0).cloned()) {
                Some(first) if first.get("name").is_some() => Ok(text),
                _ => Err(NO_LINES.to_owned()),
            }
        }
    }
}

/// Checks that the YAML has this value at its outermost level: a line that was inserted may be part of something else.
fn says(text: &str, name: &str, value: &str) -> Result<(), String> {
    let root: Result<serde_yaml::Value, _> = serde_yaml::from_str(text);
    let found = root
        .ok()
        .and_then(|root| Some(root.get(name)?.as_str()? == value));
    match found {
        Some(true) => Ok(()),
        _ => Err(NO_LINES.to_owned()),
    }
}

const NO_LINES: &str =
    "it is not YAML of lines such as `name: value`, so that this must be entered by hand";

fn restored(
    format: Format,
    text: &str,
    before: &str,
    changes: &[Change],
) -> Result<String, String> {
    match format {
        Format::Json => {
            let (root, before) = (json(text)?, json(before)?);
            for (path, _) in changes {
                match json_at(&before, path).and_then(|node| node.to_serde_value()) {
                    Some(value) => set_json(&root, path, json_input(value))?,
                    None => remove_json(&root, &before, path),
                }
            }
            Ok(root.to_string())
        }
        Format::Toml => {
            let (mut document, before) = (toml(text)?, toml(before)?);
            for (path, _) in changes {
                match toml_at(before.as_table(), path) {
                    Some(item) => set_toml(&mut document, path, item.clone())?,
                    None => remove_toml(document.as_table_mut(), before.as_table(), path),
                }
            }
            Ok(document.to_string())
        }
        Format::Env | Format::Yaml => {
            let mut text = text.to_owned();
            for (path, _) in changes {
                let name = path.last().copied().unwrap_or_default();
                text = lines::restore(format == Format::Env, &text, before, name);
            }
            Ok(text)
        }
        Format::YamlItem => {
            let mut text = text.to_owned();
            let inner = changes.iter().find(|(path, _)| path.len() == 2);
            if let Some(([list, name], Value::Text(value))) = inner {
                text = items::restore(&text, before, list, &lines::yaml(name, value));
            }
            let own = changes.iter().filter(|(path, _)| path.len() == 1);
            for (path, _) in own.filter(|_| before.trim().is_empty()) {
                text = lines::restore(false, &text, before, path[0]);
            }
            Ok(text)
        }
    }
}

/// Whether a text has no settings.
pub fn is_empty(format: Format, text: &str) -> bool {
    let stripped: String = text.split_whitespace().collect();
    stripped.is_empty() || format == Format::Json && stripped == "{}"
}

fn json(text: &str) -> Result<CstRootNode, String> {
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        ..ParseOptions::default()
    };
    let text = if text.trim().is_empty() { "{}\n" } else { text };
    CstRootNode::parse(text, &options).map_err(|error| format!("it is not JSON: {error}"))
}

fn json_value(text: Option<String>) -> CstInputValue {
    text.map_or(CstInputValue::Bool(true), CstInputValue::String)
}

fn json_input(value: serde_json::Value) -> CstInputValue {
    use serde_json::Value;
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(truth) => CstInputValue::Bool(truth),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text),
        Value::Array(items) => CstInputValue::Array(items.into_iter().map(json_input).collect()),
        Value::Object(members) => CstInputValue::Object(
            members
                .into_iter()
                .map(|(name, value)| (name, json_input(value)))
                .collect(),
        ),
    }
}

fn set_json(root: &CstRootNode, path: &Path, value: CstInputValue) -> Result<(), String> {
    let (last, parents) = path.split_last().ok_or("nothing to set")?;
    let mut object = root
        .object_value_or_create()
        .ok_or("it does not hold an object")?;
    for name in parents {
        let known = member(&object, name).and_then(|member| member.object_value());
        object = known
            .or_else(|| object.object_value_or_create(name))
            .ok_or_else(|| format!("`{name}` in it is not an object"))?;
    }
    match member(&object, last) {
        Some(member) => member.set_value(value),
        None => {
            object.append(last, value);
        }
    }
    Ok(())
}

fn json_object(root: &CstRootNode, path: &Path) -> Option<CstObject> {
    path.iter().try_fold(root.object_value()?, |object, name| {
        member(&object, name)?.object_value()
    })
}

/// The member with this name; of several, the last, which is the one that counts.
fn member(object: &CstObject, name: &str) -> Option<CstObjectProp> {
    let is_it = |member: &CstObjectProp| {
        let found = member.name().and_then(|name| name.decoded_value().ok());
        found.as_deref() == Some(name)
    };
    object.properties().into_iter().rfind(is_it)
}

fn json_at(root: &CstRootNode, path: &Path) -> Option<CstNode> {
    let (last, parents) = path.split_last()?;
    member(&json_object(root, parents)?, last)?.value()
}

/// Removes a member, and the objects around it that are now empty and did not exist before.
fn remove_json(root: &CstRootNode, before: &CstRootNode, path: &Path) {
    let mut path = path;
    while let Some((last, parents)) = path.split_last() {
        let Some(object) = json_object(root, parents) else {
            return;
        };
        if let Some(member) = member(&object, last) {
            member.remove();
        }
        if !object.properties().is_empty() || json_object(before, parents).is_some() {
            return;
        }
        path = parents;
    }
}

fn toml(text: &str) -> Result<DocumentMut, String> {
    text.parse()
        .map_err(|error: toml_edit::TomlError| format!("it is not TOML: {}", error.message()))
}

fn set_toml(document: &mut DocumentMut, path: &Path, mut item: Item) -> Result<(), String> {
    let (last, parents) = path.split_last().ok_or("nothing to set")?;
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for (depth, name) in parents.iter().enumerate() {
        let entry = table.entry(name).or_insert_with(|| {
            let mut fresh = Table::new();
            // `[a.b]` needs no `[a]` before it.
            fresh.set_implicit(depth + 1 < parents.len());
            Item::Table(fresh)
        });
        table = entry
            .as_table_like_mut()
            .ok_or_else(|| format!("`{name}` in it is not a table"))?;
    }
    // The comment at the end of the line is kept.
    if let (Some(old), Some(new)) = (
        table.get(last).and_then(Item::as_value),
        item.as_value_mut(),
    ) {
        *new.decor_mut() = old.decor().clone();
    }
    table.insert(last, item);
    Ok(())
}

fn toml_at<'a>(table: &'a dyn TableLike, path: &Path) -> Option<&'a Item> {
    let (last, parents) = path.split_last()?;
    toml_table(table, parents)?.get(last)
}

fn toml_table<'a>(table: &'a dyn TableLike, path: &Path) -> Option<&'a dyn TableLike> {
    path.iter()
        .try_fold(table, |table, name| table.get(name)?.as_table_like())
}

/// The same as [`remove_json`], for TOML.
fn remove_toml(table: &mut dyn TableLike, before: &dyn TableLike, path: &Path) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        table.remove(first);
        return;
    }
    let Some(inner) = table.get_mut(first).and_then(Item::as_table_like_mut) else {
        return;
    };
    let nothing = Table::new();
    let known = before.get(first).and_then(Item::as_table_like);
    remove_toml(inner, known.unwrap_or(&nothing), rest);
    if inner.is_empty() && known.is_none() {
        table.remove(first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target<'_> = Target {
        url: "http://w",
        key: "k",
    };

    /// Applies the changes and restores the text.
    fn round(format: Format, before: &str, changes: &[Change]) -> String {
        let written = apply(format, before, changes, &TARGET).expect("it can be changed");
        let again = apply(format, &written, changes, &TARGET).expect("it can be changed");
        assert_eq!(written, again, "a second time changes nothing");
        let back = restore(format, &written, before, changes).expect("it can be restored");
        assert_eq!(
            back,
            if before.is_empty() && format == Format::Json {
                "{}\n"
            } else {
                before
            }
        );
        written
    }

    #[test]
    fn json_keeps_order_comments_and_commas() {
        let changes: &[Change] = &[(&["env", "URL"], Value::Url("")), (&["done"], Value::True)];
        let before = "{\n  // mine\n  \"b\": 1,\n  \"env\": {\n    \"A\": \"x\" // stays\n  },\n  \"a\": [1, 2]\n}\n";
        let written = round(Format::Json, before, changes);
        for kept in [
            "// mine",
            "// stays",
            "\"b\": 1",
            "[1, 2]",
            "\"URL\": \"http://w\"",
            "\"done\": true",
        ] {
            assert!(written.contains(kept), "{kept}\n{written}");
        }
        assert!(written.find("\"b\"") < written.find("\"a\""));
        let fresh = round(Format::Json, "", changes);
        let value: serde_json::Value = serde_json::from_str(&fresh).expect("JSON");
        assert_eq!(
            value,
            serde_json::json!({"env": {"URL": "http://w"}, "done": true})
        );
    }

    #[test]
    fn what_was_set_before_comes_back() {
        let changes: &[Change] = &[(&["a", "b"], Value::Key)];
        let written = round(Format::Json, "{\"a\": {\"b\": \"old\"}}", changes);
        assert_eq!(written, "{\"a\": {\"b\": \"k\"}}");
        let changes: &[Change] = &[(&["model"], Value::Key)];
        let written = round(Format::Toml, "model = \"old\" # mine\n", changes);
        assert_eq!(written, "model = \"k\" # mine\n");
    }

    #[test]
    fn what_changed_meanwhile_stays() {
        let changes: &[Change] = &[(&["env", "URL"], Value::Url(""))];
        let written = apply(Format::Json, "{\"x\": 1}", changes, &TARGET).expect("changed");
        let later = written.replace("\"x\": 1", "\"x\": 2");
        let back = restore(Format::Json, &later, "{\"x\": 1}", changes).expect("restored");
        assert_eq!(back.split_whitespace().collect::<String>(), "{\"x\":2}");
    }

    #[test]
    fn toml_keeps_tables_and_comments() {
        let changes: &[Change] = &[
            (&["model_provider"], Value::Text("weir")),
            (&["model_providers", "weir", "base_url"], Value::Url("/v1")),
        ];
        let before = "# mine\nmodel = \"m\"\n\n[mcp_servers.x] # a server\ncommand = \"c\"\n";
        let written = round(Format::Toml, before, changes);
        assert!(
            written.starts_with("# mine\nmodel = \"m\"\nmodel_provider = \"weir\"\n"),
            "{written}"
        );
        assert!(
            written.contains("[model_providers.weir]\nbase_url = \"http://w/v1\"\n"),
            "{written}"
        );
        assert!(written.contains("[mcp_servers.x] # a server"), "{written}");
        round(Format::Toml, "", changes);
        round(
            Format::Toml,
            "[model_providers.other]\nname = \"o\"\n",
            changes,
        );
        round(
            Format::Toml,
            "model_providers = { other = { name = \"o\" } }\n",
            changes,
        );
    }

    #[test]
    fn what_editors_put_around_a_text_stays() {
        let nested: &[Change] = &[(&["env", "URL"], Value::Url("")), (&["done"], Value::True)];
        let flat: &[Change] = &[(&["url"], Value::Url(""))];
        for (format, changes, before) in [
            (Format::Json, nested, "{\r\n  \"a\": 1\r\n}\r\n"),
            (Format::Toml, nested, "a = 1 # mine\r\n\r\n[b]\r\nc = 2\r\n"),
            (Format::Yaml, flat, "a: 1 # mine\r\n"),
            (Format::Env, flat, "A=1\r\n"),
        ] {
            for before in [before.to_owned(), format!("{BYTE_ORDER}{before}")] {
                let written = round(format, &before, changes);
                let ends = written.matches('\n').count();
                assert_eq!(written.matches("\r\n").count(), ends, "{written:?}");
                assert_eq!(
                    written.matches(BYTE_ORDER).count(),
                    before.matches(BYTE_ORDER).count()
                );
            }
        }
    }

    #[test]
    fn of_two_members_of_one_name_the_last_counts() {
        let changes: &[Change] = &[(&["env", "URL"], Value::Url(""))];
        let before = "{\"env\": {\"URL\": \"a\", \"URL\": \"b\"}}";
        let written = round(Format::Json, before, changes);
        assert_eq!(
            written,
            "{\"env\": {\"URL\": \"a\", \"URL\": \"http://w\"}}"
        );
    }

    #[test]
    fn a_number_is_put_where_there_is_none() {
        let changes: &[Change] = &[(&["version"], Value::Unless(1)), (&["a"], Value::True)];
        assert!(round(Format::Json, "", changes).contains("\"version\": 1"));
        let written = round(Format::Json, "{\n  \"version\": 2\n}", changes);
        assert!(written.contains("\"version\": 2"), "{written}");
    }

    #[test]
    fn yaml_and_variables_that_are_no_plain_lines_are_left_alone() {
        let changes: &[Change] = &[(&["url"], Value::Url(""))];
        for text in [
            "{ a: 1 }\n",
            "a: 1\n...\n",
            "- a\n",
            "url: |\n  text\n",
            "\"url\": a\n",
            "a: [\n",
        ] {
            assert!(
                apply(Format::Yaml, text, changes, &TARGET).is_err(),
                "{text}"
            );
        }
        let text = "url=\"a\nb\"\nB=1\n";
        assert!(apply(Format::Env, text, changes, &TARGET).is_err());
        assert!(apply(Format::Env, "url='a' # b\nB=\"x\ny\"\n", changes, &TARGET).is_ok());
    }

    #[test]
    fn what_cannot_be_changed_is_refused() {
        let changes: &[Change] = &[(&["env", "URL"], Value::Url(""))];
        for text in ["[]", "{", "{\"env\": 3}", "nonsense"] {
            assert!(
                apply(Format::Json, text, changes, &TARGET).is_err(),
                "{text}"
            );
        }
        for text in ["= 3", "env = 3\n"] {
            assert!(
                apply(Format::Toml, text, changes, &TARGET).is_err(),
                "{text}"
            );
        }
    }
}
