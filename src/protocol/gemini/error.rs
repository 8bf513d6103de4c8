//! Errors within a stream: decodes an upstream's, encodes one for a client.
use bytes::BytesMut;

use crate::protocol::Dialect;
use crate::protocol::error::{self, ErrorKind, ParsedError, WireError};

/// Rewords the error for clients of this dialect, which by its message recognize that the conversation is too long.
pub fn wording(mut error: WireError) -> WireError {
    if error.kind == ErrorKind::ContextLength && !error.message.contains(TOO_LONG) {
        let said = std::mem::take(&mut error.message);
        error.message = match error::token_counts(&said) {
            Some((tokens, most)) => {
                format!(
                    "{TOO_LONG} ({tokens}) exceeds the maximum number of tokens allowed ({most})."
                )
            }
            None => {
                format!("{TOO_LONG} exceeds the maximum number of tokens allowed: {said}")
            }
        };
    }
    error
}

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

/// The error for a finish reason that means a failure of the model.
pub(super) fn of_finish(reason: &str, message: Option<&str>) -> WireError {
    let message = match message {
        Some(message) => format!("the model failed ({reason}): {message}"),
        None => format!("the model failed ({reason})"),
    };
    WireError::new(ErrorKind::NoAnswer, message)
}

/// Writes the error as an element of a stream.
pub(super) fn element(error: &WireError, out: &mut BytesMut) {
    out.extend_from_slice(&error::encode(Dialect::Gemini, error));
}

const FAILED: &str = "the upstream failed while it answered";

const TOO_LONG: &str = "The input token count";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_context_is_said_in_the_words_that_clients_know() {
        let told = |said: &str| wording(WireError::new(ErrorKind::ContextLength, said)).message;
        assert_eq!(
            told("prompt is too long: 210512 tokens > 200000 maximum"),
            "The input token count (210512) exceeds the maximum number of tokens allowed (200000)."
        );
        assert_eq!(
            told("too much"),
            "The input token count exceeds the maximum number of tokens allowed: too much"
        );
        let own = "The input token count (9) exceeds the maximum number of tokens allowed (8).";
        assert_eq!(told(own), own);
    }
}
