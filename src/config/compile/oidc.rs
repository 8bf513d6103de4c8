//! `admin.oidc`.
use super::{Compiler, items, urls};
use crate::config::diagnostic::quote;
use crate::config::raw::oidc as raw;
use crate::config::raw::values::Text;
use crate::config::yaml::decode::Field;
use crate::config::{Oidc, Role};

impl Compiler<'_, '_> {
    /// `Some(None)` = there is no OpenID provider.
    #[expect(
        clippy::option_option,
        reason = "outer: whether it could be compiled; inner: whether there is one"
    )]
    pub(super) fn oidc(&mut self, field: &Field<raw::Oidc>) -> Option<Option<Oidc>> {
        if !field.is_given() {
            return Some(None);
        }
        let raw = field.get()?;
        let issuer = self.issuer(&raw.issuer);
        let redirect = raw.redirect.get().map(|Text(text)| text.clone());
        if let Some(url) = &redirect {
            self.redirect(&raw.redirect, url);
        }
        let client_secret = self
            .files
            .secret_kept_elsewhere(&raw.client_secret, self.faults);
        if raw.client_secret.is_given() && client_secret.is_none() {
            return None;
        }
        let roles = self.roles(raw);
        let mut scopes: Vec<String> = items(&raw.scopes)
            .iter()
            .filter_map(Field::get)
            .map(|Text(scope)| scope.clone())
            .collect();
        if !raw.scopes.is_given() {
            scopes = DEFAULT_SCOPES.map(str::to_owned).to_vec();
        }
        if !scopes.iter().any(|scope| scope == "openid") {
            let hint =
                "without it a provider gives no ID token: scopes: [openid, email]".to_owned();
            let message = "found no `openid`, expected it among the scopes";
            self.faults.add_with(raw.scopes.at(), message, Some(hint));
        }
        Some(Some(Oidc {
            issuer: issuer?.into(),
            client_id: self.not_empty(&raw.client_id)?,
            client_secret,
            role_claim: self.not_empty(&raw.role_claim)?,
            roles: roles?,
            name_claim: raw.name_claim.get().map(|Text(text)| text.clone()),
            scopes: scopes.join(" "),
            redirect,
        }))
    }

    fn issuer(&mut self, field: &Field<Text>) -> Option<String> {
        let Text(url) = field.get()?;
        let found = match urls::token_url(url) {
            Ok(endpoint) if endpoint.tls || urls::is_local(&endpoint.host) => None,
            Ok(_) => Some(
                "found `http`, expected `https`: whoever is in between could let anybody in"
                    .to_owned(),
            ),
            Err(_) => Some(format!(
                "found {}, expected a URL such as `https://id.example.com`",
                quote(url)
            )),
        };
        if let Some(message) = found {
            let hint = "it is the `issuer` of its `/.well-known/openid-configuration`".to_owned();
            self.faults.add_with(field.at(), message, Some(hint));
            return None;
        }
        Some(url.clone())
    }

    fn redirect(&mut self, field: &Field<Text>, url: &str) {
        let path = urls::token_url(url).map(|endpoint| endpoint.path);
        if !path.is_ok_and(|path| path.ends_with(CALLBACK)) {
            let message = format!(
                "found {}, expected a URL that ends in `{CALLBACK}`",
                quote(url)
            );
            let hint = "such as https://weir.example.com/admin/api/v1/oidc/callback; the provider has to know the same one".to_owned();
            self.faults.add_with(field.at(), message, Some(hint));
        }
    }

    fn roles(&mut self, raw: &raw::Oidc) -> Option<Vec<(String, Role)>> {
        let map = raw.roles.get()?;
        let mut roles = Vec::new();
        let mut complete = true;
        for (at, value, role) in &map.0 {
            match role.get() {
                Some(role) => {
                    if value == "*" && role.0 > Role::Viewer {
                        let message = format!(
                            "found `*`: everybody who can sign in there is {}",
                            role.0.as_str()
                        );
                        self.faults.warn(
                            at,
                            message,
                            Some("name the values that are meant".to_owned()),
                        );
                    }
                    roles.push((value.clone(), role.0));
                }
                None => complete = false,
            }
        }
        if map.0.is_empty() {
            let hint = "roles: { weir-admins: admin }".to_owned();
            let message = "found no role, expected one: else nobody is let in";
            self.faults.add_with(raw.roles.at(), message, Some(hint));
        }
        complete.then_some(roles)
    }

    fn not_empty(&mut self, field: &Field<Text>) -> Option<String> {
        let Text(text) = field.get()?;
        if text.trim().is_empty() {
            self.faults
                .add(field.at(), "found an empty text, expected one");
        }
        Some(text.clone())
    }
}

const DEFAULT_SCOPES: [&str; 3] = ["openid", "profile", "email"];

/// The path to which the provider redirects after the sign-in.
const CALLBACK: &str = "/admin/api/v1/oidc/callback";
