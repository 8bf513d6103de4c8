//! `accounts[].auth.oauth2`: where access tokens come from.
use super::Texts;
use super::secret::{RawSecret, RawValue};
use crate::config::decode::{Field, Needed, mapping};
use crate::config::oauth2::ClientAuth;
use crate::config::values::{Text, Word, Words};

mapping!("`{ token_url: URL, client_id: NAME, client_secret: { env: NAME } }`"
/// Where access tokens come from (RFC 6749): with `refresh_token` by that, else by the client's own credentials.
OAuth2 {
    /// The token endpoint.
    token_url: Needed<Text>,
    /// Who asks.
    client_id: Needed<RawValue>,
    /// Its secret. Only a public client with a refresh token has none.
    client_secret: Field<RawSecret>,
    /// Where the id and the secret of the client travel. Default basic.
    client_auth: Field<Word<ClientAuth>>,
    /// A refresh token: the tokens are those of whoever granted it.
    refresh_token: Field<RawSecret>,
    /// What the token shall be good for.
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
