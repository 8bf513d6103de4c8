//! `alerts`.
use super::{Compiler, items, urls};
use crate::config::raw::Raw;
use crate::config::raw::alerts as raw;
use crate::config::{Alerts, Endpoint, Webhook};

impl Compiler<'_, '_> {
    /// Compiles the section; `None` = it is absent, or there is a fault.
    pub(super) fn alerts(&mut self, root: &Raw) -> Option<Alerts> {
        let raw = root.alerts.get()?;
        let at = self.thresholds(raw);
        let webhook = raw.webhook.get()?;
        let endpoint = self.webhook_url(webhook);
        let secret = self
            .files
            .secret_kept_elsewhere(&webhook.secret, self.faults);
        if webhook.secret.is_given() && secret.is_none() {
            return None;
        }
        if !has_budget(root) {
            let hint = "give keys, groups, projects or `limits` one: usd_per_day or usd_per_month";
            let message = "found no budget in USD, expected one: else there is never an alert";
            self.faults
                .warn(root.alerts.at(), message, Some(hint.to_owned()));
        }
        Some(Alerts {
            webhook: Webhook {
                endpoint: endpoint?,
                secret,
            },
            at,
        })
    }

    fn webhook_url(&mut self, webhook: &raw::Webhook) -> Option<Endpoint> {
        let url = self.text_or_secret(&webhook.url)?;
        if let Ok(endpoint) = urls::token_url(url.expose()) {
            if !endpoint.tls && !urls::is_local(&endpoint.host) {
                let message =
                    "found `http`, expected `https`: names and budgets travel in the clear";
                self.faults.warn(webhook.url.at(), message, None);
            }
            Some(endpoint)
        } else {
            // Anyone who knows the URL may post to it, so no part of it is shown.
            let message =
                "found something else, expected a URL such as `https://hooks.example.com/weir`";
            let hint = "with `http://` or `https://`, without a user, a password or a `#`";
            self.faults
                .add_with(webhook.url.at(), message, Some(hint.to_owned()));
            None
        }
    }

    fn thresholds(&mut self, raw: &raw::Alerts) -> Vec<f64> {
        if !raw.at.is_given() {
            return DEFAULT_AT.to_vec();
        }
        self.refuse_empty(&raw.at, "0.8 and 1");
        self.is_bounded(&raw.at, MOST_THRESHOLDS);
        let mut at: Vec<f64> = Vec::new();
        for item in items(&raw.at) {
            let Some(share) = item.get().map(|number| number.0) else {
                continue;
            };
            if share <= 0.0 || share > 1.0 {
                let message = format!("found `{share}`, expected a number above 0, at most 1");
                let hint = "it is a share of the budget: 0.8 is four fifths".to_owned();
                self.faults.add_with(item.at(), message, Some(hint));
            }
            at.push(share);
        }
        at.sort_by(f64::total_cmp);
        at.dedup();
        at
    }
}

fn has_budget(root: &Raw) -> bool {
    let one = |limits: &crate::config::yaml::decode::Field<
        crate::config::raw::limits::ClientLimits,
    >| {
        let limits = limits.get();
        limits
            .is_some_and(|limits| limits.usd_per_day.is_given() || limits.usd_per_month.is_given())
    };
    let keys = items(&root.keys).iter().filter_map(|key| key.get());
    let groups = items(&root.groups).iter().filter_map(|group| group.get());
    let projects = items(&root.projects).iter();
    let projects = projects.filter_map(|project| project.get());
    keys.map(|key| &key.limits)
        .chain(groups.map(|group| &group.limits))
        .chain(projects.map(|project| &project.limits))
        .chain(std::iter::once(&root.limits))
        .any(one)
}

const DEFAULT_AT: [f64; 2] = [0.8, 1.0];

const MOST_THRESHOLDS: usize = 10;
