//! Parts of a body that decide which accounts may serve it: names of objects that live at one account, data that is not
//! text, and state that Weir wrapped. All of them are found in one pass, on demand: a separate search for each took a
//! tenth of the cost of a request of 300 KB.
use std::sync::LazyLock;

use aho_corasick::packed::{Config, MatchKind, Searcher};
use memchr::memmem;
use smallvec::SmallVec;

use crate::protocol::hub::opaque;

/// What one pass over a body finds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct BodyScan {
    /// Places where names of objects that live at one account may begin: the last `MOST` of them.
    names: SmallVec<[usize; 4]>,
    /// How many such places there were.
    named: usize,
    /// Whether the text contains data in a member of OpenAI's or Anthropic's.
    has_base64: bool,
    /// Whether the text contains data in a member of Gemini's.
    has_inline: bool,
    has_envelope: bool,
}

impl BodyScan {
    pub(super) fn of(body: &[u8]) -> Self {
        let mut found = Self::default();
        match &*SEARCHER {
            Some(searcher) => searcher
                .find_iter(body)
                .for_each(|hit| found.note(hit.pattern().as_usize(), hit.start())),
            None => found.search(body),
        }
        found.names.sort_unstable();
        found
    }

    /// The search without the vector instructions that the single pass needs.
    fn search(&mut self, body: &[u8]) {
        for (number, pattern) in patterns().enumerate() {
            memmem::find_iter(body, pattern).for_each(|at| self.note(number, at));
        }
        self.names.sort_unstable();
    }

    fn note(&mut self, pattern: usize, at: usize) {
        match pattern {
            BASE64 => self.has_base64 = true,
            INLINE | INLINE_SNAKE => self.has_inline = true,
            ENVELOPE => self.has_envelope = true,
            _ => {
                match self.names.get_mut(self.named % MOST) {
                    Some(oldest) => *oldest = at,
                    None => self.names.push(at),
                }
                self.named += 1;
            }
        }
    }

    /// Places where names of objects that live at one account may begin.
    pub(super) fn names(&self) -> &[usize] {
        &self.names
    }

    pub(super) fn has_base64(&self) -> bool {
        self.has_base64
    }

    pub(super) fn has_inline(&self) -> bool {
        self.has_inline
    }

    /// Whether there is opaque state that Weir wrapped for a client of another dialect.
    pub(super) fn has_envelope(&self) -> bool {
        self.has_envelope
    }
}

fn patterns() -> impl Iterator<Item = &'static [u8]> {
    let others = ["base64", "inlineData", "inline_data", opaque::MAGIC];
    let all = others.into_iter().chain(BEGINNINGS);
    all.map(str::as_bytes)
}

static SEARCHER: LazyLock<Option<Searcher>> = LazyLock::new(|| {
    let mut config = Config::new();
    let mut builder = config.match_kind(MatchKind::LeftmostFirst).builder();
    builder.extend(patterns());
    builder.build()
});

/// The beginnings of the vendors' names, with the character in front of them: OpenAI's and Anthropic's files,
/// containers, vector stores, conversations, skills, response items and sealed reasoning; Gemini's collections, also at
/// the end of a URI.
const BEGINNINGS: [&str; 14] = [
    "\"file-",
    "\"file_",
    "\"cntr_",
    "\"container_",
    "\"vs_",
    "\"conv_",
    "\"skill_",
    "\"files/",
    "/files/",
    "\"cachedContents/",
    "\"rs_",
    "\"msg_",
    "\"fc_",
    "\"encrypted_content\"",
];

/// The positions of the patterns that are not names.
const BASE64: usize = 0;
const INLINE: usize = 1;
const INLINE_SNAKE: usize = 2;
const ENVELOPE: usize = 3;

/// The most names that are looked up per request.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn everything_is_found_wherever_it_is() {
        let long = "x".repeat(100);
        for (text, names, base64, inline, envelope) in [
            ("", 0, false, false, false),
            (r#"{"id":"file-abc"}"#, 1, false, false, false),
            (
                r#"{"a":"file_1","b":"/files/x","c":"files/y"}"#,
                3,
                false,
                false,
                false,
            ),
            (r#"{"inlineData":{}}"#, 0, false, true, false),
            (r#"{"inline_data":{"id":"vs_1"}}"#, 1, false, true, false),
            ("data:image/png;base64,AA", 0, true, false, false),
            (
                r#"{"signature":"weir1.x","f":"file-weir1.y"}"#,
                1,
                false,
                false,
                true,
            ),
        ] {
            for text in [
                text.to_owned(),
                format!("{long}{text}"),
                format!("{text}{long}"),
            ] {
                let found = BodyScan::of(text.as_bytes());
                assert_eq!(found.names().len(), names, "{text}");
                assert_eq!(found.has_base64(), base64, "{text}");
                assert_eq!(found.has_inline(), inline, "{text}");
                assert_eq!(found.has_envelope(), envelope, "{text}");
            }
        }
    }

    #[test]
    fn what_is_kept_of_names_is_bounded() {
        let text = "\"file-1\"".repeat(1000);
        let found = BodyScan::of(text.as_bytes());
        assert_eq!(found.names().len(), MOST);
        assert_eq!(found.names().last(), Some(&(text.len() - 8)));
    }

    proptest! {
        #[test]
        fn one_pass_finds_what_many_find(
            pieces in prop::collection::vec(prop_oneof![
                prop::sample::select(patterns().collect::<Vec<_>>()).prop_map(<[u8]>::to_vec),
                prop::collection::vec(any::<u8>(), 0..40),
            ], 0..30),
        ) {
            let body = pieces.concat();
            let mut many = BodyScan::default();
            many.search(&body);
            prop_assert_eq!(BodyScan::of(&body), many);
        }
    }
}
