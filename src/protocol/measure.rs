//! How many tokens a text probably is, told while its bytes pass: no vocabulary, no allocation, a table and an addition
//! a byte.
//!
//! A vocabulary holds short words whole and cuts long ones, takes digits by threes, and knows Chinese by the character. So
//! runs of one class of character are weighed, not bytes: the same weights then fit prose, code and Chinese, and what is
//! left, how a model's vocabulary differs from this one, is one ratio of the model, which `tokens` keeps.

/// The tokens of the text that has passed so far. A text may come in pieces, cut anywhere.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Measure {
    /// Thousandths of tokens, of what is finished.
    milli: u64,
    class: Class,
    /// Bytes of the run that is not finished.
    run: u32,
    escape: Escape,
}

/// Classes of bytes that go into a token together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Class {
    /// Nothing yet.
    #[default]
    None,
    Upper,
    Lower,
    Digit,
    Mark,
    Space,
    /// White space with a line end in it, or more than one space.
    Indent,
    /// Two bytes a character: Cyrillic, Greek, accents, Hebrew, Arabic.
    Narrow,
    /// Three bytes a character: Chinese, Japanese, Korean, Indic scripts.
    Wide,
    /// Four bytes a character: emoji.
    Rare,
}

/// Where in an escape of a JSON string the text is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Escape {
    #[default]
    No,
    /// After the backslash.
    Begun,
    /// After `\u`: how many digits are still to come, and the value of those before.
    Digits(u8, u16),
}

impl Measure {
    /// More of the text, as the model wrote or reads it.
    pub fn text(&mut self, text: &[u8]) {
        for &byte in text {
            self.byte(byte);
        }
    }

    /// More of a text that stands in JSON: `\n` is a line end, `\u4e2d` one character.
    pub fn json(&mut self, text: &[u8]) {
        for &byte in text {
            match self.escape {
                Escape::No if byte == b'\\' => self.escape = Escape::Begun,
                Escape::No => self.byte(byte),
                Escape::Begun => {
                    self.escape = Escape::No;
                    match byte {
                        b'n' | b'r' => self.byte(b'\n'),
                        b't' => self.byte(b'\t'),
                        b'u' => self.escape = Escape::Digits(4, 0),
                        other => self.byte(other),
                    }
                }
                Escape::Digits(left, value) => {
                    let digit = char::from(byte).to_digit(16).unwrap_or_default();
                    let value = value
                        .wrapping_mul(16)
                        .wrapping_add(u16::try_from(digit).unwrap_or_default());
                    if left > 1 {
                        self.escape = Escape::Digits(left - 1, value);
                    } else {
                        self.escape = Escape::No;
                        self.unit(value);
                    }
                }
            }
        }
    }

    /// The tokens of all that has passed.
    pub fn tokens(&self) -> u64 {
        self.milli
            .saturating_add(weight(self.class, self.run))
            .div_ceil(1000)
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let milli = self.milli.saturating_add(weight(self.class, self.run));
        Self {
            milli: milli.saturating_add(other.milli),
            ..other
        }
    }

    /// What this and as much again as `whole` is more than `part` would be: of a text of which only a part was measured.
    #[must_use]
    pub fn extended(self, part: u64, whole: u64) -> Self {
        let milli = self.milli.saturating_add(weight(self.class, self.run));
        let milli = u128::from(milli) * u128::from(whole) / u128::from(part.max(1));
        Self {
            milli: u64::try_from(milli).unwrap_or(u64::MAX),
            ..Self::default()
        }
    }

    /// Whether nothing has passed.
    pub fn is_empty(&self) -> bool {
        self.milli == 0 && self.run == 0
    }

    /// A unit of UTF-16, as JSON escapes a character: its bytes in UTF-8, as far as their classes go.
    fn unit(&mut self, unit: u16) {
        match unit {
            0..=0x7f => self.byte(unit.to_be_bytes()[1]),
            0x80..=0x7ff => self.bytes(0xc3, 1),
            // A pair of surrogates is one character of four bytes.
            0xd800..=0xdbff => self.bytes(0xf0, 3),
            0xdc00..=0xdfff => {}
            _ => self.bytes(0xe4, 2),
        }
    }

    fn bytes(&mut self, first: u8, more: usize) {
        self.byte(first);
        for _ in 0..more {
            self.byte(0x80);
        }
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        let class = CLASSES[usize::from(byte)];
        let (class, run) = STEPS[self.class as usize][class as usize];
        match run {
            Run::GoesOn => self.run = self.run.saturating_add(1),
            Run::Joined => self.run = 1,
            Run::Ended => {
                self.milli = self.milli.saturating_add(weight(self.class, self.run));
                self.run = 1;
            }
        }
        self.class = class;
    }
}

/// What a byte does to the run before it.
#[derive(Clone, Copy)]
enum Run {
    GoesOn,
    /// It takes it over and begins anew.
    Joined,
    Ended,
}

/// By the class before and the class of the byte: the class from then on.
const STEPS: [[(Class, Run); 10]; 10] = {
    let mut steps = [[(Class::None, Run::Ended); 10]; 10];
    let mut before = 0;
    while before < ALL.len() {
        let mut next = 0;
        while next < ALL.len() {
            steps[before][next] = step(ALL[before], ALL[next]);
            next += 1;
        }
        before += 1;
    }
    steps
};

const fn step(before: Class, next: Class) -> (Class, Run) {
    match (before, next) {
        (Class::Space, Class::None) => (before, Run::Joined),
        // The rest of a character is of its first byte's class.
        (_, Class::None) => (before, Run::GoesOn),
        // A capital that has begun a word is part of it, a word in capitals is weighed by itself.
        (Class::Upper, Class::Lower) => (next, Run::GoesOn),
        // A space belongs to what follows it.
        (Class::Space, Class::Upper | Class::Lower | Class::Mark) => (next, Run::Joined),
        (Class::Space | Class::Indent, Class::Space | Class::Indent) => {
            (Class::Indent, Run::GoesOn)
        }
        (before, next) if before as u8 == next as u8 => (next, Run::GoesOn),
        (_, next) => (next, Run::Ended),
    }
}

/// In the order of their numbers.
const ALL: [Class; 10] = [
    Class::None,
    Class::Upper,
    Class::Lower,
    Class::Digit,
    Class::Mark,
    Class::Space,
    Class::Indent,
    Class::Narrow,
    Class::Wide,
    Class::Rare,
];

/// Thousandths of tokens of a run, fitted to `o200k_base`.
fn weight(class: Class, run: u32) -> u64 {
    let run = u64::from(run);
    let beyond = |most: u64, each: u64| run.saturating_sub(most) * each;
    match class {
        Class::None => 0,
        Class::Lower => 1058 + beyond(8, 150),
        Class::Upper => 924 + beyond(1, 350),
        Class::Digit => run.div_ceil(3) * 1000,
        Class::Mark => 760 + beyond(2, 152),
        Class::Space => 352,
        Class::Indent => 735 + beyond(40, 20),
        Class::Narrow => run * 200,
        Class::Wide => run * 265,
        Class::Rare => run * 500,
    }
}

/// The class of each byte; of one in the middle of a character none.
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Mark; 256];
    let mut byte = 0u8;
    loop {
        classes[byte as usize] = match byte {
            b'A'..=b'Z' => Class::Upper,
            b'a'..=b'z' => Class::Lower,
            b'0'..=b'9' => Class::Digit,
            b' ' => Class::Space,
            b'\n' | b'\r' | b'\t' => Class::Indent,
            0x80..=0xbf => Class::None,
            0xc0..=0xdf => Class::Narrow,
            0xe0..=0xef => Class::Wide,
            0xf0..=0xff => Class::Rare,
            _ => Class::Mark,
        };
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(text: &str) -> u64 {
        let mut measure = Measure::default();
        measure.text(text.as_bytes());
        measure.tokens()
    }

    #[test]
    fn how_a_text_is_cut_into_pieces_does_not_matter() {
        let text = "Ein Maß für Wörter, 12345 Zahlen: { \"中文\": \"текст\" }\n\n    return 🙂;";
        let whole = measured(text);
        for size in 1..9 {
            let mut pieces = Measure::default();
            for piece in text.as_bytes().chunks(size) {
                pieces.text(piece);
            }
            assert_eq!(pieces.tokens(), whole, "pieces of {size}");
        }
        assert_eq!(Measure::default().tokens(), 0);
        assert!(Measure::default().is_empty());
    }

    #[test]
    fn what_json_escapes_counts_as_what_it_means() {
        let text = "let a = \"中文 🙂\";\n\tб é";
        for escaped in [
            r#"let a = \"中文 🙂\";\n\tб é"#,
            r#"let a = \"\u4e2d\u6587 \ud83d\ude42\";\n\t\u0431 \u00e9"#,
        ] {
            let mut measure = Measure::default();
            for piece in escaped.as_bytes().chunks(3) {
                measure.json(piece);
            }
            assert_eq!(measure.tokens(), measured(text), "{escaped}");
        }
        let mut broken = Measure::default();
        broken.json(br"\u12zz\");
        assert!(broken.tokens() < 10);
    }

    #[test]
    fn two_texts_are_the_sum_of_both() {
        let (mut a, mut b) = (Measure::default(), Measure::default());
        a.text(b"once upon a time");
        b.text("从前有一个人".as_bytes());
        let both = a.and(b).tokens();
        assert!((a.tokens() + b.tokens()).abs_diff(both) <= 1);
    }
}
