//! One outcome as one line of JSON: always the same fields in the same order, `null` for a missing value.
//!
//! The fields are documented in `docs/ACCESS_LOG.md`, which a test compares with what is written here.
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use crate::outcome::{Affinity, FailureClass, Outcome, UsageSource};
use crate::protocol::{Dialect, UpstreamDialect};
use crate::telemetry::verdict::Verdict;

/// The name of a member as it is written after another member.
macro_rules! name {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// Appends the line for `outcome`, including `\n`. Nothing is allocated except for the growth of `out`.
///
/// Texts that a client controls are escaped, including control characters of every kind, and cut if they are longer
/// than any honest one.
pub fn line(outcome: &Outcome, now: SystemTime, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.time(name!("time"), now);
    object.text(name!("request_id"), Some(&outcome.request_id));
    object.text(name!("key"), outcome.key.as_deref());
    object.text(name!("project"), outcome.project.as_deref());
    object.display(name!("client_ip"), outcome.client_ip);
    object.text(name!("method"), Some(&outcome.method));
    object.text(name!("path"), Some(&outcome.path));
    object.text(
        name!("client_dialect"),
        outcome.client_dialect.map(Dialect::as_str),
    );
    object.text(
        name!("upstream_dialect"),
        outcome.upstream_dialect.map(UpstreamDialect::as_str),
    );
    object.text(name!("model"), outcome.model_asked.as_deref());
    object.text(name!("model_served"), outcome.model_served.as_deref());
    object.number(name!("route"), outcome.route);
    object.names(name!("rewrites"), &outcome.rewrites);
    object.text(name!("pool"), outcome.pool.as_deref());
    object.text(name!("account"), outcome.account.as_deref());
    object.attempts(name!("attempts"), outcome);
    object.text(name!("affinity"), outcome.affinity.map(Affinity::as_str));
    object.number(name!("status"), Some(outcome.status));
    object.text(name!("outcome"), Some(Verdict::of(outcome).as_str()));
    object.text(name!("end"), Some(outcome.end.as_str()));
    object.text(
        name!("limit"),
        outcome.limit.map(|(_, limit)| limit.as_str()),
    );
    object.text(
        name!("limit_scope"),
        outcome.limit.map(|(scope, _)| scope.as_str()),
    );
    object.text(name!("detail"), outcome.detail.as_deref());
    object.flag(name!("stream"), outcome.stream);
    object.tokens(name!("tokens"), outcome);
    object.units(name!("units"), outcome);
    object.text(
        name!("usage_source"),
        outcome.usage_source.map(UsageSource::as_str),
    );
    object.money(name!("cost_usd"), outcome.cost_usd);
    object.number(
        name!("ttft_ms"),
        outcome.time_to_first_token.map(milliseconds),
    );
    object.number(name!("duration_ms"), Some(milliseconds(outcome.duration)));
    object.number(name!("overhead_us"), Some(outcome.overhead.as_micros()));
    object.names(name!("dropped"), &outcome.dropped);
    object.names(name!("violations"), &outcome.violations);
    object.number(name!("bytes_in"), Some(outcome.bytes_in));
    object.number(name!("bytes_out"), Some(outcome.bytes_out));
    object.text(name!("via"), outcome.via);
    object.text(name!("user_agent"), outcome.user_agent.as_deref());
    object.hex(name!("session"), outcome.session);
    object.number(name!("tokens_per_s"), tokens_per_second(outcome));
    object.number(name!("messages"), outcome.messages);
    object.end();
}

/// The token rate after the first token, per second; `None` if too little is known to compute it.
fn tokens_per_second(outcome: &Outcome) -> Option<u64> {
    let output = outcome.usage.as_ref()?.output;
    let first = outcome.time_to_first_token.filter(|_| outcome.stream)?;
    let took = outcome.duration.checked_sub(first)?.as_millis();
    let per_second = (u128::from(output) * 1000).checked_div(took)?;
    u64::try_from(per_second).ok().filter(|rate| *rate > 0)
}

/// Writes the members of one object. Member names are Weir's own and need no escaping.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            is_empty: true,
        }
    }

    fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    fn name(&mut self, name: &'static str) {
        let name = name.as_bytes();
        let separated = usize::from(std::mem::take(&mut self.is_empty));
        self.out
            .extend_from_slice(name.get(separated..).unwrap_or_default());
    }

    fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }

    fn text(&mut self, name: &'static str, value: Option<&str>) {
        self.name(name);
        match value {
            Some(value) => string(value, self.out),
            None => self.null(),
        }
    }

    fn number(&mut self, name: &'static str, value: Option<impl itoa::Integer>) {
        self.name(name);
        match value {
            Some(value) => digits(value, self.out),
            None => self.null(),
        }
    }

    /// Writes a number in 16 hex digits.
    fn hex(&mut self, name: &'static str, value: Option<u64>) {
        self.name(name);
        match value {
            Some(value) => print(self.out, format_args!("\"{value:016x}\"")),
            None => self.null(),
        }
    }

    fn flag(&mut self, name: &'static str, value: bool) {
        self.name(name);
        let value: &[u8] = if value { b"true" } else { b"false" };
        self.out.extend_from_slice(value);
    }

    /// Writes an amount in dollars, rounded to a billionth, as limits and the ledger count: sums of floats end in
    /// noise.
    fn money(&mut self, name: &'static str, value: Option<f64>) {
        self.name(name);
        let Some(value) = value.filter(|value| value.is_finite()) else {
            return self.null();
        };
        let units = (value.abs() * UNITS as f64).round();
        // Larger floats have no cents any more, and no cost is so large.
        if units >= LARGEST_UNITS {
            return print(self.out, format_args!("{value}"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number between 0 and 2^53"
        )]
        let units = units as u64;
        if value < 0.0 && units > 0 {
            self.out.push(b'-');
        }
        digits(units / UNITS, self.out);
        let mut fraction = units % UNITS;
        let mut place = UNITS;
        while fraction > 0 {
            if place == UNITS {
                self.out.push(b'.');
            }
            place /= 10;
            digits(fraction / place, self.out);
            fraction %= place;
        }
    }

    /// Writes a value as text; its characters must need no escaping.
    fn display(&mut self, name: &'static str, value: Option<impl std::fmt::Display>) {
        self.name(name);
        match value {
            Some(value) => print(self.out, format_args!("\"{value}\"")),
            None => self.null(),
        }
    }

    fn time(&mut self, name: &'static str, time: SystemTime) {
        self.name(name);
        match jiff::Timestamp::try_from(time) {
            Ok(time) => print(self.out, format_args!("\"{time:.3}\"")),
            Err(_) => self.null(),
        }
    }

    fn attempts(&mut self, name: &'static str, outcome: &Outcome) {
        self.name(name);
        self.out.push(b'[');
        for (position, attempt) in outcome.attempts.iter().enumerate() {
            if position > 0 {
                self.out.push(b',');
            }
            let mut object = Object::begin(self.out);
            object.text(name!("account"), Some(&attempt.account));
            object.text(name!("class"), attempt.failure.map(FailureClass::as_str));
            if let Some(cause) = attempt.cause {
                object.text(name!("cause"), Some(cause.as_str()));
            }
            object.number(name!("ms"), Some(milliseconds(attempt.took)));
            self.out.push(b'}');
        }
        self.out.push(b']');
    }

    fn tokens(&mut self, name: &'static str, outcome: &Outcome) {
        self.name(name);
        let Some(usage) = &outcome.usage else {
            return self.null();
        };
        let mut object = Object::begin(self.out);
        object.number(name!("input"), Some(usage.input));
        object.number(name!("output"), Some(usage.output));
        object.number(name!("cache_read"), Some(usage.cache_read));
        object.number(name!("cache_write_5m"), Some(usage.cache_write_5m));
        object.number(name!("cache_write_1h"), Some(usage.cache_write_1h));
        object.number(name!("reasoning"), Some(usage.reasoning));
        self.out.push(b'}');
    }

    /// Writes the units only if there are any, because most requests have none.
    fn units(&mut self, name: &'static str, outcome: &Outcome) {
        let Some(usage) = outcome.usage.filter(|usage| !usage.units.is_none()) else {
            return;
        };
        let [images, audio_ms, characters, searches, video_ms] = usage.units.figures();
        self.name(name);
        let mut object = Object::begin(self.out);
        object.number(name!("images"), Some(images));
        object.number(name!("audio_ms"), Some(audio_ms));
        object.number(name!("characters"), Some(characters));
        object.number(name!("searches"), Some(searches));
        object.number(name!("video_ms"), Some(video_ms));
        self.out.push(b'}');
    }

    fn names(&mut self, name: &'static str, names: &[impl AsRef<str>]) {
        self.name(name);
        self.out.push(b'[');
        for (position, name) in names.iter().take(MAX_NAMES).enumerate() {
            if position > 0 {
                self.out.push(b',');
            }
            string(name.as_ref(), self.out);
        }
        self.out.push(b']');
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    let end = text.floor_char_boundary(MAX_TEXT);
    let (text, rest) = text.split_at(end);
    out.push(b'"');
    // Almost every text is plain.
    if rest.is_empty()
        && text
            .bytes()
            .fold(true, |plain, byte| plain & is_plain(byte))
    {
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
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
            // This also escapes characters that JSON permits: a terminal obeys U+009B, and some tools break lines at
            // U+2028.
            other => print(out, format_args!("\\u{:04x}", u32::from(other))),
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
    if !rest.is_empty() {
        out.extend_from_slice("…".as_bytes());
    }
    out.push(b'"');
}

/// Whether the byte is a visible ASCII character that needs no escape.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn digits(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn print(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments)
        .expect("invariant: writing to memory does not fail");
}

fn milliseconds(duration: Duration) -> u128 {
    duration.as_millis()
}

/// A cost is rounded to this fraction of a dollar.
const UNITS: u64 = 1_000_000_000;

/// Up to here a float can hold every whole number.
const LARGEST_UNITS: f64 = (1_u64 << 53) as f64;

/// Longest text, in bytes. Paths, models and user-chosen ids are far shorter; a model name of several MiB is an attack.
const MAX_TEXT: usize = 1024;

/// Most dropped fields that are named per line.
const MAX_NAMES: usize = 64;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::outcome::{Cause, End};
    use crate::telemetry::samples::{answered, refused};

    fn text(outcome: &Outcome) -> String {
        let mut out = Vec::new();
        line(
            outcome,
            SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            &mut out,
        );
        String::from_utf8(out).expect("UTF-8")
    }

    fn parsed(outcome: &Outcome) -> Value {
        let text = text(outcome);
        assert_eq!(text.find('\n'), Some(text.len() - 1), "one line: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn an_answered_request() {
        let expected = concat!(
            r#"{"time":"2023-11-14T22:13:20.123Z","request_id":"req_1","key":"team-a","project":"research","#,
            r#""client_ip":"192.0.2.1","method":"POST","path":"/v1/messages","client_dialect":"anthropic","#,
            r#""upstream_dialect":"anthropic","model":"sonnet","model_served":"claude-sonnet-4-5-20250929","#,
            r#""route":2,"rewrites":["cherry-studio"],"pool":"claude","account":"claude-a","#,
            r#""attempts":[{"account":"claude-a","class":"throttled","cause":"html","ms":1000},{"account":"claude-a","class":null,"ms":2000}],"#,
            r#""affinity":"detour","status":200,"outcome":"ok","end":"complete","limit":null,"limit_scope":null,"#,
            r#""detail":null,"stream":true,"#,
            r#""tokens":{"input":10,"output":20,"cache_read":30,"cache_write_5m":40,"cache_write_1h":50,"reasoning":5},"#,
            r#""usage_source":"reported","cost_usd":0.25,"ttft_ms":2100,"duration_ms":12500,"overhead_us":80,"#,
            r#""dropped":[],"violations":[],"bytes_in":1000,"bytes_out":2000,"via":null,"#,
            r#""user_agent":"claude-cli/2.1","session":"0123456789abcdef","tokens_per_s":1,"messages":7}"#,
            "\n",
        );
        assert_eq!(text(&answered()), expected);
    }

    #[test]
    fn a_refusal_has_the_same_fields() {
        let names = |outcome: &Outcome| {
            let value = parsed(outcome);
            value
                .as_object()
                .expect("an object")
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&refused(401)), names(&answered()));
        assert_eq!(parsed(&refused(401))["outcome"], "unauthenticated");
    }

    #[test]
    fn what_clients_send_cannot_break_a_line_or_a_terminal() {
        let hostile = "a\"b\\c\nd\r\0\u{1b}[31m\u{9b}2J\u{7f}\u{2028}é🦀";
        let mut outcome = answered();
        outcome.model_asked = Some(hostile.to_owned());
        outcome.path = hostile.to_owned();
        outcome.request_id = hostile.to_owned();
        outcome.dropped = vec![hostile, "x"];
        let value = parsed(&outcome);
        assert_eq!(value["model"], hostile);
        assert_eq!(value["path"], hostile);
        assert_eq!(value["dropped"][0], hostile);
        let text = text(&outcome);
        let tame = |c: char| c == '\n' || !c.is_control() && c != '\u{2028}';
        assert!(text.chars().all(tame), "{text:?}");
    }

    #[test]
    fn a_line_is_bounded() {
        let mut outcome = answered();
        outcome.model_asked = Some("é".repeat(1 << 20));
        outcome.dropped = vec!["field"; 1000];
        assert!(text(&outcome).len() < 4096);
        let value = parsed(&outcome);
        assert_eq!(value["model"], format!("{}…", "é".repeat(MAX_TEXT / 2)));
    }

    #[test]
    fn numbers_are_json() {
        let mut outcome = answered();
        for (cost, expected) in [
            (Some(0.1 + 0.2), "0.3"),
            (Some(1e-7), "0.0000001"),
            (Some(1e-10), "0"),
            (Some(-1e-10), "0"),
            (Some(1e-9), "0.000000001"),
            (Some(-1.5), "-1.5"),
            (Some(12.000_000_05), "12.00000005"),
            (Some(3.0), "3"),
            (Some(1e12), "1000000000000"),
            (Some(0.0), "0"),
            (Some(f64::NAN), "null"),
            (Some(f64::INFINITY), "null"),
            (None, "null"),
        ] {
            outcome.cost_usd = cost;
            assert!(
                text(&outcome).contains(&format!("\"cost_usd\":{expected},")),
                "{cost:?}"
            );
        }
    }

    #[test]
    fn a_clock_before_1970_is_no_problem() {
        let mut out = Vec::new();
        line(
            &answered(),
            SystemTime::UNIX_EPOCH - Duration::from_secs(1),
            &mut out,
        );
        assert!(out.starts_with(b"{\"time\":\"1969-12-31T23:59:59.000Z\""));
    }

    #[test]
    fn every_field_is_documented() {
        let docs = include_str!("../../../docs/ACCESS_LOG.md");
        let documented: Vec<_> = docs
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .collect();
        let mut written = Vec::new();
        let mut answered = answered();
        if let Some(usage) = &mut answered.usage {
            usage.units.images = 1;
        }
        for (name, value) in parsed(&answered).as_object().expect("an object") {
            written.push(name.clone());
            let inner = value.as_array().map_or(Some(value), |list| list.first());
            for inner in inner
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|object| object.keys())
            {
                written.push(format!("{name}.{inner}"));
            }
        }
        assert_eq!(documented, written);
        for end in End::ALL {
            assert!(
                docs.contains(&format!("`{}`", end.as_str())),
                "{}",
                end.as_str()
            );
        }
        for verdict in Verdict::ALL {
            assert!(
                docs.contains(&format!("`{}`", verdict.as_str())),
                "{}",
                verdict.as_str()
            );
        }
        for cause in Cause::ALL {
            let word = format!("`{}`", cause.as_str());
            assert!(docs.contains(&word), "{word}");
        }
        for class in FailureClass::ALL {
            assert!(
                docs.contains(&format!("`{}`", class.as_str())),
                "{}",
                class.as_str()
            );
        }
    }
}
