//! Errors of a running stream, as an upstream of this dialect says them.
use crate::protocol::error::{ErrorKind, ParsedError, WireError};

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

const FAILED: &str = "the upstream failed while it answered";
