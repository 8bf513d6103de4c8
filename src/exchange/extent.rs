//! What is known of a body without parsing it: the size of its prompt, estimated from a sample of its bytes, and what
//! it contains. It is computed once for routes, limits, the bill and learning.
use std::sync::OnceLock;

use super::body_scan::BodyScan;
use crate::protocol::Dialect;
use crate::protocol::measure::Measure;

/// What is known of one body.
#[derive(Debug, Default)]
pub(super) struct Extent {
    measured: OnceLock<(Measure, u64)>,
    body_scan: OnceLock<BodyScan>,
}

impl Extent {
    /// The measure of the sampled text, and the number of bytes in the sample.
    pub(super) fn measured(&self, body: &[u8]) -> &(Measure, u64) {
        self.measured.get_or_init(|| sample(body))
    }

    /// Whether the body may contain pictures or documents as data, which the text measure cannot judge.
    pub(super) fn holds_media(&self, body: &[u8], dialect: Dialect) -> bool {
        let body_scan = self.body_scan(body);
        match dialect {
            Dialect::Gemini => body_scan.has_inline(),
            _ => body_scan.has_base64(),
        }
    }

    /// What the body contains that matters for the choice of an account.
    pub(super) fn body_scan(&self, body: &[u8]) -> &BodyScan {
        self.body_scan.get_or_init(|| BodyScan::of(body))
    }
}

/// Measures a long body in pieces that are spread over it. Returns their measure and their bytes in total.
fn sample(body: &[u8]) -> (Measure, u64) {
    if body.len() <= MEASURED {
        let mut text = Measure::default();
        text.json(body);
        return (text, body.len() as u64);
    }
    let all = body
        .chunks(body.len().div_ceil(PIECES))
        .filter_map(|part| part.get(..MEASURED / PIECES));
    all.fold((Measure::default(), 0), |(text, bytes), piece| {
        let mut next = Measure::default();
        next.json(piece);
        (text.and(next), bytes + piece.len() as u64)
    })
}

/// The most bytes of a body that are measured. 128 KiB would cost more than everything else that is done for the
/// request.
const MEASURED: usize = 8 << 10;

/// The number of pieces.
const PIECES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_body_is_measured_by_pieces_of_all_of_it() {
        let line = br#"{"type":"text","text":"let answer = 42; // said the machine, and nobody asked it why\n"},"#;
        let whole = line.repeat(3_000);
        let mut all = Measure::default();
        all.json(&whole);
        let (text, bytes) = sample(&whole);
        assert!(bytes <= MEASURED as u64);
        let guess = text.tokens() * whole.len() as u64 / bytes;
        let real = all.tokens();
        assert!(guess.abs_diff(real) * 20 < real, "{guess} {real}");
        // The end counts as much as the beginning.
        let halves = [line.repeat(1_500), vec![b' '; line.len() * 1_500]].concat();
        let (text, bytes) = sample(&halves);
        let guess = text.tokens() * halves.len() as u64 / bytes;
        assert!(guess.abs_diff(real / 2) * 10 < real, "{guess} {real}");
        // A short body is measured completely.
        assert_eq!(sample(&whole[..MEASURED]).1, MEASURED as u64);
    }

    #[test]
    fn data_is_seen_in_every_dialect() {
        let holds = |dialect, body: &str| Extent::default().holds_media(body.as_bytes(), dialect);
        for body in [
            r#"{"inlineData":{"data":"AAAA"}}"#,
            r#"{"a":"inline","b":{"inline_data":{}}}"#,
        ] {
            assert!(holds(Dialect::Gemini, body), "{body}");
        }
        assert!(!holds(Dialect::Gemini, r#"{"text":"inline"}"#));
        for dialect in [
            Dialect::Anthropic,
            Dialect::OpenaiChat,
            Dialect::OpenaiResponses,
        ] {
            assert!(holds(dialect, r#"{"url":"data:image/png;base64,AAAA"}"#));
            assert!(!holds(dialect, r#"{"text":"hello"}"#));
        }
    }
}
