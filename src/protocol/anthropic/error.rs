//! Errors in the form of this dialect, with the wording that Claude Code reacts to.
use bytes::BytesMut;

use crate::protocol::Dialect;
use crate::protocol::error::{self, ErrorKind, WireError};
use crate::protocol::sse;

/// Rewords the error for clients of this dialect: by its message they decide to compact the conversation or to ask for
/// less output. The numbers are the upstream's; where the upstream states none, the message has none.
pub fn wording(mut error: WireError) -> WireError {
    let said = &error.message;
    let own = match error.kind {
        ErrorKind::ContextLength if said.starts_with(TOO_LONG) || said.starts_with(BOTH) => None,
        ErrorKind::ContextLength => Some(too_long(said)),
        ErrorKind::InvalidRequest if !said.starts_with(OUTPUT) => {
            error::output_alone(said).map(|(asked, most)| {
                format!("{OUTPUT}{asked} > {most}, which is the maximum allowed number of output tokens for this model")
            })
        }
        _ => None,
    };
    if let Some(message) = own {
        error.message = message;
    }
    error
}

fn too_long(said: &str) -> String {
    if let Some((input, output, window)) = error::input_and_output(said) {
        return format!("{BOTH} exceed context limit: {input} + {output} > {window}");
    }
    match error::token_counts(said) {
        Some((tokens, most)) => format!("{TOO_LONG}: {tokens} tokens > {most} maximum"),
        None if said.is_empty() => TOO_LONG.to_owned(),
        None => format!("{TOO_LONG}: {said}"),
    }
}

/// Ends a running stream with an error. Nothing may follow: a `message_stop` would make a truncated turn look complete.
pub fn event(error: &WireError, out: &mut BytesMut) {
    sse::write(
        out,
        Some("error"),
        &error::encode(Dialect::Anthropic, error),
    );
}

const TOO_LONG: &str = "prompt is too long";
/// The beginning of the message when the input fits, but not together with the requested output.
const BOTH: &str = "input length and `max_tokens`";
/// The beginning of the message when more output was requested than the model can produce.
const OUTPUT: &str = "max_tokens: ";

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
    fn too_much_output_is_said_in_the_words_that_clients_know() {
        check(
            "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (7000 in the messages, 2000 in the completion).",
            "input length and `max_tokens` exceed context limit: 7000 + 2000 > 8192",
        );
        let own = "input length and `max_tokens` exceed context limit: 5 + 2 > 6";
        check(own, own);
        let alone =
            "max_tokens is too large: 100000. This model supports at most 16384 completion tokens";
        let error = wording(WireError::new(ErrorKind::InvalidRequest, alone));
        assert_eq!(
            error.message,
            "max_tokens: 100000 > 16384, which is the maximum allowed number of output tokens for this model"
        );
        let range = "Range of max_tokens should be [1, 8192]";
        let error = wording(WireError::new(ErrorKind::InvalidRequest, range));
        assert_eq!(error.message, range);
    }

    #[test]
    fn other_errors_keep_their_words() {
        assert_eq!(
            wording(WireError::new(ErrorKind::RateLimit, "slow")).message,
            "slow"
        );
    }
}
