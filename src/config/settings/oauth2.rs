//! `accounts[].auth.oauth2`: access tokens from a token endpoint in place of a fixed key (RFC 6749, RFC 7523).
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rsa::KeyPair;

use super::endpoint::Endpoint;
use crate::config::secret::Secret;

/// Where the access tokens of an account come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OAuth2 {
    /// The token endpoint. Its `path` is all that follows the authority: path and query, as given.
    pub token_url: Endpoint,
    /// What is shown for a token.
    pub grant: Grant,
    /// What the token is to be good for; may be empty.
    pub scopes: Vec<String>,
    /// Whom the token is for; `None` = it is not said.
    pub audience: Option<String>,
    /// Further members of the form, in the order of the file.
    pub params: Vec<(String, Secret)>,
}

/// What is given in exchange for a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Grant {
    /// The client itself.
    ClientCredentials(Client),
    /// A refresh token; the endpoint may replace it with every answer.
    RefreshToken { client: Client, token: Secret },
    /// An assertion, signed with the key of a service account.
    ServiceAccount(ServiceAccount),
}

/// A service account of Google's, out of the JSON file that its key comes in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServiceAccount {
    /// Who signs: `client_email` of the file.
    pub email: String,
    /// Which of its keys signs: `private_key_id` of the file.
    pub key_id: Option<String>,
    /// The private key, PEM.
    pub key: Secret,
    /// Whom the assertion is for: the token endpoint, as the file names it.
    pub audience: String,
}

impl ServiceAccount {
    /// The private key, ready to sign; or what is wrong with it.
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

/// How the client tells the token endpoint who it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Client {
    /// `client_id`.
    pub id: Secret,
    /// `None` = a public client.
    pub secret: Option<Secret>,
    /// How id and secret are shown; default: in the header.
    pub auth: ClientAuth,
}

/// Where the client's id and secret travel.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClientAuth {
    /// `authorization: Basic …`, which every token endpoint has to take.
    #[default]
    Basic,
    /// Members of the form.
    Body,
}
