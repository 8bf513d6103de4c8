//! `prometheus`.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use super::{Compiler, urls};
use crate::config::diagnostic::quote;
use crate::config::raw::secret::RawSecret;
use crate::config::raw::values::Text;
use crate::config::raw::{Raw, prometheus as raw};
use crate::config::yaml::decode::Field;
use crate::config::{Endpoint, Prometheus};

impl Compiler<'_, '_> {
    /// Compiles the section; `None` = it is absent, or there is a fault.
    pub(super) fn prometheus(&mut self, root: &Raw) -> Option<Prometheus> {
        let raw = root.prometheus.get()?;
        let endpoint = self.prometheus_url(raw);
        let matchers = self.matchers(raw);
        let authorization = self.authorization(raw);
        let poll = raw.poll.value();
        let instance = raw.instance_label.get().map(|label| label.0.as_str());
        if instance == Some("") {
            let message = "found an empty text, expected the `instance` label of this weir";
            self.faults.add(raw.instance_label.at(), message);
        }
        let timeout = raw.timeout.value();
        if !root.admin.is_given() {
            let hint = "it scrapes `/metrics` of the admin plane: admin: { addr: … }".to_owned();
            let message = "found no `admin`, expected it: without it this weir cannot be scraped, and no other learns what it used";
            self.faults.warn(root.prometheus.at(), message, Some(hint));
        }
        Some(Prometheus {
            endpoint: endpoint?,
            instance: instance.map(Into::into),
            poll,
            timeout,
            matchers,
            authorization,
        })
    }

    fn prometheus_url(&mut self, raw: &raw::Prometheus) -> Option<Endpoint> {
        let Text(url) = raw.url.get()?;
        let parsed = urls::base_url(url, 1);
        let hint = if url.contains('@') {
            // The credential may be a password, so it is not shown.
            let message = "found a URL with a credential in it, expected one without";
            let hint = "use `token` or `basic_auth`".to_owned();
            self.faults.add_with(raw.url.at(), message, Some(hint));
            return None;
        } else if let Some(base) = url.trim_end_matches('/').strip_suffix("/api/v1") {
            Some(format!("cut off `/api/v1`: {base}"))
        } else if parsed.is_err() && !url.contains("://") {
            Some("begin it with `http://` or `https://`".to_owned())
        } else {
            None
        };
        if parsed.is_err() || hint.is_some() {
            let message = format!(
                "found {}, expected a URL such as `http://127.0.0.1:9090`",
                quote(url)
            );
            self.faults.add_with(raw.url.at(), message, hint);
        }
        parsed.ok()
    }

    fn matchers(&mut self, raw: &raw::Prometheus) -> Vec<(String, String)> {
        let entries = raw.matchers.get().map(|map| map.0.as_slice());
        let mut matchers = Vec::new();
        for (at, name, value) in entries.unwrap_or_default() {
            let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            let begins = name.starts_with(|first: char| !first.is_ascii_digit());
            if !begins || !name.bytes().all(word) {
                self.faults.add(
                    at,
                    format!("found {}, expected the name of a label", quote(name)),
                );
            } else if OWN_LABELS.contains(&name.as_str()) {
                let message =
                    format!("found `{name}`, expected a label that Prometheus adds, such as `job`");
                self.faults.add(at, message);
            }
            matchers.extend(value.get().map(|value| (name.clone(), value.0.clone())));
        }
        matchers
    }

    fn authorization(&mut self, raw: &raw::Prometheus) -> Option<HeaderValue> {
        if raw.token.is_given() && raw.basic_auth.is_given() {
            let message = "found `basic_auth` beside `token`, expected one of the two";
            self.faults.add(raw.basic_auth.at(), message);
        }
        let (at, text) = if let Some(basic) = raw.basic_auth.get() {
            let password = self.kept_elsewhere(&basic.password);
            let Text(username) = basic.username.get()?;
            if username.contains(':') {
                let message = "found a `:` in it, expected the name of a user";
                self.faults.add(basic.username.at(), message);
            }
            let pair = format!("{username}:{}", password?);
            (
                raw.basic_auth.at(),
                format!("Basic {}", STANDARD.encode(pair)),
            )
        } else {
            (
                raw.token.at(),
                format!("Bearer {}", self.kept_elsewhere(&raw.token)?),
            )
        };
        let Ok(mut value) = HeaderValue::from_str(&text) else {
            let message = "found characters that no header may hold, expected visible ASCII";
            self.faults.add(at, message);
            return None;
        };
        value.set_sensitive(true);
        Some(value)
    }

    fn kept_elsewhere(&mut self, field: &Field<RawSecret>) -> Option<String> {
        let secret = self.files.secret_kept_elsewhere(field, self.faults)?;
        Some(secret.expose().to_owned())
    }
}

/// Labels that the series have themselves.
const OWN_LABELS: &[&str] = &["kind", "name", "run_id", "scope", "window"];
