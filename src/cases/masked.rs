//! Masks credentials in recorded cases.
use std::borrow::Cow;
use std::collections::HashMap;

use memchr::memmem;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::config::secret::Secret;
use crate::protocol::error;

/// The secrets to mask, in every spelling in which they may occur.
#[derive(Debug)]
pub(super) struct Mask {
    spellings: Vec<Secret>,
}

impl Mask {
    /// A mask for these secrets, and for everything in the form of a vendor's key.
    pub(super) fn new<'a>(secrets: impl Iterator<Item = &'a Secret>) -> Self {
        let mut spellings: Vec<String> = Vec::new();
        let secrets = secrets.map(Secret::expose);
        for secret in secrets.filter(|secret| secret.len() >= SHORTEST) {
            let quoted = Value::from(secret).to_string();
            let quoted = quoted.trim_matches('"');
            let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
            for spelling in [secret, quoted, &quoted.replace('/', "\\/"), &encoded] {
                if !spellings.iter().any(|known| known == spelling) {
                    spellings.push(spelling.to_owned());
                }
            }
        }
        // One spelling may be the beginning of another, so the longer ones come first.
        spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
        Self {
            spellings: spellings.into_iter().map(Secret::new).collect(),
        }
    }

    /// The same bytes with `***` in place of the secrets.
    pub(super) fn masked<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut masked = error::mask(bytes, "");
        for spelling in &self.spellings {
            if memmem::find(&masked, spelling.expose().as_bytes()).is_some() {
                masked = Cow::Owned(error::mask(&masked, spelling.expose()).into_owned());
            }
        }
        masked
    }

    /// Whether a secret can still be read: in a decoded JSON text, or in the concatenation of the texts at the same
    /// place of a stream's events.
    pub(super) fn shows_in(&self, file: &[u8]) -> bool {
        if matches!(self.masked(file), Cow::Owned(_)) {
            return true;
        }
        let mut texts = Texts::default();
        let text = String::from_utf8_lossy(file);
        // Whole documents, which may have several lines, behind the rulers.
        for section in text.split("----- ").flat_map(|part| part.split("=== ")) {
            let body = section.split_once('\n').map_or(section, |(_, body)| body);
            texts.read(body);
        }
        for line in text.lines() {
            let data = line.strip_prefix("data:").unwrap_or(line).trim();
            texts.read(data.trim_start_matches([',', '[']).trim_end_matches(','));
        }
        let mut all = texts.by_place.values();
        all.any(|text| matches!(self.masked(text.as_bytes()), Cow::Owned(_)))
    }
}

/// The texts of JSON documents; texts at the same place are concatenated.
#[derive(Debug, Default)]
struct Texts {
    by_place: HashMap<String, String>,
}

impl Texts {
    fn read(&mut self, text: &str) {
        if text.starts_with(['{', '[']) {
            // Several documents may follow each other.
            for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
                let Ok(value) = value else { break };
                self.collect(&mut String::new(), &value);
            }
        }
    }

    fn collect(&mut self, place: &mut String, value: &Value) {
        let length = place.len();
        match value {
            Value::String(text) => {
                if let Some(texts) = self.by_place.get_mut(place.as_str()) {
                    texts.push_str(text);
                } else {
                    self.by_place.insert(place.clone(), text.clone());
                }
            }
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    place.push_str(&format!("/{index}"));
                    self.collect(place, value);
                    place.truncate(length);
                }
            }
            Value::Object(members) => {
                for (name, value) in members {
                    place.push('/');
                    place.push_str(name);
                    // A name may contain a secret too.
                    self.by_place
                        .entry(name.clone())
                        .or_insert_with(|| name.clone());
                    self.collect(place, value);
                    place.truncate(length);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Shorter secrets are words that also occur in other text.
const SHORTEST: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn mask() -> Mask {
        Mask::new(
            [
                Secret::new("a\"secret/key"),
                Secret::new("short"),
                Secret::new("plainkey77"),
            ]
            .iter(),
        )
    }

    #[test]
    fn every_spelling_is_masked() {
        for (text, masked) in [
            ("say a\"secret/key now", "say *** now"),
            (r#"{"a":"a\"secret/key"}"#, r#"{"a":"***"}"#),
            (r#"{"a":"a\"secret\/key"}"#, r#"{"a":"***"}"#),
            ("?key=a%22secret%2Fkey&b", "?key=***&b"),
            ("plainkey77plainkey77", "******"),
            ("short stays", "short stays"),
        ] {
            let got = mask().masked(text.as_bytes()).into_owned();
            assert_eq!(String::from_utf8_lossy(&got), masked);
            assert!(!mask().shows_in(&got), "{masked}");
            // Masking a second time changes nothing.
            assert_eq!(mask().masked(&got), got.as_slice());
        }
        let shaped = b"sk-ant-api03-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let got = mask().masked(shaped).into_owned();
        assert!(!mask().shows_in(&got));
    }

    #[test]
    fn what_only_json_understands_or_comes_in_pieces_still_shows() {
        for text in [
            r#"{"a":"plain\u006bey77"}"#,
            "A title\n----- upstream stream\ndata: {\"d\":{\"t\":\"plai\"}}\n\ndata: {\"d\":{\"t\":\"nkey77\"}}\n\n",
            "A title\n----- client answer\n{\n  \"a\": {\n    \"b\": \"plain\\u006bey77\"\n  }\n}\n",
            "gemini array\n=== stream\n[{\"t\":\"plain\"}\n,\n{\"t\":\"key77\"}\n]\n=== facts\n",
            r#"{"plain\u006bey77":1}"#,
        ] {
            assert!(mask().shows_in(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "{\"a\":\"plainkey\"}",
            "{",
            "data: {\"a\":\"plain\"}\n\ndata: {\"b\":\"key77\"}\n\n",
        ] {
            assert!(!mask().shows_in(text.as_bytes()), "{text}");
        }
    }
}
