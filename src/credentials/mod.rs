//! Access tokens of accounts (RFC 6749, RFC 7523): when to fetch one, the request for it, and the meaning of the
//! answer.
//!
//! [`identity`] verifies ID tokens.
//!
//! Pure: the time and the random draws are arguments. `proxy` sends the requests.
pub mod assertion;
pub mod identity;
pub mod lifecycle;
pub mod request;

use std::fmt::{self, Debug, Formatter};
use std::time::Duration;

use crate::config::Account;
use crate::config::secret::Secret;

pub use lifecycle::{Lifecycle, Need, Status};
pub use request::{TokenRequest, answer, request};

/// An access token in use.
#[derive(Clone, Eq, PartialEq)]
pub struct Token {
    pub secret: Secret,
    /// The number of the token within its account, so that a refusal of an old token does not affect a new one.
    serial: u64,
}

impl Token {
    /// A placeholder for the token of `account`, for uses in which nothing is sent; `None` = the account has no tokens.
    pub fn stand_in(account: &Account) -> Option<Self> {
        account.oauth2.as_ref().map(|_| Self {
            secret: Secret::new("token"),
            serial: 0,
        })
    }
}

impl Debug for Token {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

/// The answer of a token endpoint that granted a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Granted {
    pub token: Secret,
    /// The lifetime that the endpoint states.
    pub lifetime: Option<Duration>,
    /// A refresh token that replaces the one that was sent.
    pub refresh_token: Option<Secret>,
}

/// Why there is no token. The texts may be logged: they contain no secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// There was no usable answer: the next attempt may succeed.
    Failed(String),
    /// The endpoint refuses these credentials: an operator has to fix something.
    Refused(String),
}

impl Fault {
    /// The description of what happened.
    pub fn detail(&self) -> &str {
        match self {
            Self::Failed(detail) | Self::Refused(detail) => detail,
        }
    }
}
