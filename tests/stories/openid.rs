//! Sign-in at an OpenID provider: what it says is believed only when all of it is right.
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::rig::{Answer, Call, TOKEN, Upstream, Weir, account, accounts, sample};
use weir::protocol::Dialect;

/// A provider on a real socket, and what it says next.
struct Provider {
    upstream: Upstream,
    said: Arc<Mutex<Said>>,
}

struct Said {
    claims: Value,
    /// Signs; the last one of those that are published.
    key: Key,
    published: Vec<Value>,
    /// Bodies of the token endpoint's questions.
    asked: Vec<String>,
    keys_asked: usize,
}

struct Key {
    pair: Ed25519KeyPair,
    id: String,
}

impl Key {
    fn new(id: &str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key");
        let id = id.to_owned();
        Self { pair, id }
    }

    fn jwk(&self) -> Value {
        let x = BASE64.encode(self.pair.public_key().as_ref());
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.id, "x": x })
    }

    fn token(&self, claims: &Value) -> String {
        let header = json!({ "alg": "EdDSA", "kid": self.id });
        let message = format!(
            "{}.{}",
            BASE64.encode(header.to_string()),
            BASE64.encode(claims.to_string())
        );
        let signature = self.pair.sign(message.as_bytes());
        format!("{message}.{}", BASE64.encode(signature.as_ref()))
    }
}

impl Provider {
    fn start() -> Self {
        let key = Key::new("first");
        let said = Arc::new(Mutex::new(Said {
            claims: Value::Null,
            published: vec![key.jwk()],
            key,
            asked: Vec::new(),
            keys_asked: 0,
        }));
        let told = Arc::clone(&said);
        let upstream = Upstream::start(move |request, wire| {
            let mut said = told.lock().expect("no panic");
            let host = request.headers.get("host").expect("a host");
            let url = format!("http://{host}");
            match request.target.as_str() {
                "/.well-known/openid-configuration" => {
                    let described = json!({
                        "issuer": url,
                        "authorization_endpoint": format!("{url}/auth?tenant=1"),
                        "token_endpoint": format!("{url}/token"),
                        "jwks_uri": format!("{url}/keys"),
                    });
                    wire.json(200, described.to_string());
                }
                "/keys" => {
                    said.keys_asked += 1;
                    wire.json(200, json!({ "keys": said.published }).to_string());
                }
                "/token" => {
                    let body = String::from_utf8_lossy(&request.body).into_owned();
                    let authorization = request.headers.get("authorization").unwrap_or("none");
                    said.asked.push(format!("{authorization} {body}"));
                    let token = said.key.token(&said.claims);
                    wire.json(
                        200,
                        json!({ "id_token": token, "access_token": "a" }).to_string(),
                    );
                }
                _ => wire.json(404, "{}"),
            }
        });
        Self { upstream, said }
    }

    fn weir(&self) -> Weir {
        let lines = sample(Dialect::Anthropic);
        let admin = format!(
            "admin:\n  addr: 127.0.0.1:0\n  token: {TOKEN}\n  oidc:\n    issuer: \"{}\"\n    client_id: weir\n    client_secret: {{ env: PATH }}\n    role_claim: groups\n    roles: {{ admins: admin, looks: viewer }}\n",
            self.upstream.url()
        );
        Weir::start(&format!(
            "{admin}{}",
            accounts(&[account("a", &lines, &self.upstream, "")])
        ))
    }

    /// The claims of a token for this sign-in.
    fn says(&self, begun: &Begun, more: &[(&str, Value)]) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.expect("after 1970").as_secs();
        let mut claims = json!({
            "iss": self.upstream.url(), "aud": "weir", "sub": "42", "email": "ada@example.com",
            "nonce": begun.nonce, "iat": now, "exp": now + 300, "groups": ["others", "admins"],
        });
        for (name, value) in more {
            claims[*name] = value.clone();
        }
        self.said.lock().expect("no panic").claims = claims;
    }
}

/// A sign-in that has begun: what the browser was told.
struct Begun {
    state: String,
    nonce: String,
    challenge: String,
    cookie: String,
}

fn parameter<'a>(url: &'a str, name: &str) -> &'a str {
    let (_, query) = url.split_once('?').expect("a query");
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no {name} in {url}")).1
}

fn cookie(answer: &Answer, name: &str) -> Option<String> {
    let begin = format!("{name}=");
    let mut all = answer.headers.0.iter();
    let found = all.find(|(header, value)| header == "set-cookie" && value.starts_with(&begin));
    let value = found?.1.split(';').next()?;
    (value != begin).then(|| value.to_owned())
}

fn begin(weir: &Weir) -> Begun {
    let call = Call::new(weir.admin_addr(), "GET", "/admin/api/v1/oidc/begin");
    let answer = call.send().is(302);
    let to = answer.header("location").expect("an address");
    assert!(to.contains("/auth?tenant=1&response_type=code"), "{to}");
    assert_eq!(parameter(to, "code_challenge_method"), "S256");
    Begun {
        state: parameter(to, "state").to_owned(),
        nonce: parameter(to, "nonce").to_owned(),
        challenge: parameter(to, "code_challenge").to_owned(),
        cookie: cookie(&answer, "weir_oidc").expect("a cookie"),
    }
}

fn come_back(weir: &Weir, begun: &Begun, query: &str) -> Answer {
    let target = format!("/admin/api/v1/oidc/callback?state={}&{query}", begun.state);
    let call = Call::new(weir.admin_addr(), "GET", &target);
    call.header("cookie", &begun.cookie).send()
}

fn whose(weir: &Weir, session: &str) -> Answer {
    let call = Call::new(weir.admin_addr(), "GET", "/admin/api/v1/session");
    call.header("cookie", session).send()
}

#[test]
fn somebody_is_let_in_with_the_role_that_the_provider_says() {
    let provider = Provider::start();
    let weir = provider.weir();
    let offered = Call::new(weir.admin_addr(), "GET", "/admin/api/v1/sign-in");
    let offered: Value = offered.send().is(200).json();
    assert_eq!(offered["oidc"], provider.upstream.url().as_str());
    let begun = begin(&weir);
    provider.says(&begun, &[]);
    let answer = come_back(&weir, &begun, "code=abc").is(200);
    let session = cookie(&answer, "weir_console").expect("a session");
    let who: Value = whose(&weir, &session).is(200).json();
    assert_eq!(
        (&who["name"], &who["role"]),
        (&"ada@example.com".into(), &"admin".into())
    );
    // The code went with the verifier of the challenge, and with the client's secret.
    let asked = provider.said.lock().expect("no panic").asked.concat();
    assert!(
        asked.starts_with("Basic ") && asked.contains("code=abc"),
        "{asked}"
    );
    let (_, verifier) = asked.split_once("code_verifier=").expect("a verifier");
    let digest = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
    assert_eq!(
        BASE64.encode(digest.as_ref()),
        begun.challenge.replace("%2D", "-").replace("%5F", "_")
    );
    // It is written down, and cannot be done a second time.
    let audit = weir.admin("GET", "/admin/api/v1/audit").key(TOKEN);
    let audit = audit.send().is(200);
    let audit = audit.text();
    assert!(
        audit.contains("ada@example.com") && audit.contains("sign_in"),
        "{audit}"
    );
    come_back(&weir, &begun, "code=abc").is(401);
    weir.is_well();
}

#[test]
fn nobody_is_let_in_by_what_is_wrong() {
    let provider = Provider::start();
    for (name, value, status) in [
        ("iss", json!("https://evil.example.com"), 401),
        ("aud", json!("another"), 401),
        ("nonce", json!("another"), 401),
        ("exp", json!(1_000), 401),
        ("iat", json!(4_000_000_000_u64), 401),
        ("groups", json!(["nobody"]), 403),
        ("groups", Value::Null, 403),
    ] {
        // Each with a Weir of its own: who is wrong often waits longer.
        let weir = provider.weir();
        let begun = begin(&weir);
        provider.says(&begun, &[(name, value)]);
        let answer = come_back(&weir, &begun, "code=abc").is(status);
        assert!(cookie(&answer, "weir_console").is_none(), "{name}");
    }
    // Another browser, another state, another provider, a refusal, and no code.
    let weir = provider.weir();
    let begun = begin(&weir);
    provider.says(&begun, &[]);
    let other = Begun {
        cookie: "weir_oidc=another".to_owned(),
        state: begun.state.clone(),
        nonce: String::new(),
        challenge: String::new(),
    };
    come_back(&weir, &other, "code=abc").is(401);
    let weir = provider.weir();
    let begun = begin(&weir);
    come_back(&weir, &begun, "code=abc&iss=https%3A%2F%2Fevil.example.com").is(401);
    let weir = provider.weir();
    let begun = begin(&weir);
    let refused = come_back(
        &weir,
        &begun,
        "error=access_denied&error_description=%3Cb%3E",
    )
    .is(403);
    assert!(
        refused.text().contains("access_denied &lt;b&gt;"),
        "{}",
        refused.text()
    );
}

#[test]
fn a_provider_may_change_its_keys_and_an_unknown_one_is_not_believed() {
    let provider = Provider::start();
    let weir = provider.weir();
    let begun = begin(&weir);
    provider.says(&begun, &[]);
    come_back(&weir, &begun, "code=abc").is(200);
    // Signed with a key that is not published: asked for at most every second.
    let fresh = Key::new("second");
    {
        let mut said = provider.said.lock().expect("no panic");
        said.published = vec![fresh.jwk()];
        said.key = fresh;
    }
    crate::rig::eventually("the new key is believed", || {
        let begun = begin(&weir);
        provider.says(&begun, &[]);
        let answer = come_back(&weir, &begun, "code=abc");
        (answer.status == 200).then_some(())
    });
    let asked = provider.said.lock().expect("no panic").keys_asked;
    assert!(asked <= 3, "{asked} questions for keys");
}

#[test]
fn a_reload_that_takes_the_role_away_ends_the_session() {
    let provider = Provider::start();
    let weir = provider.weir();
    let begun = begin(&weir);
    provider.says(&begun, &[("groups", json!("looks"))]);
    let answer = come_back(&weir, &begun, "code=abc").is(200);
    let session = cookie(&answer, "weir_console").expect("a session");
    let who: Value = whose(&weir, &session).is(200).json();
    assert_eq!(who["role"], "viewer");
    let text = std::fs::read_to_string(weir.file()).expect("a file");
    std::fs::write(weir.file(), text.replace("looks: viewer", "looked: viewer")).expect("a file");
    crate::rig::eventually("the session is over", || {
        (whose(&weir, &session).status == 401).then_some(())
    });
}

#[test]
fn what_cannot_be_asked_is_said() {
    let provider = Provider::start();
    let weir = provider.weir();
    let text = std::fs::read_to_string(weir.file()).expect("a file");
    // Not exactly as it calls itself.
    let url = provider.upstream.url();
    let changed = text.replace(
        &format!("issuer: \"{url}\""),
        &format!("issuer: \"{url}/\""),
    );
    std::fs::write(weir.file(), changed).expect("a file");
    weir.until_metric("weir_config_generation", &[], 2.0);
    let call = Call::new(weir.admin_addr(), "GET", "/admin/api/v1/oidc/begin");
    let answer = call.send().is(502);
    assert!(
        answer.text().contains("another issuer"),
        "{}",
        answer.text()
    );
}
