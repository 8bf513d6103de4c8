//! `accounts[].auth.oauth2`: access tokens from a token endpoint instead of a fixed key (RFC 6749, RFC 7523).
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rsa::KeyPair;

use super::endpoint::Endpoint;
use crate::config::secret::Secret;

/// The source of an account's access tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OAuth2 {
    /// The token endpoint. Its `path` is everything after the authority, path and query, as given.
    pub token_url: Endpoint,
    /// What is exchanged for a token.
    pub grant: Grant,
    /// The scopes of the token; may be empty.
    pub scopes: Vec<String>,
    /// The audience of the token; `None` = the request states none.
    pub audience: Option<String>,
    /// Further members of the form, in the order of the file.
    pub params: Vec<(String, Secret)>,
}

/// What is exchanged for a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Grant {
    /// The client's own credentials.
    ClientCredentials(Client),
    /// A refresh token, which the endpoint may replace with every answer.
    RefreshToken { client: Client, token: Secret },
    /// An assertion that is signed with the key of a service account.
    ServiceAccount(ServiceAccount),
}

/// A service account of Google's, from the JSON file of its key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServiceAccount {
    /// The signer: `client_email` of the file.
    pub email: String,
    /// The id of the key: `private_key_id` of the file.
    pub key_id: Option<String>,
    /// The private key, in PEM form.
    pub key: Secret,
    /// The audience of the assertion: the token endpoint, as the file names it.
    pub audience: String,
}

impl ServiceAccount {
    /// The private key in a form for signing, or what is wrong with it.
    pub fn key_pair(&self) -> Result<KeyPair, &'static str> {
        let body = self
            .key
            .expose()
            .split_once("-----BEGIN PRIVATE KEY-----")
            .and_then(|(_, rest)| rest.split_once("-----END PRIVATE KEY-----"))
            .map(|(body, _)| body.split_ascii_whitespace().collect::<String>())
            .ok_or("no PEM of a private key")?;
        let der = STANDARD
            .decode(body)
            .map_err(|_| "PEM that is not base64")?;
        KeyPair::from_pkcs8(&der).map_err(|_| "not an RSA key of 2048 bits and more")
    }
}

/// How the client authenticates at the token endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Client {
    /// `client_id`.
    pub id: Secret,
    /// `client_secret`; `None` = a public client.
    pub secret: Option<Secret>,
    /// How id and secret are sent; default: in the header.
    pub auth: ClientAuth,
}

/// Where the client's id and secret are sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClientAuth {
    /// `authorization: Basic …`, which every token endpoint must accept.
    #[default]
    Basic,
    /// As members of the form.
    Body,
}
