//! The pages of the console: files inside the binary, sent compressed and identified by their digest.
//!
//! They contain no data (no host name, no version) and need no session; the data that they show does.
//!
//! The style sheet is part of the page, and the modules are requested after the first frame, so that the first frame
//! does not wait for them.
use std::borrow::Cow;
use std::io::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::access::sha256;
use super::answer::Answer;
use crate::outcome::Limit;

/// A file of the console; `None` when `path` is not one of its paths.
pub(super) fn page(path: &str, headers: &HeaderMap) -> Option<Answer> {
    let rest = path.strip_prefix("/console")?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    // Every state of the pages has an address of its own, so every path without a file leads to the page.
    let asset = ASSETS
        .iter()
        .find(|asset| rest.strip_prefix("/assets/") == Some(asset.name))
        .or_else(|| {
            (!rest.starts_with("/assets/"))
                .then(|| ASSETS.first())
                .flatten()
        })?;
    Some(asset.answer(headers))
}

struct Asset {
    name: &'static str,
    media: &'static str,
    plain: Cow<'static, [u8]>,
    packed: Vec<u8>,
    tag: HeaderValue,
}

impl Asset {
    fn new(name: &'static str, media: &'static str, plain: impl Into<Cow<'static, [u8]>>) -> Self {
        let plain = plain.into();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        // Writing to memory cannot fail. If it did, the plain bytes would be sent.
        let packed = encoder
            .write_all(&plain)
            .and_then(|()| encoder.finish())
            .unwrap_or_default();
        let digest = sha256(&plain);
        let hex: String = digest[..12]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            name,
            media,
            plain,
            packed,
            tag: HeaderValue::from_str(&format!("\"{hex}\""))
                .unwrap_or(HeaderValue::from_static("\"\"")),
        }
    }

    fn answer(&self, headers: &HeaderMap) -> Answer {
        let known = headers.get_all(IF_NONE_MATCH).iter().any(|tags| {
            tags.as_bytes()
                .windows(self.tag.len())
                .any(|part| part == self.tag.as_bytes())
        });
        let takes_gzip = headers
            .get_all(ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|coding| coding.trim() == "gzip" || coding.trim().starts_with("gzip;q=1"));
        let mut answer = if known {
            Answer::new(304, self.media, Vec::new())
        } else if takes_gzip && !self.packed.is_empty() {
            Answer::new(200, self.media, self.packed.clone())
                .with(CONTENT_ENCODING, HeaderValue::from_static("gzip"))
        } else {
            Answer::new(200, self.media, self.plain.to_vec())
        };
        for (name, value) in POLICY {
            answer = answer.with(name, HeaderValue::from_static(value));
        }
        answer
            .with(CONTENT_SECURITY_POLICY, CONTENT.clone())
            .with(ETAG, self.tag.clone())
            .with(VARY, HeaderValue::from_static("accept-encoding"))
            .with(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
    }
}

/// The content security policy: the pages load only from Weir itself, use only the style sheet inside the page, and
/// cannot be framed by another site.
static CONTENT: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = BASE64.encode(sha256(STYLE.as_bytes()));
    let policy = format!(
        "default-src 'self'; style-src 'self' 'sha256-{style}'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

const POLICY: [(HeaderName, &str); 2] = [
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

const HTML: &str = "text/html; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

const STYLE: &str = include_str!("console/weir.css");

/// The page with its style sheet inside.
fn whole_page() -> Vec<u8> {
    let page = include_str!("console/index.html");
    let style = format!("<style>{STYLE}</style>");
    page.replace(LINK, &style).into()
}

/// The names of all limits, as a module.
fn limits() -> String {
    let names = Limit::ALL.map(Limit::as_str);
    format!("export const limits = {names:?};\n")
}

/// The place of the style sheet in the source of the page.
const LINK: &str = r#"<link rel="stylesheet" href="weir.css">"#;

/// The files; the page itself is the first.
static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    vec![
        Asset::new("index.html", HTML, whole_page()),
        Asset::new(
            "icon.svg",
            "image/svg+xml",
            include_bytes!("console/icon.svg"),
        ),
        Asset::new("boot.js", JS, include_bytes!("console/boot.js")),
        Asset::new("main.js", JS, include_bytes!("console/main.js")),
        Asset::new("ui.js", JS, include_bytes!("console/ui.js")),
        Asset::new("api.js", JS, include_bytes!("console/api.js")),
        Asset::new("words.js", JS, include_bytes!("console/words.js")),
        Asset::new("shell.js", JS, include_bytes!("console/shell.js")),
        Asset::new("now.js", JS, include_bytes!("console/now.js")),
        Asset::new("live.js", JS, include_bytes!("console/live.js")),
        Asset::new("try.js", JS, include_bytes!("console/try.js")),
        Asset::new("diff.js", JS, include_bytes!("console/diff.js")),
        Asset::new("spend.js", JS, include_bytes!("console/spend.js")),
        Asset::new("lists.js", JS, include_bytes!("console/lists.js")),
        Asset::new("fleet.js", JS, include_bytes!("console/fleet.js")),
        Asset::new("keys.js", JS, include_bytes!("console/keys.js")),
        Asset::new("edit.js", JS, include_bytes!("console/edit.js")),
        Asset::new("limits.js", JS, limits().into_bytes()),
    ]
});

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str, headers: &[(HeaderName, &str)]) -> Option<http::Response<Vec<u8>>> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name, value.parse().expect("a value"));
        }
        page(path, &map).map(Answer::into_response)
    }

    #[test]
    fn every_address_of_the_console_is_its_page() {
        let page = get("/console", &[]).expect("a page");
        for path in ["/console/", "/console/now", "/console/live/req_1"] {
            assert_eq!(
                get(path, &[]).expect("a page").body(),
                page.body(),
                "{path}"
            );
        }
        assert!(get("/console/assets/nothing.js", &[]).is_none());
        assert!(get("/consolex", &[]).is_none() && get("/metrics", &[]).is_none());
    }

    #[test]
    fn every_limit_can_be_set_in_the_editor() {
        let text = |path: &str| {
            let asset = get(path, &[]).expect("a file");
            String::from_utf8_lossy(asset.body()).into_owned()
        };
        assert!(
            text("/console/assets/edit.js").contains(r#"import { limits } from "./limits.js";"#)
        );
        let module = text("/console/assets/limits.js");
        let list = module
            .strip_prefix("export const limits = ")
            .expect("a list");
        let list: Vec<String> =
            serde_json::from_str(list.trim_end().trim_end_matches(';')).expect("JSON");
        assert_eq!(list, Limit::ALL.map(Limit::as_str));
    }

    #[test]
    fn what_a_browser_has_is_not_sent_again_and_the_rest_is_packed() {
        let plain = get("/console/assets/main.js", &[]).expect("a file");
        let packed =
            get("/console/assets/main.js", &[(ACCEPT_ENCODING, "br, gzip")]).expect("a file");
        assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
        assert!(packed.body().len() < plain.body().len());
        let tag = plain.headers()[ETAG].to_str().expect("a tag");
        let again = get("/console/assets/main.js", &[(IF_NONE_MATCH, tag)]).expect("an answer");
        assert_eq!((again.status().as_u16(), again.body().len()), (304, 0));
    }

    #[test]
    fn the_whole_console_is_small() {
        let bytes: usize = ASSETS.iter().map(|asset| asset.packed.len()).sum();
        assert!(bytes < 200_000, "{bytes} bytes over the wire");
        // All modules load in one round trip: the page names them, so none waits for the module that imports it.
        let page = std::str::from_utf8(&ASSETS[0].plain).expect("text");
        for asset in ASSETS.iter().filter(|asset| asset.media == JS) {
            assert!(page.contains(asset.name), "{}", asset.name);
        }
    }

    #[test]
    fn no_page_runs_what_is_written_into_it() {
        let page = get("/console", &[]).expect("a page");
        let policy = page.headers()[CONTENT_SECURITY_POLICY]
            .to_str()
            .expect("text");
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"));
        let html = String::from_utf8_lossy(page.body()).into_owned();
        assert!(
            !html.contains("<script>") && !html.contains("style=") && !html.contains("onclick")
        );
        // The page's only style sheet is the one that the policy names.
        let style = html.split("<style>").nth(1).expect("a style");
        let style = style.split("</style>").next().expect("its end");
        let digest = BASE64.encode(sha256(style.as_bytes()));
        assert!(policy.contains(&format!("'sha256-{digest}'")), "{policy}");
        assert_eq!(html.matches("<style").count(), 1);
        assert!(!html.contains("stylesheet"));
    }
}
