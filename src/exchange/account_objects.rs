//! Objects that live at one account: files, batches, containers, conversations, cached contents. The account that
//! created one is remembered, so that a request that names the object goes there.
use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem;

use super::body_scan::BodyScan;
use super::operation::ModelCall;
use crate::protocol::Dialect;
use crate::protocol::json;
use crate::protocol::passthrough;

/// The object that an answer of an endpoint other than generation is about, by the vendor's name for it. Members that
/// the client may have written are not examined.
pub(super) fn made(dialect: Dialect, answer: &Bytes) -> Option<String> {
    let members = json::look(answer).ok()?;
    let own = if dialect == Dialect::Gemini {
        let file = members.value(answer, "file");
        let within = file.and_then(|file| {
            let name = json::object(file)?.string(file, "name")?.into_owned();
            Some(name)
        });
        within.or_else(|| Some(members.string(answer, "name")?.into_owned()))
    } else {
        Some(members.string(answer, "id")?.into_owned())
    };
    own.filter(|name| name.len() <= LONGEST && is_name(name.as_bytes()))
}

/// The files of batches, from an answer of OpenAI's about one or several batches: each batch with one of its files.
pub(super) fn files_of_batches(dialect: Dialect, answer: &Bytes) -> Vec<(String, String)> {
    if dialect == Dialect::Gemini || memmem::find(answer, b"_file_id\"").is_none() {
        return Vec::new();
    }
    let Ok(members) = json::look(answer) else {
        return Vec::new();
    };
    let batches: Vec<&[u8]> = match members.value(answer, "data") {
        Some(list) => {
            let items = json::elements(list).unwrap_or_default().into_iter();
            items.filter_map(|item| list.get(item)).collect()
        }
        None => vec![answer],
    };
    let files = batches.into_iter().flat_map(|batch| {
        let members = json::object(batch);
        let text = |name: &str| {
            let text = members.as_ref()?.string(batch, name)?.into_owned();
            (text.len() <= LONGEST && is_name(text.as_bytes())).then_some(text)
        };
        let is_batch = text("object").as_deref() == Some("batch");
        let id = text("id").filter(|_| is_batch);
        let files = [text("output_file_id"), text("error_file_id")];
        files
            .into_iter()
            .flatten()
            .filter_map(move |file| Some((id.clone()?, file)))
            .collect::<Vec<_>>()
    });
    files.take(MOST).collect()
}

/// The container in which an answer of Anthropic's ran its tools.
pub(super) fn container(dialect: Dialect, answer: &Bytes) -> Option<String> {
    // Made once, because preparing a search costs more than searching a short answer.
    static NAME: LazyLock<memmem::Finder<'static>> =
        LazyLock::new(|| memmem::Finder::new("\"container\""));
    if dialect != Dialect::Anthropic || NAME.find(answer).is_none() {
        return None;
    }
    let members = json::look(answer).ok()?;
    let container = members.value(answer, "container")?;
    let name = json::object(container)?.string(container, "id")?;
    Some(name.into_owned())
}

/// Names in a request that may be names of such objects: first that of the path, then those of the body, the last one
/// first. `body_scan` are the body's.
pub(super) fn named<'a>(
    call: &'a ModelCall,
    body: &'a [u8],
    body_scan: &'a BodyScan,
) -> impl Iterator<Item = String> + 'a {
    let vendor_call = call.vendor_call.as_deref();
    let path = vendor_call
        .map(|vendor_call| vendor_call.path.as_str())
        .unwrap_or_default();
    let kinds = path.split('/').skip(1);
    let of_path = kinds
        .zip(path.split('/').skip(2))
        .map(|(kind, name)| (kind, name.split(':').next().unwrap_or_default()))
        .flat_map(|(kind, name)| [name.to_owned(), format!("{kind}/{name}")]);
    let of_body = body_scan.names().iter().rev();
    of_path.chain(of_body.filter_map(|at| name_at(body.get(*at..)?)))
}

/// Those of these names that an error is about, because the account does not know them and another account may. Only a
/// name that the error repeats distinguishes this from any other "not found".
pub(super) fn missed(
    status: u16,
    error: &[u8],
    names: impl Iterator<Item = String>,
) -> Vec<String> {
    if !matches!(status, 400 | 404) {
        return Vec::new();
    }
    // An error does not repeat sealed reasoning as a whole.
    let unsealed = memmem::find(error, UNREADABLE).is_some();
    names
        .filter(|name| {
            let is_named = memmem::find(error, name.as_bytes()).is_some();
            is_named && is_id(name) || unsealed && name.len() == passthrough::MARK
        })
        .take(MOST_MISSED)
        .collect()
}

/// Whether this can only be a name that a vendor gave.
fn is_id(name: &str) -> bool {
    let own = name.rsplit('/').next().unwrap_or_default();
    own.len() >= SHORTEST && own.bytes().any(|byte| byte.is_ascii_digit())
}

/// The mark of the sealed reasoning after the name of its member.
fn mark_at(text: &[u8]) -> Option<String> {
    let text = text.strip_prefix(SEALED)?.trim_ascii_start();
    let text = text.strip_prefix(b":")?.trim_ascii_start();
    let sealed = text.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', sealed)?;
    let sealed = std::str::from_utf8(sealed.get(..end)?).ok()?;
    passthrough::mark(sealed).map(str::to_owned)
}

/// The name at the start of this text, after a quotation mark or the slash of a URL.
fn name_at(text: &[u8]) -> Option<String> {
    if text.starts_with(SEALED) {
        return mark_at(text);
    }
    let text = text.get(1..)?;
    let end = text
        .iter()
        .take(LONGEST + 1)
        .position(|byte| *byte == b'"')?;
    let name = text.get(..end)?;
    let name = std::str::from_utf8(name).ok()?;
    // The member that contains such a name begins in the same way.
    (name != "file_id" && is_name(name.as_bytes())).then(|| name.to_owned())
}

fn is_name(name: &[u8]) -> bool {
    let fits =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/' | b'.');
    !name.is_empty() && name.iter().all(fits)
}

/// The member with reasoning that only the account that made it can read.
const SEALED: &[u8] = b"\"encrypted_content\"";
/// OpenAI's error code for reasoning that another organisation made.
const UNREADABLE: &[u8] = b"invalid_encrypted_content";
/// The most names that one error is about.
const MOST_MISSED: usize = 8;
/// The fewest bytes of a name that an error can be said to be about.
const SHORTEST: usize = 6;
/// The most bytes of a name.
const LONGEST: usize = 200;
/// The most files of batches from one answer.
const MOST: usize = 200;

#[cfg(test)]
mod tests {
    use super::super::operation::Endpoint;
    use super::super::vendor_call::{Place, VendorCall};
    use super::*;

    #[test]
    fn what_was_made_is_known_by_the_vendors_own_name() {
        let made =
            |dialect, body: &'static str| made(dialect, &Bytes::from_static(body.as_bytes()));
        let chat = Dialect::OpenaiChat;
        let file = r#"{"id":"file-1","object":"file","filename":"x"}"#;
        assert_eq!(made(chat, file).as_deref(), Some("file-1"));
        // What the client wrote does not name an object.
        let named = r#"{"name":"file-2","metadata":{"id":"file-3"}}"#;
        assert_eq!(made(chat, named), None);
        let upload = r#"{"file":{"name":"files/abc","displayName":"files/z"}}"#;
        assert_eq!(made(Dialect::Gemini, upload).as_deref(), Some("files/abc"));
        let cache = r#"{"name":"cachedContents/abc","model":"models/m"}"#;
        assert_eq!(
            made(Dialect::Gemini, cache).as_deref(),
            Some("cachedContents/abc")
        );
        assert_eq!(made(chat, "[]"), None);
        assert_eq!(made(chat, r#"{"id":"a b"}"#), None);
    }

    #[test]
    fn an_error_that_names_what_it_misses_is_told_from_others() {
        let names = || {
            ["files", "v1/files", "file-abc123", "rs_1234"]
                .map(str::to_owned)
                .into_iter()
        };
        let missing = |status, error: &str| missed(status, error.as_bytes(), names());
        assert_eq!(
            missing(404, "No such File object: file-abc123"),
            ["file-abc123"]
        );
        assert_eq!(
            missing(400, "Item with id 'rs_1234' not found."),
            ["rs_1234"]
        );
        for (status, error) in [
            (403, "file-abc123"),
            (404, "nothing at /v1/files"),
            (400, "invalid_encrypted_content"),
        ] {
            assert_eq!(missing(status, error), [""; 0], "{error}");
        }
        let mark = "m".repeat(passthrough::MARK);
        let error = r#"{"error":{"code":"invalid_encrypted_content","message":"The encrypted content gAAA... could not be verified."}}"#;
        let sealed = names().chain([mark.clone()]);
        assert_eq!(missed(400, error.as_bytes(), sealed), [mark]);
    }

    #[test]
    fn sealed_reasoning_is_known_by_its_end() {
        let call = ModelCall::new(Dialect::OpenaiResponses, Endpoint::Generate);
        let sealed = format!("gAAAA{}", "x".repeat(900));
        for colon in [":", ": ", " :\n"] {
            let body = format!(r#"{{"id":"rs_1","encrypted_content"{colon}"{sealed}"}}"#);
            let body_scan = BodyScan::of(body.as_bytes());
            let named = named(&call, body.as_bytes(), &body_scan);
            assert_eq!(
                named.collect::<Vec<_>>(),
                [&"x".repeat(passthrough::MARK), "rs_1"]
            );
        }
        let include =
            br#"{"include":["reasoning.encrypted_content"],"a":{"encrypted_content":null}}"#;
        assert_eq!(
            super::named(&call, include, &BodyScan::of(include)).count(),
            0
        );
    }

    #[test]
    fn a_request_names_things_in_its_path_and_its_body() {
        let call = ModelCall::new(Dialect::OpenaiChat, Endpoint::Generate);
        let named = |body: &str| {
            let body = body.as_bytes();
            named(&call, body, &BodyScan::of(body)).collect::<Vec<_>>()
        };
        assert_eq!(
            named(r#"{"content":[{"file_id":"file-abc"},{"id":"file_x"}]}"#),
            ["file_x", "file-abc"]
        );
        assert_eq!(
            named(r#"{"cachedContent":"cachedContents/q"}"#),
            ["cachedContents/q"]
        );
        let uri = r#"{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/q7"}"#;
        assert_eq!(named(uri), ["files/q7"]);
        assert_eq!(named(r#"{"text":"see \"file-abc\" and more"}"#), [""; 0]);
        assert_eq!(named(&format!("\"file-{}\"", "x".repeat(300))), [""; 0]);
        let vendor_call = VendorCall {
            method: http::Method::GET,
            path: "/v1beta/files/abc".to_owned(),
            model: Place::Nowhere,
            upload: None,
        };
        let call = ModelCall {
            vendor_call: Some(Box::new(vendor_call)),
            ..ModelCall::new(Dialect::Gemini, Endpoint::Vendor)
        };
        let all: Vec<String> = super::named(&call, b"", &BodyScan::default()).collect();
        assert!(all.contains(&"files/abc".to_owned()), "{all:?}");
    }
}
