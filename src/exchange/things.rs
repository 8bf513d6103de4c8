//! Things that live at one account: files, batches, containers, conversations, cached contents. Who makes one is remembered, so
//! that whatever names it goes there.
use bytes::Bytes;
use memchr::memmem;

use super::landmarks::Landmarks;
use super::operation::ModelCall;
use crate::protocol::Dialect;
use crate::protocol::json;

/// The thing that an answer beside generation tells of, by the name that the vendor gave it. What the client may have written
/// is not looked at.
pub(super) fn made(dialect: Dialect, answer: &Bytes) -> Option<String> {
    let members = json::scan(answer).ok()?;
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

/// The files that batches have, by what an answer of OpenAI's says of one batch or of several: the batch, and a file of it.
pub(super) fn files_of_batches(dialect: Dialect, answer: &Bytes) -> Vec<(String, String)> {
    if dialect == Dialect::Gemini || memmem::find(answer, b"_file_id\"").is_none() {
        return Vec::new();
    }
    let Ok(members) = json::scan(answer) else {
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

/// The container that an answer of Anthropic's ran its tools in.
pub(super) fn container(dialect: Dialect, answer: &Bytes) -> Option<String> {
    if dialect != Dialect::Anthropic || memmem::find(answer, b"\"container\"").is_none() {
        return None;
    }
    let members = json::scan(answer).ok()?;
    let container = members.value(answer, "container")?;
    let name = json::object(container)?.string(container, "id")?;
    Some(name.into_owned())
}

/// Names in a request that may be those of such things, the path's first. `landmarks` are the body's.
pub(super) fn named<'a>(
    call: &'a ModelCall,
    body: &'a [u8],
    landmarks: &'a Landmarks,
) -> impl Iterator<Item = String> + 'a {
    let side = call.side.as_deref();
    let path = side.map(|side| side.path.as_str()).unwrap_or_default();
    let kinds = path.split('/').skip(1);
    let of_path = kinds
        .zip(path.split('/').skip(2))
        .map(|(kind, name)| (kind, name.split(':').next().unwrap_or_default()))
        .flat_map(|(kind, name)| [name.to_owned(), format!("{kind}/{name}")]);
    let of_body = landmarks.names().iter();
    of_path.chain(of_body.filter_map(|at| name_at(body.get(*at..)?)))
}

/// The name at the start of this, behind its quotation mark or the slash of a URL.
fn name_at(text: &[u8]) -> Option<String> {
    let text = text.get(1..)?;
    let end = text
        .iter()
        .take(LONGEST + 1)
        .position(|byte| *byte == b'"')?;
    let name = text.get(..end)?;
    let name = std::str::from_utf8(name).ok()?;
    // The member that holds one begins alike.
    (name != "file_id" && is_name(name.as_bytes())).then(|| name.to_owned())
}

fn is_name(name: &[u8]) -> bool {
    let fits =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/' | b'.');
    !name.is_empty() && name.iter().all(fits)
}

/// Bytes of a name.
const LONGEST: usize = 200;
/// Files of batches that one answer tells of.
const MOST: usize = 200;

#[cfg(test)]
mod tests {
    use super::super::operation::Endpoint;
    use super::super::side::{Place, Side};
    use super::*;

    #[test]
    fn what_was_made_is_known_by_the_vendors_own_name() {
        let made =
            |dialect, body: &'static str| made(dialect, &Bytes::from_static(body.as_bytes()));
        let chat = Dialect::OpenaiChat;
        let file = r#"{"id":"file-1","object":"file","filename":"x"}"#;
        assert_eq!(made(chat, file).as_deref(), Some("file-1"));
        // What the client wrote names nothing.
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
    fn a_request_names_things_in_its_path_and_its_body() {
        let call = ModelCall::new(Dialect::OpenaiChat, Endpoint::Generate);
        let named = |body: &str| {
            let body = body.as_bytes();
            named(&call, body, &Landmarks::of(body)).collect::<Vec<_>>()
        };
        assert_eq!(
            named(r#"{"content":[{"file_id":"file-abc"},{"id":"file_x"}]}"#),
            ["file-abc", "file_x"]
        );
        assert_eq!(
            named(r#"{"cachedContent":"cachedContents/q"}"#),
            ["cachedContents/q"]
        );
        let uri = r#"{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/q7"}"#;
        assert_eq!(named(uri), ["files/q7"]);
        assert_eq!(named(r#"{"text":"see \"file-abc\" and more"}"#), [""; 0]);
        assert_eq!(named(&format!("\"file-{}\"", "x".repeat(300))), [""; 0]);
        let side = Side {
            method: http::Method::GET,
            path: "/v1beta/files/abc".to_owned(),
            model: Place::Nowhere,
            upload: None,
        };
        let call = ModelCall {
            side: Some(Box::new(side)),
            ..ModelCall::new(Dialect::Gemini, Endpoint::Side)
        };
        let all: Vec<String> = super::named(&call, b"", &Landmarks::default()).collect();
        assert!(all.contains(&"files/abc".to_owned()), "{all:?}");
    }
}
