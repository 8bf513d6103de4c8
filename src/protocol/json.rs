//! Find the members of a raw JSON object without building a document from it.
//!
//! [`scan`] reads the body once, iteratively, and refuses whatever Weir could misread: two readers that disagree about
//! `model` would be a way around a key's model list. It keeps only where the top-level members are; changing them is the
//! business of [`edit`]. Not a deserializer: no value is interpreted before somebody asks for it.
//! Spec: <https://www.rfc-editor.org/rfc/rfc8259>
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use memchr::memchr2;
use smallvec::SmallVec;

mod edit;
pub use edit::{Edit, Pieces, rename, set, string};

/// Where one top-level member is, in bytes of the body that was scanned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// The name between its quotes, as it is spelt (escapes included).
    pub key: Range<usize>,
    /// The value, without the white space around it.
    pub value: Range<usize>,
}

/// The members of the top-level object, in their order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Members {
    members: SmallVec<[Member; INLINE_MEMBERS]>,
    /// The offset just behind the opening brace.
    open: usize,
}

/// Why a body cannot be read safely. Its text is meant for the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// A second member of a name that must be unique.
    Duplicate {
        /// The name, as Weir reads it.
        name: &'static str,
    },
    /// Nothing, or only white space.
    Empty,
    /// Something else than an object.
    NotAnObject,
    /// Not UTF-8 from this offset on.
    NotUtf8 {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// Not JSON.
    Syntax {
        /// Offset of the first byte that does not fit.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep {
        /// Offset of the bracket that is one too many.
        at: usize,
    },
}

/// Reads a body that must be exactly one JSON object.
///
/// Refused are invalid UTF-8, broken syntax, nesting beyond [`MAX_DEPTH`], anything after the object, and a second
/// `model` or `stream`, however it is spelt.
pub fn scan(body: &[u8]) -> Result<Members, Fault> {
    let first = scan_space(body, 0);
    match body.get(first) {
        None => return Err(Fault::Empty),
        Some(b'{') => {}
        Some(_) => return Err(Fault::NotAnObject),
    }
    if let Err(error) = std::str::from_utf8(body) {
        return Err(Fault::NotUtf8 {
            at: error.valid_up_to(),
        });
    }
    let mut scanner = Scanner {
        body,
        at: first + 1,
        nest: Nest::default(),
        controls: has_control(body),
    };
    scanner.nest.push(Bracket::Object);
    let members = scanner.members()?;
    scanner.at = scan_space(body, scanner.at);
    if scanner.at < body.len() {
        return Err(scanner.fault("nothing may follow the JSON object"));
    }
    members.check_unique(body)?;
    Ok(members)
}

impl Members {
    /// The members in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, Member> {
        self.members.iter()
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether the object is empty.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Where the value of `name` is. Of several members of one name the last counts, as for nearly every reader.
    pub fn span(&self, body: &[u8], name: &str) -> Option<Range<usize>> {
        self.members
            .iter()
            .rev()
            .find(|member| member.is_named(body, name))
            .map(|member| member.value.clone())
    }

    /// The raw value of `name`.
    pub fn value<'a>(&self, body: &'a [u8], name: &str) -> Option<&'a [u8]> {
        body.get(self.span(body, name)?)
    }

    /// Whether there is a member `name` whose value is not `null`.
    pub fn has(&self, body: &[u8], name: &str) -> bool {
        self.value(body, name).is_some_and(|value| value != b"null")
    }

    /// The value of `name`, unescaped, if it is a string.
    pub fn string<'a>(&self, body: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
        let value = self.value(body, name)?;
        let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        unescape(inner)
    }

    /// The value of `name`, if it is `true` or `false`.
    pub fn boolean(&self, body: &[u8], name: &str) -> Option<bool> {
        match self.value(body, name)? {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// The value of `name`, if it is a whole number that is not negative.
    pub fn integer(&self, body: &[u8], name: &str) -> Option<u64> {
        std::str::from_utf8(self.value(body, name)?)
            .ok()?
            .parse()
            .ok()
    }

    /// Some upstreams read names regardless of case (Go's `encoding/json` folds them), so `Model` beside `model` is as
    /// much a second model as `model` twice.
    fn check_unique(&self, body: &[u8]) -> Result<(), Fault> {
        for name in UNIQUE {
            let same = |member: &&Member| member.is_folded(body, name);
            if self.members.iter().filter(same).count() > 1 {
                return Err(Fault::Duplicate { name });
            }
        }
        Ok(())
    }
}

impl Member {
    /// The name, unescaped.
    pub fn name<'a>(&self, body: &'a [u8]) -> Option<Cow<'a, str>> {
        unescape(body.get(self.key.clone())?)
    }

    fn is_named(&self, body: &[u8], name: &str) -> bool {
        match body.get(self.key.clone()) {
            Some(raw) if raw == name.as_bytes() => true,
            Some(raw) if raw.contains(&b'\\') => unescape(raw).is_some_and(|key| key == name),
            _ => false,
        }
    }

    fn is_folded(&self, body: &[u8], name: &str) -> bool {
        let Some(raw) = body.get(self.key.clone()) else {
            return false;
        };
        if raw.eq_ignore_ascii_case(name.as_bytes()) {
            return true;
        }
        // Only an escape or the long s (which folds to s, too) can hide the name now.
        if raw.is_ascii() && !raw.contains(&b'\\') {
            return false;
        }
        unescape(raw).is_some_and(|key| key.replace('\u{17f}', "s").eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { name } => write!(
                f,
                "the request body has more than one member \"{name}\": send it once"
            ),
            Self::Empty => f.write_str("the request body is empty: send one JSON object"),
            Self::NotAnObject => f.write_str("the request body is not a JSON object"),
            Self::NotUtf8 { at } => {
                write!(f, "the request body is not valid UTF-8 at byte {at}")
            }
            Self::Syntax { at, what } => {
                write!(f, "the request body is not valid JSON at byte {at}: {what}")
            }
            Self::TooDeep { at } => write!(
                f,
                "the request body is nested deeper than {MAX_DEPTH} levels at byte {at}"
            ),
        }
    }
}

impl std::error::Error for Fault {}

/// What a string means: the text between the quotes with its escapes resolved. A lone surrogate, which has no meaning
/// in UTF-8, becomes U+FFFD. `None` only if `inner` is no string that [`scan`] would accept.
pub fn unescape(inner: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(inner).ok()?;
    let Some(first) = text.find('\\') else {
        return Some(Cow::Borrowed(text));
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut next = Some(first);
    while let Some(at) = next {
        out.push_str(rest.get(..at)?);
        rest = unescape_one(rest.get(at + 1..)?, &mut out)?;
        next = rest.find('\\');
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}

/// Resolves the escape whose backslash lies just before `rest`; gives what follows it.
fn unescape_one<'a>(rest: &'a str, out: &mut String) -> Option<&'a str> {
    let mut chars = rest.chars();
    out.push(match chars.next()? {
        plain @ ('"' | '\\' | '/') => plain,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let (unit, after) = hex4(chars.as_str())?;
            let low = after.strip_prefix("\\u").and_then(hex4);
            return Some(match (unit, low) {
                (0xD800..=0xDBFF, Some((low @ 0xDC00..=0xDFFF, after))) => {
                    let code = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                    out.push(char::from_u32(code)?);
                    after
                }
                _ => {
                    out.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
                    after
                }
            });
        }
        _ => return None,
    });
    Some(chars.as_str())
}

fn hex4(text: &str) -> Option<(u32, &str)> {
    let digits = text.get(..4)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((u32::from_str_radix(digits, 16).ok()?, text.get(4..)?))
}

/// One pass over a body; `at` never leaves `0..=body.len()`.
struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
    nest: Nest,
    /// Whether the body has any control character. Compact JSON has none, and then strings need no look for them.
    controls: bool,
}

impl Scanner<'_> {
    /// The members of the object whose brace has just been read, and its closing brace.
    fn members(&mut self) -> Result<Members, Fault> {
        let mut found = Members {
            members: SmallVec::new(),
            open: self.at,
        };
        if self.eat_after_space(b'}') {
            return Ok(found);
        }
        loop {
            let key = self.key()?;
            self.at = scan_space(self.body, self.at);
            let start = self.at;
            self.value()?;
            found.members.push(Member {
                key,
                value: start..self.at,
            });
            if self.eat_after_space(b'}') {
                return Ok(found);
            }
            if !self.eat_after_space(b',') {
                return Err(self.fault("expected , or } after a member"));
            }
        }
    }

    /// A member's name and its colon; gives the name between the quotes.
    fn key(&mut self) -> Result<Range<usize>, Fault> {
        self.at = scan_space(self.body, self.at);
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

    /// One value of any kind, however deep, without recursion.
    fn value(&mut self) -> Result<(), Fault> {
        let base = self.nest.depth;
        loop {
            self.at = scan_space(self.body, self.at);
            match self.peek() {
                Some(b'"') => self.text()?,
                Some(b'{') => {
                    self.open(Bracket::Object)?;
                    if !self.eat_after_space(b'}') {
                        self.key()?;
                        continue;
                    }
                    self.nest.pop();
                }
                Some(b'[') => {
                    self.open(Bracket::Array)?;
                    if !self.eat_after_space(b']') {
                        continue;
                    }
                    self.nest.pop();
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

    /// Behind a value: closes what ends here. Whether another value follows above depth `base`.
    fn next_value(&mut self, base: usize) -> Result<bool, Fault> {
        while self.nest.depth > base {
            self.at = scan_space(self.body, self.at);
            match (self.peek(), self.nest.top()) {
                (Some(b','), Bracket::Array) => {
                    self.at += 1;
                    return Ok(true);
                }
                (Some(b','), Bracket::Object) => {
                    self.at += 1;
                    self.key()?;
                    return Ok(true);
                }
                (Some(b']'), Bracket::Array) | (Some(b'}'), Bracket::Object) => {
                    self.at += 1;
                    self.nest.pop();
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
        self.at += 1;
        Ok(())
    }

    /// A string, from its opening quote to behind its closing one.
    fn text(&mut self) -> Result<(), Fault> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            let rest = self.body.get(at..).unwrap_or_default();
            let Some(hop) = memchr2(b'"', b'\\', rest) else {
                self.at = start - 1;
                return Err(self.fault("a string is not terminated"));
            };
            at += hop;
            if rest.get(hop) == Some(&b'"') {
                break;
            }
            at += match self.body.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                Some(b'u') if self.is_hex4(at + 2) => 6,
                _ => {
                    self.at = at;
                    return Err(self.fault("invalid escape in a string"));
                }
            };
        }
        if self.controls
            && let Some(inner) = self.body.get(start..at)
            && let Some(control) = inner.iter().position(|&byte| byte < 0x20)
        {
            self.at = start + control;
            return Err(self.fault("a control character in a string must be escaped"));
        }
        self.at = at + 1;
        Ok(())
    }

    fn is_hex4(&self, at: usize) -> bool {
        self.body
            .get(at..at + 4)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
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

    /// At least one digit.
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
        self.at = scan_space(self.body, self.at);
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

/// The open brackets, one bit each: set for an object. `depth <= MAX_DEPTH`.
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

fn scan_space(body: &[u8], mut at: usize) -> usize {
    while matches!(body.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// Whether any byte is a control character. Without an early exit inside a block, so that it compiles to vector code.
fn has_control(body: &[u8]) -> bool {
    body.chunks(CONTROL_BLOCK).any(|block| {
        block
            .iter()
            .fold(false, |found, &byte| found | (byte < 0x20))
    })
}

/// Deepest nesting accepted. Real requests stay under 40 (tool schemas); recursive readers behind Weir give up early.
pub const MAX_DEPTH: usize = 512;

/// Members that decide routing and framing: reading another one than the upstream does would be a way around limits.
const UNIQUE: [&str; 2] = ["model", "stream"];

/// Members kept without an allocation: an agent's request has 10 to 20.
const INLINE_MEMBERS: usize = 20;

/// Bytes looked at between two exits of the search for control characters.
const CONTROL_BLOCK: usize = 4096;
