//! Finds the field `model` in a multipart form, wherever it is.
//!
//! Only as much of RFC 7578 is parsed as is needed to find one small field; the content of files is only searched for
//! the boundary.
use std::ops::Range;

use memchr::memmem;

use super::operation::percent_decode;

/// The boundary that a `content-type` names; `None` = it is not a form, or names several boundaries.
pub fn boundary(content_type: &str) -> Option<&str> {
    let (media, parameters) = content_type.split_once(';')?;
    if !media.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut boundaries = parameters.split(';').filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then(|| value.trim().trim_matches('"'))
    });
    let boundary = boundaries.next()?;
    if boundaries.next().is_some() {
        return None;
    }
    (1..=MOST_BOUNDARY)
        .contains(&boundary.len())
        .then_some(boundary)
}

/// The boundary at the beginning of a form.
pub fn own_boundary(body: &[u8]) -> Option<&str> {
    let rest = body.strip_prefix(b"--")?;
    let end = memchr::memchr(b'\n', rest.get(..=MOST_BOUNDARY + 1).unwrap_or(rest))?;
    let line = rest.get(..end)?.trim_ascii_end();
    std::str::from_utf8(line)
        .ok()
        .filter(|boundary| !boundary.is_empty())
}

/// The place of the value of the field with this name.
pub fn field(body: &[u8], boundary: &str, name: &str) -> Result<Option<Range<usize>>, Unclear> {
    let delimiter = format!("--{boundary}");
    let finder = memmem::Finder::new(delimiter.as_bytes());
    let starts: Vec<usize> = finder
        .find_iter(body)
        .filter(|at| {
            *at == 0
                || body
                    .get(..*at)
                    .is_some_and(|before| before.ends_with(b"\n"))
        })
        .take(MOST_PARTS + 1)
        .collect();
    if starts.len() > MOST_PARTS {
        return Err(Unclear::TooLong);
    }
    let mut found = None;
    for pair in starts.windows(2) {
        let &[start, end] = pair else { continue };
        let start = start + delimiter.len();
        let Some(part) = body.get(start..end) else {
            continue;
        };
        let Some((head, value)) = split(part) else {
            continue;
        };
        if head.len() > MOST_HEAD {
            return Err(Unclear::TooLong);
        }
        if names(head, name) {
            let value = start + value.start..start + value.end;
            if found.replace(value).is_some() {
                return Err(Unclear::Twice);
            }
        }
    }
    Ok(found)
}

/// Why a vendor may find another field than Weir does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unclear {
    /// The field occurs twice.
    Twice,
    /// There are too many parts, or a part has headers that are too long.
    TooLong,
}

impl Unclear {
    /// What is expected instead.
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Twice => "in the form only once",
            Self::TooLong => "in a form of at most 1,024 parts with headers of at most 4 KiB each",
        }
    }
}

/// The headers of a part, and the place of its value without the line break before the next delimiter.
fn split(part: &[u8]) -> Option<(&[u8], Range<usize>)> {
    let (at, gap) = match (memmem::find(part, b"\r\n\r\n"), memmem::find(part, b"\n\n")) {
        (Some(at), Some(bare)) if bare < at => (bare, 2),
        (Some(at), _) => (at, 4),
        (None, Some(at)) => (at, 2),
        (None, None) => return None,
    };
    let value = part.get(at + gap..)?;
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    Some((part.get(..at)?, at + gap..at + gap + value.len()))
}

/// Whether the headers of a part name this field, in any spelling that some reader accepts.
fn names(head: &[u8], name: &str) -> bool {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let disposition = lines.find_map(|line| {
        let (header, value) = line.split_once(':')?;
        header
            .trim()
            .eq_ignore_ascii_case("content-disposition")
            .then_some(value)
    });
    disposition.is_some_and(|value| {
        value.split(';').any(|parameter| {
            parameter.split_once('=').is_some_and(|(key, value)| {
                let value = value.trim().trim_matches('"').replace('\\', "");
                let key = key.trim();
                // With a character set in front, and percent-encoded (RFC 8187).
                let coded = || value.rsplit('\'').next().map(percent_decode);
                key.eq_ignore_ascii_case("name") && value == name
                    || key.eq_ignore_ascii_case("name*") && coded().as_deref() == Some(name)
            })
        })
    })
}

/// The most characters of a boundary: RFC 2046 allows 70.
const MOST_BOUNDARY: usize = 70;
/// The most parts that are examined; no vendor accepts more.
const MOST_PARTS: usize = 1024;
/// The most bytes of a part's headers.
const MOST_HEAD: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn value(body: &str) -> Result<Option<&str>, Unclear> {
        field(body.as_bytes(), "b", "model").map(|span| span.and_then(|span| body.get(span)))
    }

    #[test]
    fn a_boundary_is_read_as_clients_write_it() {
        assert_eq!(boundary("multipart/form-data; boundary=b"), Some("b"));
        assert_eq!(
            boundary("Multipart/Form-Data; charset=utf-8; Boundary=\"b c\""),
            Some("b c")
        );
        assert_eq!(boundary("multipart/form-data"), None);
        assert_eq!(boundary("application/json; boundary=b"), None);
    }

    #[test]
    fn the_field_is_found_before_and_after_the_file() {
        let model = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n";
        let file = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\nContent-Type: audio/wav\r\n\r\nRIFF--b\r\n\r\nname=\"model\"\r\n";
        for body in [
            format!("{model}{file}--b--\r\n"),
            format!("{file}{model}--b--\r\n"),
        ] {
            assert_eq!(value(&body), Ok(Some("whisper-1")), "{body}");
        }
        assert_eq!(value(&format!("{file}--b--\r\n")), Ok(None));
        assert_eq!(
            value(&format!("{model}{file}{model}--b--\r\n")),
            Err(Unclear::Twice)
        );
        assert_eq!(value("nothing"), Ok(None));
    }

    /// A part that some reader might take for the field is taken for it, so that no other one can be hidden behind it.
    #[test]
    fn a_field_that_is_hidden_from_some_readers_is_found() {
        let part = |disposition: &str, more: &str| {
            format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n{more}\r\nhidden\r\n")
        };
        for disposition in [
            "name*=UTF-8''model",
            "name*=utf-8'en'mo%64el",
            r#"name="mo\del""#,
            "NAME = model",
        ] {
            let hidden = part(disposition, "");
            assert_eq!(value(&format!("{hidden}--b--")), Ok(Some("hidden")));
            let both = format!("{hidden}{}--b--", part("name=model", ""));
            assert_eq!(value(&both), Err(Unclear::Twice), "{disposition}");
        }
        let long = part("name=model", &format!("x: {}\r\n", "y".repeat(MOST_HEAD)));
        assert_eq!(value(&format!("{long}--b--")), Err(Unclear::TooLong));
        let many = part("name=x", "").repeat(MOST_PARTS);
        assert_eq!(value(&format!("{many}--b--")), Err(Unclear::TooLong));
        assert_eq!(
            boundary("multipart/form-data; boundary=a; boundary=b"),
            None
        );
    }
}
