//! `accounts[].auth.oauth2`: where access tokens come from.
use super::Texts;
use super::mapping::mapping;
use super::secret::{RawSecret, RawValue};
use crate::config::raw::values::{Text, Word, Words};
use crate::config::settings::oauth2::ClientAuth;
use crate::config::yaml::decode::Field;

mapping!("`{ token_url: URL, client_id: NAME, client_secret: { env: NAME } }` or `{ service_account: { file: PATH } }`"
/// Where access tokens come from (RFC 6749): with `refresh_token` by that, with `service_account` by an assertion that
/// its key signs, else by the client's own credentials.
OAuth2 {
    /// The token endpoint. Needed, unless `service_account` names it.
    token_url: Field<Text>,
    /// Who asks. Needed, unless there is a `service_account`.
    client_id: Field<RawValue>,
    /// Its secret. Only a public client with a refresh token has none.
    client_secret: Field<RawSecret>,
    /// Where the id and the secret of the client travel. Default basic.
    client_auth: Field<Word<ClientAuth>>,
    /// A refresh token: the tokens are those of whoever granted it.
    refresh_token: Field<RawSecret>,
    /// The JSON file of a key of a Google service account.
    service_account: Field<RawSecret>,
    /// What the token shall be good for. Default for a service account: https://www.googleapis.com/auth/cloud-platform
    scopes: Field<Vec<Field<Text>>>,
    /// Whom the token shall be good for, where the endpoint asks for that.
    audience: Field<Text>,
    /// Further members of the form, such as `resource`.
    params: Texts<RawValue>,
});

impl Words for ClientAuth {
    const EXPECTED: &'static str = "where the client's credentials travel";
    const WORDS: &'static [(&'static str, Self)] = &[("basic", Self::Basic), ("body", Self::Body)];
}
