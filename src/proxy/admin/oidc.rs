//! Sign-in at an OpenID provider: the code flow with PKCE (RFC 6749, RFC 7636, OpenID Connect Core 1.0).
//!
//! The browser is sent to the provider with a state, a nonce and a challenge that are made for it alone. It comes back
//! with a code and the same state, which must also be in its cookie. The code is exchanged for an ID token, and that
//! token decides who has signed in.
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{CONTENT_SECURITY_POLICY, HOST, LOCATION, REFERRER_POLICY, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pingora::protocols::http::ServerSession;
use serde::Deserialize;
use serde_json::json;

use super::access::{self, Via, Who, sha256};
use super::answer::Answer;
use super::guard::{Done, Guard};
use super::requests::Query;
use super::sessions;
use super::sign_ins::{PATIENCE, Pending, Provider, SignIns};
use crate::config::{Oidc, Role};
use crate::credentials::identity::{self, Expected, Wrong};
use crate::proxy::state::app::App;
use crate::proxy::state::sources::random_text;
use crate::proxy::upstream::identity as ask;

/// Whether sign-in at a provider is configured. Browsers ask before they have signed in.
pub(super) fn offered(app: &App) -> Answer {
    let gateway = app.gateway();
    let oidc = gateway
        .config
        .admin
        .as_ref()
        .and_then(|admin| admin.oidc.as_ref());
    let issuer = oidc.map(|oidc| &*oidc.issuer);
    Answer::json(200, &json!({ "oidc": issuer }))
}

/// Sends the browser to the provider.
pub(super) async fn begin(app: &App, sign_ins: &SignIns, session: &ServerSession) -> Answer {
    let headers = &session.req_header().headers;
    let gateway = app.gateway();
    let Some(oidc) = settings(gateway.config.admin.as_ref()) else {
        return Answer::nothing_here();
    };
    let provider = match sign_ins.provider(app, oidc).await {
        Ok(provider) => provider,
        Err(why) => return page(502, &why),
    };
    let (Some(state), Some(nonce), Some(verifier)) = (random_text(), random_text(), random_text())
    else {
        return page(500, "there is no randomness");
    };
    let redirect = match &oidc.redirect {
        Some(redirect) => redirect.clone(),
        None => match own_address(headers) {
            Some(own) => format!("{own}{CALLBACK}"),
            None => return page(400, "the request has no `Host`"),
        },
    };
    let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
    let parameters = [
        ("response_type", "code"),
        ("client_id", &oidc.client_id),
        ("redirect_uri", &redirect),
        ("scope", &oidc.scopes),
        ("state", &state),
        ("nonce", &nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let to = &provider.described.authorization_endpoint;
    let sign = if to.contains('?') { '&' } else { '?' };
    let to = format!("{to}{sign}{}", form(&parameters));
    let pending = Pending {
        issuer: Arc::clone(&oidc.issuer),
        nonce,
        verifier,
        redirect,
        begun: Instant::now(),
    };
    sign_ins.await_return(&state, pending);
    let secure = if is_secure(headers) { "; Secure" } else { "" };
    // `Lax`, because the provider sends the browser back here from another site.
    let cookie = format!(
        "{COOKIE_NAME}={state}; Path={PREFIX}; HttpOnly; SameSite=Lax; Max-Age={}{secure}",
        PATIENCE.as_secs()
    );
    match (HeaderValue::try_from(to), HeaderValue::try_from(cookie)) {
        (Ok(to), Ok(cookie)) => Answer::new(302, "text/plain; charset=utf-8", Vec::new())
            .with(LOCATION, to)
            .with(SET_COOKIE, cookie),
        _ => page(502, "the provider's address cannot be used"),
    }
}

/// Handles the browser's return.
pub(super) async fn end(
    app: &App,
    sign_ins: &SignIns,
    guard: &Guard,
    session: &ServerSession,
    query: &Query,
) -> Answer {
    match sign_in(app, sign_ins, session, query).await {
        Ok((name, role, values, issuer)) => {
            let Some(cookie) = random_text() else {
                return page(500, "there is no randomness");
            };
            let name: Arc<str> = name.into();
            let who = Who {
                name: Arc::clone(&name),
                role,
                via: Via::Session,
            };
            let told = (Arc::clone(&name), values);
            guard
                .sessions()
                .begin_at(&issuer, told, &cookie, Instant::now());
            let headers = &session.req_header().headers;
            let secure = if is_secure(headers) { "; Secure" } else { "" };
            let value = format!(
                "{}={cookie}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}",
                access::COOKIE_NAME,
                sessions::LIVES.as_secs()
            );
            let gone = format!("{COOKIE_NAME}=; Path={PREFIX}; HttpOnly; SameSite=Lax; Max-Age=0");
            let done = Done::changed(arrived(), "sign_in", &name).with_change(None, Some(&*issuer));
            guard.note(session, &who, &done);
            match (HeaderValue::try_from(value), HeaderValue::try_from(gone)) {
                (Ok(value), Ok(gone)) => {
                    let answer = done.into_answer();
                    answer.with(SET_COOKIE, value).with(SET_COOKIE, gone)
                }
                _ => page(500, "no cookie"),
            }
        }
        Err(Refused { status, why }) => {
            tracing::warn!(%why, "a sign-in at the OpenID provider was refused");
            if status == 401 || status == 403 {
                // Somebody may be guessing, so the attempt is recorded and each further one takes longer.
                let refusal = guard.wrong(session, &why).await;
                if refusal.status() == 429 {
                    return refusal;
                }
            }
            page(status, &why)
        }
    }
}

/// Why a sign-in is refused.
struct Refused {
    status: u16,
    why: String,
}

fn refused(status: u16, why: impl Into<String>) -> Refused {
    Refused {
        status,
        why: why.into(),
    }
}

/// The name, the role, the values of the claim, and the issuer.
type SignedIn = (String, Role, Vec<String>, Arc<str>);

async fn sign_in(
    app: &App,
    sign_ins: &SignIns,
    session: &ServerSession,
    query: &Query,
) -> Result<SignedIn, Refused> {
    let gateway = app.gateway();
    let oidc = settings(gateway.config.admin.as_ref())
        .ok_or_else(|| refused(404, "there is no `admin.oidc`"))?;
    let get = |name: &str| query.get(name).map(String::as_str);
    let state = get("state").unwrap_or_default();
    let cookie = access::named_cookie(&session.req_header().headers, COOKIE_NAME);
    if state.is_empty() || cookie != Some(state) {
        return Err(refused(
            401,
            "this sign-in did not begin in this browser, or took too long: begin again",
        ));
    }
    let pending = sign_ins
        .take(state)
        .filter(|pending| pending.issuer == oidc.issuer)
        .ok_or_else(|| refused(401, "this sign-in is over or took too long: begin again"))?;
    // RFC 9207: the answer must come from the provider that was asked.
    if get("iss").is_some_and(|issuer| issuer != &*oidc.issuer) {
        return Err(refused(
            401,
            "another provider answered than was asked (`iss`)",
        ));
    }
    if let Some(error) = get("error") {
        let why = get("error_description").unwrap_or_default();
        let said = format!("the provider refused: {error} {why}");
        return Err(refused(
            403,
            said.trim().chars().take(300).collect::<String>(),
        ));
    }
    let code = get("code").ok_or_else(|| refused(401, "the provider sent no code"))?;
    let provider = sign_ins
        .provider(app, oidc)
        .await
        .map_err(|why| refused(502, why))?;
    let token = exchange(app, oidc, &provider, &pending, code)
        .await
        .map_err(|why| refused(502, why))?;
    let expected = Expected {
        issuer: &oidc.issuer,
        client: &oidc.client_id,
        nonce: &pending.nonce,
    };
    let wall = SystemTime::now();
    let mut verified = identity::verify(&token, &provider.keys, &expected, wall);
    if matches!(verified, Err(Wrong::Key | Wrong::Signature)) {
        // The provider may have replaced its keys.
        let renewed = sign_ins
            .renew(app, &provider)
            .await
            .map_err(|why| refused(502, why))?;
        if let Some(provider) = renewed {
            verified = identity::verify(&token, &provider.keys, &expected, wall);
        }
    }
    let claims = verified.map_err(|wrong| refused(401, wrong.why()))?;
    let name = identity::name(&claims, oidc.name_claim.as_deref())
        .ok_or_else(|| refused(403, "the ID token has no claim that names you"))?;
    let values = identity::values(&claims, &oidc.role_claim);
    let role = oidc.role(&values).ok_or_else(|| {
        refused(
            403,
            format!(
                "{name} has no role here: `{}` has none of the values in `admin.oidc.roles`",
                oidc.role_claim
            ),
        )
    })?;
    Ok((name, role, values, pending.issuer))
}

/// Exchanges a code for the ID token.
async fn exchange(
    app: &App,
    oidc: &Oidc,
    provider: &Provider,
    pending: &Pending,
    code: &str,
) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Tokens {
        id_token: Option<String>,
        error: Option<String>,
    }
    let mut parameters = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &pending.redirect),
        ("client_id", &oidc.client_id),
        ("code_verifier", &pending.verifier),
    ];
    let methods = provider
        .described
        .token_endpoint_auth_methods_supported
        .as_deref();
    // Without a list of methods, Basic is the default: OpenID Connect Discovery, section 3.
    let by_post = methods.is_some_and(|methods| {
        let has = |name: &str| methods.iter().any(|method| method == name);
        has("client_secret_post") && !has("client_secret_basic")
    });
    let mut authorization = None;
    if let Some(secret) = &oidc.client_secret {
        if by_post {
            parameters.push(("client_secret", secret.expose()));
        } else {
            // RFC 6749, section 2.3.1: both parts are encoded as in a form.
            let pair = format!("{}:{}", encoded(&oidc.client_id), encoded(secret.expose()));
            let value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)));
            let mut value = value.map_err(|_| "the client's secret cannot be sent".to_owned())?;
            value.set_sensitive(true);
            authorization = Some(value);
        }
    }
    let url = &provider.described.token_endpoint;
    let asked = ask::post(&app.connections, url, authorization, form(&parameters));
    let (status, body) = asked.await?;
    let tokens: Tokens = serde_json::from_slice(&body)
        .map_err(|_| format!("{url} answered with status {status} and no JSON that is expected"))?;
    if let (200, Some(token)) = (status, tokens.id_token) {
        Ok(token)
    } else {
        let error: String = tokens.error.unwrap_or_default().chars().take(100).collect();
        Err(format!("{url} gave no ID token: status {status} {error}"))
    }
}

fn settings(admin: Option<&crate::config::Admin>) -> Option<&Oidc> {
    admin?.oidc.as_ref()
}

/// The scheme and authority of the address that the browser used.
fn own_address(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(HOST)?.to_str().ok()?;
    let scheme = if is_secure(headers) { "https" } else { "http" };
    Some(format!("{scheme}://{host}"))
}

fn is_secure(headers: &HeaderMap) -> bool {
    headers
        .get("x-forwarded-proto")
        .is_some_and(|proto| proto == "https")
}

fn form(parameters: &[(&str, &str)]) -> String {
    let pairs = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A page that forwards itself to the console. A redirect would not do: after a navigation from another site the
/// browser does not send the session's cookie.
fn arrived() -> Answer {
    html(
        200,
        "<meta http-equiv=\"refresh\" content=\"0;url=/console/now\"><p>Signed in. <a href=\"/console/now\">To the console</a></p>",
    )
}

fn page(status: u16, why: &str) -> Answer {
    let why = why
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    html(
        status,
        &format!("<p>Not signed in: {why}</p><p><a href=\"/console/now\">Back</a></p>"),
    )
}

fn html(status: u16, body: &str) -> Answer {
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>weir</title><body>{body}</body></html>\n"
    );
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    Answer::new(status, "text/html; charset=utf-8", text.into())
        .with(CONTENT_SECURITY_POLICY, policy)
        .with(REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
}

const PREFIX: &str = "/admin/api/v1/oidc";
const CALLBACK: &str = "/admin/api/v1/oidc/callback";
const COOKIE_NAME: &str = "weir_oidc";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_text() {
        let answer = page(403, "<script>alert(1)</script>").into_response();
        let body = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(!body.contains("<script"), "{body}");
        assert!(answer.headers().contains_key(CONTENT_SECURITY_POLICY));
    }

    #[test]
    fn parameters_are_encoded() {
        assert_eq!(
            form(&[("a", "b c&d=é"), ("e", "")]),
            "a=b%20c%26d%3D%C3%A9&e="
        );
    }
}
