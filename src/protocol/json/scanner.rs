//! One pass over a body by the grammar of JSON, with a stack of bits instead of recursion.
use std::ops::Range;

use smallvec::SmallVec;

use super::blocks::{Blocks, Wrong};
use super::ends::Ends;
use super::{Fault, MAX_DEPTH, MAX_MEMBERS, Member, Members};

/// One pass over a body; `at` never leaves `0..=body.len()`.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
    nest: Nest,
    blocks: Blocks<'a>,
    /// The ends of longer values, if they shall be recorded.
    ends: Option<Ends>,
    /// The number of commas in the array that is being read.
    commas: u32,
}

impl<'a> Scanner<'a> {
    /// A scanner for an object whose opening brace is just before `at`.
    pub(super) fn new(body: &'a [u8], at: usize) -> Self {
        Self::inside(Bracket::Object, body, at)
    }

    /// The same as [`Scanner::new`], but it records the ends of longer values.
    pub(super) fn noting(body: &'a [u8], at: usize) -> Self {
        let mut scanner = Self::new(body, at);
        scanner.ends = Some(Ends::default());
        scanner
    }

    /// A scanner for an array whose opening bracket is just before `at`.
    pub(super) fn of_array(body: &'a [u8], at: usize) -> Self {
        Self::inside(Bracket::Array, body, at)
    }

    fn inside(bracket: Bracket, body: &'a [u8], at: usize) -> Self {
        let mut nest = Nest::default();
        nest.push(bracket);
        Self {
            body,
            at,
            nest,
            blocks: Blocks::new(body),
            ends: None,
            commas: 0,
        }
    }

    /// Reads the members of the object, after which nothing may follow.
    pub(super) fn read(mut self) -> Result<Members, Fault> {
        let mut members = self.members()?;
        self.at = skip_space(self.body, self.at);
        if self.at < self.body.len() {
            return Err(self.fault("nothing may follow the JSON object"));
        }
        members.ends = self.ends.unwrap_or_default();
        Ok(members)
    }

    /// Reads the members of the object whose brace was just read, and its closing brace.
    fn members(&mut self) -> Result<Members, Fault> {
        let mut found = Members {
            members: SmallVec::new(),
            open: self.at,
            ends: Ends::default(),
        };
        if self.eat_after_space(b'}') {
            return Ok(found);
        }
        loop {
            let key = self.key()?;
            if found.members.len() == MAX_MEMBERS {
                return Err(Fault::Members);
            }
            self.at = skip_space(self.body, self.at);
            let start = self.at;
            self.commas = 0;
            self.value()?;
            let value = start..self.at;
            found.members.push(Member {
                plain: self.body.get(key.clone()).is_some_and(is_plain),
                key,
                elements: self.elements_of(&value),
                value,
            });
            if self.eat_after_space(b'}') {
                return Ok(found);
            }
            if !self.eat_after_space(b',') {
                return Err(self.fault("expected , or } after a member"));
            }
        }
    }

    /// The number of elements of the value that was just read.
    fn elements_of(&self, value: &Range<usize>) -> u32 {
        let is_array = self.body.get(value.start) == Some(&b'[');
        let first = skip_space(self.body, value.start + 1);
        let is_empty = first + 1 >= value.end;
        if is_array && !is_empty {
            self.commas + 1
        } else {
            0
        }
    }

    /// The positions of the first `most` elements of the array; the rest is not read.
    pub(super) fn elements(mut self, most: usize) -> Result<Vec<Range<usize>>, Fault> {
        let mut found = Vec::new();
        if self.eat_after_space(b']') {
            return Ok(found);
        }
        loop {
            self.at = skip_space(self.body, self.at);
            let start = self.at;
            self.value()?;
            found.push(start..self.at);
            if found.len() >= most || self.eat_after_space(b']') {
                return Ok(found);
            }
            if !self.eat_after_space(b',') {
                return Err(self.fault("expected , or ] in an array"));
            }
        }
    }

    /// Reads a member's name and its colon; returns the position of the name between the quotes.
    fn key(&mut self) -> Result<Range<usize>, Fault> {
        self.at = skip_space(self.body, self.at);
        if self.peek() != Some(b'"') {
            return Err(self.fault("expected a member name in double quotes"));
        }
        let start = self.at + 1;
        self.text()?;
        let key = start..self.at - 1;
        if !self.eat_after_space(b':') {
            return Err(self.fault("expected : after a member name"));
        }
        Ok(key)
    }

    /// Reads one value of any kind and depth, without recursion.
    fn value(&mut self) -> Result<(), Fault> {
        let base = self.nest.depth;
        loop {
            self.at = skip_space(self.body, self.at);
            match self.peek() {
                Some(b'"') => self.text()?,
                Some(b'{') => {
                    self.open(Bracket::Object)?;
                    if !self.eat_after_space(b'}') {
                        self.key()?;
                        continue;
                    }
                    self.close();
                }
                Some(b'[') => {
                    self.open(Bracket::Array)?;
                    if !self.eat_after_space(b']') {
                        continue;
                    }
                    self.close();
                }
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(_) => return Err(self.fault("expected a value")),
                None => return Err(self.fault("the body ends too early")),
            }
            if !self.next_value(base)? {
                return Ok(());
            }
        }
    }

    /// Reads what follows a value, including closing brackets. Returns whether another value follows above depth
    /// `base`.
    fn next_value(&mut self, base: usize) -> Result<bool, Fault> {
        while self.nest.depth > base {
            self.at = skip_space(self.body, self.at);
            match (self.peek(), self.nest.top()) {
                (Some(b','), Bracket::Array) => {
                    self.at += 1;
                    self.commas = self
                        .commas
                        .saturating_add(u32::from(self.nest.depth == base + 1));
                    return Ok(true);
                }
                (Some(b','), Bracket::Object) => {
                    self.at += 1;
                    self.key()?;
                    return Ok(true);
                }
                (Some(b']'), Bracket::Array) | (Some(b'}'), Bracket::Object) => {
                    self.at += 1;
                    self.close();
                }
                (None, _) => return Err(self.fault("the body ends too early")),
                (Some(_), Bracket::Array) => return Err(self.fault("expected , or ] in an array")),
                (Some(_), Bracket::Object) => {
                    return Err(self.fault("expected , or } in an object"));
                }
            }
        }
        Ok(false)
    }

    fn open(&mut self, bracket: Bracket) -> Result<(), Fault> {
        if self.nest.depth == MAX_DEPTH {
            return Err(Fault::TooDeep { at: self.at });
        }
        self.nest.push(bracket);
        if let Some(ends) = &mut self.ends {
            ends.begin(self.at);
        }
        self.at += 1;
        Ok(())
    }

    /// A bracket was just closed.
    fn close(&mut self) {
        self.nest.pop();
        if let Some(ends) = &mut self.ends {
            ends.end(self.at);
        }
    }

    /// Reads a string from its opening to its closing quote.
    fn text(&mut self) -> Result<(), Fault> {
        let start = self.at;
        match self.blocks.string_end(start + 1) {
            Ok(quote) => self.at = quote + 1,
            Err(wrong) => return Err(self.wrong(wrong)),
        }
        if let Some(ends) = &mut self.ends {
            ends.note(start, self.at);
        }
        Ok(())
    }

    #[cold]
    fn wrong(&mut self, wrong: Wrong) -> Fault {
        let (at, what) = match wrong {
            Wrong::Control(at) => (at, "a control character in a string must be escaped"),
            Wrong::Escape(at) => (at, "invalid escape in a string"),
            Wrong::Unended => (self.at, "a string is not terminated"),
        };
        Fault::Syntax { at, what }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Fault> {
        if !self
            .body
            .get(self.at..)
            .unwrap_or_default()
            .starts_with(word)
        {
            return Err(self.fault("expected a value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Reads at least one digit.
    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.fault("expected a digit"));
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn eat_after_space(&mut self, byte: u8) -> bool {
        self.at = skip_space(self.body, self.at);
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn fault(&self, what: &'static str) -> Fault {
        Fault::Syntax { at: self.at, what }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Bracket {
    Array,
    Object,
}

/// The open brackets, one bit each, which is set for an object. `depth <= MAX_DEPTH`.
#[derive(Debug, Default)]
struct Nest {
    bits: [u64; MAX_DEPTH / 64],
    depth: usize,
}

impl Nest {
    fn push(&mut self, bracket: Bracket) {
        let bit = 1 << (self.depth % 64);
        if let Some(word) = self.bits.get_mut(self.depth / 64) {
            match bracket {
                Bracket::Array => *word &= !bit,
                Bracket::Object => *word |= bit,
            }
        }
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn top(&self) -> Bracket {
        let last = self.depth.saturating_sub(1);
        match self.bits.get(last / 64) {
            Some(word) if word >> (last % 64) & 1 == 1 => Bracket::Object,
            _ => Bracket::Array,
        }
    }
}

/// Whether a name is ASCII without escapes.
fn is_plain(name: &[u8]) -> bool {
    let odd = |byte: &u8| !byte.is_ascii() || *byte == b'\\';
    !name.iter().fold(false, |found, byte| found | odd(byte))
}

pub(super) fn skip_space(body: &[u8], mut at: usize) -> usize {
    while matches!(body.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}
