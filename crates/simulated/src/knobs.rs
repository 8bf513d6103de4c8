//! The knobs of an answer: how long, how fast, and what goes wrong.
//!
//! One vocabulary for every way in: settings, per-credential faults, `x-sim-*` headers and `[[sim …]]` directives in
//! the prompt all end in [`Knobs::set`]. `docs/SIMULATED.md` lists them; a test compares.
use std::borrow::Cow;
use std::time::Duration;

use memchr::memmem;

use super::fault::Fault;

/// How one answer is made. The default is a quick, short, faultless one. Who reads a knob reads it as a field of
/// `Positions`; only [`Knobs::set`] turns one.
#[derive(Clone, Debug, Default)]
pub struct Knobs(Positions);

/// Where the knobs stand.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, not a state"
)]
pub struct Positions {
    pub output_tokens: Option<u64>,
    pub text: Option<String>,
    pub echo_headers: bool,
    pub refuse: bool,
    pub length: bool,

    pub chunk: u64,
    pub gather: usize,
    pub cut: usize,
    pub head_delay: Duration,
    pub first_delay: Duration,
    pub chunk_delay: Duration,
    pub ping_every: u64,

    pub every: u64,
    pub status: Option<u16>,
    pub error: Option<Fault>,
    pub message: Option<String>,
    pub retry_after: Option<Duration>,
    pub should_retry: Option<bool>,
    pub html: bool,
    pub before: Option<Before>,
    pub ending: Option<Break>,

    pub input_tokens: Option<u64>,
    pub cache_read: Option<u64>,
    pub cache_write: Option<u64>,
    pub cache_write_1h: Option<u64>,
    pub reasoning: Option<u64>,
    pub rate_limit: Option<u8>,
    pub unified: Option<f64>,
}

impl std::ops::Deref for Knobs {
    type Target = Positions;

    fn deref(&self) -> &Positions {
        &self.0
    }
}

/// What happens instead of a head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Before {
    Close,
    Reset,
    Stall,
}

/// Where and how an answer breaks off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Break {
    /// Events that get through.
    pub after: u64,
    /// What follows them.
    pub how: Ending,
}

/// How an answer breaks off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// The body ends in good order, without the dialect's terminal marker.
    Eof,
    /// The dialect's error event.
    Error,
    /// TCP reset.
    Reset,
    /// Silence.
    Stall,
    /// The connection closes without the end of the body.
    Truncate,
}

impl Break {
    /// For [`Break::after`]: everything but the terminal marker gets through.
    pub(super) const LAST: u64 = u64::MAX;
}

impl Default for Positions {
    fn default() -> Self {
        Self {
            output_tokens: None,
            text: None,
            echo_headers: false,
            refuse: false,
            length: false,
            chunk: 4,
            gather: 4096,
            cut: 0,
            head_delay: Duration::ZERO,
            first_delay: Duration::ZERO,
            chunk_delay: Duration::ZERO,
            ping_every: 0,
            every: 1,
            status: None,
            error: None,
            message: None,
            retry_after: None,
            should_retry: None,
            html: false,
            before: None,
            ending: None,
            input_tokens: None,
            cache_read: None,
            cache_write: None,
            cache_write_1h: None,
            reasoning: None,
            rate_limit: None,
            unified: None,
        }
    }
}

impl Knobs {
    /// Sets one knob. `-` and `_` in names are the same; an empty value turns a switch on.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let name = name.replace('_', "-");
        self.turn(&name, value)
            .ok_or_else(|| format!("`{name}`: no such knob"))?
            .map_err(|expected| format!("`{name}`: found `{value}`, expected {expected}"))
    }

    /// Sets the knobs of every `[[sim …]]` in a text.
    pub(super) fn obey(&mut self, text: &str) -> Result<(), String> {
        let mut rest = text;
        while let Some((_, inside, after)) = directive(rest) {
            for (name, value) in settings(inside) {
                self.set(name, &value)?;
            }
            rest = after;
        }
        Ok(())
    }

    /// Whether the faults apply to the request with this number.
    pub(super) fn faulty(&self, number: u64) -> bool {
        (number + 1).is_multiple_of(self.every.max(1))
    }

    /// `None`: no knob has that name.
    fn turn(&mut self, name: &str, value: &str) -> Option<Result<(), &'static str>> {
        let after = |how: Ending| place(value).map(|after| Some(Break { after, how }));
        let result = match name {
            "output-tokens" => put(&mut self.0.output_tokens, tokens(value).map(Some)),
            "text" => put(&mut self.0.text, Ok(Some(value.to_owned()))),
            "echo-headers" => put(&mut self.0.echo_headers, switch(value)),
            "refuse" => put(&mut self.0.refuse, switch(value)),
            "length" => put(&mut self.0.length, switch(value)),
            "chunk" => put(&mut self.0.chunk, count(value).map(|chunk| chunk.max(1))),
            "gather" => put(&mut self.0.gather, size(value)),
            "cut" => put(&mut self.0.cut, size(value)),
            "head-delay" => put(&mut self.0.head_delay, duration(value)),
            "first-delay" => put(&mut self.0.first_delay, duration(value)),
            "chunk-delay" => put(&mut self.0.chunk_delay, duration(value)),
            "ping-every" => put(&mut self.0.ping_every, count(value)),
            "every" => put(&mut self.0.every, count(value)),
            "status" => put(&mut self.0.status, status(value).map(Some)),
            "error" => put(&mut self.0.error, fault(value).map(Some)),
            "message" => put(&mut self.0.message, Ok(Some(value.to_owned()))),
            "retry-after" => put(&mut self.0.retry_after, seconds(value).map(Some)),
            "should-retry" => put(&mut self.0.should_retry, switch(value).map(Some)),
            "html" => put(&mut self.0.html, switch(value)),
            "reset" => put(
                &mut self.0.before,
                switch(value).map(|on| on.then_some(Before::Reset)),
            ),
            "close" => put(
                &mut self.0.before,
                switch(value).map(|on| on.then_some(Before::Close)),
            ),
            "stall" => put(
                &mut self.0.before,
                switch(value).map(|on| on.then_some(Before::Stall)),
            ),
            "reset-after" => put(&mut self.0.ending, after(Ending::Reset)),
            "truncate-after" => put(&mut self.0.ending, after(Ending::Truncate)),
            "eof-after" => put(&mut self.0.ending, after(Ending::Eof)),
            "stall-after" => put(&mut self.0.ending, after(Ending::Stall)),
            "error-after" => put(&mut self.0.ending, after(Ending::Error)),
            "input-tokens" => put(&mut self.0.input_tokens, count(value).map(Some)),
            "cache-read" => put(&mut self.0.cache_read, count(value).map(Some)),
            "cache-write" => put(&mut self.0.cache_write, count(value).map(Some)),
            "cache-write-1h" => put(&mut self.0.cache_write_1h, count(value).map(Some)),
            "reasoning" => put(&mut self.0.reasoning, tokens(value).map(Some)),
            "rate-limit" => put(&mut self.0.rate_limit, percent(value).map(Some)),
            "unified" => put(&mut self.0.unified, share(value).map(Some)),
            _ => return None,
        };
        Some(result)
    }
}

/// The first `[[sim …]]` of a text: what is before it, in it and after it. Prompts are long and seldom hold one.
fn directive(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_at_checked(memmem::find(text.as_bytes(), OPEN.as_bytes())?)?;
    let (inside, after) = rest.strip_prefix(OPEN)?.split_once(CLOSE)?;
    Some((before, inside, after))
}

/// A text without its `[[sim …]]` directives.
pub(super) fn without_directives(text: &str) -> Cow<'_, str> {
    let mut plain = Cow::Borrowed("");
    let mut rest = text;
    while let Some((before, _, after)) = directive(rest) {
        plain += before;
        rest = after;
    }
    plain += rest;
    match plain {
        Cow::Borrowed(plain) => Cow::Borrowed(plain.trim()),
        Cow::Owned(plain) => Cow::Owned(plain.trim().to_owned()),
    }
}

/// `name=value name="value with blanks" switch`.
fn settings(directive: &str) -> impl Iterator<Item = (&str, String)> {
    let mut rest = directive.trim();
    std::iter::from_fn(move || {
        let end = rest.find([' ', '\n', '=']).unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        let (value, tail) = match tail.strip_prefix('=') {
            None => ("", tail),
            Some(tail) => match tail.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => tail.split_at(tail.find([' ', '\n']).unwrap_or(tail.len())),
            },
        };
        rest = tail.trim_start();
        (!name.is_empty()).then(|| (name, value.to_owned()))
    })
}

fn put<T>(field: &mut T, value: Result<T, &'static str>) -> Result<(), &'static str> {
    value.map(|value| *field = value)
}

fn count(value: &str) -> Result<u64, &'static str> {
    match value.parse() {
        Ok(count) if count <= MAX_COUNT => Ok(count),
        _ => Err("a whole number, at most 1000000000000"),
    }
}

/// Where an answer breaks off: after so many events, or before the `last` one.
fn place(value: &str) -> Result<u64, &'static str> {
    match value {
        "last" => Ok(Break::LAST),
        number => number.parse().map_err(|_| "a number of events or `last`"),
    }
}

fn size(value: &str) -> Result<usize, &'static str> {
    value.parse().map_err(|_| "a number of bytes")
}

fn tokens(value: &str) -> Result<u64, &'static str> {
    match count(value)? {
        tokens if tokens <= MAX_TOKENS => Ok(tokens),
        _ => Err("at most 1000000 tokens"),
    }
}

fn switch(value: &str) -> Result<bool, &'static str> {
    match value {
        "" | "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err("`true` or `false`"),
    }
}

fn status(value: &str) -> Result<u16, &'static str> {
    match value.parse() {
        Ok(status @ 200..=599) => Ok(status),
        _ => Err("an HTTP status from 200 to 599"),
    }
}

fn percent(value: &str) -> Result<u8, &'static str> {
    match value.parse() {
        Ok(percent @ 0..=100) => Ok(percent),
        _ => Err("a percentage from 0 to 100"),
    }
}

fn share(value: &str) -> Result<f64, &'static str> {
    match value.parse() {
        Ok(share) if (0.0..=10.0).contains(&share) => Ok(share),
        _ => Err("a share such as 0.95"),
    }
}

fn fault(value: &str) -> Result<Fault, &'static str> {
    Fault::from_name(&value.replace('_', "-"))
        .ok_or("an error such as `overloaded` or `context-length`")
}

/// `250ms`, `1.5s`, `2m`; a bare number is milliseconds.
fn duration(value: &str) -> Result<Duration, &'static str> {
    with_unit(value, 0.001)
}

/// As [`duration`], but a bare number is seconds, as in the header of that name.
fn seconds(value: &str) -> Result<Duration, &'static str> {
    with_unit(value, 1.0)
}

fn with_unit(value: &str, bare: f64) -> Result<Duration, &'static str> {
    let (number, unit) = if let Some(number) = value.strip_suffix("ms") {
        (number, 0.001)
    } else if let Some(number) = value.strip_suffix('s') {
        (number, 1.0)
    } else if let Some(number) = value.strip_suffix('m') {
        (number, 60.0)
    } else {
        (value, bare)
    };
    match number.parse::<f64>() {
        Ok(number) if (0.0..=MAX_SECONDS).contains(&(number * unit)) => {
            Ok(Duration::from_secs_f64(number * unit))
        }
        _ => Err("a duration such as `250ms` or `3s`"),
    }
}

const OPEN: &str = "[[sim";
const CLOSE: &str = "]]";
/// The longest answer: four megabytes of text, held once per stream.
const MAX_TOKENS: u64 = 1_000_000;
/// Far above any real count, far below where sums overflow.
const MAX_COUNT: u64 = 1_000_000_000_000;
/// The longest wait: a day.
const MAX_SECONDS: f64 = 86_400.0;
