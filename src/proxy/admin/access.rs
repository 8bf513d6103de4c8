//! Who sends a request to the admin plane, and what that person may do.
use std::sync::Arc;

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::{Admin, Role};

/// A sender who has been identified.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub name: Arc<str>,
    pub role: Role,
    pub via: Via,
}

/// How the sender was identified.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Via {
    /// By a token in the request.
    Token,
    /// By the cookie of a browser session.
    Session,
}

impl Via {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "console",
        }
    }
}

/// The holder of a token, found by its SHA-256. Every configured token is compared, so that a refusal always takes the
/// same time.
pub(super) fn holder(admin: &Admin, digest: &[u8; 32]) -> Option<(Arc<str>, Role)> {
    let mut found = None;
    for token in &admin.tokens {
        if bool::from(token.sha256.ct_eq(digest)) {
            found = found.or_else(|| Some((token.name.clone(), token.role)));
        }
    }
    if let Some(token) = &admin.token {
        let own = sha256(token.expose().as_bytes());
        if bool::from(own.ct_eq(digest)) {
            found = found.or_else(|| Some((Arc::from("token"), Role::Admin)));
        }
    }
    found
}

/// The token of `Authorization: Bearer TOKEN`; the scheme may be in upper or lower case.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(BEARER.len())?;
    scheme
        .eq_ignore_ascii_case(BEARER)
        .then_some(token.trim_ascii())
}

/// The value of the console's cookie.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    named_cookie(headers, COOKIE_NAME)
}

/// The value of the cookie of this name.
pub(super) fn named_cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == wanted)
        .map(|(_, value)| value)
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

const BEARER: &[u8] = b"Bearer ";

/// The name of the console's cookie.
pub(super) const COOKIE_NAME: &str = "weir_console";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;
    use crate::config::{AdminAddr, AdminToken};

    fn admin() -> Admin {
        Admin {
            tls: None,
            addr: AdminAddr::Unix("/run/w.sock".into()),
            token: Some(Secret::new("the one of before")),
            tokens: vec![AdminToken {
                name: "eve".into(),
                sha256: sha256(b"looks only"),
                role: Role::Viewer,
            }],
            hosts: Vec::new(),
            audit: None,
            fragments: None,
            oidc: None,
        }
    }

    #[test]
    fn a_token_is_known_by_its_digest() {
        let holder = |token: &[u8]| holder(&admin(), &sha256(token));
        assert_eq!(holder(b"looks only"), Some(("eve".into(), Role::Viewer)));
        assert_eq!(
            holder(b"the one of before"),
            Some(("token".into(), Role::Admin))
        );
        assert_eq!(holder(b"looks"), None);
        assert_eq!(holder(b""), None);
    }

    #[test]
    fn credentials_are_found_among_other_headers() {
        let mut headers = HeaderMap::new();
        assert_eq!((bearer(&headers), cookie(&headers)), (None, None));
        headers.insert(AUTHORIZATION, "bEARER  abc ".parse().expect("a value"));
        headers.append(COOKIE, "a=b".parse().expect("a value"));
        headers.append(
            COOKIE,
            "weir_console_x=1; weir_console=xyz; c=d"
                .parse()
                .expect("a value"),
        );
        assert_eq!(bearer(&headers), Some(b"abc".as_slice()));
        assert_eq!(cookie(&headers), Some("xyz"));
        headers.insert(AUTHORIZATION, "Basic abcdef".parse().expect("a value"));
        assert_eq!(bearer(&headers), None);
    }

    #[test]
    fn a_role_holds_what_the_ones_below_it_hold() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
    }
}
