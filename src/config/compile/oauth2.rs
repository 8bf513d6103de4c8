//! `accounts[].auth.oauth2`: the token endpoint, the client and the grant.
use std::net::IpAddr;

use super::{Compiler, items, urls};
use crate::config::Endpoint;
use crate::config::decode::Field;
use crate::config::diagnostic::quote;
use crate::config::oauth2::{Client, ClientAuth, Grant, OAuth2};
use crate::config::raw::account as raw;
use crate::config::raw::oauth2 as raw_oauth2;
use crate::config::raw::secret::RawValue;
use crate::config::secret::Secret;
use crate::config::values::Text;

impl Compiler<'_, '_> {
    /// `Some(None)` = the account has a key, or nothing.
    #[expect(
        clippy::option_option,
        reason = "outer: whether it could be compiled; inner: whether there is one"
    )]
    pub(super) fn oauth2(&mut self, raw: &raw::Account) -> Option<Option<OAuth2>> {
        let Some(raw::RawAuth::OAuth2(section)) = raw.auth.get() else {
            return Some(None);
        };
        if raw.key.is_given() {
            let hint = "remove it, or say `auth: bearer`".to_owned();
            let message = "found a key beside `auth.oauth2`, expected one of the two";
            self.faults.add_with(raw.key.at(), message, Some(hint));
        }
        let section = section.oauth2.get()?;
        // Everything is looked at before anything returns, so that all faults are found.
        let token_url = self.token_url(&section.token_url);
        let client = self.client(section);
        let grant = self.grant(section);
        let scopes = self.scopes(&section.scopes);
        let params = self.params(section);
        Some(Some(OAuth2 {
            token_url: token_url?,
            grant: grant?,
            client: client?,
            scopes,
            audience: section.audience.get().map(|audience| audience.0.clone()),
            params,
        }))
    }

    fn token_url(&mut self, field: &Field<Text>) -> Option<Endpoint> {
        let Text(text) = field.get()?;
        match urls::token_url(text) {
            Ok(endpoint) => {
                if !endpoint.tls && !is_local(&endpoint.host) {
                    let message = "found `http`, expected `https`: the client's credentials travel in the clear";
                    self.faults.warn(field.at(), message, None);
                }
                Some(endpoint)
            }
            Err((expected, hint)) => {
                // It may hold credentials by mistake, so no part of it is shown.
                let message = format!("found something else, expected {expected}");
                self.faults.add_with(field.at(), message, hint);
                None
            }
        }
    }

    fn client(&mut self, raw: &raw_oauth2::OAuth2) -> Option<Client> {
        let id = self.text_or_secret(&raw.client_id);
        let secret = self
            .files
            .secret_kept_elsewhere(&raw.client_secret, self.faults);
        let auth = raw.client_auth.get().map(|word| word.0);
        if !raw.client_secret.is_given() {
            if !raw.refresh_token.is_given() {
                let hint = "only a public client with a `refresh_token` has none".to_owned();
                let message = "found nothing, expected the secret of the client";
                self.faults
                    .add_with(raw.client_secret.at(), message, Some(hint));
            }
            if auth == Some(ClientAuth::Basic) {
                let message = "found `basic` without a `client_secret`, expected both or neither";
                self.faults.add(raw.client_auth.at(), message);
            }
        }
        if raw.client_secret.is_wrong() || raw.client_auth.is_wrong() {
            return None;
        }
        Some(Client {
            id: id?,
            auth: match &secret {
                Some(_) => auth.unwrap_or_default(),
                None => ClientAuth::Body,
            },
            secret,
        })
    }

    fn grant(&mut self, raw: &raw_oauth2::OAuth2) -> Option<Grant> {
        if !raw.refresh_token.is_given() {
            return Some(Grant::ClientCredentials);
        }
        let token = self
            .files
            .secret_kept_elsewhere(&raw.refresh_token, self.faults)?;
        Some(Grant::RefreshToken(token))
    }

    fn scopes(&mut self, field: &Field<Vec<Field<Text>>>) -> Vec<String> {
        self.refuse_empty(field, "what the token endpoint grants by default");
        let mut scopes = Vec::new();
        for scope in items(field) {
            let Some(Text(text)) = scope.get() else {
                continue;
            };
            // RFC 6749, 3.3.
            let legal = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            if text.is_empty() || !text.bytes().all(legal) {
                let hint = "several scopes are several entries of the list".to_owned();
                let message = format!("found {}, expected one scope", quote(text));
                self.faults.add_with(scope.at(), message, Some(hint));
            }
            scopes.push(text.clone());
        }
        scopes
    }

    fn params(&mut self, raw: &raw_oauth2::OAuth2) -> Vec<(String, Secret)> {
        let entries = raw
            .params
            .get()
            .map(|map| map.0.as_slice())
            .unwrap_or_default();
        let mut params: Vec<(String, Secret)> = Vec::new();
        for (at, name, value) in entries {
            if let Some((_, instead)) = OWN_MEMBERS.iter().find(|(own, _)| own == name) {
                let message = format!("found `{name}`, expected a further member of the form");
                self.faults
                    .add_with(at, message, Some((*instead).to_owned()));
            }
            if let Some(value) = self.text_or_secret(value) {
                params.push((name.clone(), value));
            }
        }
        params
    }

    fn text_or_secret(&mut self, field: &Field<RawValue>) -> Option<Secret> {
        match field.get()? {
            RawValue::Text(text) => Some(Secret::new(text.as_str())),
            RawValue::Secret(raw) => self.files.read_secret(raw, field.at(), self.faults),
        }
    }
}

fn is_local(host: &str) -> bool {
    // Clouds serve tokens to their machines from a link-local address.
    let local = |address: IpAddr| match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback(),
    };
    host == "localhost" || host.parse().is_ok_and(local)
}

/// Members of the form that have settings of their own, or none.
const OWN_MEMBERS: &[(&str, &str)] = &[
    ("audience", "it has its own setting: audience"),
    ("client_id", "it has its own setting: client_id"),
    ("client_secret", "it has its own setting: client_secret"),
    ("grant_type", "it follows from `refresh_token`"),
    ("refresh_token", "it has its own setting: refresh_token"),
    ("scope", "it has its own setting: scopes: [ … ]"),
];
