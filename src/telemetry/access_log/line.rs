//! One outcome as one line of JSON: always the same fields in the same order, `null` where there is nothing to say.
//!
//! The fields are documented in `docs/ACCESS_LOG.md`, which a test compares with what is written here.
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use crate::outcome::{Affinity, FailureClass, Limit, Outcome, UsageSource};
use crate::protocol::Dialect;
use crate::telemetry::verdict::Verdict;

/// Appends the line for `outcome`, `\n` included. Allocates nothing but the growth of `out`.
///
/// Texts that a client controls are escaped, control characters of every kind included, and cut off where they are
/// longer than any honest one.
pub fn line(outcome: &Outcome, now: SystemTime, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.time("time", now);
    object.text("request_id", Some(&outcome.request_id));
    object.text("key", outcome.key.as_deref());
    object.text("project", outcome.project.as_deref());
    object.display("client_ip", outcome.client_ip);
    object.text("method", Some(&outcome.method));
    object.text("path", Some(&outcome.path));
    object.text(
        "client_dialect",
        outcome.client_dialect.map(Dialect::as_str),
    );
    object.text(
        "upstream_dialect",
        outcome.upstream_dialect.map(Dialect::as_str),
    );
    object.text("model", outcome.model_asked.as_deref());
    object.text("model_served", outcome.model_served.as_deref());
    object.plain("route", outcome.route);
    object.text("pool", outcome.pool.as_deref());
    object.text("account", outcome.account.as_deref());
    object.attempts("attempts", outcome);
    object.text("affinity", outcome.affinity.map(Affinity::as_str));
    object.plain("status", Some(outcome.status));
    object.text("outcome", Some(Verdict::of(outcome).as_str()));
    object.text("end", Some(outcome.end.as_str()));
    object.text("limit", outcome.limit.map(Limit::as_str));
    object.text("limit_scope", outcome.limit.map(Limit::scope));
    object.text("detail", outcome.detail.as_deref());
    object.plain("stream", Some(outcome.stream));
    object.tokens("tokens", outcome);
    object.text(
        "usage_source",
        outcome.usage_source.map(UsageSource::as_str),
    );
    // Rounded to a millionth of a cent: sums of floats end in noise.
    object.plain(
        "cost_usd",
        outcome
            .cost_usd
            .filter(|cost| cost.is_finite())
            .map(|cost| (cost * 1e8).round() / 1e8),
    );
    object.plain("ttft_ms", outcome.time_to_first_token.map(milliseconds));
    object.plain("duration_ms", Some(milliseconds(outcome.duration)));
    object.plain("overhead_us", Some(outcome.overhead.as_micros()));
    object.names("dropped", &outcome.dropped);
    object.plain("bytes_in", Some(outcome.bytes_in));
    object.plain("bytes_out", Some(outcome.bytes_out));
    object.end();
}

/// Writes the members of one object. Member names are ours and need no escaping.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    separator: &'static [u8],
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            separator: b"{\"",
        }
    }

    fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    fn name(&mut self, name: &str) {
        self.out.extend_from_slice(self.separator);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.separator = b",\"";
    }

    fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        self.name(name);
        match value {
            Some(value) => string(value, self.out),
            None => self.null(),
        }
    }

    /// Numbers and booleans: what is JSON as `Display` has it.
    fn plain(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        self.name(name);
        match value {
            Some(value) => print(self.out, format_args!("{value}")),
            None => self.null(),
        }
    }

    /// As text, of characters that need no escaping.
    fn display(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        self.name(name);
        match value {
            Some(value) => print(self.out, format_args!("\"{value}\"")),
            None => self.null(),
        }
    }

    fn time(&mut self, name: &str, time: SystemTime) {
        self.name(name);
        match jiff::Timestamp::try_from(time) {
            Ok(time) => print(self.out, format_args!("\"{time:.3}\"")),
            Err(_) => self.null(),
        }
    }

    fn attempts(&mut self, name: &str, outcome: &Outcome) {
        self.name(name);
        self.out.push(b'[');
        for (position, attempt) in outcome.attempts.iter().enumerate() {
            if position > 0 {
                self.out.push(b',');
            }
            let mut object = Object::begin(self.out);
            object.text("account", Some(&attempt.account));
            object.text("class", attempt.failure.map(FailureClass::as_str));
            object.plain("ms", Some(milliseconds(attempt.took)));
            self.out.push(b'}');
        }
        self.out.push(b']');
    }

    fn tokens(&mut self, name: &str, outcome: &Outcome) {
        self.name(name);
        let Some(usage) = &outcome.usage else {
            return self.null();
        };
        let mut object = Object::begin(self.out);
        object.plain("input", Some(usage.input));
        object.plain("output", Some(usage.output));
        object.plain("cache_read", Some(usage.cache_read));
        object.plain("cache_write_5m", Some(usage.cache_write_5m));
        object.plain("cache_write_1h", Some(usage.cache_write_1h));
        object.plain("reasoning", Some(usage.reasoning));
        self.out.push(b'}');
    }

    fn names(&mut self, name: &str, names: &[String]) {
        self.name(name);
        self.out.push(b'[');
        for (position, name) in names.iter().take(MAX_NAMES).enumerate() {
            if position > 0 {
                self.out.push(b',');
            }
            string(name, self.out);
        }
        self.out.push(b']');
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    let end = text.floor_char_boundary(MAX_TEXT);
    let (text, rest) = text.split_at(end);
    out.push(b'"');
    let mut plain = 0;
    for (position, character) in text.char_indices() {
        if !matches!(character, '"' | '\\' | '\u{2028}' | '\u{2029}') && !character.is_control() {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[plain..position]);
        plain = position + character.len_utf8();
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            // Also what JSON would allow: a terminal obeys U+009B, and some tools break lines at U+2028.
            other => print(out, format_args!("\\u{:04x}", u32::from(other))),
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
    if !rest.is_empty() {
        out.extend_from_slice("…".as_bytes());
    }
    out.push(b'"');
}

fn print(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments)
        .expect("invariant: writing to memory does not fail");
}

fn milliseconds(duration: Duration) -> u128 {
    duration.as_millis()
}

/// Bytes of one text. Paths, models and user-chosen ids are far shorter; a model name of megabytes is an attack.
const MAX_TEXT: usize = 1024;

/// Dropped fields named per line.
const MAX_NAMES: usize = 64;
