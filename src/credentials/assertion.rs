//! The assertion of a service account (RFC 7523): a JSON Web Token that is signed with its private key.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::json;

use super::Fault;
use crate::config::oauth2::ServiceAccount;
use crate::config::secret::Secret;

/// Signs an assertion for `scope` that is valid for an hour from `wall`.
pub fn sign(account: &ServiceAccount, scope: &str, wall: SystemTime) -> Result<Secret, Fault> {
    let key = account
        .key_pair()
        .map_err(|why| Fault::Refused(format!("the key of the service account is {why}")))?;
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": account.key_id});
    let claims = json!({
        "iss": account.email,
        "scope": scope,
        "aud": account.audience,
        "iat": since.as_secs(),
        "exp": (since + LIFETIME).as_secs(),
    });
    let mut token = String::new();
    URL_SAFE_NO_PAD.encode_string(header.to_string(), &mut token);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
    let mut signature = vec![0; key.public().modulus_len()];
    // The signature does not depend on the random numbers: they only blind the computation.
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        token.as_bytes(),
        &mut signature,
    )
    .map_err(|_| Fault::Failed("the assertion cannot be signed".to_owned()))?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(Secret::new(token))
}

/// The longest lifetime that Google permits.
const LIFETIME: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::config::oauth2::Grant;
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    const FILE: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/config/files/service-account.json"
    );

    fn account() -> ServiceAccount {
        let text = format!(
            "version: 1\nanonymous: true\naccounts:\n  - {{ name: a, provider: gemini, auth: {{ oauth2: {{ service_account: {{ file: \"{FILE}\" }} }} }} }}\n"
        );
        let config = config::parse("test", &text, &|_| None).expect("a configuration");
        let settings = config.accounts[0].oauth2.clone().expect("the section");
        assert_eq!(&*settings.token_url.origin, "https://oauth2.googleapis.com");
        assert_eq!(
            settings.scopes,
            ["https://www.googleapis.com/auth/cloud-platform"]
        );
        match settings.grant {
            Grant::ServiceAccount(account) => account,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_assertion_is_what_google_asks_for_and_its_signature_holds() {
        let account = account();
        let wall = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let token = sign(&account, "a b", wall).expect("signed");
        let parts: Vec<&str> = token.expose().split('.').collect();
        let [header, claims, signature] = parts[..] else {
            panic!("three parts")
        };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64");
        let read = |part: &str| serde_json::from_slice::<Value>(&decode(part)).expect("JSON");
        assert_eq!(
            read(header),
            json!({"alg": "RS256", "typ": "JWT", "kid": "0123456789abcdef"})
        );
        assert_eq!(
            read(claims),
            json!({
                "iss": "weir@weir-test.iam.gserviceaccount.com",
                "scope": "a b",
                "aud": "https://oauth2.googleapis.com/token",
                "iat": 1_700_000_000,
                "exp": 1_700_003_600,
            })
        );
        let key = account.key_pair().expect("a key");
        let public =
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public().as_ref().to_vec());
        let signed = format!("{header}.{claims}");
        public
            .verify(signed.as_bytes(), &decode(signature))
            .expect("the signature holds");
    }

    #[test]
    fn a_key_that_cannot_sign_is_said_without_showing_it() {
        for pem in [
            "",
            "canary",
            "-----BEGIN PRIVATE KEY-----\ncanary!\n-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        ] {
            let account = ServiceAccount {
                key: Secret::new(pem),
                ..account()
            };
            let fault = sign(&account, "a", UNIX_EPOCH).expect_err("no key");
            assert!(!fault.detail().contains("canary"), "{fault:?}");
        }
    }
}
