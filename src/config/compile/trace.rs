//! `trace`.
use http::HeaderValue;

use super::{Compiler, urls};
use crate::config::Trace;
use crate::config::diagnostic::quote;
use crate::config::raw::Raw;
use crate::config::raw::values::Text;

impl Compiler<'_, '_> {
    /// Compiles the section; `None` = it is absent, or there is a fault.
    pub(super) fn trace(&mut self, root: &Raw) -> Option<Trace> {
        let raw = root.trace.get()?;
        let Text(url) = raw.otlp.get()?;
        let base = url.trim_end_matches('/');
        let base = base.strip_suffix("/v1/traces").unwrap_or(base);
        // The part before an `@` may contain a password, so it is not shown.
        let shown = if url.contains('@') {
            "a URL with a credential in it".to_owned()
        } else {
            quote(url)
        };
        let endpoint = urls::base_url(base, 1).ok().filter(|_| !url.contains('@'));
        if endpoint.is_none() {
            let message = format!("found {shown}, expected a URL such as `http://127.0.0.1:4318`");
            let hint = "the collector's address for OTLP over HTTP; a credential goes into `token`"
                .to_owned();
            self.faults.add_with(raw.otlp.at(), message, Some(hint));
        }
        let mut authorization = None;
        if let Some(secret) = self.files.secret_kept_elsewhere(&raw.token, self.faults) {
            if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", secret.expose())) {
                value.set_sensitive(true);
                authorization = Some(value);
            } else {
                let message = "found characters that no header may hold, expected visible ASCII";
                self.faults.add(raw.token.at(), message);
            }
        }
        Some(Trace {
            endpoint: endpoint?,
            share: raw.share.value(),
            authorization,
        })
    }
}
