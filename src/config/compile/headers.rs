//! Header names and values that an account adds, and header names that a route looks at.
use http::{HeaderName, HeaderValue};

use super::Compiler;
use crate::config::cursor::At;
use crate::config::decode::{Field, Map};
use crate::config::diagnostic::quote;
use crate::config::raw::secret::RawValue;

impl Compiler<'_, '_> {
    /// The headers that an account adds.
    pub(super) fn headers(
        &mut self,
        field: &Field<Map<RawValue>>,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let entries = field.get().map(|map| map.0.as_slice()).unwrap_or_default();
        if entries.len() > MOST_HEADERS {
            let message = format!(
                "found {} headers, expected at most {MOST_HEADERS}",
                entries.len()
            );
            self.faults.add(field.at(), message);
            return Vec::new();
        }
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        for (at, text, value) in entries {
            let name = self.header_name(at, text);
            let value = self.header_value(value);
            let (Some(name), Some(value)) = (name, value) else {
                continue;
            };
            if headers.iter().any(|(other, _)| *other == name) {
                self.faults
                    .add(at, "found the same header a second time, expected it once");
                continue;
            }
            let hint = if CREDENTIALS.contains(&name.as_str()) {
                Some("the account's credential is set with `key` and `auth`")
            } else if name == http::header::HOST {
                Some("`Host` follows from the base URL")
            } else if HOP_BY_HOP.contains(&name.as_str()) {
                Some("it belongs to one connection, and weir manages those itself")
            } else if FRAMING.contains(&name.as_str()) {
                Some("it describes the body, and weir sets it itself")
            } else {
                None
            };
            if let Some(hint) = hint {
                let message = format!("found `{name}`, expected a header that may be added");
                self.faults.add_with(at, message, Some(hint.to_owned()));
            }
            headers.push((name, value));
        }
        headers
    }

    /// A header name.
    pub(super) fn header_name(&mut self, at: &At, text: &str) -> Option<HeaderName> {
        let name = HeaderName::from_bytes(text.as_bytes());
        if name.is_err() {
            self.faults.add(
                at,
                format!("found {}, expected the name of a header", quote(text)),
            );
        }
        name.ok()
    }

    /// A name that a route may look at: not one that holds the client's credential.
    pub(super) fn matched_header_name(&mut self, at: &At, text: &str) -> Option<HeaderName> {
        let name = self.header_name(at, text)?;
        if CREDENTIALS.contains(&name.as_str()) {
            let hint = "match the name of the key instead: when: { key: NAME }".to_owned();
            self.faults.add_with(
                at,
                format!("found `{name}`, expected a header without a credential"),
                Some(hint),
            );
            return None;
        }
        Some(name)
    }

    fn header_value(&mut self, field: &Field<RawValue>) -> Option<HeaderValue> {
        let secret;
        let text = match field.get()? {
            RawValue::Text(text) => text,
            RawValue::Secret(raw) => {
                secret = self.files.read_secret(raw, field.at(), self.faults)?;
                secret.expose()
            }
        };
        let Ok(mut value) = HeaderValue::from_str(text) else {
            let message = "found characters that no header may hold, expected visible ASCII";
            self.faults.add(field.at(), message);
            return None;
        };
        value.set_sensitive(true);
        Some(value)
    }
}

const CREDENTIALS: &[&str] = &[
    "api-key",
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "x-goog-api-key",
];
/// RFC 9110, 7.6.1, and what came before it.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const FRAMING: &[&str] = &["accept-encoding", "content-encoding", "content-length"];
/// Servers refuse requests with more.
const MOST_HEADERS: usize = 100;
