//! Media data that a request contains as text. Clients write it in many ways that vendors refuse: with wrapped lines,
//! in the URL alphabet, without a type or with a wrong type name. The decoders of all dialects read it with these
//! functions.
use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memchr3;
use percent_encoding::percent_decode_str;

use super::block::Source;

/// Data in base64, with the type that the client states.
pub fn inline(media_type: &str, data: &str) -> Source {
    let named = media_type.split(';').next().unwrap_or_default().trim();
    let data = tidy(data);
    let media_type = match named {
        "" | "application/octet-stream" => sniff(&data).unwrap_or(named),
        "image/jpg" => "image/jpeg",
        named => named,
    };
    Source::Base64 {
        media_type: media_type.to_owned(),
        data: data.into_owned(),
    }
}

/// The source for a URL. If the URL contains the data, or data stands in place of a URL, the source is the data itself.
/// `Err` has the reason if the URL is unusable.
pub fn by_url(url: &str) -> Result<Source, &'static str> {
    let url = url.trim();
    if let Some((scheme, rest)) = url.split_at_checked(DATA.len())
        && scheme.eq_ignore_ascii_case(DATA)
    {
        let (head, data) = rest
            .split_once(',')
            .ok_or("a `data:` URL needs a comma before its data")?;
        let base64 = head
            .rsplit_once(';')
            .filter(|(_, last)| last.trim().eq_ignore_ascii_case("base64"));
        return Ok(if let Some((media_type, _)) = base64 {
            inline(media_type, data)
        } else {
            let bytes: Vec<u8> = percent_decode_str(data).collect();
            let media_type = if head.is_empty() { "text/plain" } else { head };
            inline(media_type, &STANDARD.encode(bytes))
        });
    }
    if url.contains("://") {
        return Ok(Source::Url {
            url: url.to_owned(),
            media_type: None,
        });
    }
    match sniff(url) {
        Some(media_type) => Ok(inline(media_type, url)),
        None => Err(
            "this is no URL; write `https://…`, or the data as `data:image/png;base64,…` with its type",
        ),
    }
}

/// The type of the data, by its first bytes.
pub fn sniff(base64: &str) -> Option<&'static str> {
    let (_, kind) = MAGIC.iter().find(|(magic, _)| base64.starts_with(magic))?;
    Some(kind)
}

/// The data in the form that vendors accept: standard alphabet, padding, one line. Almost all data already has this
/// form, and it may be several MiB.
fn tidy(data: &str) -> Cow<'_, str> {
    let bytes = data.as_bytes();
    let is_odd = !data.len().is_multiple_of(4)
        || memchr3(b'\n', b'-', b'_', bytes).is_some()
        || memchr3(b'\r', b' ', b'\t', bytes).is_some();
    if !is_odd {
        return Cow::Borrowed(data);
    }
    let mut tidy: String = data
        .chars()
        .filter(|char| !char.is_ascii_whitespace())
        .map(|char| match char {
            '-' => '+',
            '_' => '/',
            char => char,
        })
        .collect();
    while matches!(tidy.len() % 4, 2 | 3) {
        tidy.push('=');
    }
    Cow::Owned(tidy)
}

const DATA: &str = "data:";

/// The first bytes of file types, in base64.
const MAGIC: [(&str, &str); 5] = [
    ("/9j/", "image/jpeg"),
    ("iVBORw0KGgo", "image/png"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi0", "application/pdf"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn data(source: &Source) -> (&str, &str) {
        match source {
            Source::Base64 { media_type, data } => (media_type, data),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn data_is_tidied_and_named() {
        for (named, written, kind, tidy) in [
            ("image/png", "iVBORw0KGgoA", "image/png", "iVBORw0KGgoA"),
            (
                "image/png",
                "iVBO\r\nRw0K\nGgoA\n",
                "image/png",
                "iVBORw0KGgoA",
            ),
            ("image/png", "-_-_", "image/png", "+/+/"),
            ("image/png", "AAA", "image/png", "AAA="),
            ("image/jpg", "/9j/", "image/jpeg", "/9j/"),
            ("image/png;charset=utf-8", "AAAA", "image/png", "AAAA"),
            ("", "JVBERi0=", "application/pdf", "JVBERi0="),
            (
                "application/octet-stream",
                "R0lGODlh",
                "image/gif",
                "R0lGODlh",
            ),
            (
                "application/octet-stream",
                "AAAA",
                "application/octet-stream",
                "AAAA",
            ),
        ] {
            assert_eq!(
                data(&inline(named, written)),
                (kind, tidy),
                "{named} {written}"
            );
        }
    }

    #[test]
    fn a_url_is_an_address_or_the_data_itself() {
        for (url, kind, tidy) in [
            ("data:image/png;base64,AAAA", "image/png", "AAAA"),
            ("DATA:image/png;BASE64,AA\nAA", "image/png", "AAAA"),
            ("data:;base64,iVBORw0KGgoA", "image/png", "iVBORw0KGgoA"),
            (
                "data:text/plain;charset=utf-8,hi%20there",
                "text/plain",
                "aGkgdGhlcmU=",
            ),
            ("data:,hi", "text/plain", "aGk="),
            ("JVBERi0=", "application/pdf", "JVBERi0="),
        ] {
            assert_eq!(data(&by_url(url).expect("data")), (kind, tidy), "{url}");
        }
        for url in ["https://x.test/a.png", " gs://b/a.pdf"] {
            let Ok(Source::Url { url: found, .. }) = by_url(url) else {
                panic!("{url}");
            };
            assert_eq!(found, url.trim());
        }
        for url in ["", "a.png", "AAAA", "data:image/png;base64"] {
            assert!(by_url(url).is_err(), "{url}");
        }
    }
}
