//! The request to a token endpoint and its answer, in the terms of RFC 6749.
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use super::{Fault, Granted, assertion};
use crate::config::oauth2::{ClientAuth, Grant, OAuth2};
use crate::config::secret::Secret;
use crate::protocol::error::mask;

/// A request to a token endpoint; always a `POST`.
pub struct TokenRequest {
    pub headers: HeaderMap,
    /// Contains secrets and must never be shown.
    pub body: Bytes,
    /// Secrets in the request, which no text for a log may contain.
    secrets: Vec<Secret>,
}

/// The request for a token. `refresh_token` is the present one; an assertion is signed with the time `wall`.
pub fn request(
    settings: &OAuth2,
    refresh_token: Option<&Secret>,
    wall: SystemTime,
) -> Result<TokenRequest, Fault> {
    let mut secrets: Vec<Secret> = refresh_token.into_iter().cloned().collect();
    secrets.extend(settings.params.iter().map(|(_, value)| value.clone()));
    let mut form = Form::default();
    let mut headers = HeaderMap::new();
    let scope = settings.scopes.join(" ");
    let client = match &settings.grant {
        Grant::ClientCredentials(client) => {
            form.add("grant_type", "client_credentials");
            Some(client)
        }
        Grant::RefreshToken { client, token } => {
            form.add("grant_type", "refresh_token");
            let token = refresh_token.unwrap_or(token);
            form.add("refresh_token", token.expose());
            Some(client)
        }
        Grant::ServiceAccount(account) => {
            form.add("grant_type", JWT_BEARER);
            let assertion = assertion::sign(account, &scope, wall)?;
            form.add("assertion", assertion.expose());
            secrets.push(assertion);
            None
        }
    };
    if let Some(client) = client {
        secrets.extend(client.secret.clone());
        match (&client.secret, client.auth) {
            (Some(secret), ClientAuth::Basic) => {
                let pair = basic(client.id.expose(), secret.expose());
                if let Ok(mut value) = HeaderValue::from_str(&format!("Basic {}", pair.expose())) {
                    value.set_sensitive(true);
                    headers.insert(AUTHORIZATION, value);
                }
                secrets.push(pair);
            }
            (secret, _) => {
                form.add("client_id", client.id.expose());
                if let Some(secret) = secret {
                    form.add("client_secret", secret.expose());
                }
            }
        }
        if !scope.is_empty() {
            form.add("scope", &scope);
        }
    }
    if let Some(audience) = &settings.audience {
        form.add("audience", audience);
    }
    for (name, value) in &settings.params {
        form.add(name, value.expose());
    }
    let fixed = [
        (ACCEPT, "application/json"),
        (CONTENT_TYPE, "application/x-www-form-urlencoded"),
        (USER_AGENT, concat!("weir/", env!("CARGO_PKG_VERSION"))),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // An endpoint may also repeat the values in their encoded form.
    let encoded: Vec<Secret> = secrets
        .iter()
        .map(|secret| {
            let mut text = String::new();
            encode(secret.expose(), &mut text);
            Secret::new(text)
        })
        .collect();
    secrets.extend(encoded);
    Ok(TokenRequest {
        headers,
        body: Bytes::from(form.0),
        secrets,
    })
}

/// The meaning of the endpoint's answer to `request`.
pub fn answer(request: &TokenRequest, status: u16, body: &[u8]) -> Result<Granted, Fault> {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    if (200..300).contains(&status) {
        return granted(&json).map_err(|why| Fault::Failed(why.to_owned()));
    }
    let said = |name| json.get(name).and_then(Value::as_str);
    let mut detail = format!("status {status}");
    for text in [said("error"), said("error_description")]
        .into_iter()
        .flatten()
    {
        detail.push_str(": ");
        detail.push_str(&request.fit_for_a_log(text));
    }
    // RFC 6749, 5.2: 400, or 401 for a problem with the client. Statuses that may be temporary are not a refusal.
    let refused = (400..500).contains(&status) && !matches!(status, 404 | 408 | 425 | 429);
    Err(if refused {
        Fault::Refused(detail)
    } else {
        Fault::Failed(detail)
    })
}

fn granted(json: &Value) -> Result<Granted, &'static str> {
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    let token = text("access_token").ok_or("an answer without an access token")?;
    let fits = token.len() <= LONGEST_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.is_empty() || !fits {
        return Err("an access token that no header may hold");
    }
    if text("token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err("a token that is not a bearer token");
    }
    let lifetime = match json.get("expires_in") {
        None | Some(Value::Null) => None,
        // Some endpoints write the number as a string.
        Some(value) => Some(
            value
                .as_f64()
                .or_else(|| value.as_str()?.parse().ok())
                .filter(|seconds| *seconds >= 1.0)
                .and_then(|seconds| Duration::try_from_secs_f64(seconds.min(MOST_SECONDS)).ok())
                .ok_or("an access token that has expired already")?,
        ),
    };
    let refresh_token = text("refresh_token")
        .filter(|token| !token.is_empty() && token.len() <= LONGEST_TOKEN)
        .map(Secret::new);
    Ok(Granted {
        token: Secret::new(token),
        lifetime,
        refresh_token,
    })
}

impl TokenRequest {
    /// The text as one line of limited length, without any secret of the request.
    fn fit_for_a_log(&self, text: &str) -> String {
        let mut masked = text.as_bytes().to_vec();
        for secret in &self.secrets {
            masked = mask(&masked, secret.expose()).into_owned();
        }
        String::from_utf8_lossy(&masked)
            .chars()
            .map(|char| if char.is_control() { ' ' } else { char })
            .take(LONGEST_DETAIL)
            .collect()
    }
}

impl std::fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenRequest").finish_non_exhaustive()
    }
}

/// A body in the form `application/x-www-form-urlencoded`.
#[derive(Default)]
struct Form(String);

impl Form {
    fn add(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        encode(name, &mut self.0);
        self.0.push('=');
        encode(value, &mut self.0);
    }
}

/// The header value by RFC 6749, 2.3.1: both parts are form-encoded before they become Basic credentials.
fn basic(id: &str, secret: &str) -> Secret {
    let mut pair = String::new();
    encode(id, &mut pair);
    pair.push(':');
    encode(secret, &mut pair);
    Secret::new(STANDARD.encode(pair))
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            _ if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(char::from(byte));
            }
            _ => {
                out.push('%');
                for digit in [byte >> 4, byte & 15] {
                    let digit = char::from_digit(digit.into(), 16).unwrap_or('0');
                    out.push(digit.to_ascii_uppercase());
                }
            }
        }
    }
}

/// RFC 7523, 2.1.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Longest token, in bytes; servers refuse headers above 8 to 16 KiB.
const LONGEST_TOKEN: usize = 16 << 10;
/// Most characters of an endpoint's explanation of a refusal.
const LONGEST_DETAIL: usize = 300;
/// The longest lifetime that is read, in seconds: a hundred years.
const MOST_SECONDS: f64 = 3.2e9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use proptest::prelude::*;
    use serde_json::json;

    fn settings(oauth2: &str) -> OAuth2 {
        let text = format!(
            "version: 1\nanonymous: true\naccounts:\n  - {{ name: a, provider: openai, auth: {{ oauth2: {{ token_url: \"https://login.example.com/token\", {oauth2} }} }} }}\n"
        );
        let config = config::parse("test", &text, &|name| Some(format!("{name} & more")));
        let config = config.expect("a configuration");
        config.accounts[0].oauth2.clone().expect("the section")
    }

    fn request(settings: &OAuth2, refresh_token: Option<&Secret>) -> TokenRequest {
        super::request(settings, refresh_token, SystemTime::UNIX_EPOCH).expect("a request")
    }

    fn body(request: &TokenRequest) -> &str {
        std::str::from_utf8(&request.body).expect("text")
    }

    #[test]
    fn client_credentials_go_into_a_header_or_into_the_form() {
        let basic = request(
            &settings(
                "client_id: \"my id\", client_secret: { env: SECRET }, scopes: [a, \"b/.default\"]",
            ),
            None,
        );
        assert_eq!(
            body(&basic),
            "grant_type=client_credentials&scope=a+b%2F.default"
        );
        let expected = format!("Basic {}", STANDARD.encode("my+id:SECRET+%26+more"));
        assert_eq!(basic.headers[AUTHORIZATION], expected.as_str());
        let form = request(
            &settings(
                "client_id: id, client_secret: { env: S }, client_auth: body, audience: \"https://x\", params: { resource: r }",
            ),
            None,
        );
        assert_eq!(
            body(&form),
            "grant_type=client_credentials&client_id=id&client_secret=S+%26+more&audience=https%3A%2F%2Fx&resource=r"
        );
        assert_eq!(form.headers.get(AUTHORIZATION), None);
    }

    #[test]
    fn a_refresh_token_is_sent_as_last_replaced() {
        let settings = settings("client_id: id, refresh_token: { env: R }");
        let expected = "grant_type=refresh_token&refresh_token=R+%26+more&client_id=id";
        assert_eq!(body(&request(&settings, None)), expected);
        let rotated = Secret::new("new");
        let expected = "grant_type=refresh_token&refresh_token=new&client_id=id";
        assert_eq!(body(&request(&settings, Some(&rotated))), expected);
    }

    #[test]
    fn answers_are_read_as_endpoints_write_them() {
        let request = request(&settings("client_id: i, client_secret: { env: S }"), None);
        let read = |status, body: &str| answer(&request, status, body.as_bytes());
        let granted = read(
            200,
            r#"{"access_token":"t","token_type":"Bearer","expires_in":"3599","refresh_token":"r"}"#,
        );
        let expected = Granted {
            token: Secret::new("t"),
            lifetime: Some(Duration::from_secs(3599)),
            refresh_token: Some(Secret::new("r")),
        };
        assert_eq!(granted, Ok(expected));
        let plain = read(200, r#"{"access_token":"t"}"#).expect("granted");
        assert_eq!((plain.lifetime, plain.refresh_token), (None, None));
        for body in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"access_token":""}"#,
            r#"{"access_token":"a b"}"#,
            r#"{"access_token":"t","token_type":"mac"}"#,
            r#"{"access_token":"t","expires_in":0}"#,
            r#"{"access_token":"t","expires_in":"soon"}"#,
        ] {
            assert!(matches!(read(200, body), Err(Fault::Failed(_))), "{body}");
        }
        for (status, refused) in [
            (400, true),
            (401, true),
            (403, true),
            (302, false),
            (429, false),
            (503, false),
        ] {
            let fault = read(status, "{}").expect_err("no token");
            assert_eq!(matches!(fault, Fault::Refused(_)), refused, "{status}");
        }
    }

    #[test]
    fn what_an_endpoint_says_is_told_without_what_was_sent() {
        let request = request(
            &settings("client_id: i, client_secret: { env: SECRET }"),
            None,
        );
        let body =
            r#"{"error":"invalid_client","error_description":"no such secret:\n SECRET & more"}"#;
        let fault = answer(&request, 401, body.as_bytes()).expect_err("refused");
        assert_eq!(
            fault.detail(),
            "status 401: invalid_client: no such secret:  ***"
        );
        let echo = json!({
            "error": "invalid_request",
            "error_description": format!(
                "got client_secret=SECRET+%26+more, Authorization {}",
                STANDARD.encode("i:SECRET+%26+more")
            ),
        });
        let fault = answer(&request, 400, echo.to_string().as_bytes()).expect_err("refused");
        assert_eq!(
            fault.detail(),
            "status 400: invalid_request: got client_secret=***, Authorization ***"
        );
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(5000));
        let fault = answer(&request, 400, long.as_bytes()).expect_err("refused");
        assert!(fault.detail().len() < 400);
        assert_eq!(format!("{request:?}"), "TokenRequest { .. }");
    }

    proptest! {
        #[test]
        fn nothing_that_an_endpoint_says_panics(status in 100u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
            let request = request(&settings("client_id: i, client_secret: { env: S }"), None);
            let _ = answer(&request, status, &body);
        }

        #[test]
        fn a_lifetime_is_positive_and_bounded(seconds in any::<f64>()) {
            let request = request(&settings("client_id: i, client_secret: { env: S }"), None);
            let body = format!(r#"{{"access_token":"t","expires_in":{seconds:e}}}"#);
            if let Ok(granted) = answer(&request, 200, body.as_bytes()) {
                let lifetime = granted.lifetime.expect("stated");
                prop_assert!(lifetime >= Duration::from_secs(1) && lifetime.as_secs_f64() <= MOST_SECONDS);
            }
        }
    }
}
