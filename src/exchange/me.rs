//! `GET /me`: the page on which a key holder sees the use, the limits and the recent errors of one key. Off unless
//! `me: true`.
//!
//! The files contain no data and need no key; the data that they show is requested with the key that the person enters.
//! The page has no access to the admin plane.
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

use super::operation::MeFile;
use super::relaying::Answer;

/// One file of the page.
pub fn file(file: MeFile) -> Answer {
    let (media, body) = match file {
        MeFile::Page => ("text/html; charset=utf-8", include_str!("me/index.html")),
        MeFile::Script => ("text/javascript; charset=utf-8", include_str!("me/me.js")),
        MeFile::Style => ("text/css; charset=utf-8", include_str!("me/me.css")),
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    for (name, value) in [
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Answer {
        status: 200,
        headers,
        body: Bytes::from_static(body.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_runs_nothing_that_is_written_into_it() {
        for part in [MeFile::Page, MeFile::Script, MeFile::Style] {
            let answer = file(part);
            let policy = answer.headers[CONTENT_SECURITY_POLICY]
                .to_str()
                .expect("text");
            assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"));
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(
                !text.contains("innerHTML")
                    && !text.contains("<script>")
                    && !text.contains("style=")
            );
            assert!(!text.contains("/admin") && !text.contains("/console"));
        }
    }
}
