//! The base URLs of an account: its own, or the preset's.
use super::{Compiler, items, urls};
use crate::config::Endpoint;
use crate::config::diagnostic::quote;
use crate::config::raw::account as raw;
use crate::config::settings::providers::Provider;
use crate::protocol::UpstreamDialect;

impl Compiler<'_, '_> {
    /// At least one endpoint; `None` = there is a fault.
    pub(super) fn endpoints(
        &mut self,
        raw: &raw::Account,
        provider: Option<&Provider>,
        dialect: Option<UpstreamDialect>,
    ) -> Option<Vec<Endpoint>> {
        if raw.base_url.is_given() && raw.endpoints.is_given() {
            let hint = "`base_url` is short for one endpoint: move it into `endpoints`".to_owned();
            let message = "found `endpoints` beside `base_url`, expected one of the two";
            self.faults
                .add_with(raw.endpoints.at(), message, Some(hint));
        }
        let mut given = Vec::new();
        let mut complete = true;
        if raw.base_url.is_given() {
            let url = raw.base_url.get().map(|url| url.0.as_str());
            given.push((raw.base_url.at(), url, 1));
        }
        self.refuse_empty(&raw.endpoints, "the base URL of the preset");
        complete &= !raw.endpoints.is_wrong();
        if !self.is_bounded(&raw.endpoints, 1_000) {
            return None;
        }
        for endpoint in items(&raw.endpoints) {
            let Some(endpoint) = endpoint.get() else {
                complete = false;
                continue;
            };
            let weight = endpoint.weight.small();
            given.push((
                endpoint.url.at(),
                endpoint.url.get().map(|url| url.0.as_str()),
                weight,
            ));
        }
        if !raw.base_url.is_given() && !raw.endpoints.is_given() {
            return self
                .preset_endpoint(raw, provider?, dialect?)
                .map(|endpoint| vec![endpoint]);
        }
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for (at, url, weight) in given {
            let Some(url) = url else {
                complete = false;
                continue;
            };
            match urls::base_url(url, weight) {
                Err((expected, hint)) => {
                    complete = false;
                    self.faults.add_with(
                        at,
                        format!("found {}, expected {expected}", quote(url)),
                        hint,
                    );
                }
                Ok(endpoint) => {
                    if let Some(odd) =
                        dialect.and_then(|dialect| urls::odd_base(&endpoint, dialect))
                    {
                        self.faults.warn(at, odd, None);
                    }
                    let twice = |other: &Endpoint| {
                        other.origin == endpoint.origin && other.path == endpoint.path
                    };
                    if endpoints.iter().any(twice) {
                        self.faults
                            .add(at, "found the same URL a second time, expected it once");
                    }
                    endpoints.push(endpoint);
                }
            }
        }
        if complete
            && !endpoints.is_empty()
            && endpoints.iter().all(|endpoint| endpoint.weight == 0)
        {
            self.faults.add(
                raw.endpoints.at(),
                "found weight 0 everywhere, expected at least one endpoint in use",
            );
        }
        complete.then_some(endpoints)
    }

    fn preset_endpoint(
        &mut self,
        raw: &raw::Account,
        provider: &Provider,
        dialect: UpstreamDialect,
    ) -> Option<Endpoint> {
        let Some(url) = provider.base_url_for(dialect) else {
            let message = format!(
                "found nothing, expected a URL: the provider `{}` has none for {dialect}",
                provider.name
            );
            let hint = match provider.name {
                "azure-openai" => {
                    "https://RESOURCE.openai.azure.com/openai/deployments/DEPLOYMENT".to_owned()
                }
                _ if provider.documentation.is_empty() => {
                    "or several: endpoints: [{ url: … }]".to_owned()
                }
                _ => format!("see {}", provider.documentation),
            };
            self.faults.add_with(raw.base_url.at(), message, Some(hint));
            return None;
        };
        let endpoint = urls::base_url(url, 1);
        if endpoint.is_err() {
            self.faults.add(
                raw.provider.at(),
                "found a preset with a faulty URL, expected another",
            );
        }
        endpoint.ok()
    }
}
