//! Estimates the number of tokens of a text while its bytes pass. It needs no vocabulary and no allocation, and for
//! each byte only two table lookups and an addition, without a branch: ends of words cannot be predicted.
//!
//! A vocabulary has short words as one token and splits long ones, takes digits in threes, and has Chinese by the
//! character. So runs of one class of characters are weighted, not bytes: then the same weights fit prose, code and
//! Chinese. What remains is how a model's vocabulary differs from this one; that is one ratio per model, which `tokens`
//! keeps.
use memchr::memchr;

/// The estimated tokens of the text so far. A text may come in pieces that are split anywhere.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Measure {
    /// Thousandths of tokens, including those of the unfinished run.
    milli: u64,
    /// The class and length of the unfinished run: an index of [`STATES`].
    state: u8,
    escape: Escape,
}

/// Classes of bytes that can share a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Class {
    /// No text yet; also the following bytes of a character.
    None,
    Upper,
    Lower,
    Digit,
    Mark,
    Space,
    /// White space with a line end, or more than one space.
    Indent,
    /// Characters of two bytes: Cyrillic, Greek, accents, Hebrew, Arabic.
    Narrow,
    /// Characters of three bytes: Chinese, Japanese, Korean, Indic scripts.
    Wide,
    /// Characters of four bytes: emoji.
    Rare,
}

/// The position within an escape of a JSON string.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Escape {
    #[default]
    No,
    /// After the backslash.
    Begun,
    /// After `\u`: the number of digits still to come, and the value of those before.
    Digits(u8, u16),
}

impl Measure {
    /// Adds text, as the model writes or reads it.
    pub fn text(&mut self, text: &[u8]) {
        let (state, more) = match parts(text) {
            None => run(self.state, text),
            Some(parts) => run_together(self.state, parts),
        };
        self.state = state;
        self.milli = self.milli.saturating_add_signed(more);
    }

    /// Adds text from a JSON string: `\n` is a line end, `\u4e2d` one character.
    pub fn json(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            match self.escape {
                Escape::No => {
                    let plain = memchr(b'\\', rest).unwrap_or(rest.len());
                    let (plain, from) = rest.split_at(plain);
                    self.text(plain);
                    let Some((_, from)) = from.split_first() else {
                        return;
                    };
                    self.escape = Escape::Begun;
                    rest = from;
                    continue;
                }
                Escape::Begun => {
                    self.escape = Escape::No;
                    match byte {
                        b'n' | b'r' => self.text(b"\n"),
                        b't' => self.text(b"\t"),
                        b'u' => self.escape = Escape::Digits(4, 0),
                        other => self.text(&[other]),
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
            rest = after;
        }
    }

    /// The estimated tokens of all text so far, rounded up.
    pub fn tokens(&self) -> u64 {
        self.milli.div_ceil(1000)
    }

    /// The sum of two measures.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            milli: self.milli.saturating_add(other.milli),
            ..other
        }
    }

    /// Extrapolates from the measured part of a text, `part` bytes, to its `whole` length.
    #[must_use]
    pub fn extended(self, part: u64, whole: u64) -> Self {
        let milli = u128::from(self.milli) * u128::from(whole) / u128::from(part.max(1));
        Self {
            milli: u64::try_from(milli).unwrap_or(u64::MAX),
            ..Self::default()
        }
    }

    /// Whether there was no text.
    pub fn is_empty(&self) -> bool {
        self.state == 0 && self.milli == 0
    }

    /// Adds a UTF-16 unit from a JSON escape, by bytes of the same classes as its bytes in UTF-8.
    fn unit(&mut self, unit: u16) {
        match unit {
            0..=0x7f => self.text(&unit.to_be_bytes()[1..]),
            0x80..=0x7ff => self.text(&[0xc3, 0x80]),
            // A surrogate pair is one character of four bytes.
            0xd800..=0xdbff => self.text(&[0xf0, 0x80, 0x80, 0x80]),
            0xdc00..=0xdfff => {}
            _ => self.text(&[0xe4, 0x80, 0x80]),
        }
    }
}

/// Reads `text` after a run; returns the last run, and the thousandths of tokens that the text adds.
fn run(state: u8, text: &[u8]) -> (u8, i64) {
    let (mut state, mut more) = (state, 0);
    for &byte in text {
        pass(&mut state, &mut more, byte);
    }
    (state, more)
}

/// The same for the parts of one text. A byte has to wait for the one before; bytes of different parts need not wait for
/// each other, so that the four take little longer than one.
fn run_together(state: u8, parts: [&[u8]; 4]) -> (u8, i64) {
    let least = parts
        .iter()
        .map(|part| part.len())
        .min()
        .unwrap_or_default();
    let [(a, a_rest), (b, b_rest), (c, c_rest), (d, d_rest)] =
        parts.map(|part| part.split_at(least));
    let [mut in_a, mut in_b, mut in_c, mut in_d] = [state, WORD, WORD, WORD];
    let mut more = 0;
    for (((&a, &b), &c), &d) in a.iter().zip(b).zip(c).zip(d) {
        pass(&mut in_a, &mut more, a);
        pass(&mut in_b, &mut more, b);
        pass(&mut in_c, &mut more, c);
        pass(&mut in_d, &mut more, d);
    }
    let mut last = state;
    for (state, rest) in [
        (in_a, a_rest),
        (in_b, b_rest),
        (in_c, c_rest),
        (in_d, d_rest),
    ] {
        let (state, rest) = run(state, rest);
        last = state;
        more += rest;
    }
    (last, more)
}

#[inline]
fn pass(state: &mut u8, more: &mut i64, byte: u8) {
    let step = STEPS[usize::from(*state) % STEPS.len()][CLASSES[usize::from(byte)] as usize];
    *state = step.state;
    *more += i64::from(step.milli);
}

/// Four parts of a long text. Each but the first begins behind a word in lower case: what a word weighs is known when it
/// ends, however long it was, so that [`WORD`] stands for all of them.
fn parts(text: &[u8]) -> Option<[&[u8]; 4]> {
    let quarter = text.len() / 4;
    if quarter < SHORTEST {
        return None;
    }
    let class = |at: usize| CLASSES[usize::from(text[at])];
    let cut = |from: usize| {
        (from..from + SHORTEST).find(|&at| {
            class(at - 1) == Class::Lower && !matches!(class(at), Class::Lower | Class::None)
        })
    };
    let [first, second, third] = [cut(quarter)?, cut(2 * quarter)?, cut(3 * quarter)?];
    Some([
        &text[..first],
        &text[first..second],
        &text[second..third],
        &text[third..],
    ])
}

/// Shorter parts are not worth it, in bytes; most words are shorter.
const SHORTEST: usize = 16;
/// The state within a word in lower case.
const WORD: u8 = state_of(Class::Lower, 1);

/// The effect of a byte: the run afterwards, and the thousandths of tokens that it adds.
#[derive(Clone, Copy)]
struct Step {
    state: u8,
    milli: i16,
}

/// By the run before and the class of the byte. The sizes are powers of two, so that no index needs a check.
static STEPS: [[Step; 16]; 128] = {
    let mut steps = [[Step { state: 0, milli: 0 }; 16]; 128];
    let mut state = 0;
    while state < STATES.len() {
        let mut next = 0;
        while next < ALL.len() {
            steps[state][next] = step(state, ALL[next]);
            next += 1;
        }
        state += 1;
    }
    steps
};

const fn step(state: usize, next: Class) -> Step {
    let (before, run) = STATES[state];
    let (class, run, ended) = match (before, next) {
        (Class::Space, Class::None) => (before, 1, false),
        // The following bytes of a character have the class of its first byte.
        (_, Class::None) => (before, run + 1, false),
        // A capital at the beginning of a word is part of the word; a word in capitals has weights of its own.
        (Class::Upper, Class::Lower) => (next, run + 1, false),
        // A space belongs to what follows it.
        (Class::Space, Class::Upper | Class::Lower | Class::Mark) => (next, 1, false),
        (Class::Space | Class::Indent, Class::Space | Class::Indent) => {
            (Class::Indent, run + 1, false)
        }
        (before, next) if before as u8 == next as u8 => (next, run + 1, false),
        (_, next) => (next, 1, true),
    };
    // A finished run keeps its weight; the weight of a run that continues is replaced.
    let replaced = if ended {
        0
    } else {
        weight(before, STATES[state].1)
    };
    Step {
        state: state_of(class, run),
        milli: (weight(class, run) - replaced) as i16,
    }
}

/// The classes in the order of their numbers.
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

/// The greatest length by which runs of a class are distinguished. In a longer run, each byte adds as much as the one
/// before, except for digits, which repeat in threes.
const fn longest(class: Class) -> u32 {
    match class {
        Class::None | Class::Space => 1,
        Class::Lower => 10,
        // Lower-case letters that follow continue the run with its length; a longer run counts as one of this length.
        Class::Upper => 30,
        Class::Digit | Class::Mark => 3,
        Class::Indent => 41,
        Class::Narrow | Class::Wide | Class::Rare => 2,
    }
}

/// Every run that is distinguished: its class and length. The first one is the state before any text.
const STATES: [(Class, u32); 95] = {
    let mut states = [(Class::None, 1); 95];
    let mut at = 0;
    let mut class = 0;
    while class < ALL.len() {
        let mut run = 1;
        while run <= longest(ALL[class]) {
            states[at] = (ALL[class], run);
            at += 1;
            run += 1;
        }
        class += 1;
    }
    assert!(at == states.len(), "the number of states");
    states
};

/// The number of the state of a run; the run may be longer than the longest distinguished one.
const fn state_of(class: Class, run: u32) -> u8 {
    let longest = longest(class);
    let run = match class {
        Class::Digit => (run - 1) % 3 + 1,
        _ if run > longest => longest,
        _ => run,
    };
    let mut at = 0;
    while at < STATES.len() {
        let (other, length) = STATES[at];
        if other as u8 == class as u8 && length == run {
            return at as u8;
        }
        at += 1;
    }
    panic!("no such state")
}

/// The weight of a run in thousandths of tokens, fitted to `o200k_base`.
const fn weight(class: Class, run: u32) -> i32 {
    let run = run.cast_signed();
    match class {
        Class::None => 0,
        Class::Lower => 1058 + beyond(run, 8) * 150,
        Class::Upper => 924 + beyond(run, 1) * 350,
        Class::Digit => (run + 2) / 3 * 1000,
        Class::Mark => 760 + beyond(run, 2) * 152,
        Class::Space => 352,
        Class::Indent => 735 + beyond(run, 40) * 20,
        Class::Narrow => run * 200,
        Class::Wide => run * 265,
        Class::Rare => run * 500,
    }
}

const fn beyond(run: i32, most: i32) -> i32 {
    if run > most { run - most } else { 0 }
}

/// The class of each byte; `None` for the following bytes of a character.
static CLASSES: [Class; 256] = {
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

    /// The weight of a text, computed run by run without the tables.
    fn weighed(text: &[u8]) -> u64 {
        let (mut milli, mut class, mut run) = (0, Class::None, 1);
        for &byte in text {
            let next = CLASSES[usize::from(byte)];
            (class, run) = match (class, next) {
                (Class::Space, Class::None) => (class, 1),
                (_, Class::None) => (class, run + 1),
                (Class::Upper, Class::Lower) => (next, run + 1),
                (Class::Space, Class::Upper | Class::Lower | Class::Mark) => (next, 1),
                (Class::Space | Class::Indent, Class::Space | Class::Indent) => {
                    (Class::Indent, run + 1)
                }
                (before, next) if before == next => (next, run + 1),
                (before, next) => {
                    milli += weight(before, run);
                    (next, 1)
                }
            };
        }
        u64::try_from(milli + weight(class, run))
            .expect("a count")
            .div_ceil(1000)
    }

    proptest::proptest! {
        #[test]
        fn the_table_says_what_the_runs_weigh(text in "([a-z]{1,30}|[A-Z]{1,28}[.]|[A-Z]{1,28}[a-z]{1,9}|[0-9]{1,12}|[ ]{1,60}|[\\n\\t ]{1,50}|[{}();=]{1,9}|[中文é🙂б]{1,8}){0,20}") {
            proptest::prop_assert_eq!(measured(&text), weighed(text.as_bytes()));
        }
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
