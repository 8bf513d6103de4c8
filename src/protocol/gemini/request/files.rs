//! Files that Gemini fetches by itself, and their types.
use crate::protocol::hub::error::RequestFault;

/// The type of the file at the URL: the stated one, else by the ending. Gemini refuses a file whose type it is not
/// told, except for uploaded files, whose types it knows.
pub fn mime<'a>(url: &str, said: Option<&'a str>) -> Result<Option<&'a str>, RequestFault> {
    if let Some(said) = said.filter(|said| !said.is_empty()) {
        return Ok(Some(said));
    }
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let ending = path
        .rsplit('/')
        .next()
        .and_then(|name| name.rsplit_once('.'));
    let ending = ending.map(|(_, ending)| ending.to_ascii_lowercase());
    let known = ending.and_then(|ending| MIME.iter().find(|(known, _)| *known == ending));
    match known {
        Some((_, kind)) => Ok(Some(kind)),
        None if YOUTUBE.iter().any(|place| url.starts_with(place)) => Ok(Some("video/*")),
        None if url.starts_with(UPLOADED) => Ok(None),
        None => Err(RequestFault::new(
            "messages",
            format!(
                "the type of `{url}` is not known; give it an ending that says it, such as `.png`"
            ),
        )),
    }
}

/// Whether Gemini fetches the URL by itself.
pub fn is_fetched(url: &str) -> bool {
    FETCHED.iter().any(|place| url.starts_with(place))
}

/// The types that Gemini accepts, by file ending. Source: its guides to images, documents, audio and video.
const MIME: &[(&str, &str)] = &[
    ("aac", "audio/aac"),
    ("aiff", "audio/aiff"),
    ("avi", "video/avi"),
    ("csv", "text/csv"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("md", "text/markdown"),
    ("mkv", "video/x-matroska"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mp3"),
    ("mp4", "video/mp4"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpg"),
    ("ogg", "audio/ogg"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("txt", "text/plain"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("wmv", "video/wmv"),
    ("xml", "text/xml"),
];

const UPLOADED: &str = "https://generativelanguage.googleapis.com/";

const YOUTUBE: &[&str] = &["https://www.youtube.com/", "https://youtu.be/"];

const FETCHED: &[&str] = &[
    "gs://",
    UPLOADED,
    "https://www.youtube.com/",
    "https://youtu.be/",
];
