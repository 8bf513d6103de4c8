//! Estimates the number of pages of a PDF without a PDF parser.
use memchr::memmem;

use super::image::first_bytes;

/// The number of pages, from uncompressed objects; if these are compressed, from the length. At least 1.
pub(super) fn pages(base64: &str) -> u64 {
    let bytes = first_bytes(base64, READ).unwrap_or_default();
    let stated = counts(&bytes).max().unwrap_or(0);
    let found = leaves(&bytes);
    let length = base64.len() as u64 / 4 * 3;
    match stated.max(found) {
        0 => length.div_ceil(BYTES_A_PAGE).clamp(1, MOST),
        pages => pages.min(MOST),
    }
}

/// The values of `/Count 12` in the page tree; the root's value is the total. Outlines have a count too, so only counts
/// near `/Pages` are used.
fn counts(bytes: &[u8]) -> impl Iterator<Item = u64> {
    memmem::find_iter(bytes, b"/Count").filter_map(|at| {
        let from = at.saturating_sub(NEAR);
        let around = bytes.get(from..bytes.len().min(at + NEAR))?;
        memmem::find(around, b"/Pages")?;
        let digits = bytes.get(at + 6..)?.trim_ascii_start();
        let end = digits.iter().take(7).position(|b| !b.is_ascii_digit())?;
        std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
    })
}

/// The number of objects with `/Type /Page`.
fn leaves(bytes: &[u8]) -> u64 {
    let page = |at: usize| {
        let rest = bytes.get(at + 5..).unwrap_or_default().trim_ascii_start();
        rest.strip_prefix(b"/Page")
            .is_some_and(|after| !after.first().is_some_and(u8::is_ascii_alphabetic))
    };
    memmem::find_iter(bytes, b"/Type")
        .filter(|at| page(*at))
        .count() as u64
}

/// Most bytes that are searched.
const READ: usize = 8 << 20;
/// The greatest distance in bytes between `/Count` and the `/Pages` of the same object.
const NEAR: usize = 64;
/// The typical size of a page of text with one or two fonts.
const BYTES_A_PAGE: u64 = 50_000;
/// More pages than any provider accepts.
const MOST: u64 = 3_000;

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    fn check(text: &str, expected: u64) {
        assert_eq!(pages(&STANDARD.encode(text)), expected, "{text:.60}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(/Type ?|/Pages?|/Count ?|[0-9]{0,9}|[ -~]){0,40}") {
            let pages = pages(&STANDARD.encode(text));
            assert!((1..=MOST).contains(&pages));
        }
    }

    #[test]
    fn pages_are_stated_found_or_guessed() {
        check(
            "%PDF-1.7 1 0 obj << /Type /Pages /Kids [2 0 R] /Count 12 >> endobj",
            12,
        );
        check(
            "%PDF-1.4 <</Count 3/Type/Pages>> <</Type /Page>> <</Type/Page >>",
            3,
        );
        check(
            "%PDF-1.4 << /Type /Page >> << /Type/Page/Parent 1 0 R >>",
            2,
        );
        check("%PDF-1.4 << /Type /Outlines /Count 99 >>", 1);
        check(&"x".repeat(480_000), 10);
        check("", 1);
        check("/Pages /Count 999999999999999999999", 1);
    }
}
