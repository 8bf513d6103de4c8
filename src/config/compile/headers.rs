//! Header names and values that an account or a rewrite sets, and header names that a condition matches.
use http::{HeaderName, HeaderValue};

use super::Compiler;
use crate::config::Glob;
use crate::config::diagnostic::quote;
use crate::config::raw::secret::RawValue;
use crate::config::raw::values::LoosePattern;
use crate::config::yaml::at::At;
use crate::config::yaml::decode::{Field, Map};

impl Compiler<'_, '_> {
    /// The headers that an account or a rewrite sets.
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
            self.refuse_header(at, &name, "added");
            headers.push((name, value));
        }
        headers
    }

    /// Records a fault for a header that Weir sets itself.
    pub(super) fn refuse_header(&mut self, at: &At, name: &HeaderName, done: &str) {
        let hint = if CREDENTIALS.contains(&name.as_str()) {
            "the account's credential is set with `key` and `auth`"
        } else if name == http::header::HOST {
            "`Host` follows from the base URL"
        } else if HOP_BY_HOP.contains(&name.as_str()) {
            "it belongs to one connection, and weir manages those itself"
        } else if FRAMING.contains(&name.as_str()) {
            "it describes the body, and weir sets it itself"
        } else {
            return;
        };
        let message = format!("found `{name}`, expected a header that may be {done}");
        self.faults.add_with(at, message, Some(hint.to_owned()));
    }

    /// The headers that a condition matches, each with its pattern.
    pub(super) fn matched_headers(
        &mut self,
        field: &Field<Map<LoosePattern>>,
    ) -> Vec<(HeaderName, Glob)> {
        let mut headers = Vec::new();
        for (at, name, pattern) in field.get().map(|map| map.0.as_slice()).unwrap_or_default() {
            let name = self.matched_header_name(at, name);
            headers.extend(name.zip(pattern.get().map(|pattern| pattern.0.clone())));
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

    /// The name of a header that a route may match: it must not hold the client's credential.
    fn matched_header_name(&mut self, at: &At, text: &str) -> Option<HeaderName> {
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
/// Hop-by-hop headers: RFC 9110, 7.6.1, and older ones.
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
/// Most headers of one list. Servers refuse requests with more.
const MOST_HEADERS: usize = 100;
