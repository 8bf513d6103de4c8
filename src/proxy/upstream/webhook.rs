//! Posts an alert once, bounded in time and in bytes. The caller decides whether and when to retry.
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ring::hmac;

use super::connect::Connections;
use super::own_request::{OwnRequest, OwnRequestFault};
use super::way::{Target, Way};
use crate::config::Webhook;
use crate::config::secret::{Secret, hex};

/// The server's reaction.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Posted {
    Taken,
    /// The server refused it and will not accept it later either.
    Refused(u16),
    /// The server may accept it later; the text says why it did not now.
    NotNow(String),
}

/// Posts a body with a signature for this time.
pub(crate) async fn post(
    connections: &Connections,
    webhook: &Webhook,
    body: String,
    wall: SystemTime,
) -> Posted {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Some(secret) = &webhook.secret
        && let Ok(value) = HeaderValue::try_from(signature(secret, &body, wall))
    {
        headers.insert(SIGNATURE, value);
    }
    let own_request = OwnRequest {
        method: Method::POST,
        path: &webhook.endpoint.path,
        endpoint: &webhook.endpoint,
        headers,
        body: Some(Bytes::from(body)),
        longest: MOST_ANSWER,
    };
    let target = Target::new(Arc::new(Way::direct(&webhook.endpoint, PATIENCE)));
    let sent = tokio::time::timeout(PATIENCE, own_request.send(connections, &target, PATIENCE));
    match sent.await {
        Err(_) => Posted::NotNow(format!("no answer within {PATIENCE:?}")),
        // The status says it, also of an answer that is too long to be read.
        Ok(Ok((status, _)) | Err(OwnRequestFault::TooLong(status))) => of_status(status),
        Ok(Err(OwnRequestFault::NoConnection(fault))) => {
            Posted::NotNow(format!("no connection: {fault:?}"))
        }
        Ok(Err(OwnRequestFault::Unwritable)) => {
            Posted::NotNow("the request cannot be written".to_owned())
        }
        Ok(Err(OwnRequestFault::Broke(_) | OwnRequestFault::BrokeOff)) => {
            Posted::NotNow("the connection broke".to_owned())
        }
    }
}

fn of_status(status: u16) -> Posted {
    match status {
        200..=299 => Posted::Taken,
        408 | 425 | 429 | 500..=599 => Posted::NotNow(format!("it answered with status {status}")),
        _ => Posted::Refused(status),
    }
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA256 over the seconds since the epoch, a dot and the body.
fn signature(secret: &Secret, body: &str, wall: SystemTime) -> String {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={}", hex(tag.as_ref()))
}

const SIGNATURE: HeaderName = HeaderName::from_static("x-weir-signature");

/// The longest time for one post, including the connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes of an answer that are read, so that the connection can be used again.
const MOST_ANSWER: usize = 64 << 10;

const AGENT: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_any_other_hmac() {
        // printf '1794312000.{"a":1}' | openssl dgst -sha256 -hmac Jefe
        let wall = UNIX_EPOCH + Duration::from_hours(498_420);
        let signed = signature(&Secret::new("Jefe"), r#"{"a":1}"#, wall);
        assert_eq!(
            signed,
            "t=1794312000,v1=b068870af703646ea366d4a424c62059367a2d4e243dd818d2c519232e280256"
        );
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, expected) in [(200, 0), (204, 0), (400, 1), (404, 1), (410, 1), (301, 1)] {
            let found = match of_status(status) {
                Posted::Taken => 0,
                Posted::Refused(_) => 1,
                Posted::NotNow(_) => 2,
            };
            assert_eq!(found, expected, "{status}");
        }
        for status in [408, 425, 429, 500, 503, 529] {
            assert!(matches!(of_status(status), Posted::NotNow(_)), "{status}");
        }
    }
}
