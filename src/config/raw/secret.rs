//! A secret as written: inline, or where to find it. No message of this module shows any of its text.
use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::config::diagnostic::suggest;
use crate::config::raw::values::{NEEDED, is_number_or_truth};
use crate::config::secret::Secret;
use crate::config::yaml::at::At;
use crate::config::yaml::cursor::Cursor;
use crate::config::yaml::decode::Decode;
use crate::config::yaml::document::Kind;
use crate::config::yaml::faults::Faults;

/// A secret as written.
#[derive(Clone, Debug)]
pub enum RawSecret {
    Env(String),
    File(String),
    Inline(Secret),
}

impl Decode for RawSecret {
    const EXPECTED: &'static str = "a secret: `{ env: NAME }`, `{ file: PATH }` or text in quotes";

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
        match &cursor.node.kind {
            Kind::List(_) => refuse(cursor.at(), "a list", None, faults),
            Kind::Scalar { .. } if cursor.node.is_null() => {
                refuse(cursor.at(), "nothing", None, faults)
            }
            Kind::Scalar { text, .. } => inline(cursor, text, faults),
            Kind::Mapping(_) => reference(cursor, faults),
        }
    }
}

fn inline(cursor: &Cursor<'_>, text: &str, faults: &mut Faults) -> Option<RawSecret> {
    let secret = Secret::new(text);
    faults.hide(&secret);
    if is_number_or_truth(cursor) {
        return refuse(cursor.at(), "a number or a truth value", None, faults);
    }
    if let Some(name) = variable(text) {
        let name = if is_variable_name(name) { name } else { "NAME" };
        let hint = format!("nothing is substituted in this file: write `{{ env: {name} }}`");
        return refuse(cursor.at(), "a shell variable", Some(hint), faults);
    }
    Some(RawSecret::Inline(secret))
}

/// The name in `$NAME` or `${NAME}`: the intention is clear, and the text is not a secret.
fn variable(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('$')?;
    let name = rest
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .unwrap_or(rest);
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!name.is_empty() && name.bytes().all(word)).then_some(name)
}

fn reference(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<RawSecret> {
    let entries = cursor.entries(RawSecret::EXPECTED, faults)?;
    let [(key, value)] = entries else {
        let found = format!("a mapping with {} keys", entries.len());
        return refuse(cursor.at(), &found, None, faults);
    };
    let at = At {
        place: key.place,
        ..cursor.at().clone()
    };
    let known = ["env", "file"];
    if !known.contains(&&*key.text) {
        // The key itself may be a part of the secret (`key: { sk-…: }`), so it is not shown.
        let hint = suggest(&key.text, known).map(|word| format!("did you mean `{word}`?"));
        return refuse(&at, "an unknown key", hint, faults);
    }
    let at = At {
        place: if value.is_null() {
            key.place
        } else {
            value.place
        },
        ..cursor.key(key)
    };
    let text = match &value.kind {
        Kind::Scalar { text, .. } if !value.is_null() => text,
        Kind::Scalar { .. } => return refuse(&at, "nothing", None, faults),
        Kind::List(_) => return refuse(&at, "a list", None, faults),
        Kind::Mapping(_) => return refuse(&at, "a mapping", None, faults),
    };
    if &*key.text == "file" {
        if text.contains(['\0', '\n']) || text.is_empty() {
            faults.add(
                &at,
                "found what cannot be a path, expected the path of a file",
            );
            return None;
        }
        return Some(RawSecret::File(text.clone()));
    }
    if !is_variable_name(text) {
        let hint = "a secret itself is written without `env`: key: \"…\"".to_owned();
        let message = "found what is not the name of an environment variable, expected letters, digits and `_`";
        faults.hide(&Secret::new(text.as_str()));
        faults.add_with(&at, message, Some(hint));
        return None;
    }
    Some(RawSecret::Env(text.clone()))
}

/// Whether a text is plausible as the name of an environment variable, and is not a credential by mistake.
fn is_variable_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn refuse(at: &At, found: &str, hint: Option<String>, faults: &mut Faults) -> Option<RawSecret> {
    faults.add_with(
        at,
        format!("found {found}, expected {}", RawSecret::EXPECTED),
        hint,
    );
    None
}

/// The value of a header: text, or a secret that is kept elsewhere.
#[derive(Clone, Debug)]
pub enum RawValue {
    Secret(RawSecret),
    Text(String),
}

impl Decode for RawValue {
    const EXPECTED: &'static str = "text, `{ env: NAME }` or `{ file: PATH }`";

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
        match &cursor.node.kind {
            Kind::Mapping(_) => RawSecret::decode(cursor, faults).map(Self::Secret),
            _ => cursor
                .scalar(Self::EXPECTED, faults)
                .map(|text| Self::Text(text.to_owned())),
        }
    }
}

impl JsonSchema for RawValue {
    fn schema_name() -> Cow<'static, str> {
        "HeaderValue".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let secret = generator.subschema_for::<RawSecret>();
        json_schema!({ "anyOf": [{ "type": ["string", "number", "boolean"] }, secret] })
    }
}

impl JsonSchema for RawSecret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let reference = |name: &str, description: &str| {
            json_schema!({
                "type": "object",
                "properties": { name: { "type": "string", "description": description, NEEDED: true } },
                "additionalProperties": false,
            })
        };
        json_schema!({
            "anyOf": [
                reference("env", "The name of an environment variable."),
                reference("file", "A file; its trailing newline is cut off. Relative paths: `$CREDENTIALS_DIRECTORY`, else the directory of this file."),
                { "type": "string", "minLength": 1, "description": "The secret itself. `weir check` warns." },
            ]
        })
    }
}
