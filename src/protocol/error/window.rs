//! The two numbers in what vendors say of a prompt that does not fit.

/// How many tokens came and how many fit, in a message that has the two numbers: "maximum context length is 128000 tokens.
/// However, your messages resulted in 130512 tokens".
pub fn token_counts(message: &str) -> Option<(u64, u64)> {
    let mut numbers = message
        .split(|c: char| !c.is_ascii_digit() && c != ',')
        .filter_map(|digits| digits.replace(',', "").parse::<u64>().ok())
        .filter(|number| *number >= SMALLEST_WINDOW);
    let (first, second) = (numbers.next()?, numbers.next()?);
    Some((first.max(second), first.min(second)))
}

/// Smaller numbers in a message are no token counts of a context window.
const SMALLEST_WINDOW: u64 = 1_000;
