//! Errors as this dialect says them, in the words on which Claude Code acts.
use bytes::BytesMut;

use crate::protocol::Dialect;
use crate::protocol::error::{self, ErrorKind, WireError};
use crate::protocol::sse;

/// The error in the words of this dialect: clients compact the conversation when the message begins like this.
pub fn wording(mut error: WireError) -> WireError {
    if error.kind == ErrorKind::ContextLength && !error.message.starts_with(TOO_LONG) {
        let said = std::mem::take(&mut error.message);
        error.message = match error::token_counts(&said) {
            Some((tokens, most)) => format!("{TOO_LONG}: {tokens} tokens > {most} maximum"),
            None if said.is_empty() => TOO_LONG.to_owned(),
            None => format!("{TOO_LONG}: {said}"),
        };
    }
    error
}

/// Ends a running stream with an error. Nothing may follow: a `message_stop` would make a truncated turn look whole.
pub fn event(error: &WireError, out: &mut BytesMut) {
    sse::write(
        out,
        Some("error"),
        &error::encode(Dialect::Anthropic, error),
    );
}

const TOO_LONG: &str = "prompt is too long";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &str, expected: &str) {
        let error = wording(WireError::new(ErrorKind::ContextLength, said));
        assert_eq!(error.message, expected);
    }

    #[test]
    fn a_full_context_is_said_in_the_words_that_clients_know() {
        check(
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 130512 tokens.",
            "prompt is too long: 130512 tokens > 128000 maximum",
        );
        check("too much", "prompt is too long: too much");
        check("", "prompt is too long");
        check(
            "prompt is too long: 5 tokens > 4 maximum",
            "prompt is too long: 5 tokens > 4 maximum",
        );
    }

    #[test]
    fn other_errors_keep_their_words() {
        assert_eq!(
            wording(WireError::new(ErrorKind::RateLimit, "slow")).message,
            "slow"
        );
    }
}
