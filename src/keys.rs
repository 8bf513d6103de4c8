//! Authentication: finds the configured key for a presented credential, and generates new keys.
//!
//! Only the SHA-256 of a key is known. Every presented credential is hashed, looked up, compared in constant time and
//! checked for expiry, whether or not it was found, so a refusal takes the same time whatever was wrong. The look-up
//! itself may depend on the digest: nobody can choose the first bytes of a digest without knowing the key.
//!
//! A client may present several credentials at once: Claude Code's `apiKeyHelper` sends one value in two headers, and a
//! left-over `ANTHROPIC_API_KEY` may be sent beside the key for Weir. Any valid one is enough; of two valid ones, the
//! first in the order of [`presented`] counts.
use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use ahash::HashMap;
use http::HeaderMap;
use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;
use subtle::{Choice, ConstantTimeEq as _};

use crate::config::secret::hex;
use crate::config::{ClientKey, Config, NO_DIGEST};
use crate::outcome::Caps;

/// The configured keys by digest.
#[derive(Debug)]
pub struct KeyIndex {
    by_digest: HashMap<[u8; 32], Arc<ClientKey>>,
    /// Keys for which a certificate alone is enough, by a name in the certificate.
    by_san: HashMap<Arc<str>, Arc<ClientKey>>,
    /// It is compared if nothing was found, so that a miss takes as long as a hit.
    decoy: Arc<ClientKey>,
    /// The key of callers without a credential; `None` = they are not permitted.
    anonymous: Option<Arc<ClientKey>>,
}

/// Why no client was found. All are a 401 and differ only in the message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyFault {
    /// The key also requires a certificate, which was not presented.
    Certificate,
    /// The key is configured, but its `expires` has passed.
    Expired,
    /// There is no credential at all.
    Missing,
    /// The credential is not a configured key.
    Unknown,
}

/// The credentials of a request, in the order in which they are tried.
pub type Presented<'a> = SmallVec<[Cow<'a, [u8]>; 2]>;

impl KeyIndex {
    /// Indexes the keys of a configuration.
    pub fn new(config: &Config) -> Self {
        Self::of(&config.keys, config.anonymous)
    }

    fn of(keys: &[Arc<ClientKey>], anonymous: bool) -> Self {
        let (mut by_digest, mut by_san) = (HashMap::default(), HashMap::default());
        for key in keys {
            if key.digest == NO_DIGEST {
                let san = key.san.iter().map(|san| (Arc::clone(san), Arc::clone(key)));
                by_san.extend(san);
                continue;
            }
            by_digest
                .entry(key.digest)
                .or_insert_with(|| Arc::clone(key));
        }
        Self {
            by_digest,
            by_san,
            decoy: Arc::new(nobody("decoy", usize::MAX)),
            // Its position is after all other keys, as in `limits`.
            anonymous: anonymous.then(|| Arc::new(nobody(ANONYMOUS, keys.len()))),
        }
    }

    /// The client that sent `headers` and `query`. `certificate` has the names, in lower case, of the connection's
    /// verified client certificate.
    ///
    /// If a certificate alone is enough for a key, it counts when no valid key is presented: every SDK insists on
    /// sending some credential.
    ///
    /// With `anonymous: true`, a request without a credential is served as the key `anonymous`. If no keys are
    /// configured at all, so is a request with any credential, because every SDK insists on sending one.
    pub fn identify(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        certificate: &[String],
        now: SystemTime,
    ) -> Result<Arc<ClientKey>, KeyFault> {
        let presented = presented(headers, query);
        let certified = self.certified(certificate, now);
        if let Some(anonymous) = &self.anonymous
            && certified.is_none()
            && (presented.is_empty() || self.by_digest.is_empty())
        {
            return Ok(Arc::clone(anonymous));
        }
        if presented.is_empty() {
            // Only so that this takes the same time; the result is ignored.
            let _ = self.authenticate(b"", now);
            return certified.unwrap_or(Err(KeyFault::Missing));
        }
        let mut verdict = Err(KeyFault::Unknown);
        // All of them are checked, even after a valid one: the time then depends only on how many the caller sends.
        for credential in &presented {
            let next = self.authenticate(credential, now).and_then(|key| {
                let is_shown = |san: &Arc<str>| certificate.iter().any(|name| **name == **san);
                if key.san.as_ref().is_none_or(is_shown) {
                    Ok(key)
                } else {
                    Err(KeyFault::Certificate)
                }
            });
            if verdict.is_err() && !matches!(next, Err(KeyFault::Unknown)) {
                verdict = next;
            }
        }
        match (verdict, certified) {
            (Err(_), Some(Ok(key))) => Ok(key),
            (verdict, _) => verdict,
        }
    }

    /// The client for which a certificate with these names is enough.
    fn certified(
        &self,
        names: &[String],
        now: SystemTime,
    ) -> Option<Result<Arc<ClientKey>, KeyFault>> {
        let key = names.iter().find_map(|name| self.by_san.get(&**name))?;
        let expired = key.expires.is_some_and(|expires| expires <= now);
        Some(if expired {
            Err(KeyFault::Expired)
        } else {
            Ok(Arc::clone(key))
        })
    }

    /// The key of callers without a credential; `None` = they are not permitted.
    pub fn anonymous(&self) -> Option<&Arc<ClientKey>> {
        self.anonymous.as_ref()
    }

    /// The client with the key `presented`.
    pub fn authenticate(
        &self,
        presented: &[u8],
        now: SystemTime,
    ) -> Result<Arc<ClientKey>, KeyFault> {
        let digest = digest(presented);
        let found = self.by_digest.get(&digest);
        let key = found.unwrap_or(&self.decoy);
        let known = key.digest.ct_eq(&digest) & Choice::from(u8::from(found.is_some()));
        let expired = Choice::from(u8::from(key.expires.is_some_and(|expires| expires <= now)));
        match (bool::from(known & !expired), bool::from(known & expired)) {
            (true, _) => Ok(Arc::clone(key)),
            (_, true) => Err(KeyFault::Expired),
            _ => Err(KeyFault::Unknown),
        }
    }
}

/// Every credential of a request, in the order in which they are tried: `Authorization: Bearer`, `x-api-key`,
/// `x-goog-api-key`, `api-key` (Azure's SDKs), then `key` in the query. Empty values and other schemes are skipped.
pub fn presented<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> Presented<'a> {
    // In one pass: looking up each name takes longer.
    let mut named: SmallVec<[(usize, &[u8]); 4]> = SmallVec::new();
    for (name, value) in headers {
        if let Some(rank) = NAMES.iter().position(|known| *known == name.as_str()) {
            let value = value.as_bytes();
            let value = if rank == 0 {
                bearer(value)
            } else {
                Some(value.trim_ascii())
            };
            named.extend(value.map(|value| (rank, value)));
        }
    }
    // Values of the same header keep their order.
    named.sort_by_key(|(rank, _)| *rank);
    let parameter = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter_map(|pair| pair.strip_prefix("key="));
    named
        .into_iter()
        .map(|(_, value)| Cow::Borrowed(value))
        .chain(parameter.map(percent_decoded))
        .filter(|credential| !credential.is_empty())
        .take(MAX_CREDENTIALS)
        .collect()
}

/// The SHA-256 of a key, as in the configuration.
pub fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// A new key from 256 random bits: a recognizable prefix and base 62, so that a double click selects the whole key.
pub fn generate(random: [u8; 32]) -> String {
    let mut number = random;
    let mut text = [0; LENGTH];
    for place in text.iter_mut().rev() {
        // Long division by 62, most significant byte first.
        let mut remainder = 0;
        for byte in &mut number {
            let dividend = remainder * 256 + u32::from(*byte);
            // Both conversions succeed: the dividend is below 62 × 256.
            *byte = u8::try_from(dividend / 62).unwrap_or_default();
            remainder = dividend % 62;
        }
        *place = DIGITS[remainder as usize];
    }
    text.iter().fold(PREFIX.to_owned(), |mut key, byte| {
        key.push(char::from(*byte));
        key
    })
}

/// The SHA-256 of a key as it is written in configurations: 64 hex digits.
pub fn hex_digest(key: &str) -> String {
    hex(&digest(key.as_bytes()))
}

/// The entry for `keys:` in the configuration.
pub fn entry(name: &str, key: &str) -> String {
    // A JSON string is also a valid YAML string.
    let name = serde_json::Value::from(name);
    let hex = hex_digest(key);
    format!("  - name: {name}\n    sha256: \"{hex}\"\n")
}

fn nobody(name: &str, index: usize) -> ClientKey {
    ClientKey {
        name: name.into(),
        index,
        digest: NO_DIGEST,
        san: None,
        group: None,
        pools: None,
        models: None,
        expires: None,
        debug: false,
        files: false,
        project: None,
        projects: None,
        limits: Caps::default(),
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| rest.trim_ascii())
}

/// `%41` → `A`. Invalid escapes are kept: a wrong key is refused anyway.
fn percent_decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escape = (byte == b'%')
            .then(|| Some((nibble(*after.first()?)?, nibble(*after.get(1)?)?)))
            .flatten();
        if let Some((high, low)) = escape {
            decoded.push(high << 4 | low);
            rest = after.get(2..).unwrap_or_default();
        } else {
            decoded.push(byte);
            rest = after;
        }
    }
    Cow::Owned(decoded)
}

fn nibble(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// The name of callers without a key, in reports and limits.
pub const ANONYMOUS: &str = "anonymous";

/// The prefix of every generated key, by which secret scanners and people recognize it.
pub const PREFIX: &str = "weir_";

/// The number of base-62 digits that hold 256 bits.
const LENGTH: usize = 43;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Headers that may contain a credential, in the order in which they are tried.
const NAMES: [&str; 4] = ["authorization", "x-api-key", "x-goog-api-key", "api-key"];

/// Most credentials that are checked per request, because each costs a hash. Real clients send one or two.
const MAX_CREDENTIALS: usize = 4;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderName;

    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn index(anonymous: bool) -> KeyIndex {
        let key = |name: &str, secret: &str, expires| {
            Arc::new(ClientKey {
                digest: digest(secret.as_bytes()),
                expires,
                ..nobody(name, 0)
            })
        };
        let keys = [
            key("a", "secret-a", None),
            key("b", "secret-b", Some(NOW + Duration::from_secs(1))),
            key("old", "secret-old", Some(NOW)),
        ];
        KeyIndex::of(&keys, anonymous)
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::try_from(*name).expect("a name"),
                value.parse().expect("a value"),
            );
        }
        headers
    }

    #[track_caller]
    fn check(pairs: &[(&str, &str)], query: Option<&str>, expected: Result<&str, KeyFault>) {
        let found = index(false).identify(&headers(pairs), query, &[], NOW);
        let found = found.map(|key| key.name.to_string());
        assert_eq!(
            found.as_deref().map_err(|fault| *fault),
            expected,
            "{pairs:?} {query:?}"
        );
    }

    #[test]
    fn every_way_to_present_a_key_is_accepted() {
        check(&[("authorization", "Bearer secret-a")], None, Ok("a"));
        check(&[("authorization", "bEARER  secret-a ")], None, Ok("a"));
        check(&[("x-api-key", "secret-a")], None, Ok("a"));
        check(&[("x-goog-api-key", "secret-b")], None, Ok("b"));
        check(&[("api-key", "secret-b")], None, Ok("b"));
        check(&[], Some("alt=sse&key=secret-a"), Ok("a"));
        check(&[], Some("key=secret%2Da"), Ok("a"));
    }

    #[test]
    fn a_certificate_is_enough_or_is_wanted_beside_the_key() {
        let key = |name: &str, digest, san: &str, expires| {
            Arc::new(ClientKey {
                digest,
                san: Some(san.into()),
                expires,
                ..nobody(name, 0)
            })
        };
        let keys = [
            key("alone", NO_DIGEST, "ci.example.com", None),
            key("both", digest(b"secret"), "spiffe://x/agent", None),
            key("past", NO_DIGEST, "old.example.com", Some(NOW)),
        ];
        let check = |anonymous, pairs: &[(&str, &str)], names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let index = KeyIndex::of(&keys, anonymous);
            let found = index.identify(&headers(pairs), None, &names, NOW);
            found.map(|key| key.name.to_string())
        };
        let is = |name: &str| Ok(name.to_owned());
        let secret = [("x-api-key", "secret")];
        let dummy = [("x-api-key", "sk-dummy")];
        assert_eq!(check(false, &[], &["other", "ci.example.com"]), is("alone"));
        assert_eq!(check(true, &[], &["ci.example.com"]), is("alone"));
        assert_eq!(check(true, &[], &["other"]), is("anonymous"));
        assert_eq!(check(false, &dummy, &["ci.example.com"]), is("alone"));
        assert_eq!(check(false, &dummy, &["other"]), Err(KeyFault::Unknown));
        assert_eq!(check(false, &[], &[]), Err(KeyFault::Missing));
        assert_eq!(check(false, &secret, &["spiffe://x/agent"]), is("both"));
        assert_eq!(check(false, &secret, &[]), Err(KeyFault::Certificate));
        assert_eq!(
            check(false, &secret, &["other"]),
            Err(KeyFault::Certificate)
        );
        assert_eq!(
            check(false, &[], &["spiffe://x/agent"]),
            Err(KeyFault::Missing)
        );
        assert_eq!(
            check(false, &[], &["old.example.com"]),
            Err(KeyFault::Expired)
        );
        // The placeholder digest is not the digest of any key.
        assert!(KeyIndex::of(&keys, false).authenticate(b"", NOW).is_err());
    }

    #[test]
    fn any_valid_one_of_several_is_enough() {
        let both = |bearer, key| vec![("authorization", bearer), ("x-api-key", key)];
        check(&both("Bearer secret-a", "secret-a"), None, Ok("a"));
        check(&both("Bearer secret-a", "sk-ant-left-over"), None, Ok("a"));
        check(&both("Bearer sk-ant-left-over", "secret-a"), None, Ok("a"));
        check(&both("Bearer secret-b", "secret-a"), None, Ok("b"));
        check(&both("Basic dTpw", "secret-a"), None, Ok("a"));
        check(&both("Bearer secret-old", "secret-a"), None, Ok("a"));
    }

    #[test]
    fn faults_say_what_is_wrong() {
        check(&[], None, Err(KeyFault::Missing));
        check(
            &[("authorization", "Bearer ")],
            Some("key="),
            Err(KeyFault::Missing),
        );
        check(
            &[("authorization", "Basic secret-a")],
            None,
            Err(KeyFault::Missing),
        );
        check(&[("x-api-key", "secret-c")], None, Err(KeyFault::Unknown));
        check(&[("x-api-key", "secret-old")], None, Err(KeyFault::Expired));
        check(
            &[("x-api-key", "secret-old"), ("x-goog-api-key", "no")],
            None,
            Err(KeyFault::Expired),
        );
        check(&[("x-api-key", "")], None, Err(KeyFault::Missing));
        check(&[], Some("key=%"), Err(KeyFault::Unknown));
        check(&[], Some("monkey=secret-a"), Err(KeyFault::Missing));
    }

    #[test]
    fn a_flood_of_credentials_costs_four_hashes() {
        let mut many = vec![("x-api-key", "no"); 100];
        many.push(("x-goog-api-key", "secret-a"));
        assert_eq!(presented(&headers(&many), None).len(), MAX_CREDENTIALS);
        check(&many, None, Err(KeyFault::Unknown));
    }

    #[test]
    fn expiry_is_exclusive() {
        let index = index(false);
        assert!(index.authenticate(b"secret-b", NOW).is_ok());
        let later = index.authenticate(b"secret-b", NOW + Duration::from_secs(1));
        assert_eq!(later.map(|_| ()), Err(KeyFault::Expired));
    }

    #[test]
    fn the_decoy_opens_nothing() {
        assert!(index(false).authenticate(&[0; 32], NOW).is_err());
        assert!(index(false).authenticate(b"", NOW).is_err());
    }

    #[test]
    fn anonymous_callers() {
        let name = |index: &KeyIndex, pairs: &[(&str, &str)]| {
            index
                .identify(&headers(pairs), None, &[], NOW)
                .map(|key| key.name.to_string())
        };
        assert_eq!(name(&index(true), &[]).as_deref(), Ok(ANONYMOUS));
        assert_eq!(
            name(&index(true), &[("x-api-key", "secret-a")]).as_deref(),
            Ok("a")
        );
        assert_eq!(
            name(&index(true), &[("x-api-key", "typo")]),
            Err(KeyFault::Unknown)
        );
        assert_eq!(
            name(&KeyIndex::of(&[], true), &[("x-api-key", "dummy")]).as_deref(),
            Ok(ANONYMOUS)
        );
        assert_eq!(
            name(&KeyIndex::of(&[], false), &[("x-api-key", "dummy")]),
            Err(KeyFault::Unknown)
        );
    }

    #[test]
    fn generated_keys_are_whole_numbers_in_base_62() {
        assert_eq!(generate([0; 32]), format!("weir_{}", "0".repeat(43)));
        let mut one = [0; 32];
        one[31] = 62;
        assert_eq!(generate(one), format!("weir_{}10", "0".repeat(41)));
        // 2^256 - 1; the expected value was computed by another program
        assert_eq!(
            generate([255; 32]),
            "weir_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1"
        );
    }

    #[test]
    fn entry_is_yaml_with_the_digest_only() {
        assert_eq!(
            entry("a \"b\": c", "weir_x"),
            "  - name: \"a \\\"b\\\": c\"\n    \
             sha256: \"e9eb1904208ced2204ed3db39b15b7574a4db1b1e87bf9385aea10f917c75f95\"\n"
        );
    }
}
