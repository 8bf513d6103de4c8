//! Cases: exchanges in files, which can be run again without a network. The goldens of the tests are such files, and
//! `weir run --record` writes such files. Both are read here, so a user's report becomes a test by copying a file.
//!
//! ```text
//! translated   client's request ─► upstream's request;  upstream's answer ─► client's answer
//! passed       an answer in the client's own dialect ─► the facts that are read in it while it passes
//! ```
//!
//! To run a case, everything that is not given is computed; the result is then compared with the file.
pub mod difference;
mod head;
mod masked;
pub mod passed;
pub mod recorded;
pub mod translated;

/// One case file.
#[derive(Debug)]
pub enum Case {
    Translated(Box<translated::Case>),
    Passed(passed::Case),
}

impl Case {
    /// Reads a file of either kind. `Err` tells what is wrong with it and what is expected.
    pub fn read(file: &[u8]) -> Result<Self, String> {
        if passed::Case::looks_like(file) {
            return passed::Case::read(file).map(Self::Passed);
        }
        let text = std::str::from_utf8(file)
            .map_err(|error| format!("is not text ({error}); expected {EXPECTED}"))?;
        translated::Case::parse(text).map(|case| Self::Translated(Box::new(case)))
    }

    /// The file as it would be written now. The result must not depend on how the given bytes are divided.
    pub fn run(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Translated(case) => Ok(case.run(Cuts::Many)?.print().into_bytes()),
            Self::Passed(case) => Ok(case.with_facts(&case.facts(Cuts::Many)?)),
        }
    }
}

/// Into which pieces a stream is divided for replays.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cuts {
    /// Only one piece.
    None,
    /// Also single bytes, and two pieces: divided at every position if that is little work, otherwise at some
    /// positions.
    Many,
}

impl Cuts {
    /// The positions at which a stream of this length is divided in two.
    fn places(self, length: usize) -> impl Iterator<Item = usize> {
        let places: usize = match self {
            Self::None => 0,
            Self::Many => (MOST_WORK / length.max(1)).max(FEWEST_CUTS).min(length + 1),
        };
        let step = (length + 1).checked_div(places).unwrap_or(1).max(1);
        (0..=length)
            .step_by(step)
            .take(if places == 0 { 0 } else { usize::MAX })
    }
}

/// The expected form of a file.
const EXPECTED: &str = "a case as `weir run --record` writes it: its head, then sections behind rulers (`----- client request`), \
                        or `DIALECT FORM`, `=== stream` and `=== facts`";

/// Bytes that are replayed of one stream in total, over all divisions: up to 16 KiB, every position is tried.
const MOST_WORK: usize = 256 << 20;
const FEWEST_CUTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_streams_are_cut_everywhere_and_long_ones_at_some_places() {
        assert_eq!(Cuts::None.places(100).count(), 0);
        assert_eq!(Cuts::Many.places(0).collect::<Vec<_>>(), [0]);
        assert_eq!(Cuts::Many.places(100).count(), 101);
        assert_eq!(Cuts::Many.places(16 << 10).count(), (16 << 10) + 1);
        let long = Cuts::Many.places(16 << 20).count();
        assert!((8..64).contains(&long), "{long}");
    }

    #[test]
    fn what_is_no_case_is_refused_with_what_is_expected() {
        let cases: [(&[u8], &str); 12] = [
            (b"", "empty"),
            (b"\xff\xfe\x00\x01", "is not text"),
            (b"{\"a\":1}", "no `----- client request`"),
            (b"A title.\nclient: anthropic\n----- client request\n{}\n", "no `upstream: …`"),
            (b"A.\nclient: klingon\nupstream: gemini\nprovider: gemini\nmodel: m\n----- client request\n{}\n", "klingon"),
            (b"A.\nclient: anthropic\nupstream: gemini\nprovider: nobody\nmodel: m\n----- client request\n{}\n", "nobody"),
            (b"A.\nclient: anthropic\nupstream: gemini\nprovider: gemini\nmodel: m\nseed: x\n----- client request\n{}\n", "`seed: x`"),
            (b"A.\nclient: anthropic\nupstream: gemini\nprovider: gemini\nmodel: m\n----- upstream answer\n{}\n", "no `----- client request`"),
            (b"A.\nclient: anthropic\nupstream: gemini\nprovider: gemini\nmodel: m\ncolour: red\n----- client request\n{}\n", "`colour`"),
            (b"anthropic answer\n=== stream\n{}", "=== facts"),
            (b"klingon answer\n=== stream\n{}\n=== facts\n", "klingon"),
            (b"anthropic song\n=== stream\n{}\n=== facts\n", "`song`"),
        ];
        for (file, part) in cases {
            let said = Case::read(file)
                .and_then(|case| case.run())
                .expect_err(part);
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn what_cannot_be_run_is_said_and_nothing_panics() {
        let head = "A.\nclient: anthropic\nupstream: gemini\nprovider: gemini\nmodel: m\n----- client request\n{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}\n";
        for (rest, part) in [
            ("----- upstream error\n{}", "status"),
            ("----- upstream error\n", "status"),
            ("----- upstream error\nhello\n{}", "status"),
        ] {
            let file = format!("{head}{rest}");
            let said = Case::read(file.as_bytes()).and_then(|case| case.run());
            let said = said.expect_err(part);
            assert!(said.contains(part), "{said}");
        }
        // For every truncation there is some result.
        let whole = format!(
            "{head}----- upstream stream\ndata: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"é\"}}]}},\"finishReason\":\"STOP\"}}]}}\n\n----- outcome\ncomplete\n"
        );
        for length in 0..whole.len() {
            let _ = Case::read(&whole.as_bytes()[..length]).and_then(|case| case.run());
        }
    }
}
