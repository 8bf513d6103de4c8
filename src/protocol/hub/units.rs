//! Usage in units other than tokens: images, audio, characters, searches, videos.

/// The number of units of each kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Units {
    /// Generated images.
    pub images: u64,
    /// Transcribed audio, in ms.
    pub audio_ms: u64,
    /// Characters of text that was turned into speech.
    pub characters: u64,
    /// Searches of a reranker, each over up to a hundred documents.
    pub searches: u64,
    /// Generated videos, in ms.
    pub video_ms: u64,
}

impl Units {
    /// The names of the kinds in metrics, logs and reports.
    pub const KINDS: [&str; 5] = ["images", "audio_ms", "characters", "searches", "video_ms"];

    /// No units.
    pub const NONE: Self = Self {
        images: 0,
        audio_ms: 0,
        characters: 0,
        searches: 0,
        video_ms: 0,
    };

    /// The numbers in the order of [`Units::KINDS`].
    pub const fn figures(&self) -> [u64; Self::KINDS.len()] {
        [
            self.images,
            self.audio_ms,
            self.characters,
            self.searches,
            self.video_ms,
        ]
    }

    /// The units for numbers in the order of [`Units::KINDS`].
    pub const fn of_figures(figures: [u64; Self::KINDS.len()]) -> Self {
        let [images, audio_ms, characters, searches, video_ms] = figures;
        Self {
            images,
            audio_ms,
            characters,
            searches,
            video_ms,
        }
    }

    /// Each number with the name of its kind.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Self::KINDS.into_iter().zip(self.figures())
    }

    /// The number of the kind with this name.
    pub fn of_kind(&mut self, kind: &str) -> Option<&mut u64> {
        Some(match kind {
            "images" => &mut self.images,
            "audio_ms" => &mut self.audio_ms,
            "characters" => &mut self.characters,
            "searches" => &mut self.searches,
            "video_ms" => &mut self.video_ms,
            _ => return None,
        })
    }

    /// Whether all numbers are 0.
    pub const fn is_none(&self) -> bool {
        matches!(self.figures(), [0, 0, 0, 0, 0])
    }

    /// The sum, kind by kind.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self {
            images: self.images.saturating_add(more.images),
            audio_ms: self.audio_ms.saturating_add(more.audio_ms),
            characters: self.characters.saturating_add(more.characters),
            searches: self.searches.saturating_add(more.searches),
            video_ms: self.video_ms.saturating_add(more.video_ms),
        }
    }

    /// Combines two values kind by kind with `of`.
    #[must_use]
    pub fn combined(&self, other: &Self, of: impl Fn(u64, u64) -> u64) -> Self {
        let (a, b) = (self.figures(), other.figures());
        Self::of_figures(std::array::from_fn(|at| of(a[at], b[at])))
    }

    /// These units, but for every kind with 0 the number of `otherwise`.
    #[must_use]
    pub fn or(&self, otherwise: &Self) -> Self {
        self.combined(otherwise, |own, other| if own > 0 { own } else { other })
    }

    /// Whether an answer can have used this much: at most `most` of each kind.
    pub(super) fn is_possible(&self, most: u64) -> bool {
        self.figures().iter().all(|count| *count <= most)
    }
}

/// The quality and the size of images and videos, as far as they are stated.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Picture {
    /// `high`, `hd`.
    pub quality: Word,
    /// `1024x1792`, `2k`.
    pub size: Word,
}

impl Picture {
    /// These values; those that are empty come from `otherwise`.
    #[must_use]
    pub fn or(self, otherwise: Self) -> Self {
        Self {
            quality: self.quality.or(otherwise.quality),
            size: self.size.or(otherwise.size),
        }
    }
}

/// A short word in lower case.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Word([u8; LONGEST_WORD]);

impl Word {
    /// The word; empty for `auto` and for text that is not a short word.
    pub fn of(text: &str) -> Self {
        let mut word = [0; LONGEST_WORD];
        let is_word = text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_word
            && !text.eq_ignore_ascii_case("auto")
            && let Some(place) = word.get_mut(..text.len())
        {
            place.copy_from_slice(text.as_bytes());
            place.make_ascii_lowercase();
        }
        Self(word)
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0);
        let bytes = self.0.get(..length.unwrap_or(LONGEST_WORD));
        std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }

    /// This word, or `otherwise` if this one is empty.
    #[must_use]
    pub fn or(self, otherwise: Self) -> Self {
        if self.as_str().is_empty() {
            otherwise
        } else {
            self
        }
    }
}

/// The length of the longest word, in bytes.
const LONGEST_WORD: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_short_and_small() {
        for (text, word) in [
            ("HD", "hd"),
            ("1024x1792", "1024x1792"),
            ("auto", ""),
            ("Auto", ""),
            ("", ""),
            ("twelve-bytes", "twelve-bytes"),
            ("thirteen-byte", ""),
            ("a b", ""),
            ("\u{e9}", ""),
        ] {
            assert_eq!(Word::of(text).as_str(), word, "{text}");
        }
        let asked = Picture {
            quality: Word::of("hd"),
            size: Word::of("auto"),
        };
        let said = Picture {
            quality: Word::of("low"),
            size: Word::of("2K"),
        };
        let both = asked.or(said);
        assert_eq!((both.quality.as_str(), both.size.as_str()), ("hd", "2k"));
    }

    #[test]
    fn every_kind_has_its_name_and_its_figure() {
        let mut units = Units::of_figures([1, 2, 3, 4, 5]);
        assert_eq!(units.figures(), [1, 2, 3, 4, 5]);
        for (kind, figure) in units.clone().named() {
            assert_eq!(units.of_kind(kind).copied(), Some(figure), "{kind}");
        }
        assert_eq!(units.of_kind("input"), None);
        assert!(!units.is_none() && Units::NONE.is_none());
        let most = Units::of_figures([u64::MAX; 5]);
        assert_eq!(units.and(most), most);
        assert!(!most.is_possible(1 << 40));
    }
}
