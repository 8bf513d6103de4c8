//! `accounts[].auth.oauth2`: the token endpoint, the client and the grant.
use super::{Compiler, items, urls};
use crate::config::Endpoint;
use crate::config::diagnostic::quote;
use crate::config::raw::account as raw;
use crate::config::raw::oauth2 as raw_oauth2;
use crate::config::raw::secret::RawValue;
use crate::config::raw::values::Text;
use crate::config::secret::Secret;
use crate::config::settings::oauth2::{Client, ClientAuth, Grant, OAuth2, ServiceAccount};
use crate::config::yaml::at::At;
use crate::config::yaml::decode::Field;

impl Compiler<'_, '_> {
    /// `Some(None)` = the account has a key, or no credential.
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
        // All parts are compiled before the first return, so that all faults are found.
        let mut scopes = self.scopes(&section.scopes);
        let params = self.params(section);
        let audience = section.audience.get().map(|audience| audience.0.clone());
        let (token_url, grant) = if section.service_account.is_given() {
            let account = self.service_account(section);
            if !section.scopes.is_given() {
                scopes.push(CLOUD_PLATFORM.to_owned());
            }
            let named = account.as_ref().map(|account| account.audience.as_str());
            let url = if section.token_url.is_given() {
                self.token_url(&section.token_url)
            } else {
                named.and_then(|named| self.url(section.service_account.at(), named))
            };
            (url, account.map(Grant::ServiceAccount))
        } else {
            self.expect_given(&section.token_url, "the URL of the token endpoint");
            self.expect_given(&section.client_id, "the id of the client");
            let url = self.token_url(&section.token_url);
            let client = self.client(section);
            (url, self.grant(section, client))
        };
        Some(Some(OAuth2 {
            token_url: token_url?,
            grant: grant?,
            scopes,
            audience,
            params,
        }))
    }

    fn expect_given<T>(&mut self, field: &Field<T>, what: &str) {
        if !field.is_given() {
            let message = format!("found nothing, expected {what}");
            self.faults.add(field.at(), message);
        }
    }

    fn token_url(&mut self, field: &Field<Text>) -> Option<Endpoint> {
        self.url(field.at(), &field.get()?.0)
    }

    fn url(&mut self, at: &At, text: &str) -> Option<Endpoint> {
        match urls::token_url(text) {
            Ok(endpoint) => {
                if !endpoint.tls && !urls::is_local(&endpoint.host) {
                    let message =
                        "found `http`, expected `https`: the credentials travel in the clear";
                    self.faults.warn(at, message, None);
                }
                Some(endpoint)
            }
            Err((expected, hint)) => {
                // The value may contain credentials by mistake, so no part of it is shown.
                let message = format!("found something else, expected {expected}");
                self.faults.add_with(at, message, hint);
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

    fn grant(&mut self, raw: &raw_oauth2::OAuth2, client: Option<Client>) -> Option<Grant> {
        if !raw.refresh_token.is_given() {
            return client.map(Grant::ClientCredentials);
        }
        let token = self
            .files
            .secret_kept_elsewhere(&raw.refresh_token, self.faults);
        client
            .zip(token)
            .map(|(client, token)| Grant::RefreshToken { client, token })
    }

    fn service_account(&mut self, raw: &raw_oauth2::OAuth2) -> Option<ServiceAccount> {
        let others = [
            (raw.client_id.is_given(), raw.client_id.at()),
            (raw.client_secret.is_given(), raw.client_secret.at()),
            (raw.client_auth.is_given(), raw.client_auth.at()),
            (raw.refresh_token.is_given(), raw.refresh_token.at()),
        ];
        for (_, at) in others.into_iter().filter(|(given, _)| *given) {
            let message = "found it beside `service_account`, expected one of the two";
            self.faults.add(at, message);
        }
        let field = &raw.service_account;
        let file = self.files.secret_kept_elsewhere(field, self.faults)?;
        if self.files.is_stand_in(&file) {
            return Some(ServiceAccount {
                email: String::new(),
                key_id: None,
                key: file,
                audience: "https://oauth2.googleapis.com/token".to_owned(),
            });
        }
        let read = |json: serde_json::Value| {
            let text = |name: &str| json.get(name)?.as_str().map(str::to_owned);
            Some(ServiceAccount {
                email: text("client_email")?,
                key_id: text("private_key_id"),
                key: Secret::new(text("private_key")?),
                audience: text("token_uri")?,
            })
        };
        let account = serde_json::from_str(file.expose()).ok().and_then(read);
        let fault = match &account {
            None => Some("something else"),
            Some(account) => {
                self.faults.hide(&account.key);
                account.key_pair().err()
            }
        };
        if let Some(fault) = fault {
            let message = format!(
                "found {fault}, expected the JSON of a service account's key, with `client_email`, `private_key` and `token_uri`"
            );
            self.faults.add(field.at(), message);
            return None;
        }
        account
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

    /// A literal text, or a secret that is kept elsewhere.
    pub(super) fn text_or_secret(&mut self, field: &Field<RawValue>) -> Option<Secret> {
        match field.get()? {
            RawValue::Text(text) => Some(Secret::new(text.as_str())),
            RawValue::Secret(raw) => self.files.read_secret(raw, field.at(), self.faults),
        }
    }
}

/// The default scope for a service account: every API of Google Cloud that its roles permit.
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Members of the form that have settings of their own, or that cannot be set.
const OWN_MEMBERS: &[(&str, &str)] = &[
    ("audience", "it has its own setting: audience"),
    ("assertion", "it is made from `service_account`"),
    ("client_id", "it has its own setting: client_id"),
    ("client_secret", "it has its own setting: client_secret"),
    ("grant_type", "it follows from what else is given"),
    ("refresh_token", "it has its own setting: refresh_token"),
    ("scope", "it has its own setting: scopes: [ … ]"),
];
