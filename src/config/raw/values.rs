//! The scalar values of the schema. Each is a type that can only be made from a valid text, with a JSON Schema and an
//! error that tells how to write it.
mod parse;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::config::diagnostic::{did_you_mean, one_of};
use crate::config::yaml::cursor::Cursor;
use crate::config::yaml::decode::{Decode, Field, Map, Needed, Section};
use crate::config::yaml::document::Kind;
use crate::config::yaml::faults::Faults;
use crate::config::{AccessLog, AdminAddr, Glob};
use crate::protocol::json::Pointer;
use parse::{
    Parsed, access_target, address, admin_address, boolean, duration, file_path, host_name, moment,
    name, network, number, origin, patience, pattern, sha256, size, url_path, whole, zone,
};

/// Declares a value: its name, what is expected, its JSON Schema, and how it is read from a scalar.
macro_rules! value {
    ($(#[$meta:meta])* $name:ident($type:ty), $expected:literal, $schema:tt, $read:ident, $parse:expr) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name(pub $type);

        impl Decode for $name {
            const EXPECTED: &'static str = $expected;

            fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
                let text = cursor.$read($expected, faults)?;
                let parse: fn(&str) -> Parsed<$type> = $parse;
                match parse(text) {
                    Ok(value) => Some(Self(value)),
                    Err(hint) => {
                        cursor.mismatch($expected, hint, faults);
                        None
                    }
                }
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

value!(
    /// The name of an account, pool, key, group or project. It becomes a label of metrics and a part of paths.
    Name(String),
    "a name",
    { "type": "string", "pattern": "^[^\\u0000-/:-@\\[-`{-\\u00a9][^\\u0000-*,/;-?\\[-^`{-\\u00a9]{0,63}$" },
    scalar,
    name
);

/// Parses `text` as a name for the configuration; the error tells which rule it breaks.
pub fn valid_name(text: &str) -> Result<String, String> {
    name(text).map_err(|rule| rule.unwrap_or_else(|| "this is no name".to_owned()))
}
/// Parses `text` as the address of an admin plane; the error tells how to write one.
pub fn valid_admin_address(text: &str) -> Result<AdminAddr, String> {
    let expected = || "an IP address and port, or `unix:/path`".to_owned();
    admin_address(text).map_err(|hint| hint.unwrap_or_else(expected))
}

value!(
    /// Free text.
    Text(String),
    "text",
    { "type": ["string", "number", "boolean"] },
    scalar,
    |text| Ok(text.to_owned())
);
value!(Span(Duration), "a duration such as `250ms`, `30s`, `5m`, `12h` or `1d`",
    { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$" }, scalar, duration);
value!(Size(usize), "a size such as `64KiB`, `32MiB`, `10MB` or a number of bytes",
    { "type": ["string", "integer"], "pattern": "^[0-9]+ ?(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)?$", "minimum": 0 }, scalar, size);
value!(Boolean(bool), "`true` or `false`", { "type": "boolean" }, plain, boolean);
value!(Whole(u64), "a whole number", { "type": "integer", "minimum": 0 }, plain, whole);
value!(Signed(i64), "a whole number", { "type": "integer" }, plain, |text| text.parse().map_err(|_| None));
value!(Number(f64), "a number", { "type": "number", "minimum": 0 }, plain, number);
value!(
    /// A shell-style pattern, compared case-sensitively.
    Pattern(Glob), "a pattern such as `claude-*`", { "type": "string", "minLength": 1 }, scalar, |text| pattern(text, false));
value!(
    /// A shell-style pattern, compared whatever the case.
    LoosePattern(Glob), "a pattern such as `claude-cli/*`", { "type": "string", "minLength": 1 }, scalar, |text| pattern(text, true));
value!(Network(ipnet::IpNet), "an IP address or a network such as `10.0.0.0/8`", { "type": "string" }, scalar, network);
value!(Moment(SystemTime), "a time such as `2027-01-01T00:00:00Z`",
    { "type": "string", "format": "date-time" }, scalar, moment);
value!(Address(SocketAddr), "an IP address and port such as `0.0.0.0:8080`", { "type": "string" }, scalar, address);
value!(AdminAddress(AdminAddr), "an IP address and port such as `127.0.0.1:9090`, or `unix:/run/weir/admin.sock`",
    { "type": "string" }, scalar, admin_address);
value!(
    /// A path; relative ones belong to `$CREDENTIALS_DIRECTORY` or to the directory of the configuration file.
    FilePath(PathBuf), "the path of a file", { "type": "string", "minLength": 1 }, scalar, file_path);
value!(
    /// A path to write to; a relative one begins at the working directory.
    OutputPath(PathBuf), "the path of a file", { "type": "string", "minLength": 1 }, scalar, file_path);
value!(
    /// The IANA name of a time zone.
    Zone(jiff::tz::TimeZone), "the name of a time zone such as `Europe/Berlin` or `UTC`",
    { "type": "string", "minLength": 1 }, scalar, zone);
value!(UrlPath(String), "a path that begins with `/`", { "type": "string", "pattern": "^/" }, scalar, url_path);
value!(HostName(String), "a host name such as `weir.example.com`, or an IP address", { "type": "string" }, scalar, host_name);
value!(Origin(String), "an origin such as `https://app.example.com`, or `*`", { "type": "string" }, scalar, origin);
value!(Sha256([u8; 32]), "the SHA-256 of a key: 64 hex digits",
    { "type": "string", "pattern": "^[0-9A-Fa-f]{64}$" }, scalar, sha256);
value!(
    /// A JSON pointer: RFC 6901.
    RawPointer(Pointer), "a JSON pointer such as `/thinking/budget_tokens`",
    { "type": "string", "pattern": "^/" }, scalar, |text| Pointer::parse(text).map_err(|hint| Some(hint.to_owned())));
value!(
    /// How long something is waited for, or that it never happens.
    Patience(Option<Duration>), "a duration such as `45s`, or `off`",
    { "type": "string", "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h)|off)$" }, scalar, patience);
value!(AccessTarget(AccessLog), "`stdout`, `off` or the path of a file", { "type": "string" }, scalar, access_target);
value!(Version(()), "`1`", { "const": 1 }, plain, |text| if text == "1" { Ok(()) } else { Err(Some("this weir reads `version: 1`".to_owned())) });

/// A closed set of words.
pub trait Words: Copy + 'static {
    /// A noun with its article.
    const EXPECTED: &'static str;
    const WORDS: &'static [(&'static str, Self)];
}

/// One word of a closed set.
#[derive(Clone, Copy, Debug)]
pub struct Word<T>(pub T);

impl<T: Words> Decode for Word<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn decode(cursor: &Cursor<'_>, faults: &mut Faults) -> Option<Self> {
        let words = || T::WORDS.iter().map(|(word, _)| *word);
        let expected = one_of(words());
        let text = cursor.scalar(&expected, faults)?;
        let found = T::WORDS.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            cursor.mismatch(&expected, did_you_mean(text, words()), faults);
        }
        found.map(|(_, value)| Self(*value))
    }
}

impl<T: Words> JsonSchema for Word<T> {
    fn schema_name() -> Cow<'static, str> {
        T::EXPECTED.into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
        json_schema!({ "type": "string", "enum": words })
    }
}

impl<T: JsonSchema> JsonSchema for Field<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Section<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Needed<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = generator.subschema_for::<T>();
        schema.insert(NEEDED.to_owned(), true.into());
        schema
    }
}

impl<T: JsonSchema> JsonSchema for Map<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("MapOf{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<T>() })
    }
}

/// Whether this scalar is a number or a boolean instead of text.
pub fn is_number_or_truth(cursor: &Cursor<'_>) -> bool {
    match &cursor.node.kind {
        Kind::Scalar {
            text,
            quoted: false,
        } => text.parse::<f64>().is_ok() || boolean(text).is_ok(),
        _ => false,
    }
}

/// Marks a member as required in the generated schema, until `schema` converts it to `required`.
pub const NEEDED: &str = "x-needed";
