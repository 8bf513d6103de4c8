//! Errors within a stream of an upstream of this dialect.
use super::wire::LifecycleIn;
use crate::protocol::Dialect;
use crate::protocol::error::{ErrorKind, ParsedError, WireError, parse_event};

/// The upstream's error in the form for the client.
pub(super) fn of_upstream(error: Option<ParsedError>) -> WireError {
    let Some(error) = error else {
        return WireError::new(ErrorKind::Api, FAILED);
    };
    let message = if error.message.is_empty() {
        FAILED.to_owned()
    } else {
        error.message
    };
    WireError::new(error.kind, message)
        .indication(error.indication)
        .retry_after(error.retry_after)
}

/// The error of `response.failed`, which is inside the response.
pub(super) fn of_failed(data: &[u8]) -> WireError {
    let error = serde_json::from_slice::<LifecycleIn<'_>>(data)
        .ok()
        .and_then(|event| event.response.error);
    let wrapped = error.map(|error| format!("{{\"error\":{}}}", error.get()));
    of_upstream(wrapped.and_then(|error| parse_event(Dialect::OpenaiResponses, error.as_bytes())))
}

const FAILED: &str = "the upstream failed while it answered";
