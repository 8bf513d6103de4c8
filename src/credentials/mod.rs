//! Access tokens of accounts (RFC 6749, RFC 7523): when to fetch one, how to ask for it, what the answer means.
//!
//! Whether an ID token is believed is [`identity`]'s.
//!
//! Pure: the time and the random draws are arguments. `proxy` does the asking.
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
    /// Counts the tokens of an account, so that a refusal of an old one says nothing about the new one.
    serial: u64,
}

impl Token {
    /// Stands in for the token of `account`, if it has any, where nothing is sent.
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

/// What a token endpoint granted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Granted {
    pub token: Secret,
    /// As stated.
    pub lifetime: Option<Duration>,
    /// Replaces the one that was sent.
    pub refresh_token: Option<Secret>,
}

/// Why there is no token. The texts are fit for a log: no secret is in them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// No answer, or none that can be used: it may work the next time.
    Failed(String),
    /// The endpoint refuses these credentials: somebody has to mend something.
    Refused(String),
}

impl Fault {
    /// What happened.
    pub fn detail(&self) -> &str {
        match self {
            Self::Failed(detail) | Self::Refused(detail) => detail,
        }
    }
}
