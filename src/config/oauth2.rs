//! `accounts[].auth.oauth2`: access tokens from a token endpoint in place of a fixed key (RFC 6749).
use super::Endpoint;
use super::secret::Secret;

/// Where the access tokens of an account come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OAuth2 {
    /// The token endpoint. Its `path` is all that follows the authority: path and query, as given.
    pub token_url: Endpoint,
    pub grant: Grant,
    pub client: Client,
    pub scopes: Vec<String>,
    pub audience: Option<String>,
    /// Further members of the form, in the order of the file.
    pub params: Vec<(String, Secret)>,
}

/// What is given in exchange for a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Grant {
    /// The client itself.
    ClientCredentials,
    /// A refresh token; the endpoint may replace it with every answer.
    RefreshToken(Secret),
}

/// How the client tells the token endpoint who it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Client {
    pub id: Secret,
    /// `None` = a public client.
    pub secret: Option<Secret>,
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
