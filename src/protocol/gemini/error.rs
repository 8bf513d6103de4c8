//! Errors of a running stream: as an upstream of this dialect says them, and as a client reads them.
use bytes::BytesMut;

use crate::protocol::Dialect;
use crate::protocol::error::{self, ErrorKind, ParsedError, WireError};

/// What an upstream said went wrong, for the client.
pub(super) fn of_upstream(error: Option<ParsedError>) -> WireError {
    let Some(error) = error else {
        return WireError::new(ErrorKind::Api, FAILED);
    };
    let message = if error.message.is_empty() {
        FAILED.to_owned()
    } else {
        error.message
    };
    WireError::new(error.kind, message).retry_after(error.retry_after)
}

/// The model failed, by the reason that it gives for its end.
pub(super) fn of_finish(reason: &str, message: Option<&str>) -> WireError {
    let message = match message {
        Some(message) => format!("the model failed ({reason}): {message}"),
        None => format!("the model failed ({reason})"),
    };
    WireError::new(ErrorKind::Api, message)
}

/// The error as an element of a stream.
pub(super) fn element(error: &WireError, out: &mut BytesMut) {
    out.extend_from_slice(&error::encode(Dialect::Gemini, error));
}

const FAILED: &str = "the upstream failed while it answered";
