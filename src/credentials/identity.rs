//! Verifies the ID token of an OpenID provider: OpenID Connect Core 1.0, section 3.1.3.7.
//!
//! The `jsonwebtoken` crate parses the token and the provider's keys; `ring`, which Weir's TLS also uses, verifies
//! signatures. Times are compared with the caller's clock.
use std::sync::Once;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::signature::{Error as SignatureError, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, Validation};
use ring::signature as ring;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

/// The keys with which a provider signs.
#[derive(Clone, Debug)]
pub struct Keys(JwkSet);

impl Keys {
    /// Parses the provider's JSON. Keys of unknown kinds are left out.
    pub fn read(json: &[u8]) -> Option<Self> {
        let mut document: Value = serde_json::from_slice(json).ok()?;
        let all = document.get_mut("keys")?.as_array_mut()?;
        let keys = std::mem::take(all).into_iter().take(MOST_KEYS);
        let keys = keys.filter_map(|key| serde_json::from_value(key).ok());
        Some(Self(JwkSet {
            keys: keys.collect(),
        }))
    }

    /// The keys that may have signed a token with this key id.
    fn candidates(&self, id: Option<&str>) -> Vec<&Jwk> {
        let signs = |key: &&Jwk| {
            let purpose = key.common.public_key_use.as_ref();
            purpose.is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
        };
        let named = |key: &&Jwk| id.is_none() || key.common.key_id.as_deref() == id;
        self.0.keys.iter().filter(signs).filter(named).collect()
    }
}

/// The values that a token must have.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    /// Weir's client id.
    pub client: &'a str,
    pub nonce: &'a str,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wrong {
    Malformed,
    /// It is not signed, is signed with a shared secret, or uses an unknown algorithm.
    Algorithm,
    /// No key with its id is known: the provider may have new keys.
    Key,
    Signature,
    Issuer,
    Audience,
    Nonce,
    Expired,
    /// It is not valid yet: its clock, or the provider's, is ahead.
    NotYet,
}

impl Wrong {
    /// The explanation for the person who has to fix it.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Malformed => "the ID token cannot be read",
            Self::Algorithm => {
                "the ID token is not signed with a public key that Weir can check (RS, PS, ES or EdDSA)"
            }
            Self::Key => "the ID token is signed with a key that the provider does not publish",
            Self::Signature => "the signature of the ID token is wrong",
            Self::Issuer => "the ID token is of another issuer (`iss`)",
            Self::Audience => "the ID token is for another client (`aud`)",
            Self::Nonce => "the ID token answers another sign-in (`nonce`)",
            Self::Expired => {
                "the ID token has expired: the clocks of the provider and of this host may differ"
            }
            Self::NotYet => {
                "the ID token is of a time to come: the clocks of the provider and of this host may differ"
            }
        }
    }
}

/// The claims of a token, if it is valid.
pub fn verify(
    token: &str,
    keys: &Keys,
    expected: &Expected<'_>,
    wall: SystemTime,
) -> Result<Map<String, Value>, Wrong> {
    if token.len() > LONGEST {
        return Err(Wrong::Malformed);
    }
    install();
    let header = jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
        // Including `none`.
        ErrorKind::Json(_) => Wrong::Algorithm,
        _ => Wrong::Malformed,
    })?;
    if matches!(
        header.alg,
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512
    ) {
        return Err(Wrong::Algorithm);
    }
    let candidates = keys.candidates(header.kid.as_deref());
    if candidates.is_empty() {
        return Err(Wrong::Key);
    }
    // The times and the audience are checked below.
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let mut wrong = Wrong::Algorithm;
    for key in candidates {
        let Ok(key) = DecodingKey::from_jwk(key) else {
            continue;
        };
        match jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation) {
            Ok(token) => return checked(token.claims, expected, wall),
            Err(error) => {
                wrong = match error.kind() {
                    ErrorKind::InvalidSignature => Wrong::Signature,
                    ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => wrong,
                    _ => Wrong::Malformed,
                };
            }
        }
    }
    Err(wrong)
}

fn checked(
    claims: Map<String, Value>,
    expected: &Expected<'_>,
    wall: SystemTime,
) -> Result<Map<String, Value>, Wrong> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(Wrong::Issuer);
    }
    let (is_for, several) = match claims.get("aud") {
        Some(Value::String(one)) => (one == expected.client, false),
        Some(Value::Array(all)) => (
            all.iter().any(|one| one.as_str() == Some(expected.client)),
            all.len() > 1,
        ),
        _ => (false, false),
    };
    let party = text("azp");
    let is_party = match party {
        Some(party) => party == expected.client,
        None => !several && !claims.contains_key("azp"),
    };
    if !is_for || !is_party {
        return Err(Wrong::Audience);
    }
    let nonce = text("nonce").unwrap_or_default().as_bytes();
    if !bool::from(nonce.ct_eq(expected.nonce.as_bytes())) {
        return Err(Wrong::Nonce);
    }
    let now = wall
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64();
    let skew = SKEW.as_secs_f64();
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(time) => time.as_f64().map(Some).ok_or(Wrong::Malformed),
    };
    let (Some(expires), Some(made)) = (time("exp")?, time("iat")?) else {
        return Err(Wrong::Malformed);
    };
    if now >= expires + skew {
        return Err(Wrong::Expired);
    }
    let begins = time("nbf")?.map_or(made, |begins| begins.max(made));
    if now + skew < begins {
        return Err(Wrong::NotYet);
    }
    if text("sub").is_none_or(str::is_empty) {
        return Err(Wrong::Malformed);
    }
    Ok(claims)
}

/// The person's name: the wanted claim, or else one that providers usually have.
pub fn name(claims: &Map<String, Value>, wanted: Option<&str>) -> Option<String> {
    let claim = |name: &str| claims.get(name).and_then(Value::as_str);
    let usual = ["email", "preferred_username", "sub"];
    let found = match wanted {
        Some(wanted) => claim(wanted),
        None => usual.into_iter().find_map(claim),
    };
    let name: String = found?
        .chars()
        .filter(|char| !char.is_control())
        .take(LONGEST_NAME)
        .collect();
    (!name.trim().is_empty()).then_some(name)
}

/// The values of a claim, which is a text or a list of texts. `a.b` is a member of an object, unless a claim has this
/// name.
pub fn values(claims: &Map<String, Value>, name: &str) -> Vec<String> {
    let found = claims.get(name).or_else(|| {
        let mut parts = name.split('.');
        let first = claims.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    });
    let all = match found {
        Some(Value::Array(all)) => all.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let texts = all
        .iter()
        .take(MOST_VALUES)
        .filter_map(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(is) => Some(is.to_string()),
            _ => None,
        });
    texts.collect()
}

/// Verifies signatures with `ring`.
struct Checker {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Verifier<Vec<u8>> for Checker {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let of_rsa = |parameters: &'static ring::RsaParameters| match self.key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                let key = ring::RsaPublicKeyComponents { n, e };
                key.verify(parameters, message, signature)
            }
            DecodingKeyKind::SecretOrDer(der) => {
                ring::UnparsedPublicKey::new(parameters, der).verify(message, signature)
            }
        };
        let of_bytes = |algorithm: &'static dyn ring::VerificationAlgorithm| {
            let key = self.key.try_get_as_bytes().unwrap_or_default();
            ring::UnparsedPublicKey::new(algorithm, key).verify(message, signature)
        };
        let verified = match self.algorithm {
            Algorithm::RS256 => of_rsa(&ring::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => of_rsa(&ring::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => of_rsa(&ring::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => of_rsa(&ring::RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => of_rsa(&ring::RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => of_rsa(&ring::RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => of_bytes(&ring::ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => of_bytes(&ring::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => of_bytes(&ring::ED25519),
            _ => return Err(SignatureError::new()),
        };
        verified.map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Checker {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// Registers the code that verifies signatures, once per process. Nothing is ever signed.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = PROVIDER.install_default();
    });
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(Error::from(ErrorKind::InvalidAlgorithm)),
    verifier_factory: |algorithm, key| {
        Ok(Box::new(Checker {
            algorithm: *algorithm,
            key: key.clone(),
        }))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// The permitted difference between two clocks.
const SKEW: Duration = Duration::from_mins(1);
/// Longest token, in bytes.
const LONGEST: usize = 64 << 10;
/// Most keys of a provider.
const MOST_KEYS: usize = 64;
/// Most characters of a name.
const LONGEST_NAME: usize = 128;
/// Most values of a claim that are read.
const MOST_VALUES: usize = 1000;

#[cfg(test)]
mod tests {
    use ::ring::rand::SystemRandom;
    use ::ring::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    };
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_794_312_000;

    fn wall() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn part(value: &Value) -> String {
        BASE64.encode(value.to_string())
    }

    /// An EdDSA key with this id.
    struct Signer(Ed25519KeyPair, &'static str);

    impl Signer {
        fn new(id: &'static str) -> Self {
            let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
            let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key");
            Self(pair, id)
        }

        fn jwk(&self) -> Value {
            let x = BASE64.encode(self.0.public_key().as_ref());
            json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.1, "x": x })
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let message = format!("{}.{}", part(header), part(claims));
            let signature = self.0.sign(message.as_bytes());
            format!("{message}.{}", BASE64.encode(signature.as_ref()))
        }

        fn token(&self, claims: &Value) -> String {
            self.sign(&json!({ "alg": "EdDSA", "kid": self.1 }), claims)
        }
    }

    fn keys(keys: &[Value]) -> Keys {
        Keys::read(json!({ "keys": keys }).to_string().as_bytes()).expect("keys")
    }

    fn claims() -> Value {
        json!({
            "iss": "https://id.example.com", "aud": "weir", "sub": "42", "nonce": "n",
            "iat": NOW - 5, "exp": NOW + 300, "email": "ops@example.com", "groups": ["a", "b"],
        })
    }

    const EXPECTED: Expected<'static> = Expected {
        issuer: "https://id.example.com",
        client: "weir",
        nonce: "n",
    };

    #[test]
    fn a_token_is_believed_only_when_all_of_it_is_right() {
        let signer = Signer::new("one");
        let known = keys(&[signer.jwk()]);
        let with = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            let verified = verify(&signer.token(&claims), &known, &EXPECTED, wall());
            verified.map(|_| ())
        };
        assert_eq!(with("extra", json!(1)), Ok(()));
        for (name, value, wrong) in [
            ("iss", json!("https://evil.example.com"), Wrong::Issuer),
            ("iss", json!("https://id.example.com/"), Wrong::Issuer),
            ("iss", Value::Null, Wrong::Issuer),
            ("aud", json!("other"), Wrong::Audience),
            ("aud", json!([]), Wrong::Audience),
            ("aud", json!(["weir", "other"]), Wrong::Audience),
            ("azp", json!("other"), Wrong::Audience),
            ("azp", json!(7), Wrong::Audience),
            ("nonce", json!("m"), Wrong::Nonce),
            ("nonce", Value::Null, Wrong::Nonce),
            ("exp", json!(NOW - 61), Wrong::Expired),
            ("exp", json!("9999999999"), Wrong::Malformed),
            ("exp", Value::Null, Wrong::Malformed),
            ("iat", json!(NOW + 61), Wrong::NotYet),
            ("nbf", json!(NOW + 61), Wrong::NotYet),
            ("nbf", json!("now"), Wrong::Malformed),
            ("sub", json!(""), Wrong::Malformed),
        ] {
            assert_eq!(with(name, value.clone()), Err(wrong), "{name}: {value}");
        }
        // Clocks may differ by a minute; a token may have several audiences if it names the authorized party.
        assert_eq!(with("exp", json!(NOW - 59)), Ok(()));
        assert_eq!(with("iat", json!(NOW + 59)), Ok(()));
        assert_eq!(with("aud", json!(["weir"])), Ok(()));
        let mut several = claims();
        several["aud"] = json!(["weir", "other"]);
        several["azp"] = json!("weir");
        assert!(verify(&signer.token(&several), &known, &EXPECTED, wall()).is_ok());
    }

    #[test]
    fn what_is_not_signed_with_a_known_key_is_not_believed() {
        let (signer, other) = (Signer::new("one"), Signer::new("two"));
        let known = keys(&[signer.jwk()]);
        let wrong = |token: &str| verify(token, &known, &EXPECTED, wall()).err();
        assert_eq!(wrong(&other.token(&claims())), Some(Wrong::Key));
        let liar = Signer(Signer::new("x").0, "one");
        assert_eq!(wrong(&liar.token(&claims())), Some(Wrong::Signature));
        let good = signer.token(&claims());
        let (head, _) = good.rsplit_once('.').expect("three parts");
        assert!(wrong(&format!("{head}.")).is_some());
        for alg in ["none", "None", "HS256", "RS1"] {
            let unsigned = format!(
                "{}.{}.",
                part(&json!({ "alg": alg, "kid": "one" })),
                part(&claims())
            );
            assert_eq!(wrong(&unsigned), Some(Wrong::Algorithm), "{alg}");
        }
        // The public key used as a shared secret, and as a key of another kind.
        for alg in ["ES256", "RS256"] {
            let header = json!({ "alg": alg, "kid": "one" });
            assert!(wrong(&signer.sign(&header, &claims())).is_some(), "{alg}");
        }
        for bad in ["", "a", "a.b.c", "....", &"x".repeat(LONGEST + 1)] {
            assert_eq!(wrong(bad), Some(Wrong::Malformed), "{bad:.20}");
        }
    }

    #[test]
    fn keys_come_and_go_by_their_ids() {
        let (old, new) = (Signer::new("old"), Signer::new("new"));
        let before = keys(&[old.jwk()]);
        let after = keys(&[json!({ "kty": "unheard-of", "kid": "x" }), new.jwk()]);
        let token = new.token(&claims());
        assert_eq!(
            verify(&token, &before, &EXPECTED, wall()).err(),
            Some(Wrong::Key)
        );
        assert!(verify(&token, &after, &EXPECTED, wall()).is_ok());
        assert_eq!(
            verify(&old.token(&claims()), &after, &EXPECTED, wall()).err(),
            Some(Wrong::Key)
        );
        // Without an id every key is tried, except for keys that are for encryption only.
        let anonymous = new.sign(&json!({ "alg": "EdDSA" }), &claims());
        assert!(
            verify(
                &anonymous,
                &keys(&[old.jwk(), new.jwk()]),
                &EXPECTED,
                wall()
            )
            .is_ok()
        );
        let mut encrypts = new.jwk();
        encrypts["use"] = json!("enc");
        assert_eq!(
            verify(&token, &keys(&[encrypts]), &EXPECTED, wall()).err(),
            Some(Wrong::Key)
        );
        assert!(Keys::read(b"{}").is_none() && Keys::read(b"[").is_none());
    }

    #[test]
    fn curves_are_checked_too() {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).expect("a key");
        let point = pair.public_key().as_ref();
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "kid": "ec",
            "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..]),
        });
        let message = format!(
            "{}.{}",
            part(&json!({ "alg": "ES256", "kid": "ec" })),
            part(&claims())
        );
        let signature = pair.sign(&random, message.as_bytes()).expect("a signature");
        let token = format!("{message}.{}", BASE64.encode(signature.as_ref()));
        let known = keys(&[jwk]);
        assert!(verify(&token, &known, &EXPECTED, wall()).is_ok());
        let forged = token.replacen(&part(&claims()), &part(&json!({ "iss": "x" })), 1);
        assert_eq!(
            verify(&forged, &known, &EXPECTED, wall()).err(),
            Some(Wrong::Signature)
        );
    }

    #[test]
    fn a_name_and_the_values_of_a_claim() {
        let claims = json!({
            "sub": "42", "preferred_username": "o\u{7}ps", "groups": ["a", 7, "b"], "role": "admin",
            "realm_access": { "roles": ["c"] }, "a.b": "d",
        });
        let claims = claims.as_object().expect("an object");
        assert_eq!(name(claims, None).as_deref(), Some("ops"));
        assert_eq!(name(claims, Some("sub")).as_deref(), Some("42"));
        assert_eq!(name(claims, Some("email")), None);
        for (claim, found) in [
            ("groups", vec!["a", "b"]),
            ("role", vec!["admin"]),
            ("realm_access.roles", vec!["c"]),
            ("a.b", vec!["d"]),
            ("nothing", vec![]),
        ] {
            assert_eq!(values(claims, claim), found, "{claim}");
        }
    }
}
