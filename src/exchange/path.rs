//! A request's path, decoded and normalised before anything is matched against it.
//!
//! Every decision about a request uses this path, and the upstream's path is written from it, so two spellings of one
//! path cannot mean two things. A path that can be read in two ways is refused.
use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use smallvec::SmallVec;

/// The segments of a path, decoded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Path<'a> {
    segments: SmallVec<[Cow<'a, str>; 6]>,
    /// The segment that holds an encoded slash: only an id may.
    slash: Option<usize>,
    /// The deployment in a path of Azure's: the model.
    deployment: Option<Cow<'a, str>>,
}

/// Why a path can be read in more than one way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// `%` without two hexadecimal digits, or bytes that are not UTF-8.
    Coding,
    /// A control character or a backslash.
    Character,
    /// `.` or `..`, also encoded.
    Dots,
    /// Two slashes in a row, except at the beginning.
    Empty,
    /// An encoded slash at a place that is not the name of a model or the id of a resource.
    Slash,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Coding => "its percent-encoding is broken",
            Self::Character => "it holds a control character or a backslash",
            Self::Dots => "`.` and `..` have no place in it",
            Self::Empty => "it has an empty segment (`//`)",
            Self::Slash => {
                "an encoded slash (`%2F`) may stand only in the name of a model or the id of a resource"
            }
        })
    }
}

impl<'a> Path<'a> {
    /// Parses the path of a request. One empty segment at the beginning and one slash at the end are ignored.
    pub fn read(raw: &'a str) -> Result<Self, Fault> {
        let rest = raw.strip_prefix('/').unwrap_or(raw);
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut path = Self {
            segments: SmallVec::new(),
            slash: None,
            deployment: None,
        };
        if rest.is_empty() {
            return Ok(path);
        }
        for (at, segment) in rest.split('/').enumerate() {
            if is_plain(segment) {
                path.segments.push(Cow::Borrowed(segment));
                continue;
            }
            let segment = decode(segment)?;
            let mut pieces = segment.split('/');
            if pieces.any(str::is_empty) {
                return Err(Fault::Empty);
            }
            // Some servers treat what follows a semicolon as a parameter of the segment.
            let dots = |piece: &str| matches!(piece.split(';').next(), Some("." | ".."));
            if segment.split('/').any(dots) {
                return Err(Fault::Dots);
            }
            if segment.contains(|c: char| c.is_control() || c == '\\') {
                return Err(Fault::Character);
            }
            if segment.contains('/') && path.slash.replace(at).is_some() {
                return Err(Fault::Slash);
            }
            path.segments.push(segment);
        }
        path.normalise();
        match path.slash {
            // The version and the kind of resource are never ids.
            Some(0 | 1) => Err(Fault::Slash),
            _ => Ok(path),
        }
    }

    /// The decoded segments.
    pub fn segments(&self) -> SmallVec<[&str; 6]> {
        self.segments.iter().map(AsRef::as_ref).collect()
    }

    /// The decoded path; an encoded slash becomes a slash.
    pub fn joined(&self) -> String {
        let length = self.segments.iter().map(|segment| segment.len() + 1).sum();
        let mut out = String::with_capacity(length);
        for segment in &self.segments {
            out.push('/');
            out.push_str(segment);
        }
        out
    }

    /// The deployment in a path of Azure's.
    pub fn deployment(&self) -> Option<&str> {
        self.deployment.as_deref()
    }

    /// Whether a segment contains an encoded slash.
    pub fn has_slash(&self) -> bool {
        self.slash.is_some()
    }

    /// The encoded path for an upstream.
    pub fn write(&self) -> String {
        let mut out = String::new();
        for segment in &self.segments {
            out.push('/');
            out.extend(utf8_percent_encode(segment, &SEGMENT));
        }
        out
    }

    /// Unifies the ways in which clients write a base URL: without a version, with two, below the name of a vendor, in
    /// Azure's form, and in the form of Gemini's endpoints for OpenAI clients.
    fn normalise(&mut self) {
        let drop = match self.segments().as_slice() {
            ["openai", "deployments", _, ..] => 2,
            ["openai" | "anthropic" | "api", version, ..] if is_version(version) => 1,
            ["openai", kind, ..] if is_kind(kind) => 1,
            _ => 0,
        };
        if drop == 2 {
            self.deployment = Some(self.segments.remove(2));
            // If the slash is in the deployment, it is gone now, because no later segment has one.
            self.slash = match self.slash {
                Some(2) | None => None,
                Some(at) => Some(at.saturating_sub(1)),
            };
        }
        self.drop_front(drop);
        let doubled = |segments: &[&str]| match segments {
            [first, second, ..] => is_version(first) && is_version(second),
            _ => false,
        };
        while doubled(&self.segments()) {
            self.drop_front(1);
        }
        let (drop, bare) = match self.segments().as_slice() {
            ["v1beta", "openai", ..] => (2, true),
            [kind, ..] => (0, is_kind(kind)),
            [] => (0, false),
        };
        self.drop_front(drop);
        if bare {
            self.push_front();
        }
    }

    fn drop_front(&mut self, count: usize) {
        self.segments.drain(..count.min(self.segments.len()));
        // An encoded slash in a dropped segment remains a fault.
        self.slash = self.slash.map(|at| at.saturating_sub(count));
    }

    fn push_front(&mut self) {
        self.segments.insert(0, Cow::Borrowed("v1"));
        self.slash = self.slash.map(|at| if at == 0 { 0 } else { at + 1 });
    }
}

/// Whether a segment needs no decoding and no checks, as nearly every one does.
fn is_plain(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':');
    !segment.is_empty() && segment.bytes().all(plain)
}

/// Decodes a segment strictly.
fn decode(segment: &str) -> Result<Cow<'_, str>, Fault> {
    if !segment.contains('%') {
        return Ok(Cow::Borrowed(segment));
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [byte, tail @ ..] = rest {
        if *byte != b'%' {
            bytes.push(*byte);
            rest = tail;
            continue;
        }
        let [high, low, tail @ ..] = tail else {
            return Err(Fault::Coding);
        };
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let (Some(high), Some(low)) = (digit(high), digit(low)) else {
            return Err(Fault::Coding);
        };
        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
        rest = tail;
    }
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| Fault::Coding)
}

fn is_version(segment: &str) -> bool {
    matches!(segment, "v1" | "v1beta" | "v1alpha")
}

/// Whether a segment is the first one after the version in a path that Weir knows; clients may omit the version there.
fn is_kind(segment: &str) -> bool {
    matches!(
        segment,
        "audio"
            | "batches"
            | "chat"
            | "completions"
            | "embeddings"
            | "files"
            | "images"
            | "messages"
            | "models"
            | "moderations"
            | "rerank"
            | "responses"
            | "uploads"
    )
}

/// The characters to encode: all but RFC 3986's unreserved ones and those that occur unencoded in the vendors' paths.
const SEGMENT: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'@')
    .remove(b'=')
    .remove(b',')
    .remove(b'!')
    .remove(b'$')
    .remove(b'*')
    .remove(b'+');

#[cfg(test)]
mod tests {
    use super::*;

    fn written(raw: &str) -> Result<String, Fault> {
        Path::read(raw).map(|path| path.write())
    }

    #[test]
    fn one_slash_too_many_at_either_end_is_nothing() {
        for raw in [
            "/v1/messages",
            "//v1/messages",
            "/v1/messages/",
            "//v1/messages/",
        ] {
            assert_eq!(written(raw).as_deref(), Ok("/v1/messages"), "{raw}");
        }
        assert_eq!(written("/").as_deref(), Ok(""));
    }

    #[test]
    fn what_reads_in_two_ways_is_refused() {
        for (raw, fault) in [
            ("/v1/messages//", Fault::Empty),
            ("///v1/messages", Fault::Empty),
            ("/v1//messages", Fault::Empty),
            ("/v1/files/%2F", Fault::Empty),
            ("/v1/files/../admin", Fault::Dots),
            ("/v1/files/%2e%2E/admin", Fault::Dots),
            ("/v1/files/a%2f..", Fault::Dots),
            ("/v1/files/..;x/admin", Fault::Dots),
            ("/v1/./x", Fault::Dots),
            ("/v1/files/%00", Fault::Character),
            ("/v1/files/a%5Cb", Fault::Character),
            ("/v1/files/%7F", Fault::Character),
            ("/v1/files/%zz", Fault::Coding),
            ("/v1/files/%2", Fault::Coding),
            ("/v1/files/%ff", Fault::Coding),
            ("/v1%2Fmessages", Fault::Slash),
            ("/v1/chat%2Fcompletions", Fault::Slash),
            ("/chat%2Fcompletions", Fault::Slash),
            ("/v1/v1/chat%2Fcompletions", Fault::Slash),
            ("/v1/files/a%2Fb/c%2Fd", Fault::Slash),
        ] {
            assert_eq!(written(raw), Err(fault), "{raw}");
        }
    }

    #[test]
    fn ids_are_written_again_as_they_were_meant() {
        for (raw, expected) in [
            ("/v1/files/a%2Fb/content", "/v1/files/a%2Fb/content"),
            ("/v1/files/f%69le", "/v1/files/file"),
            ("/v1/files/%252e%252e", "/v1/files/%252e%252e"),
            (
                "/v1beta/models/m:embedContent",
                "/v1beta/models/m:embedContent",
            ),
            ("/v1/files/\u{e9} x?", "/v1/files/%C3%A9%20x%3F"),
        ] {
            assert_eq!(written(raw).as_deref(), Ok(expected), "{raw}");
        }
    }

    #[test]
    fn the_ways_to_write_a_base_come_to_one() {
        for (raw, expected) in [
            ("/chat/completions", "/v1/chat/completions"),
            ("/messages", "/v1/messages"),
            ("/v1/v1/messages", "/v1/messages"),
            (
                "/v1/v1beta/models/m:generateContent",
                "/v1beta/models/m:generateContent",
            ),
            ("/openai/v1/responses", "/v1/responses"),
            ("/openai/responses", "/v1/responses"),
            ("/anthropic/v1/messages", "/v1/messages"),
            ("/api/v1/chat/completions", "/v1/chat/completions"),
            ("/v1beta/openai/chat/completions", "/v1/chat/completions"),
            (
                "/openai/deployments/gpt-4o/chat/completions",
                "/v1/chat/completions",
            ),
            ("/api/hello", "/api/hello"),
        ] {
            assert_eq!(written(raw).as_deref(), Ok(expected), "{raw}");
        }
        let azure = Path::read("/openai/deployments/org%2Fm/embeddings").expect("a path");
        assert_eq!(azure.deployment(), Some("org/m"));
    }
}
