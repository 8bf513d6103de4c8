//! The token counts in vendors' errors about requests that do not fit the context window.

/// The tokens that were sent and the tokens that fit, from a message with both numbers: "maximum context length is
/// 128000 tokens. However, your messages resulted in 130512 tokens".
pub fn token_counts(message: &str) -> Option<(u64, u64)> {
    let mut numbers = numbers(message)
        .map(|number| number.value)
        .filter(|number| *number >= SMALLEST_WINDOW);
    let (first, second) = (numbers.next()?, numbers.next()?);
    Some((first.max(second), first.min(second)))
}

/// Input, requested output and window, from a message that states all three: the input may fit with less output.
pub fn input_and_output(message: &str) -> Option<(u64, u64, u64)> {
    let lower = message.to_ascii_lowercase();
    let (mut input, mut output, mut window) = (None, None, None);
    for number in numbers(&lower) {
        let value = Some(number.value);
        if number.follows(&AFTER_INPUT) {
            input = input.or(value);
        } else if number.follows(&AFTER_OUTPUT) || number.comes_after(&BEFORE_OUTPUT) {
            output = output.or(value);
        } else if number.comes_after(&BEFORE_WINDOW) {
            window = window.or(value);
        }
    }
    let (input, output, window) = (input?, output?, window?);
    (input.checked_add(output)? > window).then_some((input, output, window))
}

/// Requested and allowed output, from a message that states only that the output is too large.
pub fn output_alone(message: &str) -> Option<(u64, u64)> {
    let lower = message.to_ascii_lowercase();
    if !OUTPUT_NAMES.iter().any(|name| lower.contains(name)) {
        return None;
    }
    let (mut asked, mut most) = (None, None);
    for number in numbers(&lower) {
        if number.comes_after(&BEFORE_ASKED) {
            asked = asked.or(Some(number.value));
        } else if number.comes_after(&BEFORE_MOST) {
            let exclusive = u64::from(number.follows(&[" (exclusive)"]));
            most = most.or(number.value.checked_sub(exclusive));
        }
    }
    let (asked, most) = (asked?, most?);
    (asked > most).then_some((asked, most))
}

/// A number in a message, with the text around it.
#[derive(Debug)]
struct Number<'a> {
    value: u64,
    before: &'a str,
    after: &'a str,
}

impl Number<'_> {
    fn comes_after(&self, words: &[&str]) -> bool {
        let before = self.before.trim_end_matches(['`', '\'', '"']);
        words.iter().any(|word| before.ends_with(word))
    }

    fn follows(&self, words: &[&str]) -> bool {
        let after = self.after.trim_start_matches(['`', '\'', '"']);
        words.iter().any(|word| after.starts_with(word))
    }
}

/// The numbers of the message, with or without thousands separators; digits within names and versions are skipped.
fn numbers(message: &str) -> impl Iterator<Item = Number<'_>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let start = from + message.get(from..)?.find(|c: char| c.is_ascii_digit())?;
            let tail = message.get(start..)?;
            let end = start
                + tail
                    .find(|c: char| !c.is_ascii_digit() && c != ',')
                    .unwrap_or(tail.len());
            from = end;
            let text = message.get(start..end)?.trim_end_matches(',');
            let (before, after) = (message.get(..start)?, message.get(start + text.len()..)?);
            let joined_before = before
                .ends_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
            let joined_after = after
                .starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/'))
                || after
                    .strip_prefix('.')
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            if joined_before || joined_after {
                continue;
            }
            if let Ok(value) = text.replace(',', "").parse::<u64>() {
                return Some(Number {
                    value,
                    before,
                    after,
                });
            }
        }
    })
}

/// Smaller numbers in a message are not the token counts of a context window.
const SMALLEST_WINDOW: u64 = 1_000;

// Source lines for each wording stand in `words_table.rs`.
const AFTER_INPUT: [&str; 14] = [
    " in the messages",
    " in the prompt",
    " in your prompt",
    " from the input",
    " tokens from the input",
    " tokens in the messages",
    " of text input",
    " input tokens",
    " prompt tokens",
    " inputs` tokens",
    " `inputs` tokens",
    " in the input",
    " tokens in the prompt",
    " tokens from the prompt",
];
const AFTER_OUTPUT: [&str; 11] = [
    " in the completion",
    " for the completion",
    " tokens for the completion",
    " in the output",
    " output tokens",
    " tokens in the completion",
    " tokens for completion",
    " completion tokens",
    " `max_new_tokens`",
    " max_new_tokens",
    " for the output",
];
const BEFORE_OUTPUT: [&str; 3] = ["is too large: ", "max_tokens=", "max_tokens: "];
const BEFORE_WINDOW: [&str; 14] = [
    "context length is ",
    "context length is only ",
    "context length of ",
    "context length (",
    "context length: ",
    "context limit of ",
    "context limit is ",
    "context window is ",
    "context window of ",
    "context window (",
    "context size (",
    "context size is ",
    "must be <= ",
    "maximum context of ",
];
/// The names of the limit on the output.
const OUTPUT_NAMES: [&str; 8] = [
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "max_new_tokens",
    "maxoutputtokens",
    "maxtokens",
    "maximum tokens you requested",
    "completion tokens",
];
const BEFORE_ASKED: [&str; 9] = [
    "is too large: ",
    "too large: ",
    "value of ",
    "you provided ",
    "you requested ",
    "requested ",
    "max_tokens: ",
    "max_tokens (",
    "but got ",
];
const BEFORE_MOST: [&str; 16] = [
    "at most ",
    "less than or equal to ",
    "maximum value of ",
    "maximum of ",
    "a limit of ",
    "the limit of ",
    "model limit of ",
    "maximum value is ",
    "maximum is ",
    "must be <= ",
    "[1, ",
    "[1,",
    "(inclusive) to ",
    "1 to ",
    "cannot exceed ",
    " > ",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_output_and_window_are_told_apart() {
        for (message, expected) in [
            (
                "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (7000 in the messages, 2000 in the completion). Please reduce the length.",
                (7000, 2000, 8192),
            ),
            (
                "'max_tokens' or 'max_completion_tokens' is too large: 10000. This model's maximum context length is 32768 tokens and your request has 30000 input tokens (10000 > 32768 - 30000).",
                (30000, 10000, 32768),
            ),
            (
                "You passed 30001 input tokens and requested 2768 output tokens. However, the model's context length is only 32768 tokens, resulting in a maximum input length of 30000 tokens.",
                (30001, 2768, 32768),
            ),
            (
                "Requested token count exceeds the model's maximum context length of 32,768 tokens. You requested a total of 40,000 tokens: 30,000 tokens from the input messages and 10,000 tokens for the completion.",
                (30000, 10000, 32768),
            ),
            (
                "This endpoint's maximum context length is 131072 tokens. However, you requested about 150000 tokens (140000 of text input, 10000 in the output).",
                (140_000, 10000, 131_072),
            ),
            (
                "`inputs` tokens + `max_new_tokens` must be <= 4097. Given: 4000 `inputs` tokens and 200 `max_new_tokens`",
                (4000, 200, 4097),
            ),
        ] {
            assert_eq!(input_and_output(message), Some(expected), "{message}");
        }
        for message in [
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 130512 tokens.",
            "maximum context length is 8192 tokens, 7000 in the messages, 1000 in the completion",
            "18446744073709551615 in the messages, 2 in the completion, context length is 5",
        ] {
            assert_eq!(input_and_output(message), None, "{message}");
        }
    }

    #[test]
    fn too_large_an_output_is_told() {
        for (message, expected) in [
            (
                "max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided 100000.",
                (100_000, 16384),
            ),
            (
                "Unable to submit request because it has a maxOutputTokens value of 100000 but the supported range is from 1 (inclusive) to 65537 (exclusive).",
                (100_000, 65536),
            ),
            (
                "The maximum tokens you requested exceeds the model limit of 8192. Requested 10000 max_tokens",
                (10000, 8192),
            ),
            (
                "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens for m",
                (100_000, 8192),
            ),
        ] {
            assert_eq!(output_alone(message), Some(expected), "{message}");
        }
        for message in [
            "Range of max_tokens should be [1, 8192]",
            "temperature is too large: 5. at most 2",
            "max_tokens is too large: 5. At most 16384",
        ] {
            assert_eq!(output_alone(message), None, "{message}");
        }
    }

    #[test]
    fn numbers_within_names_are_none() {
        let said = "gpt-4o-2024-08-06 and qwen3-2507 take 32,768 tokens at v1.5000, not 40000.";
        let found: Vec<u64> = numbers(said).map(|number| number.value).collect();
        assert_eq!(found, [32768, 40000]);
    }
}
